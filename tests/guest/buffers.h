/* SPDX-License-Identifier: BSD-3-Clause */
/* buffers.h - The pool of packet buffers
 *
 * Theory of operation
 * ===================
 * Buffers lie at equal distances in their arena, so some of them cross pages.
 * Free ones wait in a queue, not on a stack: the whole pool is cycled through,
 * and its size is the working set a backend's IOTLB has to hold.
 *
 * A frame in several mergeable buffers is a list of buffers linked by @next.
 */
#ifndef GUEST_BUFFERS_H
#define GUEST_BUFFERS_H

#include <stdint.h>

#include "tests/guest/memory.h"

#define BUF_NONE  UINT32_MAX
#define BUF_ALIGN 64

enum buf_dir { DIR_RX, DIR_TX };

/**
 * struct buf - A buffer
 * @va:		Its start here; 64 bytes are in one piece
 * @addr:	Its address for the backend, by direction
 * @next:	Next buffer of the same frame, or BUF_NONE
 * @len:	Bytes of a frame in it, its header included
 */
struct buf {
	uint8_t *va;
	uint64_t addr[2];
	uint32_t next;
	uint32_t len;
};

/**
 * struct pool - All buffers
 * @bufs:	Buffers
 * @queue:	Free ones
 * @mask:	Of the queue, whose length is a power of two
 * @head:	Next to take
 * @tail:	Where to put back
 * @n:		Buffers there are
 * @buf_size:	Bytes in each for a backend
 * @stride:	Distance between them
 * @off:	Of the first in its arena
 * @arena:	Arena
 */
struct pool {
	struct buf *bufs;
	uint32_t *queue;
	uint32_t mask;
	uint32_t head;
	uint32_t tail;
	uint32_t n;
	uint32_t buf_size;
	uint32_t stride;
	uint64_t off;
	const struct arena *arena;
};

/**
 * pool_layout() - Take room for the buffers
 * @p:		Zeroed
 * @a:		Arena of buffers
 * @n:		How many
 * @buf_size:	Bytes each
 * @straddle:	Let the first cross a page, and with it more of those behind
 */
void pool_layout(struct pool *p, struct arena *a, uint32_t n, uint32_t buf_size, bool straddle);

/**
 * pool_init() - Make the buffers, all free
 * @p:		From pool_layout()
 * @a:		The same arena, with memory behind it
 *
 * Return: 0 or -ENOMEM
 */
int pool_init(struct pool *p, const struct arena *a);

/**
 * pool_free() - Free what pool_init() made
 * @p:	Or zeroed
 */
void pool_free(struct pool *p);

/**
 * pool_avail() - Free buffers
 * @p:	Pool
 */
static inline uint32_t pool_avail(const struct pool *p)
{
	return p->tail - p->head;
}

/**
 * pool_get() - Take a buffer
 * @p:	Pool with pool_avail() > 0
 */
static inline uint32_t pool_get(struct pool *p)
{
	return p->queue[p->head++ & p->mask];
}

/**
 * pool_put() - Give a buffer back
 * @p:	Pool
 * @id:	Buffer
 */
static inline void pool_put(struct pool *p, uint32_t id)
{
	p->queue[p->tail++ & p->mask] = id;
}

/**
 * pool_off() - Where a buffer is in its arena
 * @p:	Pool
 * @id:	Buffer
 */
static inline uint64_t pool_off(const struct pool *p, uint32_t id)
{
	return p->off + (uint64_t)id * p->stride;
}

#endif /* GUEST_BUFFERS_H */
