/* SPDX-License-Identifier: BSD-3-Clause */
/* test_library.c - Calls to librte_vhost, which a thread plays here
 *
 * The thread answers one call.  Before each part of its answer it lets the
 * caller fall asleep and sends it a signal, as DPDK's TAP driver does.
 */
#include "tests/unit/daemon/daemon_test.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/un.h>

#include "daemon/library.h"

#define SLEEP_US 20000

/**
 * struct played - What the thread answers
 * @listen_fd:	Socket it accepts on
 * @caller:	Thread to send signals to
 * @reply:	Its answer
 * @n_bytes:	How many bytes of that it sends before it closes
 * @got:	The call
 */
struct played {
	int listen_fd;
	pthread_t caller;
	struct vu_msg reply;
	size_t n_bytes;
	struct vu_msg got;
};

static char path[108];
static struct library lib;
static struct played played;
static volatile sig_atomic_t n_signals;

static void on_signal(int sig)
{
	(void)sig;
	n_signals++;
}

static void *play(void *arg)
{
	struct played *p = arg;
	int fd = accept(p->listen_fd, NULL, NULL);

	if (recv(fd, &p->got, VU_HEADER_SIZE + sizeof(uint64_t), MSG_WAITALL) < 0)
		p->n_bytes = 0;
	for (size_t at = 0, n; at < p->n_bytes; at += n) {
		usleep(SLEEP_US);
		pthread_kill(p->caller, SIGUSR1);
		usleep(SLEEP_US);
		/* Parts of 5 bytes: neither header nor payload comes in one */
		n = p->n_bytes - at < 5 ? p->n_bytes - at : 5;
		send(fd, (uint8_t *)&p->reply + at, n, MSG_NOSIGNAL);
	}
	close(fd);
	return NULL;
}

static int setup(void **state)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	(void)state;
	thread_role_assume(&ctl_role);
	snprintf(path, sizeof(path), "/tmp/test_library.%d.sock", getpid());
	memcpy(un.sun_path, path, sizeof(un.sun_path));
	played = (struct played){.caller = pthread_self()};
	played.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	n_signals = 0;
	if (sigaction(SIGUSR1, &sa, NULL) ||
	    bind(played.listen_fd, (struct sockaddr *)&un, sizeof(un)) ||
	    listen(played.listen_fd, 1))
		return -1;
	lib = (struct library){.path = path, .fd = -1};
	sem_init(&lib.gone, 0, 0);
	return library_connect(&lib);
}

static int teardown(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	sem_post(&lib.gone); /* nobody else says that the device has ended */
	library_disconnect(&lib);
	sem_destroy(&lib.gone);
	close(played.listen_fd);
	return unlink(path);
}

/* Have a SET_FEATURES answered with these bytes of a reply, say what came of it */
static int call(uint32_t request, uint64_t value, size_t n_bytes)
{
	struct vu_msg msg = {.hdr = {.request = VU_SET_FEATURES, .size = sizeof(uint64_t)},
			     .payload.u64 = 0x1234};
	pthread_t thread;
	int err;

	thread_role_assume(&ctl_role);
	played.reply = (struct vu_msg){
		.hdr = {.request = request,
			.flags = VU_VERSION | VU_REPLY,
			.size = sizeof(uint64_t)},
		.payload.u64 = value,
	};
	played.n_bytes = n_bytes;
	assert_int_equal(pthread_create(&thread, NULL, play, &played), 0);
	err = library_call(&lib, &msg, NULL, 0, false);
	pthread_join(thread, NULL);
	assert_int_equal(played.got.hdr.request, VU_SET_FEATURES);
	assert_int_equal(played.got.hdr.flags, VU_VERSION | VU_NEED_REPLY);
	assert_int_equal(played.got.payload.u64, 0x1234);
	return err;
}

static void test_library_call_signals(void **state)
{
	(void)state;
	assert_int_equal(call(VU_SET_FEATURES, 0, VU_HEADER_SIZE + sizeof(uint64_t)), 0);
	assert_int_equal(n_signals, 4); /* one in front of each part */
}

static void test_library_call_refused(void **state)
{
	(void)state;
	assert_int_equal(call(VU_SET_FEATURES, 1, VU_HEADER_SIZE + sizeof(uint64_t)), -EREMOTEIO);
}

static void test_library_call_answer_to_another(void **state)
{
	(void)state;
	assert_int_equal(call(VU_SET_OWNER, 0, VU_HEADER_SIZE + sizeof(uint64_t)), -EPIPE);
}

static void test_library_call_end_in_the_header(void **state)
{
	(void)state;
	assert_int_equal(call(VU_SET_FEATURES, 0, 7), -EPIPE);
}

static void test_library_call_end_in_the_payload(void **state)
{
	(void)state;
	assert_int_equal(call(VU_SET_FEATURES, 0, VU_HEADER_SIZE + 3), -EPIPE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_library_call_signals),
		TEST(test_library_call_refused),
		TEST(test_library_call_answer_to_another),
		TEST(test_library_call_end_in_the_header),
		TEST(test_library_call_end_in_the_payload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
