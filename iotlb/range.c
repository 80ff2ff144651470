/* SPDX-License-Identifier: BSD-3-Clause */
/* range.c - Mapping and unmapping ranges of any alignment and size
 *
 * Ranges are [first, last], both included, so that the last byte of the 64-bit
 * space is a byte like any other.  Both walks go down the tree slot by slot; what
 * a slot is asked to do is the intersection of the range with its span.
 */
#include <errno.h>

#include "iotlb/iotlb_ctl.h"

/**
 * struct part - What a range asks of one slot
 * @first:	First IOVA of the range within the slot's span
 * @last:	Last IOVA of it
 * @whole:	That is all of the span
 */
struct part {
	uint64_t first;
	uint64_t last;
	bool whole;
};

/**
 * part_of() - Intersect a range with a slot
 * @node:	Node
 * @i:		Slot
 * @first:	First IOVA of the range
 * @last:	Last IOVA of the range
 */
static struct part part_of(const struct iotlb_node *node, unsigned int i, uint64_t first,
			   uint64_t last)
{
	uint64_t base = slot_base(node, i), end = base + slot_mask(node->level);
	struct part part = {.first = first > base ? first : base, .last = last < end ? last : end};

	part.whole = part.first == base && part.last == end;
	return part;
}

/**
 * n_whole() - Blocks of a size that a range covers in full
 * @first:	First IOVA
 * @last:	Last IOVA
 * @level:	Level whose slots are the blocks
 */
static uint64_t n_whole(uint64_t first, uint64_t last, unsigned int level)
{
	uint64_t mask = slot_mask(level);
	uint64_t begin = (first >> level_shift(level)) + !!(first & mask);
	uint64_t end = (last >> level_shift(level)) + ((last & mask) == mask);

	return end > begin ? end - begin : 0;
}

/**
 * range_entries() - Entries that a range takes
 * @first:	First IOVA
 * @last:	Last IOVA
 * @host:	Host address of @first
 */
uint64_t range_entries(uint64_t first, uint64_t last, uint64_t host)
{
	uint64_t n = (last >> IOTLB_PAGE_SHIFT) - (first >> IOTLB_PAGE_SHIFT) + 1;

	if ((first ^ host) & (IOTLB_PAGE_SIZE - 1))
		return n;
	for (unsigned int level = 1; level <= LEAF_LEVEL_MAX; level++)
		n -= n_whole(first, last, level) * (NODE_SLOTS - 1);
	return n;
}

/**
 * leaf_put() - Put a leaf into a slot, whatever is there
 * @ctl:	IOTLB
 * @node:	Node of a level that has leaves
 * @i:		Slot
 * @leaf:	The leaf
 *
 * A table that is not empty gives up at least what the leaf takes.
 *
 * Return: 0, -ENOMEM
 */
static int leaf_put(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i, uint64_t leaf)
{
	uint64_t old = node->slot[i];

	if (!slot_weight(old) && !evict_entries(ctl, 1) && !old)
		return -ENOMEM;
	slot_put(ctl, node, i, leaf);
	return 0;
}

/**
 * page_map() - Map within one page
 * @ctl:	IOTLB
 * @node:	Node of level 0
 * @i:		Slot
 * @part:	What of the page
 * @host:	Host address of its first byte
 * @perm:	What the mapping allows
 *
 * Return: 0, -ENOMEM
 */
static int page_map(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i,
		    const struct part *part, uint64_t host, uint8_t perm)
{
	const struct iotlb_frag frag = {.host = host,
					.first = part->first & (IOTLB_PAGE_SIZE - 1),
					.last = part->last & (IOTLB_PAGE_SIZE - 1),
					.perm = perm};

	if (part->whole && !(host & (IOTLB_PAGE_SIZE - 1)))
		return leaf_put(ctl, node, i, host | perm);
	return page_map_part(ctl, node, i, &frag);
}

/**
 * table_get() - The table in a slot; made if there is none, split from a leaf
 * @ctl:	IOTLB
 * @node:	Node above level 0
 * @i:		Slot
 *
 * Return: The table, or NULL when there is no memory
 */
static struct iotlb_node *table_get(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i)
{
	struct iotlb_node *child;
	uint64_t old = node->slot[i];

	if (old & IOTLB_SLOT_TABLE)
		return slot_table(old);
	if (old && !slot_split(ctl, node, i))
		return slot_table(node->slot[i]);
	child = node_new(ctl, node->level - 1, slot_base(node, i));
	if (child)
		slot_put_table(ctl, node, i, child);
	return child;
}

/**
 * node_map() - Map a range within a node
 * @ctl:	IOTLB
 * @node:	Node
 * @first:	First IOVA, spanned by @node
 * @last:	Last IOVA, spanned by @node
 * @host:	Host address of @first
 * @perm:	What the mapping allows
 *
 * Return: 0, -ENOMEM
 */
static int node_map(struct iotlb_ctl *ctl, struct iotlb_node *node, uint64_t first, uint64_t last,
		    uint64_t host, uint8_t perm)
{
	unsigned int end = slot_index(node->level, last);
	struct iotlb_node *child;
	int err = 0;

	for (unsigned int i = slot_index(node->level, first); i <= end && !err; i++) {
		struct part part = part_of(node, i, first, last);
		uint64_t at = host + (part.first - first);

		ctl->keep_last = part.first;
		if (node->level == 0) {
			err = page_map(ctl, node, i, &part, at, perm);
		} else if (part.whole && node->level <= LEAF_LEVEL_MAX &&
			   !(at & (IOTLB_PAGE_SIZE - 1))) {
			err = leaf_put(ctl, node, i, at | perm);
		} else {
			child = table_get(ctl, node, i);
			err = child ? node_map(ctl, child, part.first, part.last, at, perm)
				    : -ENOMEM;
		}
	}
	node_touch(ctl, node);
	return err;
}

/**
 * range_map() - Map a range that fits below the bound
 * @ctl:	IOTLB
 * @first:	First IOVA
 * @last:	Last IOVA
 * @host:	Host address of @first
 * @perm:	What the mapping allows
 *
 * Return: 0, -ENOMEM
 */
int range_map(struct iotlb_ctl *ctl, uint64_t first, uint64_t last, uint64_t host, uint8_t perm)
{
	ctl->keep_first = first;
	return node_map(ctl, ctl->tlb.root, first, last, host, perm);
}

/**
 * slot_unmap_part() - Unmap part of what a slot spans
 * @ctl:	IOTLB
 * @node:	Node
 * @i:		Slot, not empty and not a table
 * @part:	What of it
 *
 * Return: 0, or -ENOMEM when it was unmapped whole instead
 */
static int slot_unmap_part(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i,
			   const struct part *part)
{
	/* nothing was filled by this call: keep the path alone */
	ctl->keep_first = part->first;
	ctl->keep_last = part->first;
	if (node->level == 0)
		return page_unmap_part(ctl, node, i, part->first & (IOTLB_PAGE_SIZE - 1),
				       part->last & (IOTLB_PAGE_SIZE - 1));
	return slot_split(ctl, node, i) ? -ENOMEM : 0;
}

/**
 * node_unmap() - Unmap a range within a node
 * @ctl:	IOTLB
 * @node:	Node
 * @first:	First IOVA, spanned by @node
 * @last:	Last IOVA, spanned by @node
 *
 * Return: 0, or -ENOMEM when more was unmapped than asked
 */
static int node_unmap(struct iotlb_ctl *ctl, struct iotlb_node *node, uint64_t first, uint64_t last)
{
	unsigned int end = slot_index(node->level, last);
	int ret = 0, err;

	for (unsigned int i = slot_index(node->level, first); i <= end; i++) {
		struct part part = part_of(node, i, first, last);

		/* nodes that run empty stay, so do not search them */
		if (!node->n_leaves && !node->n_tables)
			break;
		if (!node->slot[i])
			continue;
		err = 0;
		if (part.whole && !(node->slot[i] & IOTLB_SLOT_TABLE))
			slot_put(ctl, node, i, 0);
		else if (!(node->slot[i] & IOTLB_SLOT_TABLE))
			err = slot_unmap_part(ctl, node, i, &part);
		if (!err && (node->slot[i] & IOTLB_SLOT_TABLE))
			err = node_unmap(ctl, slot_table(node->slot[i]), part.first, part.last);
		ret = err ? err : ret;
	}
	return ret;
}

/**
 * range_unmap() - Unmap a range
 * @ctl:	IOTLB
 * @first:	First IOVA
 * @last:	Last IOVA
 *
 * Return: 0, or -ENOMEM when more was unmapped than asked
 */
int range_unmap(struct iotlb_ctl *ctl, uint64_t first, uint64_t last)
{
	return node_unmap(ctl, ctl->tlb.root, first, last);
}
