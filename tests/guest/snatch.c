/* SPDX-License-Identifier: BSD-3-Clause */
/* snatch.c - Taking pages away from a backend that is writing to them
 *
 * Theory of operation
 * ===================
 * The backend is to be flooded from its other side, so that it writes to our
 * receive buffers without a pause.  Over and over:
 *
 *   1  receive for a random while
 *   2  clear the entries of one page, or of all receive pages, send the
 *      invalidation and wait for its acknowledgement
 *   3  fill the buffers there with a pattern
 *   4  look at them for a random while: not a byte may change
 *   5  put the entries back; misses that came meanwhile are answered now
 *
 * The buffers stay available to the backend all the time.  That is what a
 * careless or hostile guest does, and makes the race as close as it can be: a
 * thread that translated an address before (2) and writes there after (3) is a
 * use after free of the guest's memory.
 */
#include "tests/guest/modes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guest/clock.h"
#include "tests/guest/netdev.h"
#include "tests/guest/poison.h"
#include "tests/guest/random.h"

/* Bounds of the random whiles */
#define RECEIVE_NS_MAX (300 * UINT64_C(1000))
#define WATCH_NS_MAX   (1500 * UINT64_C(1000))

/* One in so many rounds takes all pages away */
#define ALL_ONE_IN 4

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
 * receive_while() - Take what arrives for a while
 *
 * Return: As guest_tick()
 */
static int receive_while(struct guest *g, uint64_t ns)
{
	uint64_t end = clock_ns() + ns;
	int go;

	do {
		go = guest_tick(g, receive(g));
	} while (go > 0 && clock_ns() < end);
	return go;
}

/**
 * inside() - Whether a buffer lies on some pages with all its bytes
 * @w:		Window of receive buffers
 */
static bool inside(const struct guest *g, const struct window *w, uint32_t id, uint64_t page,
		   uint64_t n)
{
	unsigned int shift = g->opt->viommu;
	uint64_t first = (g->pool.bufs[id].addr[DIR_RX] - w->base) >> shift;
	uint64_t last = (g->pool.bufs[id].addr[DIR_RX] - w->base + g->pool.stride - 1) >> shift;

	return first >= page && last < page + n;
}

/**
 * watch() - Look at the buffers on some pages until one changes or time is over
 */
static void watch(struct guest *g, const struct window *w, uint64_t page, uint64_t n, uint64_t ns)
{
	uint64_t end = clock_ns() + ns;
	uint32_t i;

	do {
		for (i = 0; i < g->pool.n; i++) {
			if (!inside(g, w, i, page, n) || poison_intact(g, i))
				continue;
			g->stats.poison_violations++;
			return;
		}
	} while (clock_ns() < end);
}

/**
 * snatch() - Take pages away, and see whether they are let go
 * @w:		Window of receive buffers
 * @page:	First
 * @n:		How many
 * @ns:		How long to look
 */
static int snatch(struct guest *g, struct window *w, uint64_t page, uint64_t n, uint64_t ns)
{
	struct viommu *iommu = &g->devices[0].iommu;
	uint64_t size = n * sizeof(*w->entry);
	uint64_t *saved = malloc(size);
	uint32_t i;
	int err;

	if (!saved)
		return -ENOMEM;
	memcpy(saved, w->entry + page, size);
	memset(w->entry + page, 0, size);
	err = viommu_invalidate(iommu, w->base + (page << iommu->shift), n << iommu->shift);
	for (i = 0; !err && i < g->pool.n; i++)
		if (inside(g, w, i, page, n))
			poison_fill(g, i);
	if (!err) {
		watch(g, w, page, n, ns);
		g->stats.poison_checks++;
	}
	memcpy(w->entry + page, saved, size);
	free(saved);
	return err;
}

int snatch_run(struct guest *g)
{
	struct window *w = &g->devices[0].iommu.windows[WINDOW_RX];
	uint64_t rng = random_seed(g->opt->seed);
	int go;

	for (;;) {
		uint64_t page = random_next(&rng) % w->n_pages, n = 1;

		go = receive_while(g, random_next(&rng) % RECEIVE_NS_MAX);
		if (go <= 0)
			return go;
		if (random_next(&rng) % ALL_ONE_IN == 0) {
			page = 0;
			n = w->n_pages;
		}
		go = snatch(g, w, page, n, random_next(&rng) % WATCH_NS_MAX);
		if (go < 0)
			return go;
	}
}
