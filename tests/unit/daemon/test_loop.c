/* SPDX-License-Identifier: BSD-3-Clause */
/* test_loop.c - Sources and timers that come and go while others are served */
#include "tests/unit/daemon/daemon_test.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include "daemon/container_of.h"
#include "daemon/loop.h"

#define N_THINGS 100

/* A source and a timer that note when they were served, and act once */
struct thing {
	struct loop_source src;
	struct loop_timer timer;
	unsigned int n_ready, n_expired;
	uint32_t events;
	uint64_t expired_ns;
	void (*act)(struct thing *self);
};

static struct loop *loop;
static struct thing things[N_THINGS];
static unsigned int fds_before;

static void served(struct thing *t)
{
	if (t->act)
		t->act(t);
}

static void on_ready(struct loop_source *src, uint32_t events)
{
	struct thing *t = container_of(src, struct thing, src);

	t->n_ready++;
	t->events = events;
	served(t);
}

static void on_expired(struct loop_timer *timer)
{
	struct thing *t = container_of(timer, struct thing, timer);

	assert_false(timer->armed);
	t->expired_ns = loop_now_ns();
	assert_true(t->expired_ns >= timer->due_ns); /* never early */
	t->n_expired++;
	served(t);
}

static int setup(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	fds_before = count_fds();
	memset(things, 0, sizeof(things));
	for (unsigned int i = 0; i < N_THINGS; i++) {
		things[i].src = (struct loop_source){.fd = -1, .ready = on_ready};
		things[i].timer.expired = on_expired;
	}
	return loop_new(&loop);
}

static int teardown(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	for (unsigned int i = 0; i < N_THINGS; i++) {
		int fd = things[i].src.fd;

		loop_del(loop, &things[i].src);
		if (fd >= 0)
			close(fd);
		loop_timer_stop(&things[i].timer);
	}
	loop_free(loop);
	loop_free(NULL);
	return count_fds() == fds_before ? 0 : -1;
}

/* Put the first @n things into the loop, each with something to read */
static void add(unsigned int n)
{
	thread_role_assume(&ctl_role);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(loop_add(loop, &things[i].src, eventfd(1, EFD_CLOEXEC), EPOLLIN),
				 0);
}

static unsigned int look(void)
{
	thread_role_assume(&ctl_role);
	return loop_wait(loop, false);
}

static void set(unsigned int i, uint64_t delay_ns)
{
	thread_role_assume(&ctl_role);
	loop_timer_set(loop, &things[i].timer, delay_ns);
}

/* Wait until timer @i has expired */
static void await(unsigned int i)
{
	thread_role_assume(&ctl_role);
	while (!things[i].n_expired)
		loop_wait(loop, true);
}

static void remove_thing(struct thing *t)
{
	int fd = t->src.fd;

	thread_role_assume(&ctl_role);
	loop_del(loop, &t->src);
	if (fd >= 0)
		close(fd);
	loop_timer_stop(&t->timer);
}

static void test_loop_add_ready(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(look(), 0);
	add(2);
	assert_int_equal(read(things[1].src.fd, &value, sizeof(value)), sizeof(value));
	assert_int_equal(look(), 1);
	assert_int_equal(look(), 1); /* as long as it is not read */
	assert_int_equal(things[0].n_ready, 2);
	assert_int_equal(things[0].events, EPOLLIN);
	assert_int_equal(things[1].n_ready, 0);
}

static void test_loop_add_refused(void **state)
{
	int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(loop_add(loop, &things[0].src, file, EPOLLIN), -EPERM);
	assert_int_equal(things[0].src.fd, -1);
	close(file);
	assert_int_equal(loop_add(loop, &things[0].src, file, EPOLLIN), -EBADF);
}

static void test_loop_want_pause(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	add(1);
	loop_want(loop, &things[0].src, 0);
	assert_int_equal(look(), 0);
	loop_want(loop, &things[0].src, EPOLLIN | EPOLLOUT);
	assert_int_equal(look(), 1);
	assert_int_equal(things[0].events, EPOLLIN | EPOLLOUT);
	loop_want(loop, &things[1].src, EPOLLIN); /* one that is in no loop */
}

static void test_loop_del_own(void **state)
{
	(void)state;
	add(1);
	things[0].act = remove_thing;
	assert_int_equal(look(), 1);
	assert_int_equal(things[0].src.fd, -1);
	assert_int_equal(look(), 0);
	remove_thing(&things[0]); /* once more is harmless */
}

static void remove_others(struct thing *self)
{
	for (unsigned int i = 0; i < N_THINGS; i++)
		if (&things[i] != self)
			remove_thing(&things[i]);
}

/* All are ready in one round: whichever is first removes all others */
static void test_loop_del_another_in_the_round(void **state)
{
	unsigned int n = 0;

	(void)state;
	add(5);
	for (unsigned int i = 0; i < 5; i++)
		things[i].act = remove_others;
	assert_int_equal(look(), 1);
	for (unsigned int i = 0; i < 5; i++)
		n += things[i].n_ready;
	assert_int_equal(n, 1);
}

/* A source that comes back in the same round has not been ready yet */
static void replace_others(struct thing *self)
{
	thread_role_assume(&ctl_role);
	for (unsigned int i = 0; i < 3; i++) {
		if (&things[i] == self)
			continue;
		remove_thing(&things[i]);
		assert_int_equal(loop_add(loop, &things[i].src, eventfd(0, EFD_CLOEXEC), EPOLLIN),
				 0);
	}
}

static void test_loop_add_another_in_the_round(void **state)
{
	(void)state;
	add(3);
	for (unsigned int i = 0; i < 3; i++)
		things[i].act = replace_others;
	assert_int_equal(look(), 1);
	assert_int_equal(things[0].n_ready + things[1].n_ready + things[2].n_ready, 1);
}

/* More sources than a round holds: none is left out for ever */
static void test_loop_wait_many_sources(void **state)
{
	(void)state;
	add(N_THINGS);
	for (unsigned int round = 0; round < N_THINGS; round++)
		assert_true(look() > 0);
	for (unsigned int i = 0; i < N_THINGS; i++)
		assert_true(things[i].n_ready > 0);
}

static void test_loop_timer_order(void **state)
{
	(void)state;
	set(0, 3000000);
	set(1, 1000000);
	set(2, 2000000);
	await(0);
	assert_int_equal(things[1].n_expired + things[2].n_expired, 2); /* once each */
	assert_true(things[1].expired_ns <= things[2].expired_ns);
	assert_true(things[2].expired_ns <= things[0].expired_ns);
	assert_int_equal(look(), 0);
}

static void test_loop_timer_moved(void **state)
{
	(void)state;
	set(0, UINT64_C(3600000000000));
	assert_int_equal(look(), 0);
	set(0, 0);
	await(0);
	assert_int_equal(things[0].n_expired, 1);
	set(1, 0);
	set(1, UINT64_C(3600000000000));
	assert_int_equal(look(), 0);
	assert_true(things[1].timer.armed);
}

/* All are due in one round: whichever is first stops all others */
static void test_loop_timer_stop_another_in_the_round(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		set(i, 0);
		things[i].act = remove_others;
	}
	assert_int_equal(look(), 1);
	assert_int_equal(look(), 0);
}

/* A source is served before a timer of the same round, and may stop it */
static void test_loop_timer_stop_by_source(void **state)
{
	(void)state;
	add(1);
	things[0].act = remove_others;
	set(1, 0);
	assert_int_equal(look(), 1);
	assert_int_equal(things[1].n_expired, 0);
}

static void test_loop_del_by_timer(void **state)
{
	(void)state;
	add(2);
	set(2, 0);
	things[2].act = remove_others;
	assert_int_equal(look(), 3);
	assert_int_equal(look(), 0);
}

static void set_again(struct thing *self)
{
	thread_role_assume(&ctl_role);
	if (self->n_expired < 10)
		loop_timer_set(loop, &self->timer, 0);
}

/* One that sets itself again at once comes again, and does not keep the loop */
static void test_loop_timer_set_again(void **state)
{
	(void)state;
	add(1);
	set(1, 0);
	things[1].act = set_again;
	while (things[1].n_expired < 10) {
		unsigned int before = things[0].n_ready;

		look();
		assert_int_equal(things[0].n_ready, before + 1);
	}
	assert_true(things[0].n_ready > 1);
	assert_false(things[1].timer.armed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_loop_add_ready),
		TEST(test_loop_add_refused),
		TEST(test_loop_want_pause),
		TEST(test_loop_del_own),
		TEST(test_loop_del_another_in_the_round),
		TEST(test_loop_add_another_in_the_round),
		TEST(test_loop_wait_many_sources),
		TEST(test_loop_timer_order),
		TEST(test_loop_timer_moved),
		TEST(test_loop_timer_stop_another_in_the_round),
		TEST(test_loop_timer_stop_by_source),
		TEST(test_loop_del_by_timer),
		TEST(test_loop_timer_set_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
