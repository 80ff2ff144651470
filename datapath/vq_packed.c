/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_packed.c - The slow part of the packed layout: pieces, chains, tables
 *
 * See vq_packed.h.
 */
#include "datapath/vq_packed.h"

enum vq_fetch vq_packed_fetch_hard(struct vq *vq, struct vq_burst *b, const struct vq_pos *pos,
				   struct vq_take *take)
{
	uint32_t off = pos->at * 16u;
	uint8_t *p = vq_area_at(vq, &vq->desc, off + 8, 8);
	_Atomic uint64_t *slot = (_Atomic uint64_t *)(void *)p;
	uint64_t addr, meta;

	/* Told by the window, not by a second look: it may be mapped meanwhile */
	if (!p && !vq->desc.win_len) {
		vq_area_missed(b, &vq->desc, off + 8);
		return VQ_FETCH_MISS;
	}
	/* No page size does this: a word is loaded and stored in one access */
	if (!p || (uintptr_t)p & 7)
		return VQ_FETCH_BAD;
	/* Pairs with the guest's release: the chain is all there */
	meta = atomic_load_explicit(slot, memory_order_acquire);
	if (!vq_packed_available(meta, pos->wrap) || pos->moved >= vq->size)
		return VQ_FETCH_NONE;
	if (!vq_area_read(vq, b, &vq->desc, off, &addr, sizeof(addr)))
		return VQ_FETCH_MISS;
	vq_packed_taken(take, pos, slot, addr, meta);
	if (meta & (uint64_t)VRING_DESC_F_NEXT << 48)
		return vq_packed_extent(vq, b, pos, take);
	return VQ_FETCH_OK;
}

/* The guest writes the first descriptor's flags last, so the others are there
 * whatever their own say (virtio 1.2, 2.8.6).  A chain that does not fit what is
 * left of the ring has no end and no ID: there is no way to return it.
 */
enum vq_fetch vq_packed_extent(struct vq *vq, struct vq_burst *b, const struct vq_pos *pos,
			       struct vq_take *take)
{
	uint32_t limit = RTE_MIN((uint32_t)vq->size - pos->moved, (uint32_t)VQ_CHAIN_MAX);
	struct vq_pos at = *pos;
	uint64_t meta;

	do {
		if (take->n == limit)
			return VQ_FETCH_BAD;
		vq_pos_move(vq, &at, 1);
		take->n++;
		b->budget--;
		if (!vq_area_read(vq, b, &vq->desc, at.at * 16u + 8, &meta, sizeof(meta)))
			return VQ_FETCH_MISS;
	} while (meta >> 48 & VRING_DESC_F_NEXT);
	take->desc.meta = (take->desc.meta & ~VQ_PACKED_ID) | (meta & VQ_PACKED_ID);
	return VQ_FETCH_OK;
}

/**
 * walk_table() - Check all buffers of an indirect table
 * @vq:		Virtqueue
 * @b:		Call; its budget pays
 * @d:		Descriptor that names the table
 * @write:	What is due
 * @segs:	Filled in
 * @chain:	Filled in
 *
 * Virtio 1.2, 2.8.7: the whole table, in order; of the flags only WRITE means
 * something.
 */
static enum vq_verdict walk_table(struct vq *vq, struct vq_burst *b, struct vq_desc d,
				  uint16_t write, struct vq_seg *segs, struct vq_chain *chain)
	PMD_ONLY
{
	uint32_t len = vq_desc_len(d);
	struct vq_area table = {.iova = d.addr, .size = len, .perm = IOTLB_READ};
	enum vq_verdict verdict = VQ_OK;

	if (!vq->indirect || !len || len % sizeof(d))
		return VQ_ERR_INDIRECT;
	if (d.addr + len - 1 < d.addr)
		return VQ_ERR_LENGTH;
	if (len / sizeof(d) > VQ_CHAIN_MAX)
		return VQ_ERR_CHAIN;
	for (uint16_t i = 0; i < len / sizeof(d) && verdict == VQ_OK; i++) {
		b->budget--;
		if (!vq_desc_read(vq, b, &table, i, &d))
			return VQ_MISS;
		verdict = vq_chain_add(vq_packed_desc(d), write, segs, chain);
	}
	return verdict;
}

enum vq_verdict vq_packed_walk(struct vq *vq, struct vq_burst *b, const struct vq_take *take,
			       uint16_t write, struct vq_seg *segs, struct vq_chain *ret_chain)
{
	struct vq_chain chain = {0, 0};
	struct vq_desc d = vq_packed_desc(take->desc);
	enum vq_verdict verdict = VQ_OK;

	for (uint16_t i = 0; i < take->n && verdict == VQ_OK; i++) {
		b->budget--;
		if (i && !vq_packed_follow(vq, b, take, i, &d))
			return VQ_MISS;
		if (!(vq_desc_flags(d) & VRING_DESC_F_INDIRECT))
			verdict = vq_chain_add(d, write, segs, &chain);
		else if (take->n > 1) /* virtio 1.2, 2.8.19: not within a list */
			verdict = VQ_ERR_INDIRECT;
		else
			verdict = walk_table(vq, b, d, write, segs, &chain);
	}
	*ret_chain = chain;
	return verdict;
}

bool vq_packed_open(struct vq *vq, struct vq_burst *b)
{
	vq->quiet = vq_notify_put(vq, b, &vq->used, offsetof(struct vring_packed_desc_event, flags),
				  VRING_PACKED_EVENT_FLAG_DISABLE);
	return vq->quiet;
}
