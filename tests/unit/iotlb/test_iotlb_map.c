/* SPDX-License-Identifier: BSD-3-Clause */
/* test_iotlb_map.c - Map, unmap and lookup: the cases one writes down on paper */
#include "tests/unit/iotlb/iotlb_fixture.h"

static void test_lookup_empty(void **state)
{
	(void)state;
	assert_misses(0, IOTLB_READ);
	assert_misses(UINT64_MAX, IOTLB_WRITE);
}

static void test_lookup_one_page(void **state)
{
	(void)state;
	assert_int_equal(map(0x5000, 4 * KIB, HOST, RW), 0);
	assert_maps(0x5000, 4096, RW, HOST, 4096);
	assert_maps(0x5fff, 100, IOTLB_READ, HOST + 0xfff, 1);
	assert_maps(0x5010, 100, IOTLB_WRITE, HOST + 0x10, 100);
	assert_misses(0x4fff, IOTLB_READ);
	assert_misses(0x6000, IOTLB_READ);
}

static void test_maps_says_what_lookup_does(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(map(0x5000, 4 * KIB, HOST, IOTLB_READ), 0);
	assert_int_equal(map(0x7010, 1, HOST, RW), 0);
	assert_true(iotlb_maps(tlb, 0x5fff, IOTLB_READ));
	assert_false(iotlb_maps(tlb, 0x5fff, RW));
	assert_false(iotlb_maps(tlb, 0x6000, IOTLB_READ));
	assert_true(iotlb_maps(tlb, 0x7010, RW));
	assert_false(iotlb_maps(tlb, 0x7011, RW));
}

static void test_lookup_nothing_wanted(void **state)
{
	(void)state;
	assert_int_equal(map(0x5000, 4 * KIB, HOST, RW), 0);
	assert_maps(0x5000, 0, RW, HOST, 0); /* walked */
	assert_maps(0x5000, 0, RW, HOST, 0); /* hinted */
}

static void test_lookup_checks_permission(void **state)
{
	(void)state;
	assert_int_equal(map(0x1000, 4 * KIB, HOST, IOTLB_READ), 0);
	assert_int_equal(map(0x2000, 4 * KIB, HOST + 0x1000, IOTLB_WRITE), 0);
	assert_maps(0x1000, 8192, IOTLB_READ, HOST, 4096);
	assert_misses(0x1000, IOTLB_WRITE);
	assert_misses(0x1000, RW);
	assert_maps(0x2000, 1, IOTLB_WRITE, HOST + 0x1000, 1);
	assert_misses(0x2000, IOTLB_READ);
	/* widened in place */
	assert_int_equal(map(0x1000, 4 * KIB, HOST, RW), 0);
	assert_maps(0x1000, 8192, IOTLB_WRITE, HOST, 8192);
}

static void test_lookup_scattered_neighbours(void **state)
{
	(void)state;
	assert_int_equal(map(0x1000, 4 * KIB, HOST + 0x9000, RW), 0);
	assert_int_equal(map(0x2000, 4 * KIB, HOST + 0x3000, RW), 0);
	assert_int_equal(map(0x3000, 4 * KIB, HOST + 0x4000, RW), 0);
	assert_maps(0x1800, 3000, RW, HOST + 0x9800, 2048);
	assert_maps(0x2000, 3000 + 4096, RW, HOST + 0x3000, 3000 + 4096);
	assert_maps(0x2000, 3 * 4096, RW, HOST + 0x3000, 2 * 4096);
}

static void test_map_huge_host_unaligned(void **state)
{
	(void)state;
	/* 1 GiB and 2 MiB leaves over host memory that is aligned to a page only */
	assert_int_equal(map(GIB, 2 * GIB, HOST + 0x1000, RW), 0);
	assert_int_equal(stats().entries, 2);
	assert_maps(GIB + 0x1234567, 10, RW, HOST + 0x1234567 + 0x1000, 10);
	assert_maps(GIB, 2 * GIB, RW, HOST + 0x1000, 2 * GIB);
	assert_int_equal(map(4 * MIB, 2 * MIB, HOST + 0x5000, RW), 0);
	assert_int_equal(stats().entries, 3);
	assert_maps(4 * MIB + 0xfffff, 2 * MIB, RW, HOST + 0x5000 + 0xfffff, 2 * MIB - 0xfffff);
}

static void test_map_mixes_page_sizes(void **state)
{
	(void)state;
	/* a page, a 2 MiB leaf, a 1 GiB leaf, a 2 MiB leaf, a page: one host range */
	uint64_t first = GIB - 2 * MIB - 4 * KIB, size = GIB + 4 * MIB + 8 * KIB;

	assert_int_equal(map(first, size, HOST, RW), 0);
	assert_int_equal(stats().entries, 5);
	assert_maps(first, 8 * GIB, RW, HOST, size);
	assert_misses(first - 1, RW);
	assert_misses(first + size, RW);
}

static void test_unmap_splits_huge(void **state)
{
	(void)state;
	assert_int_equal(map(0, GIB, HOST, RW), 0);
	assert_maps(GIB / 2, 1, RW, HOST + GIB / 2, 1);
	assert_int_equal(unmap(GIB / 2, 4 * KIB), 0);
	assert_int_equal(stats().entries, 511 + 511);
	assert_misses(GIB / 2, RW);
	assert_maps(GIB / 2 - 1, 2, RW, HOST + GIB / 2 - 1, 1);
	assert_maps(GIB / 2 + 4096, 1, RW, HOST + GIB / 2 + 4096, 1);
	assert_maps(GIB - 1, 2, RW, HOST + GIB - 1, 1);
	/* and a huge page takes the place of the tables again */
	assert_int_equal(map(0, GIB, HOST, RW), 0);
	assert_int_equal(stats().entries, 1);
	assert_maps(GIB / 2, 1, RW, HOST + GIB / 2, 1);
}

static void test_map_fragments(void **state)
{
	(void)state;
	/* two pieces of one page, from different places, with a gap */
	assert_int_equal(map(0x1010, 0x10, HOST + 0x123, IOTLB_READ), 0);
	assert_int_equal(map(0x1030, 0x10, HOST + 0x777, RW), 0);
	assert_int_equal(stats().entries, 2);
	assert_misses(0x100f, IOTLB_READ);
	assert_maps(0x1010, 0x40, IOTLB_READ, HOST + 0x123, 0x10);
	assert_maps(0x101f, 0x40, IOTLB_READ, HOST + 0x132, 1);
	assert_misses(0x1020, IOTLB_READ);
	assert_misses(0x1010, IOTLB_WRITE);
	assert_maps(0x1038, 0x40, IOTLB_WRITE, HOST + 0x77f, 8);
	/* a hole in the middle of one */
	assert_int_equal(unmap(0x1034, 4), 0);
	assert_int_equal(stats().entries, 3);
	assert_maps(0x1030, 0x10, RW, HOST + 0x777, 4);
	assert_misses(0x1034, RW);
	assert_maps(0x1038, 0x10, RW, HOST + 0x77f, 8);
}

static void test_map_fragments_join_to_page(void **state)
{
	(void)state;
	assert_int_equal(map(0x1000, 0x800, HOST, RW), 0);
	assert_int_equal(map(0x1900, 0x700, HOST + 0x900, RW), 0);
	assert_int_equal(stats().entries, 2);
	assert_int_equal(map(0x1800, 0x100, HOST + 0x800, RW), 0);
	assert_int_equal(stats().entries, 1);
	assert_maps(0x1000, 4096, RW, HOST, 4096);
	assert_int_equal(hints.way[0].tag, 0); /* a leaf: the hint took it */
}

/* Rings here and buffers there, each at a round address, do not take turns */
static void test_hints_of_round_addresses(void **state)
{
	static const unsigned int shifts[] = {29, 30, 31, 32, 33, 34, 35, 36};

	(void)state;
	assert_int_equal(map(0, 4096, HOST, RW), 0);
	for (unsigned int i = 0; i < sizeof(shifts) / sizeof(*shifts); i++) {
		uint64_t there = UINT64_C(1) << shifts[i];

		assert_int_equal(map(there, 4096, HOST + 4096, RW), 0);
		assert_maps(0, 4096, RW, HOST, 4096);
		assert_maps(there, 4096, RW, HOST + 4096, 4096);
		assert_int_equal(hints.way[0].tag, 0);
	}
}

static void test_map_non_congruent(void **state)
{
	(void)state;
	assert_int_equal(map(0x1000, 3 * 4096, HOST + 0x234, RW), 0);
	assert_maps(0x1000, 3 * 4096, RW, HOST + 0x234, 3 * 4096);
	assert_maps(0x3fff, 10, RW, HOST + 0x234 + 0x2fff, 1);
	assert_int_equal(unmap(0x2000, 4096), 0);
	assert_maps(0x1800, 3 * 4096, RW, HOST + 0xa34, 0x800);
	assert_misses(0x2800, RW);
	assert_maps(0x3000, 1, RW, HOST + 0x2234, 1);
}

static void test_map_last_byte(void **state)
{
	uint64_t top = UINT64_MAX - 4095;

	(void)state;
	assert_int_equal(map(UINT64_MAX, 1, HOST + 5, RW), 0);
	assert_maps(UINT64_MAX, 1, RW, HOST + 5, 1);
	assert_maps(UINT64_MAX, 4096, RW, HOST + 5, 1);
	assert_int_equal(map(top, 4096, HOST, RW), 0);
	assert_int_equal(map(0, 4096, HOST + 4096, RW), 0);
	/* page 0 follows neither in the space nor in the answer */
	assert_maps(top + 1, UINT64_MAX, RW, HOST + 1, 4095);
	assert_int_equal(unmap(1, UINT64_MAX), 0);
	assert_misses(top, RW);
	assert_maps(0, 10, RW, HOST + 4096, 1);
}

static void test_range_refused(void **state)
{
	struct iotlb *other;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(map(0x1000, 0, HOST, RW), -EINVAL);
	assert_int_equal(map(0x1000, 1, HOST, 0), -EINVAL);
	assert_int_equal(map(0x1000, 1, HOST, 4 | RW), -EINVAL);
	assert_int_equal(map(UINT64_MAX, 2, HOST, RW), -EINVAL);
	assert_int_equal(map(0x1000, UINT64_MAX, HOST, RW), -EINVAL);
	assert_int_equal(unmap(0x1000, 0), -EINVAL);
	assert_int_equal(unmap(1, UINT64_MAX), 0);
	assert_int_equal(unmap(2, UINT64_MAX), -EINVAL);
	assert_int_equal(iotlb_new(63, NULL, &other), -EINVAL);
}

static void test_map_replaces(void **state)
{
	(void)state;
	assert_int_equal(map(0, 2 * MIB, HOST, RW), 0);
	assert_maps(0x3000, 4096, RW, HOST + 0x3000, 4096);
	assert_int_equal(map(0x3000, 4096, HOST + GIB, IOTLB_READ), 0);
	assert_maps(0x3000, 8192, IOTLB_READ, HOST + GIB, 4096);
	assert_maps(0x2000, 8192, IOTLB_READ, HOST + 0x2000, 4096);
	assert_misses(0x3000, IOTLB_WRITE);
	assert_int_equal(map(0x3800, 1, HOST, RW), 0);
	assert_maps(0x37ff, 4096, IOTLB_READ, HOST + GIB + 0x7ff, 1);
	assert_maps(0x3800, 4096, RW, HOST, 1);
	assert_maps(0x3801, 4096, IOTLB_READ, HOST + GIB + 0x801, 0x7ff);
}

static void test_map_says_what_gave_way(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(iotlb_map(tlb, 0, 2 * MIB, (void *)HOST, RW), 0);
	/* the same again: nothing anybody holds is out of date */
	assert_int_equal(iotlb_map(tlb, 0, 2 * MIB, (void *)HOST, RW), 0);
	assert_int_equal(iotlb_map(tlb, 4 * MIB, 4 * KIB, (void *)HOST, RW), 0);
	/* a page within a leaf, and a leaf over a page */
	assert_int_equal(iotlb_map(tlb, 0x3000, 4 * KIB, (void *)(HOST + 4 * MIB), RW), 1);
	assert_int_equal(iotlb_map(tlb, 4 * MIB, 2 * MIB, (void *)(HOST + 8 * MIB), RW), 1);
	assert_int_equal(iotlb_map(tlb, 4 * MIB, 2 * MIB, (void *)(HOST + 8 * MIB), IOTLB_READ), 1);
}

static void test_fills_moves_at_map(void **state)
{
	uint64_t fills = iotlb_fills(tlb);

	(void)state;
	assert_int_equal(map(0x1000, 4096, HOST, RW), 0);
	assert_int_not_equal(iotlb_fills(tlb), fills);
	assert_int_equal(stats().maps, 1);
	assert_int_equal(unmap(0x1000, 4096), 0);
	assert_int_equal(stats().unmaps, 1);
	assert_int_equal(stats().entries, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE(test_lookup_empty),
		FIXTURE(test_lookup_one_page),
		FIXTURE(test_maps_says_what_lookup_does),
		FIXTURE(test_lookup_nothing_wanted),
		FIXTURE(test_lookup_checks_permission),
		FIXTURE(test_lookup_scattered_neighbours),
		FIXTURE(test_map_huge_host_unaligned),
		FIXTURE(test_map_mixes_page_sizes),
		FIXTURE(test_unmap_splits_huge),
		FIXTURE(test_map_fragments),
		FIXTURE(test_map_fragments_join_to_page),
		FIXTURE(test_hints_of_round_addresses),
		FIXTURE(test_map_non_congruent),
		FIXTURE(test_map_last_byte),
		FIXTURE(test_range_refused),
		FIXTURE(test_map_replaces),
		FIXTURE(test_map_says_what_gave_way),
		FIXTURE(test_fills_moves_at_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
