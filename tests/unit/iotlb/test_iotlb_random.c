/* SPDX-License-Identifier: BSD-3-Clause */
/* test_iotlb_random.c - Random operations, compared with the model
 *
 * Two kinds of run: one with room for everything, where IOTLB and model must
 * agree on every byte, and one with a small bound, where the IOTLB may have
 * forgotten anything but what the last map gave it, and must be right about
 * what it has.  After every operation the counts behind the bounds are checked
 * against the tree itself.
 *
 * IOTLB_SEEDS=n in the environment runs more seeds; a failure names its own, and
 * IOTLB_SEED=s runs that one alone.
 */
#include <stdio.h>

#include "iotlb/iotlb_ctl.h"
#include "tests/unit/iotlb/iotlb_fixture.h"
#include "tests/unit/iotlb/model.h"
#include "tests/unit/iotlb/random.h"

#define N_SEEDS	 60
#define N_OPS	 250
#define N_PROBES 60
#define PIECES	 256 /* that a lookup merges, at least, before it may stop */

static struct model model;
static uint64_t rng;

static uint64_t below(uint64_t n)
{
	return random_below(&rng, n);
}

/* ------------------------------------------------------ the tree's counts -- */

struct census {
	uint64_t entries;
	uint64_t nodes;
};

static void count_node(const struct iotlb_node *node, struct census *c)
{
	unsigned int n_leaves = 0, n_tables = 0;

	for (unsigned int i = 0; i < NODE_SLOTS; i++) {
		uint64_t slot = node->slot[i];

		if (slot & IOTLB_SLOT_TABLE) {
			assert_ptr_equal(slot_table(slot)->parent, node);
			assert_int_equal(slot_table(slot)->base, slot_base(node, i));
			assert_int_equal(slot_table(slot)->level, node->level - 1);
			count_node(slot_table(slot), c);
			n_tables++;
		} else if (slot) {
			assert_true(node->level <= LEAF_LEVEL_MAX);
			n_leaves++;
			c->entries += slot_weight(slot);
		}
	}
	assert_int_equal(node->n_leaves, n_leaves);
	assert_int_equal(node->n_tables, n_tables);
	if (n_leaves)
		assert_int_equal(node->list, NODE_LIST_LEAFY);
	else
		assert_int_equal(node->list,
				 !n_tables && node->parent ? NODE_LIST_IDLE : NODE_LIST_NONE);
	c->nodes++;
}

static void check_counts(void)
{
	const struct iotlb_ctl *ctl = ctl_of(tlb);
	struct census c = {0};

	count_node(tlb->root, &c);
	assert_int_equal(stats().entries, c.entries);
	assert_int_equal(stats().nodes, c.nodes + ctl->n_retired_nodes);
	assert_true(c.entries <= ctl->max_entries);
	assert_true(stats().nodes <= ctl->max_nodes);
}

/* ------------------------------------------------------------ where to look -- */

/* A place of interest, give or take a little */
static uint64_t random_iova(void)
{
	static const uint64_t places[] = {
		0,
		4 * MIB,
		GIB - 3 * MIB,
		5 * GIB,
		(1ull << 39) - MIB,
		(1ull << 48) - MIB,
		-(2 * GIB),
		-(4 * MIB),
	};
	static const uint64_t spread[] = {64, 8 * KIB, 128 * KIB, 4 * MIB};
	static const uint64_t align[] = {1, 1, 8, 4 * KIB, 4 * KIB, 2 * MIB, GIB};
	uint64_t iova = places[below(8)] + below(spread[below(4)]);

	if (model.n && below(4) == 0) /* at the edge of something */
		iova = model.at[below(model.n)].first + below(5) - 2;
	return iova & ~(align[below(7)] - 1);
}

static uint64_t random_size(void)
{
	switch (below(8)) {
	case 0:
		return 1 + below(16);
	case 1:
		return 1 + below(4 * KIB);
	case 2:
		return 1 + below(64 * KIB);
	case 3:
		return 2 * MIB << below(2);
	case 4:
		return 1 + below(5 * MIB);
	case 5:
		return GIB + below(2) * 2 * MIB;
	default:
		return (1 + below(4)) * 4 * KIB;
	}
}

/* ---------------------------------------------------------------- compare -- */

/* How much of [iova, iova + len) translates, from the start, as the model says */
static uint64_t probe(uint64_t iova, uint64_t len, uint8_t perm, bool exact)
{
	uint64_t want_len = 0, got = len;
	uint64_t want = model_lookup(&model, iova, len, perm, &want_len);
	uint64_t host = find(iova, &got, perm);

	if (!host && !exact)
		return 0;
	assert_int_equal(host, want);
	if (!host)
		return 0;
	assert_in_range(got, 1, want_len);
	if (exact && got < want_len)
		assert_true(got >= PIECES);
	return got;
}

static void compare(bool exact)
{
	static const uint64_t len[] = {1, 8, 1500, 4096, 65536, 3 * MIB, UINT64_MAX};

	for (unsigned int i = 0; i < N_PROBES; i++)
		probe(random_iova() + below(3) - 1, len[below(7)], 1 + below(3), exact);
}

/* ---------------------------------------------------------------- operate -- */

static void op_map(bool exact)
{
	uint64_t iova = random_iova(), size = random_size();
	uint64_t host = HOST + (below(8 * GIB) & ~UINT64_C(0xfff));
	uint8_t perm = 1 + below(3);
	int ret;

	if (below(2))
		host += iova & 0xfff;
	else if (size > 64 * KIB) /* thousands of fragments say no more than some */
		size = 1 + below(64 * KIB);
	if (model.n && below(4) == 0) { /* what continues an interval */
		const struct interval *v = &model.at[below(model.n)];

		iova = v->last + 1;
		host = v->host + (v->last - v->first) + 1;
		perm = below(3) ? v->perm : perm;
		size = 1 + below(below(2) ? 4 * KIB : 128 * KIB);
	}
	ret = map(iova, size, host, perm);
	if (iova + size - 1 < iova) {
		assert_int_equal(ret, -EINVAL);
		return;
	}
	if (!exact && ret == -ENOSPC)
		return;
	assert_int_equal(ret, 0);
	model_map(&model, iova, iova + size - 1, host, perm);
	/* all of what was just mapped is there, whatever had to go for it */
	for (uint64_t at = 0, got; at < size; at += got) {
		got = probe(iova + at, size - at, perm, exact);
		assert_true(got > 0);
	}
}

static void op_unmap(bool exact)
{
	uint64_t iova = random_iova(), size = random_size(), got = 1;
	int ret;

	if (below(40) == 0) {
		iova = below(2);
		size = UINT64_MAX;
	}
	ret = unmap(iova, size);
	if (iova + size - 1 < iova) {
		assert_int_equal(ret, -EINVAL);
		return;
	}
	if (exact)
		assert_int_equal(ret, 0);
	model_unmap(&model, iova, iova + size - 1);
	assert_int_equal(find(iova + below(size), &got, IOTLB_READ), 0);
}

static void op_any(bool exact)
{
	thread_role_assume(&ctl_role);
	switch (below(40)) {
	case 0:
		iotlb_clear(tlb);
		model.n = 0;
		break;
	case 1 ... 3:
		iotlb_synchronize(tlb);
		break;
	case 4 ... 15:
		op_unmap(exact);
		break;
	default:
		op_map(exact);
		break;
	}
}

static void run_seed(uint64_t seed, uint32_t max_entries, bool exact)
{
	rng = seed;
	model.n = 0;
	resize(max_entries);
	for (unsigned int i = 0; i < N_OPS; i++) {
		op_any(exact);
		compare(exact);
		if (i % 8 == 0)
			check_counts();
	}
	check_counts();
}

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static uint64_t seed_running;

static void run_seeds(uint32_t max_entries_low, uint32_t max_entries_high, bool exact)
{
	uint64_t n = env_number("IOTLB_SEEDS", N_SEEDS), one = env_number("IOTLB_SEED", 0);

	for (uint64_t seed = one ? one : 1; seed <= (one ? one : n); seed++) {
		uint64_t draw = seed;

		seed_running = seed;
		run_seed(seed,
			 max_entries_low +
				 random_below(&draw, max_entries_high - max_entries_low + 1),
			 exact);
	}
	seed_running = 0;
	model_free(&model);
}

static void test_random_unbounded(void **state)
{
	(void)state;
	run_seeds(1 << 20, 1 << 20, true);
}

static void test_random_bounded(void **state)
{
	(void)state;
	run_seeds(64, 1200, false);
}

static int teardown(void **state)
{
	if (seed_running)
		print_message("to repeat: IOTLB_SEED=%llu\n", (unsigned long long)seed_running);
	seed_running = 0;
	return fixture_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_unbounded, fixture_setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_bounded, fixture_setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
