/* SPDX-License-Identifier: BSD-3-Clause */
/* fragment.c - Pages that are mapped in part, in parts, or at an odd address
 *
 * Such a page's slot points to a sorted array of fragments.  Readers search it,
 * so it never changes: a change builds a new array, publishes that, and retires
 * the old one.  Neighbours that continue each other are joined, and an array
 * that has grown to one whole page becomes a plain leaf again.
 */
#include <errno.h>
#include <stdlib.h>

#include "iotlb/iotlb_ctl.h"

#define PAGE_LAST (IOTLB_PAGE_SIZE - 1)

/**
 * frags_find() - The fragment that covers an address
 * @frags:	Page
 * @iova:	I/O virtual address in the page
 *
 * Context: poll-mode thread.
 * Return: The fragment, or NULL
 */
const struct iotlb_frag *frags_find(const struct iotlb_frags *frags, uint64_t iova)
{
	uint16_t off = iova & PAGE_LAST;
	uint32_t low = 0, high = frags->n, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (frags->frag[mid].last < off)
			low = mid + 1;
		else
			high = mid;
	}
	return low < frags->n && frags->frag[low].first <= off ? &frags->frag[low] : NULL;
}

/**
 * frags_append() - Add a fragment behind the others
 * @frags:	Array being built, with room for one more
 * @f:		Begins behind the last one
 */
static void frags_append(struct iotlb_frags *frags, const struct iotlb_frag *f)
{
	struct iotlb_frag *prev = frags->n ? &frags->frag[frags->n - 1] : NULL;

	if (prev && prev->last + 1 == f->first && prev->perm == f->perm &&
	    prev->host + (f->first - prev->first) == f->host)
		prev->last = f->last;
	else
		frags->frag[frags->n++] = *f;
}

/**
 * frags_append_part() - Add what a fragment has between two offsets
 * @frags:	Array being built, with room for one more
 * @f:		Fragment of the old array
 * @first:	First offset
 * @last:	Last offset; below @first for nothing
 */
static void frags_append_part(struct iotlb_frags *frags, const struct iotlb_frag *f, int first,
			      int last)
{
	struct iotlb_frag part = *f;

	if (first < f->first)
		first = f->first;
	if (last > f->last)
		last = f->last;
	if (first > last)
		return;
	part.host += first - f->first;
	part.first = first;
	part.last = last;
	frags_append(frags, &part);
}

/**
 * frags_carve() - Copy fragments with one range taken out or replaced
 * @to:		Empty array with room for @n + 2
 * @from:	Old fragments
 * @n:		How many
 * @first:	First offset of the range
 * @last:	Last offset of the range
 * @add:	What goes there, or NULL for nothing
 */
static void frags_carve(struct iotlb_frags *to, const struct iotlb_frag *from, uint32_t n,
			int first, int last, const struct iotlb_frag *add)
{
	for (uint32_t i = 0; i < n; i++)
		frags_append_part(to, &from[i], 0, first - 1);
	if (add)
		frags_append(to, add);
	for (uint32_t i = 0; i < n; i++)
		frags_append_part(to, &from[i], last + 1, PAGE_LAST);
}

/**
 * page_put() - Publish a new array, or the leaf it amounts to
 * @ctl:	IOTLB
 * @node:	Node of level 0
 * @i:		Slot of the page
 * @frags:	New array, given away
 */
static void page_put(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i,
		     struct iotlb_frags *frags)
{
	const struct iotlb_frag *f = &frags->frag[0];
	uint64_t slot = (uintptr_t)frags | IOTLB_SLOT_FRAGS;

	if (!frags->n)
		slot = 0;
	else if (f->first == 0 && f->last == PAGE_LAST && !(f->host & PAGE_LAST))
		slot = f->host | f->perm;
	if (!(slot & IOTLB_SLOT_FRAGS))
		free(frags);
	slot_put(ctl, node, i, slot);
}

/**
 * page_carve() - Change part of a page
 * @slot:	Word of the page now
 * @first:	First offset
 * @last:	Last offset
 * @add:	What goes there, or NULL for nothing
 *
 * Return: The new array, not published, or NULL when there is no memory
 */
static struct iotlb_frags *page_carve(uint64_t slot, uint16_t first, uint16_t last,
				      const struct iotlb_frag *add)
{
	struct iotlb_frag leaf = {
		.host = slot & IOTLB_LEAF_HOST, .last = PAGE_LAST, .perm = slot & IOTLB_SLOT_PERMS};
	const struct iotlb_frag *from = &leaf;
	struct iotlb_frags *frags;
	uint32_t n = !!slot;

	if (slot & IOTLB_SLOT_FRAGS) {
		from = slot_frags(slot)->frag;
		n = slot_frags(slot)->n;
	}
	frags = malloc(sizeof(*frags) + (n + 2) * sizeof(frags->frag[0]));
	if (!frags)
		return NULL;
	frags->n = 0;
	frags_carve(frags, from, n, first, last, add);
	return frags;
}

/**
 * page_has_room() - Make room for a page that grows
 * @ctl:	IOTLB
 * @old:	Word of the page now
 * @frags:	What it would become
 *
 * What the page's other fragments take may be missing for the rest of the range
 * being mapped, and eviction may not take it back: @spare is what is not needed.
 * (Others are found in the first page and the last; nothing follows the last.)
 *
 * Return: true when it fits
 */
static bool page_has_room(struct iotlb_ctl *ctl, uint64_t old, const struct iotlb_frags *frags)
{
	uint64_t n_old = slot_weight(old);

	if (frags->n > ctl->spare + 1)
		return false;
	return frags->n <= n_old || evict_entries(ctl, frags->n - n_old);
}

/**
 * page_map_part() - Map part of a page, or all of it at an odd address
 * @ctl:	IOTLB
 * @node:	Node of level 0
 * @i:		Slot of the page
 * @add:	The new fragment
 *
 * When the page's other fragments do not fit below the bound they are evicted.
 *
 * Return: 0, -ENOMEM
 */
int page_map_part(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i,
		  const struct iotlb_frag *add)
{
	struct iotlb_frags *frags = page_carve(node->slot[i], add->first, add->last, add);

	if (!frags)
		return -ENOMEM;
	if (!page_has_room(ctl, node->slot[i], frags)) {
		stat_add(&ctl->stats.evicted, frags->n - 1);
		frags->n = 0;
		frags_append(frags, add);
		if (!node->slot[i] && !evict_entries(ctl, 1)) {
			free(frags);
			return -ENOMEM;
		}
	}
	page_put(ctl, node, i, frags);
	return 0;
}

/**
 * page_unmap_part() - Unmap part of a page
 * @ctl:	IOTLB
 * @node:	Node of level 0
 * @i:		Slot of the page, not empty
 * @first:	First offset
 * @last:	Last offset
 *
 * Return: 0; -ENOMEM, and the page is then unmapped whole
 */
int page_unmap_part(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i, uint16_t first,
		    uint16_t last)
{
	uint64_t old = node->slot[i];
	struct iotlb_frags *frags = page_carve(old, first, last, NULL);

	if (!frags || (frags->n > slot_weight(old) && !evict_entries(ctl, 1))) {
		free(frags);
		slot_put(ctl, node, i, 0);
		return -ENOMEM;
	}
	page_put(ctl, node, i, frags);
	return 0;
}
