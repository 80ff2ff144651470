/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_packed.h - The packed layout: one ring for what is available and used
 *
 * Theory of operation
 * ===================
 * Guest and device write the same descriptors (virtio 1.2, 2.8).  Two flags and
 * a counter of each side that flips where the ring wraps tell whose one is.  The
 * flags share an aligned 64-bit word with length and buffer ID, so that one load
 * takes a consistent descriptor and one store returns it:
 *
 *   guest                                polling thread
 *   -----                                --------------
 *   write a chain's other descriptors
 *   store its first's flags (release) ==> load the first's word (acquire)
 *                                         follow NEXT to the end: extent and ID
 *                                         read descriptors, copy
 *                                         store the words of all chains of the
 *                                         burst but the first
 *   load the first's flags (acquire)  <== store the first's word (release)
 *
 * A chain lies in neighbouring slots, so its end must be found before the next
 * one can.  That is done when it is fetched, along with nothing else; the extent
 * found then holds, whatever the guest writes later.  The used element goes to
 * the chain's first slot: its address was translated by the fetch and is kept,
 * so that returning a chain cannot miss.
 *
 * Nothing may be written early as in the split layout, where the used index
 * covers it: a used element takes its descriptor's place.  Should we be killed
 * between the first of them and the one that publishes, the daemon that comes
 * after us finds what they took the place of in the journal (vq_journal.h).
 *
 * With VIRTIO_F_IN_ORDER the call's first used element, with the ID of its last
 * chain, stands for all of them (virtio 1.2, 2.8.8).  As in the split layout
 * (vq_burst.h) that is for vq_pull() only.
 *
 * Threads: all of it in the polling thread (PMD_ONLY).
 */
#ifndef VUNETD_VQ_PACKED_H
#define VUNETD_VQ_PACKED_H

#include "datapath/vq_burst.h"
#include "datapath/vq_journal.h"

static_assert(sizeof(struct vring_packed_desc) == 16, "virtio 1.2, 2.8.13");
static_assert(offsetof(struct vring_packed_desc, len) == 8, "length, ID, flags: one word");

/* Of the flags, what marks a descriptor available and used */
#define VQ_PACKED_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define VQ_PACKED_USED	(1u << VRING_PACKED_DESC_F_USED)
static_assert(VQ_PACKED_USED == VQ_PACKED_AVAIL << 8, "for vq_packed_used()");
/* In a descriptor's second word: what a chain of one that is available has of
 * these marks, and where the buffer ID is
 */
#define VQ_PACKED_MARKS ((uint64_t)(VQ_PACKED_AVAIL | VQ_PACKED_USED | VRING_DESC_F_NEXT) << 48)
#define VQ_PACKED_ID	((uint64_t)UINT16_MAX << 32)
/* Those that mean the same in both layouts */
#define VQ_PACKED_COMMON (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)

/**
 * struct vq_take - An available chain
 * @desc:	Its first descriptor as it was read, with the last one's ID
 * @slot:	Where its used element goes
 * @at:		Slot number
 * @n:		Slots it takes
 *
 * The wrap counter at its first slot is the AVAIL flag of the descriptor.
 */
struct vq_take {
	struct vq_desc desc;
	_Atomic uint64_t *slot;
	uint16_t at;
	uint16_t n;
};

/**
 * enum vq_fetch - What is there
 * @VQ_FETCH_OK:	a chain
 * @VQ_FETCH_NONE:	nothing yet
 * @VQ_FETCH_MISS:	cannot tell yet, some of it does not translate
 * @VQ_FETCH_BAD:	a chain without an end, or words in pieces: the ring cannot
 *			go on
 */
enum vq_fetch { VQ_FETCH_OK, VQ_FETCH_NONE, VQ_FETCH_MISS, VQ_FETCH_BAD };

/**
 * vq_packed_fetch_hard() - vq_packed_fetch() for what is not in one piece
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @pos:	Where
 * @take:	Filled in
 */
enum vq_fetch vq_packed_fetch_hard(struct vq *vq, struct vq_burst *b, const struct vq_pos *pos,
				   struct vq_take *take) PMD_ONLY;

/**
 * vq_packed_extent() - Find the end of a chain
 * @vq:		Virtqueue
 * @b:		Call; its budget pays
 * @pos:	Where the chain begins
 * @take:	The chain, its first descriptor fetched; gets length and ID
 */
enum vq_fetch vq_packed_extent(struct vq *vq, struct vq_burst *b, const struct vq_pos *pos,
			       struct vq_take *take) PMD_ONLY;

/**
 * vq_packed_walk() - vq_chain_walk() for a packed chain
 * @vq:		Virtqueue
 * @b:		Call; its budget pays for the descriptors
 * @take:	The chain
 * @write:	VRING_DESC_F_WRITE where buffers must be writable, 0 where readable
 * @segs:	Filled in, room for VQ_CHAIN_MAX
 * @ret_chain:	Filled in
 *
 * Return: VQ_OK; VQ_MISS; what is wrong with the chain
 */
enum vq_verdict vq_packed_walk(struct vq *vq, struct vq_burst *b, const struct vq_take *take,
			       uint16_t write, struct vq_seg *segs, struct vq_chain *ret_chain)
	PMD_ONLY;

/**
 * vq_packed_open() - Tell the guest not to kick, at the start
 * @vq:	Virtqueue
 * @b:	Call
 *
 * Return: false when that has to wait
 */
bool vq_packed_open(struct vq *vq, struct vq_burst *b) PMD_ONLY;

/**
 * vq_pos_move() - Go on in the ring
 * @vq:		Virtqueue
 * @pos:	Position
 * @n:		Slots, at most the ring's size
 */
static __rte_always_inline void vq_pos_move(const struct vq *vq, struct vq_pos *pos, uint16_t n)
{
	uint32_t at = (uint32_t)pos->at + n;

	pos->moved = (uint16_t)(pos->moved + n);
	if (unlikely(at >= vq->size)) {
		at -= vq->size;
		pos->wrap = !pos->wrap;
	}
	pos->at = (uint16_t)at;
}

/**
 * vq_packed_desc() - A descriptor as the split layout has it
 * @d:	As it is in memory: address; length, ID, flags
 */
static __rte_always_inline struct vq_desc vq_packed_desc(struct vq_desc d)
{
	return (struct vq_desc){
		.addr = d.addr,
		.meta = (uint32_t)d.meta | (d.meta >> 48 & VQ_PACKED_COMMON) << 32,
	};
}

/**
 * vq_packed_available() - Whether a descriptor is the device's
 * @meta:	Its second word
 * @wrap:	Wrap counter there
 */
static __rte_always_inline bool vq_packed_available(uint64_t meta, bool wrap)
{
	uint32_t flags = (uint32_t)(meta >> 48);

	return (flags & (VQ_PACKED_AVAIL | VQ_PACKED_USED)) ==
	       (wrap ? VQ_PACKED_AVAIL : VQ_PACKED_USED);
}

/**
 * vq_packed_taken() - Note a chain that was found
 * @take:	Filled in
 * @pos:	Where it is
 * @slot:	Its first descriptor's second word
 * @addr:	First word as read
 * @meta:	Second word as read
 */
static __rte_always_inline void vq_packed_taken(struct vq_take *take, const struct vq_pos *pos,
						_Atomic uint64_t *slot, uint64_t addr,
						uint64_t meta)
{
	*take = (struct vq_take){
		.desc = {.addr = addr, .meta = meta},
		.slot = slot,
		.at = pos->at,
		.n = 1,
	};
}

/**
 * vq_packed_fetch() - Look for a chain
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @pos:	Where
 * @take:	Filled in when there is one
 */
static __rte_always_inline enum vq_fetch vq_packed_fetch(struct vq *vq, struct vq_burst *b,
							 const struct vq_pos *pos,
							 struct vq_take *take) PMD_ONLY
{
	uint8_t *p = vq_area_at(vq, &vq->desc, pos->at * 16u, 16);
	_Atomic uint64_t *slot;
	uint64_t addr, meta;

	if (unlikely(!p) || unlikely((uintptr_t)p & 7))
		return vq_packed_fetch_hard(vq, b, pos, take);
	slot = (_Atomic uint64_t *)(void *)(p + 8);
	/* Pairs with the guest's release: the chain is all there */
	meta = atomic_load_explicit(slot, memory_order_acquire);
	/* The whole ring is in this call already: what a guest claims beyond that
	 * is a second use of what it has not got back */
	if (!vq_packed_available(meta, pos->wrap) || unlikely(pos->moved >= vq->size))
		return VQ_FETCH_NONE;
	memcpy(&addr, p, sizeof(addr));
	asm volatile("" : "+r"(addr));
	vq_packed_taken(take, pos, slot, addr, meta);
	if (unlikely(meta & (uint64_t)VRING_DESC_F_NEXT << 48))
		return vq_packed_extent(vq, b, pos, take);
	return VQ_FETCH_OK;
}

/**
 * vq_packed_fetch_plain() - Look for chains of one descriptor that lie together
 * @vq:		Virtqueue
 * @pos:	Where; moves on behind those found
 * @takes:	Filled in
 * @max:	Room there
 *
 * What vq_packed_fetch() asks for each is asked once: where the ring is in host
 * memory, where it ends, how much of it is in this call already.  Whatever ends
 * the run is left to that one.
 *
 * Return: How many there are
 */
static __rte_always_inline uint16_t vq_packed_fetch_plain(struct vq *vq, struct vq_pos *pos,
							  struct vq_take *takes, uint16_t max)
	PMD_ONLY
{
	uint64_t want = (uint64_t)(pos->wrap ? VQ_PACKED_AVAIL : VQ_PACKED_USED) << 48;
	uint32_t off = pos->at * 16u, end, i;
	uint8_t *p = vq_area_at(vq, &vq->desc, off, 16);

	if (unlikely(!p) || unlikely((uintptr_t)p & 7))
		return 0;
	end = (vq->desc.win_len - (off - vq->desc.win_off)) / 16;
	end = RTE_MIN(end, (uint32_t)vq->size - pos->at);
	end = RTE_MIN(end, (uint32_t)vq->size - pos->moved);
	end = RTE_MIN(end, (uint32_t)max);
	for (i = 0; i < end; i++, p += 16) {
		_Atomic uint64_t *slot = (_Atomic uint64_t *)(void *)(p + 8);
		/* Pairs with the guest's release: the chain is all there */
		uint64_t addr, meta = atomic_load_explicit(slot, memory_order_acquire);

		if ((meta & VQ_PACKED_MARKS) != want)
			break;
		memcpy(&addr, p, sizeof(addr));
		asm volatile("" : "+r"(addr));
		takes[i] = (struct vq_take){
			.desc = {.addr = addr, .meta = meta},
			.slot = slot,
			.at = (uint16_t)(pos->at + i),
			.n = 1,
		};
	}
	vq_pos_move(vq, pos, (uint16_t)i);
	return (uint16_t)i;
}

/**
 * vq_packed_fetch_run() - Look for as many chains as a burst takes
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @takes:	Filled in
 * @max:	Room there
 *
 * What is wrong behind the first chain is left to the call that finds it first.
 *
 * Return: How many there are
 */
static __rte_always_inline uint16_t vq_packed_fetch_run(struct vq *vq, struct vq_burst *b,
							struct vq_take *takes, uint16_t max)
	PMD_ONLY
{
	enum vq_fetch got = VQ_FETCH_NONE;
	struct vq_pos pos = b->pos;
	uint16_t n = vq_packed_fetch_plain(vq, &pos, takes, max);

	while (n < max && b->budget > 0) {
		got = vq_packed_fetch(vq, b, &pos, &takes[n]);
		if (got != VQ_FETCH_OK)
			break;
		vq_pos_move(vq, &pos, takes[n++].n);
		n = (uint16_t)(n + vq_packed_fetch_plain(vq, &pos, takes + n, (uint16_t)(max - n)));
	}
	if (likely(got <= VQ_FETCH_NONE))
		return n;
	if (n || b->pos.moved)
		b->missed = false;
	else if (got == VQ_FETCH_BAD)
		vq_break(vq);
	return n;
}

/**
 * vq_packed_follow() - Copy a later descriptor of a chain
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @take:	Chain
 * @i:		Which, from 1 and below its length
 * @d:		Local copy, as the split layout has it
 *
 * Return: false when it does not translate
 */
static __rte_always_inline bool vq_packed_follow(struct vq *vq, struct vq_burst *b,
						 const struct vq_take *take, uint16_t i,
						 struct vq_desc *d) PMD_ONLY
{
	uint32_t at = (uint32_t)take->at + i;

	at -= at >= vq->size ? vq->size : 0;
	if (unlikely(!vq_desc_read(vq, b, &vq->desc, (uint16_t)at, d)))
		return false;
	*d = vq_packed_desc(*d);
	return true;
}

/**
 * vq_packed_used() - A used element
 * @take:	Chain that goes back
 * @len:	Bytes written to it
 */
static __rte_always_inline uint64_t vq_packed_used(const struct vq_take *take, uint32_t len)
{
	uint64_t avail = take->desc.meta & (uint64_t)VQ_PACKED_AVAIL << 48;
	uint64_t write = len ? (uint64_t)VRING_DESC_F_WRITE << 48 : 0;

	/* Both marks are the wrap counter, which one of an available chain's is */
	return avail << 8 | avail | write | (take->desc.meta & VQ_PACKED_ID) | len;
}

/**
 * vq_packed_put() - Write a used element
 * @b:		Call
 * @slot:	Where the chain began
 * @used:	From vq_packed_used()
 *
 * The guest looks at them in order, so it sees none before the call's first one.
 */
static __rte_always_inline void vq_packed_put(struct vq_burst *b, _Atomic uint64_t *slot,
					      uint64_t used) PMD_ONLY
{
	if (likely(b->first)) {
		atomic_store_explicit(slot, used, memory_order_relaxed);
		return;
	}
	b->first = slot;
	b->first_used = used;
}

/**
 * vq_packed_note() - Put a chain's word into the journal, where it does not count yet
 * @vq:		Virtqueue
 * @i:		Which word
 * @take:	The chain
 */
static __rte_always_inline void vq_packed_note(struct vq *vq, uint32_t i,
					       const struct vq_take *take) PMD_ONLY
{
	if (likely(vq->journal) && likely(i < VQ_JOURNAL_MAX))
		vq->journal->undo[i] = (struct vq_undo){take->desc.meta, take->at};
}

/**
 * vq_packed_keep() - Let the words count: used elements take their place next
 * @vq:		Virtqueue
 * @b:		Call
 * @n:		How many more
 */
static __rte_always_inline void vq_packed_keep(struct vq *vq, struct vq_burst *b, uint16_t n)
	PMD_ONLY
{
	uint16_t from = vq_pos_half(vq->next, vq->wrap);

	b->kept += n;
	/* One alone is published as soon as it is written */
	if (likely(vq->journal) && b->kept > 1)
		vq_journal_store(vq->journal, vq_journal_word(from, from, b->kept));
}

/**
 * vq_packed_return_batch() - Return chains as part of the call's one batch
 * @vq:		Virtqueue, in order
 * @b:		Call; its first used element stands for these as well
 * @takes:	Chains from the call's position on
 * @n:		How many
 *
 * No bytes were written to any.  Flags are those of the batch's first slot, the
 * only one that is written, by vq_packed_end().
 */
static __rte_always_inline void vq_packed_return_batch(struct vq *vq, struct vq_burst *b,
						       const struct vq_take *takes, uint16_t n)
	PMD_ONLY
{
	uint16_t slots = 0;

	if (unlikely(!n))
		return;
	if (likely(!b->first))
		vq_packed_put(b, takes->slot, vq_packed_used(takes, 0));
	b->first_used &= ~VQ_PACKED_ID;
	b->first_used |= takes[n - 1].desc.meta & VQ_PACKED_ID;
	for (uint16_t i = 0; i < n; i++)
		slots = (uint16_t)(slots + takes[i].n);
	vq_pos_move(vq, &b->pos, slots);
}

/**
 * vq_packed_return() - Return chains, and go on behind them
 * @vq:		Virtqueue
 * @b:		Call
 * @takes:	Chains from the call's position on
 * @lens:	Bytes written to each, or NULL where nothing is
 * @n:		How many
 * @log:	Whether their used elements are logged
 */
static __rte_always_inline void vq_packed_return(struct vq *vq, struct vq_burst *b,
						 const struct vq_take *takes, const uint32_t *lens,
						 uint16_t n, const bool log) PMD_ONLY
{
	uint16_t slots = 0;

	for (uint16_t i = 0; i < n; i++)
		vq_packed_note(vq, b->kept + i, &takes[i]);
	vq_packed_keep(vq, b, n);
	for (uint16_t i = 0; i < n; i++) {
		vq_packed_put(b, takes[i].slot, vq_packed_used(&takes[i], lens ? lens[i] : 0));
		/* The call's first is not written before its end */
		if (log && takes[i].slot != b->first)
			vq_log_note(vq, takes[i].slot, 8);
		slots = (uint16_t)(slots + takes[i].n);
	}
	vq_pos_move(vq, &b->pos, slots);
}

/**
 * vq_packed_begin() - vq_burst_begin() for a packed ring
 * @vq:		Virtqueue
 * @b:		Call, initialised
 * @now:	rte_rdtsc() of this round
 *
 * Return: false when the ring cannot be used now
 */
static __rte_always_inline bool vq_packed_begin(struct vq *vq, struct vq_burst *b, uint64_t now)
	PMD_ONLY
{
	if (!vq_burst_ready(vq, b, now))
		return false;
	b->pos = (struct vq_pos){.at = vq->next, .wrap = vq->wrap};
	b->left = UINT16_MAX;
	if (likely(vq->quiet) || vq_packed_open(vq, b))
		return true;
	if (b->missed)
		vq_sleep(vq, b, now);
	return false;
}

/**
 * vq_packed_end() - vq_burst_end() for a packed ring
 * @vq:		Virtqueue
 * @b:		Call
 * @now:	rte_rdtsc() of this round
 * @log:	Whether what was written is logged
 */
static __rte_always_inline void vq_packed_end(struct vq *vq, struct vq_burst *b, uint64_t now,
					      const bool log) PMD_ONLY
{
	if (likely(b->first)) {
		if (likely(vq->journal))
			vq_journal_store(vq->journal,
					 vq_journal_word(vq_pos_half(vq->next, vq->wrap),
							 vq_pos_half(b->pos.at, b->pos.wrap),
							 b->kept));
		vq->next = b->pos.at;
		vq->wrap = b->pos.wrap;
		vq->seq = (uint16_t)(vq->seq + b->pos.moved);
		/* Pairs with the guest's acquire of these flags */
		atomic_store_explicit(b->first, b->first_used, memory_order_release);
		if (log)
			vq_log_note(vq, b->first, 8);
		vq_notify(vq, b->pos.moved, now);
		vq_burst_count(vq, b);
	}
	if (log)
		vq_log_flush(vq);
	if (unlikely(b->missed))
		vq_sleep(vq, b, now);
}

#endif /* VUNETD_VQ_PACKED_H */
