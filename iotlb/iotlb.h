/* SPDX-License-Identifier: BSD-3-Clause */
/* iotlb.h - Device IOTLB: I/O virtual addresses to host pointers
 *
 * Theory of operation
 * ===================
 * A radix tree over the 64-bit IOVA space, 9 bits a level as in a page table,
 * with leaves at 4 KiB, 2 MiB and 1 GiB.  One control thread writes; any number
 * of poll-mode threads read without a lock and without an atomic
 * read-modify-write.
 *
 * A leaf entry is one 64-bit word: the host address of the page (4 KiB aligned)
 * and IOTLB_READ / IOTLB_WRITE.  The host address of a 2 MiB or 1 GiB leaf need
 * only be 4 KiB aligned, because the memory behind it is mapped linearly.
 * A page that is mapped in part, in several parts, or with an IOVA and a host
 * address that differ in their low 12 bits, is a *fragment list*: right, slower.
 *
 * Reading goes through a ring's own hint cache.  A hint remembers the last
 * radix node (512 pages of 4 KiB) or huge leaf that covered a 2 MiB span of
 * IOVA, so that the common lookup is one compare and one load of a live entry.
 * Because the entry is loaded from the tree each time, clearing it is seen at
 * once; only a node that goes away makes hints stale, and that moves @gen.
 *
 * Threads
 * -------
 *   iotlb_map, iotlb_unmap, iotlb_clear, iotlb_synchronize,
 *   iotlb_maps                                          control (CTL_ONLY)
 *   iotlb_lookup, iotlb_hints_check                     poll-mode (PMD_ONLY)
 *   iotlb_fills, iotlb_stats                                     any thread
 *
 * Invariants
 * ----------
 *   I1  a pointer from iotlb_lookup() is used only until its thread next
 *       reports quiescence to the rte_rcu_qsbr variable; and after that only
 *       where iotlb_hints_check() then says that nothing was unmapped
 *   I2  after iotlb_unmap() and then iotlb_synchronize(), no thread holds a
 *       pointer into the range; only then may the invalidation be acknowledged
 *   I3  hints are used only between an iotlb_hints_check() and the next
 *       report of quiescence
 *   I4  a node is freed only after a grace period that began after @gen moved
 */
#ifndef VUNETD_IOTLB_H
#define VUNETD_IOTLB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iotlb/thread_role.h"

/* What an access needs, and what a mapping allows (the vhost access bits) */
#define IOTLB_READ  1u
#define IOTLB_WRITE 2u

#define IOTLB_PAGE_SHIFT 12
#define IOTLB_PAGE_SIZE	 (UINT64_C(1) << IOTLB_PAGE_SHIFT)

struct iotlb;
struct iotlb_hints;
struct rte_rcu_qsbr;

/**
 * struct iotlb_stats - Counters and gauges; one writer (control), read relaxed
 * @maps:	ranges mapped
 * @unmaps:	ranges unmapped
 * @entries:	leaf entries and fragments held now
 * @nodes:	radix nodes held now, those awaiting their grace period included
 * @evicted:	entries dropped to stay below the bound
 */
struct iotlb_stats {
	uint64_t maps;
	uint64_t unmaps;
	uint64_t entries;
	uint64_t nodes;
	uint64_t evicted;
};

/**
 * iotlb_new() - Make an empty IOTLB
 * @max_entries:	Bound on leaf entries and fragments (at least 64); memory
 *			is bounded by a small multiple of 8 bytes per entry
 * @qsbr:		Grace periods of the threads that will read; borrowed
 * @ret_tlb:		Where to put the new IOTLB, owned by the caller
 *
 * Context: control thread.
 * Return: 0, -EINVAL or -ENOMEM
 */
int iotlb_new(uint32_t max_entries, struct rte_rcu_qsbr *qsbr, struct iotlb **ret_tlb) CTL_ONLY;

/**
 * iotlb_free() - Free an IOTLB that no thread reads any more
 * @tlb:	From iotlb_new(), or NULL
 */
void iotlb_free(struct iotlb *tlb) CTL_ONLY;

/* Entries of one call at most: some milliseconds of work.  Whoever maps pages takes
 * few, however large they are; only a range whose IOVA and host address differ
 * within a page takes one for each 4 KiB, and that nobody needs.
 */
#define IOTLB_MAP_ENTRIES_MAX 65536

/**
 * iotlb_map() - Map a range; what was mapped there before is replaced
 * @tlb:	IOTLB
 * @iova:	First I/O virtual address, any alignment
 * @size:	Bytes, at least 1; @iova + @size - 1 must not wrap
 * @host:	Host address of @iova; @size bytes there must stay mapped until
 *		the range is unmapped and a grace period has passed
 * @perm:	IOTLB_READ, IOTLB_WRITE or both
 *
 * A range that does not fit below the bound evicts the oldest mappings first.
 * Adding takes effect at once.  Where an old mapping gave way to a different one
 * it may still be in use: that is an invalidation, and iotlb_synchronize() is due
 * before anyone is told.
 *
 * Context: control thread.
 * Return: 0; 1 when an old mapping gave way, in the range or to make room for it;
 *	-EINVAL for an empty, wrapping or permission-less range; -ENOSPC
 *	when the range alone needs more than the bound, or than
 *	IOTLB_MAP_ENTRIES_MAX; -ENOMEM.  After -ENOSPC
 *	nothing has changed; after -ENOMEM the range may be mapped in part
 */
int iotlb_map(struct iotlb *tlb, uint64_t iova, uint64_t size, void *host, uint8_t perm) CTL_ONLY;

/**
 * iotlb_unmap() - Remove every mapping in a range
 * @tlb:	IOTLB
 * @iova:	First I/O virtual address, any alignment
 * @size:	Bytes, at least 1; must not wrap
 *
 * Huge leaves that are covered in part are split.  Readers may still use what
 * they looked up: see invariant I2.
 *
 * Context: control thread.
 * Return: 0; -EINVAL for an empty or wrapping range; -ENOMEM when a split could
 *	not be made: the covering leaf is then removed whole (it will miss again)
 */
int iotlb_unmap(struct iotlb *tlb, uint64_t iova, uint64_t size) CTL_ONLY;

/**
 * iotlb_clear() - Remove every mapping
 * @tlb:	IOTLB
 */
void iotlb_clear(struct iotlb *tlb) CTL_ONLY;

/**
 * iotlb_synchronize() - Wait until no thread uses what was unmapped before
 * @tlb:	IOTLB
 *
 * Waits one grace period and frees the nodes retired so far.  One call serves
 * any number of iotlb_unmap() before it.
 *
 * Context: control thread; blocks for microseconds while readers run.
 */
void iotlb_synchronize(struct iotlb *tlb) CTL_ONLY;

/**
 * iotlb_maps() - Whether an address translates now
 * @tlb:	IOTLB
 * @iova:	I/O virtual address
 * @perm:	What the access would need
 *
 * Context: control thread; for others it would be out of date at once.
 */
bool iotlb_maps(const struct iotlb *tlb, uint64_t iova, uint8_t perm) CTL_ONLY;

/**
 * iotlb_stats() - Read the counters
 * @tlb:	IOTLB
 * @ret_stats:	Filled in
 */
void iotlb_stats(const struct iotlb *tlb, struct iotlb_stats *ret_stats);

/**
 * iotlb_fills() - How often a mapping was added; moves when a miss may now hit
 * @tlb:	IOTLB
 */
static inline uint64_t iotlb_fills(const struct iotlb *tlb);

/**
 * iotlb_hints_init() - Empty a hint cache
 * @hints:	Owned by one ring, used by one thread at a time
 */
static inline void iotlb_hints_init(struct iotlb_hints *hints);

/**
 * iotlb_hints_check() - Drop hints that may name freed nodes
 * @tlb:	IOTLB
 * @hints:	The ring's hint cache
 *
 * Once per burst, before the first iotlb_lookup() after a report of quiescence.
 *
 * Return: true when nothing was unmapped since the last time: pointers looked up
 *	since then may be used as before; false when they must be looked up again
 */
static inline bool iotlb_hints_check(const struct iotlb *tlb, struct iotlb_hints *hints) PMD_ONLY;

/**
 * iotlb_lookup() - Translate the start of a range
 * @tlb:	IOTLB
 * @hints:	The ring's hint cache
 * @iova:	I/O virtual address, untrusted
 * @len:	Bytes wanted, at least 1
 * @perm:	What the access needs: IOTLB_READ, IOTLB_WRITE or both
 * @ret_len:	Set to the bytes contiguous in host memory from @iova, 1 to @len;
 *		neighbouring IOVA pages need not be neighbours, so callers loop
 *
 * Context: poll-mode thread, wait-free.
 * Return: Host pointer (invariant I1), or NULL when @iova does not translate
 *	with @perm; @ret_len is then untouched
 */
static inline void *iotlb_lookup(const struct iotlb *tlb, struct iotlb_hints *hints, uint64_t iova,
				 uint64_t len, uint8_t perm, uint64_t *ret_len) PMD_ONLY;

#include "iotlb/iotlb_inline.h"

#endif /* VUNETD_IOTLB_H */
