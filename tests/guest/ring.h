/* SPDX-License-Identifier: BSD-3-Clause */
/* ring.h - One split virtqueue, the driver's side (virtio 1.2, 2.7)
 *
 * Theory of operation
 * ===================
 * Free descriptors are a stack.  A chain takes as many as it has segments, its
 * head carries the chain's cookie, and a private copy of the `next` links is
 * what is followed when it comes back: the backend cannot mislead us.
 *
 * Adding writes descriptors and the available entry; ring_publish() makes a
 * burst visible with one store, and kicks unless the backend asked not to be.
 * What the backend says it used is checked: an id that is not outstanding is
 * counted in @errors and skipped.
 */
#ifndef GUEST_RING_H
#define GUEST_RING_H

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
 * struct ring - A virtqueue
 *
 * First what every burst touches.
 *
 * @desc:	Descriptor table
 * @avail:	Available ring
 * @used:	Used ring
 * @free:	Stack of free descriptors
 * @next:	Our copy of the links; the last of a chain points at itself
 * @cookie:	Of each descriptor that heads an outstanding chain
 * @table:	Indirect tables, @chain entries for each descriptor, or NULL
 * @size:	Entries
 * @n_free:	Height of the stack
 * @avail_idx:	Next available index, published or not
 * @last_used:	Next used index to look at
 * @write:	VRING_DESC_F_WRITE if the backend writes into this ring's buffers
 * @chain:	Longest chain an indirect table takes, 0 for no tables
 * @kick_fd:	eventfd to the backend
 * @call_fd:	eventfd from it
 * @kicks:	Sent
 * @errors:	Used entries that make no sense
 * @desc_off:	Where the areas are in their arena
 * @avail_off:	Where the areas are in their arena
 * @used_off:	Where the areas are in their arena
 * @table_off:	Where the areas are in their arena
 * @table_addr:	Address of the tables for the backend
 */
struct ring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t *free;
	uint16_t *next;
	uint32_t *cookie;
	struct vring_desc *table;
	uint32_t size;
	uint32_t n_free;
	uint16_t avail_idx;
	uint16_t last_used;
	uint16_t write;
	uint16_t chain;
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
 * ring_layout() - Take room for a ring
 * @r:		Zeroed
 * @a:		Arena of rings
 * @size:	Entries
 * @chain:	Longest chain for indirect tables, 0 for none
 * @straddle:	Let the areas cross pages
 */
void ring_layout(struct ring *r, struct arena *a, uint32_t size, uint32_t chain, bool straddle);

/**
 * ring_init() - Make an empty ring where it was laid out
 * @r:		From ring_layout()
 * @a:		The same arena, with memory behind it
 * @device_writes:	Whether buffers of this ring are for receiving
 * @polled:	Ask for no interrupts
 *
 * Return: 0 or -errno
 */
int ring_init(struct ring *r, const struct arena *a, bool device_writes, bool polled);

/**
 * ring_free() - Free what ring_init() made
 * @r:	Or zeroed
 */
void ring_free(struct ring *r);

/**
 * ring_add_chain() - Make a chain available
 * @r:		Ring
 * @segs:	Segments
 * @n:		How many
 * @cookie:	Given back when used
 *
 * Return: false when there are not enough descriptors
 */
bool ring_add_chain(struct ring *r, const struct seg *segs, unsigned int n, uint32_t cookie);

/**
 * ring_kick() - Tell the backend that there is something to do
 * @r:	Ring
 */
void ring_kick(struct ring *r);

/**
 * ring_room() - Whether a chain of that many segments can be added
 */
static inline bool ring_room(const struct ring *r, unsigned int n)
{
	return r->n_free >= (n <= r->chain ? 1 : n);
}

/**
 * ring_add() - Make one segment available
 * @r:		Ring that has room
 * @addr:	Address for the backend
 * @len:	Bytes
 * @cookie:	Given back when used
 *
 * The short way for chains of one.
 */
static inline void ring_add(struct ring *r, uint64_t addr, uint32_t len, uint32_t cookie)
{
	uint16_t id = r->free[--r->n_free];

	r->next[id] = id;
	r->cookie[id] = cookie;
	r->desc[id] = (struct vring_desc){.addr = addr, .len = len, .flags = r->write};
	r->avail->ring[r->avail_idx++ & (r->size - 1)] = id;
}

/**
 * ring_publish() - Let the backend see what was added, and kick it if it sleeps
 * @r:	Ring
 */
static inline void ring_publish(struct ring *r)
{
	if (r->avail->idx == r->avail_idx)
		return;
	__atomic_store_n(&r->avail->idx, r->avail_idx, __ATOMIC_RELEASE);
	/* The backend clears NO_NOTIFY, then looks at the index once more */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&r->used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY))
		ring_kick(r);
}

/**
 * ring_used_count() - Chains that came back
 * @r:	Ring
 */
static inline uint32_t ring_used_count(const struct ring *r)
{
	return (uint16_t)(__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) - r->last_used);
}

/**
 * ring_peek() - Cookie of a used entry further on, for prefetching
 * @r:		Ring
 * @ahead:	How far on
 */
static inline uint32_t ring_peek(const struct ring *r, unsigned int ahead)
{
	uint32_t id = r->used->ring[(r->last_used + ahead) & (r->size - 1)].id;

	return id < r->size ? r->cookie[id] : COOKIE_NONE;
}

/**
 * ring_take() - Take the next used chain off the ring
 * @r:		Ring with ring_used_count() > 0
 * @ret_len:	Bytes the backend says it wrote
 *
 * Its descriptors stay taken until ring_release().
 *
 * Return: Head descriptor, or r->size for nonsense, which is counted
 */
static inline uint32_t ring_take(struct ring *r, uint32_t *ret_len)
{
	const struct vring_used_elem *e = &r->used->ring[r->last_used++ & (r->size - 1)];
	uint32_t id = e->id;

	*ret_len = e->len;
	if (id < r->size && r->cookie[id] != COOKIE_NONE)
		return id;
	r->errors++;
	return r->size;
}

/**
 * ring_release() - Give the descriptors of a chain back
 * @r:		Ring
 * @id:		Head, from ring_take()
 */
static inline void ring_release(struct ring *r, uint32_t id)
{
	for (;;) {
		uint16_t next = r->next[id];

		r->cookie[id] = COOKIE_NONE;
		r->free[r->n_free++] = (uint16_t)id;
		if (next == id)
			return;
		id = next;
	}
}

#endif /* GUEST_RING_H */
