/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pmd_sleep.c - Poll-mode threads that sleep miss nothing
 *
 * First what a ring says while its thread sleeps, in every layout.  Then real
 * threads: the guest sends at random moments of their falling asleep.  They nap for
 * as long as they may, and what did not wake them then is counted as late.  Under
 * ThreadSanitizer this also shows that all of it is ordered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "datapath/pmd_sleep.h"
#include "datapath/vq_call.h"
#include "datapath/wire.h"
#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/looped_guest.h"
#include "tests/unit/datapath/model_packed.h"

#define SIZE  16
#define FRAME 60

#define IDLE_US	    20
#define INTERVAL_US 2000
#define PHASES	    1500

static struct rte_mempool *pool;
static unsigned int cores[2];

static const uint64_t layouts[] = {
	0,
	EVENT,
	PACKED,
	PACKED | EVENT,
};

/* A packed ring's flags are stored as 16 bits and loaded with their neighbours as 64,
 * in which ThreadSanitizer sees no release and acquire
 */
#ifdef __SANITIZE_THREAD__
#define N_THREAD_LAYOUTS 2
#else
#define N_THREAD_LAYOUTS RTE_DIM(layouts)
#endif

/**
 * struct scene - A transmit ring with one buffer for all frames
 */
struct scene {
	struct model_guest *g;
	struct mg_ring *r;
	uint64_t buf;
	bool event;
};

static void scene_open(struct scene *s, uint64_t layout)
{
	uint16_t base = layout & PACKED ? 0x8000 | (SIZE - 3) : 65530;

	thread_role_assume(&ctl_role);
	s->g = mg_new(64, 4096, false, NULL);
	s->r = mg_ring_new(s->g, 1, SIZE, base, V1 | layout, 16);
	s->buf = mg_alloc(s->g, 12 + FRAME, 16, 0, IOTLB_READ);
	s->event = layout & EVENT;
	mg_map_all(s->g);
}

static void scene_close(struct scene *s)
{
	thread_role_assume(&ctl_role);
	mg_ring_free(s->r);
	mg_free(s->g);
}

static uint16_t pull(struct scene *s, uint64_t now)
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint16_t n;

	thread_role_assume(&pmd_role);
	n = vq_pull(s->r->vq, pool, pkts, VQ_BURST, now);
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static void offer(struct scene *s)
{
	struct mg_buf b = {s->buf, 12 + FRAME};
	uint32_t len;

	while (mg_used(s->r, &len) >= 0)
		;
	assert_true(mg_add(s->r, &b, 1, 0, false) >= 0);
	mg_show(s->r);
}

/* Whether the driver, by the letter, kicks for the next chain it makes available */
static bool would_kick(struct scene *s)
{
	if (s->r->packed)
		return mp_device_flags(s->r) != VRING_PACKED_EVENT_FLAG_DISABLE;
	if (s->event)
		return mg_avail_event(s->r) == s->r->avail_idx;
	return !(mg_used_flags(s->r) & VRING_USED_F_NO_NOTIFY);
}

static void test_listen_then_hush(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(layouts); i++) {
		struct scene s;

		scene_open(&s, layouts[i]);
		/* What the start owes the guest comes first */
		thread_role_assume(&pmd_role);
		assert_false(vq_listen(s.r->vq));
		assert_int_equal(pull(&s, 1), 0);
		for (int j = 0; j < 3 * SIZE; j++) {
			assert_false(would_kick(&s));
			vq_hush(s.r->vq);
			assert_int_equal(pull(&s, 1), 0);
			assert_false(would_kick(&s));
			assert_true(vq_listen(s.r->vq));
			assert_true(would_kick(&s));
			assert_int_equal(vq_rest(s.r->vq, 1, 1000), 1000);
			/* A look that finds nothing leaves it so */
			assert_int_equal(pull(&s, 1), 0);
			assert_true(would_kick(&s));
			offer(&s);
			assert_int_equal(vq_rest(s.r->vq, 1, 1000), 0);
			assert_int_equal(pull(&s, 1), 1);
			assert_int_equal(vq_rest(s.r->vq, 1, 1000), 1000);
			/* Asked again, for the next one */
			assert_true(vq_listen(s.r->vq));
			assert_true(would_kick(&s));
			vq_hush(s.r->vq);
			assert_int_equal(pull(&s, 1), 0);
		}
		/* With the flags, not what an event would say */
		if (!s.r->packed && s.event)
			assert_int_equal(mg_used_flags(s.r), 0);
		scene_close(&s);
	}
}

/* A ring of another life is hushed, whatever was asked before */
static void test_listen_ends_with_the_start(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(layouts); i++) {
		struct scene s;

		scene_open(&s, layouts[i]);
		assert_int_equal(pull(&s, 1), 0);
		thread_role_assume(&pmd_role);
		assert_true(vq_listen(s.r->vq));
		thread_role_assume(&ctl_role);
		s.r->cfg.base = vq_base(s.r->vq);
		assert_int_equal(vq_start(s.r->vq, &s.r->cfg), 0);
		assert_int_equal(pull(&s, 1), 0);
		assert_false(would_kick(&s));
		scene_close(&s);
	}
}

/* Where the word is away the thread stays awake, and asks for it by polling */
static void test_listen_misses(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(layouts); i++) {
		struct scene s;
		uint64_t hz = rte_get_tsc_hz(), rest;

		scene_open(&s, layouts[i]);
		assert_int_equal(pull(&s, 1), 0);
		mg_unmap_at(s.g, s.r->cfg.used);
		thread_role_assume(&pmd_role);
		assert_false(vq_listen(s.r->vq));
		assert_int_equal(pull(&s, 1), 0);
		/* Now it sleeps for a while by itself, or until a page is mapped */
		assert_true(vq_listen(s.r->vq));
		rest = vq_rest(s.r->vq, 11, hz);
		assert_true(rest > 0 && rest < hz);
		assert_int_equal(vq_rest(s.r->vq, 11 + rest, hz), 0);
		assert_true(mg_answer(s.g, 100) > 0);
		assert_int_equal(vq_rest(s.r->vq, 11, hz), 0);
		assert_int_equal(pull(&s, 11), 0);
		assert_true(vq_listen(s.r->vq));
		assert_true(would_kick(&s));

		/* The available side away: whether there is something cannot be told */
		mg_unmap_at(s.g, s.r->packed ? s.r->cfg.desc : s.r->cfg.avail);
		thread_role_assume(&pmd_role);
		assert_int_equal(vq_rest(s.r->vq, 12, 1000), 0);
		assert_int_equal(s.g->faults, 0);
		scene_close(&s);
	}
}

static void test_rest_with_a_call_waiting(void **state)
{
	uint64_t interval = rte_get_tsc_hz() * INTERVAL_US / 1000000, rest;
	struct scene s;
	int fd = eventfd(0, EFD_NONBLOCK);

	(void)state;
	thread_role_assume(&ctl_role);
	thread_role_assume(&pmd_role);
	scene_open(&s, layouts[0]);
	s.r->cfg.call_fd = fd;
	s.r->cfg.call_interval_us = INTERVAL_US;
	assert_int_equal(vq_start(s.r->vq, &s.r->cfg), 0);
	for (int i = 0; i < 2; i++) {
		offer(&s);
		assert_int_equal(pull(&s, 1000), 1);
	}
	assert_true(vq_call_waits(s.r->vq));
	rest = vq_rest(s.r->vq, 1000, UINT64_MAX);
	assert_true(rest >= interval && rest <= interval + 1);
	assert_int_equal(vq_rest(s.r->vq, 1000 + interval / 2, 17), 17);
	assert_int_equal(vq_rest(s.r->vq, 1000 + 2 * interval, UINT64_MAX), 0);
	/* A broken ring still owes it, and nothing else */
	vq_break(s.r->vq);
	assert_int_equal(vq_rest(s.r->vq, 1000, UINT64_MAX), rest);
	vq_call_poll(s.r->vq, 1000 + 2 * interval);
	assert_int_equal(vq_rest(s.r->vq, 1000, UINT64_MAX), UINT64_MAX);
	close(fd);
	scene_close(&s);
}

/* --- Threads --- */

static uint64_t slept(const struct pmd_set *set, unsigned int thread)
{
	return COUNTER_READ(pmd_counters(set, thread)->sleeps);
}

static void spin_us(unsigned int us)
{
	uint64_t end = rte_rdtsc() + rte_get_tsc_hz() * us / 1000000;

	while (rte_rdtsc() < end)
		;
}

static bool comes_back(struct looped_guest *guest)
{
	for (int i = 0; i < 200000 && !lg_settled(guest); i++) {
		if (!lg_receive(guest))
			lg_nap_us(10);
	}
	return lg_settled(guest);
}

static void publish(struct pmd_set *set, unsigned int thread, const struct looped_guest *guest)
{
	struct poll_entry e = {0};

	thread_role_assume(&ctl_role);
	if (guest)
		e = lg_entry(guest);
	assert_int_equal(pmd_publish(set, thread, &e, guest ? 1 : 0), 0);
	pmd_synchronize(set);
}

/* Thousands of phases: every frame wakes a thread that is anywhere between
 * polling and sleeping
 */
static void kicked_awake(uint64_t layout)
{
	struct looped_guest guest;
	struct pmd_set *set;

	thread_role_assume(&ctl_role);
	assert_int_equal(pmd_set_new(cores, 1, IDLE_US, PMD_SLEEP_MAX_US, &set), 0);
	lg_open(&guest, set, layout);
	mg_map_all(guest.g);
	lg_offer(&guest);
	publish(set, 0, &guest);
	lg_send(&guest);
	assert_true(comes_back(&guest));
	for (int phase = 0; phase < PHASES; phase++) {
		spin_us(mg_rand(guest.g, 4 * IDLE_US));
		for (unsigned int i = 1 + mg_rand(guest.g, 3); i; i--)
			lg_send(&guest);
		if (!comes_back(&guest))
			fail_msg("layout %lx, phase %d: sent %u, came back %u",
				 (unsigned long)layout, phase, guest.sent, guest.received);
		lg_offer(&guest);
	}
	assert_true(guest.received > guest.sent / 2);
	assert_true(slept(set, 0) > PHASES / 10);
	assert_true(guest.kicks > PHASES / 10);
	assert_true(COUNTER_READ(pmd_counters(set, 0)->kicks) > PHASES / 10);
	/* The test itself may not get to its kick before time is up, now and then */
	if (COUNTER_READ(pmd_counters(set, 0)->late) > PHASES / 100)
		fail_msg("layout %lx: time ended %lu of %lu sleeps", (unsigned long)layout,
			 (unsigned long)COUNTER_READ(pmd_counters(set, 0)->late),
			 (unsigned long)slept(set, 0));
	publish(set, 0, NULL);
	lg_close(&guest);
	pmd_set_free(set);
}

static void test_sleep_ends_by_kick(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < N_THREAD_LAYOUTS; i++)
		kicked_awake(layouts[i]);
}

static void wait_asleep(const struct pmd_set *set, unsigned int thread)
{
	uint64_t before = slept(set, thread);

	for (int i = 0; i < 100000 && slept(set, thread) == before; i++)
		lg_nap_us(100);
	assert_true(slept(set, thread) > before);
}

/* Whoever sleeps holds up no grace period, observes the next list, and its ring is
 * the next one's at once
 */
static void test_sleep_ends_by_list(void **state)
{
	struct looped_guest guest;
	struct pmd_set *set;
	unsigned int at = 0;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(pmd_set_new(cores, 2, IDLE_US, PMD_SLEEP_MAX_US, &set), 0);
	lg_open(&guest, set, layouts[1]);
	mg_map_all(guest.g);
	for (int i = 0; i < 300; i++) {
		spin_us(mg_rand(guest.g, 4 * IDLE_US));
		publish(set, at, NULL);
		/* Ours: nobody knows the ring now */
		guest.tx->cfg.base = vq_base(guest.tx->vq);
		if (!mg_rand(guest.g, 3))
			assert_int_equal(vq_start(guest.tx->vq, &guest.tx->cfg), 0);
		at ^= mg_rand(guest.g, 2);
		publish(set, at, &guest);
		lg_offer(&guest);
		lg_send(&guest);
		assert_true(comes_back(&guest));
	}
	assert_true(slept(set, 0) && slept(set, 1));
	assert_true(COUNTER_READ(pmd_counters(set, 0)->wakes) +
			    COUNTER_READ(pmd_counters(set, 1)->wakes) >
		    10);
	publish(set, at, NULL);
	lg_close(&guest);
	wait_asleep(set, 0);
	pmd_set_free(set);
}

/* A posted frame and an added translation wake as well */
static void test_sleep_ends_by_control(void **state)
{
	struct poll_entry e = {.kick = -1};
	struct looped_guest guest;
	struct pmd_set *set;
	uint64_t before;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(pmd_set_new(cores, 1, IDLE_US, PMD_SLEEP_MAX_US, &set), 0);
	lg_open(&guest, set, layouts[0]);
	mg_map_all(guest.g);
	e.wire = guest.wire;
	/* No guest at the other end: what comes back is dropped */
	assert_int_equal(pmd_publish(set, 0, &e, 1), 0);
	pmd_synchronize(set);
	for (int i = 0; i < 100; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(guest.pool);

		assert_non_null(m);
		memset(rte_pktmbuf_append(m, FRAME), 0, FRAME);
		before = COUNTER_READ(wire_counters(guest.wire)->port_tx);
		spin_us(mg_rand(guest.g, 4 * IDLE_US));
		wire_post(guest.wire, m);
		pmd_wake(set);
		for (int j = 0; j < 100000; j++) {
			if (COUNTER_READ(wire_counters(guest.wire)->port_tx) > before)
				break;
			lg_nap_us(10);
		}
		assert_int_equal(COUNTER_READ(wire_counters(guest.wire)->port_tx), before + 1);
	}
	for (int j = 0; j < 100000; j++) {
		if (COUNTER_READ(wire_counters(guest.wire)->drop_guest_down) == 100)
			break;
		lg_nap_us(10);
	}
	assert_int_equal(COUNTER_READ(wire_counters(guest.wire)->drop_guest_down), 100);
	lg_offer(&guest);
	publish(set, 0, &guest);
	for (int i = 0; i < 200; i++) {
		mg_unmap_random(guest.g, 20);
		lg_send(&guest);
		for (int j = 0; j < 100000 && !lg_settled(&guest); j++) {
			thread_role_assume(&ctl_role);
			if (mg_answer(guest.g, 100))
				pmd_wake(set);
			if (!lg_receive(&guest))
				lg_nap_us(10);
		}
		assert_true(lg_settled(&guest));
		lg_offer(&guest);
	}
	assert_true(guest.received > 100);
	assert_true(guest.g->answered > 0 && !guest.g->faults);
	assert_true(COUNTER_READ(pmd_counters(set, 0)->wakes) > 0);
	publish(set, 0, NULL);
	lg_close(&guest);
	pmd_set_free(set);
}

/* The call that waits is made though nothing else happens, and by a thread that is
 * asked to for a ring that was taken away
 */
static void test_sleep_ends_for_a_call(void **state)
{
	struct looped_guest guest;
	struct pmd_set *set;
	uint64_t n;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(pmd_set_new(cores, 1, IDLE_US, PMD_SLEEP_MAX_US, &set), 0);
	lg_open(&guest, set, layouts[0]);
	mg_map_all(guest.g);
	guest.tx->cfg.call_fd = guest.fds[0];
	guest.tx->cfg.call_interval_us = INTERVAL_US;
	assert_int_equal(vq_start(guest.tx->vq, &guest.tx->cfg), 0);
	lg_offer(&guest);
	publish(set, 0, &guest);
	for (int i = 0; i < 100; i++) {
		const struct vq_counters *c = vq_counters(guest.tx->vq);
		uint64_t delayed = COUNTER_READ(c->calls_delayed), calls;

		/* The frame whose call waits is the last one sent */
		do {
			calls = COUNTER_READ(c->calls);
			lg_send(&guest);
			assert_true(comes_back(&guest));
			lg_offer(&guest);
		} while (COUNTER_READ(c->calls_delayed) == delayed);
		if (i % 2) {
			for (int j = 0; j < 100000 && COUNTER_READ(c->calls) == calls; j++)
				lg_nap_us(10);
			assert_int_equal(COUNTER_READ(c->calls), calls + 1);
			continue;
		}
		publish(set, 0, NULL);
		while (read(guest.fds[0], &n, sizeof(n)) > 0)
			;
		if (vq_call_waits(guest.tx->vq)) {
			pmd_call(set, guest.tx->vq);
			assert_int_equal(read(guest.fds[0], &n, sizeof(n)), sizeof(n));
		}
		assert_false(vq_call_waits(guest.tx->vq));
		publish(set, 0, &guest);
	}
	publish(set, 0, NULL);
	lg_close(&guest);
	pmd_set_free(set);
}

/* A guest that gave nothing to kick is polled */
static void test_sleep_not_without_a_kick(void **state)
{
	struct looped_guest guest;
	struct pmd_set *set;
	uint64_t before, beat;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(pmd_set_new(cores, 1, IDLE_US, PMD_SLEEP_MAX_US, &set), 0);
	lg_open(&guest, set, layouts[0]);
	mg_map_all(guest.g);
	close(guest.kick);
	guest.kick = -1;
	publish(set, 0, &guest);
	before = slept(set, 0);
	beat = pmd_heartbeat(set, 0);
	for (int i = 0; i < 100 || pmd_heartbeat(set, 0) < beat + 100; i++)
		lg_nap_us(100);
	assert_int_equal(slept(set, 0), before);
	publish(set, 0, NULL);
	/* Nor is it asked to kick */
	assert_true(mg_used_flags(guest.tx) & VRING_USED_F_NO_NOTIFY);
	wait_asleep(set, 0);
	lg_close(&guest);
	pmd_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listen_then_hush),
		cmocka_unit_test(test_listen_ends_with_the_start),
		cmocka_unit_test(test_listen_misses),
		cmocka_unit_test(test_rest_with_a_call_waiting),
		cmocka_unit_test(test_sleep_ends_by_kick),
		cmocka_unit_test(test_sleep_ends_by_list),
		cmocka_unit_test(test_sleep_ends_by_control),
		cmocka_unit_test(test_sleep_ends_for_a_call),
		cmocka_unit_test(test_sleep_not_without_a_kick),
	};

	lg_find_cores(cores);
	mg_eal_init();
	pool = rte_pktmbuf_pool_create("sleep", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (!pool)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
