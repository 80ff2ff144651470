/* SPDX-License-Identifier: BSD-3-Clause */
/* ring.c - One split virtqueue, the driver's side: set-up and chains */
#include "tests/guest/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void ring_layout(struct ring *r, struct arena *a, uint32_t size, uint32_t chain, bool straddle)
{
	/* Pages of 4 KiB can be straddled by all, huge ones by the first only */
	bool all = straddle && a->shift == 12, first = straddle && a->top == 0;
	uint64_t align = straddle ? 16 : 4096;

	r->size = size;
	r->chain = (uint16_t)chain;
	r->desc_off = arena_take(a, size * sizeof(struct vring_desc), align, all || first);
	r->avail_off = arena_take(a, 6 + size * sizeof(uint16_t), align, all);
	r->used_off = arena_take(a, 6 + size * sizeof(struct vring_used_elem), align, all);
	if (chain)
		r->table_off = arena_take(a, (uint64_t)size * chain * sizeof(struct vring_desc),
					  align, all);
}

int ring_init(struct ring *r, const struct arena *a, bool device_writes, bool polled)
{
	uint32_t i;

	r->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->free = calloc(r->size, sizeof(*r->free));
	r->next = calloc(r->size, sizeof(*r->next));
	r->cookie = calloc(r->size, sizeof(*r->cookie));
	if (r->kick_fd < 0 || r->call_fd < 0)
		return -errno;
	if (!r->free || !r->next || !r->cookie)
		return -ENOMEM;
	r->desc = (struct vring_desc *)(a->linear + r->desc_off);
	r->avail = (struct vring_avail *)(a->linear + r->avail_off);
	r->used = (struct vring_used *)(a->linear + r->used_off);
	if (r->chain)
		r->table = (struct vring_desc *)(a->linear + r->table_off);
	r->write = device_writes ? VRING_DESC_F_WRITE : 0;
	r->avail->flags = polled ? VRING_AVAIL_F_NO_INTERRUPT : 0;
	/* The lowest numbers are used first */
	for (i = 0; i < r->size; i++) {
		r->cookie[i] = COOKIE_NONE;
		r->free[i] = (uint16_t)(r->size - 1 - i);
	}
	r->n_free = r->size;
	return 0;
}

void ring_free(struct ring *r)
{
	if (r->free) {
		close(r->kick_fd);
		close(r->call_fd);
	}
	free(r->free);
	free(r->next);
	free(r->cookie);
	memset(r, 0, sizeof(*r));
}

/**
 * add_indirect() - Write a chain into the head's own table
 */
static void add_indirect(struct ring *r, const struct seg *segs, unsigned int n, uint32_t cookie)
{
	uint16_t id = r->free[--r->n_free];
	uint64_t at = (uint64_t)id * r->chain;
	struct vring_desc *t = r->table + at;
	unsigned int i;

	for (i = 0; i < n; i++)
		t[i] = (struct vring_desc){
			.addr = segs[i].addr,
			.len = segs[i].len,
			.flags = r->write | (i + 1 < n ? VRING_DESC_F_NEXT : 0),
			.next = (uint16_t)(i + 1),
		};
	r->next[id] = id;
	r->cookie[id] = cookie;
	r->desc[id] = (struct vring_desc){
		.addr = r->table_addr + at * sizeof(*t),
		.len = n * (uint32_t)sizeof(*t),
		.flags = VRING_DESC_F_INDIRECT,
	};
	r->avail->ring[r->avail_idx++ & (r->size - 1)] = id;
}

bool ring_add_chain(struct ring *r, const struct seg *segs, unsigned int n, uint32_t cookie)
{
	uint16_t id = 0, link = 0;
	unsigned int i;

	if (!ring_room(r, n))
		return false;
	if (n <= r->chain) {
		add_indirect(r, segs, n, cookie);
		return true;
	}
	/* From the end, so that each knows its successor */
	for (i = n; i-- > 0; link = id) {
		id = r->free[--r->n_free];
		r->next[id] = i + 1 < n ? link : id;
		r->desc[id] = (struct vring_desc){
			.addr = segs[i].addr,
			.len = segs[i].len,
			.flags = r->write | (i + 1 < n ? VRING_DESC_F_NEXT : 0),
			.next = i + 1 < n ? link : 0,
		};
	}
	r->cookie[id] = cookie;
	r->avail->ring[r->avail_idx++ & (r->size - 1)] = id;
	return true;
}

void ring_kick(struct ring *r)
{
	uint64_t one = 1;

	r->kicks++;
	/* A full counter means that the backend has yet to wake up anyway */
	if (write(r->kick_fd, &one, sizeof(one)) < 0)
		return;
}
