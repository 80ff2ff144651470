/* SPDX-License-Identifier: BSD-3-Clause */
/* test_miss.c - Misses: the queue, what a virtqueue asks, when it tries again */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_guest.h"

static struct rte_mempool *pool;

static bool rings(const struct miss_queue *q)
{
	struct pollfd p = {.fd = miss_doorbell_fd(q), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void test_miss_queue_keeps_order(void **state)
{
	struct miss_queue *q;
	struct miss got[8];

	(void)state;
	thread_role_assume(&ctl_role);
	thread_role_assume(&pmd_role);
	assert_int_equal(miss_queue_new(&q), 0);
	for (uint64_t i = 0; i < 10; i++) {
		struct miss m = {.iova = i << 12, .session = 5, .guest = 2, .ring = 1, .perm = 3};

		assert_int_equal(miss_post(q, &m), 0);
	}
	assert_int_equal(miss_drain(q, got, 8), 8);
	for (uint64_t i = 0; i < 8; i++) {
		assert_int_equal(got[i].iova, i << 12);
		assert_int_equal(got[i].session, 5);
		assert_int_equal(got[i].guest, 2);
		assert_int_equal(got[i].ring, 1);
		assert_int_equal(got[i].perm, 3);
	}
	assert_int_equal(miss_drain(q, got, 8), 2);
	assert_int_equal(miss_drain(q, got, 8), 0);
	miss_queue_free(q);
}

static void test_miss_post_full(void **state)
{
	struct miss m = {.iova = 1}, got;
	struct miss_queue *q;
	unsigned int n = 0;

	(void)state;
	thread_role_assume(&ctl_role);
	thread_role_assume(&pmd_role);
	assert_int_equal(miss_queue_new(&q), 0);
	while (!miss_post(q, &m))
		assert_true(++n < 1000000);
	assert_int_equal(miss_post(q, &m), -ENOBUFS);
	assert_int_equal(miss_drain(q, &got, 1), 1);
	assert_int_equal(miss_post(q, &m), 0);
	miss_queue_free(q);
}

static void test_miss_doorbell(void **state)
{
	struct miss m = {.iova = 1}, got;
	struct miss_queue *q;

	(void)state;
	thread_role_assume(&ctl_role);
	thread_role_assume(&pmd_role);
	assert_int_equal(miss_queue_new(&q), 0);
	/* Nobody sleeps: no system call, no ring */
	assert_int_equal(miss_post(q, &m), 0);
	miss_doorbell(q);
	assert_false(rings(q));
	/* Something is there already: no sleep */
	assert_false(miss_sleep(q));
	assert_int_equal(miss_drain(q, &got, 1), 1);
	assert_true(miss_sleep(q));
	assert_false(rings(q));
	assert_int_equal(miss_post(q, &m), 0);
	miss_doorbell(q);
	assert_true(rings(q));
	miss_wake(q);
	miss_doorbell_empty(q);
	assert_false(rings(q));
	miss_queue_free(q);
}

/* Posters on one side, a sleeper on the other: none is lost, none sleeps on */
#define POSTS 20000u

static void *poster(void *arg)
{
	thread_role_assume(&pmd_role);
	for (uint64_t i = 0; i < POSTS;) {
		struct miss m = {.iova = i + 1};

		if (!miss_post(arg, &m))
			i++;
		miss_doorbell(arg);
	}
	return NULL;
}

static void test_miss_threads(void **state)
{
	uint64_t sum = 0, n = 0;
	struct miss_queue *q;
	struct miss got[32];
	pthread_t ids[2];

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(miss_queue_new(&q), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&ids[i], NULL, poster, q), 0);
	while (n < 2 * POSTS) {
		unsigned int k = miss_drain(q, got, 32);

		n += k;
		for (unsigned int i = 0; i < k; i++)
			sum += got[i].iova;
		if (!k && miss_sleep(q)) {
			struct pollfd p = {.fd = miss_doorbell_fd(q), .events = POLLIN};

			/* Long enough to be a lost wake-up, not a busy machine */
			assert_int_equal(poll(&p, 1, 60000), 1);
			miss_doorbell_empty(q);
		}
		miss_wake(q);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(ids[i], NULL);
	assert_int_equal(sum, (uint64_t)POSTS * (POSTS + 1));
	miss_queue_free(q);
}

/**
 * struct scene - A ring whose buffers are each in pages of their own
 */
struct scene {
	struct model_guest *g;
	struct mg_ring *r;
	uint64_t buf[100];
};

static void scene_open(struct scene *s, uint8_t index, unsigned int n, unsigned int len,
		       uint64_t features)
{
	struct mg_buf parts[2];

	thread_role_assume(&ctl_role);
	s->g = mg_new(600, 4096, false, NULL);
	s->r = mg_ring_new(s->g, index, 128, 0, features, 0);
	for (unsigned int i = 0; i < n; i++) {
		bool writes = !(index & 1);

		s->buf[i] = mg_alloc(s->g, len, 4096, 0, writes ? IOTLB_WRITE : IOTLB_READ);
		parts[0] = (struct mg_buf){s->buf[i], 12};
		parts[1] = (struct mg_buf){s->buf[i] + 12, len - 12};
		assert_true(mg_add(s->r, parts, 2, writes ? VRING_DESC_F_WRITE : 0,
				   features & INDIRECT) >= 0);
	}
	mg_show(s->r);
}

static void scene_close(struct scene *s)
{
	thread_role_assume(&ctl_role);
	mg_ring_free(s->r);
	mg_free(s->g);
}

static void map_ring(struct scene *s)
{
	mg_map_at(s->g, s->r->cfg.desc);
	mg_map_at(s->g, s->r->cfg.avail);
	mg_map_at(s->g, s->r->cfg.used);
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

static unsigned int drain(struct scene *s, struct miss *got, unsigned int n)
{
	thread_role_assume(&ctl_role);
	return miss_drain(s->g->misses, got, n);
}

/* The ring's own pages are asked for together, each once, for what we do there */
static void test_vq_asks_for_its_areas(void **state)
{
	struct miss got[64];
	struct scene s;
	unsigned int n;

	(void)state;
	scene_open(&s, 1, 1, 100, V1);
	assert_int_equal(pull(&s, 1000), 0);
	thread_role_assume(&pmd_role);
	assert_true(vq_waits_for_translation(s.r->vq));
	n = drain(&s, got, 64);
	assert_int_equal(n, 3);
	for (unsigned int i = 0; i < n; i++) {
		bool used = got[i].iova >> 12 == s.r->cfg.used >> 12;

		assert_int_equal(got[i].perm, used ? IOTLB_WRITE : IOTLB_READ);
		assert_int_equal(got[i].session, 99);
		assert_int_equal(got[i].guest, 7);
		assert_int_equal(got[i].ring, 1);
	}
	assert_int_equal(vq_counters(s.r->vq)->misses, n);
	scene_close(&s);
}

/* One miss asks for the chains behind it as well, at most 64 of them */
static void test_vq_looks_ahead(void **state)
{
	struct miss got[300];
	struct scene s;

	(void)state;
	scene_open(&s, 1, 60, 100, V1);
	map_ring(&s);
	assert_int_equal(pull(&s, 1000), 0);
	assert_int_equal(drain(&s, got, 300), 60);
	for (unsigned int i = 0; i < 60; i++) {
		assert_int_equal(got[i].iova, s.buf[i]);
		assert_int_equal(got[i].perm, IOTLB_READ);
	}
	scene_close(&s);

	/* Towards the guest: pages of 9000-byte buffers, for writing, bounded */
	scene_open(&s, 0, 64, 5000, V1 | MRG);
	map_ring(&s);
	{
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		thread_role_assume(&pmd_role);
		rte_pktmbuf_append(m, 60);
		assert_int_equal(vq_push(s.r->vq, &m, 1, 1000), 0);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(drain(&s, got, 300), 64 * 2);
	for (unsigned int i = 0; i < 128; i++) {
		assert_int_equal(got[i].iova, s.buf[i / 2] + (i % 2) * 4096);
		assert_int_equal(got[i].perm, IOTLB_WRITE);
	}
	scene_close(&s);
}

/* A frame that needs more chains than one round looks at gets all it misses */
static void test_vq_looks_ahead_of_a_long_frame(void **state)
{
	struct miss got[300];
	struct rte_mbuf *m;
	struct scene s;
	uint64_t now;

	(void)state;
	scene_open(&s, 0, 100, 24, V1 | MRG | INDIRECT);
	map_ring(&s);
	m = rte_pktmbuf_alloc(pool);
	assert_non_null(m);
	/* 84 chains, header included */
	assert_non_null(rte_pktmbuf_append(m, 2000));
	for (now = 1000; now < 1010; now++) {
		unsigned int n;

		thread_role_assume(&pmd_role);
		if (vq_push(s.r->vq, &m, 1, now))
			break;
		n = drain(&s, got, 300);
		assert_true(n > 0);
		for (unsigned int i = 0; i < n; i++)
			mg_map_at(s.g, got[i].iova);
	}
	assert_true(now < 1010);
	rte_pktmbuf_free(m);
	scene_close(&s);
}

/* Answers to some do not make it ask for more than the next frames can need */
static void looks_no_further(uint64_t layout)
{
	struct miss got[300];
	struct rte_mbuf *m;
	unsigned int all = 0, n;
	struct scene s;

	scene_open(&s, 0, 100, 3000, V1 | INDIRECT | layout);
	map_ring(&s);
	m = rte_pktmbuf_alloc(pool);
	assert_non_null(m);
	assert_non_null(rte_pktmbuf_append(m, 60));
	for (uint64_t now = 1000; now < 1010; now++) {
		thread_role_assume(&pmd_role);
		assert_int_equal(vq_push(s.r->vq, &m, 1, now), 0);
		n = drain(&s, got, 300);
		/* Every table, and of the buffers one that is not the first */
		for (unsigned int i = 0; i < n; i++) {
			all += got[i].perm == IOTLB_WRITE;
			if (got[i].perm != IOTLB_WRITE || i == n - 1)
				mg_map_at(s.g, got[i].iova);
		}
	}
	/* 64 behind the one chain that was collected */
	assert_int_equal(all, 65);
	rte_pktmbuf_free(m);
	scene_close(&s);
}

static void test_vq_looks_no_further(void **state)
{
	(void)state;
	looks_no_further(0);
}

static void test_vq_packed_looks_no_further(void **state)
{
	(void)state;
	looks_no_further(PACKED);
}

/* Indirect tables first, and when one is there, the buffers it names */
static void test_vq_looks_ahead_in_tables(void **state)
{
	struct miss got[300];
	struct scene s;
	unsigned int n;

	(void)state;
	scene_open(&s, 1, 10, 5000, V1 | INDIRECT);
	map_ring(&s);
	assert_int_equal(pull(&s, 1000), 0);
	n = drain(&s, got, 300);
	assert_true(n > 0 && n <= 10);
	for (unsigned int i = 0; i < n; i++)
		mg_map_at(s.g, got[i].iova);
	assert_int_equal(pull(&s, 1001), 0);
	n = drain(&s, got, 300);
	for (unsigned int i = 0; i < 10; i++) {
		bool first = false, second = false;

		for (unsigned int j = 0; j < n; j++) {
			first |= got[j].iova == s.buf[i];
			second |= got[j].iova == s.buf[i] + 4096;
		}
		assert_true(first && second);
	}
	scene_close(&s);
}

/* Asleep it neither asks nor works; a new mapping wakes it, and then what is
 * asked for already is not asked again; time wakes it, and then it is
 */
static void test_vq_sleeps(void **state)
{
	uint64_t ms = rte_get_tsc_hz() / 1000;
	struct miss got[100];
	struct scene s;

	(void)state;
	scene_open(&s, 1, 5, 100, V1);
	map_ring(&s);
	assert_int_equal(pull(&s, ms), 0);
	assert_int_equal(drain(&s, got, 100), 5);
	assert_int_equal(pull(&s, ms + 1), 0);
	assert_int_equal(drain(&s, got, 100), 0);
	thread_role_assume(&pmd_role);
	assert_true(vq_waits_for_translation(s.r->vq));

	mg_map_at(s.g, s.buf[0]);
	mg_map_at(s.g, s.buf[1]);
	mg_map_at(s.g, s.buf[3]);
	assert_int_equal(pull(&s, ms + 2), 2);
	assert_int_equal(drain(&s, got, 100), 0);
	assert_int_equal(pull(&s, ms + 3), 0);

	assert_int_equal(pull(&s, 2 * ms + 10), 0);
	assert_int_equal(drain(&s, got, 100), 2);
	assert_int_equal(got[0].iova, s.buf[2]);
	assert_int_equal(got[1].iova, s.buf[4]);
	mg_map_at(s.g, s.buf[2]);
	mg_map_at(s.g, s.buf[4]);
	assert_int_equal(pull(&s, 2 * ms + 11), 3);
	thread_role_assume(&pmd_role);
	assert_false(vq_waits_for_translation(s.r->vq));
	assert_int_equal(vq_counters(s.r->vq)->packets, 5);
	scene_close(&s);
}

/* A full miss queue loses questions, not frames */
static void test_vq_miss_queue_full(void **state)
{
	uint64_t ms = rte_get_tsc_hz() / 1000;
	struct miss m = {.iova = 1}, got[64];
	struct scene s;
	unsigned int n;

	(void)state;
	scene_open(&s, 1, 5, 100, V1);
	map_ring(&s);
	thread_role_assume(&pmd_role);
	while (!miss_post(s.g->misses, &m))
		;
	assert_int_equal(pull(&s, ms), 0);
	assert_int_equal(vq_counters(s.r->vq)->misses, 0);
	while (drain(&s, got, 64))
		;
	assert_int_equal(pull(&s, 3 * ms), 0);
	n = drain(&s, got, 64);
	assert_int_equal(n, 5);
	for (unsigned int i = 0; i < n; i++)
		mg_map_at(s.g, got[i].iova);
	assert_int_equal(pull(&s, 3 * ms + 1), 5);
	scene_close(&s);
}

/* A burst that misses rings the doorbell once, and only for a sleeper */
static void test_vq_rings_doorbell(void **state)
{
	struct miss got[100];
	struct scene s;
	uint64_t rung;

	(void)state;
	scene_open(&s, 1, 20, 100, V1);
	map_ring(&s);
	thread_role_assume(&ctl_role);
	assert_true(miss_sleep(s.g->misses));
	assert_int_equal(pull(&s, 1000), 0);
	assert_int_equal(read(miss_doorbell_fd(s.g->misses), &rung, 8), 8);
	assert_int_equal(rung, 1);
	miss_wake(s.g->misses);
	assert_int_equal(drain(&s, got, 100), 20);
	scene_close(&s);
}

/* Interrupts: as the flags say, none lost to a full eventfd, none to nobody */
static void test_vq_notifies(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t n = UINT64_MAX - 1;
	struct scene s;

	(void)state;
	scene_open(&s, 1, 60, 100, V1);
	mg_map_all(s.g);
	thread_role_assume(&ctl_role);
	assert_int_equal(mg_used_flags(s.r), 0);
	vq_set_call(s.r->vq, fd);
	assert_int_equal(pull(&s, 1), 32);
	assert_int_equal(mg_used_flags(s.r), VRING_USED_F_NO_NOTIFY);
	assert_int_equal(read(fd, &n, 8), 8);
	assert_int_equal(n, 1);
	assert_int_equal(vq_counters(s.r->vq)->calls, 1);
	/* Nothing moved, nothing to say */
	mg_set_no_interrupt(s.r, true);
	assert_int_equal(pull(&s, 1), 28);
	assert_int_equal(pull(&s, 1), 0);
	assert_int_equal(read(fd, &n, 8), -1);
	mg_set_no_interrupt(s.r, false);

	n = UINT64_MAX - 1;
	assert_int_equal(write(fd, &n, 8), 8);
	for (int i = 0; i < 2; i++) {
		struct mg_buf b = {s.buf[0], 100};
		uint32_t len;

		while (mg_used(s.r, &len) >= 0)
			;
		assert_true(mg_add(s.r, &b, 1, 0, false) >= 0);
		mg_show(s.r);
		assert_int_equal(pull(&s, 1), 1); /* does not hang */
		vq_set_call(s.r->vq, -1);
	}
	assert_int_equal(vq_counters(s.r->vq)->calls, 1);
	close(fd);
	scene_close(&s);
}

/* An empty pool keeps the frames in the ring; half of them are better than none */
static void test_vq_pool_empty(void **state)
{
	struct rte_mempool *small = rte_pktmbuf_pool_create(
		"small", 40, 0, 0, RTE_PKTMBUF_HEADROOM + 2048, SOCKET_ID_ANY);
	struct rte_mbuf *taken[40], *pkts[VQ_BURST];
	struct scene s;

	(void)state;
	assert_non_null(small);
	scene_open(&s, 1, 60, 100, V1);
	mg_map_all(s.g);
	thread_role_assume(&pmd_role);
	assert_int_equal(rte_pktmbuf_alloc_bulk(small, taken, 40), 0);
	assert_int_equal(vq_pull(s.r->vq, small, pkts, VQ_BURST, 1), 0);
	assert_int_equal(vq_counters(s.r->vq)->no_mbuf, 1);
	rte_pktmbuf_free_bulk(taken, 20);
	assert_int_equal(vq_pull(s.r->vq, small, pkts, VQ_BURST, 1), 16);
	assert_int_equal(vq_counters(s.r->vq)->no_mbuf, 2);
	rte_pktmbuf_free_bulk(pkts, 16);
	rte_pktmbuf_free_bulk(taken + 20, 20);
	assert_int_equal(vq_pull(s.r->vq, small, pkts, VQ_BURST, 1), 32);
	rte_pktmbuf_free_bulk(pkts, 32);
	assert_int_equal(rte_mempool_avail_count(small), 40);
	scene_close(&s);
	rte_mempool_free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_miss_queue_keeps_order),
		cmocka_unit_test(test_miss_post_full),
		cmocka_unit_test(test_miss_doorbell),
		cmocka_unit_test(test_miss_threads),
		cmocka_unit_test(test_vq_asks_for_its_areas),
		cmocka_unit_test(test_vq_looks_ahead),
		cmocka_unit_test(test_vq_looks_ahead_of_a_long_frame),
		cmocka_unit_test(test_vq_looks_no_further),
		cmocka_unit_test(test_vq_packed_looks_no_further),
		cmocka_unit_test(test_vq_looks_ahead_in_tables),
		cmocka_unit_test(test_vq_sleeps),
		cmocka_unit_test(test_vq_miss_queue_full),
		cmocka_unit_test(test_vq_rings_doorbell),
		cmocka_unit_test(test_vq_notifies),
		cmocka_unit_test(test_vq_pool_empty),
	};

	mg_eal_init();
	pool = rte_pktmbuf_pool_create("miss", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
