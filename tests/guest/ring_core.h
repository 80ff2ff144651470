/* SPDX-License-Identifier: BSD-3-Clause */
/* ring_core.h - What both layouts of a virtqueue keep, on the driver's side
 *
 * Theory of operation
 * ===================
 * Free ids are a stack.  A chain takes as many as it takes entries of the ring,
 * its head carries the chain's cookie, and a private list of links is what is
 * followed when it comes back: the backend cannot mislead us.  In a split ring
 * an id is a descriptor, in a packed one it is a number only.
 *
 * Positions are 16-bit counters that run freely, in the packed layout, too: the
 * place in the ring is their low part, the wrap counter the inverse of the bit
 * above it.
 */
#ifndef GUEST_RING_CORE_H
#define GUEST_RING_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include "tests/guest/memory.h"

#define COOKIE_NONE UINT32_MAX

/**
 * struct seg - A piece of a chain
 * @addr:	Address for the backend
 * @len:	Bytes
 */
struct seg {
	uint64_t addr;
	uint32_t len;
};

/**
 * struct ring_conf - What a ring is to be like
 * @size:	Entries, a power of two
 * @chain:	Longest chain for indirect tables, 0 for none
 * @base:	Where the positions begin
 * @packed:	Packed instead of split
 * @event_idx:	EVENT_IDX is negotiated
 * @polled:	Ask for no interrupts
 * @straddle:	Let the areas cross pages
 */
struct ring_conf {
	uint32_t size;
	uint32_t chain;
	uint16_t base;
	bool packed;
	bool event_idx;
	bool polled;
	bool straddle;
};

/**
 * struct ring - A virtqueue
 *
 * First what every burst touches.
 *
 * @desc:	Split: descriptor table
 * @avail:	Split: available ring
 * @used:	Split: used ring
 * @slots:	Packed: descriptor ring
 * @driver:	Packed: driver event suppression, ours
 * @device:	Packed: device event suppression, the backend's
 * @free:	Stack of free ids
 * @next:	Links of a chain's ids; the last points at itself
 * @cookie:	Of each id that heads an outstanding chain
 * @span:	Packed: entries of the chain an id heads
 * @log:	Packed: used descriptors read and not taken yet, a queue of @size
 * @table:	Indirect tables, @chain entries for each id, or NULL; both layouts'
 *		descriptors take 16 bytes
 * @size:	Entries
 * @n_free:	Height of the stack
 * @log_head:	Next of @log to take
 * @log_tail:	Where to put the next
 * @avail_idx:	Next available position, published or not
 * @published:	First position the backend does not see yet
 * @last_used:	Split: next used entry to take; packed: next to be read
 * @first_flags: Packed: flags of the entry at @published, held back
 * @write:	VRING_DESC_F_WRITE if the backend writes into this ring's buffers
 * @chain:	Longest chain an indirect table takes, 0 for no tables
 * @base:	Where the positions began
 * @packed:	Which layout
 * @event_idx:	EVENT_IDX is negotiated
 * @polled:	No interrupts wanted
 * @kick_fd:	eventfd to the backend
 * @call_fd:	eventfd from it
 * @kicks:	Sent
 * @errors:	Used entries that make no sense
 * @desc_off:	Where the areas are in their arena
 * @avail_off:	Available ring, or driver event suppression
 * @used_off:	Used ring, or device event suppression
 * @table_off:	Indirect tables
 * @table_addr:	Address of the tables for the backend
 */
struct ring {
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *slots;
	};
	union {
		struct vring_avail *avail;
		struct vring_packed_desc_event *driver;
	};
	union {
		struct vring_used *used;
		struct vring_packed_desc_event *device;
	};
	uint16_t *free;
	uint16_t *next;
	uint32_t *cookie;
	uint16_t *span;
	struct vring_used_elem *log;
	void *table;
	uint32_t size;
	uint32_t n_free;
	uint32_t log_head;
	uint32_t log_tail;
	uint16_t avail_idx;
	uint16_t published;
	uint16_t last_used;
	uint16_t first_flags;
	uint16_t write;
	uint16_t chain;
	uint16_t base;
	bool packed;
	bool event_idx;
	bool polled;
	int kick_fd;
	int call_fd;
	uint64_t kicks;
	uint64_t errors;
	uint64_t desc_off;
	uint64_t avail_off;
	uint64_t used_off;
	uint64_t table_off;
	uint64_t table_addr;
};

/**
 * ring_kick() - Tell the backend that there is something to do
 * @r:	Ring
 */
void ring_kick(struct ring *r);

/**
 * id_take() - Take an id off the stack
 * @r:	Ring with @n_free > 0
 */
static inline uint16_t id_take(struct ring *r)
{
	return r->free[--r->n_free];
}

/**
 * id_outstanding() - Whether an id heads a chain the backend has
 * @r:	Ring
 * @id:	From the backend
 */
static inline bool id_outstanding(const struct ring *r, uint32_t id)
{
	return id < r->size && r->cookie[id] != COOKIE_NONE;
}

/**
 * table_of() - Address of the indirect table of an id for the backend
 * @r:	Ring with tables
 * @id:	Id
 */
static inline uint64_t table_of(const struct ring *r, uint16_t id)
{
	return r->table_addr + (uint64_t)id * r->chain * sizeof(struct vring_desc);
}

#endif /* GUEST_RING_CORE_H */
