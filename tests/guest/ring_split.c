/* SPDX-License-Identifier: BSD-3-Clause */
/* ring_split.c - The split layout, the driver's side: set-up and chains */
#include "tests/guest/ring_split.h"

void split_layout(struct ring *r, struct arena *a, bool straddle)
{
	/* Pages of 4 KiB can be straddled by all, huge ones by the first only */
	bool all = straddle && a->shift == 12, first = straddle && a->top == 0;
	uint64_t align = straddle ? 16 : 4096;

	r->desc_off = arena_take(a, r->size * sizeof(struct vring_desc), align, all || first);
	r->avail_off = arena_take(a, 6 + r->size * sizeof(uint16_t), align, all);
	r->used_off = arena_take(a, 6 + r->size * sizeof(struct vring_used_elem), align, all);
}

void split_init(struct ring *r, const struct arena *a)
{
	r->desc = (struct vring_desc *)(a->linear + r->desc_off);
	r->avail = (struct vring_avail *)(a->linear + r->avail_off);
	r->used = (struct vring_used *)(a->linear + r->used_off);
	r->avail->idx = r->base;
	r->used->idx = r->base;
	/* With EVENT_IDX the flags mean nothing and must be 0 (2.7.7.1) */
	r->avail->flags = r->polled && !r->event_idx ? VRING_AVAIL_F_NO_INTERRUPT : 0;
	*split_used_event(r) = (uint16_t)(r->base - r->polled);
}

/**
 * add_indirect() - Write a chain into the head's own table
 */
static void add_indirect(struct ring *r, const struct seg *segs, unsigned int n, uint32_t cookie)
{
	uint16_t id = id_take(r);
	struct vring_desc *t = (struct vring_desc *)r->table + (uint64_t)id * r->chain;
	unsigned int i;
	uint32_t bytes = 0;

	for (i = 0; i < n; i++) {
		t[i] = (struct vring_desc){
			.addr = segs[i].addr,
			.len = segs[i].len,
			.flags = r->write | (i + 1 < n ? VRING_DESC_F_NEXT : 0),
			.next = (uint16_t)(i + 1),
		};
		bytes += segs[i].len;
	}
	r->next[id] = id;
	r->cookie[id] = cookie;
	r->desc[id] = (struct vring_desc){
		.addr = table_of(r, id),
		.len = n * (uint32_t)sizeof(*t),
		.flags = VRING_DESC_F_INDIRECT,
	};
	split_offer(r, id, bytes);
}

void split_add_chain(struct ring *r, const struct seg *segs, unsigned int n, uint32_t cookie)
{
	uint16_t head, id, link;
	uint32_t bytes = 0;
	unsigned int i;

	if (n <= r->chain) {
		add_indirect(r, segs, n, cookie);
		return;
	}
	/* IN_ORDER: each link leads to the next descriptor (2.7.5.2) */
	head = id_take(r);
	for (i = 0, id = head; i < n; i++, id = link) {
		bool last = i + 1 == n;

		link = last ? id : id_take(r);
		r->next[id] = link;
		r->desc[id] = (struct vring_desc){
			.addr = segs[i].addr,
			.len = segs[i].len,
			.flags = r->write | (last ? 0 : VRING_DESC_F_NEXT),
			.next = last ? 0 : link,
		};
		bytes += segs[i].len;
	}
	r->cookie[head] = cookie;
	split_offer(r, head, bytes);
}

uint32_t split_pending(const struct ring *r, uint32_t *cookies, uint32_t max)
{
	uint16_t idx = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);
	uint32_t there = (uint16_t)(r->published - idx), n = 0, i;

	for (i = 0; i < there && n < max; i++) {
		uint16_t id = r->avail->ring[(idx + i) & (r->size - 1)];

		/* Its used entry could be late */
		if (id_outstanding(r, id))
			cookies[n++] = r->cookie[id];
	}
	return n;
}
