/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_log.c - What a virtqueue writes to guest memory, noted for the dirty log
 *
 * See vq_log.h.
 */
#include "datapath/vq_log.h"

#include <rte_atomic.h>

void vq_log_flush(struct vq *vq)
{
	struct vq_marks *marks = vq->marks;
	uint64_t marked = 0;

	if (!marks->n)
		return;
	/* All that was written is visible before any mark is looked at (dirty_log.h) */
	rte_smp_mb();
	for (uint32_t i = 0; i < marks->n; i++)
		marked += dirty_log_mark(vq->log, marks->pages[i]);
	marks->n = 0;
	COUNTER_ADD(vq->counters.logged, marked);
}

/**
 * note_page() - Note a page, unless it was the last one noted
 * @vq:		Virtqueue
 * @page:	Page
 */
static void note_page(struct vq *vq, uint64_t page) PMD_ONLY
{
	struct vq_marks *marks = vq->marks;

	if (marks->n && marks->pages[marks->n - 1] == page)
		return;
	if (marks->n == VQ_MARKS)
		vq_log_flush(vq);
	marks->pages[marks->n++] = page;
}

void vq_log_note(struct vq *vq, const volatile void *p, uint64_t n)
{
	uintptr_t host = (uintptr_t)p;

	while (n) {
		const struct dirty_region *r = dirty_log_find(vq->log, host);
		uint64_t off, len, first, last;

		if (unlikely(!r)) {
			COUNTER_ADD(vq->counters.err_log, 1);
			return;
		}
		/* What is in one piece here may be two regions side by side */
		off = host - r->host;
		len = RTE_MIN(n, r->size - off);
		first = (r->gpa + off) >> DIRTY_PAGE_SHIFT;
		last = (r->gpa + off + (len - 1)) >> DIRTY_PAGE_SHIFT;
		for (; first <= last; first++)
			note_page(vq, first);
		host += len;
		n -= len;
	}
}
