/* SPDX-License-Identifier: BSD-3-Clause */
/* library.c - librte_vhost as something to call */
#include "daemon/library.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <rte_vhost.h>

#include "daemon/channel.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "datapath/pmd_watch.h"

/* Calls take well under a millisecond; mapping many huge pages takes longer */
#define LIBRARY_TIMEOUT_S 10
/* The library polls for a second at most */
#define ROUSE_NS UINT64_C(1500000000)

/*
 * Callbacks find their guest by the socket path.  The table is written while
 * no connection exists and read by the library's thread inside our calls.
 */
static struct library *libraries[CONF_GUESTS_MAX];

/**
 * library_of() - The guest a device number belongs to
 * @vid:	The library's device number
 */
static struct library *library_of(int vid)
{
	char path[PATH_MAX];

	if (rte_vhost_get_ifname(vid, path, sizeof(path)))
		return NULL;
	for (unsigned int i = 0; i < CONF_GUESTS_MAX; i++)
		if (libraries[i] && !strcmp(libraries[i]->path, path))
			return libraries[i];
	return NULL;
}

/**
 * on_connection() - Note the device number; runs before the first answer
 * @vid:	New device
 */
static int on_connection(int vid)
{
	struct library *lib = library_of(vid);

	if (!lib)
		return -1;
	__atomic_store_n(&lib->vid, vid, __ATOMIC_RELEASE);
	return 0;
}

/**
 * on_destroyed() - Note that a device has ended
 * @vid:	Device; freed when this returns
 */
static void on_destroyed(int vid)
{
	struct library *lib = library_of(vid);

	if (lib)
		sem_post(&lib->gone);
}

static const struct rte_vhost_device_ops library_ops = {
	.new_connection = on_connection,
	.destroy_connection = on_destroyed,
};

/**
 * remove_tree() - Remove a directory of sockets
 * @dir:	Path
 */
static void remove_tree(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	(void)rmdir(dir);
}

/**
 * remove_stale() - Remove what daemons that were killed left behind
 * @base:	Directory that holds lib.PID directories
 */
static void remove_stale(const char *base)
{
	char path[PATH_MAX];
	DIR *d = opendir(base);
	struct dirent *e;
	int pid;

	while (d && (e = readdir(d))) {
		if (sscanf(e->d_name, "lib.%d", &pid) != 1 || !kill(pid, 0) || errno != ESRCH)
			continue;
		snprintf(path, sizeof(path), "%s/%s", base, e->d_name);
		remove_tree(path);
	}
	if (d)
		closedir(d);
}

const char *library_base(void)
{
	const char *base = getenv("RUNTIME_DIRECTORY");

	return base ? base : "/run/vunetd";
}

int library_dir_make(char **ret_dir)
{
	const char *base = library_base();
	char *dir;

	if (mkdir(base, 0755) && errno != EEXIST)
		return -errno;
	remove_stale(base);
	if (asprintf(&dir, "%s/lib.%d", base, getpid()) < 0)
		return -ENOMEM;
	if (mkdir(dir, 0700) && errno != EEXIST) {
		int err = -errno;

		free(dir);
		return err;
	}
	*ret_dir = dir;
	return 0;
}

void library_dir_remove(char *dir)
{
	if (dir)
		remove_tree(dir);
	free(dir);
}

/**
 * library_enter() - Put a guest into the table the callbacks look at
 * @lib:	With its path
 * Return: 0 or -ENOSPC
 */
static int library_enter(struct library *lib)
{
	for (unsigned int i = 0; i < CONF_GUESTS_MAX; i++) {
		if (libraries[i])
			continue;
		libraries[i] = lib;
		return 0;
	}
	return -ENOSPC;
}

/**
 * library_leave() - Take it out again
 * @lib:	Guest's library
 */
static void library_leave(const struct library *lib)
{
	for (unsigned int i = 0; i < CONF_GUESTS_MAX; i++)
		if (libraries[i] == lib)
			libraries[i] = NULL;
}

/**
 * events_thread() - The library's thread
 * Return: Its number, or 0
 */
static pid_t events_thread(void)
{
	char path[PATH_MAX], name[16];
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	pid_t found = 0;

	while (d && !found && (e = readdir(d))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "re");
		if (f && fgets(name, sizeof(name), f) && !strncmp(name, "vhost-events", 12))
			found = (pid_t)strtol(e->d_name, NULL, 10);
		if (f)
			(void)fclose(f);
	}
	if (d)
		closedir(d);
	return found;
}

/**
 * library_rouse() - Have the library see a socket that it was just given
 * @lib:	Served for the first time
 *
 * The library's thread polls what it had when it began to poll, for up to a second:
 * that is how long the first front-end after a start would wait, and the others
 * with it.  A signal ends the poll.  Whether it came too early is told by a connection of
 * our own, and where signals are of no avail that second is over before anyone
 * comes.
 */
static void library_rouse(struct library *lib) CTL_ONLY
{
	uint64_t end = loop_now_ns() + ROUSE_NS;
	const struct timespec nap = {.tv_nsec = 1000000};
	pid_t thread = events_thread();

	if (!thread || library_connect(lib))
		return;
	/* Pairs with the release in on_connection() */
	while (__atomic_load_n(&lib->vid, __ATOMIC_ACQUIRE) < 0 && loop_now_ns() < end) {
		(void)tgkill(getpid(), thread, PMD_WATCH_SIGNAL);
		(void)nanosleep(&nap, NULL);
	}
	library_disconnect(lib);
}

/**
 * library_serve() - Register and start the private socket
 * @lib:		With its path
 * @features:		Virtio feature bits wanted
 * @protocol_features:	Protocol feature bits wanted
 * Return: 0 or -EIO
 *
 * rte_vhost_driver_set_features() would turn the built-in net device off, so
 * what is not wanted is disabled instead.
 */
static int library_serve(struct library *lib, uint64_t features, uint64_t protocol_features)
{
	uint64_t offered = 0, protocol_offered = 0;

	if (rte_vhost_driver_register(lib->path, 0))
		return -EIO;
	lib->registered = true;
	if (rte_vhost_driver_get_features(lib->path, &offered) ||
	    rte_vhost_driver_disable_features(lib->path, offered & ~features) ||
	    rte_vhost_driver_get_protocol_features(lib->path, &protocol_offered) ||
	    rte_vhost_driver_set_protocol_features(lib->path,
						   protocol_offered & protocol_features) ||
	    rte_vhost_driver_callback_register(lib->path, &library_ops) ||
	    rte_vhost_driver_start(lib->path))
		return -EIO;
	return 0;
}

int library_init(struct library *lib, const char *dir, const char *name, uint64_t features,
		 uint64_t protocol_features)
{
	int err;

	lib->fd = lib->vid = -1;
	if (asprintf(&lib->path, "%s/%s.sock", dir, name) < 0) {
		lib->path = NULL;
		return -ENOMEM;
	}
	sem_init(&lib->gone, 0, 0);
	(void)unlink(lib->path);
	err = library_enter(lib);
	if (!err)
		err = library_serve(lib, features, protocol_features);
	if (err)
		library_fini(lib);
	else
		library_rouse(lib);
	return err;
}

void library_fini(struct library *lib)
{
	if (!lib->path)
		return;
	if (lib->registered)
		(void)rte_vhost_driver_unregister(lib->path);
	lib->registered = false;
	library_leave(lib);
	(void)unlink(lib->path);
	sem_destroy(&lib->gone);
	free(lib->path);
	lib->path = NULL;
}

int library_connect(struct library *lib)
{
	struct timeval timeout = {.tv_sec = LIBRARY_TIMEOUT_S};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(lib->path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, lib->path, strlen(lib->path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) ||
	    connect(fd, (const struct sockaddr *)&un, sizeof(un))) {
		err = -errno;
		close(fd);
		return err;
	}
	while (!sem_trywait(&lib->gone))
		; /* nothing of an earlier life may count for this one */
	lib->fd = fd;
	return 0;
}

void library_disconnect(struct library *lib)
{
	struct timespec until;

	if (lib->fd < 0)
		return;
	close(lib->fd);
	lib->fd = -1;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LIBRARY_TIMEOUT_S;
	while (sem_timedwait(&lib->gone, &until) && errno == EINTR)
		;
}

/**
 * send_call() - Send a message with descriptors
 * @fd:		Socket to the library
 * @msg:	Message
 * @fds:	Descriptors
 * @n_fds:	How many
 * Return: 0 or -EPIPE
 */
static int send_call(int fd, const struct vu_msg *msg, const int *fds, unsigned int n_fds)
{
	union {
		char buf[CMSG_SPACE(VU_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	size_t len = VU_HEADER_SIZE + msg->hdr.size;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;
	ssize_t n;

	if (n_fds) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	cmsg = CMSG_FIRSTHDR(&mh); /* NULL without descriptors */
	if (cmsg) {
		cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
	}
	do {
		n = sendmsg(fd, &mh, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)len ? 0 : -EPIPE;
}

/**
 * receive_all() - Wait for bytes from the library
 * @fd:		Socket to the library, with a receive timeout
 * @buf:	Filled in
 * @len:	Bytes
 * Return: 0, -ETIMEDOUT or -EPIPE
 *
 * DPDK's TAP driver has the kernel signal this thread for arriving frames.  A
 * socket with a timeout is never restarted after a signal, whatever SA_RESTART
 * says, so that is done here; the clock keeps signals from putting the timeout
 * off for ever.
 */
static int receive_all(int fd, void *buf, size_t len)
{
	uint64_t end = loop_now_ns() + LIBRARY_TIMEOUT_S * UINT64_C(1000000000);
	size_t have = 0;

	while (have < len) {
		ssize_t n = recv(fd, (uint8_t *)buf + have, len - have, 0);

		if (n > 0)
			have += (size_t)n;
		else if (n < 0 && errno == EINTR && loop_now_ns() < end)
			continue;
		else
			return n < 0 && (errno == EAGAIN || errno == EINTR) ? -ETIMEDOUT : -EPIPE;
	}
	return 0;
}

/**
 * receive_reply() - Wait for the library's answer
 * @fd:		Socket to the library
 * @ret_msg:	Filled in
 * Return: 0, -ETIMEDOUT or -EPIPE
 */
static int receive_reply(int fd, struct vu_msg *ret_msg)
{
	int err = receive_all(fd, &ret_msg->hdr, VU_HEADER_SIZE);

	if (err)
		return err;
	if (ret_msg->hdr.size > sizeof(ret_msg->payload))
		return -EPIPE;
	return receive_all(fd, &ret_msg->payload, ret_msg->hdr.size);
}

int library_call(struct library *lib, struct vu_msg *msg, const int *fds, unsigned int n_fds,
		 bool replies)
{
	struct vu_msg call = *msg, reply;
	int err;

	call.hdr.flags = VU_VERSION | (replies ? 0 : VU_NEED_REPLY);
	err = send_call(lib->fd, &call, fds, n_fds);
	if (!err)
		err = receive_reply(lib->fd, &reply);
	if (err)
		return err;
	if (reply.hdr.request != call.hdr.request)
		return -EPIPE;
	if (!replies)
		return reply.payload.u64 ? -EREMOTEIO : 0;
	*msg = reply;
	return 0;
}

int library_memory(const struct library *lib, struct rte_vhost_memory **ret_mem)
{
	return rte_vhost_get_mem_table(__atomic_load_n(&lib->vid, __ATOMIC_ACQUIRE), ret_mem)
		       ? -ENOMEM
		       : 0;
}

int library_set_base(const struct library *lib, uint16_t ring, uint16_t base)
{
	int vid = __atomic_load_n(&lib->vid, __ATOMIC_ACQUIRE);

	return rte_vhost_set_vring_base(vid, ring, base, base) ? -EINVAL : 0;
}
