/* SPDX-License-Identifier: BSD-3-Clause */
/* model_packed.c - The driver's side of a packed virtqueue (virtio 1.2, 2.8)
 *
 * See model_guest.h.  Buffer IDs are taken at random and begin at MP_ID, so that
 * they are neither slots nor below the ring's size.
 */
#include "tests/unit/datapath/model_packed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include <cmocka.h>

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)

void mp_init(struct mg_ring *r)
{
	struct model_guest *g = r->g;

	r->cfg.desc = mg_alloc(g, r->cfg.size * 16u, 16, r->skew, IOTLB_READ | IOTLB_WRITE);
	mg_alloc_page(g);
	r->cfg.avail = mg_alloc(g, 4, 4, 0, IOTLB_READ);
	mg_alloc_page(g);
	r->cfg.used = mg_alloc(g, 4, 4, 0, IOTLB_WRITE);
	r->avail_idx = r->used_idx = r->cfg.base & 0x7fff;
	r->avail_wrap = r->used_wrap = r->cfg.base >> 15 & 1;
	r->shown = calloc(r->cfg.size, sizeof(*r->shown));
	assert_non_null(r->shown);
}

/* Whatever the ring held in the lap before is used by now */
void mp_init_flags(struct mg_ring *r)
{
	for (uint16_t i = 0; i < r->cfg.size; i++) {
		bool lap = i < r->avail_idx ? r->avail_wrap : !r->avail_wrap;

		mp_desc(r->g, r->cfg.desc, i, 0, 0, 0, (uint16_t)(lap ? AVAIL | USED : 0));
	}
}

void mp_desc(struct model_guest *g, uint64_t table, uint16_t i, uint64_t addr, uint32_t len,
	     uint16_t id, uint16_t flags)
{
	struct vring_packed_desc d = {.addr = addr, .len = len, .id = id, .flags = flags};

	mg_write(g, table + i * 16u, &d, sizeof(d));
}

void mp_put(struct mg_ring *r, uint64_t addr, uint32_t len, uint16_t id, uint16_t flags, bool first)
{
	uint16_t mine = r->avail_wrap ? AVAIL : USED;
	struct mg_chain *chain;

	if (first)
		mg_note(r, id);
	chain = &r->chains[(r->end - 1) % r->cfg.size];
	chain->id = id;
	chain->n++;
	if (first) {
		r->shown[r->n_shown++] = (struct mg_shown){r->avail_idx, flags | mine};
		/* As the device left it: it cannot have it yet */
		mg_read(r->g, r->cfg.desc + r->avail_idx * 16u + 14, &flags, 2);
	} else {
		flags |= mine;
	}
	mp_desc(r->g, r->cfg.desc, r->avail_idx, addr, len, id, flags);
	if (++r->avail_idx == r->cfg.size) {
		r->avail_idx = 0;
		r->avail_wrap = !r->avail_wrap;
	}
}

void mp_show(struct mg_ring *r)
{
	for (uint16_t i = 0; i < r->n_shown; i++)
		atomic_store_explicit((_Atomic uint16_t *)(void *)mg_host(
					      r->g, r->cfg.desc + r->shown[i].slot * 16u + 14),
				      r->shown[i].flags, memory_order_release);
	r->n_shown = 0;
}

static uint16_t free_id(struct mg_ring *r)
{
	uint16_t i = (uint16_t)mg_rand(r->g, r->cfg.size);

	while (r->in_use[i])
		i = (uint16_t)((i + 1) % r->cfg.size);
	return i;
}

int mp_add(struct mg_ring *r, const struct mg_buf *bufs, unsigned int n, uint16_t flags,
	   bool indirect)
{
	unsigned int in_ring = indirect ? 1 : n;
	uint16_t i;

	assert_true(n <= (indirect ? MG_TABLE : MG_SEGS_MAX));
	if (in_ring > r->n_free)
		return -1;
	i = free_id(r);
	r->in_use[i] = (uint16_t)in_ring;
	r->n_free -= in_ring;
	/* The ID counts in the last one; within a table only WRITE does */
	for (unsigned int j = 0; j < n; j++) {
		uint16_t next = (uint16_t)(flags | (j + 1 < n ? VRING_DESC_F_NEXT : 0));
		uint16_t id = j + 1 < n ? (uint16_t)mg_rand(r->g, 65536) : (uint16_t)(MP_ID + i);
		uint16_t odd = (uint16_t)mg_rand(r->g, 65536) & ~VRING_DESC_F_WRITE;

		if (indirect)
			mp_desc(r->g, r->table[i], (uint16_t)j, bufs[j].iova, bufs[j].len, odd,
				(uint16_t)(flags | odd));
		else
			mp_put(r, bufs[j].iova, bufs[j].len, id, next, !j);
	}
	if (indirect)
		mp_put(r, r->table[i], n * 16, (uint16_t)(MP_ID + i), VRING_DESC_F_INDIRECT, true);
	return MP_ID + i;
}

/* A chain's slots are free again: how many */
static uint16_t mp_release(struct mg_ring *r, uint16_t id)
{
	uint16_t n;

	/* Never what was not made available */
	assert_true(id >= MP_ID && id < MP_ID + r->cfg.size);
	n = r->in_use[id - MP_ID];
	assert_true(n > 0);
	r->in_use[id - MP_ID] = 0;
	r->n_free += n;
	r->used_idx = (uint16_t)(r->used_idx + n);
	if (r->used_idx >= r->cfg.size) {
		r->used_idx = (uint16_t)(r->used_idx - r->cfg.size);
		r->used_wrap = !r->used_wrap;
	}
	return n;
}

/* Read the used element the driver waits for, if it is there */
static bool used_elem(struct mg_ring *r, uint16_t *ret_id, uint32_t *ret_len)
{
	uint64_t at = r->cfg.desc + r->used_idx * 16u;
	uint16_t flags = atomic_load_explicit((_Atomic uint16_t *)(void *)mg_host(r->g, at + 14),
					      memory_order_acquire);

	if ((flags & (AVAIL | USED)) != (r->used_wrap ? AVAIL | USED : 0) ||
	    (r->used_idx == r->avail_idx && r->used_wrap == r->avail_wrap))
		return false;
	mg_read(r->g, at + 8, ret_len, 4);
	mg_read(r->g, at + 12, ret_id, 2);
	assert_int_equal(flags & ~(AVAIL | USED), *ret_len ? VRING_DESC_F_WRITE : 0);
	return true;
}

int mp_used(struct mg_ring *r, uint32_t *ret_len)
{
	struct mg_chain chain;
	uint16_t id = 0;

	if (!r->batch && !used_elem(r, &id, ret_len))
		return -1;
	if (r->in_order) {
		if (!r->batch)
			mg_batch(r, id, *ret_len);
		chain = mg_batch_next(r, ret_len);
		id = chain.id;
		assert_int_equal(mp_release(r, id), chain.n);
	} else {
		mp_release(r, id);
	}
	return id;
}

uint32_t mp_base(const struct mg_ring *r)
{
	uint32_t half = r->used_idx | (uint32_t)r->used_wrap << 15;

	return half << 16 | half;
}

void mp_set_event(struct mg_ring *r, uint16_t slot, bool wrap, uint16_t flags)
{
	uint16_t words[2] = {(uint16_t)(slot | wrap << 15), flags};

	mg_write(r->g, r->cfg.avail, words, sizeof(words));
}

uint16_t mp_device_flags(struct mg_ring *r)
{
	uint16_t flags;

	mg_read(r->g, r->cfg.used + 2, &flags, 2);
	return flags;
}
