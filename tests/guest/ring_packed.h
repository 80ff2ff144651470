/* SPDX-License-Identifier: BSD-3-Clause */
/* ring_packed.h - The packed layout, the driver's side (virtio 1.2, 2.8)
 *
 * Theory of operation
 * ===================
 * One ring of descriptors goes both ways; two bits of each say, against the wrap
 * counters, whose it is.  Adding writes entries, all of them at once valid but
 * the first of a burst, whose flags are held back; publishing stores these, and
 * a backend that goes through the ring in order sees the whole burst.
 *
 * What came back is read once, into a log: how many entries a used descriptor
 * stands for is known by our own record of its id only, so counting what is
 * there is reading it.
 *
 * An id stands in the last entry of a chain (2.8.6); those before carry ids of
 * their own, so that a backend that takes one of these is found out.
 *
 * ring.h says what each function is for.
 */
#ifndef GUEST_RING_PACKED_H
#define GUEST_RING_PACKED_H

#include "tests/guest/ring_core.h"

#define PACKED_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED  (1u << VRING_PACKED_DESC_F_USED)

/** packed_layout() - Take room for the areas */
void packed_layout(struct ring *r, struct arena *a, bool straddle);

/** packed_init() - Make the areas those of an empty ring */
void packed_init(struct ring *r, const struct arena *a);

/** packed_add_chain() - Make a chain available that has room */
void packed_add_chain(struct ring *r, const struct seg *segs, unsigned int n, uint32_t cookie);

/** packed_pending() - Cookies of the chains the backend has not used yet */
uint32_t packed_pending(const struct ring *r, uint32_t *cookies, uint32_t max);

/**
 * packed_wrap() - The wrap counter at a position
 */
static inline bool packed_wrap(const struct ring *r, uint16_t idx)
{
	return !(idx & r->size);
}

/**
 * packed_off_wrap() - A position as event suppression and the protocol write it
 */
static inline uint16_t packed_off_wrap(const struct ring *r, uint16_t idx)
{
	return (uint16_t)((idx & (r->size - 1)) | packed_wrap(r, idx)
							  << VRING_PACKED_EVENT_F_WRAP_CTR);
}

/**
 * packed_slot() - The entry at a position
 */
static inline struct vring_packed_desc *packed_slot(const struct ring *r, uint16_t idx)
{
	return &r->slots[idx & (r->size - 1)];
}

/**
 * packed_write() - Write the next entry
 * @flags:	Without the bits of ownership
 */
static inline void packed_write(struct ring *r, uint64_t addr, uint32_t len, uint16_t id,
				uint16_t flags)
{
	uint16_t idx = r->avail_idx++;
	struct vring_packed_desc *d = packed_slot(r, idx);

	flags |= packed_wrap(r, idx) ? PACKED_AVAIL : PACKED_USED;
	d->addr = addr;
	d->len = len;
	d->id = id;
	if (idx == r->published)
		r->first_flags = flags;
	else
		d->flags = flags;
}

/** packed_add() - Make one segment available */
static inline void packed_add(struct ring *r, uint64_t addr, uint32_t len, uint32_t cookie)
{
	uint16_t id = id_take(r);

	r->next[id] = id;
	r->cookie[id] = cookie;
	r->span[id] = 1;
	order_put(r, id, len);
	packed_write(r, addr, len, id, r->write);
}

/**
 * packed_wants_kick() - Whether the backend waits for what was published
 * @r:		Ring
 * @old:	Position before
 *
 * 2.8.14.  Its two words are read as one, as they belong together.
 */
static inline bool packed_wants_kick(const struct ring *r, uint16_t old)
{
	union {
		uint32_t word;
		struct vring_packed_desc_event event;
	} u = {.word = __atomic_load_n((const uint32_t *)r->device, __ATOMIC_RELAXED)};
	uint16_t idx = r->avail_idx, at = u.event.off_wrap & 0x7fff;

	if (u.event.flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (u.event.flags != VRING_PACKED_EVENT_FLAG_DESC || !r->event_idx)
		return true;
	/* As a position of ours: in this round of the ring, or in the one before */
	at |= idx & ~(r->size - 1);
	if (u.event.off_wrap >> VRING_PACKED_EVENT_F_WRAP_CTR != packed_wrap(r, idx))
		at -= (uint16_t)r->size;
	return vring_need_event(at, idx, old);
}

/** packed_publish() - Let the backend see what was added, and kick it if it sleeps */
static inline void packed_publish(struct ring *r)
{
	uint16_t old = r->published;

	r->published = r->avail_idx;
	__atomic_store_n(&packed_slot(r, old)->flags, r->first_flags, __ATOMIC_RELEASE);
	/* The backend asks for kicks, then looks at the entry once more */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (packed_wants_kick(r, old))
		ring_kick(r);
}

/**
 * packed_is_used() - Whether the backend has used the entry at a position
 * @ret_flags:	Its flags
 */
static inline bool packed_is_used(const struct ring *r, uint16_t idx, uint16_t *ret_flags)
{
	uint16_t flags = __atomic_load_n(&packed_slot(r, idx)->flags, __ATOMIC_ACQUIRE);
	uint16_t both = packed_wrap(r, idx) ? PACKED_AVAIL | PACKED_USED : 0;

	*ret_flags = flags;
	return (flags & (PACKED_AVAIL | PACKED_USED)) == both;
}

/** packed_used_count() - Read what came back */
static inline uint32_t packed_used_count(struct ring *r)
{
	uint16_t flags;

	while (r->last_used != r->published && log_count(r) < r->size &&
	       packed_is_used(r, r->last_used, &flags)) {
		const struct vring_packed_desc *d = packed_slot(r, r->last_used);
		/* The length of what was not written means nothing (2.8.5) */
		struct vring_used_elem e = {
			.id = d->id,
			.len = flags & VRING_DESC_F_WRITE ? d->len : 0,
		};

		if (r->in_order) {
			r->last_used += order_log(r, e, (uint16_t)(r->published - r->last_used));
			continue;
		}
		log_put(r, e.id, e.len);
		r->last_used += id_outstanding(r, e.id) ? r->span[e.id] : 1;
	}
	return log_count(r);
}

/** packed_arm() - Ask to be called for the next used entry */
static inline void packed_arm(struct ring *r)
{
	if (r->event_idx)
		__atomic_store_n(&r->driver->off_wrap, packed_off_wrap(r, r->last_used),
				 __ATOMIC_RELAXED);
}

#endif /* GUEST_RING_PACKED_H */
