/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_copy.c - The slow part of finding a buffer
 *
 * See vq_copy.h.
 */
#include "datapath/vq_copy.h"

bool vq_pieces_find_hard(struct vq *vq, struct vq_burst *b, uint64_t iova, uint32_t len,
			 uint8_t perm, uint32_t head, struct vq_pieces *p)
{
	uint64_t got;

	p->p0 = iotlb_lookup(vq->tlb, &vq->hints, iova, len, perm, &got);
	if (!p->p0 || got < head)
		return false;
	p->n0 = (uint32_t)got;
	p->n1 = len - p->n0;
	if (!p->n1)
		return true;
	if (iova + got < iova)
		return false;
	p->p1 = iotlb_lookup(vq->tlb, &vq->hints, iova + got, p->n1, perm, &got);
	if (!p->p1 || got < p->n1)
		return false;
	b->hits++;
	return true;
}
