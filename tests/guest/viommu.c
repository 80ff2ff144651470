/* SPDX-License-Identifier: BSD-3-Clause */
/* viommu.c - The guest's vIOMMU: page tables, and answers to IOTLB misses */
#include "tests/guest/viommu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guest/clock.h"

/* Aligned for pages of 1 GiB, and unlike any guest-physical address */
static const uint64_t window_base[N_WINDOWS] = {
	[WINDOW_RINGS] = UINT64_C(0x0000000c40000000),
	[WINDOW_RX] = UINT64_C(0x0000100000000000),
	[WINDOW_TX] = UINT64_C(0x00007e0000000000),
	[WINDOW_ALIAS] = UINT64_C(0x0000040000000000),
};

#define PERM_MASK UINT64_C(3)

/* Misses answered in one go, so that the rings are not left alone for long */
#define POLL_MAX 64

/**
 * window_init() - Make the page entries of a window
 */
static int window_init(struct window *w, enum window_id id, uint64_t n_pages)
{
	w->base = window_base[id];
	w->n_pages = n_pages;
	w->entry = calloc(n_pages, sizeof(*w->entry));
	return w->entry ? 0 : -ENOMEM;
}

/**
 * window_static() - Map a whole arena
 */
static int window_static(struct viommu *iommu, enum window_id id, const struct arena *a,
			 uint8_t perm)
{
	struct window *w = &iommu->windows[id];
	int err = window_init(w, id, a->n_chunks);
	unsigned int i;

	for (i = 0; !err && i < a->n_chunks; i++)
		w->entry[i] = (uintptr_t)a->chunk[i] | perm;
	return err;
}

/**
 * window_slots() - Divide a window into slots for dynamic maps
 */
static int window_slots(struct viommu *iommu, enum window_id id, uint32_t n_slots)
{
	struct window *w = &iommu->windows[id];
	uint32_t i;

	w->n_slots = n_slots;
	w->tail = n_slots;
	w->slots = calloc(n_slots, sizeof(*w->slots));
	if (!w->slots)
		return -ENOMEM;
	for (i = 0; i < n_slots; i++)
		w->slots[i] = i * iommu->slot_pages;
	return window_init(w, id, (uint64_t)n_slots * iommu->slot_pages);
}

int viommu_init(struct viommu *iommu, struct vu *vu, const struct options *opt,
		const struct memory *mem, uint32_t stride, uint32_t n_slots)
{
	uint64_t page = UINT64_C(1) << opt->viommu;
	int err;

	iommu->vu = vu;
	iommu->opt = opt;
	iommu->shift = opt->viommu;
	if (!iommu->shift)
		return 0;
	iommu->slot_pages = (unsigned int)((stride + page - 64 - 1) / page + 1);
	iommu->delayed = calloc(DELAYED_MAX, sizeof(*iommu->delayed));
	if (!iommu->delayed)
		return -ENOMEM;
	err = window_static(iommu, WINDOW_RINGS, &mem->rings, VHOST_ACCESS_RW);
	if (!err && opt->readdress_ms)
		err = window_static(iommu, WINDOW_ALIAS, &mem->rings, VHOST_ACCESS_RW);
	if (err)
		return err;
	if (opt->map == MAP_DYNAMIC) {
		err = window_slots(iommu, WINDOW_RX, n_slots);
		return err ? err : window_slots(iommu, WINDOW_TX, n_slots);
	}
	err = window_static(iommu, WINDOW_RX, &mem->buffers,
			    opt->rw ? VHOST_ACCESS_RW : VHOST_ACCESS_WO);
	/* With --rw both directions use the first window */
	if (!err && !opt->rw)
		err = window_static(iommu, WINDOW_TX, &mem->buffers, VHOST_ACCESS_RO);
	return err;
}

void viommu_free(struct viommu *iommu)
{
	int i;

	for (i = 0; i < N_WINDOWS; i++) {
		free(iommu->windows[i].entry);
		free(iommu->windows[i].slots);
	}
	free(iommu->delayed);
	memset(iommu, 0, sizeof(*iommu));
}

/**
 * entry_find() - Look a page up
 *
 * Return: Its entry, or 0 when nothing is mapped there
 */
static uint64_t entry_find(const struct viommu *iommu, uint64_t iova)
{
	int i;

	for (i = 0; i < N_WINDOWS; i++) {
		const struct window *w = &iommu->windows[i];
		uint64_t page = (iova - w->base) >> iommu->shift;

		if (iova >= w->base && page < w->n_pages)
			return w->entry[page];
	}
	return 0;
}

/**
 * send_iotlb() - Send an update or an invalidation and wait until it is done
 */
static int send_iotlb(struct viommu *iommu, uint64_t iova, uint64_t size, uint64_t entry,
		      uint8_t type)
{
	struct vhost_iotlb_msg msg = {
		.iova = iova,
		.size = size,
		.uaddr = entry & ~PERM_MASK,
		.perm = (uint8_t)(entry & PERM_MASK),
		.type = type,
	};

	uint64_t start;
	int err;

	if (iommu->batching)
		return vu_batch_add(iommu->vu, &msg);
	start = clock_ns();
	err = vu_set(iommu->vu, VU_IOTLB_MSG, &msg, sizeof(msg), NULL, 0);
	iommu->wait_ns[type == VHOST_IOTLB_INVALIDATE] += clock_ns() - start;
	return err;
}

void viommu_batch_begin(struct viommu *iommu)
{
	iommu->batching = iommu->opt->batch;
}

int viommu_batch_end(struct viommu *iommu)
{
	if (!iommu->batching)
		return 0;
	iommu->batching = false;
	return vu_batch_end(iommu->vu);
}

/**
 * send_update() - Tell the backend one page
 */
static int send_update(struct viommu *iommu, uint64_t iova, uint64_t entry)
{
	uint64_t page = UINT64_C(1) << iommu->shift;

	iommu->updates++;
	return send_iotlb(iommu, iova & ~(page - 1), page, entry, VHOST_IOTLB_UPDATE);
}

int viommu_push(struct viommu *iommu, uint64_t iova, uint64_t size)
{
	uint64_t page = UINT64_C(1) << iommu->shift, at = iova & ~(page - 1);
	int err = 0;

	for (; !err && at < iova + size; at += page) {
		uint64_t entry = entry_find(iommu, at);

		if (entry)
			err = send_update(iommu, at, entry);
	}
	return err;
}

int viommu_push_all(struct viommu *iommu)
{
	int i, err = 0;

	for (i = 0; i < N_WINDOWS && !err; i++) {
		const struct window *w = &iommu->windows[i];

		err = viommu_push(iommu, w->base, w->n_pages << iommu->shift);
	}
	return err;
}

int viommu_map(struct viommu *iommu, enum window_id id, const struct arena *a, uint64_t off,
	       uint64_t len, uint8_t perm, uint64_t *ret_iova)
{
	struct window *w = &iommu->windows[id];
	uint64_t page = UINT64_C(1) << iommu->shift, in = off & (page - 1), iova, i;
	uint32_t first;

	if (w->head == w->tail) {
		fprintf(stderr, "vunet-guest: out of I/O virtual addresses\n");
		return -ENOSPC;
	}
	first = w->slots[w->head++ % w->n_slots];
	for (i = 0; i << iommu->shift < in + len; i++)
		w->entry[first + i] = (uintptr_t)a->chunk[(off >> a->shift) + i] | perm;
	iova = w->base + ((uint64_t)first << iommu->shift) + in;
	*ret_iova = iova;
	return iommu->opt->push ? viommu_push(iommu, iova, len) : 0;
}

int viommu_invalidate(struct viommu *iommu, uint64_t iova, uint64_t size)
{
	int err = send_iotlb(iommu, iova, size, 0, VHOST_IOTLB_INVALIDATE);

	iommu->invalidations += !err;
	return err;
}

int viommu_unmap(struct viommu *iommu, enum window_id id, uint64_t iova)
{
	struct window *w = &iommu->windows[id];
	uint64_t first = (iova - w->base) >> iommu->shift;
	unsigned int n = 0;
	int err;

	first -= first % iommu->slot_pages;
	for (; n < iommu->slot_pages && w->entry[first + n]; n++)
		w->entry[first + n] = 0;
	err = viommu_invalidate(iommu, w->base + (first << iommu->shift),
				(uint64_t)n << iommu->shift);
	/* A backend that has gone has let go of everything */
	if (err && err != -EPIPE && err != -ECONNRESET)
		return err;
	w->slots[w->tail++ % w->n_slots] = (uint32_t)first;
	return err;
}

/**
 * answer() - Answer one miss if the page is mapped for that access
 */
static int answer(struct viommu *iommu, const struct vhost_iotlb_msg *msg)
{
	uint64_t entry = entry_find(iommu, msg->iova);

	if (!(entry & PERM_MASK) || (msg->perm & ~entry & PERM_MASK)) {
		iommu->faults++;
		return 0;
	}
	return send_update(iommu, msg->iova, entry);
}

/**
 * answer_later() - Put a miss aside until its time has come
 */
static void answer_later(struct viommu *iommu, const struct vhost_iotlb_msg *msg)
{
	struct delayed_miss *d = &iommu->delayed[iommu->n_delayed % DELAYED_MAX];

	/* The backend asks again for what is dropped here */
	if (iommu->n_delayed - iommu->n_answered == DELAYED_MAX)
		return;
	d->due_ns = clock_ns() + iommu->opt->answer_delay_us * UINT64_C(1000);
	d->msg = *msg;
	iommu->n_delayed++;
}

/**
 * answer_due() - Answer the misses whose time has come
 */
static int answer_due(struct viommu *iommu)
{
	uint64_t now = clock_ns();
	int err = 0;

	while (!err && iommu->n_answered < iommu->n_delayed) {
		struct delayed_miss *d = &iommu->delayed[iommu->n_answered % DELAYED_MAX];

		if (d->due_ns > now)
			break;
		iommu->n_answered++;
		err = answer(iommu, &d->msg);
	}
	return err;
}

void viommu_forget(struct viommu *iommu)
{
	iommu->n_answered = iommu->n_delayed;
}

int viommu_poll(struct viommu *iommu)
{
	struct vhost_iotlb_msg msg;
	int n = 0, err = 0;

	if (!iommu->shift)
		return 0;
	viommu_batch_begin(iommu);
	while (n < POLL_MAX) {
		int got = vu_backend_poll(iommu->vu, &msg);

		if (got < 0)
			return got;
		if (!got)
			break;
		n++;
		if (msg.type != VHOST_IOTLB_MISS)
			continue;
		iommu->misses++;
		if (iommu->opt->no_answer)
			continue;
		if (iommu->opt->answer_delay_us)
			answer_later(iommu, &msg);
		else
			err = answer(iommu, &msg);
		if (err)
			return err;
	}
	err = iommu->n_delayed ? answer_due(iommu) : 0;
	if (!err)
		err = viommu_batch_end(iommu);
	return err ? err : n;
}
