/* SPDX-License-Identifier: BSD-3-Clause */
/* ring_packed.c - The packed layout, the driver's side: set-up and chains */
#include "tests/guest/ring_packed.h"

void packed_layout(struct ring *r, struct arena *a, bool straddle)
{
	bool cross = straddle && (a->shift == 12 || a->top == 0);
	uint64_t last = 4096 - sizeof(struct vring_packed_desc_event);

	r->desc_off = arena_take(a, r->size * sizeof(struct vring_packed_desc),
				 straddle ? 16 : 4096, cross);
	/* Where a page ends and where one begins, if a place is as good as any */
	r->avail_off = arena_take(a, 4096, 4096, false) + (straddle ? last : 0);
	r->used_off = arena_take(a, sizeof(struct vring_packed_desc_event), 4096, false);
}

/**
 * driver_flags() - When we want to be called
 */
static uint16_t driver_flags(const struct ring *r)
{
	if (r->polled)
		return VRING_PACKED_EVENT_FLAG_DISABLE;
	return r->event_idx ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_ENABLE;
}

void packed_init(struct ring *r, const struct arena *a)
{
	uint32_t i, at = r->base & (r->size - 1);

	r->slots = (struct vring_packed_desc *)(a->linear + r->desc_off);
	r->driver = (struct vring_packed_desc_event *)(a->linear + r->avail_off);
	r->device = (struct vring_packed_desc_event *)(a->linear + r->used_off);
	/* Used in this round before the position, in the last one from there on */
	for (i = 0; i < r->size; i++)
		r->slots[i].flags =
			packed_wrap(r, r->base) == (i < at) ? PACKED_AVAIL | PACKED_USED : 0;
	r->driver->off_wrap = packed_off_wrap(r, r->base);
	r->driver->flags = driver_flags(r);
}

/**
 * add_indirect() - Write a chain into the id's own table
 *
 * Of the flags only WRITE means something there (2.8.7).
 */
static void add_indirect(struct ring *r, const struct seg *segs, unsigned int n, uint32_t cookie)
{
	uint16_t id = id_take(r);
	struct vring_packed_desc *t =
		(struct vring_packed_desc *)r->table + (uint64_t)id * r->chain;
	uint32_t bytes = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		t[i] = (struct vring_packed_desc){
			.addr = segs[i].addr, .len = segs[i].len, .flags = r->write};
		bytes += segs[i].len;
	}
	r->next[id] = id;
	r->cookie[id] = cookie;
	r->span[id] = 1;
	order_put(r, id, bytes);
	packed_write(r, table_of(r, id), n * (uint32_t)sizeof(*t), id, VRING_DESC_F_INDIRECT);
}

void packed_add_chain(struct ring *r, const struct seg *segs, unsigned int n, uint32_t cookie)
{
	uint16_t id = 0, before = 0;
	uint32_t bytes = 0;
	unsigned int i;

	if (n <= r->chain) {
		add_indirect(r, segs, n, cookie);
		return;
	}
	for (i = 0; i < n; i++, before = id) {
		id = id_take(r);
		r->next[id] = i ? before : id;
		packed_write(r, segs[i].addr, segs[i].len, id,
			     (uint16_t)(r->write | (i + 1 < n ? VRING_DESC_F_NEXT : 0)));
		bytes += segs[i].len;
	}
	r->cookie[id] = cookie;
	r->span[id] = (uint16_t)n;
	order_put(r, id, bytes);
}

/**
 * used_span() - Entries that a used descriptor stands for
 * @order:	With IN_ORDER, place in the queue of what is used next; moved on
 */
static uint16_t used_span(const struct ring *r, uint16_t id, uint32_t *order)
{
	uint32_t slots = 0;

	if (r->in_order)
		slots = order_span(r, *order, id, order);
	else if (id_outstanding(r, id))
		slots = r->span[id];
	return slots ? (uint16_t)slots : 1;
}

uint32_t packed_pending(const struct ring *r, uint32_t *cookies, uint32_t max)
{
	uint32_t order = r->order_head, n = 0;
	uint16_t idx = r->last_used, flags;

	/* Past what it has used since we read last */
	while (idx != r->published && packed_is_used(r, idx, &flags))
		idx += used_span(r, packed_slot(r, idx)->id, &order);
	/* Ids of entries that end no chain have no cookie */
	for (; idx != r->published && n < max; idx++) {
		uint16_t id = packed_slot(r, idx)->id;

		if (id_outstanding(r, id))
			cookies[n++] = r->cookie[id];
	}
	return n;
}
