/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vq_log.c - Whatever a virtqueue writes is in the log (virtio 1.2, vhost-user)
 *
 * Each call of the device's is one in which nobody else writes (model_log.h).
 * Rings are larger than a page, so that what is written in one place does not
 * hide what is not logged in another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "datapath/offload.h"
#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_log.h"
#include "tests/unit/datapath/model_packed.h"

#define CSUM (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM))

/* Chains the driver has at most, and bytes of the slot of each */
#define OFFERS 128
#define SLOT   2600

#define MBUF_ROOM 2048

static struct rte_mempool *pool;

/**
 * struct shape - A kind of guest
 * @gran:	Bytes that are in one piece
 * @min_buf:	Bytes of a chain at least
 * @max_len:	Of a frame
 * @max_segs:	Of a chain
 * @unmap:	Granules that may be unmapped between two calls
 * @bad:	Every so many chains one is bad; 0: none
 */
struct shape {
	const char *name;
	uint16_t size;
	uint16_t base;
	uint32_t gran;
	uint64_t features;
	uint32_t min_buf;
	uint32_t max_len;
	unsigned int max_segs;
	unsigned int unmap;
	unsigned int bad;
};

static const struct shape shapes[] = {
	{"split", 1024, 65000, 4096, V1 | MRG, 1526, 1514, 1, 0, 0},
	{"split_legacy", 1024, 0, 4096, 0, 1526, 1514, 1, 0, 0},
	{"split_one_buffer", 1024, 0, 4096, V1 | EVENT, 1526, 1514, 1, 0, 0},
	{"split_chained", 1024, 0, 4096, V1, 2012, 2000, 5, 0, 10},
	{"split_indirect", 1024, 0, 4096, V1 | INDIRECT, 2012, 2000, 5, 0, 10},
	{"split_merged", 1024, 65000, 4096, V1 | MRG, 200, 9000, 2, 0, 20},
	{"split_offloads", 1024, 0, 4096, V1 | MRG | CSUM, 200, 9000, 2, 0, 0},
	{"split_in_order", 1024, 0, 4096, V1 | ORDER | MRG, 1526, 1514, 2, 0, 10},
	{"split_odd_pieces", 512, 0, 1000, V1 | MRG | EVENT, 200, 4000, 3, 0, 10},
	{"split_tiny_pieces", 128, 0, 24, V1 | MRG | INDIRECT, 200, 2000, 3, 0, 10},
	{"split_comes_and_goes", 1024, 0, 4096, V1 | MRG, 1526, 1514, 1, 8, 0},
	{"split_merged_comes_and_goes", 512, 0, 1000, V1 | MRG | EVENT, 200, 4000, 3, 20, 10},
	{"packed", 1024, 0x8000, 4096, PV1 | MRG, 1526, 1514, 1, 0, 0},
	{"packed_legacy", 1000, 0x8000, 4096, PACKED, 1526, 1514, 1, 0, 0},
	{"packed_one_buffer", 700, 0x8000, 4096, PV1 | EVENT, 1526, 1514, 1, 0, 0},
	{"packed_chained", 1024, 300, 4096, PV1, 2012, 2000, 5, 0, 10},
	{"packed_indirect", 1024, 0x8000, 4096, PV1 | INDIRECT, 2012, 2000, 5, 0, 10},
	{"packed_merged", 1024, 0x8000, 4096, PV1 | MRG, 200, 9000, 2, 0, 20},
	{"packed_offloads", 1024, 0x8000, 4096, PV1 | MRG | CSUM, 200, 9000, 2, 0, 0},
	{"packed_in_order", 1024, 0x8000, 4096, PV1 | ORDER | MRG, 1526, 1514, 2, 0, 10},
	{"packed_odd_pieces", 512, 0x8000, 1000, PV1 | MRG | EVENT, 200, 4000, 3, 0, 10},
	{"packed_tiny_pieces", 128, 0x8000, 24, PV1 | MRG | INDIRECT, 200, 2000, 3, 0, 10},
	{"packed_comes_and_goes", 1024, 0x8000, 4096, PV1 | MRG, 1526, 1514, 1, 8, 0},
	{"packed_merged_comes_and_goes", 512, 0x8000, 1000, PV1 | MRG, 200, 4000, 3, 20, 10},
};

/**
 * struct scene - A guest, one ring of it, and the log
 * @slots:	Where each chain's buffers are
 * @offered:	Chains made available
 * @returned:	Chains that came back
 */
struct scene {
	const struct shape *s;
	struct model_guest *g;
	struct model_log *l;
	struct mg_ring *r;
	uint64_t slots[OFFERS];
	uint32_t offered;
	uint32_t returned;
};

/* As the control thread does when logging is switched on, or a log replaced */
static void restart(struct scene *t, const struct dirty_log *log)
{
	bool begun = t->offered;

	thread_role_assume(&ctl_role);
	t->r->cfg.log = log;
	t->r->cfg.base = begun ? vq_base(t->r->vq) : t->s->base;
	assert_int_equal(vq_start(t->r->vq, &t->r->cfg), 0);
}

static void scene_open(struct scene *t, const struct shape *s, uint8_t index)
{
	size_t bytes = OFFERS * (SLOT + 32u) + s->size * (32u + MG_TABLE * 16u) + 32 * 4096;

	thread_role_assume(&ctl_role);
	*t = (struct scene){.s = s};
	t->g = mg_new((uint32_t)(bytes / s->gran) + 16, s->gran, false, NULL);
	t->l = ml_new(t->g);
	t->r = mg_ring_new(t->g, index, s->size, s->base, s->features, 16);
	for (unsigned int i = 0; i < OFFERS; i++)
		t->slots[i] = mg_alloc(t->g, SLOT, 1, mg_rand(t->g, 7),
				       index & 1 ? IOTLB_READ : IOTLB_WRITE);
	if (!s->unmap)
		mg_map_all(t->g);
	restart(t, &t->l->log);
}

static void scene_close(struct scene *t)
{
	mg_ring_free(t->r);
	mg_free(t->g);
	ml_free(t->l);
}

/* A frame's buffers, filled with what no frame is; a virtio header of zeros */
static bool offer(struct scene *t)
{
	uint64_t at = t->slots[t->offered % OFFERS];
	uint16_t write = t->r->cfg.index & 1 ? 0 : VRING_DESC_F_WRITE;
	unsigned int n = 1 + mg_rand(t->g, t->s->max_segs);
	bool bad = t->s->bad && !mg_rand(t->g, t->s->bad);
	uint32_t left = t->s->min_buf + mg_rand(t->g, 500);
	struct mg_buf bufs[MG_TABLE];
	uint8_t fill[SLOT];

	memset(fill, write ? 0x80 | (int)mg_rand(t->g, 127) : 0, sizeof(fill));
	mg_write(t->g, at, fill, left);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = i + 1 < n ? 1 + mg_rand(t->g, left / 2) : left;

		bufs[i] = (struct mg_buf){at, len};
		at += len;
		left -= len;
	}
	if (bad)
		write ^= VRING_DESC_F_WRITE;
	if (mg_add(t->r, bufs, n, write, t->s->features & INDIRECT && mg_rand(t->g, 2)) < 0)
		return false;
	t->offered++;
	return true;
}

static void driver(struct scene *t)
{
	unsigned int n = mg_rand(t->g, 60);
	uint32_t len;

	while (mg_used(t->r, &len) >= 0)
		t->returned++;
	while (n-- && t->offered - t->returned < OFFERS && offer(t))
		;
	mg_show(t->r);
}

static struct rte_mbuf *frame(const struct scene *t)
{
	uint32_t left = 60 + mg_rand(t->g, t->s->max_len - 59);
	struct rte_mbuf *first = NULL, *last = NULL;

	while (left) {
		uint16_t n = (uint16_t)RTE_MIN(left, (uint32_t)MBUF_ROOM);
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		assert_non_null(m);
		memset(rte_pktmbuf_append(m, n), (int)mg_rand(t->g, 128), n);
		left -= n;
		if (!first) {
			first = last = m;
			continue;
		}
		last->next = m;
		last = m;
		first->nb_segs++;
		first->pkt_len += n;
	}
	return first;
}

/* One call of the device's; frames it moved */
static uint16_t device(struct scene *t, uint64_t now)
{
	uint16_t n = (uint16_t)(1 + mg_rand(t->g, t->s->max_len > 4000 ? 8 : VQ_BURST)), moved;
	struct rte_mbuf *pkts[VQ_BURST];

	thread_role_assume(&pmd_role);
	if (t->r->cfg.index & 1) {
		moved = vq_pull(t->r->vq, pool, pkts, n, now);
		rte_pktmbuf_free_bulk(pkts, moved);
		return moved;
	}
	for (uint16_t i = 0; i < n; i++)
		pkts[i] = frame(t);
	moved = vq_push(t->r->vq, pkts, n, now);
	rte_pktmbuf_free_bulk(pkts, n);
	return moved;
}

static void torture(const struct shape *s, uint8_t index)
{
	uint64_t now = rte_rdtsc(), moved = 0;
	struct scene t;

	scene_open(&t, s, index);
	for (unsigned int i = 0; i < 20000 && moved < 1500; i++) {
		driver(&t);
		ml_begin(t.l);
		moved += device(&t, now);
		ml_end(t.l);
		if (!mg_rand(t.g, 30))
			restart(&t, &t.l->log);
		if (!s->unmap)
			continue;
		mg_unmap_random(t.g, mg_rand(t.g, s->unmap + 1));
		if (mg_rand(t.g, 2))
			mg_answer(t.g, 1 + mg_rand(t.g, 200));
		now += rte_get_tsc_hz() / 10000;
	}
	assert_true(moved >= 1500);
	assert_false(vq_broken(t.r->vq));
	assert_true(t.l->changed > 50);
	assert_int_equal(vq_counters(t.r->vq)->logged, t.l->marked);
	assert_int_equal(vq_counters(t.r->vq)->err_log, 0);
	/* Pages are marked for what was written, and few in vain */
	if (!s->unmap && !s->bad)
		assert_true(t.l->marked < t.l->changed + t.l->changed / 4);
	scene_close(&t);
}

static void test_log_push(void **state)
{
	torture(*state, 0);
}

static void test_log_pull(void **state)
{
	torture(*state, 1);
}

/* Flags and events alone: a call that finds nothing, going to sleep, waking up */
static void notify(uint64_t features, uint8_t index)
{
	struct shape s = {"", 1024, 0, 4096, features, 1526, 1514, 1, 0, 0};
	bool split_event = features & EVENT && !(features & PACKED);
	uint64_t event;
	struct scene t;

	s.base = features & PACKED ? 0x8000 : 0;
	scene_open(&t, &s, index);
	event = t.r->cfg.used + (split_event ? 4 + 8 * s.size : 0);
	for (unsigned int i = 0; i < 3; i++) {
		uint16_t other = 0x1234;

		/* What it says was said by another device, or never */
		mg_write(t.g, event, &other, sizeof(other));
		ml_begin(t.l);
		assert_int_equal(device(&t, 1), 0);
		ml_end(t.l);
		assert_true(ml_marked(t.l, event));
		ml_begin(t.l);
		thread_role_assume(&pmd_role);
		assert_true(vq_listen(t.r->vq));
		ml_end(t.l);
		assert_true(ml_marked(t.l, event));
		ml_begin(t.l);
		vq_hush(t.r->vq);
		assert_int_equal(device(&t, 1), 0);
		ml_end(t.l);
		assert_true(ml_marked(t.l, event));
		ml_begin(t.l);
		assert_int_equal(device(&t, 1), 0);
		assert_int_equal(ml_end(t.l), 0);
		restart(&t, &t.l->log);
	}
	scene_close(&t);
}

static void test_log_notify(void **state)
{
	(void)state;
	for (uint8_t index = 0; index < 2; index++) {
		notify(V1, index);
		notify(V1 | EVENT, index);
		notify(PV1, index);
		notify(PV1 | EVENT, index);
	}
}

/* Switched off, nothing is marked; and on again, everything */
static void test_log_off_and_on(void **state)
{
	uint64_t moved[2] = {0, 0};
	struct scene t;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		scene_open(&t, i & 2 ? &shapes[RTE_DIM(shapes) / 2] : &shapes[0], i & 1);
		while (moved[0] < 500 || moved[1] < 500) {
			bool on = mg_rand(t.g, 2);

			driver(&t);
			restart(&t, on ? &t.l->log : NULL);
			ml_begin(t.l);
			moved[on] += device(&t, 1);
			if (on)
				ml_end(t.l);
			for (size_t b = 0; !on && b < t.l->n_bytes; b++)
				assert_int_equal(t.l->bits[b], 0);
		}
		scene_close(&t);
	}
}

/* A page that is marked already costs no atomic operation, and is counted once */
static void test_log_marks_once(void **state)
{
	struct dirty_region region = {.host = 0x10000, .gpa = 0x8000, .size = 0x3000};
	uint8_t bits[2] = {0, 0};
	struct dirty_log log;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(dirty_log_init(&log, bits, 1, &region, 1), -ERANGE);
	assert_int_equal(dirty_log_init(&log, bits, 2, &region, 1), 0);
	assert_true(dirty_log_mark(&log, 9));
	assert_false(dirty_log_mark(&log, 9));
	assert_true(dirty_log_mark(&log, 15));
	assert_int_equal(bits[0], 0);
	assert_int_equal(bits[1], 0x82);
}

static void test_log_finds_regions(void **state)
{
	static const struct dirty_region regions[] = {
		{.host = 0x10000, .gpa = 0, .size = 0x1000},
		{.host = 0x11000, .gpa = 0x5000, .size = 1},
		{.host = UINTPTR_MAX - 0xfff, .gpa = 0x2000, .size = 0x1000},
	};
	uint8_t bits[1] = {0};
	struct dirty_log log;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(dirty_log_init(&log, bits, 1, regions, 3), 0);
	assert_null(dirty_log_find(&log, 0));
	assert_null(dirty_log_find(&log, 0xffff));
	assert_ptr_equal(dirty_log_find(&log, 0x10000), &log.regions[0]);
	assert_ptr_equal(dirty_log_find(&log, 0x10fff), &log.regions[0]);
	assert_ptr_equal(dirty_log_find(&log, 0x11000), &log.regions[1]);
	assert_null(dirty_log_find(&log, 0x11001));
	assert_null(dirty_log_find(&log, UINTPTR_MAX - 0x1000));
	assert_ptr_equal(dirty_log_find(&log, UINTPTR_MAX), &log.regions[2]);
}

/* What the IOTLB maps without being memory is counted, and no bit is touched */
static void test_log_outside_memory(void **state)
{
	struct dirty_log nowhere = {.bits = NULL};
	struct scene t;

	(void)state;
	scene_open(&t, &shapes[0], 0);
	restart(&t, &nowhere);
	while (!device(&t, 1))
		driver(&t);
	assert_true(vq_counters(t.r->vq)->err_log > 0);
	assert_int_equal(vq_counters(t.r->vq)->logged, 0);
	scene_close(&t);
}

int main(void)
{
	const struct CMUnitTest more[] = {
		cmocka_unit_test(test_log_notify),	   cmocka_unit_test(test_log_off_and_on),
		cmocka_unit_test(test_log_marks_once),	   cmocka_unit_test(test_log_finds_regions),
		cmocka_unit_test(test_log_outside_memory),
	};
	struct CMUnitTest tests[2 * RTE_DIM(shapes) + RTE_DIM(more)];
	unsigned int n = 0;

	mg_eal_init();
	pool = rte_pktmbuf_pool_create("log", 511, 0, 0, RTE_PKTMBUF_HEADROOM + MBUF_ROOM,
				       SOCKET_ID_ANY);
	if (!pool)
		return 1;
	for (unsigned int i = 0; i < RTE_DIM(shapes); i++) {
		void *shape = (void *)(uintptr_t)&shapes[i];

		tests[n++] = (struct CMUnitTest){shapes[i].name, test_log_push, NULL, NULL, shape};
		tests[n++] = (struct CMUnitTest){shapes[i].name, test_log_pull, NULL, NULL, shape};
	}
	memcpy(tests + n, more, sizeof(more));
	return _cmocka_run_group_tests("vq_log", tests, RTE_DIM(tests), NULL, NULL);
}
