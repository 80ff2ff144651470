/* SPDX-License-Identifier: BSD-3-Clause */
/* revive.c - A backend that ends, and the one that comes after it (--reconnect) */
#include "tests/guest/revive.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "tests/guest/clock.h"
#include "tests/guest/frontend.h"
#include "tests/guest/guest.h"

bool revive_wanted(const struct guest *g, int err)
{
	return g->opt->reconnect_ms && (err == -EPIPE || err == -ECONNRESET);
}

/**
 * pause_ms() - Do nothing for a while
 */
static void pause_ms(uint32_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&t, NULL);
}

/**
 * forget() - Forget what was under way on a connection
 */
static void forget(struct device *d)
{
	vu_close(&d->vu);
	d->vu.n_batch = 0;
	d->vu.reply_ack = false;
	d->vu.retrying = true;
	d->iommu.batching = false;
	d->iommu.n_answered = d->iommu.n_delayed;
}

/**
 * bring_up() - Try once to connect a device and start it
 */
static int bring_up(struct device *d)
{
	unsigned int i;
	int err = frontend_connect(d);

	for (i = 0; !err && i < 2 * d->g->opt->pairs; i++)
		if (!d->rings[i].packed)
			d->base[i] = ring_used_idx(&d->rings[i]);
	return err ? err : frontend_start(d);
}

/**
 * try_again() - Whether there is a point in trying once more
 *
 * A backend may end in the middle of what is said to it, or not be there yet.
 */
static bool try_again(int err)
{
	return err == -EPIPE || err == -ECONNRESET || err == -ECONNREFUSED || err == -ENOENT ||
	       err == -EINTR || err == -EAGAIN;
}

int revive(struct guest *g)
{
	uint64_t lost_ns = clock_ns();
	unsigned int i;
	int err;

	g->error = 0;
	for (i = 0; i < g->n_devices; i++) {
		struct device *d = &g->devices[i];

		if (d->vu.fd >= 0 && vu_alive(&d->vu) && g->n_devices > 1)
			continue;
		do {
			forget(d);
			if (guest_stop)
				return 1;
			pause_ms(g->opt->reconnect_ms);
			err = bring_up(d);
		} while (err && try_again(err));
		d->vu.retrying = false;
		if (err)
			return err;
	}
	g->stats.revivals++;
	g->lost_ns = lost_ns;
	g->lost_rx = g->stats.rx_frames;
	return 0;
}

void revive_check(struct guest *g, uint64_t now)
{
	uint64_t ms;

	if (!g->lost_ns || g->stats.rx_frames == g->lost_rx)
		return;
	ms = (now - g->lost_ns) / NS_PER_MS;
	if (ms > g->stats.outage_ms)
		g->stats.outage_ms = ms;
	g->lost_ns = 0;
	/* For whoever knows when the backend was started, by the same clock */
	printf("again=%.6f\n", (double)now / NS_PER_S);
	fflush(stdout);
}
