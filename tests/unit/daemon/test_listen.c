/* SPDX-License-Identifier: BSD-3-Clause */
/* test_listen.c - The socket's owner and mode, and what may stand at its path */
#include "tests/unit/daemon/daemon_test.h"

#include <fcntl.h>
#include <sys/un.h>

#include "daemon/listen.h"

static char dir[] = "/tmp/test_listen.XXXXXX";
static char path[sizeof(dir) + 16];
static struct conf_guest conf;
static unsigned int fds_before;

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_listen.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/vm1.sock", dir);
	conf = (struct conf_guest){
		.socket = path,
		.owner = (uid_t)-1,
		.group = (gid_t)-1,
		.perm = 0660,
	};
	fds_before = count_fds();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)rmdir(path);
	return rmdir(dir) || count_fds() != fds_before ? -1 : 0;
}

/* A socket at @path, as another program would make it */
static int other(int type, int backlog)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strcpy(un.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int listening(void)
{
	int fd = -1;

	thread_role_assume(&ctl_role);
	assert_int_equal(listen_open(&conf, &fd), 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	return fd;
}

/* What is at @path stays there, and nothing is opened */
static void refused(int err)
{
	struct stat before, after;
	int fd = -1;

	thread_role_assume(&ctl_role);
	assert_int_equal(lstat(path, &before), 0);
	assert_int_equal(listen_open(&conf, &fd), err);
	assert_int_equal(fd, -1);
	assert_int_equal(lstat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void test_listen_open_connect(void **state)
{
	int fd = listening(), client = -1, conn;
	char byte = 0;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(listen_connect(&conf, &client), 0);
	assert_true(fcntl(client, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(client, F_GETFD) & FD_CLOEXEC);
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(conn >= 0);
	assert_int_equal(write(client, "x", 1), 1);
	assert_int_equal(read(conn, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(conn);
	close(client);
	close(fd);
}

static void test_listen_open_owner_and_mode(void **state)
{
	static const mode_t modes[] = {0600, 0660, 0666, 0777};
	mode_t mask = umask(0027);
	struct stat st;

	(void)state;
	/* Only root can give a socket away */
	conf.owner = getuid() ? getuid() : 12;
	conf.group = getuid() ? getgid() : 34;
	for (unsigned int i = 0; i < 4; i++) {
		int fd;

		conf.perm = modes[i];
		fd = listening();
		assert_int_equal(stat(path, &st), 0);
		assert_true(S_ISSOCK(st.st_mode));
		assert_int_equal(st.st_mode & 07777, modes[i]);
		assert_int_equal(st.st_uid, conf.owner);
		assert_int_equal(st.st_gid, conf.group);
		close(fd);
		unlink(path);
	}
	assert_int_equal(umask(mask), 0027); /* given back */
}

static void test_listen_open_owner_left(void **state)
{
	struct stat st;
	int fd = listening();

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_gid, getegid());
	close(fd);
}

static void test_listen_open_replaces_stale(void **state)
{
	int client = -1, fd;

	(void)state;
	thread_role_assume(&ctl_role);
	close(other(SOCK_STREAM, 1));
	assert_int_equal(listen_connect(&conf, &client), -ECONNREFUSED);
	fd = listening();
	assert_int_equal(listen_connect(&conf, &client), 0);
	close(client);
	close(fd);
}

static void test_listen_open_refuses_live(void **state)
{
	int fd = other(SOCK_STREAM, 1), client = -1;

	(void)state;
	thread_role_assume(&ctl_role);
	refused(-EADDRINUSE);
	assert_int_equal(listen_connect(&conf, &client), 0);
	close(client);
	close(fd);
}

/* Its owner is busy: connections wait, and one more is turned away */
static void test_listen_open_refuses_live_with_full_backlog(void **state)
{
	int fd = other(SOCK_STREAM, 0), client[8], n = 0, err = 0;

	(void)state;
	thread_role_assume(&ctl_role);
	while (n < 8 && !(err = listen_connect(&conf, &client[n])))
		n++;
	assert_int_equal(err, -EAGAIN);
	refused(-EADDRINUSE);
	while (n)
		close(client[--n]);
	close(fd);
}

/* A socket of another type is somebody's, /dev/log for example */
static void test_listen_open_refuses_other_types(void **state)
{
	int dgram = other(SOCK_DGRAM, -1), seq;

	(void)state;
	refused(-EEXIST);
	close(dgram);
	unlink(path);
	seq = other(SOCK_SEQPACKET, 1);
	refused(-EEXIST);
	close(seq);
}

static void test_listen_open_refuses_files(void **state)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	close(fd);
	refused(-EEXIST);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	refused(-EEXIST);
	rmdir(path);
	assert_int_equal(symlink("/dev/null", path), 0);
	refused(-EEXIST);
}

static void test_listen_open_no_directory(void **state)
{
	char nowhere[] = "/nonexistent/vm1.sock";
	int fd = -1;

	(void)state;
	thread_role_assume(&ctl_role);
	conf.socket = nowhere;
	assert_int_equal(listen_open(&conf, &fd), -ENOENT);
	assert_int_equal(listen_connect(&conf, &fd), -ENOENT);
	assert_int_equal(fd, -1);
}

static void test_listen_open_long_path(void **state)
{
	char longest[109];
	int fd = -1;

	(void)state;
	thread_role_assume(&ctl_role);
	memset(longest, 'x', sizeof(longest) - 1);
	memcpy(longest, dir, strlen(dir));
	longest[strlen(dir)] = '/';
	longest[108] = '\0';
	conf.socket = longest;
	assert_int_equal(listen_open(&conf, &fd), -ENAMETOOLONG);
	assert_int_equal(listen_connect(&conf, &fd), -ENAMETOOLONG);
	longest[107] = '\0';
	assert_int_equal(listen_open(&conf, &fd), 0);
	close(fd);
	unlink(longest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_listen_open_connect),
		TEST(test_listen_open_owner_and_mode),
		TEST(test_listen_open_owner_left),
		TEST(test_listen_open_replaces_stale),
		TEST(test_listen_open_refuses_live),
		TEST(test_listen_open_refuses_live_with_full_backlog),
		TEST(test_listen_open_refuses_other_types),
		TEST(test_listen_open_refuses_files),
		TEST(test_listen_open_no_directory),
		TEST(test_listen_open_long_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
