/* SPDX-License-Identifier: BSD-3-Clause */
/* dirty.c - Whether the backend logs every page it writes to (--log-dirty) */
#include "tests/guest/dirty.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/guest/clock.h"
#include "tests/guest/frontend.h"
#include "tests/guest/guest.h"

/* How long frames collect, with the transmit rings stopped */
#define COLLECT_NS (20 * NS_PER_MS)

/* The backend is done when nothing has come for so long; in any case, when */
#define QUIET_NS  (5 * NS_PER_MS)
#define SETTLE_NS (2 * NS_PER_S)
#define LOOK_US	  100

/* No backend says this; of packed rings it is the flags, of split ones avail_event */
#define SCRIBBLE 0x5ca1

/**
 * n_pages() - Pages of a region; it begins and ends at one
 */
static uint64_t n_pages(const struct region *r)
{
	return r->size / LOG_PAGE;
}

int dirty_init(struct dirty *t, const struct guest *g)
{
	unsigned int i;

	bitmap_init(&t->log, &g->mem);
	for (i = 0; i < g->mem.n_regions; i++) {
		const struct region *r = &g->mem.regions[i];

		t->copies[i] = malloc(r->size);
		t->changed[i] = calloc(n_pages(r), sizeof(bool));
		if (!t->copies[i] || !t->changed[i]) {
			fprintf(stderr, "vunet-guest: no memory for --log-dirty\n");
			return -ENOMEM;
		}
	}
	return 0;
}

void dirty_free(struct dirty *t)
{
	unsigned int i;

	for (i = 0; i < REGIONS_MAX; i++) {
		free(t->copies[i]);
		free(t->changed[i]);
	}
	bitmap_close(&t->log);
}

/**
 * scribble() - Write over what only the backend writes, in a ring that is stopped
 */
static void scribble(const struct ring *r)
{
	if (r->packed)
		r->device->flags = SCRIBBLE;
	else if (r->event_idx)
		*(uint16_t *)&r->used->ring[r->size] = SCRIBBLE;
}

/**
 * transmit_rings() - Stop or start all transmit rings
 */
static int transmit_rings(struct guest *g, bool on)
{
	unsigned int i, pair;
	int err = 0;

	for (i = 0; i < g->n_devices; i++)
		for (pair = 0; !err && pair < g->opt->pairs; pair++)
			err = on ? frontend_start_ring(&g->devices[i], 2 * pair + 1)
				 : frontend_stop_ring(&g->devices[i], 2 * pair + 1);
	return err;
}

/**
 * logging() - Switch logging on or off in all devices
 */
static int logging(const struct dirty *t, struct guest *g, bool on)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < g->n_devices; i++) {
		struct device *d = &g->devices[i];

		if (on)
			err = frontend_set_log(d, t->log.fd, t->log.size);
		if (!err)
			err = frontend_log_all(d, on);
	}
	return err;
}

/**
 * ahead() - Chains of the transmit rings that the backend has yet to take
 */
static uint64_t ahead(struct guest *g)
{
	unsigned int i, pair;
	uint64_t n = 0;

	for (i = 0; i < g->n_devices; i++)
		for (pair = 0; pair < g->opt->pairs; pair++)
			n += ring_left(device_tx(&g->devices[i], pair));
	return n;
}

/**
 * received() - Chains of the receive rings that the driver could take back
 *
 * Nothing is written to the guest's memory.
 */
static uint64_t received(struct guest *g)
{
	unsigned int i, pair;
	uint64_t n = 0;

	for (i = 0; i < g->n_devices; i++)
		for (pair = 0; pair < g->opt->pairs; pair++)
			n += ring_used_count(device_rx(&g->devices[i], pair));
	return n;
}

/**
 * settle() - Wait until the backend has done all it can, answering its misses
 */
static int settle(struct guest *g)
{
	uint64_t begin = clock_ns(), heard = begin, before = 0, now;
	unsigned int i;

	for (now = begin; now - begin < SETTLE_NS; now = clock_ns()) {
		uint64_t n = received(g);

		for (i = 0; i < g->n_devices; i++) {
			int got = viommu_poll(&g->devices[i].iommu);

			if (got < 0)
				return got;
			heard = got ? now : heard;
		}
		if (n != before || ahead(g))
			heard = now;
		before = n;
		if (now - heard > QUIET_NS)
			return 0;
		usleep(LOOK_US);
	}
	return 0;
}

/**
 * copy() - Copy memory, or see which pages have changed since
 */
static void copy(struct dirty *t, const struct guest *g, bool compare)
{
	unsigned int i;
	uint64_t page;

	for (i = 0; i < g->mem.n_regions; i++) {
		const struct region *r = &g->mem.regions[i];

		if (!compare) {
			memcpy(t->copies[i], r->va, r->size);
			continue;
		}
		for (page = 0; page < n_pages(r); page++)
			t->changed[i][page] = memcmp(t->copies[i] + page * LOG_PAGE,
						     r->va + page * LOG_PAGE, LOG_PAGE) != 0;
	}
}

/**
 * judge() - Hold what has changed against the log
 */
static void judge(const struct dirty *t, struct guest *g)
{
	struct stats *s = &g->stats;
	uint64_t page, all = bitmap_count(&t->log), ours = 0;
	unsigned int i;

	for (i = 0; i < g->mem.n_regions; i++) {
		const struct region *r = &g->mem.regions[i];

		for (page = 0; page < n_pages(r); page++) {
			uint64_t gpa = r->gpa + page * LOG_PAGE;
			bool mark = bitmap_has(&t->log, gpa), changed = t->changed[i][page];

			ours += mark;
			s->log_changed += changed;
			s->log_unchanged += mark && !changed;
			if (!changed || mark)
				continue;
			if (!s->log_missed++)
				fprintf(stderr,
					"vunet-guest: the page at 0x%llx was written to and not "
					"logged\n",
					(unsigned long long)gpa);
		}
	}
	s->log_marked += all;
	s->log_stray += all - ours;
	s->log_rounds++;
}

/**
 * stop() - Let frames collect in the transmit rings
 */
static int stop(struct dirty *t, struct guest *g)
{
	t->stopped = true;
	t->next_ns = clock_ns() + COLLECT_NS;
	return transmit_rings(g, false);
}

/**
 * check() - Have the backend write, and log it
 */
static int check(struct dirty *t, struct guest *g)
{
	unsigned int i, pair;
	int err = bitmap_open(&t->log);

	if (!err)
		err = logging(t, g, true);
	if (err)
		return err;
	for (i = 0; i < g->n_devices; i++)
		for (pair = 0; pair < g->opt->pairs; pair++)
			scribble(&g->devices[i].rings[2 * pair + 1]);
	/* What was written before is in the copy */
	bitmap_clear(&t->log);
	copy(t, g, false);
	err = transmit_rings(g, true);
	if (!err)
		err = settle(g);
	copy(t, g, true);
	if (!err)
		err = logging(t, g, false);
	if (!err)
		judge(t, g);
	t->stopped = false;
	t->next_ns = clock_ns() + g->opt->log_dirty_ms * NS_PER_MS;
	return err;
}

int dirty_step(struct dirty *t, struct guest *g, uint64_t now)
{
	if (now < t->next_ns)
		return 0;
	return t->stopped ? check(t, g) : stop(t, g);
}
