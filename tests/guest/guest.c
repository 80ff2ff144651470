/* SPDX-License-Identifier: BSD-3-Clause */
/* guest.c - The guest: putting it together, and the clockwork of its loop */
#include "tests/guest/guest.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/guest/clock.h"
#include "tests/guest/frontend.h"
#include "tests/guest/report.h"
#include "tests/guest/revive.h"

/* Rounds between two looks at the clock and, under load, the backend channel */
#define TICK_ROUNDS 64

/* Time between two checks that the backend still lives */
#define ALIVE_NS (10 * NS_PER_MS)

/* Idle rounds after which others on this processor are let run */
#define IDLE_ROUNDS 16

/* A call that takes longer than that does not come any more */
#define CALL_MS_MAX 200

volatile sig_atomic_t guest_stop;
volatile sig_atomic_t guest_asked;

/**
 * n_rings() - Virtqueues of one device
 */
static unsigned int n_rings(const struct guest *g)
{
	return 2 * g->opt->pairs;
}

/**
 * lay_out() - Take room for all rings and buffers
 */
static void lay_out(struct guest *g)
{
	const struct options *opt = g->opt;
	uint32_t buffers = opt->buffers, chain = opt->chain > 2 ? opt->chain : 2;
	const struct ring_conf conf = {
		.size = opt->ring_size,
		.chain = opt->indirect ? chain : 0,
		.base = (uint16_t)opt->base,
		.packed = opt->packed,
		.event_idx = opt->event_idx,
		.in_order = opt->in_order,
		.polled = !opt->interrupts,
		.straddle = opt->viommu && opt->rings == RINGS_SCATTERED,
	};
	unsigned int d, i;

	g->mem.rings.shift = opt->viommu;
	g->mem.buffers.shift = opt->viommu ? opt->viommu : opt->scatter;
	for (d = 0; d < g->n_devices; d++)
		for (i = 0; i < n_rings(g); i++)
			ring_layout(&g->devices[d].rings[i], &g->mem.rings, &conf);
	if (!buffers)
		buffers = 2 * opt->ring_size * opt->pairs * g->n_devices;
	/* Half a huge page left empty is no loss in a sparse file only */
	pool_layout(&g->pool, &g->mem.buffers, buffers, opt->buf_size,
		    opt->pages == 12 && !opt->aligned);
}

/**
 * buffer_addresses() - With static maps, where each window shows each buffer
 */
static void buffer_addresses(struct guest *g)
{
	const struct window *w = g->devices[0].iommu.windows;
	enum window_id tx = g->opt->rw ? WINDOW_RX : WINDOW_TX;
	uint32_t i;

	for (i = 0; i < g->pool.n; i++) {
		uint64_t off = pool_off(&g->pool, i);

		g->pool.bufs[i].addr[DIR_RX] = w[WINDOW_RX].base + off;
		g->pool.bufs[i].addr[DIR_TX] = w[tx].base + off;
	}
}

/**
 * device_new() - Page tables and rings of one device
 */
static int device_new(struct device *d)
{
	const struct options *opt = d->g->opt;
	unsigned int i;
	int err;

	err = viommu_init(&d->iommu, &d->vu, opt, &d->g->mem, d->g->pool.stride,
			  2 * opt->ring_size * opt->pairs);
	for (i = 0; !err && i < n_rings(d->g); i++)
		err = ring_init(&d->rings[i], &d->g->mem.rings, i % 2 == 0);
	for (i = 0; !err && i < n_rings(d->g); i++)
		d->base[i] = ring_base(&d->rings[i]);
	return err;
}

int guest_new(struct guest *g, const struct options *opt)
{
	unsigned int i;
	int err;

	g->opt = opt;
	g->n_devices = opt->n_sockets;
	for (i = 0; i < g->n_devices; i++) {
		struct device *d = &g->devices[i];

		d->g = g;
		d->vu = (struct vu){.path = opt->sockets[i],
				    .fd = -1,
				    .backend_fd = -1,
				    .trace = opt->trace,
				    .timeout_ms = opt->timeout_ms};
	}
	lay_out(g);
	err = memory_back(&g->mem, opt->pages, opt->rings == RINGS_SCATTERED, opt->seed);
	if (!err && opt->readdress_ms && !opt->viommu)
		err = memory_alias(&g->mem);
	if (!err && opt->hotplug_ms)
		err = memory_spare(&g->mem);
	if (!err)
		err = pool_init(&g->pool, &g->mem.buffers);
	for (i = 0; !err && i < g->n_devices; i++)
		err = device_new(&g->devices[i]);
	if (!err && opt->viommu)
		buffer_addresses(g);
	if (!err && opt->log_dirty_ms)
		err = dirty_init(&g->dirty, g);
	if (!err && opt->migrate)
		err = migrate_init(&g->migrate, g);
	return err;
}

void guest_free(struct guest *g)
{
	unsigned int i, j;

	for (i = 0; i < g->n_devices; i++) {
		for (j = 0; j < n_rings(g); j++)
			ring_free(&g->devices[i].rings[j]);
		viommu_free(&g->devices[i].iommu);
		vu_close(&g->devices[i].vu);
	}
	dirty_free(&g->dirty);
	migrate_free(&g->migrate, g);
	pool_free(&g->pool);
	memory_free(&g->mem);
}

/**
 * clock_start() - Let --duration and the rates begin now
 */
static void clock_start(struct guest *g, uint64_t now)
{
	g->start_ns = now;
	g->start_cpu_ns = clock_cpu_ns();
	g->line_ns = now + g->opt->interval * NS_PER_S;
	g->end_ns = g->opt->duration_ms ? now + g->opt->duration_ms * NS_PER_MS : UINT64_MAX;
}

void guest_begin(struct guest *g)
{
	clock_start(g, clock_ns());
	if (!g->opt->warmup_ms)
		return;
	g->warm_ns = g->start_ns + g->opt->warmup_ms * NS_PER_MS;
	g->end_ns = UINT64_MAX;
}

void guest_end(struct guest *g)
{
	g->stop_ns = clock_ns();
	g->stop_cpu_ns = clock_cpu_ns();
}

/**
 * warmup_over() - Forget what was counted so far
 */
static void warmup_over(struct guest *g, uint64_t now)
{
	memset(&g->stats, 0, sizeof(g->stats));
	memset(&g->last, 0, sizeof(g->last));
	g->warm_ns = 0;
	clock_start(g, now);
}

/**
 * hear_backends() - Answer misses
 *
 * Return: Messages dealt with, or -errno after a complaint
 */
static int hear_backends(struct guest *g)
{
	unsigned int i;
	int n = 0;

	for (i = 0; i < g->n_devices; i++) {
		int got = viommu_poll(&g->devices[i].iommu);

		if (got < 0)
			return got;
		n += got;
	}
	return n;
}

/**
 * backends_alive() - Whether all of them hold their connections
 */
static int backends_alive(struct guest *g, uint64_t now)
{
	unsigned int i;

	if (now < g->alive_ns)
		return 0;
	g->alive_ns = now + ALIVE_NS;
	for (i = 0; i < g->n_devices; i++) {
		if (!vu_alive(&g->devices[i].vu)) {
			fprintf(stderr, "vunet-guest: %s: the backend hung up\n",
				g->devices[i].vu.path);
			return -EPIPE;
		}
	}
	return 0;
}

/**
 * arm_rings() - Ask to be called for whatever comes next
 *
 * Return: false when something has come already
 */
static bool arm_rings(struct guest *g)
{
	bool empty = true;
	unsigned int i, j;

	for (i = 0; i < g->n_devices; i++)
		for (j = 0; j < n_rings(g); j++)
			empty &= ring_arm(&g->devices[i].rings[j]);
	return empty;
}

/**
 * check_called() - After a sleep of full length, whether a call was left out
 *
 * What is there now may have come a moment ago, so its call gets some time.
 */
static void check_called(struct guest *g)
{
	unsigned int i, j;

	for (i = 0; i < g->n_devices; i++) {
		for (j = 0; j < n_rings(g); j++) {
			struct ring *r = &g->devices[i].rings[j];
			struct pollfd p = {.fd = r->call_fd, .events = POLLIN};

			/* One that has ended may not have come to it */
			if (ring_used_count(r) && poll(&p, 1, CALL_MS_MAX) == 0 &&
			    vu_alive(&g->devices[i].vu))
				g->stats.calls_missed++;
		}
	}
}

/**
 * sleep_until_called() - Wait for an interrupt, a miss, or a little time
 */
static void sleep_until_called(struct guest *g)
{
	struct pollfd p[DEVICES_MAX * (PAIRS_MAX * 2 + 1)];
	unsigned int i, j, n = 0;
	uint64_t count;

	if (!arm_rings(g))
		return;
	for (i = 0; i < g->n_devices; i++) {
		struct device *d = &g->devices[i];

		for (j = 0; j < n_rings(g); j++)
			p[n++] = (struct pollfd){.fd = d->rings[j].call_fd, .events = POLLIN};
		p[n++] = (struct pollfd){.fd = d->vu.backend_fd, .events = POLLIN};
	}
	if (poll(p, n, 10) <= 0) {
		check_called(g);
		return;
	}
	for (i = 0; i < n; i++)
		if (p[i].revents & POLLIN && (i + 1) % (n_rings(g) + 1) &&
		    read(p[i].fd, &count, sizeof(count)) == sizeof(count))
			g->stats.calls += count;
}

/**
 * tick_idle() - Nothing moved: hear misses at once, and let others run
 */
static int tick_idle(struct guest *g)
{
	int n = hear_backends(g);

	if (n)
		return n < 0 ? n : 0;
	if (++g->idle < IDLE_ROUNDS)
		return 0;
	if (g->opt->interrupts)
		sleep_until_called(g);
	else
		sched_yield();
	return 0;
}

/**
 * enough() - Whether there were as many rounds as are wanted
 */
static bool enough(const struct guest *g)
{
	return g->opt->rounds && g->stats.log_rounds + g->stats.migrations >= g->opt->rounds;
}

/**
 * plug() - Add the spare region to every device's memory, or remove it
 */
static int plug(struct guest *g, uint64_t now)
{
	unsigned int i;
	int err = 0;

	if (!g->opt->hotplug_ms || now < g->plug_ns)
		return 0;
	g->plug_ns = now + g->opt->hotplug_ms * NS_PER_MS;
	for (i = 0; !err && i < g->n_devices; i++)
		err = frontend_plug(&g->devices[i], !g->devices[i].plugged);
	g->stats.plugs++;
	return err;
}

/**
 * move_rings() - Have every device's rings at their other addresses
 */
static int move_rings(struct guest *g, uint64_t now)
{
	unsigned int i;
	int err = 0;

	if (!g->opt->readdress_ms || now < g->move_ns)
		return 0;
	g->move_ns = now + g->opt->readdress_ms * NS_PER_MS;
	for (i = 0; !err && i < g->n_devices; i++)
		err = frontend_readdress(&g->devices[i]);
	g->stats.moves++;
	return err;
}

/**
 * tick() - guest_tick(), but for backends that end
 */
static int tick(struct guest *g, bool moved)
{
	uint64_t now;
	int err = 0;

	if (g->error)
		return g->error;
	if (!moved)
		err = tick_idle(g);
	else
		g->idle = 0;
	if (err)
		return err;
	if (guest_asked) {
		guest_asked = 0;
		report_so_far(g);
	}
	if (g->rounds % TICK_ROUNDS && g->idle < IDLE_ROUNDS)
		return !g->done;
	if (moved)
		err = hear_backends(g);
	if (err < 0)
		return err;
	now = clock_ns();
	err = backends_alive(g, now);
	if (!err)
		err = plug(g, now);
	if (!err)
		err = move_rings(g, now);
	if (err)
		return err;
	revive_check(g, now);
	if (g->warm_ns && now >= g->warm_ns)
		warmup_over(g, now);
	if (now >= g->line_ns && g->opt->interval && !g->opt->quiet) {
		report_line(g, now);
		g->line_ns += g->opt->interval * NS_PER_S;
	}
	if (g->opt->log_dirty_ms && !enough(g))
		err = dirty_step(&g->dirty, g, now);
	if (g->opt->migrate && !enough(g))
		err = migrate_step(&g->migrate, g, now);
	if (err < 0)
		return err;
	return !g->done && !enough(g) && !guest_stop && now < g->end_ns;
}

int guest_tick(struct guest *g, bool moved)
{
	int go;

	g->rounds++;
	go = tick(g, moved);
	if (!revive_wanted(g, go))
		return go;
	go = revive(g);
	return go < 0 ? go : !go;
}
