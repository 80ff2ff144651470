/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vq_call.c - Interrupts that keep a distance, none of which is lost
 *
 * Time is what the test says it is, and begins shortly before it wraps.  The driver
 * does what the specification has it do: it asks to be interrupted, looks once
 * more, and sleeps only if there is nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "datapath/vq_call.h"
#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_packed.h"

#define SIZE	    64
#define FRAME	    60
#define INTERVAL_US 100

static struct rte_mempool *pool;

/**
 * struct scene - A transmit ring with one buffer for all frames
 * @interval:	Least time between two calls, in cycles
 * @now:	Time
 * @begin:	When it began
 * @event:	EVENT_IDX was negotiated
 */
struct scene {
	struct model_guest *g;
	struct mg_ring *r;
	uint64_t buf;
	uint64_t interval;
	uint64_t now;
	uint64_t begin;
	bool event;
	int fd;
};

/* Layouts and ways to ask for interrupts */
static const uint64_t layouts[] = {
	0,
	EVENT,
	PACKED,
	PACKED | EVENT,
};

static void scene_open(struct scene *s, uint64_t layout, uint32_t interval_us)
{
	bool packed = layout & PACKED;
	uint16_t base = packed ? 0x8000 | (SIZE - 3) : 65530;

	thread_role_assume(&ctl_role);
	s->g = mg_new(64, 4096, false, NULL);
	s->r = mg_ring_new(s->g, 1, SIZE, base, V1 | layout, 16);
	s->buf = mg_alloc(s->g, 12 + FRAME, 16, 0, IOTLB_READ);
	s->fd = eventfd(0, EFD_NONBLOCK);
	assert_true(s->fd >= 0);
	s->r->cfg.call_fd = s->fd;
	s->r->cfg.call_interval_us = interval_us;
	assert_int_equal(vq_start(s->r->vq, &s->r->cfg), 0);
	mg_map_all(s->g);
	s->event = layout & EVENT;
	s->interval = rte_get_tsc_hz() * interval_us / 1000000;
	s->begin = s->now = UINT64_MAX - 3 * s->interval;
}

static void scene_close(struct scene *s)
{
	thread_role_assume(&ctl_role);
	close(s->fd);
	mg_ring_free(s->r);
	mg_free(s->g);
}

static void send(struct scene *s, unsigned int n)
{
	struct mg_buf b = {s->buf, 12 + FRAME};

	while (n-- && mg_add(s->r, &b, 1, 0, false) >= 0)
		;
	mg_show(s->r);
}

/* One round of the polling thread */
static uint16_t round_of(struct scene *s)
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint16_t n;

	thread_role_assume(&pmd_role);
	n = vq_pull(s->r->vq, pool, pkts, VQ_BURST, s->now);
	rte_pktmbuf_free_bulk(pkts, n);
	vq_call_poll(s->r->vq, s->now);
	return n;
}

static unsigned int take(struct scene *s)
{
	unsigned int n = 0;
	uint32_t len;

	while (mg_used(s->r, &len) >= 0)
		n++;
	return n;
}

/* Ask for an interrupt at the next used buffer */
static void ask(struct scene *s)
{
	if (s->r->packed)
		mp_set_event(s->r, s->r->used_idx, s->r->used_wrap,
			     s->event ? VRING_PACKED_EVENT_FLAG_DESC
				      : VRING_PACKED_EVENT_FLAG_ENABLE);
	else if (s->event)
		mg_set_used_event(s->r, s->r->used_idx);
	else
		mg_set_no_interrupt(s->r, false);
}

/* Ask for none: with an event index, for one far away */
static void ask_not(struct scene *s)
{
	if (s->r->packed)
		mp_set_event(s->r, 0, false, VRING_PACKED_EVENT_FLAG_DISABLE);
	else if (s->event)
		mg_set_used_event(s->r, (uint16_t)(s->r->used_idx + 0x4000));
	else
		mg_set_no_interrupt(s->r, true);
}

static bool interrupted(const struct scene *s)
{
	uint64_t n;

	return read(s->fd, &n, sizeof(n)) == sizeof(n);
}

/* One frame goes through, and its interrupt comes or not */
static void expect_call(struct scene *s, bool called)
{
	send(s, 1);
	assert_int_equal(round_of(s), 1);
	assert_int_equal(interrupted(s), called);
}

/* Two frames close together: the first one's interrupt comes, the second's waits */
static void delay_call(struct scene *s)
{
	ask(s);
	expect_call(s, true);
	take(s);
	ask(s);
	expect_call(s, false);
}

static void test_call_first_at_once_then_later(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(layouts); i++) {
		struct scene s;

		scene_open(&s, layouts[i], INTERVAL_US);
		ask(&s);
		expect_call(&s, true);
		/* Quiet for long enough: at once again */
		s.now += s.interval + 1;
		assert_int_equal(take(&s), 1);
		ask(&s);
		expect_call(&s, true);
		/* Too early: later, and one for all, without further traffic */
		assert_int_equal(take(&s), 1);
		ask(&s);
		s.now += s.interval / 3;
		expect_call(&s, false);
		s.now += s.interval / 3;
		expect_call(&s, false);
		assert_true(vq_call_waits(s.r->vq));
		assert_int_equal(round_of(&s), 0);
		assert_false(interrupted(&s));
		s.now += s.interval / 3 + 3;
		assert_int_equal(round_of(&s), 0);
		assert_true(interrupted(&s));
		assert_false(vq_call_waits(s.r->vq));
		/* and the next interval begins there */
		assert_int_equal(take(&s), 2);
		ask(&s);
		s.now += s.interval - 1;
		expect_call(&s, false);
		assert_int_equal(vq_counters(s.r->vq)->calls, 3);
		assert_int_equal(vq_counters(s.r->vq)->calls_delayed, 2);
		scene_close(&s);
	}
}

static void test_call_without_interval(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(layouts); i++) {
		struct scene s;

		scene_open(&s, layouts[i], 0);
		for (int j = 0; j < 100; j++) {
			ask(&s);
			expect_call(&s, true);
			take(&s);
		}
		assert_int_equal(vq_counters(s.r->vq)->calls_delayed, 0);
		scene_close(&s);
	}
}

/* Who took everything by itself meanwhile, and asks again or not, is left alone */
static void test_call_not_wanted_any_more(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2 * RTE_DIM(layouts); i++) {
		struct scene s;

		scene_open(&s, layouts[i / 2], INTERVAL_US);
		delay_call(&s);
		assert_true(vq_call_waits(s.r->vq));
		assert_int_equal(take(&s), 1);
		if (i & 1)
			ask_not(&s);
		else if (s.event)
			ask(&s);
		s.now += 2 * s.interval;
		assert_int_equal(round_of(&s), 0);
		/* Flags alone do not tell that everything was taken */
		assert_int_equal(interrupted(&s), !(i & 1) && !s.event);
		assert_false(vq_call_waits(s.r->vq));
		scene_close(&s);
	}
}

/* An event put between two bursts of the interval is found */
static void test_call_for_an_event_in_between(void **state)
{
	(void)state;
	for (unsigned int i = 1; i < RTE_DIM(layouts); i += 2) {
		struct scene s;

		scene_open(&s, layouts[i], INTERVAL_US);
		delay_call(&s);
		assert_int_equal(take(&s), 1);
		ask(&s);
		expect_call(&s, false);
		expect_call(&s, false);
		s.now += 2 * s.interval;
		round_of(&s);
		assert_true(interrupted(&s));
		scene_close(&s);
	}
}

/* More positions than can be told apart while one waits: called all the same */
static void test_call_after_too_many(void **state)
{
	(void)state;
	for (unsigned int i = 1; i < RTE_DIM(layouts); i += 2) {
		struct scene s;
		uint32_t n = 1;

		scene_open(&s, layouts[i], INTERVAL_US);
		delay_call(&s);
		/* 1 + 3855 * 17: once around, and not to where it was asked for again */
		while (n < 65536) {
			send(&s, 17);
			n += round_of(&s);
			take(&s);
		}
		assert_int_equal(n, 65536);
		assert_false(interrupted(&s));
		s.now += 2 * s.interval;
		assert_int_equal(round_of(&s), 0);
		assert_true(interrupted(&s));
		scene_close(&s);
	}
}

/* The driver's word may be away when the call is due: then it is made */
static void test_call_when_event_misses(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(layouts); i++) {
		struct scene s;

		scene_open(&s, layouts[i], INTERVAL_US);
		delay_call(&s);
		take(&s);
		ask_not(&s);
		mg_unmap_at(s.g, s.r->cfg.avail);
		s.now += 2 * s.interval;
		assert_int_equal(round_of(&s), 0);
		assert_true(interrupted(&s));
		assert_true(s.g->faults == 0);
		scene_close(&s);
	}
}

/* A ring that breaks, or is taken away, still makes the call that waits */
static void test_call_of_a_ring_that_ends(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(layouts); i++) {
		struct scene s;

		scene_open(&s, layouts[i], INTERVAL_US);
		for (int j = 0; j < 2; j++) {
			ask(&s);
			expect_call(&s, !j);
			take(&s);
		}
		ask(&s);
		assert_true(vq_call_waits(s.r->vq));
		thread_role_assume(&pmd_role);
		vq_call_now(s.r->vq);
		assert_true(interrupted(&s));
		assert_false(vq_call_waits(s.r->vq));

		/* No interval since: waits again; then the ring breaks */
		expect_call(&s, false);
		thread_role_assume(&pmd_role);
		vq_break(s.r->vq);
		s.now += 2 * s.interval;
		assert_int_equal(round_of(&s), 0);
		assert_true(interrupted(&s));
		scene_close(&s);
	}
}

/* Its first burst may be called for again at once: another life */
static void test_call_after_a_restart(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s, layouts[1], INTERVAL_US);
	ask(&s);
	expect_call(&s, true);
	take(&s);
	ask(&s);
	thread_role_assume(&ctl_role);
	s.r->cfg.base = vq_base(s.r->vq);
	assert_int_equal(vq_start(s.r->vq, &s.r->cfg), 0);
	expect_call(&s, true);
	s.r->cfg.call_interval_us = VQ_CALL_INTERVAL_MAX_US + 1;
	assert_int_equal(vq_start(s.r->vq, &s.r->cfg), -EINVAL);
	scene_close(&s);
}

/**
 * struct driver - Does something now and then, or sleeps until it is interrupted
 * @asleep:	Interrupts are asked for, and there was nothing when it looked
 * @polling:	It asked for none
 * @due:	When an interrupt for what is there must have come, if it sleeps
 * @pending:	Something is there
 */
struct driver {
	bool asleep;
	bool polling;
	bool pending;
	uint64_t due;
};

static void driver_wakes(struct scene *s, struct driver *d)
{
	d->asleep = d->pending = false;
	take(s);
	send(s, mg_rand(s->g, 20));
	d->polling = mg_rand(s->g, 2);
	if (d->polling) {
		ask_not(s);
		return;
	}
	/* Not asleep yet: others come in between, as an interrupt handler's do */
	ask(s);
	d->asleep = !take(s);
}

/* Random rounds, time and drivers: the distance is kept and nobody sleeps on */
static void random_calls(uint64_t layout)
{
	uint64_t last = 0, calls = 0, sleeps = 0, polls = 0;
	struct driver d = {0};
	struct scene s;

	scene_open(&s, layout, INTERVAL_US);
	ask(&s);
	expect_call(&s, true);
	take(&s);
	last = s.now;
	for (unsigned int i = 0; i < 200000; i++) {
		uint16_t n;

		s.now += mg_rand(s.g, mg_rand(s.g, 8) ? (uint32_t)s.interval / 16
						      : (uint32_t)s.interval * 2);
		if (!d.asleep && !mg_rand(s.g, 3))
			driver_wakes(&s, &d);
		else if (!mg_rand(s.g, 4))
			send(&s, mg_rand(s.g, 8));
		n = round_of(&s);
		if (n && d.asleep && !d.pending) {
			d.pending = true;
			d.due = s.now + s.interval + 1;
		}
		if (interrupted(&s)) {
			assert_true(s.now - last >= s.interval);
			last = s.now;
			calls++;
			if (d.asleep)
				driver_wakes(&s, &d);
		} else if (d.pending && (int64_t)(s.now - d.due) >= 0) {
			fail_msg("layout %lx, round %u: the driver sleeps on",
				 (unsigned long)layout, i);
		}
		sleeps += d.asleep;
		polls += d.polling;
	}
	assert_int_equal(vq_counters(s.r->vq)->calls, calls + 1);
	assert_true(calls > 1000 && sleeps > 1000 && polls > 1000);
	assert_true(vq_counters(s.r->vq)->calls_delayed > 1000);
	scene_close(&s);
}

static void test_call_random(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(layouts); i++)
		random_calls(layouts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call_first_at_once_then_later),
		cmocka_unit_test(test_call_without_interval),
		cmocka_unit_test(test_call_not_wanted_any_more),
		cmocka_unit_test(test_call_for_an_event_in_between),
		cmocka_unit_test(test_call_after_too_many),
		cmocka_unit_test(test_call_when_event_misses),
		cmocka_unit_test(test_call_of_a_ring_that_ends),
		cmocka_unit_test(test_call_after_a_restart),
		cmocka_unit_test(test_call_random),
	};

	mg_eal_init();
	pool = rte_pktmbuf_pool_create("call", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
