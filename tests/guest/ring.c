/* SPDX-License-Identifier: BSD-3-Clause */
/* ring.c - One split virtqueue, the driver's side: set-up and chains */
#include "tests/guest/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void ring_layout(struct ring *vr, struct arena *a, uint32_t size, uint32_t chain, bool straddle)
{
	/* Pages of 4 KiB can be straddled by all, huge ones by the first only */
	bool all = straddle && a->shift == 12, first = straddle && a->top == 0;
	uint64_t align = straddle ? 16 : 4096;

	vr->size = size;
	vr->chain = (uint16_t)chain;
	vr->desc_off = arena_take(a, size * sizeof(struct vring_desc), align, all || first);
	vr->avail_off = arena_take(a, 6 + size * sizeof(uint16_t), align, all);
	vr->used_off = arena_take(a, 6 + size * sizeof(struct vring_used_elem), align, all);
	if (chain)
		vr->table_off = arena_take(a, (uint64_t)size * chain * sizeof(struct vring_desc),
					   align, all);
}

int ring_init(struct ring *vr, const struct arena *a, bool device_writes, bool polled)
{
	uint32_t i;

	vr->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vr->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vr->free = calloc(vr->size, sizeof(*vr->free));
	vr->next = calloc(vr->size, sizeof(*vr->next));
	vr->cookie = calloc(vr->size, sizeof(*vr->cookie));
	if (vr->kick_fd < 0 || vr->call_fd < 0)
		return -errno;
	if (!vr->free || !vr->next || !vr->cookie)
		return -ENOMEM;
	vr->desc = (struct vring_desc *)(a->linear + vr->desc_off);
	vr->avail = (struct vring_avail *)(a->linear + vr->avail_off);
	vr->used = (struct vring_used *)(a->linear + vr->used_off);
	if (vr->chain)
		vr->table = (struct vring_desc *)(a->linear + vr->table_off);
	vr->write = device_writes ? VRING_DESC_F_WRITE : 0;
	vr->avail->flags = polled ? VRING_AVAIL_F_NO_INTERRUPT : 0;
	/* The lowest numbers are used first */
	for (i = 0; i < vr->size; i++) {
		vr->cookie[i] = COOKIE_NONE;
		vr->free[i] = (uint16_t)(vr->size - 1 - i);
	}
	vr->n_free = vr->size;
	return 0;
}

void ring_free(struct ring *vr)
{
	if (vr->free) {
		close(vr->kick_fd);
		close(vr->call_fd);
	}
	free(vr->free);
	free(vr->next);
	free(vr->cookie);
	memset(vr, 0, sizeof(*vr));
}

/**
 * add_indirect() - Write a chain into the head's own table
 */
static void add_indirect(struct ring *vr, const struct seg *segs, unsigned int n, uint32_t cookie)
{
	uint16_t id = vr->free[--vr->n_free];
	uint64_t at = (uint64_t)id * vr->chain;
	struct vring_desc *t = vr->table + at;
	unsigned int i;

	for (i = 0; i < n; i++)
		t[i] = (struct vring_desc){
			.addr = segs[i].addr,
			.len = segs[i].len,
			.flags = vr->write | (i + 1 < n ? VRING_DESC_F_NEXT : 0),
			.next = (uint16_t)(i + 1),
		};
	vr->next[id] = id;
	vr->cookie[id] = cookie;
	vr->desc[id] = (struct vring_desc){
		.addr = vr->table_addr + at * sizeof(*t),
		.len = n * (uint32_t)sizeof(*t),
		.flags = VRING_DESC_F_INDIRECT,
	};
	vr->avail->ring[vr->avail_idx++ & (vr->size - 1)] = id;
}

bool ring_add_chain(struct ring *vr, const struct seg *segs, unsigned int n, uint32_t cookie)
{
	uint16_t id = 0, link = 0;
	unsigned int i;

	if (!ring_room(vr, n))
		return false;
	if (n <= vr->chain) {
		add_indirect(vr, segs, n, cookie);
		return true;
	}
	/* From the end, so that each knows its successor */
	for (i = n; i-- > 0; link = id) {
		id = vr->free[--vr->n_free];
		vr->next[id] = i + 1 < n ? link : id;
		vr->desc[id] = (struct vring_desc){
			.addr = segs[i].addr,
			.len = segs[i].len,
			.flags = vr->write | (i + 1 < n ? VRING_DESC_F_NEXT : 0),
			.next = i + 1 < n ? link : 0,
		};
	}
	vr->cookie[id] = cookie;
	vr->avail->ring[vr->avail_idx++ & (vr->size - 1)] = id;
	return true;
}

void ring_kick(struct ring *vr)
{
	uint64_t one = 1;

	vr->kicks++;
	/* A full counter means that the backend has yet to wake up anyway */
	if (write(vr->kick_fd, &one, sizeof(one)) < 0)
		return;
}
