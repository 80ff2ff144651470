/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vq_notify.c - Interrupts and kicks by index (virtio 1.2, 2.7.7 and 2.7.10)
 *
 * What the device should do is worked out the naive way: by looking whether the
 * element the driver waits for is among those that just came back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_guest.h"

#define SIZE  64
#define FRAME 60

static struct rte_mempool *pool;

/**
 * struct scene - A ring with EVENT_IDX and one buffer for all frames
 */
struct scene {
	struct model_guest *g;
	struct mg_ring *r;
	uint64_t buf;
	int fd;
};

static void scene_open(struct scene *s, uint8_t index, uint16_t base, uint32_t gran,
		       uint64_t features)
{
	thread_role_assume(&ctl_role);
	s->g = mg_new(16384 / gran + 64 * 1024 / gran, gran, false, NULL);
	s->r = mg_ring_new(s->g, index, SIZE, base, V1 | EVENT | features, 16);
	s->buf = mg_alloc(s->g, 12 + FRAME, 16, 0, index & 1 ? IOTLB_READ : IOTLB_WRITE);
	s->fd = eventfd(0, EFD_NONBLOCK);
	assert_true(s->fd >= 0);
	vq_set_call(s->r->vq, s->fd);
	mg_map_all(s->g);
}

static void scene_close(struct scene *s)
{
	thread_role_assume(&ctl_role);
	close(s->fd);
	mg_ring_free(s->r);
	mg_free(s->g);
}

/* Up to @n chains the driver takes back, and as many it offers anew */
static unsigned int refill(struct scene *s, unsigned int n)
{
	struct mg_buf b = {s->buf, 12 + FRAME};
	unsigned int added = 0;
	uint32_t len;

	while (mg_used(s->r, &len) >= 0)
		;
	while (added < n &&
	       mg_add(s->r, &b, 1, s->r->cfg.index & 1 ? 0 : VRING_DESC_F_WRITE, false) >= 0)
		added++;
	mg_show(s->r);
	return added;
}

/* One call of the device, for up to @n frames */
static uint16_t move(struct scene *s, uint16_t n)
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint16_t moved;

	thread_role_assume(&pmd_role);
	if (s->r->cfg.index & 1) {
		moved = vq_pull(s->r->vq, pool, pkts, n, 1);
		rte_pktmbuf_free_bulk(pkts, moved);
		return moved;
	}
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, pkts, n), 0);
	for (uint16_t i = 0; i < n; i++)
		memset(rte_pktmbuf_append(pkts[i], FRAME), i, FRAME);
	moved = vq_push(s->r->vq, pkts, n, 1);
	rte_pktmbuf_free_bulk(pkts, n);
	return moved;
}

static bool interrupted(const struct scene *s)
{
	uint64_t n;

	return read(s->fd, &n, sizeof(n)) == sizeof(n);
}

/* Is element @event among the @n from @from on? */
static bool among(uint16_t event, uint16_t from, uint16_t n)
{
	for (; n; n--, from++)
		if (from == event)
			return true;
	return false;
}

static void interrupts_as_wanted(uint8_t index, uint16_t base, uint64_t features)
{
	uint64_t moved = 0, calls = 0, bursts = 0;
	uint16_t done = base, n;
	struct scene s;

	scene_open(&s, index, base, 4096, features);
	/* Through the end of the index, twice */
	while (moved < 150000) {
		uint16_t event = (uint16_t)(done + mg_rand(s.g, 40) - mg_rand(s.g, 4));
		bool first = !moved, want;

		if (!mg_rand(s.g, 10))
			event = (uint16_t)mg_rand(s.g, 65536);
		refill(&s, mg_rand(s.g, 40));
		mg_set_used_event(s.r, event);
		n = move(&s, (uint16_t)(1 + mg_rand(s.g, VQ_BURST)));
		want = n && (first || among(event, done, n));
		if (interrupted(&s) != want)
			fail_msg("%u from %u on, event %u: want %d", n, done, event, want);
		done = (uint16_t)(done + n);
		moved += n;
		calls += want;
		bursts += n > 0;
	}
	assert_int_equal(vq_counters(s.r->vq)->calls, calls);
	assert_true(calls > 100 && calls < bursts);
	scene_close(&s);
}

static void test_notify_by_used_event(void **state)
{
	(void)state;
	for (uint8_t index = 0; index < 2; index++) {
		interrupts_as_wanted(index, 0, 0);
		interrupts_as_wanted(index, 65530, 0);
		interrupts_as_wanted(index, 32768, 0);
		interrupts_as_wanted(index, 65530, ORDER);
	}
}

/* Whoever had the ring before may have published without interrupting */
static void test_notify_first_after_start(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s, 1, 65535, 4096, 0);
	for (int i = 0; i < 2; i++) {
		mg_set_used_event(s.r, (uint16_t)(s.r->used_idx + 1000));
		refill(&s, 3);
		assert_int_equal(move(&s, 3), 3);
		assert_true(interrupted(&s));
		refill(&s, 3);
		assert_int_equal(move(&s, 3), 3);
		assert_false(interrupted(&s));
		thread_role_assume(&ctl_role);
		s.r->cfg.base = vq_base(s.r->vq);
		s.r->cfg.call_fd = s.fd;
		assert_int_equal(vq_start(s.r->vq, &s.r->cfg), 0);
	}
	scene_close(&s);
}

/* An index that cannot be read may be one that wants an interrupt */
static void test_notify_when_event_misses(void **state)
{
	/* Pieces of 8 bytes: the event lies apart from the index */
	struct scene s;
	uint64_t event;

	(void)state;
	scene_open(&s, 1, 0, 8, 0);
	event = s.r->cfg.avail + 4 + 2 * SIZE;
	mg_set_used_event(s.r, 1000);
	refill(&s, 1);
	assert_int_equal(move(&s, 1), 1);
	assert_true(interrupted(&s));
	refill(&s, 1);
	assert_int_equal(move(&s, 1), 1);
	assert_false(interrupted(&s));
	mg_unmap_at(s.g, event);
	refill(&s, 1);
	assert_int_equal(move(&s, 1), 1);
	assert_true(interrupted(&s));
	mg_map_at(s.g, event);
	refill(&s, 1);
	assert_int_equal(move(&s, 1), 1);
	assert_false(interrupted(&s));
	scene_close(&s);
}

/* The driver kicks when its index passes avail_event: once in 2^16, since the
 * device polls.  The flags stay 0 as the specification has it.
 */
static void test_notify_no_kicks(void **state)
{
	(void)state;
	for (uint8_t index = 0; index < 2; index++) {
		unsigned int kicks = 0, shown = 0;
		struct scene s;

		scene_open(&s, index, 65500, 4096, 0);
		assert_int_equal(move(&s, 1), 0);
		assert_int_equal(mg_used_flags(s.r), 0);
		assert_int_equal(mg_avail_event(s.r), 65499);
		while (shown < 3 * 65536) {
			uint16_t old = s.r->avail_idx;
			unsigned int n = refill(&s, 32);

			kicks += among(mg_avail_event(s.r), old, (uint16_t)n);
			shown += n;
			assert_int_equal(move(&s, 32), n);
		}
		assert_int_equal(kicks, 3);
		assert_int_equal(mg_used_flags(s.r), 0);
		scene_close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notify_by_used_event),
		cmocka_unit_test(test_notify_first_after_start),
		cmocka_unit_test(test_notify_when_event_misses),
		cmocka_unit_test(test_notify_no_kicks),
	};

	mg_eal_init();
	pool = rte_pktmbuf_pool_create("notify", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (!pool)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
