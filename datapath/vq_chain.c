/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_chain.c - Following a chain of descriptors that a guest wrote, split layout
 *
 * Theory of operation
 * ===================
 * A chain begins in the ring's table and may end in one indirect table (virtio
 * 1.2, 2.7.5.3: normal descriptors may precede it, nothing follows it, tables
 * do not nest).  Each descriptor is a local copy when it gets here; it is
 * checked, then becomes a segment.  Nothing is translated but tables.
 *
 * A loop needs no memory of where we were: it exceeds the longest chain a guest
 * may build.
 */
#include "datapath/vq_area.h"

static const size_t chain_counter[] = {
	[VQ_ERR_INDEX] = offsetof(struct vq_counters, err_index),
	[VQ_ERR_CHAIN] = offsetof(struct vq_counters, err_chain),
	[VQ_ERR_INDIRECT] = offsetof(struct vq_counters, err_indirect),
	[VQ_ERR_DIRECTION] = offsetof(struct vq_counters, err_direction),
	[VQ_ERR_LENGTH] = offsetof(struct vq_counters, err_length),
};

void vq_chain_count(struct vq *vq, enum vq_verdict verdict)
{
	uint64_t *c = (uint64_t *)((char *)&vq->counters + chain_counter[verdict]);

	COUNTER_ADD(*c, 1);
}

/**
 * struct walk - Where in a chain we are
 * @table:	Table the chain is in now
 * @entries:	Its size in descriptors
 * @limit:	Descriptors the chain may still have there
 */
struct walk {
	struct vq_area *table;
	uint32_t entries;
	uint32_t limit;
};

/**
 * walk_enter() - Go on in an indirect table
 * @vq:		Virtqueue
 * @w:		Walk
 * @d:		Descriptor that names the table
 * @indirect:	Area to describe the table in
 *
 * Return: VQ_OK or what is wrong
 */
static enum vq_verdict walk_enter(const struct vq *vq, struct walk *w, struct vq_desc d,
				  struct vq_area *indirect)
{
	uint32_t len = vq_desc_len(d);

	if (!vq->indirect || w->table == indirect || (vq_desc_flags(d) & VRING_DESC_F_NEXT) ||
	    !len || len % sizeof(d))
		return VQ_ERR_INDIRECT;
	if (d.addr + len - 1 < d.addr)
		return VQ_ERR_LENGTH;
	*indirect = (struct vq_area){.iova = d.addr, .size = len, .perm = IOTLB_READ};
	w->table = indirect;
	w->entries = len / sizeof(d);
	/* An indirect chain may be longer than the ring: Linux makes such */
	w->limit = RTE_MIN(w->entries, (uint32_t)VQ_CHAIN_MAX);
	return VQ_OK;
}

enum vq_verdict vq_chain_walk(struct vq *vq, struct vq_burst *b, struct vq_desc first,
			      uint16_t write, struct vq_seg *segs, struct vq_chain *ret_chain)
{
	struct walk w = {&vq->desc, vq->size, RTE_MIN(vq->size, (uint16_t)VQ_CHAIN_MAX)};
	struct vq_chain chain = {0, 0};
	struct vq_desc d = first;
	struct vq_area indirect;
	enum vq_verdict verdict;
	uint16_t next;

	for (;;) {
		b->budget--;
		if (vq_desc_flags(d) & VRING_DESC_F_INDIRECT) {
			verdict = walk_enter(vq, &w, d, &indirect);
			next = 0;
		} else {
			/* Counted before it is added: segs never overflows */
			if (!w.limit-- || chain.n_segs == VQ_CHAIN_MAX)
				return VQ_ERR_CHAIN;
			verdict = vq_chain_add(d, write, segs, &chain);
			if (verdict == VQ_OK && !(vq_desc_flags(d) & VRING_DESC_F_NEXT))
				break;
			next = vq_desc_next(d);
		}
		if (verdict != VQ_OK)
			return verdict;
		if (next >= w.entries)
			return VQ_ERR_INDEX;
		if (!vq_desc_read(vq, b, w.table, next, &d))
			return VQ_MISS;
	}
	*ret_chain = chain;
	return VQ_OK;
}
