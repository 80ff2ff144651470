/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_burst.h - The first and the last stage of a call: what is there, publish
 *
 * For the split layout; vq_packed.h has those of the packed one.
 *
 * Theory of operation
 * ============ *
 * A call begins with vq_burst_begin(), which finds out how many chains are
 * available, and ends with vq_burst_end(), which makes the used elements written
 * in between visible with one index store, interrupts the guest if it wants
 * that, and adds up counters.
 *
 * We return chains in the order the guest made them available and never hold
 * one back, so that one free-running index serves both rings.
 *
 *   guest                                polling thread
 *   -----                                --------------
 *   write descriptors, ring element
 *   store avail->idx (release)     ==>   load avail->idx (acquire)
 *                                        read descriptors, copy
 *                                        write used elements
 *   load used->idx (acquire)       <==   store used->idx (release)
 *   store avail->flags, full fence,      full fence, load avail->flags:
 *     load used->idx once more             one of us sees the other
 *
 * With VIRTIO_RING_F_EVENT_IDX the guest stores the index it wants to be
 * interrupted at (used_event) in place of the flags, in the same order.  The
 * other way round we put avail_event once where the guest has just been, and
 * leave it there: it kicks when its index has gone all the way round.
 *
 * With VIRTIO_F_IN_ORDER one used element may stand for a batch (virtio 1.2,
 * 2.7.9): where its first chain's would be, with the head of its last.  vq_pull()
 * makes each call a batch.  Its place is found before anything is taken, so that
 * it cannot miss at the end; where that is not one piece of memory, each chain
 * gets its own element, which is a batch as well.  vq_push() always does that: a
 * chain without an element counts as full, and a frame's length is in it.
 *
 * A thread that is about to sleep asks for kicks (vq_listen(), pmd_sleep.h), and
 * takes that back when it polls again (vq_hush()).
 *
 * Threads: all of it in the polling thread (PMD_ONLY).
 */
#ifndef VUNETD_VQ_BURST_H
#define VUNETD_VQ_BURST_H

#include "datapath/vq_area.h"

/**
 * vq_wake() - Whether a ring that is not simply running is to be tried now
 * @vq:		Virtqueue
 * @now:	rte_rdtsc() of this round
 */
bool vq_wake(struct vq *vq, uint64_t now) PMD_ONLY;

/**
 * vq_burst_open() - Reach the ring's indexes, tell the guest not to kick
 * @vq:		Virtqueue
 * @b:		Call
 *
 * Return: false when that has to wait, or the ring was broken
 */
bool vq_burst_open(struct vq *vq, struct vq_burst *b) PMD_ONLY;

/**
 * vq_notify_put() - Write a word of flags or of an event
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @a:		Area
 * @off:	Where the word is
 * @word:	Word
 *
 * In one access wherever its two bytes are neighbours in host memory.
 *
 * Return: false when it does not translate
 */
bool vq_notify_put(struct vq *vq, struct vq_burst *b, struct vq_area *a, uint32_t off,
		   uint16_t word) PMD_ONLY;

/**
 * vq_avail_refresh() - Read the guest's available index
 * @vq:		Virtqueue
 * @b:		Call
 *
 * Return: false when that has to wait, or the ring was broken
 */
bool vq_avail_refresh(struct vq *vq, struct vq_burst *b) PMD_ONLY;

/**
 * vq_notify() - Interrupt the guest unless it asked not to be (vq_call.h)
 * @vq:		Virtqueue that just moved on to vq->next
 * @moved:	by so many positions, at least 1
 * @now:	rte_rdtsc() of this round
 */
void vq_notify(struct vq *vq, uint16_t moved, uint64_t now) PMD_ONLY;

/**
 * vq_burst_ready() - Start a call, in either layout
 * @vq:		Virtqueue
 * @b:		Call, initialised
 * @now:	rte_rdtsc() of this round
 *
 * Return: false when the ring is not to be touched now
 */
static __rte_always_inline bool vq_burst_ready(struct vq *vq, struct vq_burst *b, uint64_t now)
	PMD_ONLY
{
	uint32_t state = atomic_load_explicit(&vq->state, memory_order_relaxed);

	if (unlikely(state != VQ_RUNNING) && !vq_wake(vq, now))
		return false;
	/* Taken before anything is translated: a mapping added meanwhile ends
	 * the sleep of a ring that missed it
	 */
	*b = (struct vq_burst){.fills = iotlb_fills(vq->tlb), .budget = VQ_WALK_BUDGET};
	vq_areas_check(vq);
	return true;
}

/**
 * vq_burst_count() - Add up a call's counters
 * @vq:	Virtqueue
 * @b:	Call
 */
static __rte_always_inline void vq_burst_count(struct vq *vq, const struct vq_burst *b) PMD_ONLY
{
	COUNTER_ADD(vq->counters.packets, b->packets);
	COUNTER_ADD(vq->counters.bytes, b->bytes);
	COUNTER_ADD(vq->counters.hits, b->hits);
}

/**
 * vq_burst_begin() - Start a call
 * @vq:		Virtqueue
 * @b:		Call, initialised
 * @want:	Chains wanted: the index is not read again for fewer
 * @now:	rte_rdtsc() of this round
 *
 * Return: Chains available; 0 also when the ring cannot be used now
 */
static __rte_always_inline uint16_t vq_burst_begin(struct vq *vq, struct vq_burst *b, uint16_t want,
						   uint64_t now) PMD_ONLY
{
	if (!vq_burst_ready(vq, b, now))
		return 0;
	if ((uint16_t)(vq->avail_seen - vq->next) < want && unlikely(!vq_avail_refresh(vq, b)))
		goto out;
	b->left = (uint16_t)(vq->avail_seen - vq->next);
	if (!b->left && likely(vq->quiet))
		return 0;
	if (likely(vq_burst_open(vq, b)))
		return b->left;
out:
	if (b->missed)
		vq_sleep(vq, b, now);
	return 0;
}

/**
 * vq_batch_begin() - See whether one used element can stand for the whole call
 * @vq:	Virtqueue
 * @b:	Call, begun
 */
static __rte_always_inline void vq_batch_begin(struct vq *vq, struct vq_burst *b) PMD_ONLY
{
	if (vq->in_order)
		b->batch = vq_area_at(vq, &vq->used, vq_used_off(vq, vq->next), 8);
}

/**
 * vq_batch_end() - Write the element that stands for the whole call
 * @vq:		Virtqueue
 * @b:		Call, to be published
 * @heads:	Of the chains it began with, untrusted
 * @log:	Whether it is logged
 *
 * Its chains are returned as they were named, whether they were any good or not.
 */
static __rte_always_inline void vq_batch_end(struct vq *vq, const struct vq_burst *b,
					     const uint16_t *heads, const bool log) PMD_ONLY
{
	uint64_t elem;

	if (!b->batch || unlikely(!b->done))
		return;
	elem = heads[b->done - 1];
	memcpy(b->batch, &elem, 8);
	if (log)
		vq_log_note(vq, b->batch, 8);
}

/**
 * vq_burst_end() - Publish what was used, and finish the call
 * @vq:		Virtqueue
 * @b:		Call; its first @b->done heads have their used elements
 * @now:	rte_rdtsc() of this round
 * @log:	Whether what was written is logged
 */
static __rte_always_inline void vq_burst_end(struct vq *vq, struct vq_burst *b, uint64_t now,
					     const bool log) PMD_ONLY
{
	if (likely(b->done)) {
		vq->next = (uint16_t)(vq->next + b->done);
		/* Pairs with the guest's acquire of the used index */
		atomic_store_explicit(b->used_idx, vq->next, memory_order_release);
		if (log)
			vq_log_note(vq, b->used_idx, 2);
		vq_notify(vq, b->done, now);
		vq_burst_count(vq, b);
	}
	if (log)
		vq_log_flush(vq);
	if (unlikely(b->missed))
		vq_sleep(vq, b, now);
}

#endif /* VUNETD_VQ_BURST_H */
