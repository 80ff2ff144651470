/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_call.h - Interrupting the guest: at once, or a little later
 *
 * Theory of operation
 * ===================
 * After each burst the guest is interrupted if it wants that (virtio 1.2, 2.7.7
 * and 2.8.10).  One that polls says so, and pays nothing.
 *
 * One that sleeps until it is interrupted may be given a rest between two
 * interrupts ([guest] call_interval_us).  The first after a quiet time is made at
 * once, so that a single frame is not late.  One that falls into the interval
 * behind another *waits*, and stands for whatever is used until it is made, which
 * the polling thread does when the interval is over, with or without further
 * traffic (vq_call_poll(), once per round).
 *
 * What the guest wants is judged at the burst, so that a call nobody wants never
 * waits, and again when the call is due, so that a guest is left in peace that
 * meanwhile took everything by itself, or polls now.  Nothing is lost by the
 * second look, for the same reason as by the first:
 *
 *   guest                            polling thread
 *   -----                            --------------
 *   store flags or event             store used index or flags, at the burst
 *   full fence                       full fence, before each look
 *   load used index or flags         load flags or event
 *
 * Where a look misses the guest's store, the guest's load finds all that was used
 * before the look, and the guest does not go to sleep.  The second look judges
 * every position since the burst whose call began to wait, so that an event which
 * the guest put between two bursts is found too; where they are too many to be
 * told apart, the call is made.
 *
 * A ring that is taken away with a call waiting gets it from another thread's
 * hand (pmd_call()), because only poll-mode threads are watched while they write
 * to a descriptor that the front-end may have made to block (pmd_watch.h).
 *
 * Threads: all of it in the polling thread (PMD_ONLY).
 */
#ifndef VUNETD_VQ_CALL_H
#define VUNETD_VQ_CALL_H

#include "datapath/vq_internal.h"

/* Positions passed while a call waits, when they are too many to count */
#define VQ_CALL_MANY UINT16_MAX

/**
 * vq_call_due() - Make the call that has waited, if it is still wanted
 * @vq:		Virtqueue, one call of which waits
 * @now:	rte_rdtsc() of this round
 */
void vq_call_due(struct vq *vq, uint64_t now) PMD_ONLY;

/**
 * vq_call_poll() - Make the call that has waited long enough, if there is one
 * @vq:		Virtqueue
 * @now:	rte_rdtsc() of this round
 *
 * Context: once per round, whatever the ring's state.
 */
static inline void vq_call_poll(struct vq *vq, uint64_t now) PMD_ONLY
{
	if (unlikely(vq->call_waits) && (int64_t)(now - vq->call_at) >= 0)
		vq_call_due(vq, now);
}

#endif /* VUNETD_VQ_CALL_H */
