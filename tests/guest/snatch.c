/* SPDX-License-Identifier: BSD-3-Clause */
/* snatch.c - Taking pages away from a backend that is writing to them
 *
 * Theory of operation
 * ===================
 * The backend is to be flooded from its other side, so that it writes to our
 * receive buffers without a pause.  Over and over:
 *
 *   1  receive until some frames have come
 *   2  clear the entries of the pages whose buffers are next, send the
 *      invalidation and wait for its acknowledgement
 *   3  fill the buffers that the backend may have in hand now, those behind the
 *      last it used, with a pattern
 *   4  look at them for a random while: not a byte may change
 *   5  put the entries back and send them
 *
 * The buffers stay available to the backend all the time.  That is what a
 * careless or hostile guest does, and makes the race as close as it can be: a
 * thread that translated an address before (2) and writes there after (3) is a
 * use after free of the guest's memory.
 *
 * The backend must still be writing when the entries are cleared, and nobody
 * refills the ring from (2) on, so it should be long (--ring-size 4096).  A
 * thread that is not let to run between its look-up and its write makes the race
 * wide open, so another busy process on the backend's processor helps, and (4)
 * must outlast the time that one runs in a piece.
 */
#include "tests/guest/modes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guest/clock.h"
#include "tests/guest/netdev.h"
#include "tests/guest/poison.h"
#include "tests/guest/random.h"

/* Frames to be received before the next round, and how long to wait for them */
#define RECEIVE_FRAMES 128
#define RECEIVE_NS_MAX (5000 * UINT64_C(1000))

/* Bound of the random while; longer than a scheduler's time slice */
#define WATCH_NS_MAX (6000 * UINT64_C(1000))

/* Buffers, from the next on, whose pages are taken away */
#define SNATCH_BUFFERS 512

/* Of these, as many as a backend may have in hand: more than any burst */
#define TARGETS_MAX 128

/* Pages that are put back with a message each, in bearable time */
#define PAGES_MAX 1024

/**
 * struct range - Pages of the window of receive buffers
 */
struct range {
	uint64_t first;
	uint64_t n;
};

/**
 * receive() - Take what arrives, once
 *
 * Unseen: a frame may have been poisoned between its arrival and now.
 */
static bool receive(struct guest *g)
{
	unsigned int pair, n = 0;

	for (pair = 0; pair < g->opt->pairs; pair++)
		n += rx_discard(&g->devices[0], pair);
	return n;
}

/**
 * receive_some() - Take what arrives, until that is enough
 *
 * Return: As guest_tick()
 */
static int receive_some(struct guest *g)
{
	uint64_t end = clock_ns() + RECEIVE_NS_MAX, enough = g->stats.rx_frames + RECEIVE_FRAMES;
	int go;

	do {
		go = guest_tick(g, receive(g));
	} while (go > 0 && g->stats.rx_frames < enough && clock_ns() < end);
	return go;
}

/**
 * page_of() - Page of a byte of a buffer, as a number in the window
 */
static uint64_t page_of(const struct guest *g, uint32_t id, uint32_t byte)
{
	const struct viommu *iommu = &g->devices[0].iommu;
	uint64_t at = g->pool.bufs[id].addr[DIR_RX] + byte;

	return (at - iommu->windows[WINDOW_RX].base) >> iommu->shift;
}

/**
 * inside() - Whether a buffer lies in a range with all its bytes
 */
static bool inside(const struct guest *g, uint32_t id, const struct range *r)
{
	return page_of(g, id, 0) >= r->first &&
	       page_of(g, id, g->pool.stride - 1) < r->first + r->n;
}

/**
 * choose() - Which pages to take away
 */
static struct range choose(const struct guest *g, const struct ring *r)
{
	const struct window *w = &g->devices[0].iommu.windows[WINDOW_RX];
	struct range range = {.n = w->n_pages};
	uint32_t ids[SNATCH_BUFFERS], n, i;
	uint64_t last = 0;

	if (w->n_pages <= PAGES_MAX)
		return range;
	n = ring_pending(r, ids, SNATCH_BUFFERS);
	range.first = n ? w->n_pages : 0;
	for (i = 0; i < n; i++) {
		uint64_t from = page_of(g, ids[i], 0), to = page_of(g, ids[i], g->pool.stride - 1);

		range.first = from < range.first ? from : range.first;
		last = to > last ? to : last;
	}
	/* Where the queue of buffers wraps, the beginning will do */
	range.n = last - range.first + 1;
	range.n = range.n > PAGES_MAX ? PAGES_MAX : range.n;
	return range;
}

/**
 * watch() - Look at buffers until one changes or time is over
 */
static void watch(struct guest *g, const uint32_t *ids, uint32_t n, uint64_t ns)
{
	uint64_t end = clock_ns() + ns;
	uint32_t i;

	do {
		for (i = 0; i < n; i++) {
			if (poison_intact(g, ids[i]))
				continue;
			g->stats.poison_violations++;
			return;
		}
	} while (clock_ns() < end);
}

/**
 * poison_next() - Poison what the backend may have in hand, and watch it
 */
static void poison_next(struct guest *g, const struct ring *r, const struct range *range,
			uint64_t ns)
{
	uint32_t ids[TARGETS_MAX], n = ring_pending(r, ids, TARGETS_MAX), keep = 0, i;

	for (i = 0; i < n; i++) {
		if (!inside(g, ids[i], range))
			continue;
		poison_fill(g, ids[i]);
		ids[keep++] = ids[i];
	}
	if (!keep)
		return;
	watch(g, ids, keep, ns);
	g->stats.poison_checks++;
}

/**
 * snatch() - Take pages away, and see whether they are let go
 * @g:		Guest
 * @pair:	Queue pair whose next buffers it is about
 * @ns:		How long to look
 */
static int snatch(struct guest *g, unsigned int pair, uint64_t ns)
{
	const struct ring *r = device_rx(&g->devices[0], pair);
	struct viommu *iommu = &g->devices[0].iommu;
	struct window *w = &iommu->windows[WINDOW_RX];
	struct range range = choose(g, r);
	uint64_t iova = w->base + (range.first << iommu->shift);
	uint64_t size = range.n * sizeof(*w->entry);
	uint64_t *saved = malloc(size);
	int err;

	if (!saved)
		return -ENOMEM;
	memcpy(saved, w->entry + range.first, size);
	memset(w->entry + range.first, 0, size);
	err = viommu_invalidate(iommu, iova, range.n << iommu->shift);
	if (!err)
		poison_next(g, r, &range, ns);
	memcpy(w->entry + range.first, saved, size);
	free(saved);
	return err ? err : viommu_push(iommu, iova, range.n << iommu->shift);
}

int snatch_run(struct guest *g)
{
	uint64_t rng = random_seed(g->opt->seed);
	int go;

	for (;;) {
		go = receive_some(g);
		if (go <= 0)
			return go;
		go = snatch(g, (unsigned int)(random_next(&rng) % g->opt->pairs),
			    random_next(&rng) % WATCH_NS_MAX);
		if (go < 0)
			return go;
	}
}
