/* SPDX-License-Identifier: BSD-3-Clause */
/* ring.h - One virtqueue of either layout, the driver's side
 *
 * Theory of operation
 * ===================
 * Adding writes what the backend does not see before ring_publish(), which also
 * kicks unless the backend asked not to be.  What the backend says it used is
 * checked: an id that is not outstanding is counted in @errors and skipped.
 *
 * Each function here is a choice between those of ring_split.h and ring_packed.h;
 * a ring never changes its mind, so the choice costs a branch that is foreseen.
 */
#ifndef GUEST_RING_H
#define GUEST_RING_H

#include "tests/guest/ring_packed.h"
#include "tests/guest/ring_split.h"

/**
 * ring_layout() - Take room for a ring
 * @r:		Zeroed
 * @a:		Arena of rings
 * @conf:	What it is to be like
 */
void ring_layout(struct ring *r, struct arena *a, const struct ring_conf *conf);

/**
 * ring_init() - Make an empty ring where it was laid out
 * @r:		From ring_layout()
 * @a:		The same arena, with memory behind it
 * @device_writes:	Whether buffers of this ring are for receiving
 *
 * Return: 0 or -errno
 */
int ring_init(struct ring *r, const struct arena *a, bool device_writes);

/**
 * ring_free() - Free what ring_init() made
 * @r:	Or zeroed
 */
void ring_free(struct ring *r);

/**
 * ring_base() - Where the positions begin, as SET_VRING_BASE says it
 * @r:	Ring
 */
uint32_t ring_base(const struct ring *r);

/**
 * ring_used_idx() - What its memory says how far a split ring was used
 * @r:	Ring
 */
uint16_t ring_used_idx(const struct ring *r);

/**
 * ring_all_used() - Whether a backend stopped right behind what it has used
 * @r:		Ring nobody serves any more
 * @base:	Answer to GET_VRING_BASE
 */
bool ring_all_used(struct ring *r, uint32_t base);

/**
 * ring_stopped_well() - Whether a backend could have stopped there
 * @r:		Ring
 * @base:	Answer to GET_VRING_BASE
 */
bool ring_stopped_well(const struct ring *r, uint32_t base);

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
 * ring_pending() - Cookies of chains the backend has not used yet, the next first
 * @r:		Ring
 * @cookies:	Filled in
 * @max:	At most so many
 *
 * Return: How many
 */
uint32_t ring_pending(const struct ring *r, uint32_t *cookies, uint32_t max);

/**
 * ring_left() - How many chains the backend has not used yet
 * @r:	Ring
 */
uint32_t ring_left(struct ring *r);

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
	if (r->packed)
		packed_add(r, addr, len, cookie);
	else
		split_add(r, addr, len, cookie);
}

/**
 * ring_publish() - Let the backend see what was added, and kick it if it sleeps
 * @r:	Ring
 */
static inline void ring_publish(struct ring *r)
{
	if (r->published == r->avail_idx)
		return;
	if (r->packed)
		packed_publish(r);
	else
		split_publish(r);
}

/**
 * ring_used_count() - Chains that came back
 * @r:	Ring
 */
static inline uint32_t ring_used_count(struct ring *r)
{
	if (r->packed)
		return packed_used_count(r);
	return r->in_order ? split_read(r) : split_used_count(r);
}

/**
 * ring_peek() - Cookie of a used entry further on, for prefetching
 * @r:		Ring
 * @ahead:	How far on
 */
static inline uint32_t ring_peek(const struct ring *r, unsigned int ahead)
{
	uint32_t id = r->packed || r->in_order ? r->log[(r->log_head + ahead) & (r->size - 1)].id
					       : split_peek(r, ahead);

	return id < r->size ? r->cookie[id] : COOKIE_NONE;
}

/**
 * ring_take() - Take the next used chain off the ring
 * @r:		Ring with ring_used_count() > 0
 * @ret_len:	Bytes the backend says it wrote
 *
 * Its descriptors stay taken until ring_release().
 *
 * Return: Head id, or r->size for nonsense, which is counted
 */
static inline uint32_t ring_take(struct ring *r, uint32_t *ret_len)
{
	struct vring_used_elem e =
		r->packed || r->in_order ? r->log[r->log_head++ & (r->size - 1)] : split_take(r);

	*ret_len = e.len;
	if (id_outstanding(r, e.id))
		return e.id;
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

/**
 * ring_arm() - Ask to be called for the next used entry
 * @r:	Ring that is not polled
 *
 * An entry that came before is not announced any more, so it is looked for.
 *
 * Return: false when there is one, so that nobody should sleep
 */
static inline bool ring_arm(struct ring *r)
{
	if (r->packed)
		packed_arm(r);
	else
		split_arm(r);
	/* The backend publishes, then looks at what we ask for */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !ring_used_count(r);
}

#endif /* GUEST_RING_H */
