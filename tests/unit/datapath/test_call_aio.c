/* SPDX-License-Identifier: BSD-3-Clause */
/* test_call_aio.c - Adding to eventfds of all kinds, none of which is waited for */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/call_aio.h"

/* Far more than requests may be under way */
#define TIMES 1000

static uint64_t count(int fd)
{
	uint64_t n = 0;

	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	return n;
}

static void adds_one(int flags)
{
	int fd = eventfd(0, EFD_CLOEXEC | flags);

	thread_role_assume(&pmd_role);
	for (unsigned int i = 0; i < TIMES; i++)
		assert_int_equal(call_aio(fd), 0);
	assert_int_equal(count(fd), TIMES);
	close(fd);
}

static void test_call_aio_adds_one(void **state)
{
	(void)state;
	adds_one(EFD_NONBLOCK);
	adds_one(0);
}

/* A write would wait, and for ever */
static void test_call_aio_blocking_and_full(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	const uint64_t full = UINT64_MAX - 1;

	(void)state;
	thread_role_assume(&pmd_role);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	for (unsigned int i = 0; i < TIMES; i++)
		assert_int_equal(call_aio(fd), 0);
	assert_true(count(fd) >= full);
	assert_int_equal(call_aio(fd), 0);
	assert_int_equal(count(fd), 1);
	close(fd);
}

static void test_call_aio_of_nothing(void **state)
{
	int pipes[2], fd = eventfd(0, EFD_CLOEXEC);

	(void)state;
	thread_role_assume(&pmd_role);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(call_aio(-1), -EBADF);
	assert_int_equal(call_aio(pipes[1]), -EINVAL);
	/* And the next one is as good as ever */
	assert_int_equal(call_aio(fd), 0);
	assert_int_equal(count(fd), 1);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call_aio_adds_one),
		cmocka_unit_test(test_call_aio_blocking_and_full),
		cmocka_unit_test(test_call_aio_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
