/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_area.h - Access to descriptor tables and rings, which are guest memory
 *
 * Theory of operation
 * ===================
 * An area is contiguous in IOVA space and may change host page at any byte.  A
 * *window* is the part of it last translated: an access within the window is one
 * compare.  It stays open from call to call until the IOTLB loses a mapping.  An
 * access beside it moves the window; one that straddles two host pieces is done
 * byte by byte into or out of a local.
 *
 * What is read from guest memory passes through an empty asm statement, so that
 * the compiler must keep the copy and cannot read the guest's memory again
 * between a check and the use.
 *
 * Threads: all of it in the polling thread (PMD_ONLY).
 */
#ifndef VUNETD_VQ_AREA_H
#define VUNETD_VQ_AREA_H

#include <string.h>

#include "datapath/vq_log.h"

/**
 * vq_area_move() - Move an area's window, the slow part of vq_area_at()
 * @vq:		Virtqueue
 * @a:		Area
 * @off:	First byte of the access
 * @n:		Bytes of the access, @off + @n is within the area
 *
 * Return: Host address; NULL when the access straddles, with a window that begins
 *	in it, or when it does not translate, without a window
 */
uint8_t *vq_area_move(struct vq *vq, struct vq_area *a, uint32_t off, uint32_t n) PMD_ONLY;

/**
 * vq_area_read() - Copy out of an area, however it is scattered
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @a:		Area
 * @off:	First byte
 * @dst:	Local memory
 * @n:		Bytes, @off + @n is within the area
 *
 * Return: false when some byte does not translate
 */
bool vq_area_read(struct vq *vq, struct vq_burst *b, struct vq_area *a, uint32_t off, void *dst,
		  uint32_t n) PMD_ONLY;

/**
 * vq_area_write() - Copy into an area, however it is scattered
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @a:		Area
 * @off:	First byte
 * @src:	Local memory
 * @n:		Bytes, @off + @n is within the area
 *
 * Return: false when some byte does not translate; part may be written
 */
bool vq_area_write(struct vq *vq, struct vq_burst *b, struct vq_area *a, uint32_t off,
		   const void *src, uint32_t n) PMD_ONLY;

/**
 * vq_area_near() - Whether a few bytes of an area are in its window
 * @a:		Area
 * @off:	First byte
 * @n:		Bytes
 */
static __rte_always_inline bool vq_area_near(const struct vq_area *a, uint32_t off, uint32_t n)
{
	/* off < win_off wraps to a huge difference and fails as well */
	return likely((uint64_t)(uint32_t)(off - a->win_off) + n <= a->win_len);
}

/**
 * vq_area_at() - Host address of a few bytes of an area
 * @vq:		Virtqueue
 * @a:		Area
 * @off:	First byte
 * @n:		Bytes, @off + @n is within the area
 *
 * Return: Host address, or NULL: use vq_area_read() or vq_area_write()
 */
static __rte_always_inline uint8_t *vq_area_at(struct vq *vq, struct vq_area *a, uint32_t off,
					       uint32_t n) PMD_ONLY
{
	if (vq_area_near(a, off, n))
		return a->host + (off - a->win_off);
	return vq_area_move(vq, a, off, n);
}

/**
 * vq_area_missed() - Note that a byte of an area did not translate
 * @b:		Call
 * @a:		Area
 * @off:	Where
 */
static inline void vq_area_missed(struct vq_burst *b, const struct vq_area *a, uint32_t off)
{
	b->missed = true;
	b->missed_area = true;
	b->miss_iova = a->iova + off;
	b->miss_perm = a->perm;
}

/**
 * vq_areas_check() - Close windows and drop hints that are out of date
 * @vq:	Virtqueue
 *
 * At the start of a call, before anything is translated.
 */
static __rte_always_inline void vq_areas_check(struct vq *vq) PMD_ONLY
{
	if (likely(iotlb_hints_check(vq->tlb, &vq->hints)))
		return;
	vq->desc.win_len = 0;
	vq->avail.win_len = 0;
	vq->used.win_len = 0;
}

/**
 * vq_desc_read() - Copy a descriptor of a table, once
 * @vq:		Virtqueue
 * @b:		Call
 * @table:	Descriptor table, the ring's or an indirect one
 * @i:		Index, checked to lie in the table
 * @d:		Local copy
 *
 * Return: false when it does not translate
 */
static __rte_always_inline bool vq_desc_read(struct vq *vq, struct vq_burst *b,
					     struct vq_area *table, uint16_t i, struct vq_desc *d)
	PMD_ONLY
{
	uint32_t off = i * 16u;
	struct vq_desc copy;
	const uint8_t *p;

	if (unlikely(!vq_area_near(table, off, 16))) {
		if (!vq_area_read(vq, b, table, off, &copy, sizeof(copy)))
			return false;
		*d = copy;
		return true;
	}
	/* Word by word: as one vector it would reach the registers by way of memory */
	p = table->host + (off - table->win_off);
	memcpy(&d->addr, p, 8);
	asm volatile("" : "+r"(d->addr));
	memcpy(&d->meta, p + 8, 8);
	asm volatile("" : "+r"(d->meta));
	return true;
}

/**
 * vq_heads_read() - Copy heads of available chains
 * @vq:		Virtqueue
 * @b:		Call
 * @idx:	Free-running index of the first
 * @heads:	Local copy, not yet checked
 * @n:		How many, at most the ring's size
 *
 * Return: false when one of them does not translate
 */
static __rte_always_inline bool vq_heads_read(struct vq *vq, struct vq_burst *b, uint16_t idx,
					      uint16_t *heads, uint16_t n) PMD_ONLY
{
	uint32_t at = idx & vq->mask;
	uint32_t run = RTE_MIN((uint32_t)n, vq->size - at);

	if (!vq_area_read(vq, b, &vq->avail, VQ_AVAIL_RING + at * 2, heads, run * 2))
		return false;
	if (likely(run == n))
		return true;
	return vq_area_read(vq, b, &vq->avail, VQ_AVAIL_RING, heads + run, (n - run) * 2);
}

/**
 * vq_used_off() - Where in its area a used element is
 * @vq:		Virtqueue
 * @idx:	Free-running index
 */
static __rte_always_inline uint32_t vq_used_off(const struct vq *vq, uint16_t idx)
{
	return VQ_USED_RING + (idx & vq->mask) * 8u;
}

/**
 * vq_used_put() - Write a used element, not yet visible to the guest
 * @vq:		Virtqueue
 * @b:		Call
 * @idx:	Free-running index
 * @id:		Head of the chain that goes back
 * @len:	Bytes written to it
 *
 * Return: false when the element's place does not translate
 */
static __rte_always_inline bool vq_used_put(struct vq *vq, struct vq_burst *b, uint16_t idx,
					    uint16_t id, uint32_t len) PMD_ONLY
{
	uint32_t off = vq_used_off(vq, idx);
	uint64_t elem = (uint64_t)len << 32 | id;
	uint8_t *p = vq_area_at(vq, &vq->used, off, 8);

	if (unlikely(!p))
		return vq_area_write(vq, b, &vq->used, off, &elem, 8);
	memcpy(p, &elem, 8);
	vq_log_wrote(vq, p, 8);
	return true;
}

/**
 * vq_used_put_run() - Write used elements that are neighbours in the ring
 * @vq:		Virtqueue
 * @b:		Call
 * @idx:	Free-running index of the first
 * @heads:	Of the chains that go back
 * @lens:	Bytes written to each, or NULL where nothing is
 * @n:		How many
 * @log:	Whether they are logged
 *
 * Where they lie together in host memory it is asked once, not for each: what is
 * left is a loop of stores, which the compiler makes wide ones.
 *
 * Return: How many were written; fewer when a place does not translate
 */
static __rte_always_inline uint16_t vq_used_put_run(struct vq *vq, struct vq_burst *b, uint16_t idx,
						    const uint16_t *heads, const uint32_t *lens,
						    uint16_t n, const bool log) PMD_ONLY
{
	uint32_t i = 0;

	while (i < n) {
		uint16_t at = (uint16_t)(idx + i);
		uint32_t off = vq_used_off(vq, at);
		uint8_t *p = vq_area_at(vq, &vq->used, off, 8);
		const uint8_t *from = p;
		uint32_t end;

		if (unlikely(!p)) {
			if (!vq_used_put(vq, b, at, heads[i], lens ? lens[i] : 0))
				break;
			i++;
			continue;
		}
		/* As far as the window and the ring go */
		end = RTE_MIN((vq->used.win_len - (off - vq->used.win_off)) / 8,
			      (uint32_t)vq->size - (at & vq->mask));
		end = RTE_MIN(i + end, (uint32_t)n);
		for (; i < end; i++, p += 8) {
			uint64_t elem = (lens ? (uint64_t)lens[i] << 32 : 0) | heads[i];

			memcpy(p, &elem, 8);
		}
		if (log)
			vq_log_note(vq, from, (uint64_t)(p - from));
	}
	return (uint16_t)i;
}

#endif /* VUNETD_VQ_AREA_H */
