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

#include "datapath/vq_internal.h"

/**
 * vq_copy() - memcpy() with the short lengths inline
 * @dst:	To
 * @src:	From, read once, and no byte beyond @n
 * @n:		Bytes
 *
 * Up to 128 bytes are two overlapping blocks of a constant size each, which
 * the compiler turns into plain vector moves: no loop, no call.
 */
static __rte_always_inline void vq_copy(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;
	struct {
		uint64_t v[8];
	} head, tail;

	if (n > 128 || n < 16) {
		memcpy(dst, src, n);
	} else if (n <= 32) {
		memcpy(&head, s, 16);
		memcpy(&tail, s + n - 16, 16);
		memcpy(d, &head, 16);
		memcpy(d + n - 16, &tail, 16);
	} else if (n <= 64) {
		memcpy(&head, s, 32);
		memcpy(&tail, s + n - 32, 32);
		memcpy(d, &head, 32);
		memcpy(d + n - 32, &tail, 32);
	} else {
		memcpy(&head, s, 64);
		memcpy(&tail, s + n - 64, 64);
		memcpy(d, &head, 64);
		memcpy(d + n - 64, &tail, 64);
	}
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
