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
 * @vr:		Zeroed
 * @a:		Arena of rings
 * @size:	Entries
 * @chain:	Longest chain for indirect tables, 0 for none
 * @straddle:	Let the areas cross pages
 */
void ring_layout(struct ring *vr, struct arena *a, uint32_t size, uint32_t chain, bool straddle);

/**
 * ring_init() - Make an empty ring where it was laid out
 * @vr:		From ring_layout()
 * @a:		The same arena, with memory behind it
 * @device_writes:	Whether buffers of this ring are for receiving
 * @polled:	Ask for no interrupts
 *
 * Return: 0 or -errno
 */
int ring_init(struct ring *vr, const struct arena *a, bool device_writes, bool polled);

/**
 * ring_free() - Free what ring_init() made
 * @vr:	Or zeroed
 */
void ring_free(struct ring *vr);

/**
 * ring_add_chain() - Make a chain available
 * @vr:		Ring
 * @segs:	Segments
 * @n:		How many
 * @cookie:	Given back when used
 *
 * Return: false when there are not enough descriptors
 */
bool ring_add_chain(struct ring *vr, const struct seg *segs, unsigned int n, uint32_t cookie);

/**
 * ring_kick() - Tell the backend that there is something to do
 * @vr:	Ring
 */
void ring_kick(struct ring *vr);

/**
 * ring_room() - Whether a chain of that many segments can be added
 */
static inline bool ring_room(const struct ring *vr, unsigned int n)
{
	return vr->n_free >= (n <= vr->chain ? 1 : n);
}

/**
 * ring_add() - Make one segment available
 * @vr:		Ring that has room
 * @addr:	Address for the backend
 * @len:	Bytes
 * @cookie:	Given back when used
 *
 * The short way for chains of one.
 */
static inline void ring_add(struct ring *vr, uint64_t addr, uint32_t len, uint32_t cookie)
{
	uint16_t id = vr->free[--vr->n_free];

	vr->next[id] = id;
	vr->cookie[id] = cookie;
	vr->desc[id] = (struct vring_desc){.addr = addr, .len = len, .flags = vr->write};
	vr->avail->ring[vr->avail_idx++ & (vr->size - 1)] = id;
}

/**
 * ring_publish() - Let the backend see what was added, and kick it if it sleeps
 * @vr:	Ring
 */
static inline void ring_publish(struct ring *vr)
{
	if (vr->avail->idx == vr->avail_idx)
		return;
	__atomic_store_n(&vr->avail->idx, vr->avail_idx, __ATOMIC_RELEASE);
	/* The backend clears NO_NOTIFY, then looks at the index once more */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(&vr->used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY))
		ring_kick(vr);
}

/**
 * ring_used_count() - Chains that came back
 * @vr:	Ring
 */
static inline uint32_t ring_used_count(const struct ring *vr)
{
	return (uint16_t)(__atomic_load_n(&vr->used->idx, __ATOMIC_ACQUIRE) - vr->last_used);
}

/**
 * ring_peek() - Cookie of a used entry further on, for prefetching
 * @vr:		Ring
 * @ahead:	How far on
 */
static inline uint32_t ring_peek(const struct ring *vr, unsigned int ahead)
{
	uint32_t id = vr->used->ring[(vr->last_used + ahead) & (vr->size - 1)].id;

	return id < vr->size ? vr->cookie[id] : COOKIE_NONE;
}

/**
 * ring_take() - Take the next used chain off the ring
 * @vr:		Ring with ring_used_count() > 0
 * @ret_len:	Bytes the backend says it wrote
 *
 * Its descriptors stay taken until ring_release().
 *
 * Return: Head descriptor, or vr->size for nonsense, which is counted
 */
static inline uint32_t ring_take(struct ring *vr, uint32_t *ret_len)
{
	const struct vring_used_elem *e = &vr->used->ring[vr->last_used++ & (vr->size - 1)];
	uint32_t id = e->id;

	*ret_len = e->len;
	if (id < vr->size && vr->cookie[id] != COOKIE_NONE)
		return id;
	vr->errors++;
	return vr->size;
}

/**
 * ring_release() - Give the descriptors of a chain back
 * @vr:		Ring
 * @id:		Head, from ring_take()
 */
static inline void ring_release(struct ring *vr, uint32_t id)
{
	for (;;) {
		uint16_t next = vr->next[id];

		vr->cookie[id] = COOKIE_NONE;
		vr->free[vr->n_free++] = (uint16_t)id;
		if (next == id)
			return;
		id = next;
	}
}

#endif /* GUEST_RING_H */
