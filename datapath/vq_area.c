/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_area.c - The slow part of access to descriptor tables and rings
 *
 * See vq_area.h.
 */
#include "datapath/vq_area.h"

/**
 * area_window() - Translate an area from one of its bytes on
 * @vq:		Virtqueue
 * @a:		Area, its window is moved
 * @off:	First byte of the window
 *
 * Return: false when that byte does not translate
 */
static bool area_window(struct vq *vq, struct vq_area *a, uint32_t off) PMD_ONLY
{
	uint64_t len;
	uint8_t *p = iotlb_lookup(vq->tlb, &vq->hints, a->iova + off, a->size - off, a->perm, &len);

	if (!p)
		return false;
	a->host = p;
	a->win_off = off;
	a->win_len = (uint32_t)len;
	return true;
}

/* The window starts at the page's first byte where it can: descriptors are used
 * in any order.  Where the page is mapped in parts it starts at the access.
 */
uint8_t *vq_area_move(struct vq *vq, struct vq_area *a, uint32_t off, uint32_t n)
{
	uint32_t in_page = (uint32_t)((a->iova + off) & (IOTLB_PAGE_SIZE - 1));
	uint32_t from = off - RTE_MIN(in_page, off);

	if (!area_window(vq, a, from) || a->win_len <= off - from) {
		a->win_len = 0;
		if (!area_window(vq, a, off))
			return NULL;
		from = off;
	}
	if (a->win_len - (off - from) < n)
		return NULL;
	return a->host + (off - from);
}

/**
 * area_piece() - The next piece of a scattered access
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @a:		Area
 * @off:	First byte
 * @n:		Bytes wanted
 * @ret_len:	Bytes in this piece
 *
 * Return: Host address or NULL
 */
static uint8_t *area_piece(struct vq *vq, struct vq_burst *b, struct vq_area *a, uint32_t off,
			   uint32_t n, uint32_t *ret_len) PMD_ONLY
{
	uint8_t *p = vq_area_at(vq, a, off, 1);

	if (!p) {
		vq_area_missed(b, a, off);
		return NULL;
	}
	*ret_len = RTE_MIN(n, a->win_len - (off - a->win_off));
	return p;
}

bool vq_area_read(struct vq *vq, struct vq_burst *b, struct vq_area *a, uint32_t off, void *dst,
		  uint32_t n)
{
	uint32_t len;

	for (; n; n -= len, off += len, dst = (uint8_t *)dst + len) {
		const uint8_t *p = area_piece(vq, b, a, off, n, &len);

		if (!p)
			return false;
		memcpy(dst, p, len);
	}
	/* The copy is complete here and the guest's memory not read again */
	asm volatile("" ::: "memory");
	return true;
}

bool vq_area_write(struct vq *vq, struct vq_burst *b, struct vq_area *a, uint32_t off,
		   const void *src, uint32_t n)
{
	uint32_t len;

	for (; n; n -= len, off += len, src = (const uint8_t *)src + len) {
		uint8_t *p = area_piece(vq, b, a, off, n, &len);

		if (!p)
			return false;
		memcpy(p, src, len);
		vq_log_wrote(vq, p, len);
	}
	return true;
}
