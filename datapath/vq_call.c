/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_call.c - Interrupting the guest: at once, or a little later
 *
 * See vq_call.h.
 */
#include "datapath/vq_call.h"

#include <errno.h>
#include <unistd.h>

#include <rte_atomic.h>

#include "datapath/call_aio.h"
#include "datapath/vq_burst.h"

/**
 * call_wanted_split() - Whether the guest wants an interrupt for what it got
 * @vq:		Virtqueue whose used index is stored, behind a full fence
 * @moved:	Positions since it was judged last, or VQ_CALL_MANY
 *
 * What the guest says is a hint: when it cannot be read now an interrupt too
 * many is right, one too few is not.  So is the first one after a start: who
 * had the ring before may have published and not interrupted.
 */
static bool call_wanted_split(struct vq *vq, uint16_t moved) PMD_ONLY
{
	uint8_t *p = vq_area_at(vq, &vq->avail,
				vq->event_idx ? VQ_USED_EVENT(vq->size) : VQ_AVAIL_FLAGS, 2);
	bool first = !vq->judged;
	uint16_t word;

	if (!p || (uintptr_t)p & 1)
		return true;
	word = atomic_load_explicit((_Atomic uint16_t *)(void *)p, memory_order_relaxed);
	if (!vq->event_idx)
		return !(word & VRING_AVAIL_F_NO_INTERRUPT);
	vq->judged = true;
	return first || moved == VQ_CALL_MANY ||
	       vring_need_event(word, vq->next, (uint16_t)(vq->next - moved));
}

/**
 * call_wanted_packed() - call_wanted_split() for a packed ring
 * @vq:		Virtqueue whose descriptors are stored, behind a full fence
 * @moved:	Slots since it was judged last, or VQ_CALL_MANY
 *
 * Virtio 1.2, 2.8.10.  A slot of the other wrap counter is one lap behind, and no
 * event tells of more than a lap.
 */
static bool call_wanted_packed(struct vq *vq, uint16_t moved) PMD_ONLY
{
	uint8_t *p = vq_area_at(vq, &vq->avail, 0, 4);
	bool first = !vq->judged;
	uint16_t flags, event;
	uint32_t word;

	if (!p || (uintptr_t)p & 3)
		return true;
	word = atomic_load_explicit((_Atomic uint32_t *)(void *)p, memory_order_relaxed);
	flags = word >> 16 & 3;
	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !vq->event_idx)
		return true;
	vq->judged = true;
	event = word & ~(1u << VRING_PACKED_EVENT_F_WRAP_CTR);
	if (!(word >> VRING_PACKED_EVENT_F_WRAP_CTR & 1) != !vq->wrap)
		event = (uint16_t)(event - vq->size);
	/* Behind a wrap what it moved from is negative, as it is to be here */
	return first || moved > vq->size ||
	       vring_need_event(event, vq->next, (uint16_t)(vq->next - moved));
}

/**
 * call_wanted() - Whether the guest wants an interrupt for what it got
 * @vq:		Virtqueue that published
 * @moved:	Positions since it was judged last, or VQ_CALL_MANY
 */
static bool call_wanted(struct vq *vq, uint16_t moved) PMD_ONLY
{
	/* Orders the store of what was used before the load of what the guest
	 * wants: both sides store, then look, so one of them sees the other
	 */
	rte_smp_mb();
	return vq->packed ? call_wanted_packed(vq, moved) : call_wanted_split(vq, moved);
}

/**
 * call_stop() - Stop a ring whose guest cannot be interrupted without waiting
 * @vq:	Virtqueue
 */
static void call_stop(struct vq *vq) PMD_ONLY
{
	COUNTER_ADD(vq->counters.err_call, 1);
	atomic_store_explicit(&vq->state, VQ_BROKEN, memory_order_relaxed);
}

/**
 * call_distrusted() - Interrupt a guest that was caught with an eventfd that blocks
 * @vq:	Virtqueue
 * @fd:	Its eventfd
 */
static __rte_noinline void call_distrusted(struct vq *vq, int fd) PMD_ONLY
{
	if (call_aio(fd))
		call_stop(vq);
	else
		COUNTER_ADD(vq->counters.calls, 1);
}

/**
 * call_make() - Interrupt the guest
 * @vq:	Virtqueue
 *
 * A full eventfd is an interrupt that is pending already; one that was made to
 * block stops its ring, because it stops this thread until that is noticed
 * (pmd_watch.h), and no ring of this guest does that again.
 */
static void call_make(struct vq *vq) PMD_ONLY
{
	static const uint64_t one = 1;
	/* Pairs with the release in vq_set_call() */
	int fd = atomic_load_explicit(&vq->call_fd, memory_order_acquire);

	if (fd < 0)
		return;
	if (unlikely(vq->call_blocks &&
		     atomic_load_explicit(vq->call_blocks, memory_order_relaxed))) {
		call_distrusted(vq, fd);
		return;
	}
	if (write(fd, &one, sizeof(one)) == (ssize_t)sizeof(one)) {
		COUNTER_ADD(vq->counters.calls, 1);
	} else if (unlikely(errno == EINTR)) {
		if (vq->call_blocks)
			atomic_store_explicit(vq->call_blocks, true, memory_order_relaxed);
		call_stop(vq);
	}
}

/**
 * call_count() - Count positions a call waits for
 * @waits:	So far
 * @moved:	More
 */
static uint16_t call_count(uint32_t waits, uint16_t moved)
{
	return (uint16_t)RTE_MIN(waits + moved, (uint32_t)VQ_CALL_MANY);
}

void vq_notify(struct vq *vq, uint16_t moved, uint64_t now)
{
	if (unlikely(vq->call_waits)) {
		vq->call_waits = call_count(vq->call_waits, moved);
		return;
	}
	if (!call_wanted(vq, moved))
		return;
	if (vq->call_tsc) {
		if (vq->call_at && (int64_t)(now - vq->call_at) < 0) {
			vq->call_waits = moved;
			COUNTER_ADD(vq->counters.calls_delayed, 1);
			return;
		}
		/* One cycle more, so that it is never 0 */
		vq->call_at = (now + vq->call_tsc) | 1;
	}
	call_make(vq);
}

/**
 * call_known() - Whether it is known where a ring is that was taken over
 * @vq:		Virtqueue whose base is uncertain
 * @now:	rte_rdtsc() of this round
 *
 * One nobody sends to is not looked at for any other reason.
 */
static bool call_known(struct vq *vq, uint64_t now) PMD_ONLY
{
	if (vq_wake(vq, now))
		return true;
	vq->call_at = vq->sleep_until;
	if (vq_broken(vq))
		vq->call_waits = 0;
	return false;
}

void vq_call_due(struct vq *vq, uint64_t now)
{
	uint16_t moved = vq->call_waits;

	if (unlikely(vq->uncertain) && !call_known(vq, now))
		return;
	vq->call_waits = 0;
	vq_areas_check(vq);
	if (!call_wanted(vq, moved))
		return;
	vq->call_at = (now + vq->call_tsc) | 1;
	call_make(vq);
}

void vq_call_now(struct vq *vq)
{
	vq->call_waits = 0;
	call_make(vq);
}
