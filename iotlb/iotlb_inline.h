/* SPDX-License-Identifier: BSD-3-Clause */
/* iotlb_inline.h - The lookup every packet pays for, and what it needs to see
 *
 * Theory of operation
 * ===================
 * A hint says "IOVAs of this 2 MiB span are translated by these slots".  For a
 * table of 4 KiB pages the slots are the table and the page number selects one;
 * for a 2 MiB or 1 GiB leaf they are the one slot of the leaf in its parent, and
 * a mask of 0 selects it always.  So every kind of page takes the same path: a
 * compare, a load of the slot, a test, an add.
 *
 *	hints[hash of span]         radix node
 *	+-----------------+         +-------+-------+-----
 *	| tag  = iova>>21 |    +--->| slot0 | slot1 | ...     slot: host | tags
 *	| slots ----------+----+    +-------+-------+-----
 *	| idx_mask        |  511, or 0 for a huge leaf
 *	| off_mask        |  page size - 1
 *	+-----------------+
 *
 * Anything that is not a plain leaf with the permission asked for (nothing, a
 * table that took a huge leaf's place, a fragment list), and anything that runs
 * past its page, is left to iotlb_lookup_slow().
 *
 * Why a hint may be followed
 * --------------------------
 * The slots a hint names belong to a node.  The writer takes a node out in this
 * order: (1) unlink it from its parent, (2) clear its slots, (3) store gen + 1
 * with release order, (4) start a grace period, (5) free it.
 *
 *   - A reader whose iotlb_hints_check() sees the new gen empties its hints, and
 *     what it walks afterwards is ordered after (1), so it cannot find the node
 *     again: no hint of generation g names a node unlinked before g was stored.
 *   - A reader whose check saw the old gen may hold the node in a hint.  Until
 *     its next report of quiescence the node is memory: the grace period of (4)
 *     began after (3) and waits for that report.  The report acquires the token
 *     that (4) released, so the check that follows it sees the new gen.
 *   - A reader that was offline during (4) does not hold it up.  It comes online
 *     by a store and a full fence before its check; grace_wait() has a full
 *     fence between (3) and its look at that store.  One of the two sees the
 *     other, so either it is waited for or its check sees the new gen.
 *   - Clearing a slot, (2) or plain, needs no gen: the slot is loaded each time.
 *
 * Why a pointer may be kept
 * -------------------------
 * A slot that loses its mapping, or gets a different one, is stored first, then
 * drops + 1 with release order, and then the grace period starts.  It is the same
 * argument: who saw the old count is waited for, and its next check is ordered
 * after the new one.
 */
#ifndef VUNETD_IOTLB_INLINE_H
#define VUNETD_IOTLB_INLINE_H

#include <assert.h>
#include <stdbool.h>

#include "iotlb/iotlb.h"

/* Low bits of a slot; the two permissions are IOTLB_READ and IOTLB_WRITE */
#define IOTLB_SLOT_PERMS UINT64_C(0x3)
#define IOTLB_SLOT_TABLE UINT64_C(0x4) /* the rest points to a radix node */
#define IOTLB_SLOT_FRAGS UINT64_C(0x8) /* the rest points to a fragment list */
#define IOTLB_SLOT_KINDS (IOTLB_SLOT_TABLE | IOTLB_SLOT_FRAGS)
#define IOTLB_LEAF_HOST	 (~(IOTLB_PAGE_SIZE - 1))

#define IOTLB_SPAN_SHIFT 21 /* what one table of 4 KiB pages covers */
#define IOTLB_N_HINTS	 256
#define IOTLB_NO_SPAN	 UINT64_MAX /* no IOVA has this span: spans have 43 bits */

static_assert((IOTLB_N_HINTS & (IOTLB_N_HINTS - 1)) == 0, "spans are masked, not divided");

struct iotlb_node;

/**
 * struct iotlb - What readers see of an IOTLB; the rest is struct iotlb_ctl
 * @root:	Top node; never changes
 * @gen:	Moves when a node is taken out
 * @drops:	Moves when a slot loses a mapping
 * @fills:	Moves at each map
 *
 * Thread-safety: written by the control thread only.  @gen and @drops are read
 * once per burst, @fills is read while something misses and moves at each map,
 * hence a cache line of its own.
 */
struct iotlb {
	struct iotlb_node *root;
	uint64_t gen;
	uint64_t drops;
	uint64_t fills __attribute__((aligned(64)));
} __attribute__((aligned(64)));

static_assert(offsetof(struct iotlb, fills) == 64, "gen and fills do not share a cache line");

/**
 * struct iotlb_hint - Where a 2 MiB span of IOVA is translated
 * @tag:	The span, or IOTLB_NO_SPAN
 * @slots:	Table of 4 KiB pages, or the slot of a huge leaf
 * @idx_mask:	511 for a table, 0 for a huge leaf
 * @off_mask:	Page size - 1
 */
struct iotlb_hint {
	uint64_t tag;
	const uint64_t *slots;
	uint64_t idx_mask;
	uint64_t off_mask;
};

/**
 * struct iotlb_hints - A ring's hint cache, direct-mapped by a hash of the span
 * @way:	The hints
 * @gen:	Generation of the IOTLB they are valid for
 * @drops:	Its count of mappings lost, when last checked
 *
 * Thread-safety: private to the thread that runs the ring.
 */
struct iotlb_hints {
	struct iotlb_hint way[IOTLB_N_HINTS];
	uint64_t gen;
	uint64_t drops;
} __attribute__((aligned(64)));

/**
 * iotlb_lookup_slow() - Translate what the hints could not, and refill them
 *
 * Parameters, context and return as iotlb_lookup().  Merges pages that are
 * neighbours in host memory, up to a bound that keeps it short.
 */
void *iotlb_lookup_slow(const struct iotlb *tlb, struct iotlb_hints *hints, uint64_t iova,
			uint64_t len, uint8_t perm, uint64_t *ret_len) PMD_ONLY;

static inline uint64_t iotlb_fills(const struct iotlb *tlb)
{
	/* pairs with the release in iotlb_map(): who sees the new count hits */
	return __atomic_load_n(&tlb->fills, __ATOMIC_ACQUIRE);
}

static inline void iotlb_hints_init(struct iotlb_hints *hints)
{
	for (unsigned int i = 0; i < IOTLB_N_HINTS; i++)
		hints->way[i].tag = IOTLB_NO_SPAN;
	/* an IOTLB starts at 1 */
	hints->gen = 0;
	hints->drops = 0;
}

static inline bool iotlb_hints_check(const struct iotlb *tlb, struct iotlb_hints *hints)
{
	/* pairs with the release in slot_put() */
	uint64_t drops = __atomic_load_n(&tlb->drops, __ATOMIC_ACQUIRE);
	/* pairs with the release in node_retire() */
	uint64_t gen = __atomic_load_n(&tlb->gen, __ATOMIC_ACQUIRE);

	if (__builtin_expect(gen == hints->gen && drops == hints->drops, 1))
		return true;
	if (gen != hints->gen)
		iotlb_hints_init(hints);
	hints->gen = gen;
	hints->drops = drops;
	return false;
}

/**
 * iotlb_hint_index() - Which hint is a span's
 * @span:	Number of the span
 *
 * Memory begins at round addresses, that of rings and that of buffers: by the low
 * bits alone each would take the other's hints.  Spans in a row have one each.
 */
static inline __attribute__((always_inline)) size_t iotlb_hint_index(uint64_t span)
{
	return (span ^ span / IOTLB_N_HINTS) % IOTLB_N_HINTS;
}

/**
 * iotlb_hint_find() - Translate by hint alone
 * @hints:	Hint cache
 * @iova:	I/O virtual address
 * @perm:	What the access needs
 * @ret_host:	Set to the host pointer
 * @ret_more:	Set to the bytes behind @iova in its page: one less than there are
 *
 * Return: true when the hint answered
 */
static inline __attribute__((always_inline)) bool iotlb_hint_find(const struct iotlb_hints *hints,
								  uint64_t iova, uint8_t perm,
								  void **ret_host,
								  uint64_t *ret_more)
{
	uint64_t span = iova >> IOTLB_SPAN_SHIFT;
	const struct iotlb_hint *hint = &hints->way[iotlb_hint_index(span)];
	uint64_t slot, off;

	if (__builtin_expect(hint->tag != span, 0))
		return false;
	/* pairs with the release in slot_put() */
	slot = __atomic_load_n(&hint->slots[(iova >> IOTLB_PAGE_SHIFT) & hint->idx_mask],
			       __ATOMIC_ACQUIRE);
	if (__builtin_expect((slot & (IOTLB_SLOT_KINDS | perm)) != perm, 0))
		return false;
	off = iova & hint->off_mask;
	*ret_host = (void *)((slot & IOTLB_LEAF_HOST) + off);
	*ret_more = hint->off_mask - off;
	return true;
}

static inline void *iotlb_lookup(const struct iotlb *tlb, struct iotlb_hints *hints, uint64_t iova,
				 uint64_t len, uint8_t perm, uint64_t *ret_len)
{
	uint64_t more;
	void *host;

	if (__builtin_expect(iotlb_hint_find(hints, iova, perm, &host, &more) && len - 1 <= more,
			     1)) {
		*ret_len = len;
		return host;
	}
	return iotlb_lookup_slow(tlb, hints, iova, len, perm, ret_len);
}

#endif /* VUNETD_IOTLB_INLINE_H */
