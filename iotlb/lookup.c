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
	struct iotlb_hint *hint = &hints->way[iotlb_hint_index(span)];

	hint->tag = span;
	hint->off_mask = slot_mask(level);
	hint->idx_mask = level ? 0 : NODE_SLOTS - 1;
	hint->slots = slot - (slot_index(level, iova) & hint->idx_mask);
}

/**
 * frag_translate() - Translate in a page of fragments
 * @frags:	The page
 * @iova:	I/O virtual address
 * @perm:	What the access needs
 * @ret_host:	Set to the host pointer
 * @ret_more:	Set to the bytes behind @iova in its fragment
 *
 * Return: true when it translates
 */
static bool frag_translate(const struct iotlb_frags *frags, uint64_t iova, uint8_t perm,
			   void **ret_host, uint64_t *ret_more)
{
	const struct iotlb_frag *f = frags_find(frags, iova);
	uint64_t off = iova & (IOTLB_PAGE_SIZE - 1);

	if (!f || (f->perm & perm) != perm)
		return false;
	*ret_host = (void *)(f->host + (off - f->first));
	*ret_more = f->last - off;
	return true;
}

/**
 * walk() - Translate by the tree, up to the end of one page or fragment
 * @tlb:	IOTLB
 * @hints:	Refilled when a leaf answers
 * @iova:	I/O virtual address
 * @perm:	What the access needs
 * @ret_host:	Set to the host pointer
 * @ret_more:	Set to the bytes behind @iova in its page
 *
 * Return: true when it translates
 */
static bool walk(const struct iotlb *tlb, struct iotlb_hints *hints, uint64_t iova, uint8_t perm,
		 void **ret_host, uint64_t *ret_more)
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
		return frag_translate(slot_frags(word), iova, perm, ret_host, ret_more);
	if ((word & perm) != perm)
		return false;
	hint_fill(hints, iova, slot, level);
	off = iova & slot_mask(level);
	*ret_host = (void *)((word & IOTLB_LEAF_HOST) + off);
	*ret_more = slot_mask(level) - off;
	return true;
}

/**
 * piece_find() - Translate up to the end of one page, by hint or by the tree
 *
 * Parameters and return as walk()
 */
static inline bool piece_find(const struct iotlb *tlb, struct iotlb_hints *hints, uint64_t iova,
			      uint8_t perm, void **ret_host, uint64_t *ret_more)
{
	return iotlb_hint_find(hints, iova, perm, ret_host, ret_more) ||
	       walk(tlb, hints, iova, perm, ret_host, ret_more);
}

void *iotlb_lookup_slow(const struct iotlb *tlb, struct iotlb_hints *hints, uint64_t iova,
			uint64_t len, uint8_t perm, uint64_t *ret_len)
{
	/* a length of 0 is a caller's mistake: it gets 0 back, not more than it has */
	uint64_t last = len ? len - 1 : 0, more, got;
	void *host, *next;

	if (!piece_find(tlb, hints, iova, perm, &host, &got))
		return NULL;
	/* @got, as @last, is one less than the bytes there are */
	for (unsigned int n = 1; got < last && n < MERGE_MAX; n++) {
		uint64_t at = iova + got + 1;

		/* the last byte of the space has no neighbour */
		if (at < iova || !piece_find(tlb, hints, at, perm, &next, &more))
			break;
		if (next != (uint8_t *)host + got + 1)
			break;
		got += more + 1;
	}
	*ret_len = got < last ? got + 1 : len;
	return host;
}

bool iotlb_maps(const struct iotlb *tlb, uint64_t iova, uint8_t perm)
{
	struct iotlb_hints none; /* written by walk(), never read */
	uint64_t more;
	void *host;

	return walk(tlb, &none, iova, perm, &host, &more);
}
