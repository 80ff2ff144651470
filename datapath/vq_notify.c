/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_notify.c - What the guest tells of its ring, and whether it is to kick
 *
 * See vq_burst.h for the handshake; interrupts the other way are in vq_call.c.
 */
#include "datapath/vq_packed.h"
#include "datapath/vq_resume.h"

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

bool vq_notify_put(struct vq *vq, struct vq_burst *b, struct vq_area *a, uint32_t off,
		   uint16_t word)
{
	uint8_t *p = vq_area_at(vq, a, off, 2);
	bool put = true;

	if (unlikely(!p || (uintptr_t)p & 1)) {
		put = vq_area_write(vq, b, a, off, &word, sizeof(word));
	} else {
		atomic_store_explicit((_Atomic uint16_t *)(void *)p, word, memory_order_relaxed);
		vq_log_wrote(vq, p, 2);
	}
	/* Not every caller is in a burst, or goes on with it */
	if (vq->log)
		vq_log_flush(vq);
	return put;
}

bool vq_wake(struct vq *vq, uint64_t now)
{
	if (atomic_load_explicit(&vq->state, memory_order_relaxed) != VQ_ASLEEP)
		return false;
	if (iotlb_fills(vq->tlb) == vq->sleep_fills && (int64_t)(now - vq->sleep_until) < 0)
		return false;
	atomic_store_explicit(&vq->state, VQ_RUNNING, memory_order_relaxed);
	return likely(!vq->uncertain) || vq_resume(vq, now);
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

	if (vq->event_idx && !vq_notify_put(vq, b, &vq->used, VQ_AVAIL_EVENT(vq->size), behind))
		return false;
	vq->quiet = vq_notify_put(vq, b, &vq->used, VQ_USED_FLAGS, flags);
	return vq->quiet;
}

/*
 * Virtio 1.2, 2.7.10: a driver kicks for the chain avail_event names, or without
 * EVENT_IDX while the flags are 0, which they stay with it.  2.8.10: ENABLE asks
 * for every kick, whether events were negotiated or not.
 *
 * A ring that misses a translation is tried again in time, a broken one is not
 * tried at all; neither needs a kick.
 */
bool vq_listen(struct vq *vq)
{
	struct vq_burst b = {0};

	if (atomic_load_explicit(&vq->state, memory_order_relaxed) != VQ_RUNNING)
		return true;
	/* What could not be told the guest at the start comes first */
	if (!vq->quiet)
		return false;
	vq_areas_check(vq);
	vq->listens = true;
	if (vq->packed)
		vq->quiet = vq_notify_put(vq, &b, &vq->used,
					  offsetof(struct vring_packed_desc_event, flags),
					  VRING_PACKED_EVENT_FLAG_ENABLE);
	else if (vq->event_idx)
		vq->quiet = vq_notify_put(vq, &b, &vq->used, VQ_AVAIL_EVENT(vq->size), vq->next);
	else
		vq->quiet = vq_notify_put(vq, &b, &vq->used, VQ_USED_FLAGS, 0);
	return vq->quiet;
}

void vq_hush(struct vq *vq)
{
	if (!vq->listens)
		return;
	vq->listens = false;
	vq->quiet = false;
}

/**
 * notify_available() - Whether the guest has made a chain available
 * @vq:	Virtqueue
 *
 * Return: true also when that cannot be told without a miss
 */
static bool notify_available(struct vq *vq) PMD_ONLY
{
	uint8_t *p;

	vq_areas_check(vq);
	if (vq->packed) {
		p = vq_area_at(vq, &vq->desc, vq->next * 16u + 8, 8);
		if (!p || (uintptr_t)p & 7)
			return true;
		return vq_packed_available(
			atomic_load_explicit((_Atomic uint64_t *)(void *)p, memory_order_relaxed),
			vq->wrap);
	}
	p = vq_area_at(vq, &vq->avail, VQ_AVAIL_IDX, 2);
	if (!p || (uintptr_t)p & 1)
		return true;
	return atomic_load_explicit((_Atomic uint16_t *)(void *)p, memory_order_relaxed) !=
	       vq->next;
}

/**
 * rest_until() - What is left of a time
 * @at:		TSC
 * @now:	TSC
 * @max:	Cycles at most
 */
static uint64_t rest_until(uint64_t at, uint64_t now, uint64_t max)
{
	int64_t left = (int64_t)(at - now);

	return left > 0 ? RTE_MIN((uint64_t)left, max) : 0;
}

uint64_t vq_rest(struct vq *vq, uint64_t now, uint64_t max)
{
	uint32_t state = atomic_load_explicit(&vq->state, memory_order_relaxed);

	if (vq->call_waits)
		max = rest_until(vq->call_at, now, max);
	if (vq_writes(vq))
		return max;
	if (state == VQ_ASLEEP)
		return iotlb_fills(vq->tlb) == vq->sleep_fills
			       ? rest_until(vq->sleep_until, now, max)
			       : 0;
	return state == VQ_RUNNING && notify_available(vq) ? 0 : max;
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
