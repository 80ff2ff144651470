/* SPDX-License-Identifier: BSD-3-Clause */
/* model_ring.c - The driver's side of a split virtqueue (virtio 1.2, 2.7)
 *
 * See model_guest.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include "tests/unit/datapath/model_packed.h"

/* What the device writes lies apart from what it may only read */
static void split_init(struct mg_ring *r)
{
	uint16_t size = r->cfg.size;

	r->cfg.desc = mg_alloc(r->g, size * 16u, 16, r->skew, IOTLB_READ);
	r->cfg.avail = mg_alloc(r->g, 6 + size * 2u, 2, 2 * (r->skew & 1), IOTLB_READ);
	mg_alloc_page(r->g);
	r->cfg.used = mg_alloc(r->g, 6 + size * 8u, 4, r->skew, IOTLB_WRITE);
}

struct mg_ring *mg_ring_new(struct model_guest *g, uint8_t index, uint16_t size, uint16_t base,
			    uint64_t features, size_t skew)
{
	struct mg_ring *r = calloc(1, sizeof(*r));

	thread_role_assume(&ctl_role);
	assert_non_null(r);
	r->g = g;
	r->skew = skew;
	r->packed = features >> VIRTIO_F_RING_PACKED & 1;
	r->in_order = features >> VIRTIO_F_IN_ORDER & 1;
	r->cfg.size = size;
	r->cfg.base = base;
	r->avail_idx = base;
	r->used_idx = base;
	mg_alloc_page(g);
	if (r->packed)
		mp_init(r);
	else
		split_init(r);
	mg_alloc_page(g);
	r->table = calloc(size, sizeof(*r->table));
	r->in_use = calloc(size, sizeof(*r->in_use));
	r->owner = calloc(size, sizeof(*r->owner));
	r->chains = calloc(size, sizeof(*r->chains));
	assert_true(r->table && r->in_use && r->owner && r->chains);
	for (unsigned int i = 0; i < size; i++) {
		r->owner[i] = -1;
		if (features & 1u << VIRTIO_RING_F_INDIRECT_DESC)
			r->table[i] = mg_alloc(g, MG_TABLE * 16, 1, mg_rand(g, 3), IOTLB_READ);
	}
	mg_alloc_page(g);
	r->n_free = size;
	r->next_desc = r->in_order ? (uint16_t)(size - 1) : 0;
	r->cfg.features = features;
	r->cfg.call_fd = -1;
	r->cfg.guest = 7;
	r->cfg.session = 99;
	r->cfg.index = index;
	if (r->packed) {
		mp_init_flags(r);
	} else {
		mg_write(g, r->cfg.avail + 2, &base, 2);
		mg_write(g, r->cfg.used + 2, &base, 2);
	}
	assert_int_equal(vq_new(g->tlb, g->misses, &r->vq), 0);
	assert_int_equal(vq_start(r->vq, &r->cfg), 0);
	return r;
}

int mg_ring_start(struct mg_ring *r, uint64_t desc, uint64_t avail, uint64_t used, uint16_t size,
		  uint32_t base, uint64_t features)
{
	struct vq_config cfg = r->cfg;

	thread_role_assume(&ctl_role);
	cfg.desc = desc;
	cfg.avail = avail;
	cfg.used = used;
	cfg.size = size;
	cfg.base = base;
	cfg.features = features;
	return vq_start(r->vq, &cfg);
}

static void *copy_of(const void *from, size_t bytes)
{
	void *to = from ? malloc(bytes) : NULL;

	assert_true(!from || to);
	return from ? memcpy(to, from, bytes) : NULL;
}

struct mg_ring *mg_ring_clone(const struct mg_ring *r)
{
	struct mg_ring *to = copy_of(r, sizeof(*r));
	size_t size = r->cfg.size;

	thread_role_assume(&ctl_role);
	to->table = copy_of(r->table, size * sizeof(*r->table));
	to->in_use = copy_of(r->in_use, size * sizeof(*r->in_use));
	to->owner = copy_of(r->owner, size * sizeof(*r->owner));
	to->shown = copy_of(r->shown, size * sizeof(*r->shown));
	to->chains = copy_of(r->chains, size * sizeof(*r->chains));
	assert_int_equal(vq_new(r->g->tlb, r->g->misses, &to->vq), 0);
	return to;
}

void mg_ring_free(struct mg_ring *r)
{
	thread_role_assume(&ctl_role);
	vq_free(r->vq);
	free(r->table);
	free(r->in_use);
	free(r->owner);
	free(r->shown);
	free(r->chains);
	free(r);
}

void mg_desc(struct model_guest *g, uint64_t table, uint16_t i, uint64_t addr, uint32_t len,
	     uint16_t flags, uint16_t next)
{
	struct vring_desc d = {.addr = addr, .len = len, .flags = flags, .next = next};

	mg_write(g, table + i * 16u, &d, sizeof(d));
}

void mg_avail(struct mg_ring *r, uint16_t head)
{
	mg_write(r->g, r->cfg.avail + 4 + (r->avail_idx & (r->cfg.size - 1)) * 2u, &head, 2);
	r->avail_idx++;
	mg_note(r, head);
}

void mg_note(struct mg_ring *r, uint16_t id)
{
	r->chains[r->end++ % r->cfg.size] = (struct mg_chain){.id = id};
}

void mg_batch(struct mg_ring *r, uint32_t id, uint32_t len)
{
	uint32_t i = r->first;

	while (i != r->end && r->chains[i % r->cfg.size].id != id)
		i++;
	assert_true(i != r->end);
	r->batch = i - r->first + 1;
	r->batch_len = len;
	/* What is skipped counts as full, which no receive buffer here is */
	assert_true(r->batch == 1 || r->cfg.index & 1);
}

struct mg_chain mg_batch_next(struct mg_ring *r, uint32_t *ret_len)
{
	*ret_len = --r->batch ? 0 : r->batch_len;
	return r->chains[r->first++ % r->cfg.size];
}

void mg_show(struct mg_ring *r)
{
	if (r->packed) {
		mp_show(r);
		return;
	}
	atomic_store_explicit((_Atomic uint16_t *)(void *)mg_host(r->g, r->cfg.avail + 2),
			      r->avail_idx, memory_order_release);
}

/* Free descriptors are taken in a scrambled order, as on a ring in long use; with
 * IN_ORDER round and round the table (virtio 1.2, 2.7.5)
 */
static uint16_t mg_take_desc(struct mg_ring *r, int32_t head)
{
	do {
		uint32_t step = r->in_order ? 1 : 1 + 2 * mg_rand(r->g, 3);

		r->next_desc = (uint16_t)((r->next_desc + step) & (r->cfg.size - 1));
		if (r->owner[r->next_desc] >= 0 && !r->in_order)
			r->next_desc = (uint16_t)(r->next_desc + 1) & (r->cfg.size - 1);
	} while (r->owner[r->next_desc] >= 0 && !r->in_order);
	assert_true(r->owner[r->next_desc] < 0);
	r->owner[r->next_desc] = head < 0 ? r->next_desc : head;
	r->n_free--;
	return r->next_desc;
}

static void mg_fill(struct mg_ring *r, uint64_t table, const uint16_t *at,
		    const struct mg_buf *bufs, unsigned int n, uint16_t flags)
{
	for (unsigned int i = 0; i < n; i++) {
		bool last = i + 1 == n;

		mg_desc(r->g, table, at[i], bufs[i].iova, bufs[i].len,
			(uint16_t)(flags | (last ? 0 : VRING_DESC_F_NEXT)),
			last ? 0xdead : at[i + 1]);
	}
}

int mg_add(struct mg_ring *r, const struct mg_buf *bufs, unsigned int n, uint16_t flags,
	   bool indirect)
{
	unsigned int in_ring = indirect ? 1 : n;
	uint16_t at[MG_SEGS_MAX];
	uint16_t head;

	if (r->packed)
		return mp_add(r, bufs, n, flags, indirect);
	assert_true(n <= (indirect ? MG_TABLE : MG_SEGS_MAX));
	if (in_ring > r->n_free)
		return -1;
	head = mg_take_desc(r, -1);
	at[0] = head;
	for (unsigned int i = 1; i < n; i++)
		at[i] = indirect ? (uint16_t)i : mg_take_desc(r, head);
	if (indirect) {
		at[0] = 0;
		mg_fill(r, r->table[head], at, bufs, n, flags);
		mg_desc(r->g, r->cfg.desc, head, r->table[head], n * 16, VRING_DESC_F_INDIRECT, 0);
	} else {
		mg_fill(r, r->cfg.desc, at, bufs, n, flags);
	}
	r->in_use[head] = (uint16_t)in_ring;
	mg_avail(r, head);
	return head;
}

/* A chain's descriptors are free again */
static void mg_release(struct mg_ring *r, uint32_t head)
{
	for (uint32_t i = 0; i < r->cfg.size && r->in_use[head]; i++) {
		if (r->owner[i] != (int32_t)head)
			continue;
		r->owner[i] = -1;
		r->n_free++;
		r->in_use[head]--;
	}
}

int mg_used(struct mg_ring *r, uint32_t *ret_len)
{
	struct vring_used_elem e;
	uint16_t idx;

	if (r->packed)
		return mp_used(r, ret_len);
	idx = mg_used_idx(r);
	if (idx == r->used_idx)
		return -1;
	/* Never more than was made available */
	assert_true((uint16_t)(idx - r->used_idx) <= (uint16_t)(r->avail_idx - r->used_idx));
	mg_read(r->g, r->cfg.used + 4 + (r->used_idx & (r->cfg.size - 1)) * 8u, &e, 8);
	if (r->in_order) {
		if (!r->batch)
			mg_batch(r, e.id, e.len);
		assert_true(r->batch <= (uint16_t)(idx - r->used_idx));
		e.id = mg_batch_next(r, &e.len).id;
	}
	r->used_idx++;
	*ret_len = e.len;
	if (e.id < r->cfg.size)
		mg_release(r, e.id);
	return (int)e.id;
}

uint16_t mg_used_idx(struct mg_ring *r)
{
	return atomic_load_explicit((_Atomic uint16_t *)(void *)mg_host(r->g, r->cfg.used + 2),
				    memory_order_acquire);
}

void mg_set_no_interrupt(struct mg_ring *r, bool no)
{
	uint16_t flags = no ? VRING_AVAIL_F_NO_INTERRUPT : 0;

	atomic_store_explicit((_Atomic uint16_t *)(void *)mg_host(r->g, r->cfg.avail), flags,
			      memory_order_relaxed);
}

uint16_t mg_used_flags(struct mg_ring *r)
{
	uint16_t flags;

	mg_read(r->g, r->cfg.used, &flags, 2);
	return flags;
}

void mg_set_used_event(struct mg_ring *r, uint16_t idx)
{
	mg_write(r->g, r->cfg.avail + 4 + r->cfg.size * 2u, &idx, 2);
}

uint16_t mg_avail_event(struct mg_ring *r)
{
	uint16_t idx;

	mg_read(r->g, r->cfg.used + 4 + r->cfg.size * 8u, &idx, 2);
	return idx;
}
