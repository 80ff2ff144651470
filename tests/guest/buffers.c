/* SPDX-License-Identifier: BSD-3-Clause */
/* buffers.c - The pool of packet buffers: making it */
#include "tests/guest/buffers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void pool_layout(struct pool *p, struct arena *a, uint32_t n, uint32_t buf_size, bool straddle)
{
	p->n = n;
	p->buf_size = buf_size;
	p->stride = (buf_size + BUF_ALIGN - 1) / BUF_ALIGN * BUF_ALIGN;
	p->off = arena_take(a, p->stride, BUF_ALIGN, straddle);
	arena_take(a, (uint64_t)(n - 1) * p->stride, BUF_ALIGN, false);
}

int pool_init(struct pool *p, const struct arena *a)
{
	uint32_t i, room = 1;

	while (room < p->n)
		room *= 2;
	p->arena = a;
	p->mask = room - 1;
	p->bufs = calloc(p->n, sizeof(*p->bufs));
	p->queue = calloc(room, sizeof(*p->queue));
	if (!p->bufs || !p->queue)
		return -ENOMEM;
	for (i = 0; i < p->n; i++) {
		uint64_t off = pool_off(p, i);

		p->bufs[i].va = arena_ptr(a, off, NULL);
		p->bufs[i].addr[DIR_RX] = arena_gpa(a, off);
		p->bufs[i].addr[DIR_TX] = arena_gpa(a, off);
		p->bufs[i].next = BUF_NONE;
		pool_put(p, i);
	}
	return 0;
}

void pool_free(struct pool *p)
{
	free(p->bufs);
	free(p->queue);
	memset(p, 0, sizeof(*p));
}
