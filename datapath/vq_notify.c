/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_notify.c - What the guest tells of its ring, and whether it is to kick
 *
 * See vq_burst.h for the handshake; interrupts the other way are in vq_call.c.
 */
#include "datapath/vq_burst.h"

/**
 * notify_word() - Host address of a 16-bit index or flags word
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @a:		Area
 * @off:	Where the word is
 *
 * An index is loaded and stored in one access, so its two bytes must be
 * neighbours in host memory and aligned.  Every page size gives that; a front-
 * end that maps single bytes elsewhere stops its ring.
 *
 * Return: Host address; NULL after a miss, or when the ring was broken
 */
static _Atomic uint16_t *notify_word(struct vq *vq, struct vq_burst *b, struct vq_area *a,
				     uint32_t off) PMD_ONLY
{
	uint8_t *p = vq_area_at(vq, a, off, 2);

	if (likely(p && !((uintptr_t)p & 1)))
		return (_Atomic uint16_t *)(void *)p;
	/* Told by the window, not by a second look: it may be mapped meanwhile */
	if (!p && !a->win_len)
		vq_area_missed(b, a, off);
	else
		vq_break(vq);
	return NULL;
}

bool vq_wake(struct vq *vq, uint64_t now)
{
	if (atomic_load_explicit(&vq->state, memory_order_relaxed) != VQ_ASLEEP)
		return false;
	if (iotlb_fills(vq->tlb) == vq->sleep_fills && (int64_t)(now - vq->sleep_until) < 0)
		return false;
	atomic_store_explicit(&vq->state, VQ_RUNNING, memory_order_relaxed);
	return true;
}

/**
 * notify_hush() - Tell the guest not to kick
 * @vq:	Virtqueue
 * @b:	Call, told of a miss
 *
 * Virtio 1.2, 2.7.10: the flags, which must be 0 with EVENT_IDX.  An avail_event
 * right behind the guest's index is as far ahead of it as can be said.
 *
 * Return: false when that has to wait
 */
static bool notify_hush(struct vq *vq, struct vq_burst *b) PMD_ONLY
{
	uint16_t flags = vq->event_idx ? 0 : VRING_USED_F_NO_NOTIFY;
	uint16_t behind = (uint16_t)(vq->next - 1);

	if (vq->event_idx &&
	    !vq_area_write(vq, b, &vq->used, VQ_AVAIL_EVENT(vq->size), &behind, sizeof(behind)))
		return false;
	vq->quiet = vq_area_write(vq, b, &vq->used, VQ_USED_FLAGS, &flags, sizeof(flags));
	return vq->quiet;
}

bool vq_burst_open(struct vq *vq, struct vq_burst *b)
{
	if (unlikely(!vq->quiet) && !notify_hush(vq, b))
		return false;
	b->used_idx = notify_word(vq, b, &vq->used, VQ_USED_IDX);
	return b->used_idx;
}

bool vq_avail_refresh(struct vq *vq, struct vq_burst *b)
{
	_Atomic uint16_t *p = notify_word(vq, b, &vq->avail, VQ_AVAIL_IDX);
	uint16_t idx;

	if (unlikely(!p))
		return false;
	/* Pairs with the guest's release: what it made available is visible */
	idx = atomic_load_explicit(p, memory_order_acquire);
	if (unlikely((uint16_t)(idx - vq->next) > vq->size)) {
		vq_break(vq);
		return false;
	}
	vq->avail_seen = idx;
	return true;
}

void vq_break(struct vq *vq)
{
	COUNTER_ADD(vq->counters.err_ring, 1);
	atomic_store_explicit(&vq->state, VQ_BROKEN, memory_order_relaxed);
}
