/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_resume.h - Taking a ring over where the last backend left it
 *
 * Theory of operation
 * ===================
 * A front-end whose backend was killed says where its rings are as well as it
 * can.  What is true is in the ring: all descriptors up to there were given back,
 * and no other.  One position too far loses a descriptor, one too few uses a
 * buffer that the guest has other plans for.
 *
 * Split: the used index.  We return in order and hold nothing back, so it is the
 * next available index as well.
 *
 * Packed: who wrote a slot last is told by its two flags.
 *
 *              used in this lap   available    used in the last lap
 *   slot   0 | U U U U . U U U | A A A . A A | u u u u u u . u u u |
 *                              ^ the position
 *
 * Equal flags are a *mark*, set by the device at a chain's first slot; their value
 * is the wrap counter of the lap.  Slots without (".") are the chain's others,
 * which stay as the driver wrote them.  A position *fits* when
 *
 *   F1  every mark is of the lap behind it;
 *   F2  its own slot has a mark, or is what the driver wrote in this lap;
 *   F3  the slot behind it has a mark, or is of the next lap already, or ends what
 *       the last mark returned: a chain or, in order, a batch.
 *
 * Where every chain is one slot that is one position and no other.  Otherwise the
 * flags leave a choice, of positions near where the last mark is, and F2 may take a
 * slot that a chain left in the last lap for one of the next.  The journal
 * (vq_journal.h) knows, if it is of this ring's past: the guest may have made it
 * anew, at the same place, while nobody looked.  So what is taken is the first of:
 * the journal's, if it fits; the front-end's, if it fits; the journal's, if it fits
 * F1; one found in the ring as if all chains were of one
 * slot; the front-end's, if it fits F1.  If it does not even that it was used
 * already, and the ring is stopped.  A ring may have got another address while
 * nobody served it: a journal that knows it elsewhere comes behind what is found in
 * the ring unless it fits.
 *
 * All of it is guest memory: what the guest writes there decides where in its own
 * ring we go on, and nothing else.
 *
 * Threads: the polling thread (PMD_ONLY), at the ring's first poll.
 */
#ifndef VUNETD_VQ_RESUME_H
#define VUNETD_VQ_RESUME_H

#include "datapath/vq_internal.h"

/**
 * vq_resume() - Find out where a ring is
 * @vq:		Virtqueue that was started with an uncertain base
 * @now:	rte_rdtsc() of this round
 *
 * Return: false when that has to wait, or the ring was stopped
 */
bool vq_resume(struct vq *vq, uint64_t now) PMD_ONLY;

#endif /* VUNETD_VQ_RESUME_H */
