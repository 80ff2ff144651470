/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vq_pull.c - Frames a model guest transmits arrive whole, in order, once
 *
 * One torture loop, many shapes of guest: random lengths, chains, indirect
 * tables, memory scattered in pages or in pieces of odd size, rings and buffers
 * that straddle them, translations that come and go.
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

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_packed.h"

static struct rte_mempool *pool;

/**
 * struct shape - A kind of guest
 * @size:	Ring entries
 * @base:	Where its index starts
 * @gran:	Bytes in a piece of memory
 * @linear:	which are neighbours in host memory
 * @features:	Negotiated
 * @max_len:	Longest frame
 * @max_segs:	Most buffers for a frame
 * @skew:	Of the ring's areas
 * @unmap:	Granules that go away in each round
 */
struct shape {
	const char *name;
	uint16_t size;
	uint16_t base;
	uint32_t gran;
	bool linear;
	uint64_t features;
	uint32_t max_len;
	unsigned int max_segs;
	size_t skew;
	unsigned int unmap;
};

static const struct shape shapes[] = {
	{"plain", 256, 0, 4096, true, V1 | MRG, 1514, 1, 0, 0},
	{"scattered", 256, 0, 4096, false, V1 | MRG, 1514, 1, 16, 0},
	{"header_alone", 256, 65000, 4096, false, V1, 1514, 2, 0, 0},
	{"chained", 256, 65535, 4096, false, V1, 9000, 7, 48, 0},
	{"indirect", 64, 1, 4096, false, V1 | INDIRECT, 9000, 30, 32, 0},
	{"legacy", 32, 32768, 4096, false, 0, 3000, 4, 0, 0},
	{"big_ring", 1024, 60000, 4096, false, V1, 1514, 3, 4080, 0},
	{"jumbo", 64, 0, 4096, false, V1, 65535, 20, 0, 0},
	{"odd_pieces", 256, 65500, 1000, false, V1 | INDIRECT, 5000, 9, 16, 0},
	{"tiny_pieces", 64, 65500, 24, false, V1 | INDIRECT, 1514, 9, 16, 0},
	{"comes_and_goes", 256, 65100, 4096, false, V1 | MRG, 1514, 2, 16, 3},
	{"all_at_once", 256, 65100, 4096, false, V1 | INDIRECT, 9000, 12, 16, 10},
	{"odd_comes_and_goes", 128, 65100, 1000, false, V1 | INDIRECT, 3000, 9, 16, 10},
	{"event_idx", 256, 65100, 4096, false, V1 | MRG | EVENT, 1514, 2, 16, 3},
	{"one_entry", 1, 7, 4096, false, V1 | INDIRECT, 1514, 5, 0, 0},
	{"in_order", 256, 65100, 4096, false, V1 | MRG | ORDER, 1514, 1, 16, 0},
	{"in_order_chained", 256, 65535, 4096, false, V1 | ORDER, 9000, 7, 48, 0},
	{"in_order_indirect", 64, 1, 4096, false, V1 | INDIRECT | ORDER, 9000, 30, 32, 0},
	{"in_order_big_ring", 1024, 60000, 4096, false, V1 | ORDER, 1514, 3, 4080, 0},
	{"in_order_tiny_pieces", 64, 65500, 24, false, V1 | INDIRECT | ORDER, 1514, 9, 16, 0},
	{"in_order_comes_and_goes", 1024, 65100, 4096, false, V1 | EVENT | ORDER, 900, 2, 16, 10},
	{"in_order_tiny_comes_and_goes", 64, 65500, 24, false, V1 | INDIRECT | ORDER, 300, 5, 16,
	 30},
	{"in_order_one_entry", 1, 7, 4096, false, V1 | INDIRECT | ORDER, 1514, 5, 0, 0},
	{"packed", 256, 0x8000, 4096, true, PV1 | MRG, 1514, 1, 0, 0},
	{"packed_scattered", 256, 0x8000, 4096, false, PV1 | MRG, 1514, 1, 4080, 0},
	{"packed_header_alone", 256, 200, 4096, false, PV1, 1514, 2, 0, 0},
	{"packed_chained", 200, 0x80c7, 4096, false, PV1, 9000, 7, 48, 0},
	{"packed_indirect", 64, 1, 4096, false, PV1 | INDIRECT, 9000, 30, 32, 0},
	{"packed_legacy", 32, 0x8000, 4096, false, PACKED, 3000, 4, 0, 0},
	{"packed_odd_size", 77, 0x8000, 4096, false, PV1 | INDIRECT | EVENT, 1514, 5, 0, 0},
	{"packed_big_ring", 1001, 600, 4096, false, PV1, 1514, 3, 4080, 0},
	{"packed_jumbo", 64, 0x8000, 4096, false, PV1, 65535, 20, 0, 0},
	{"packed_odd_pieces", 100, 99, 1000, false, PV1 | INDIRECT, 5000, 9, 16, 0},
	{"packed_tiny_pieces", 64, 0x8000, 24, false, PV1 | INDIRECT, 1514, 9, 16, 0},
	{"packed_comes_and_goes", 256, 0x8000, 4096, false, PV1 | MRG, 1514, 2, 16, 3},
	{"packed_all_at_once", 300, 0x8000, 4096, false, PV1 | INDIRECT, 9000, 12, 16, 10},
	{"packed_odd_comes_and_goes", 128, 64, 1000, false, PV1 | INDIRECT, 3000, 9, 16, 10},
	{"packed_tiny_comes_and_goes", 64, 0x8000, 24, false, PV1 | INDIRECT, 300, 5, 16, 30},
	{"packed_one_entry", 1, 0x8000, 4096, false, PV1 | INDIRECT, 1514, 5, 0, 0},
	{"packed_two_entries", 2, 1, 4096, false, PV1, 1514, 2, 0, 0},
	{"packed_in_order", 256, 0x8000, 4096, false, PV1 | MRG | ORDER, 1514, 1, 4080, 0},
	{"packed_in_order_chained", 200, 0x80c7, 4096, false, PV1 | ORDER, 9000, 7, 48, 0},
	{"packed_in_order_indirect", 77, 1, 4096, false, PV1 | INDIRECT | ORDER, 9000, 30, 32, 0},
	{"packed_in_order_tiny_pieces", 64, 33, 24, false, PV1 | INDIRECT | ORDER, 1514, 9, 16, 0},
	{"packed_in_order_comes_and_goes", 999, 0x8000, 4096, false, PV1 | EVENT | ORDER, 900, 2,
	 16, 10},
	{"packed_in_order_tiny_comes_and_goes", 64, 0x8000, 24, false, PV1 | INDIRECT | ORDER, 300,
	 5, 16, 30},
	{"packed_in_order_one_entry", 1, 0x8000, 4096, false, PV1 | INDIRECT | ORDER, 1514, 5, 0,
	 0},
	{"packed_in_order_two_entries", 2, 1, 4096, false, PV1 | ORDER, 1514, 2, 0, 0},
};

/**
 * struct sent - A frame on its way
 */
struct sent {
	uint32_t serial;
	uint32_t len;
	int head;
};

/**
 * struct torture - A running torture loop; sent is a FIFO over free indexes
 * @slots:	IOVA of buffer space for each frame on its way
 */
struct torture {
	const struct shape *s;
	struct model_guest *g;
	struct mg_ring *r;
	struct sent *sent;
	uint64_t *slots;
	uint32_t posted;
	uint32_t received;
	uint32_t returned;
};

static uint32_t hdr_len(const struct shape *s)
{
	return s->features & (MRG | V1) ? 12 : 10;
}

/* A header full of claims nobody negotiated, then the frame's pattern */
static uint8_t frame_byte(uint32_t serial, uint32_t hdr, uint32_t i)
{
	return i < hdr ? 0xff : mg_pattern(serial, i - hdr);
}

/* Cut a frame into buffers with random gaps between them, and write it */
static unsigned int frame_cut(struct torture *t, uint32_t serial, uint32_t len, uint64_t slot,
			      struct mg_buf *bufs)
{
	uint32_t hdr = hdr_len(t->s), total = hdr + len, done = 0;
	unsigned int want = 1 + mg_rand(t->g, t->s->max_segs), n = 0;
	static uint8_t bytes[70000];

	for (uint32_t i = 0; i < total; i++)
		bytes[i] = frame_byte(serial, hdr, i);
	while (done < total) {
		uint32_t n_bytes = total - done;

		if (n + 1 < want)
			n_bytes = n == 0 && mg_rand(t->g, 2)
					  ? hdr
					  : mg_rand(t->g, n_bytes * 2 / want + 2);
		n_bytes = RTE_MIN(n_bytes, total - done);
		bufs[n].iova = slot + mg_rand(t->g, 5);
		bufs[n].len = n_bytes;
		mg_write(t->g, bufs[n].iova, bytes + done, n_bytes);
		slot = bufs[n].iova + n_bytes;
		done += n_bytes;
		n++;
	}
	return n;
}

static void post_some(struct torture *t, unsigned int n)
{
	struct mg_buf bufs[MG_TABLE];

	for (; n; n--) {
		uint32_t i = t->posted % t->s->size;
		struct sent *sent = &t->sent[i];
		unsigned int n_bufs;
		uint32_t len =
			14 + mg_rand(t->g, mg_rand(t->g, 4) ? RTE_MIN(t->s->max_len, 1514u) - 13
							    : t->s->max_len - 13);

		if (t->posted - t->returned == t->s->size)
			break;
		n_bufs = frame_cut(t, t->posted, len, t->slots[i], bufs);
		sent->head =
			mg_add(t->r, bufs, n_bufs, 0,
			       (t->s->features & INDIRECT) && (n_bufs > 1 || mg_rand(t->g, 2)));
		if (sent->head < 0)
			break;
		sent->serial = t->posted++;
		sent->len = len;
	}
	mg_show(t->r);
}

static void check_frame(struct torture *t, struct rte_mbuf *m)
{
	const struct sent *sent = &t->sent[t->received % t->s->size];
	uint32_t off = 0;
	unsigned int segs = 0;

	rte_mbuf_sanity_check(m, 1);
	assert_true(t->received < t->posted);
	assert_int_equal(m->pkt_len, sent->len);
	assert_true(m->ol_flags == 0);
	for (struct rte_mbuf *s = m; s; s = s->next, segs++) {
		const uint8_t *p = rte_pktmbuf_mtod(s, const uint8_t *);

		for (uint32_t i = 0; i < s->data_len; i++, off++) {
			if (p[i] != mg_pattern(sent->serial, off))
				fail_msg("%s: frame %u of %u bytes differs at %u", t->s->name,
					 sent->serial, sent->len, off);
		}
	}
	assert_int_equal(off, sent->len);
	assert_int_equal(segs, m->nb_segs);
	t->received++;
}

static void take_used(struct torture *t)
{
	uint32_t len;
	int head;

	while ((head = mg_used(t->r, &len)) >= 0) {
		assert_int_equal(head, t->sent[t->returned % t->s->size].head);
		assert_int_equal(len, 0);
		t->returned++;
	}
	/* Nothing goes back before it was taken */
	assert_true(t->returned == t->received);
}

static uint16_t pull(struct torture *t, uint64_t now)
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint16_t n;

	thread_role_assume(&pmd_role);
	n = vq_pull(t->r->vq, pool, pkts, (uint16_t)(1 + mg_rand(t->g, VQ_BURST)), now);
	for (uint16_t i = 0; i < n; i++) {
		check_frame(t, pkts[i]);
		rte_pktmbuf_free(pkts[i]);
	}
	return n;
}

static void setup(struct torture *t, const struct shape *s)
{
	size_t slot = s->max_len + 64 + 5 * MG_TABLE;
	size_t bytes = s->size * (slot + MG_TABLE * 16u + 64) + 64 * 1024;

	memset(t, 0, sizeof(*t));
	t->s = s;
	t->g = mg_new((uint32_t)(bytes / s->gran) + 64, s->gran, s->linear, NULL);
	t->r = mg_ring_new(t->g, 1, s->size, s->base, s->features, s->skew);
	t->sent = calloc(s->size, sizeof(*t->sent));
	t->slots = calloc(s->size, sizeof(*t->slots));
	assert_true(t->sent && t->slots);
	mg_alloc_page(t->g);
	for (unsigned int i = 0; i < s->size; i++)
		t->slots[i] = mg_alloc(t->g, slot, 1, mg_rand(t->g, 7), IOTLB_READ);
	if (!s->unmap)
		mg_map_all(t->g);
}

static void teardown(struct torture *t)
{
	mg_ring_free(t->r);
	mg_free(t->g);
	free(t->sent);
	free(t->slots);
}

/* After the last frame nothing is left in flight, in the ring or in the pool */
static void torture(const struct shape *s, uint32_t frames)
{
	unsigned int in_pool = rte_mempool_avail_count(pool);
	uint64_t now = rte_rdtsc();
	struct torture t;

	setup(&t, s);
	while (t.received < frames) {
		if (t.posted < frames)
			post_some(&t, mg_rand(t.g, 40));
		pull(&t, now);
		take_used(&t);
		if (s->unmap) {
			mg_unmap_random(t.g, mg_rand(t.g, s->unmap + 1));
			if (mg_rand(t.g, 2))
				mg_answer(t.g, 1 + mg_rand(t.g, 200));
			/* Lost questions are asked again in time */
			now += rte_get_tsc_hz() / 10000;
		}
	}
	for (int i = 0; i < 100000 && t.received < t.posted; i++) {
		pull(&t, now += rte_get_tsc_hz() / 10000);
		mg_answer(t.g, 1000);
	}
	take_used(&t);
	assert_int_equal(t.received, t.posted);
	assert_int_equal(t.returned, t.posted);
	assert_int_equal(t.g->faults, 0);
	assert_int_equal(vq_counters(t.r->vq)->packets, t.posted);
	thread_role_assume(&ctl_role);
	if (s->features & PACKED)
		assert_int_equal(vq_base(t.r->vq), mp_base(t.r));
	else
		assert_int_equal(vq_base(t.r->vq), (uint16_t)(s->base + t.posted));
	assert_false(vq_broken(t.r->vq));
	assert_int_equal(rte_mempool_avail_count(pool), in_pool);
	if (!s->unmap)
		assert_int_equal(vq_counters(t.r->vq)->misses, 0);
	else
		assert_true(t.g->answered > 0);
	teardown(&t);
}

static void test_pull_torture(void **state)
{
	const struct shape *s = *state;

	thread_role_assume(&ctl_role);
	torture(s, s->max_len > 9000 ? 500 : 5000);
}

/* 16-bit indexes wrap more than once */
static void test_pull_wraps(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	for (uint64_t order = 0; order <= ORDER; order += ORDER) {
		torture(&(struct shape){"wraps", 64, 0, 4096, false, V1 | order, 60, 1, 0, 0},
			140000);
		torture(&(struct shape){"wraps", 67, 0x8000, 4096, false, PV1 | order, 60, 1, 0, 0},
			140000);
	}
}

int main(void)
{
	struct CMUnitTest tests[RTE_DIM(shapes) + 1];
	unsigned int i;

	mg_eal_init();
	/* Small enough that a 9000-byte frame needs many */
	pool = rte_pktmbuf_pool_create("pull", 511, 0, 0, RTE_PKTMBUF_HEADROOM + 2048,
				       SOCKET_ID_ANY);
	if (!pool)
		return 1;
	for (i = 0; i < RTE_DIM(shapes); i++)
		tests[i] = (struct CMUnitTest){shapes[i].name, test_pull_torture, NULL, NULL,
					       (void *)(uintptr_t)&shapes[i]};
	tests[i] = (struct CMUnitTest){"test_pull_wraps", test_pull_wraps, NULL, NULL, NULL};
	return _cmocka_run_group_tests("vq_pull", tests, i + 1, NULL, NULL);
}
