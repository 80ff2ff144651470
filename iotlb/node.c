/* SPDX-License-Identifier: BSD-3-Clause */
/* node.c - Radix nodes: made, changed, split and taken out
 *
 * slot_put() is the only place that changes what readers see.  It publishes the
 * new word first and disposes of what the old word owned afterwards, so a
 * reader finds the old translation or the new one, never something in between.
 */
#include <stdlib.h>
#include <string.h>

#include "iotlb/iotlb_ctl.h"

/**
 * node_queue_of() - The list behind an enum node_list
 * @ctl:	IOTLB
 * @list:	LEAFY or IDLE
 */
static struct node_queue *node_queue_of(struct iotlb_ctl *ctl, enum node_list list)
{
	return list == NODE_LIST_LEAFY ? &ctl->leafy : &ctl->idle;
}

/**
 * node_enlist() - Put a node at the end of a list, off the one it was on
 * @ctl:	IOTLB
 * @node:	Node
 * @list:	Where it belongs now
 */
static void node_enlist(struct iotlb_ctl *ctl, struct iotlb_node *node, enum node_list list)
{
	if (node->list != NODE_LIST_NONE)
		TAILQ_REMOVE(node_queue_of(ctl, node->list), node, link);
	node->list = list;
	if (list != NODE_LIST_NONE)
		TAILQ_INSERT_TAIL(node_queue_of(ctl, list), node, link);
}

/**
 * node_relist() - Put a node where its contents say it belongs
 * @ctl:	IOTLB
 * @node:	Node whose counts may have changed
 *
 * The root is never idle: it cannot go.
 */
static void node_relist(struct iotlb_ctl *ctl, struct iotlb_node *node)
{
	enum node_list list = NODE_LIST_NONE;

	if (node->n_leaves)
		list = NODE_LIST_LEAFY;
	else if (!node->n_tables && node->level != ROOT_LEVEL)
		list = NODE_LIST_IDLE;
	if (list != node->list)
		node_enlist(ctl, node, list);
}

/**
 * node_touch() - Note that a map filled a node, which makes it the youngest
 * @ctl:	IOTLB
 * @node:	Node with leaves
 */
void node_touch(struct iotlb_ctl *ctl, struct iotlb_node *node)
{
	if (node->n_leaves && TAILQ_NEXT(node, link))
		node_enlist(ctl, node, NODE_LIST_LEAFY);
}

/**
 * node_new() - Make a node, not linked anywhere yet
 * @ctl:	IOTLB; nodes are evicted when it has as many as it may
 * @level:	Its level
 * @base:	First IOVA it spans
 *
 * Return: The node, or NULL when there is no memory
 */
struct iotlb_node *node_new(struct iotlb_ctl *ctl, unsigned int level, uint64_t base)
{
	struct iotlb_node *node;

	if (ctl->stats.nodes >= ctl->max_nodes) {
		evict_nodes(ctl);
		if (ctl->stats.nodes >= ctl->max_nodes)
			return NULL;
	}
	node = aligned_alloc(_Alignof(struct iotlb_node), sizeof(*node));
	if (!node)
		return NULL;
	memset(node, 0, sizeof(*node));
	node->level = level;
	node->base = base;
	stat_add(&ctl->stats.nodes, 1);
	return node;
}

/**
 * node_retire() - Empty a node that was unlinked, and all below it
 * @ctl:	IOTLB
 * @node:	No longer reachable from the root
 *
 * Its slots are cleared although nothing leads to it: a hint may.
 */
static void node_retire(struct iotlb_ctl *ctl, struct iotlb_node *node)
{
	for (unsigned int i = 0; i < NODE_SLOTS && (node->n_leaves || node->n_tables); i++)
		if (node->slot[i])
			slot_put(ctl, node, i, 0);
	node_enlist(ctl, node, NODE_LIST_NONE);
	/* pairs with the acquire in iotlb_hints_check() */
	__atomic_store_n(&ctl->tlb.gen, ctl->tlb.gen + 1, __ATOMIC_RELEASE);
	retire(ctl, &node->retiree, node, sizeof(*node), true);
}

/**
 * slot_dispose() - Let go of what a slot owned
 * @ctl:	IOTLB
 * @slot:	The word that was there
 */
static void slot_dispose(struct iotlb_ctl *ctl, uint64_t slot)
{
	struct iotlb_frags *frags;

	if (slot & IOTLB_SLOT_TABLE) {
		node_retire(ctl, slot_table(slot));
	} else if (slot & IOTLB_SLOT_FRAGS) {
		frags = slot_frags(slot);
		retire(ctl, &frags->retiree, frags,
		       sizeof(*frags) + frags->n * sizeof(frags->frag[0]), false);
	}
}

/**
 * slot_put() - Change a slot
 * @ctl:	IOTLB
 * @node:	Node
 * @i:		Which slot
 * @slot:	Its new word
 *
 * Readers see the change at once and whole.
 */
void slot_put(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i, uint64_t slot)
{
	uint64_t old = node->slot[i];
	bool dropped = old && !(old & IOTLB_SLOT_TABLE) && old != slot;

	/* pairs with the acquires in iotlb_hint_find() and walk() */
	__atomic_store_n(&node->slot[i], slot, __ATOMIC_RELEASE);
	if (dropped) /* pairs with the acquire in iotlb_hints_check() */
		__atomic_store_n(&ctl->tlb.drops, ctl->tlb.drops + 1, __ATOMIC_RELEASE);

	node->n_tables += !!(slot & IOTLB_SLOT_TABLE) - !!(old & IOTLB_SLOT_TABLE);
	node->n_leaves += (slot && !(slot & IOTLB_SLOT_TABLE)) - (old && !(old & IOTLB_SLOT_TABLE));
	stat_add(&ctl->stats.entries, slot_weight(slot) - slot_weight(old));
	node_relist(ctl, node);
	slot_dispose(ctl, old);
}

/**
 * slot_put_table() - Link a table into a slot
 * @ctl:	IOTLB
 * @node:	Node
 * @i:		Which slot
 * @child:	From node_new(), filled or empty
 */
void slot_put_table(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i,
		    struct iotlb_node *child)
{
	child->parent = node;
	slot_put(ctl, node, i, (uintptr_t)child | IOTLB_SLOT_TABLE);
	node_relist(ctl, child);
}

/**
 * slot_split() - Turn a huge leaf into a table that says the same
 * @ctl:	IOTLB
 * @node:	Node of level 1 or 2
 * @i:		Slot with a leaf
 *
 * Readers see the leaf or the full table.  When the table's entries cannot fit,
 * or there is no memory, the leaf is removed.
 *
 * Return: 0, or -1 when it was removed
 */
int slot_split(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i)
{
	unsigned int level = node->level - 1;
	uint64_t leaf = node->slot[i];
	struct iotlb_node *child = NULL;

	if (evict_entries(ctl, NODE_SLOTS - 1))
		child = node_new(ctl, level, slot_base(node, i));
	if (!child) {
		slot_put(ctl, node, i, 0);
		stat_add(&ctl->stats.evicted, 1);
		return -1;
	}
	for (unsigned int k = 0; k < NODE_SLOTS; k++)
		child->slot[k] = leaf + ((uint64_t)k << level_shift(level));
	child->n_leaves = NODE_SLOTS;
	stat_add(&ctl->stats.entries, NODE_SLOTS);
	slot_put_table(ctl, node, i, child);
	return 0;
}
