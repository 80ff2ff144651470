/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_copy.h - Moving bytes between guest buffers and mbufs
 *
 * Theory of operation
 * ===================
 * The fast path has one or two host pointers for a frame and calls vq_copy().
 * The slow path has a list of segments that may each lie in many host pieces;
 * a *cursor* runs along it, translating as it goes.  A copy that ends in a miss
 * leaves a part behind where nobody looks: nothing of the frame was consumed or
 * published yet.
 */
#ifndef VUNETD_VQ_COPY_H
#define VUNETD_VQ_COPY_H

#include <string.h>

#include "datapath/vq_log.h"

/* 16 bytes in a vector register, at any address */
typedef uint64_t vq_block __attribute__((vector_size(16), aligned(1), may_alias));

/**
 * vq_copy_ends() - Copy @n bytes as blocks from the front and from the back
 * @d:		To
 * @s:		From
 * @n:		Bytes, from 16 * @blocks to 32 * @blocks
 * @blocks:	Constant, at most 4
 *
 * The two runs overlap in the middle: no loop, no branch, no call.  All is
 * loaded before anything is stored.
 */
static __rte_always_inline void vq_copy_ends(uint8_t *d, const uint8_t *s, size_t n,
					     const unsigned int blocks)
{
	vq_block head[4], tail[4];

	for (unsigned int i = 0; i < blocks; i++) {
		head[i] = *(const vq_block *)(s + 16 * i);
		tail[i] = *(const vq_block *)(s + n - 16 * (i + 1));
	}
	for (unsigned int i = 0; i < blocks; i++) {
		*(vq_block *)(d + 16 * i) = head[i];
		*(vq_block *)(d + n - 16 * (i + 1)) = tail[i];
	}
}

/**
 * vq_copy() - memcpy() with the short lengths inline
 * @dst:	To
 * @src:	From, no byte beyond @n
 * @n:		Bytes
 */
static __rte_always_inline void vq_copy(void *dst, const void *src, size_t n)
{
	if (n > 128 || n < 16)
		memcpy(dst, src, n);
	else if (n > 64)
		vq_copy_ends(dst, src, n, 4);
	else if (n > 32)
		vq_copy_ends(dst, src, n, 2);
	else
		vq_copy_ends(dst, src, n, 1);
}

/**
 * struct vq_pieces - Where a buffer of one or two pieces is in host memory
 * @p0:	First piece
 * @p1:	Second piece
 * @n0:	Bytes in the first
 * @n1:	Bytes in the second, often 0: then @p1 means nothing
 */
struct vq_pieces {
	uint8_t *p0;
	uint8_t *p1;
	uint32_t n0;
	uint32_t n1;
};

/**
 * vq_pieces_find_hard() - vq_pieces_find() for what no hint answers at once
 */
bool vq_pieces_find_hard(struct vq *vq, struct vq_burst *b, uint64_t iova, uint32_t len,
			 uint8_t perm, uint32_t head, struct vq_pieces *p) PMD_ONLY;

/**
 * vq_pieces_find() - Translate a buffer
 * @vq:		Virtqueue
 * @b:		Call, counts a second hit; the first is the caller's to count
 * @iova:	Address, untrusted
 * @len:	Bytes, at least 1
 * @perm:	What the access needs
 * @head:	Bytes that must be in the first piece
 * @p:		Filled in
 *
 * Return: false when it has more pieces, wraps, or does not translate
 */
static __rte_always_inline bool vq_pieces_find(struct vq *vq, struct vq_burst *b, uint64_t iova,
					       uint32_t len, uint8_t perm, uint32_t head,
					       struct vq_pieces *p) PMD_ONLY
{
	uint64_t more;
	void *host;

	if (unlikely(!iotlb_hint_find(&vq->hints, iova, perm, &host, &more)) ||
	    unlikely(len - 1 > more))
		return vq_pieces_find_hard(vq, b, iova, len, perm, head, p);
	p->p0 = host;
	p->n0 = len;
	p->n1 = 0;
	return true;
}

/**
 * struct vq_cursor - A place in a list of segments
 * @seg:	Current segment
 * @off:	Bytes of it that are behind us
 *
 * The list must have as many bytes as are asked for: callers check the total.
 */
struct vq_cursor {
	const struct vq_seg *seg;
	uint32_t off;
};

/**
 * vq_cursor_skip() - Leave bytes out
 * @c:	Cursor
 * @n:	Bytes
 */
static inline void vq_cursor_skip(struct vq_cursor *c, uint32_t n)
{
	while (n >= c->seg->len - c->off) {
		n -= c->seg->len - c->off;
		c->seg++;
		c->off = 0;
		if (!n)
			return;
	}
	c->off += n;
}

/**
 * vq_cursor_copy() - Copy between the cursor and local memory
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @c:		Cursor, moved on
 * @local:	Local memory
 * @n:		Bytes
 * @write:	To the guest's buffers, else from them
 *
 * Return: false when a byte does not translate
 */
static inline bool vq_cursor_copy(struct vq *vq, struct vq_burst *b, struct vq_cursor *c,
				  void *local, uint32_t n, const bool write) PMD_ONLY
{
	uint8_t perm = write ? IOTLB_WRITE : IOTLB_READ;
	uint8_t *l = local;

	while (n) {
		uint32_t want = RTE_MIN(n, c->seg->len - c->off);
		uint64_t len;
		uint8_t *p =
			iotlb_lookup(vq->tlb, &vq->hints, c->seg->iova + c->off, want, perm, &len);

		if (unlikely(!p)) {
			b->missed = true;
			return false;
		}
		b->hits++;
		vq_copy(write ? p : l, write ? l : p, len);
		if (write)
			vq_log_wrote(vq, p, len);
		l += len;
		n -= (uint32_t)len;
		c->off += (uint32_t)len;
		if (c->off == c->seg->len) {
			c->seg++;
			c->off = 0;
		}
	}
	return true;
}

#endif /* VUNETD_VQ_COPY_H */
