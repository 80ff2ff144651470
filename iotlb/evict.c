/* SPDX-License-Identifier: BSD-3-Clause */
/* evict.c - Staying below the bounds by dropping what is oldest
 *
 * What the running call has filled already, and the path to where it stands, is
 * the range keep_first..keep_last; eviction takes nothing that touches it.  So
 * a call never undoes its own work, and never frees a node it stands on.
 *
 * Host memory is not freed here: an evicted translation that a reader still
 * uses is as sound as it was, and the next iotlb_synchronize() covers it.
 */
#include "iotlb/iotlb_ctl.h"

/* Nodes freed per grace period: a guest that scatters its mappings makes the
 * control thread wait once for so many of them
 */
#define EVICT_BATCH(max_nodes) ((max_nodes) / 16)

/**
 * kept() - Whether a span is out of bounds for eviction
 * @ctl:	IOTLB
 * @first:	First IOVA
 * @last:	Last IOVA
 */
static bool kept(const struct iotlb_ctl *ctl, uint64_t first, uint64_t last)
{
	return first <= ctl->keep_last && last >= ctl->keep_first;
}

/**
 * fits() - Whether entries can be added
 * @ctl:	IOTLB
 * @n_wanted:	How many
 */
static bool fits(const struct iotlb_ctl *ctl, uint64_t n_wanted)
{
	return ctl->stats.entries + n_wanted <= ctl->max_entries;
}

/**
 * node_evict_some() - Drop leaves of one node until enough fit
 * @ctl:	IOTLB
 * @node:	Node with leaves
 * @n_wanted:	Entries to make room for
 */
static void node_evict_some(struct iotlb_ctl *ctl, struct iotlb_node *node, uint64_t n_wanted)
{
	for (unsigned int n = 0; n < NODE_SLOTS && node->n_leaves && !fits(ctl, n_wanted); n++) {
		unsigned int i = node->cursor++ % NODE_SLOTS;
		uint64_t before = ctl->stats.entries;
		uint64_t base = slot_base(node, i);

		if (!node->slot[i] || (node->slot[i] & IOTLB_SLOT_TABLE) ||
		    kept(ctl, base, base + slot_mask(node->level)))
			continue;
		slot_put(ctl, node, i, 0);
		stat_add(&ctl->stats.evicted, before - ctl->stats.entries);
	}
}

/**
 * evict_entries() - Make room for entries, oldest nodes first
 * @ctl:	IOTLB
 * @n_wanted:	Entries about to be added
 *
 * Return: true when they fit
 */
bool evict_entries(struct iotlb_ctl *ctl, uint64_t n_wanted)
{
	struct iotlb_node *node = TAILQ_FIRST(&ctl->leafy), *next;

	if (n_wanted > ctl->max_entries)
		return false;
	for (; node && !fits(ctl, n_wanted); node = next) {
		/* a node that runs empty changes lists */
		next = TAILQ_NEXT(node, link);
		node_evict_some(ctl, node, n_wanted);
	}
	return fits(ctl, n_wanted);
}

/**
 * evictable() - The oldest node of a list that may go
 * @ctl:	IOTLB
 * @queue:	List
 *
 * Return: A node without tables, or NULL; never the root, whose span is all and
 *	so always touches what is kept
 */
static struct iotlb_node *evictable(struct iotlb_ctl *ctl, struct node_queue *queue)
{
	struct iotlb_node *node;

	TAILQ_FOREACH(node, queue, link)
	if (!node->n_tables && !kept(ctl, node->base, node_last(node)))
		return node;
	return NULL;
}

/**
 * node_evict() - Take out a node
 * @ctl:	IOTLB
 * @node:	Node without tables
 *
 * A parent that it leaves empty becomes idle, and is then the next to go.
 */
static void node_evict(struct iotlb_ctl *ctl, struct iotlb_node *node)
{
	uint64_t before = ctl->stats.entries;

	slot_put(ctl, node->parent, slot_index(node->parent->level, node->base), 0);
	stat_add(&ctl->stats.evicted, before - ctl->stats.entries);
}

/**
 * evict_nodes() - Free some nodes, idle ones first, then the oldest
 * @ctl:	IOTLB
 *
 * Waits one grace period.
 */
void evict_nodes(struct iotlb_ctl *ctl)
{
	struct iotlb_node *node;

	while (ctl->n_retired_nodes < EVICT_BATCH(ctl->max_nodes)) {
		node = evictable(ctl, &ctl->idle);
		if (!node)
			node = evictable(ctl, &ctl->leafy);
		if (!node)
			break;
		node_evict(ctl, node);
	}
	grace_wait(ctl);
}
