/* SPDX-License-Identifier: BSD-3-Clause */
/* lookup.c - Lookups that the hint cache alone cannot answer
 *
 * A walk from the root takes at most six dependent loads and is wait-free.
 * Every load of a slot acquires, so that a node or a fragment list is seen as it
 * was when slot_put() published it; neither goes away before this thread reports
 * quiescence (invariant I1).
 */
#include "iotlb/iotlb_ctl.h"

/* Pages merged per call: a guest that asks for 4 GiB must not hold up its thread */
#define MERGE_MAX 256

/**
 * frag_translate() - Translate in a page of fragments
 * @frags:	The page
 * @iova:	I/O virtual address
 * @perm:	What the access needs
 * @ret_room:	Set to the bytes from @iova to the end of its fragment
 *
 * Return: Host pointer, or NULL
 */
static void *frag_translate(const struct iotlb_frags *frags, uint64_t iova, uint8_t perm,
			    uint64_t *ret_room)
{
	const struct iotlb_frag *f = frags_find(frags, iova);
	uint64_t off = iova & (IOTLB_PAGE_SIZE - 1);

	if (!f || (f->perm & perm) != perm)
		return NULL;
	*ret_room = f->last - off + 1;
	return (void *)(f->host + (off - f->first));
}

/**
 * hint_fill() - Remember where a span is translated
 * @hints:	Hint cache
 * @iova:	An address of the span
 * @slot:	Its leaf
 * @level:	The level of the leaf
 */
static void hint_fill(struct iotlb_hints *hints, uint64_t iova, const uint64_t *slot,
		      unsigned int level)
{
	uint64_t span = iova >> IOTLB_SPAN_SHIFT;
	struct iotlb_hint *hint = &hints->way[span & (IOTLB_N_HINTS - 1)];

	hint->tag = span;
	hint->off_mask = slot_mask(level);
	hint->idx_mask = level ? 0 : NODE_SLOTS - 1;
	hint->slots = slot - (slot_index(level, iova) & hint->idx_mask);
}

/**
 * walk() - Translate by the tree, up to the end of one page or fragment
 * @tlb:	IOTLB
 * @hints:	Refilled when a leaf answers
 * @iova:	I/O virtual address
 * @perm:	What the access needs
 * @ret_room:	Set to the bytes from @iova to the end of its page
 *
 * Return: Host pointer, or NULL
 */
static void *walk(const struct iotlb *tlb, struct iotlb_hints *hints, uint64_t iova, uint8_t perm,
		  uint64_t *ret_room)
{
	const struct iotlb_node *node = tlb->root;
	unsigned int level = ROOT_LEVEL;
	const uint64_t *slot;
	uint64_t word, off;

	for (;;) {
		slot = &node->slot[slot_index(level, iova)];
		/* pairs with the release in slot_put() */
		word = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
		if (!(word & IOTLB_SLOT_TABLE))
			break;
		node = slot_table(word);
		level--;
	}
	if (word & IOTLB_SLOT_FRAGS)
		return frag_translate(slot_frags(word), iova, perm, ret_room);
	if ((word & perm) != perm)
		return NULL;
	hint_fill(hints, iova, slot, level);
	off = iova & slot_mask(level);
	*ret_room = slot_mask(level) - off + 1;
	return (void *)((word & IOTLB_LEAF_HOST) + off);
}

/**
 * piece_find() - Translate up to the end of one page, by hint or by the tree
 *
 * Parameters and return as walk()
 */
static inline void *piece_find(const struct iotlb *tlb, struct iotlb_hints *hints, uint64_t iova,
			       uint8_t perm, uint64_t *ret_room)
{
	void *host = iotlb_hint_find(hints, iova, perm, ret_room);

	return host ? host : walk(tlb, hints, iova, perm, ret_room);
}

void *iotlb_lookup_slow(const struct iotlb *tlb, struct iotlb_hints *hints, uint64_t iova,
			uint64_t len, uint8_t perm, uint64_t *ret_len)
{
	uint64_t room = 0;
	uint8_t *host = piece_find(tlb, hints, iova, perm, &room);
	uint64_t got = room;

	if (!host)
		return NULL;
	for (unsigned int n = 1; got < len && n < MERGE_MAX; n++) {
		/* the last byte of the space has no neighbour */
		if (iova + got < iova)
			break;
		if (piece_find(tlb, hints, iova + got, perm, &room) != host + got)
			break;
		got += room;
	}
	*ret_len = got < len ? got : len;
	return host;
}

bool iotlb_maps(const struct iotlb *tlb, uint64_t iova, uint8_t perm)
{
	struct iotlb_hints none; /* written by walk(), never read */
	uint64_t room;

	return walk(tlb, &none, iova, perm, &room);
}
