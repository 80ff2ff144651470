/* SPDX-License-Identifier: BSD-3-Clause */
/* iotlb_ctl.h - The control thread's side of an IOTLB, private to iotlb/
 *
 * Theory of operation
 * ===================
 * Levels count from 0, a table of 4 KiB pages, to 5, the root, whose slots span
 * 2^57 bytes each (it uses 128 of its 512).  A slot is empty, a leaf (levels 0
 * to 2), a fragment list (level 0 only) or a table (levels 1 to 5).  Every
 * change of a slot goes through slot_put(), which keeps the counts, publishes
 * the new word and disposes of what the old one owned.
 *
 * A table that becomes empty stays: the next packet maps into it again, and
 * readers' hints keep their worth.  It goes when its memory is wanted
 * elsewhere, when a huge leaf takes its place, or at iotlb_clear().
 *
 * Bounds
 * ------
 * Entries (leaves and fragments) <= max_entries.  Nodes, those that await their
 * grace period included, <= 64 + max_entries / 64, so that memory is at most
 * about 65 + 16 bytes per entry and 266 KiB, plus fragment lists that await
 * theirs (RETIRED_BYTES_MAX between calls).
 *
 * A range of n <= max_entries entries always meets the bound on nodes: the
 * entries of one level lie side by side, so they need n / 512 + 2 nodes there,
 * two on each side of a range on the levels below, and at most
 * n / 512^2 + 2, ... above: less than n / 256 + 16.
 *
 * A node is on at most one of two lists: leafy (it has leaves or fragments),
 * in the order of the last map into it, or idle (it has nothing).  Both are
 * where eviction looks, idle first, oldest first.
 */
#ifndef VUNETD_IOTLB_CTL_H
#define VUNETD_IOTLB_CTL_H

#include <sys/queue.h>

#include "iotlb/iotlb.h"

#define LEVEL_BITS	  9
#define NODE_SLOTS	  (1u << LEVEL_BITS)
#define ROOT_LEVEL	  5
#define LEAF_LEVEL_MAX	  2
#define MAX_ENTRIES_MIN	  64
#define RETIRED_BYTES_MAX (256u << 10)

/**
 * struct retiree - Memory that waits for a grace period
 * @next:	Next in iotlb_ctl.retired
 * @mem:	What to free()
 * @bytes:	How much that is, roughly
 * @is_node:	It counts as a radix node
 */
struct retiree {
	struct retiree *next;
	void *mem;
	uint32_t bytes;
	bool is_node;
};

enum node_list { NODE_LIST_NONE, NODE_LIST_LEAFY, NODE_LIST_IDLE };

/**
 * struct iotlb_node - A radix node
 * @slot:	What readers see
 * @parent:	Node above, NULL for the root
 * @link:	Place on @list
 * @retiree:	For its way out
 * @base:	First IOVA it spans
 * @n_leaves:	Slots that hold a leaf or a fragment list
 * @n_tables:	Slots that hold a table
 * @cursor:	Where eviction goes on inside the node
 * @level:	0 to ROOT_LEVEL
 * @list:	enum node_list
 *
 * Thread-safety: the control thread writes all; readers read @slot alone.
 */
struct iotlb_node {
	uint64_t slot[NODE_SLOTS];

	struct iotlb_node *parent __attribute__((aligned(64)));
	TAILQ_ENTRY(iotlb_node) link;
	struct retiree retiree;
	uint64_t base;
	uint16_t n_leaves;
	uint16_t n_tables;
	uint16_t cursor;
	uint8_t level;
	uint8_t list;
} __attribute__((aligned(64)));

static_assert(offsetof(struct iotlb_node, parent) == NODE_SLOTS * 8, "readers share no line");
static_assert(_Alignof(struct iotlb_node) > (IOTLB_SLOT_PERMS | IOTLB_SLOT_KINDS), "tags fit");

TAILQ_HEAD(node_queue, iotlb_node);

/**
 * struct iotlb_ctl - An IOTLB as its writer sees it
 * @tlb:	The readers' part, first
 * @qsbr:	Grace periods, borrowed; NULL when nothing reads
 * @stats:	Counters; written relaxed, see stat_add()
 * @max_entries: Bound on stats.entries
 * @max_nodes:	Bound on stats.nodes
 * @spare:	Entries that the range being mapped leaves for others
 * @keep_first:	From here ...
 * @keep_last:	... to here eviction takes nothing: what this call filled already
 * @leafy:	Nodes with leaves, oldest fill first
 * @idle:	Nodes with nothing in them, oldest first
 * @retired:	What waits for a grace period
 * @n_retired_nodes: Nodes among @retired
 * @retired_bytes: Memory of @retired
 * @leaked:	Build switch IOTLB_TEST_NO_GRACE: what should have waited
 *
 * Thread-safety: control thread, but for @tlb and @stats.
 */
struct iotlb_ctl {
	struct iotlb tlb;

	struct rte_rcu_qsbr *qsbr;
	struct iotlb_stats stats;
	uint64_t max_entries;
	uint64_t max_nodes;
	uint64_t spare;
	uint64_t keep_first;
	uint64_t keep_last;
	struct node_queue leafy;
	struct node_queue idle;
	struct retiree *retired;
	uint64_t n_retired_nodes;
	uint64_t retired_bytes;
	struct retiree *leaked;
};

/**
 * struct iotlb_frag - Part of a page, or a page at an odd host address
 * @host:	Host address of the byte at @first
 * @first:	First byte within the IOVA page
 * @last:	Last byte within the IOVA page
 * @perm:	What the mapping allows
 */
struct iotlb_frag {
	uint64_t host;
	uint16_t first;
	uint16_t last;
	uint8_t perm;
};

static_assert(sizeof(struct iotlb_frag) == 16, "a fragment costs what the head of the file says");

/**
 * struct iotlb_frags - Everything mapped in one page; sorted, never changed
 * @retiree:	For its way out
 * @n:		Fragments
 * @frag:	Disjoint, ascending
 */
struct iotlb_frags {
	struct retiree retiree;
	uint32_t n;
	struct iotlb_frag frag[];
};

/* ------------------------------------------------------------- geometry -- */

static inline unsigned int level_shift(unsigned int level)
{
	return IOTLB_PAGE_SHIFT + level * LEVEL_BITS;
}

/* What one slot of a level spans, minus 1 */
static inline uint64_t slot_mask(unsigned int level)
{
	return (UINT64_C(1) << level_shift(level)) - 1;
}

static inline unsigned int slot_index(unsigned int level, uint64_t iova)
{
	return (iova >> level_shift(level)) & (NODE_SLOTS - 1);
}

static inline uint64_t slot_base(const struct iotlb_node *node, unsigned int i)
{
	return node->base + ((uint64_t)i << level_shift(node->level));
}

static inline uint64_t node_last(const struct iotlb_node *node)
{
	return node->level == ROOT_LEVEL ? UINT64_MAX : node->base + slot_mask(node->level + 1);
}

static inline struct iotlb_node *slot_table(uint64_t slot)
{
	return (struct iotlb_node *)(slot & ~(IOTLB_SLOT_KINDS | IOTLB_SLOT_PERMS));
}

static inline struct iotlb_frags *slot_frags(uint64_t slot)
{
	return (struct iotlb_frags *)(slot & ~(IOTLB_SLOT_KINDS | IOTLB_SLOT_PERMS));
}

/* What a slot counts against max_entries; a table counts by its own slots */
static inline uint64_t slot_weight(uint64_t slot)
{
	if (!slot || (slot & IOTLB_SLOT_TABLE))
		return 0;
	return slot & IOTLB_SLOT_FRAGS ? slot_frags(slot)->n : 1;
}

static inline struct iotlb_ctl *ctl_of(struct iotlb *tlb)
{
	return (struct iotlb_ctl *)tlb;
}

/* Counters are read by any thread: see struct iotlb_stats */
static inline void stat_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* ---------------------------------------------------------------- node.c -- */

struct iotlb_node *node_new(struct iotlb_ctl *ctl, unsigned int level, uint64_t base);
void slot_put(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i, uint64_t slot);
void slot_put_table(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i,
		    struct iotlb_node *child);
int slot_split(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i);
void node_touch(struct iotlb_ctl *ctl, struct iotlb_node *node);

/* ------------------------------------------------------------ fragment.c -- */

const struct iotlb_frag *frags_find(const struct iotlb_frags *frags, uint64_t iova);
int page_map_part(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i,
		  const struct iotlb_frag *add);
int page_unmap_part(struct iotlb_ctl *ctl, struct iotlb_node *node, unsigned int i, uint16_t first,
		    uint16_t last);

/* --------------------------------------------------------------- evict.c -- */

bool evict_entries(struct iotlb_ctl *ctl, uint64_t n_wanted);
void evict_nodes(struct iotlb_ctl *ctl);

/* --------------------------------------------------------------- range.c -- */

uint64_t range_entries(uint64_t first, uint64_t last, uint64_t host);
int range_map(struct iotlb_ctl *ctl, uint64_t first, uint64_t last, uint64_t host, uint8_t perm);
int range_unmap(struct iotlb_ctl *ctl, uint64_t first, uint64_t last);

/* --------------------------------------------------------------- grace.c -- */

void retire(struct iotlb_ctl *ctl, struct retiree *r, void *mem, uint32_t bytes, bool is_node);
void grace_wait(struct iotlb_ctl *ctl);
void retired_free(struct iotlb_ctl *ctl);

#endif /* VUNETD_IOTLB_CTL_H */
