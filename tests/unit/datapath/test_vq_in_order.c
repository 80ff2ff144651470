/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vq_in_order.c - One used element for all that a call took (IN_ORDER)
 *
 * Virtio 1.2, 2.7.9 and 2.8.8: it lies where the first chain's would, names the
 * last, and nothing else of the ring is written.  How frames travel is tested
 * with the other shapes in test_vq_pull.c and test_vq_push.c.
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

#define WRITE VRING_DESC_F_WRITE
#define PAGE  4096u
#define FRAME 100u
#define HDR   12u
#define BUFS  40u /* pages */

static struct rte_mempool *pool;

/**
 * struct scene - A ring, and what its used side looked like before a call
 * @bufs:	BUFS pages
 * @used:	Where used elements are written
 * @bytes:	In all of them
 */
struct scene {
	struct model_guest *g;
	struct mg_ring *r;
	uint64_t bufs;
	uint64_t used;
	uint32_t bytes;
	uint8_t *before;
	uint8_t *after;
};

static void scene_open(struct scene *s, bool receive, uint16_t size, uint16_t base,
		       uint64_t features, size_t skew)
{
	bool packed = features & PACKED;

	thread_role_assume(&ctl_role);
	s->g = mg_new(BUFS + 4 * size + 64, PAGE, false, NULL);
	s->r = mg_ring_new(s->g, receive ? 0 : 1, size, base, V1 | ORDER | features, skew);
	s->used = packed ? s->r->cfg.desc : s->r->cfg.used + 4;
	s->bytes = size * (packed ? 16 : 8);
	s->before = malloc(s->bytes);
	s->after = malloc(s->bytes);
	assert_true(s->before && s->after);
	mg_alloc_page(s->g);
	s->bufs = mg_alloc(s->g, BUFS * PAGE, PAGE, 0, receive ? IOTLB_WRITE : IOTLB_READ);
	mg_map_all(s->g);
}

static void scene_close(struct scene *s)
{
	thread_role_assume(&ctl_role);
	mg_ring_free(s->r);
	mg_free(s->g);
	free(s->before);
	free(s->after);
}

/* Let the device take what is there; frames moved */
static uint16_t run(struct scene *s)
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint16_t n;

	thread_role_assume(&pmd_role);
	/* A split ring's elements of the lap before may look the same */
	memset(s->before, 0xee, s->bytes);
	if (!s->r->packed)
		mg_write(s->g, s->used, s->before, s->bytes);
	mg_read(s->g, s->used, s->before, s->bytes);
	if (s->r->cfg.index & 1) {
		n = vq_pull(s->r->vq, pool, pkts, VQ_BURST, rte_rdtsc());
		rte_pktmbuf_free_bulk(pkts, n);
	} else {
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, pkts, 4), 0);
		for (unsigned int i = 0; i < 4; i++)
			memset(rte_pktmbuf_append(pkts[i], FRAME), 1, FRAME);
		n = vq_push(s->r->vq, pkts, 4, rte_rdtsc());
		rte_pktmbuf_free_bulk(pkts, 4);
	}
	mg_read(s->g, s->used, s->after, s->bytes);
	return n;
}

/* The used elements a call wrote: how many, and the first slot after @from */
static unsigned int written(const struct scene *s, uint16_t from, uint16_t *ret_slot)
{
	uint32_t each = s->bytes / s->r->cfg.size;
	unsigned int n = 0;

	for (uint32_t i = 0; i < s->r->cfg.size; i++) {
		uint32_t at = (from + i) % s->r->cfg.size;

		if (memcmp(s->before + at * each, s->after + at * each, each) && !n++)
			*ret_slot = (uint16_t)at;
	}
	return n;
}

static int add_good(struct scene *s, unsigned int page)
{
	struct mg_buf b = {s->bufs + page % BUFS * PAGE, HDR + FRAME};

	return mg_add(s->r, &b, 1, s->r->cfg.index & 1 ? 0 : WRITE, false);
}

/* ------------------------------------------------------ kinds of chains -- */

static int add_chain(struct scene *s)
{
	struct mg_buf b[3] = {
		{s->bufs, HDR}, {s->bufs + 2 * PAGE - 10, 50}, {s->bufs + 3 * PAGE, 50}};

	return mg_add(s->r, b, 3, 0, false);
}

static int add_header_alone(struct scene *s)
{
	struct mg_buf b[2] = {{s->bufs, HDR}, {s->bufs + PAGE, 50}};

	return mg_add(s->r, b, 2, 0, false);
}

static int add_table(struct scene *s)
{
	struct mg_buf b[3] = {{s->bufs, 5}, {s->bufs + PAGE, 50}, {s->bufs + 2 * PAGE, 70}};

	return mg_add(s->r, b, 3, 0, true);
}

static int add_runt(struct scene *s)
{
	struct mg_buf b = {s->bufs, HDR + 3};

	return mg_add(s->r, &b, 1, 0, false);
}

static int add_bad_direction(struct scene *s)
{
	struct mg_buf b[2] = {{s->bufs, 50}, {s->bufs, 50}};

	return mg_add(s->r, b, 2, WRITE, false);
}

static int add_plain(struct scene *s)
{
	return add_good(s, 5);
}

static const struct {
	int (*add)(struct scene *s);
	bool good;
} kinds[] = {
	{add_plain, true}, {add_chain, true},	       {add_header_alone, true}, {add_table, true},
	{add_runt, false}, {add_bad_direction, false}, {add_plain, true},
};

/* -------------------------------------------------------------- tests -- */

/* Take back @n chains, of which @last is the last */
static void take_back(struct scene *s, unsigned int n, int last)
{
	uint32_t len;
	int id = -1;

	for (unsigned int i = 0; i < n; i++) {
		id = mg_used(s->r, &len);
		assert_true(id >= 0);
		assert_int_equal(len, 0);
	}
	assert_int_equal(id, last);
	assert_int_equal(mg_used(s->r, &len), -1);
}

/* Chains of all kinds in random order: one element, in the first one's place */
static void batches(uint16_t size, uint16_t base, uint64_t features, unsigned int chains)
{
	unsigned int in_pool = rte_mempool_avail_count(pool), done = 0, good = 0;
	struct scene s;

	scene_open(&s, false, size, base, INDIRECT | features, 16);
	while (done < chains) {
		unsigned int want = 1 + mg_rand(s.g, VQ_BURST), n = 0, frames = 0;
		uint16_t first = s.r->used_idx & (features & PACKED ? 0xffff : size - 1), slot = 0;
		int id = -1;

		for (; n < want; n++) {
			unsigned int kind = mg_rand(s.g, RTE_DIM(kinds));
			int added = kinds[kind].add(&s);

			if (added < 0)
				break;
			id = added;
			frames += kinds[kind].good;
		}
		mg_show(s.r);
		assert_int_equal(run(&s), frames);
		assert_int_equal(written(&s, first, &slot), 1);
		assert_int_equal(slot, first);
		take_back(&s, n, id);
		done += n;
		good += frames;
	}
	assert_int_equal(vq_counters(s.r->vq)->packets, good);
	assert_int_equal(vq_counters(s.r->vq)->err_direction + vq_counters(s.r->vq)->drop_runt,
			 done - good);
	assert_false(vq_broken(s.r->vq));
	thread_role_assume(&ctl_role);
	assert_int_equal(vq_base(s.r->vq),
			 features & PACKED ? mp_base(s.r) : (uint32_t)s.r->used_idx);
	scene_close(&s);
	assert_int_equal(rte_mempool_avail_count(pool), in_pool);
}

/* Through the end of the index twice; through many laps of the wrap counters */
static void test_in_order_one_element(void **state)
{
	(void)state;
	batches(64, 65500, 0, 140000);
	batches(4, 7, 0, 2000);
	batches(61, 0x8000, PACKED, 140000);
	batches(64, 63, PACKED, 2000);
	batches(5, 0x8004, PACKED, 2000);
}

/* A head that is none, among good ones and last */
static void test_in_order_bad_head(void **state)
{
	struct scene s;
	uint16_t slot;
	uint32_t len;

	(void)state;
	for (unsigned int at = 0; at < 3; at++) {
		scene_open(&s, false, 16, 65535, 0, 0);
		for (unsigned int i = 0; i < 3; i++) {
			if (i == at)
				mg_avail(s.r, 0xfff0);
			else
				assert_true(add_good(&s, i) >= 0);
		}
		mg_show(s.r);
		assert_int_equal(run(&s), 2);
		assert_int_equal(written(&s, 15, &slot), 1);
		assert_int_equal(slot, 15);
		for (unsigned int i = 0; i < 3; i++)
			assert_int_equal(mg_used(s.r, &len) == 0xfff0, i == at);
		assert_int_equal(vq_counters(s.r->vq)->err_index, 1);
		scene_close(&s);
	}
}

/* Where a frame does not translate the batch ends; the next begins behind it */
static void test_in_order_ends_at_a_miss(void **state)
{
	static const uint64_t layouts[] = {0, PACKED};

	(void)state;
	for (unsigned int l = 0; l < RTE_DIM(layouts); l++) {
		uint16_t base = layouts[l] ? 14 : 65534, slot = 0;
		int ids[6];
		struct scene s;

		scene_open(&s, false, 16, base, layouts[l], 0);
		for (unsigned int i = 0; i < 6; i++)
			ids[i] = add_good(&s, i);
		mg_unmap_at(s.g, s.bufs + 3 * PAGE);
		mg_show(s.r);
		assert_int_equal(run(&s), 3);
		assert_int_equal(written(&s, 14, &slot), 1);
		assert_int_equal(slot, 14);
		take_back(&s, 3, ids[2]);
		assert_int_equal(run(&s), 0);
		assert_true(mg_answer(s.g, 10) > 0);
		assert_int_equal(run(&s), 3);
		assert_int_equal(written(&s, 14, &slot), 1);
		assert_int_equal(slot, 1);
		take_back(&s, 3, ids[5]);
		scene_close(&s);
	}
}

/* Without a place for the element nothing is taken */
static void test_in_order_used_ring_misses(void **state)
{
	struct scene s;
	uint16_t slot;
	int id = -1;

	(void)state;
	scene_open(&s, false, 1024, 700, 0, 0);
	for (unsigned int i = 0; i < 20; i++)
		id = add_good(&s, i);
	mg_show(s.r);
	mg_unmap_at(s.g, s.used + 700 * 8);
	assert_int_equal(run(&s), 0);
	assert_int_equal(written(&s, 0, &slot), 0);
	assert_int_equal(mg_used_idx(s.r), 700);
	assert_true(mg_answer(s.g, 10) > 0);
	assert_int_equal(run(&s), 20);
	assert_int_equal(written(&s, 700, &slot), 1);
	assert_int_equal(slot, 700);
	take_back(&s, 20, id);
	assert_int_equal(vq_counters(s.r->vq)->packets, 20);
	scene_close(&s);
}

/* A place in two pieces is left alone if it was: each chain has its own element */
static void test_in_order_place_in_two_pages(void **state)
{
	uint16_t slot;
	struct scene s;
	int ids[20];

	(void)state;
	/* The ring begins 16 bytes into a page: element 509 lies across its end */
	scene_open(&s, false, 1024, 509, 0, 16);
	assert_int_equal((s.used + 509 * 8) % PAGE, PAGE - 4);
	for (unsigned int i = 0; i < RTE_DIM(ids); i++)
		ids[i] = add_good(&s, i);
	mg_show(s.r);
	assert_int_equal(run(&s), RTE_DIM(ids));
	assert_int_equal(written(&s, 509, &slot), RTE_DIM(ids));
	for (unsigned int i = 0; i < RTE_DIM(ids); i++) {
		uint32_t len;

		assert_int_equal(mg_used(s.r, &len), ids[i]);
	}
	scene_close(&s);
}

/* A receive buffer that was skipped would count as full */
static void test_in_order_receive(void **state)
{
	static const uint64_t layouts[] = {0, MRG, PACKED, PACKED | MRG};

	(void)state;
	for (unsigned int l = 0; l < RTE_DIM(layouts); l++) {
		struct scene s;
		uint16_t slot;
		int ids[4];

		scene_open(&s, true, 16, 15, layouts[l], 0);
		for (unsigned int i = 0; i < RTE_DIM(ids); i++)
			ids[i] = add_good(&s, i);
		mg_show(s.r);
		assert_int_equal(run(&s), RTE_DIM(ids));
		assert_int_equal(written(&s, 15, &slot), RTE_DIM(ids));
		for (unsigned int i = 0; i < RTE_DIM(ids); i++) {
			uint32_t len;

			assert_int_equal(mg_used(s.r, &len), ids[i]);
			assert_int_equal(len, HDR + FRAME);
		}
		scene_close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order_one_element),
		cmocka_unit_test(test_in_order_bad_head),
		cmocka_unit_test(test_in_order_ends_at_a_miss),
		cmocka_unit_test(test_in_order_used_ring_misses),
		cmocka_unit_test(test_in_order_place_in_two_pages),
		cmocka_unit_test(test_in_order_receive),
	};

	mg_eal_init();
	pool = rte_pktmbuf_pool_create("order", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (!pool)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
