/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pmd_threads.c - Poll-mode threads at work while everything changes
 *
 * Two guests behind looping ports send numbered frames and get them back from
 * two real threads.  Meanwhile the control thread, which is this test, moves the
 * guests between the threads, takes them away and brings them back, changes
 * their eventfds, and unmaps their pages; once with threads that never sleep, and
 * once with threads that sleep whenever they can.  Frames may be dropped by name; what
 * arrives is whole and in order, and everything is accounted for at the end.
 * Under ThreadSanitizer this also shows that all of it is ordered.
 */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include <cmocka.h>

#include "datapath/wire.h"
#include "tests/unit/datapath/looped_guest.h"

#define N_GUESTS 2

static unsigned int cores[2];

static void wait_for_heartbeat(struct pmd_set *set, unsigned int thread)
{
	uint64_t before = pmd_heartbeat(set, thread);
	unsigned int i;

	for (i = 0; i < 1000000 && pmd_heartbeat(set, thread) == before; i++)
		lg_nap_us(10);
	assert_true(i < 1000000);
}

/* Threads of this process that have the name */
static unsigned int threads_named(const char *name)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int n = 0;
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char path[300], line[64] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(line, sizeof(line), f) && !strncmp(line, name, strlen(name)))
			n++;
		fclose(f);
	}
	closedir(dir);
	return n;
}

/* A thread that was joined stays in /proc for a moment */
static bool threads_gone(void)
{
	for (int i = 0; i < 10000 && threads_named("vunetd-pmd"); i++)
		lg_nap_us(100);
	return !threads_named("vunetd-pmd");
}

static void test_pmd_set_runs_and_ends(void **state)
{
	struct pmd_set *set;

	(void)state;
	thread_role_assume(&ctl_role);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(pmd_set_new(cores, 2, 0, 0, &set), 0);
		assert_int_equal(pmd_set_count(set), 2);
		assert_int_equal(threads_named("vunetd-pmd0"), 1);
		assert_int_equal(threads_named("vunetd-pmd1"), 1);
		wait_for_heartbeat(set, 0);
		wait_for_heartbeat(set, 1);
		assert_int_equal(pmd_publish(set, 0, NULL, 0), 0);
		pmd_synchronize(set);
		pmd_set_free(set);
		assert_true(threads_gone());
	}
}

static void test_pmd_set_bad_core(void **state)
{
	unsigned int bad[] = {cores[0], CPU_SETSIZE - 1};
	unsigned int worse[] = {cores[0], 1u << 31};
	struct pmd_set *set = NULL;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(pmd_set_new(bad, 2, 0, 0, &set), -EINVAL);
	assert_int_equal(pmd_set_new(worse, 2, 0, 0, &set), -EINVAL);
	assert_int_equal(pmd_set_new(bad, 0, 0, 0, &set), -EINVAL);
	assert_null(set);
	assert_true(threads_gone());
}

static void guest_work(struct looped_guest *guest, struct pmd_set *set)
{
	for (unsigned int i = mg_rand(guest->g, 20); i; i--)
		lg_send(guest);
	lg_offer(guest);
	while (lg_receive(guest))
		;
	thread_role_assume(&ctl_role);
	if (mg_answer(guest->g, 1000))
		pmd_wake(set);
}

/* Guest i on thread where[i], or on none for -1 */
static void publish(struct pmd_set *set, struct looped_guest *guests, const int *where)
{
	thread_role_assume(&ctl_role);
	for (int t = 0; t < 2; t++) {
		struct poll_entry entries[N_GUESTS];
		unsigned int n = 0;

		for (int i = 0; i < N_GUESTS; i++) {
			if (where[i] == t)
				entries[n++] = lg_entry(&guests[i]);
		}
		assert_int_equal(pmd_publish(set, (unsigned int)t, entries, n), 0);
	}
	pmd_synchronize(set);
}

/* A ring handed from one thread to the other is on neither in between */
static void move(struct pmd_set *set, struct looped_guest *guests, int *where, int i)
{
	where[i] = -1;
	publish(set, guests, where);
	/* Ours alone now: the base may be read, the ring be started again */
	thread_role_assume(&ctl_role);
	guests[i].tx->cfg.base = vq_base(guests[i].tx->vq);
	assert_int_equal(vq_start(guests[i].tx->vq, &guests[i].tx->cfg), 0);
	where[i] = (int)mg_rand(guests[i].g, 2);
	publish(set, guests, where);
}

static void while_all_changes(uint32_t idle_us)
{
	struct looped_guest guests[N_GUESTS];
	int where[N_GUESTS] = {0, 1};
	struct pmd_set *set;
	unsigned int i;

	thread_role_assume(&ctl_role);
	assert_int_equal(pmd_set_new(cores, 2, idle_us, 200, &set), 0);
	for (i = 0; i < N_GUESTS; i++)
		lg_open(&guests[i], set, i ? UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX : 0);
	publish(set, guests, where);

	for (unsigned int round = 0; round < 600; round++) {
		struct looped_guest *guest = &guests[round % N_GUESTS];

		guest_work(guest, set);
		if (idle_us && !mg_rand(guest->g, 4))
			lg_nap_us(mg_rand(guest->g, 200));
		if (!mg_rand(guest->g, 10))
			move(set, guests, where, (int)(round % N_GUESTS));
		if (!mg_rand(guest->g, 3))
			mg_unmap_random(guest->g, 1 + mg_rand(guest->g, 5));
		vq_set_call(guest->rx->vq, guest->fds[round & 1]);
		vq_set_call(guest->tx->vq, mg_rand(guest->g, 3) ? guest->fds[0] : -1);
		mg_set_no_interrupt(guest->rx, false);
	}
	for (i = 0; i < N_GUESTS; i++) {
		struct looped_guest *guest = &guests[i];

		for (int j = 0; j < 100000 && !lg_settled(guest); j++) {
			lg_offer(guest);
			while (lg_receive(guest))
				;
			thread_role_assume(&ctl_role);
			if (mg_answer(guest->g, 1000))
				pmd_wake(set);
			lg_nap_us(100);
		}
		assert_true(lg_settled(guest));
		assert_int_equal(COUNTER_READ(wire_counters(guest->wire)->drop_guest_down), 0);
		assert_true(guest->received > 0);
		assert_int_equal(guest->g->faults, 0);
		assert_false(vq_broken(guest->rx->vq));
		assert_false(vq_broken(guest->tx->vq));
	}
	for (i = 0; i < 2; i++)
		assert_int_equal(COUNTER_READ(pmd_counters(set, i)->sleeps) > 0, idle_us > 0);
	assert_true(COUNTER_READ(vq_counters(guests[0].rx->vq)->calls) > 0);
	assert_true(COUNTER_READ(vq_counters(guests[0].tx->vq)->misses) > 0);
	where[0] = where[1] = -1;
	publish(set, guests, where);
	for (i = 0; i < N_GUESTS; i++)
		lg_close(&guests[i]);
	pmd_set_free(set);
}

static void test_pmd_threads_while_all_changes(void **state)
{
	(void)state;
	while_all_changes(0);
}

static void test_pmd_threads_that_sleep_while_all_changes(void **state)
{
	(void)state;
	while_all_changes(5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pmd_set_runs_and_ends),
		cmocka_unit_test(test_pmd_set_bad_core),
		cmocka_unit_test(test_pmd_threads_while_all_changes),
		cmocka_unit_test(test_pmd_threads_that_sleep_while_all_changes),
	};

	lg_find_cores(cores);
	mg_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
