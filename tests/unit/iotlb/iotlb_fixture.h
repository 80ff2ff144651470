/* SPDX-License-Identifier: BSD-3-Clause */
/* iotlb_fixture.h - One IOTLB and one hint cache for tests of a single thread
 *
 * Host addresses are made up: nothing is ever read through them.
 */
#ifndef VUNETD_IOTLB_FIXTURE_H
#define VUNETD_IOTLB_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "iotlb/iotlb.h"

#define KIB	       (UINT64_C(1) << 10)
#define MIB	       (UINT64_C(1) << 20)
#define GIB	       (UINT64_C(1) << 30)
#define HOST	       UINT64_C(0x7f0000000000)
#define RW	       (IOTLB_READ | IOTLB_WRITE)
#define MAX_ENTRIES    4096
#define FIXTURE(test_) cmocka_unit_test_setup_teardown(test_, fixture_setup, fixture_teardown)

static struct iotlb *tlb;
static struct iotlb_hints hints;

/* Start with an empty IOTLB */
static inline int fixture_setup(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	iotlb_hints_init(&hints);
	return iotlb_new(MAX_ENTRIES, NULL, &tlb);
}

static inline int fixture_teardown(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	iotlb_free(tlb);
	return 0;
}

/* Replace the IOTLB by one with another bound */
static inline void resize(uint32_t max_entries)
{
	thread_role_assume(&ctl_role);
	iotlb_free(tlb);
	assert_int_equal(iotlb_new(max_entries, NULL, &tlb), 0);
	iotlb_hints_init(&hints);
}

static inline int map(uint64_t iova, uint64_t size, uint64_t host, uint8_t perm)
{
	int ret;

	thread_role_assume(&ctl_role);
	ret = iotlb_map(tlb, iova, size, (void *)host, perm);
	return ret > 0 ? 0 : ret;
}

static inline int unmap(uint64_t iova, uint64_t size)
{
	thread_role_assume(&ctl_role);
	return iotlb_unmap(tlb, iova, size);
}

/* Translate as a ring does in a burst of its own; *len becomes 0 for a miss */
static inline uint64_t find(uint64_t iova, uint64_t *len, uint8_t perm)
{
	uint64_t got = 0;
	void *host;

	thread_role_assume(&pmd_role);
	iotlb_hints_check(tlb, &hints);
	host = iotlb_lookup(tlb, &hints, iova, *len, perm, &got);
	*len = host ? got : 0;
	return (uint64_t)host;
}

#define assert_maps(iova_, len_, perm_, host_, got_)                    \
	do {                                                            \
		uint64_t l_ = (len_);                                   \
		assert_int_equal(find((iova_), &l_, (perm_)), (host_)); \
		assert_int_equal(l_, (got_));                           \
	} while (0)

#define assert_misses(iova_, perm_)                               \
	do {                                                      \
		uint64_t l_ = 1;                                  \
		assert_int_equal(find((iova_), &l_, (perm_)), 0); \
	} while (0)

static inline struct iotlb_stats stats(void)
{
	struct iotlb_stats s;

	iotlb_stats(tlb, &s);
	return s;
}

#endif /* VUNETD_IOTLB_FIXTURE_H */
