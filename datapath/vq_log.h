/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_log.h - What a virtqueue writes to guest memory, noted for the dirty log
 *
 * Theory of operation
 * ===================
 * Whoever stores to guest memory says so right there, with the host address it
 * stored to: vq_log_note().  The pages are collected and marked together at the
 * end of the call (vq_log_flush()), behind one full fence; when there is no room
 * for more, at once.  dirty_log.h says why a mark comes after its write.
 *
 * A page is noted by the address that was stored to, never by translating again:
 * the mapping may have changed meanwhile.  A write that ended in the middle, at
 * a miss, is noted as far as it got.
 *
 * The usual bursts are specialised, with @log a constant (vq_push_variant(),
 * vq_pull_variant()), so that they cost nothing while nothing is logged; what is
 * not in their path asks whether the ring has a log.
 *
 * Who writes what:
 *
 *   frames, virtio-net headers		push_run(), vq_cursor_copy()
 *   used elements, split		vq_used_put_run(), vq_used_put(), vq_batch_end(),
 *					push_return() by way of vq_area_write()
 *   used index				vq_burst_end()
 *   used elements, packed		vq_packed_return(), vq_packed_return_batch(),
 *					push_publish(); the first of a call, which
 *					publishes them, vq_packed_end()
 *   flags and events			vq_notify_put()
 *
 * Threads: all of it in the polling thread (PMD_ONLY).
 */
#ifndef VUNETD_VQ_LOG_H
#define VUNETD_VQ_LOG_H

#include "datapath/dirty_log.h"
#include "datapath/vq_internal.h"

/* Pages a call notes before it marks them: a burst of frames that cross a page,
 * and the ring's own
 */
#define VQ_MARKS 80

/**
 * struct vq_marks - Pages written to and not marked yet
 * @n:		How many
 * @pages:	Guest-physical page numbers
 */
struct vq_marks {
	uint32_t n;
	uint64_t pages[VQ_MARKS];
};

/**
 * vq_log_note() - Note bytes that were written
 * @vq:	Virtqueue with a log
 * @p:	Host address
 * @n:	Bytes
 *
 * Bytes outside the memory table, which nothing maps, would be counted (err_log).
 */
void vq_log_note(struct vq *vq, const volatile void *p, uint64_t n) PMD_ONLY;

/**
 * vq_log_flush() - Mark what was noted
 * @vq:	Virtqueue with a log
 */
void vq_log_flush(struct vq *vq) PMD_ONLY;

/**
 * vq_log_wrote() - Note bytes that were written, if there is a log
 * @vq:	Virtqueue
 * @p:	Host address
 * @n:	Bytes
 */
static inline void vq_log_wrote(struct vq *vq, const volatile void *p, uint64_t n) PMD_ONLY
{
	if (unlikely(vq->log))
		vq_log_note(vq, p, n);
}

#endif /* VUNETD_VQ_LOG_H */
