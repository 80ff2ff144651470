/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vq_hostile.c - Guests that break the rules harm nobody but themselves
 *
 * A table of single offences, each between two good chains: the bad chain goes
 * back unused and is counted under its name, the good ones are carried.  Then
 * rings full of random numbers, and one that changes while it is read.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_guest.h"

#define NEXT  VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define TABLE VRING_DESC_F_INDIRECT
#define SIZE  16
#define FRAME 100

static struct rte_mempool *pool;

/**
 * struct scene - A ring, a good buffer and a table for whatever is wrong
 * @r:		Ring of SIZE entries
 * @buf:	64 KiB and more of buffer, mapped for what the ring may do
 * @table:	Room for an indirect table
 * @dir:	VRING_DESC_F_WRITE when the ring receives
 */
struct scene {
	struct model_guest *g;
	struct mg_ring *r;
	uint64_t buf;
	uint64_t table;
	uint16_t dir;
};

static void scene_open(struct scene *s, bool receive, uint64_t features)
{
	thread_role_assume(&ctl_role);
	s->g = mg_new(128, 4096, false, NULL);
	s->r = mg_ring_new(s->g, receive ? 0 : 1, SIZE, 65530, features, 0);
	s->dir = receive ? WRITE : 0;
	s->buf = mg_alloc(s->g, 90000, 4096, 0, receive ? IOTLB_WRITE : IOTLB_READ);
	mg_alloc_page(s->g);
	/* Unaligned: entry 16 lies across two pages */
	s->table = mg_alloc(s->g, 2000 * 16, 4096, 4088, IOTLB_READ);
	mg_map_all(s->g);
}

static void scene_close(struct scene *s)
{
	thread_role_assume(&ctl_role);
	mg_ring_free(s->r);
	mg_free(s->g);
}

static void ring_desc(struct scene *s, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags,
		      uint16_t next)
{
	mg_desc(s->g, s->r->cfg.desc, i, addr, len, flags, next);
}

/* Descriptors 14 and 15 are for good chains, 0 to 13 for bad ones */
static void good_chain(struct scene *s, uint16_t head)
{
	ring_desc(s, head, s->buf, 12 + FRAME, s->dir, 0);
	mg_avail(s->r, head);
}

/* Let the device work on whatever is available; frames moved */
static uint16_t run(struct scene *s)
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint64_t now = rte_rdtsc();
	uint16_t n;

	thread_role_assume(&pmd_role);
	if (!s->dir) {
		n = vq_pull(s->r->vq, pool, pkts, VQ_BURST, now);
		rte_pktmbuf_free_bulk(pkts, n);
		return n;
	}
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, pkts, 4), 0);
	for (int i = 0; i < 4; i++)
		memset(rte_pktmbuf_append(pkts[i], FRAME), i, FRAME);
	n = vq_push(s->r->vq, pkts, 4, now);
	rte_pktmbuf_free_bulk(pkts, 4);
	return n;
}

/**
 * struct offence - One way to be bad
 * @build:	Makes a chain whose head is descriptor 0
 * @counter:	Where it is counted
 * @features:	Negotiated beside VERSION_1
 * @head:	Head that is made available
 * @rx_only:	Only where the ring receives
 * @tx_only:	Only where it transmits
 */
struct offence {
	const char *name;
	void (*build)(struct scene *s);
	size_t counter;
	uint64_t features;
	uint16_t head;
	bool rx_only;
	bool tx_only;
};

static void bad_nothing(struct scene *s)
{
	(void)s;
}

static void bad_next(struct scene *s)
{
	ring_desc(s, 0, s->buf, 20, s->dir | NEXT, SIZE);
}

static void bad_next_far(struct scene *s)
{
	/* As a header alone, which takes the fast path */
	ring_desc(s, 0, s->buf, 12, s->dir | NEXT, 65535);
}

static void bad_self(struct scene *s)
{
	ring_desc(s, 0, s->buf, 12, s->dir | NEXT, 0);
}

static void bad_loop(struct scene *s)
{
	for (uint16_t i = 0; i < 5; i++)
		ring_desc(s, i, s->buf, 10, s->dir | NEXT, (uint16_t)((i + 1) % 5));
}

static void bad_empty_loop(struct scene *s)
{
	ring_desc(s, 0, s->buf, 0, s->dir | NEXT, 1);
	ring_desc(s, 1, s->buf, 0, s->dir | NEXT, 0);
}

static void bad_table(struct scene *s)
{
	mg_desc(s->g, s->table, 0, s->buf, 200, s->dir, 0);
	ring_desc(s, 0, s->table, 16, TABLE, 0);
}

static void bad_table_nested(struct scene *s)
{
	mg_desc(s->g, s->table, 0, s->buf, 20, s->dir | NEXT, 1);
	mg_desc(s->g, s->table, 1, s->table, 16, TABLE, 0);
	ring_desc(s, 0, s->table, 32, TABLE, 0);
}

static void bad_table_next(struct scene *s)
{
	bad_table(s);
	ring_desc(s, 0, s->table, 16, TABLE | NEXT, 1);
	ring_desc(s, 1, s->buf, 100, s->dir, 0);
}

static void bad_table_empty(struct scene *s)
{
	ring_desc(s, 0, s->table, 0, TABLE, 0);
}

static void bad_table_size(struct scene *s)
{
	bad_table(s);
	ring_desc(s, 0, s->table, 24, TABLE, 0);
}

static void bad_table_wraps(struct scene *s)
{
	ring_desc(s, 0, -(uint64_t)16, 32, TABLE, 0);
}

static void bad_table_beyond(struct scene *s)
{
	mg_desc(s->g, s->table, 0, s->buf, 20, s->dir | NEXT, 2);
	ring_desc(s, 0, s->table, 32, TABLE, 0);
}

static void bad_table_loop(struct scene *s)
{
	mg_desc(s->g, s->table, 0, s->buf, 20, s->dir | NEXT, 1);
	mg_desc(s->g, s->table, 1, s->buf, 20, s->dir | NEXT, 0);
	ring_desc(s, 0, s->table, 32, TABLE, 0);
}

static void bad_table_long(struct scene *s)
{
	for (uint16_t i = 0; i < 1500; i++)
		mg_desc(s->g, s->table, i, s->buf, 1, s->dir | NEXT, (uint16_t)(i + 1));
	mg_desc(s->g, s->table, 1500, s->buf, 1, s->dir, 0);
	ring_desc(s, 0, s->table, 1501 * 16, TABLE, 0);
}

static void bad_direction(struct scene *s)
{
	ring_desc(s, 0, s->buf, 200, s->dir ^ WRITE, 0);
}

static void bad_direction_later(struct scene *s)
{
	ring_desc(s, 0, s->buf, 12, s->dir | NEXT, 1);
	ring_desc(s, 1, s->buf, 100, s->dir ^ WRITE, 0);
}

static void bad_short(struct scene *s)
{
	ring_desc(s, 0, s->buf, 6, s->dir | NEXT, 1);
	ring_desc(s, 1, s->buf, 5, s->dir, 0);
}

static void bad_zero(struct scene *s)
{
	ring_desc(s, 0, s->buf, 0, s->dir, 0);
}

static void bad_wrap(struct scene *s)
{
	ring_desc(s, 0, -(uint64_t)50, 200, s->dir, 0);
}

static void bad_wrap_later(struct scene *s)
{
	ring_desc(s, 0, s->buf, 12, s->dir | NEXT, 1);
	ring_desc(s, 1, UINT64_MAX, 0xffffffff, s->dir, 0);
}

static void bad_runt(struct scene *s)
{
	ring_desc(s, 0, s->buf, 12 + 13, 0, 0);
}

static void bad_header_only(struct scene *s)
{
	ring_desc(s, 0, s->buf, 12, 0, 0);
}

static void bad_huge(struct scene *s)
{
	ring_desc(s, 0, s->buf, 12 + 65536, 0, 0);
}

static void bad_huge_sum(struct scene *s)
{
	for (uint16_t i = 0; i < 10; i++)
		ring_desc(s, i, s->buf, 0xfffffff0, i < 9 ? NEXT : 0, (uint16_t)(i + 1));
}

#define AT(member) offsetof(struct vq_counters, member)

static const struct offence offences[] = {
	{"head_beyond_ring", bad_nothing, AT(err_index), 0, SIZE, false, false},
	{"head_far_beyond_ring", bad_nothing, AT(err_index), 0, 65535, false, false},
	{"next_beyond_ring", bad_next, AT(err_index), 0, 0, false, false},
	{"next_far_beyond_ring", bad_next_far, AT(err_index), 0, 0, false, false},
	{"chain_of_itself", bad_self, AT(err_chain), 0, 0, false, false},
	{"loop", bad_loop, AT(err_chain), 0, 0, false, false},
	{"loop_of_nothing", bad_empty_loop, AT(err_chain), 0, 0, false, false},
	{"table_not_negotiated", bad_table, AT(err_indirect), 0, 0, false, false},
	{"table_in_table", bad_table_nested, AT(err_indirect), INDIRECT, 0, false, false},
	{"table_and_next", bad_table_next, AT(err_indirect), INDIRECT, 0, false, false},
	{"table_empty", bad_table_empty, AT(err_indirect), INDIRECT, 0, false, false},
	{"table_of_odd_size", bad_table_size, AT(err_indirect), INDIRECT, 0, false, false},
	{"table_wraps", bad_table_wraps, AT(err_length), INDIRECT, 0, false, false},
	{"next_beyond_table", bad_table_beyond, AT(err_index), INDIRECT, 0, false, false},
	{"loop_in_table", bad_table_loop, AT(err_chain), INDIRECT, 0, false, false},
	{"table_too_long", bad_table_long, AT(err_chain), INDIRECT, 0, false, false},
	{"wrong_direction", bad_direction, AT(err_direction), 0, 0, false, false},
	{"wrong_direction_later", bad_direction_later, AT(err_direction), 0, 0, false, false},
	{"shorter_than_header", bad_short, AT(err_length), 0, 0, false, false},
	{"no_bytes", bad_zero, AT(err_length), 0, 0, false, false},
	{"buffer_wraps", bad_wrap, AT(err_length), 0, 0, false, false},
	{"buffer_wraps_later", bad_wrap_later, AT(err_length), 0, 0, false, false},
	{"runt", bad_runt, AT(drop_runt), 0, 0, false, true},
	{"header_only", bad_header_only, AT(drop_runt), 0, 0, false, true},
	{"huge", bad_huge, AT(drop_too_big), 0, 0, false, true},
	{"huge_sum", bad_huge_sum, AT(drop_too_big), 0, 0, false, true},
};

/* Exactly this error was counted, and no other */
static void check_counters(const struct scene *s, const struct offence *o, uint64_t times)
{
	const struct vq_counters *c = vq_counters(s->r->vq);
	uint64_t errors = c->drop_too_big + c->drop_runt + c->err_index + c->err_chain +
			  c->err_indirect + c->err_direction + c->err_length + c->err_ring;

	assert_int_equal(*(const uint64_t *)((const char *)c + o->counter), times);
	assert_int_equal(errors, times);
}

static void check_used(struct scene *s, uint16_t head, uint32_t len)
{
	uint32_t got;

	assert_int_equal(mg_used(s->r, &got), head);
	assert_int_equal(got, len);
}

/* good, bad, good; ring indexes wrap in between */
static void commit(const struct offence *o, bool receive, uint64_t features)
{
	struct scene s;

	scene_open(&s, receive, features | V1 | o->features);
	for (unsigned int i = 0; i < 10; i++) {
		uint32_t len = receive ? 12 + FRAME : 0;

		good_chain(&s, 14);
		o->build(&s);
		mg_avail(s.r, o->head);
		good_chain(&s, 15);
		mg_show(s.r);
		assert_int_equal(run(&s), 2);
		check_used(&s, 14, len);
		check_used(&s, o->head, 0);
		check_used(&s, 15, len);
		check_counters(&s, o, i + 1);
	}
	assert_false(vq_broken(s.r->vq));
	scene_close(&s);
}

static void test_hostile_offence(void **state)
{
	const struct offence *o = *state;
	unsigned int in_pool = rte_mempool_avail_count(pool);

	if (!o->rx_only) {
		commit(o, false, 0);
		commit(o, false, ORDER);
	}
	if (!o->tx_only) {
		commit(o, true, 0);
		commit(o, true, MRG);
	}
	assert_int_equal(rte_mempool_avail_count(pool), in_pool);
}

/* A bad chain among those one frame is spread over: all go back empty */
static void test_hostile_within_merged_frame(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s, true, V1 | MRG);
	for (uint16_t i = 0; i < 6; i++) {
		ring_desc(&s, i, s.buf + 4096u * i, 40, i == 2 ? 0 : WRITE, 0);
		mg_avail(s.r, i);
	}
	mg_show(s.r);
	assert_int_equal(run(&s), 1); /* 112 bytes in 40, 40, 32 */
	for (uint16_t i = 0; i < 3; i++)
		check_used(&s, i, 0);
	check_used(&s, 3, 40);
	check_used(&s, 4, 40);
	check_used(&s, 5, 32);
	assert_int_equal(vq_counters(s.r->vq)->err_direction, 1);
	scene_close(&s);
}

/* Legal but odd: normal descriptors before a table, of which one lies across
 * two pages; empty buffers; WRITE on the table itself, which means nothing
 */
static void test_hostile_odd_is_not_bad(void **state)
{
	(void)state;
	for (int receive = 0; receive < 2; receive++) {
		struct scene s;

		scene_open(&s, receive, V1 | INDIRECT);
		ring_desc(&s, 0, s.buf, 5, s.dir | NEXT, 9);
		ring_desc(&s, 9, s.buf + 5, 0, s.dir | NEXT, 3);
		ring_desc(&s, 3, s.table, 20 * 16, TABLE | WRITE, 77);
		for (uint16_t i = 0; i < 20; i++)
			mg_desc(s.g, s.table, i, s.buf + 5 + i * 6, 6,
				(uint16_t)(s.dir | (i < 19 ? NEXT : 0)), (uint16_t)(i + 1));
		mg_avail(s.r, 0);
		mg_show(s.r);
		assert_int_equal(run(&s), 1);
		check_used(&s, 0, receive ? 12 + FRAME : 0);
		assert_int_equal(vq_counters(s.r->vq)->bytes, receive ? FRAME : 125 - 12);
		scene_close(&s);
	}
}

static void test_hostile_index_jumps(void **state)
{
	(void)state;
	for (int receive = 0; receive < 2; receive++) {
		struct scene s;

		scene_open(&s, receive, V1);
		s.r->avail_idx = (uint16_t)(s.r->avail_idx + SIZE + 1);
		mg_show(s.r);
		assert_int_equal(run(&s), 0);
		assert_true(vq_broken(s.r->vq));
		assert_int_equal(vq_counters(s.r->vq)->err_ring, 1);
		/* It stays stopped, and is counted once */
		s.r->avail_idx = (uint16_t)(s.r->avail_idx - SIZE);
		mg_show(s.r);
		assert_int_equal(run(&s), 0);
		assert_int_equal(vq_counters(s.r->vq)->err_ring, 1);
		/* Until it is started anew */
		s.r->avail_idx = s.r->cfg.base;
		thread_role_assume(&ctl_role);
		assert_int_equal(vq_start(s.r->vq, &s.r->cfg), 0);
		assert_false(vq_broken(s.r->vq));
		good_chain(&s, 14);
		mg_show(s.r);
		assert_int_equal(run(&s), 1);
		scene_close(&s);
	}
}

/* A buffer that wraps goes wrong even where both ends of it are mapped */
static void test_hostile_wraps_over_mapped(void **state)
{
	static uint8_t pages[2][4096] __attribute__((aligned(4096)));

	(void)state;
	for (int receive = 0; receive < 2; receive++) {
		struct scene s;

		scene_open(&s, receive, V1);
		thread_role_assume(&ctl_role);
		assert_true(iotlb_map(s.g->tlb, -(uint64_t)4096, 4096, pages[0],
				      IOTLB_READ | IOTLB_WRITE) >= 0);
		assert_true(iotlb_map(s.g->tlb, 0, 4096, pages[1], IOTLB_READ | IOTLB_WRITE) >= 0);
		/* Up to the last byte there is, and one further */
		ring_desc(&s, 0, -(uint64_t)(12 + FRAME), 12 + FRAME, s.dir, 0);
		ring_desc(&s, 1, -(uint64_t)(11 + FRAME), 12 + FRAME, s.dir, 0);
		mg_avail(s.r, 0);
		mg_avail(s.r, 1);
		mg_show(s.r);
		assert_int_equal(run(&s), 1);
		assert_int_equal(vq_counters(s.r->vq)->err_length, 1);
		check_used(&s, 0, receive ? 12 + FRAME : 0);
		check_used(&s, 1, 0);
		assert_int_equal(pages[1][0], 0);
		scene_close(&s);
	}
}

/* No page size does this; a front-end might: an index with its bytes apart */
static void test_hostile_index_in_pieces(void **state)
{
	static uint8_t apart[8];

	(void)state;
	for (int used = 0; used < 2; used++) {
		struct scene s;
		uint64_t at;

		scene_open(&s, false, V1);
		good_chain(&s, 14);
		mg_show(s.r);
		at = 3 + (used ? s.r->cfg.used : s.r->cfg.avail);
		thread_role_assume(&ctl_role);
		assert_true(iotlb_map(s.g->tlb, at, 1, apart, IOTLB_READ | IOTLB_WRITE) >= 0);
		assert_int_equal(run(&s), 0);
		assert_true(vq_broken(s.r->vq));
		assert_int_equal(vq_counters(s.r->vq)->err_ring, 1);
		assert_int_equal(apart[0], 0);
		scene_close(&s);
	}
}

static int start_with(struct mg_ring *r, uint64_t desc, uint64_t avail, uint64_t used,
		      uint16_t size, uint64_t features)
{
	return mg_ring_start(r, desc, avail, used, size, r->cfg.base, features);
}

static void test_hostile_config(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s, false, V1);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, 0x3000, 0, V1), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, 0x3000, 24, V1), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, 0x3000, 65535, V1), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1008, 0x2000, 0x3000, 16, V1), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1000, 0x2001, 0x3000, 16, V1), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, 0x3002, 16, V1), -EINVAL);
	assert_int_equal(start_with(s.r, -(uint64_t)240, 0x2000, 0x3000, 16, V1), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1000, -(uint64_t)34, 0x3000, 16, V1), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, -(uint64_t)128, 16, V1), -EINVAL);
	/* Up to the last byte of the address space is fine, event members and all */
	assert_int_equal(start_with(s.r, 0x1000, -(uint64_t)36, 0x3000, 16, V1), 0);
	assert_int_equal(start_with(s.r, 0x1000, -(uint64_t)36, 0x3000, 16, V1 | EVENT), -EINVAL);
	assert_int_equal(start_with(s.r, 0x1000, -(uint64_t)38, 0x3000, 16, V1 | EVENT), 0);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, -(uint64_t)132, 16, V1), 0);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, -(uint64_t)132, 16, V1 | EVENT), -EINVAL);
	assert_int_equal(start_with(s.r, -(uint64_t)256, 0x2000, 0x3000, 16, V1), 0);
	assert_int_equal(start_with(s.r, 0x1000, 0x2000, 0x3000, 32768, V1), 0);
	scene_close(&s);
}

/* A buffer that is partly the vIOMMU's business and partly nobody's must not be
 * touched behind its end: every host granule the guest did not map is poisoned
 */
static void poison(struct model_guest *g)
{
	for (uint32_t i = 0; i < g->n; i++) {
		if (!g->map[i].perm)
			memset(g->ram + (size_t)g->map[i].slot * g->gran, 0x5a, g->gran);
	}
}

static void check_poison(const struct model_guest *g)
{
	for (uint32_t i = 0; i < g->n; i++) {
		const uint8_t *p = g->ram + (size_t)g->map[i].slot * g->gran;

		for (uint32_t j = 0; !g->map[i].perm && j < g->gran; j++)
			assert_int_equal(p[j], 0x5a);
	}
}

/* Random, but with a good chance of meaning something */
static void random_desc(struct scene *s, uint64_t table, uint16_t i)
{
	static const uint32_t lens[] = {0, 1, 11, 12, 16, 26, 100, 5000, 70000, 0xffffffff};
	uint64_t addr =
		mg_rand(s->g, 8) ? s->buf + mg_rand(s->g, 100000) : s->table + mg_rand(s->g, 64);
	uint32_t len =
		mg_rand(s->g, 2) ? lens[mg_rand(s->g, RTE_DIM(lens))] : mg_rand(s->g, 32) * 16;

	if (!mg_rand(s->g, 50))
		addr = (uint64_t)mg_rand(s->g, 1u << 31) << 33 | mg_rand(s->g, 1u << 31);
	mg_desc(s->g, table, i, addr, len,
		(uint16_t)(s->dir ^ (mg_rand(s->g, 12) ? 0 : WRITE) ^
			   (mg_rand(s->g, 2) ? 0 : NEXT) ^ (mg_rand(s->g, 6) ? 0 : TABLE)),
		(uint16_t)mg_rand(s->g, 18));
}

static void random_ring(struct scene *s)
{
	for (uint16_t i = 0; i < SIZE; i++)
		random_desc(s, s->r->cfg.desc, i);
	for (uint16_t i = 0; i < 20; i++)
		random_desc(s, s->table, i);
	for (uint32_t n = mg_rand(s->g, SIZE); n; n--)
		mg_avail(s->r, (uint16_t)mg_rand(s->g, SIZE + 1));
	mg_show(s->r);
}

static void random_rounds(bool receive, uint64_t features)
{
	unsigned int in_pool = rte_mempool_avail_count(pool);
	struct scene s;

	scene_open(&s, receive, features);
	poison(s.g);
	for (unsigned int i = 0; i < 20000; i++) {
		uint32_t len;

		random_ring(&s);
		/* It may wait for ever for a translation; a new session begins */
		for (int j = 0; j < 4 && s.r->used_idx != s.r->avail_idx; j++) {
			run(&s);
			mg_answer(s.g, 1000);
			if (features & ORDER) /* a driver may be lost that names heads twice */
				s.r->used_idx = mg_used_idx(s.r);
			else
				while (mg_used(s.r, &len) >= 0)
					;
		}
		thread_role_assume(&ctl_role);
		s.r->cfg.base = s.r->avail_idx;
		assert_int_equal(vq_start(s.r->vq, &s.r->cfg), 0);
		s.r->used_idx = s.r->avail_idx;
		mg_write(s.g, s.r->cfg.used + 2, &s.r->used_idx, 2);
	}
	check_poison(s.g);
	assert_true(vq_counters(s.r->vq)->packets > 0);
	assert_true(vq_counters(s.r->vq)->err_chain > 0);
	assert_true(vq_counters(s.r->vq)->err_indirect > 0);
	assert_int_equal(rte_mempool_avail_count(pool), in_pool);
	scene_close(&s);
}

static void test_hostile_random(void **state)
{
	(void)state;
	random_rounds(false, V1 | INDIRECT);
	random_rounds(false, V1 | INDIRECT | ORDER);
	random_rounds(true, V1 | INDIRECT);
	random_rounds(true, V1 | MRG | INDIRECT);
}

/* What is checked is what is used, though the guest changes it meanwhile.  This
 * is a race on purpose, so not for ThreadSanitizer.
 */
#ifndef __SANITIZE_THREAD__
struct scribbler {
	struct scene *s;
	atomic_bool stop;
};

static void *scribble(void *arg)
{
	struct scribbler *sc = arg;
	struct scene *s = sc->s;
	uint8_t *desc = mg_host(s->g, s->r->cfg.desc);
	uint8_t *table = mg_host(s->g, s->table);
	uint64_t rng = 88172645463325252ull;

	while (!atomic_load_explicit(&sc->stop, memory_order_relaxed)) {
		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		/* Only lengths, flags and next: any address is good here */
		desc[16 * (rng & 15) + 8 + (rng >> 8) % 8] = (uint8_t)(rng >> 40);
		table[(rng >> 16) % 8] = (uint8_t)(rng >> 32);
	}
	return NULL;
}

static void test_hostile_changes_while_read(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		bool receive = kind == 1;
		struct scene s;
		struct scribbler sc = {.s = &s};
		pthread_t id;

		scene_open(&s, receive, V1 | INDIRECT | MRG | (kind == 2 ? ORDER : 0));
		poison(s.g);
		random_ring(&s);
		assert_int_equal(pthread_create(&id, NULL, scribble, &sc), 0);
		for (unsigned int i = 0; i < 30000; i++) {
			for (int n = 0; n < 4; n++)
				mg_avail(s.r, (uint16_t)mg_rand(s.g, SIZE));
			mg_show(s.r);
			run(&s);
			thread_role_assume(&ctl_role);
			s.r->cfg.base = s.r->avail_idx;
			assert_int_equal(vq_start(s.r->vq, &s.r->cfg), 0);
		}
		atomic_store(&sc.stop, true);
		pthread_join(id, NULL);
		check_poison(s.g);
		scene_close(&s);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest more[] = {
		cmocka_unit_test(test_hostile_within_merged_frame),
		cmocka_unit_test(test_hostile_odd_is_not_bad),
		cmocka_unit_test(test_hostile_index_jumps),
		cmocka_unit_test(test_hostile_wraps_over_mapped),
		cmocka_unit_test(test_hostile_index_in_pieces),
		cmocka_unit_test(test_hostile_config),
		cmocka_unit_test(test_hostile_random),
#ifndef __SANITIZE_THREAD__
		cmocka_unit_test(test_hostile_changes_while_read),
#endif
	};
	struct CMUnitTest tests[RTE_DIM(offences) + RTE_DIM(more)];
	unsigned int i;

	mg_eal_init();
	pool = rte_pktmbuf_pool_create("hostile", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (!pool)
		return 1;
	for (i = 0; i < RTE_DIM(offences); i++)
		tests[i] = (struct CMUnitTest){offences[i].name, test_hostile_offence, NULL, NULL,
					       (void *)(uintptr_t)&offences[i]};
	memcpy(tests + i, more, sizeof(more));
	return _cmocka_run_group_tests("vq_hostile", tests, RTE_DIM(tests), NULL, NULL);
}
