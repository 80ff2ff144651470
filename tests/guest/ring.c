/* SPDX-License-Identifier: BSD-3-Clause */
/* ring.c - One virtqueue of either layout, the driver's side: set-up */
#include "tests/guest/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void ring_layout(struct ring *r, struct arena *a, const struct ring_conf *conf)
{
	bool straddle = conf->straddle;

	r->size = conf->size;
	r->chain = (uint16_t)conf->chain;
	r->base = conf->base;
	r->packed = conf->packed;
	r->event_idx = conf->event_idx;
	r->in_order = conf->in_order;
	r->polled = conf->polled;
	if (r->packed)
		packed_layout(r, a, straddle);
	else
		split_layout(r, a, straddle);
	if (r->chain)
		r->table_off =
			arena_take(a, (uint64_t)r->size * r->chain * sizeof(struct vring_desc),
				   straddle ? 16 : 4096, straddle && a->shift == 12);
}

int ring_init(struct ring *r, const struct arena *a, bool device_writes)
{
	uint32_t i;

	r->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->free = calloc(r->size, sizeof(*r->free));
	r->next = calloc(r->size, sizeof(*r->next));
	r->cookie = calloc(r->size, sizeof(*r->cookie));
	r->span = calloc(r->size, sizeof(*r->span));
	r->bytes = calloc(r->size, sizeof(*r->bytes));
	r->order = calloc(r->size, sizeof(*r->order));
	r->log = calloc(r->size, sizeof(*r->log));
	if (r->kick_fd < 0 || r->call_fd < 0)
		return -errno;
	if (!r->free || !r->next || !r->cookie || !r->span || !r->bytes || !r->order || !r->log)
		return -ENOMEM;
	if (r->chain)
		r->table = a->linear + r->table_off;
	r->write = device_writes ? VRING_DESC_F_WRITE : 0;
	r->avail_idx = r->base;
	r->published = r->base;
	r->last_used = r->base;
	/* The lowest numbers are used first */
	for (i = 0; i < r->size; i++) {
		r->cookie[i] = COOKIE_NONE;
		r->span[i] = 1;
		r->free[i] = (uint16_t)(r->size - 1 - i);
	}
	r->n_free = r->size;
	if (r->packed)
		packed_init(r, a);
	else
		split_init(r, a);
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
	free(r->span);
	free(r->bytes);
	free(r->order);
	free(r->log);
	memset(r, 0, sizeof(*r));
}

uint32_t ring_base(const struct ring *r)
{
	uint32_t at;

	if (!r->packed)
		return r->base;
	/* vhost-user, "Vring base": the available position, then the used one */
	at = packed_off_wrap(r, r->base);
	return at | at << 16;
}

uint16_t ring_used_idx(const struct ring *r)
{
	return __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);
}

bool ring_all_used(struct ring *r, uint32_t base)
{
	uint16_t at;

	if (!r->packed)
		return base == ring_used_idx(r);
	/* Reads it all, whatever is taken later */
	(void)packed_used_count(r);
	at = packed_off_wrap(r, r->last_used);
	return (uint16_t)base == at && (base >> 16 == at || !(base >> 16));
}

/**
 * packed_behind() - How far a position with its wrap counter is behind another
 */
static uint32_t packed_behind(const struct ring *r, uint16_t off_wrap, uint16_t idx)
{
	uint16_t at = off_wrap & 0x7fff;

	if (off_wrap >> 15 != packed_wrap(r, idx))
		at -= (uint16_t)r->size;
	return (uint16_t)((idx & (r->size - 1)) - at);
}

bool ring_stopped_well(const struct ring *r, uint32_t base)
{
	uint32_t avail, used;

	if (!r->packed)
		return (uint16_t)(r->published - base) <= r->size;
	avail = packed_behind(r, (uint16_t)base, r->published);
	/* librte_vhost leaves the used position out */
	used = base >> 16 ? packed_behind(r, (uint16_t)(base >> 16), r->published) : avail;
	return avail <= r->size && used <= r->size && avail <= used;
}

bool ring_add_chain(struct ring *r, const struct seg *segs, unsigned int n, uint32_t cookie)
{
	if (!ring_room(r, n))
		return false;
	if (r->packed)
		packed_add_chain(r, segs, n, cookie);
	else
		split_add_chain(r, segs, n, cookie);
	return true;
}

uint32_t ring_pending(const struct ring *r, uint32_t *cookies, uint32_t max)
{
	return r->packed ? packed_pending(r, cookies, max) : split_pending(r, cookies, max);
}

uint32_t ring_left(struct ring *r)
{
	uint32_t id, n = 0;

	for (id = 0; id < r->size; id++)
		n += r->cookie[id] != COOKIE_NONE;
	return n - ring_used_count(r);
}

void ring_kick(struct ring *r)
{
	uint64_t one = 1;

	r->kicks++;
	/* A full counter means that the backend has yet to wake up anyway */
	if (write(r->kick_fd, &one, sizeof(one)) < 0)
		return;
}
