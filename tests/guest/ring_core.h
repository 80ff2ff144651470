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
 * With IN_ORDER ids go round the ring instead (virtio 1.2, 2.7.5), and a queue
 * keeps the heads in the order they were made available.  A used entry stands
 * for all chains up to the one it names, and where the next one will be follows
 * from how many that are (2.7.9; of packed rings 2.8.8).  So a backend that uses
 * an id before its turn is found out when it uses the one it passed over, or
 * when it says that less was used than its entry stands for.  What is read goes
 * into a log, one entry for each chain.
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
 * @in_order:	IN_ORDER is negotiated
 * @polled:	Ask for no interrupts
 * @straddle:	Let the areas cross pages
 */
struct ring_conf {
	uint32_t size;
	uint32_t chain;
	uint16_t base;
	bool packed;
	bool event_idx;
	bool in_order;
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
 * @free:	Stack of free ids, not used with IN_ORDER
 * @next:	Links of a chain's ids; the last points at itself
 * @cookie:	Of each id that heads an outstanding chain
 * @span:	Packed: entries of the chain an id heads; split: 1
 * @bytes:	IN_ORDER: of that chain
 * @order:	IN_ORDER: heads of outstanding chains, a queue of @size
 * @log:	Packed or IN_ORDER: used chains read and not taken yet, a queue of @size
 * @table:	Indirect tables, @chain entries for each id, or NULL; both layouts'
 *		descriptors take 16 bytes
 * @size:	Entries
 * @n_free:	Height of the stack, or how many it would have
 * @next_id:	IN_ORDER: next id to take
 * @order_head:	Next of @order to be used
 * @order_tail:	Where to put the next
 * @log_head:	Next of @log to take
 * @log_tail:	Where to put the next
 * @avail_idx:	Next available position, published or not
 * @published:	First position the backend does not see yet
 * @last_used:	Next used entry to take, or with a log to be read
 * @first_flags: Packed: flags of the entry at @published, held back
 * @write:	VRING_DESC_F_WRITE if the backend writes into this ring's buffers
 * @chain:	Longest chain an indirect table takes, 0 for no tables
 * @base:	Where the positions began
 * @packed:	Which layout
 * @event_idx:	EVENT_IDX is negotiated
 * @in_order:	IN_ORDER is negotiated
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
	uint32_t *bytes;
	uint16_t *order;
	struct vring_used_elem *log;
	void *table;
	uint32_t size;
	uint32_t n_free;
	uint32_t next_id;
	uint32_t order_head;
	uint32_t order_tail;
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
	bool in_order;
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
 * id_take() - Take a free id
 * @r:	Ring with @n_free > 0
 */
static inline uint16_t id_take(struct ring *r)
{
	r->n_free--;
	return r->in_order ? (uint16_t)(r->next_id++ & (r->size - 1)) : r->free[r->n_free];
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
 * log_put() - Note a used chain
 * @r:		Ring
 * @id:		As the backend says
 * @len:	Bytes it wrote
 */
static inline void log_put(struct ring *r, uint32_t id, uint32_t len)
{
	r->log[r->log_tail++ & (r->size - 1)] = (struct vring_used_elem){.id = id, .len = len};
}

/**
 * log_count() - Chains noted and not taken yet
 * @r:	Ring
 */
static inline uint32_t log_count(const struct ring *r)
{
	return r->log_tail - r->log_head;
}

/**
 * order_put() - With IN_ORDER, note a chain as the last made available
 * @r:		Ring
 * @id:		Its head
 * @bytes:	of it
 */
static inline void order_put(struct ring *r, uint16_t id, uint32_t bytes)
{
	if (!r->in_order)
		return;
	r->bytes[id] = bytes;
	r->order[r->order_tail++ & (r->size - 1)] = id;
}

/**
 * order_span() - Entries of the ring that a used entry stands for
 * @r:		Ring with IN_ORDER
 * @from:	Place in the queue of the chain whose turn it is
 * @id:		Of the used entry
 * @ret_end:	Set to the place behind its chain
 *
 * Return: How many, or 0 when its chain is not there
 */
static inline uint32_t order_span(const struct ring *r, uint32_t from, uint32_t id,
				  uint32_t *ret_end)
{
	uint32_t slots = 0;

	while (from != r->order_tail) {
		uint16_t head = r->order[from++ & (r->size - 1)];

		slots += r->span[head];
		if (head != id)
			continue;
		*ret_end = from;
		return slots;
	}
	return 0;
}

/**
 * order_log() - Note all chains that a used entry stands for
 * @r:		Ring with IN_ORDER
 * @e:		Used entry
 * @room:	Entries of the ring it may stand for
 *
 * Chains it does not name were used completely.
 *
 * Return: Entries of the ring to the next used one
 */
static inline uint16_t order_log(struct ring *r, struct vring_used_elem e, uint32_t room)
{
	uint32_t end, slots = order_span(r, r->order_head, e.id, &end);

	if (!slots || slots > room) {
		/* Taken, it counts as nonsense */
		log_put(r, r->size, 0);
		return 1;
	}
	while (++r->order_head != end) {
		uint16_t head = r->order[(r->order_head - 1) & (r->size - 1)];

		log_put(r, head, r->write ? r->bytes[head] : 0);
	}
	log_put(r, e.id, e.len);
	return (uint16_t)slots;
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
