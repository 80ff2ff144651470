/* SPDX-License-Identifier: BSD-3-Clause */
/* ring_split.h - The split layout, the driver's side (virtio 1.2, 2.7)
 *
 * Theory of operation
 * ===================
 * Adding writes descriptors and the available entry; publishing makes a burst
 * visible with one store of the index.
 *
 * With EVENT_IDX each side says at which position it wants to hear of the other
 * (2.7.7, 2.7.10), in the entry behind its own ring.  A driver that polls leaves
 * its word where it is, so that it is called once in 2^16 entries.
 *
 * With IN_ORDER a used entry is read once, with all it stands for, into the log.
 *
 * ring.h says what each function is for.
 */
#ifndef GUEST_RING_SPLIT_H
#define GUEST_RING_SPLIT_H

#include "tests/guest/ring_core.h"

/** split_layout() - Take room for the areas */
void split_layout(struct ring *r, struct arena *a, bool straddle);

/** split_init() - Make the areas those of an empty ring */
void split_init(struct ring *r, const struct arena *a);

/** split_add_chain() - Make a chain available that has room */
void split_add_chain(struct ring *r, const struct seg *segs, unsigned int n, uint32_t cookie);

/** split_pending() - Cookies of the chains the backend has not used yet */
uint32_t split_pending(const struct ring *r, uint32_t *cookies, uint32_t max);

/**
 * split_used_event() - Where we say at which position we want to be called
 */
static inline uint16_t *split_used_event(const struct ring *r)
{
	return &r->avail->ring[r->size];
}

/**
 * split_avail_event() - Where the backend says at which it wants to be kicked
 */
static inline const uint16_t *split_avail_event(const struct ring *r)
{
	return (const uint16_t *)&r->used->ring[r->size];
}

/**
 * split_offer() - Write an available entry
 * @bytes:	Of the chain
 */
static inline void split_offer(struct ring *r, uint16_t id, uint32_t bytes)
{
	order_put(r, id, bytes);
	r->avail->ring[r->avail_idx++ & (r->size - 1)] = id;
}

/** split_add() - Make one segment available */
static inline void split_add(struct ring *r, uint64_t addr, uint32_t len, uint32_t cookie)
{
	uint16_t id = id_take(r);

	r->next[id] = id;
	r->cookie[id] = cookie;
	r->desc[id] = (struct vring_desc){.addr = addr, .len = len, .flags = r->write};
	split_offer(r, id, len);
}

/**
 * split_wants_kick() - Whether the backend waits for what was published
 * @r:		Ring
 * @old:	Position before
 */
static inline bool split_wants_kick(const struct ring *r, uint16_t old)
{
	if (r->event_idx)
		return vring_need_event(__atomic_load_n(split_avail_event(r), __ATOMIC_RELAXED),
					r->avail_idx, old);
	return !(__atomic_load_n(&r->used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY);
}

/** split_publish() - Let the backend see what was added, and kick it if it sleeps */
static inline void split_publish(struct ring *r)
{
	uint16_t old = r->published;

	r->published = r->avail_idx;
	__atomic_store_n(&r->avail->idx, r->avail_idx, __ATOMIC_RELEASE);
	/* The backend asks for kicks, then looks at the index once more */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (split_wants_kick(r, old))
		ring_kick(r);
}

/** split_used_count() - Chains that came back */
static inline uint32_t split_used_count(const struct ring *r)
{
	return (uint16_t)(__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) - r->last_used);
}

/** split_read() - With IN_ORDER, read what came back */
static inline uint32_t split_read(struct ring *r)
{
	uint16_t idx = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);

	while (r->last_used != idx && log_count(r) < r->size)
		r->last_used += order_log(r, r->used->ring[r->last_used & (r->size - 1)],
					  (uint16_t)(idx - r->last_used));
	return log_count(r);
}

/** split_peek() - Id of a used entry further on */
static inline uint32_t split_peek(const struct ring *r, unsigned int ahead)
{
	return r->used->ring[(r->last_used + ahead) & (r->size - 1)].id;
}

/** split_take() - The next used entry */
static inline struct vring_used_elem split_take(struct ring *r)
{
	return r->used->ring[r->last_used++ & (r->size - 1)];
}

/** split_arm() - Ask to be called for the next used entry */
static inline void split_arm(struct ring *r)
{
	if (r->event_idx)
		__atomic_store_n(split_used_event(r), r->last_used, __ATOMIC_RELAXED);
}

#endif /* GUEST_RING_SPLIT_H */
