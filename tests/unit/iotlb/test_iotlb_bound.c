/* SPDX-License-Identifier: BSD-3-Clause */
/* test_iotlb_bound.c - Bounded memory, eviction, and hints when nodes go away */
#include "tests/unit/iotlb/iotlb_fixture.h"

static void test_map_too_large(void **state)
{
	(void)state;
	assert_int_equal(map(0x1000, 4096, HOST, RW), 0);
	assert_int_equal(map(0x1000, (MAX_ENTRIES + 1) * GIB, 0, RW), -ENOSPC);
	assert_int_equal(map(0, UINT64_MAX, 0, RW), -ENOSPC);
	assert_maps(0x1000, 4096, RW, HOST, 4096);
	assert_int_equal(stats().entries, 1);
}

/* However many there may be, no call makes more than so many */
static void test_map_too_much_at_once(void **state)
{
	const uint64_t most = IOTLB_MAP_ENTRIES_MAX;

	(void)state;
	resize(2 * IOTLB_MAP_ENTRIES_MAX);
	assert_int_equal(map(1, most * 4096, HOST, RW), -ENOSPC);
	assert_int_equal(stats().entries, 0);
	assert_int_equal(map(1, most * 4096 - 1, HOST, RW), 0);
	assert_int_equal(stats().entries, most);
	assert_maps(1, 4096, RW, HOST, 4096);
	/* Nor does it count what large pages hold */
	assert_int_equal(map(1024 * GIB, most * 2 * MIB, HOST + 4096, RW), 0);
}

static void test_map_evicts_oldest(void **state)
{
	(void)state;
	resize(64);
	for (uint64_t i = 0; i < 65; i++)
		assert_int_equal(map(i * 2 * MIB, 4096, HOST + i * 4096, RW), 0);
	/* the bound on nodes was met first: the oldest ones went, in order */
	assert_true(stats().evicted > 0);
	for (uint64_t i = 0; i < 65; i++) {
		if (i < stats().evicted)
			assert_misses(i * 2 * MIB, RW);
		else
			assert_maps(i * 2 * MIB, 1, RW, HOST + i * 4096, 1);
	}
}

static void test_map_evicts_within_one_node(void **state)
{
	(void)state;
	resize(64);
	for (uint64_t i = 0; i < 100; i++) {
		assert_int_equal(map(i * 4096, 4096, HOST + i * 4096, RW), 0);
		assert_maps(i * 4096, 1, RW, HOST + i * 4096, 1);
	}
	assert_int_equal(stats().entries, 64);
	assert_int_equal(stats().evicted, 36);
	for (uint64_t i = 0; i < 36; i++)
		assert_misses(i * 4096, RW);
}

static void test_map_range_fills_bound(void **state)
{
	(void)state;
	resize(64);
	assert_int_equal(map(490 * 4096, 20 * 4096, HOST + GIB, RW), 0);
	/* across two tables, over what is there: keeps all of itself */
	assert_int_equal(map(500 * 4096, 64 * 4096, HOST, RW), 0);
	assert_maps(500 * 4096, GIB, RW, HOST, 64 * 4096);
	assert_int_equal(stats().entries, 64);
	assert_misses(499 * 4096, RW);
	assert_int_equal(map(500 * 4096, 65 * 4096, HOST, RW), -ENOSPC);
	assert_maps(500 * 4096, GIB, RW, HOST, 64 * 4096);
}

static void test_map_page_full_of_fragments(void **state)
{
	(void)state;
	resize(64);
	for (uint64_t i = 0; i < 60; i++)
		assert_int_equal(map(0x1000 + i * 2, 1, HOST + i * 8, RW), 0);
	assert_int_equal(stats().entries, 60);
	/* the last byte of that page and 63 pages: the other fragments must go */
	assert_int_equal(map(0x1fff, 1 + 63 * 4096, HOST + 0xfff, RW), 0);
	assert_maps(0x1fff, GIB, RW, HOST + 0xfff, 1 + 63 * 4096);
	assert_int_equal(stats().entries, 64);
	assert_misses(0x1000, RW);
	/* a huge leaf over a page that has all the entries there may be */
	for (uint64_t i = 0; i < 64; i++)
		assert_int_equal(map(i * 2, 1, HOST + i * 8, RW), 0);
	assert_int_equal(stats().entries, 64);
	assert_maps(126, 2, RW, HOST + 63 * 8, 1);
	assert_int_equal(map(0, 2 * MIB, HOST, RW), 0);
	assert_int_equal(stats().entries, 1);
}

static void test_map_huge_range_fills_bound(void **state)
{
	(void)state;
	resize(64);
	assert_int_equal(map(GIB, 64 * 2 * MIB, HOST, RW), 0);
	assert_int_equal(stats().entries, 64);
	assert_int_equal(map(-(64 * GIB), 64 * GIB, HOST, RW), 0);
	assert_maps(-(64 * GIB), UINT64_MAX, RW, HOST, 64 * GIB);
	assert_int_equal(map(GIB - 4 * KIB, 4 * KIB + 64 * 2 * MIB, HOST, RW), -ENOSPC);
}

static void test_unmap_splits_beyond_bound(void **state)
{
	(void)state;
	resize(64);
	assert_int_equal(map(0, 2 * MIB, HOST, RW), 0);
	assert_int_equal(unmap(0x1000, 1), -ENOMEM);
	assert_misses(0, RW);
	assert_int_equal(stats().entries, 0);
	assert_int_equal(stats().evicted, 1);
}

static void test_map_scatter_stays_within_nodes(void **state)
{
	(void)state;
	resize(64);
	for (uint64_t i = 0; i < 5000; i++) {
		uint64_t iova = (i * 512 * GIB) ^ (i << 60);

		assert_int_equal(map(iova, 4096, HOST, RW), 0);
		assert_maps(iova, 4096, RW, HOST, 4096);
		assert_true(stats().nodes <= 64 + 1);
		assert_true(stats().entries <= 64);
	}
	assert_true(stats().evicted > 4900);
}

static void test_idle_nodes_go_first(void **state)
{
	(void)state;
	resize(64);
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(map(i * 2 * MIB, 4096, HOST, RW), 0);
	/* many tables that are empty again */
	for (uint64_t i = 100; i < 1000; i++) {
		assert_int_equal(map(i * 2 * MIB, 4096, HOST, RW), 0);
		assert_int_equal(unmap(i * 2 * MIB, 4096), 0);
	}
	assert_int_equal(stats().evicted, 0);
	for (uint64_t i = 0; i < 20; i++)
		assert_maps(i * 2 * MIB, 1, RW, HOST, 1);
}

static void test_hints_see_replaced_node(void **state)
{
	uint64_t got;

	(void)state;
	thread_role_assume(&ctl_role);
	thread_role_assume(&pmd_role);
	assert_int_equal(map(0x1000, 4096, HOST, RW), 0);
	assert_maps(0x1000, 1, RW, HOST, 1);
	/* even before the next check: the table's slots were cleared */
	assert_int_equal(map(0, 2 * MIB, HOST + GIB, RW), 0);
	assert_ptr_equal(iotlb_lookup(tlb, &hints, 0x1000, 1, RW, &got), HOST + GIB + 0x1000);
	assert_int_equal(unmap(0x1000, 4096), 0);
	assert_null(iotlb_lookup(tlb, &hints, 0x1000, 1, RW, &got));
	assert_ptr_equal(iotlb_lookup(tlb, &hints, 0x2000, 1, RW, &got), HOST + GIB + 0x2000);
	iotlb_clear(tlb);
	assert_null(iotlb_lookup(tlb, &hints, 0x2000, 1, RW, &got));
	iotlb_synchronize(tlb);
	assert_misses(0x2000, RW);
	assert_int_equal(stats().nodes, 1);
	assert_int_equal(stats().entries, 0);
}

static void test_hints_see_split_leaf(void **state)
{
	uint64_t got;

	(void)state;
	thread_role_assume(&pmd_role);
	assert_int_equal(map(0, GIB, HOST + GIB, RW), 0);
	assert_maps(GIB / 4, 1, RW, HOST + GIB + GIB / 4, 1);
	assert_int_equal(unmap(GIB / 4, 4 * KIB), 0);
	assert_null(iotlb_lookup(tlb, &hints, GIB / 4, 1, RW, &got));
	assert_ptr_equal(iotlb_lookup(tlb, &hints, GIB / 4 - 1, 2, RW, &got),
			 HOST + GIB + GIB / 4 - 1);
	assert_int_equal(got, 1);
}

static void test_hints_stay_warm_over_unmap(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(map(0x1000, 4096, HOST, RW), 0);
	assert_maps(0x1000, 1, RW, HOST, 1);
	for (uint64_t i = 0; i < 100; i++) {
		assert_int_equal(unmap(0x1000, 4096), 0);
		assert_misses(0x1000, RW);
		iotlb_synchronize(tlb);
		assert_int_equal(map(0x1000, 4096, HOST + i * 4096, RW), 0);
		assert_int_equal(hints.way[0].tag, 0);
		assert_maps(0x1000, 1, RW, HOST + i * 4096, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE(test_map_too_large),
		FIXTURE(test_map_too_much_at_once),
		FIXTURE(test_map_evicts_oldest),
		FIXTURE(test_map_evicts_within_one_node),
		FIXTURE(test_map_range_fills_bound),
		FIXTURE(test_map_huge_range_fills_bound),
		FIXTURE(test_map_page_full_of_fragments),
		FIXTURE(test_unmap_splits_beyond_bound),
		FIXTURE(test_map_scatter_stays_within_nodes),
		FIXTURE(test_idle_nodes_go_first),
		FIXTURE(test_hints_see_replaced_node),
		FIXTURE(test_hints_see_split_leaf),
		FIXTURE(test_hints_stay_warm_over_unmap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
