/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vq_push.c - Frames given to a model guest arrive whole, in order, once
 *
 * As test_vq_pull.c, the other way: buffers of all shapes, mergeable and not,
 * filled with a poison that must survive behind what the used length claims.
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

#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_packed.h"

#define POISON	  0xa5
#define MBUF_ROOM 1000

static struct rte_mempool *pool;

/**
 * struct shape - A kind of guest
 * @min_buf:	Smallest chain the driver offers
 * @max_buf:	Largest
 * @max_segs:	Most buffers in a chain
 *
 * The others as in test_vq_pull.c.
 */
struct shape {
	const char *name;
	uint16_t size;
	uint16_t base;
	uint32_t gran;
	bool linear;
	uint64_t features;
	uint32_t max_len;
	uint32_t min_buf;
	uint32_t max_buf;
	unsigned int max_segs;
	size_t skew;
	unsigned int unmap;
};

static const struct shape shapes[] = {
	{"plain", 256, 0, 4096, true, V1 | MRG, 900, 1526, 1526, 1, 0, 0},
	{"scattered", 256, 65500, 4096, false, V1 | MRG, 900, 1526, 1526, 1, 16, 0},
	{"one_buffer", 256, 65500, 4096, false, V1, 1514, 1526, 2000, 1, 16, 0},
	{"chained", 256, 0, 4096, false, V1, 9000, 9012, 9500, 7, 32, 0},
	{"indirect", 64, 0, 4096, false, V1 | INDIRECT, 9000, 9012, 9500, 30, 32, 0},
	{"legacy", 64, 0, 4096, false, 0, 1514, 1524, 3000, 3, 0, 0},
	{"merged", 256, 65100, 4096, false, V1 | MRG, 9000, 1000, 1600, 1, 0, 0},
	{"merged_small", 256, 65100, 4096, false, V1 | MRG, 9000, 12, 300, 1, 16, 0},
	{"merged_chains", 256, 3, 4096, false, V1 | MRG | INDIRECT, 20000, 500, 5000, 9, 4080, 0},
	{"big_ring", 1024, 64600, 4096, false, V1 | MRG, 4000, 1526, 1526, 1, 4080, 0},
	{"odd_pieces", 256, 0, 1000, false, V1 | MRG | INDIRECT, 4000, 300, 3000, 5, 16, 0},
	{"tiny_pieces", 64, 0, 24, false, V1 | MRG | INDIRECT, 1514, 300, 2000, 5, 16, 0},
	{"comes_and_goes", 256, 0, 4096, false, V1 | MRG, 1514, 1526, 1526, 1, 16, 4},
	{"merged_comes_and_goes", 256, 0, 4096, false, V1 | MRG | INDIRECT, 9000, 300, 2500, 3, 16,
	 10},
	{"chained_comes_and_goes", 64, 0, 4096, false, V1, 9000, 9012, 9500, 7, 16, 5},
	{"event_idx", 256, 65100, 4096, false, V1 | MRG | EVENT, 1514, 1526, 1526, 1, 16, 3},
	{"one_entry", 1, 0, 4096, false, V1 | INDIRECT, 1514, 1526, 1600, 5, 0, 0},
	{"in_order", 256, 65500, 4096, false, V1 | ORDER, 1514, 1526, 2000, 1, 16, 0},
	{"in_order_merged_comes_and_goes", 256, 0, 4096, false, V1 | MRG | INDIRECT | ORDER, 9000,
	 300, 2500, 3, 16, 10},
	{"packed", 256, 0x8000, 4096, true, PV1 | MRG, 900, 1526, 1526, 1, 0, 0},
	{"packed_scattered", 256, 100, 4096, false, PV1 | MRG, 900, 1526, 1526, 1, 4080, 0},
	{"packed_one_buffer", 200, 0x8000, 4096, false, PV1, 1514, 1526, 2000, 1, 16, 0},
	{"packed_chained", 256, 255, 4096, false, PV1, 9000, 9012, 9500, 7, 32, 0},
	{"packed_indirect", 64, 0x8000, 4096, false, PV1 | INDIRECT, 9000, 9012, 9500, 30, 32, 0},
	{"packed_legacy", 64, 0x8000, 4096, false, PACKED, 1514, 1524, 3000, 3, 0, 0},
	{"packed_merged", 256, 0x8000, 4096, false, PV1 | MRG, 9000, 1000, 1600, 1, 0, 0},
	{"packed_merged_small", 257, 0x8000, 4096, false, PV1 | MRG, 3000, 12, 300, 1, 16, 0},
	{"packed_merged_chains", 255, 3, 4096, false, PV1 | MRG | INDIRECT | EVENT, 20000, 500,
	 5000, 9, 4080, 0},
	{"packed_big_ring", 1000, 900, 4096, false, PV1 | MRG, 4000, 1526, 1526, 1, 4080, 0},
	{"packed_odd_pieces", 256, 0, 1000, false, PV1 | MRG | INDIRECT, 4000, 300, 3000, 5, 16, 0},
	{"packed_tiny_pieces", 64, 0x8000, 24, false, PV1 | MRG | INDIRECT, 1514, 300, 2000, 5, 16,
	 0},
	{"packed_comes_and_goes", 256, 0x8000, 4096, false, PV1 | MRG, 1514, 1526, 1526, 1, 16, 4},
	{"packed_merged_comes_and_goes", 250, 0x8000, 4096, false, PV1 | MRG | INDIRECT, 9000, 300,
	 2500, 3, 16, 10},
	{"packed_chained_comes_and_goes", 64, 0x8000, 4096, false, PV1, 9000, 9012, 9500, 7, 16, 5},
	{"packed_one_entry", 1, 0, 4096, false, PV1 | INDIRECT, 1514, 1526, 1600, 5, 0, 0},
	{"packed_in_order", 200, 0x8000, 4096, false, PV1 | ORDER, 1514, 1526, 2000, 1, 16, 0},
	{"packed_in_order_merged_comes_and_goes", 250, 0x8000, 4096, false,
	 PV1 | MRG | INDIRECT | ORDER, 9000, 300, 2500, 3, 16, 10},
};

/**
 * struct offer - A chain the driver made available
 */
struct offer {
	struct mg_buf bufs[MG_TABLE];
	unsigned int n;
	uint32_t total;
	int head;
};

/**
 * struct torture - A running loop; offers are a FIFO over free indexes
 */
struct torture {
	const struct shape *s;
	struct model_guest *g;
	struct mg_ring *r;
	struct offer *offers;
	uint64_t *slots;
	uint32_t *lens; /* of frames pushed, a FIFO of power-of-two size */
	uint32_t offered;
	uint32_t returned;
	uint32_t made;
	uint32_t pushed;
	uint32_t received;
};

#define LENS 65536u

static uint32_t hdr_len(const struct shape *s)
{
	return s->features & (MRG | V1) ? 12 : 10;
}

static void offer_cut(struct torture *t, struct offer *o, uint64_t slot)
{
	unsigned int want = 1 + mg_rand(t->g, t->s->max_segs);
	uint32_t done = 0;

	o->total = t->s->min_buf + mg_rand(t->g, t->s->max_buf - t->s->min_buf + 1);
	for (o->n = 0; done < o->total; o->n++) {
		uint32_t len = o->total - done;

		if (o->n + 1 < want)
			len = RTE_MIN(len, mg_rand(t->g, len * 2 / want + 2));
		o->bufs[o->n] = (struct mg_buf){slot + mg_rand(t->g, 5), len};
		slot = o->bufs[o->n].iova + len;
		done += len;
	}
}

static void offer_poison(struct torture *t, const struct offer *o)
{
	static uint8_t poison[70000];

	memset(poison, POISON, sizeof(poison));
	for (unsigned int i = 0; i < o->n; i++)
		mg_write(t->g, o->bufs[i].iova, poison, o->bufs[i].len);
}

static void offer_some(struct torture *t, unsigned int n)
{
	for (; n && t->offered - t->returned < t->s->size; n--) {
		uint32_t i = t->offered % t->s->size;
		struct offer *o = &t->offers[i];

		offer_cut(t, o, t->slots[i]);
		offer_poison(t, o);
		o->head = mg_add(t->r, o->bufs, o->n, VRING_DESC_F_WRITE,
				 (t->s->features & INDIRECT) && (o->n > 1 || mg_rand(t->g, 2)));
		if (o->head < 0)
			break;
		t->offered++;
	}
	mg_show(t->r);
}

/* A chain's bytes, one after the other */
static void offer_read(struct torture *t, const struct offer *o, uint8_t *bytes)
{
	for (unsigned int i = 0; i < o->n; i++) {
		mg_read(t->g, o->bufs[i].iova, bytes, o->bufs[i].len);
		bytes += o->bufs[i].len;
	}
}

static const struct offer *offer_returned(struct torture *t, uint32_t *ret_len, uint8_t *bytes)
{
	const struct offer *o = &t->offers[t->returned % t->s->size];
	int head = mg_used(t->r, ret_len);

	if (head < 0)
		return NULL;
	assert_true(t->returned < t->offered);
	assert_int_equal(head, o->head);
	assert_true(*ret_len <= o->total);
	t->returned++;
	offer_read(t, o, bytes);
	for (uint32_t i = *ret_len; i < o->total; i++)
		assert_int_equal(bytes[i], POISON);
	return o;
}

static uint16_t check_header(const struct torture *t, const uint8_t *bytes)
{
	static const uint8_t zero[10];
	uint16_t n = 1;

	assert_memory_equal(bytes, zero, sizeof(zero));
	if (hdr_len(t->s) == 12)
		memcpy(&n, bytes + 10, 2);
	if (!(t->s->features & MRG))
		assert_int_equal(n, 1);
	assert_true(n >= 1);
	return n;
}

/* Read one frame as a driver does; false when none is there */
static bool receive(struct torture *t)
{
	static uint8_t bytes[140000];
	uint32_t want = t->lens[t->received % LENS], got, len;
	const struct offer *o = offer_returned(t, &len, bytes);
	uint16_t n;

	if (!o)
		return false;
	assert_true(t->received < t->pushed);
	assert_true(len >= hdr_len(t->s));
	n = check_header(t, bytes);
	for (got = len; --n; got += len) {
		assert_int_equal(len, o->total); /* a chain is filled before the next */
		o = offer_returned(t, &len, bytes + got);
		assert_non_null(o);
		assert_true(len > 0);
	}
	assert_int_equal(got, hdr_len(t->s) + want);
	for (uint32_t i = 0; i < want; i++) {
		if (bytes[hdr_len(t->s) + i] != mg_pattern(t->received, i))
			fail_msg("%s: frame %u of %u bytes differs at %u", t->s->name, t->received,
				 want, i);
	}
	t->received++;
	return true;
}

static struct rte_mbuf *make_frame(uint32_t serial, uint32_t len)
{
	struct rte_mbuf *first = NULL, *last = NULL;
	uint32_t off = 0;

	while (off < len) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint16_t n = (uint16_t)RTE_MIN(len - off, (uint32_t)MBUF_ROOM);
		uint8_t *p;

		assert_non_null(m);
		p = (uint8_t *)rte_pktmbuf_append(m, n);
		for (uint16_t i = 0; i < n; i++, off++)
			p[i] = mg_pattern(serial, off);
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

static void push(struct torture *t, uint64_t now)
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint16_t n = (uint16_t)(1 + mg_rand(t->g, t->s->max_len > 1514 ? 8 : VQ_BURST));
	uint16_t taken;

	thread_role_assume(&pmd_role);
	for (uint16_t i = 0; i < n; i++) {
		uint32_t serial = t->pushed + i;

		/* One that was not taken is offered again */
		if (serial == t->made)
			t->lens[t->made++ % LENS] = 14 + mg_rand(t->g, t->s->max_len - 13);
		pkts[i] = make_frame(serial, t->lens[serial % LENS]);
	}
	taken = vq_push(t->r->vq, pkts, n, now);
	assert_true(taken <= n);
	rte_pktmbuf_free_bulk(pkts, n);
	t->pushed += taken;
}

static void setup(struct torture *t, const struct shape *s)
{
	size_t slot = s->max_buf + 5 * MG_TABLE;
	size_t bytes = s->size * (slot + MG_TABLE * 16u + 64) + 64 * 1024;

	memset(t, 0, sizeof(*t));
	t->s = s;
	t->g = mg_new((uint32_t)(bytes / s->gran) + 64, s->gran, s->linear, NULL);
	t->r = mg_ring_new(t->g, 0, s->size, s->base, s->features, s->skew);
	t->offers = calloc(s->size, sizeof(*t->offers));
	t->slots = calloc(s->size, sizeof(*t->slots));
	t->lens = calloc(LENS, sizeof(*t->lens));
	assert_true(t->offers && t->slots && t->lens);
	mg_alloc_page(t->g);
	/* Write-only, as Linux maps receive buffers */
	for (unsigned int i = 0; i < s->size; i++)
		t->slots[i] = mg_alloc(t->g, slot, 1, mg_rand(t->g, 7), IOTLB_WRITE);
	if (!s->unmap)
		mg_map_all(t->g);
}

static void teardown(struct torture *t)
{
	mg_ring_free(t->r);
	mg_free(t->g);
	free(t->offers);
	free(t->slots);
	free(t->lens);
}

static void torture(const struct shape *s, uint32_t frames)
{
	uint64_t now = rte_rdtsc();
	struct torture t;

	setup(&t, s);
	while (t.received < frames) {
		offer_some(&t, mg_rand(t.g, 60));
		push(&t, now);
		while (receive(&t))
			;
		assert_int_equal(t.received, t.pushed);
		if (s->unmap) {
			mg_unmap_random(t.g, mg_rand(t.g, s->unmap + 1));
			if (mg_rand(t.g, 2))
				mg_answer(t.g, 1 + mg_rand(t.g, 200));
			now += rte_get_tsc_hz() / 10000;
		}
	}
	assert_int_equal(t.g->faults, 0);
	assert_int_equal(vq_counters(t.r->vq)->packets, t.pushed);
	assert_int_equal(vq_counters(t.r->vq)->drop_too_big, 0);
	assert_false(vq_broken(t.r->vq));
	if (!s->unmap)
		assert_int_equal(vq_counters(t.r->vq)->misses, 0);
	else
		assert_true(t.g->answered > 0);
	teardown(&t);
}

static void test_push_torture(void **state)
{
	thread_role_assume(&ctl_role);
	torture(*state, 4000);
}

/* 16-bit indexes wrap more than once */
static void test_push_wraps(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	torture(&(struct shape){"wraps", 64, 0, 4096, false, V1, 60, 72, 80, 1, 0, 0}, 140000);
	torture(&(struct shape){"wraps", 67, 0x8000, 4096, false, PV1, 60, 72, 80, 1, 0, 0},
		140000);
}

/* One frame offered to a ring of @n chains of @len bytes; what was taken */
static uint16_t push_one_frame(struct torture *t, unsigned int n, uint32_t len, uint32_t frame)
{
	struct rte_mbuf *m = make_frame(t->pushed, frame);
	uint16_t taken;

	thread_role_assume(&pmd_role);
	for (unsigned int i = 0; i < n; i++) {
		struct offer *o = &t->offers[t->offered % t->s->size];

		*o = (struct offer){.n = 1, .total = len};
		o->bufs[0] = (struct mg_buf){t->slots[t->offered % t->s->size], len};
		offer_poison(t, o);
		o->head = mg_add(t->r, o->bufs, 1, VRING_DESC_F_WRITE, false);
		assert_true(o->head >= 0);
		t->offered++;
	}
	mg_show(t->r);
	t->lens[t->pushed % LENS] = frame;
	taken = vq_push(t->r->vq, &m, 1, rte_rdtsc());
	rte_pktmbuf_free(m);
	return taken;
}

static void test_push_too_big_for_one_chain(void **state)
{
	static const struct shape s = {"", 16, 0, 4096, false, V1, 1514, 1526, 1526, 1, 0, 0};
	struct torture t;

	(void)state;
	thread_role_assume(&ctl_role);
	setup(&t, &s);
	assert_int_equal(push_one_frame(&t, 3, 1000, 1400), 1);
	assert_int_equal(vq_counters(t.r->vq)->drop_too_big, 1);
	assert_int_equal(vq_counters(t.r->vq)->packets, 0);
	/* Its buffers are still there for one that fits: 12 + 988 */
	assert_int_equal(push_one_frame(&t, 0, 0, 988), 1);
	t.pushed = 1;
	assert_true(receive(&t));
	assert_int_equal(push_one_frame(&t, 0, 0, 989), 1);
	assert_int_equal(vq_counters(t.r->vq)->drop_too_big, 2);
	teardown(&t);
}

static void test_push_too_big_for_the_ring(void **state)
{
	static const struct shape s = {"", 8, 0, 4096, false, V1 | MRG, 1514, 1526, 1526, 1, 0, 0};
	struct torture t;

	(void)state;
	thread_role_assume(&ctl_role);
	setup(&t, &s);
	/* The driver may still add buffers: the frame waits */
	assert_int_equal(push_one_frame(&t, 7, 100, 789), 0);
	thread_role_assume(&pmd_role);
	assert_false(vq_waits_for_translation(t.r->vq));
	/* It has added all it can */
	assert_int_equal(push_one_frame(&t, 1, 100, 789), 1);
	assert_int_equal(vq_counters(t.r->vq)->drop_too_big, 1);
	assert_int_equal(push_one_frame(&t, 0, 0, 788), 1);
	t.pushed = 1;
	assert_true(receive(&t));
	assert_int_equal(t.returned, 8);
	teardown(&t);
}

/* As above, where a chain is a descriptor and the ring ends at 7 */
static void test_push_too_big_for_the_packed_ring(void **state)
{
	static const struct shape s = {"",   7,	   0x8005, 4096, false, PV1 | MRG,
				       1514, 1526, 1526,   1,	 0,	0};
	struct torture t;

	(void)state;
	thread_role_assume(&ctl_role);
	setup(&t, &s);
	assert_int_equal(push_one_frame(&t, 6, 100, 689), 0);
	assert_int_equal(push_one_frame(&t, 1, 100, 689), 1);
	assert_int_equal(vq_counters(t.r->vq)->drop_too_big, 1);
	assert_int_equal(push_one_frame(&t, 0, 0, 688), 1);
	t.pushed = 1;
	assert_true(receive(&t));
	assert_int_equal(t.returned, 7);
	teardown(&t);
}

/* Readable is not enough to receive, and write-only is */
static void test_push_permission(void **state)
{
	static const struct shape s = {"", 8, 0, 4096, false, V1, 1514, 1526, 1526, 1, 0, 0};
	struct torture t;

	(void)state;
	thread_role_assume(&ctl_role);
	setup(&t, &s);
	mg_unmap_at(t.g, t.slots[0]);
	t.g->map[(t.slots[0] - t.g->base) / t.g->gran].perm = IOTLB_READ;
	mg_map_at(t.g, t.slots[0]);
	assert_int_equal(push_one_frame(&t, 1, 100, 60), 0);
	thread_role_assume(&pmd_role);
	assert_true(vq_waits_for_translation(t.r->vq));
	assert_true(mg_answer(t.g, 100) > 0);
	assert_true(t.g->faults > 0);
	teardown(&t);
}

int main(void)
{
	const struct CMUnitTest more[] = {
		cmocka_unit_test(test_push_wraps),
		cmocka_unit_test(test_push_too_big_for_one_chain),
		cmocka_unit_test(test_push_too_big_for_the_ring),
		cmocka_unit_test(test_push_too_big_for_the_packed_ring),
		cmocka_unit_test(test_push_permission),
	};
	struct CMUnitTest tests[RTE_DIM(shapes) + RTE_DIM(more)];
	unsigned int i;

	mg_eal_init();
	pool = rte_pktmbuf_pool_create("push", 511, 0, 0, RTE_PKTMBUF_HEADROOM + MBUF_ROOM,
				       SOCKET_ID_ANY);
	if (!pool)
		return 1;
	for (i = 0; i < RTE_DIM(shapes); i++)
		tests[i] = (struct CMUnitTest){shapes[i].name, test_push_torture, NULL, NULL,
					       (void *)(uintptr_t)&shapes[i]};
	memcpy(tests + i, more, sizeof(more));
	return _cmocka_run_group_tests("vq_push", tests, RTE_DIM(tests), NULL, NULL);
}
