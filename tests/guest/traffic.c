/* SPDX-License-Identifier: BSD-3-Clause */
/* traffic.c - One-way traffic: sending as fast as taken, counting what arrives */
#include "tests/guest/modes.h"

#include <string.h>

#include "tests/guest/frames.h"
#include "tests/guest/netdev.h"
#include "tests/guest/random.h"

/* Where the number of a frame is, behind the Ethernet header */
#define SEQ_OFF ETH_LEN

/**
 * fill_pool() - Write a payload into every buffer once, so that sending need not
 */
static void fill_pool(struct guest *g)
{
	uint8_t byte[BUF_ALIGN];
	uint32_t i, at;

	memset(byte, 0x5a, sizeof(byte));
	for (i = 0; i < g->pool.n; i++) {
		uint64_t off = pool_off(&g->pool, i);

		for (at = 0; at < g->pool.stride; at += sizeof(byte))
			arena_write(g->pool.arena, off + at, byte, sizeof(byte));
	}
}

/**
 * pick_size() - Length of the next frame
 */
static inline uint32_t pick_size(const struct options *opt, uint64_t *rng)
{
	if (!opt->size_random)
		return opt->size;
	return FRAME_MIN + (uint32_t)(random_next(rng) % (opt->size - FRAME_MIN + 1));
}

/**
 * tx_some() - Send one burst
 *
 * Return: Whether anything was sent
 */
static bool tx_some(struct guest *g, unsigned int pair, uint64_t *rng)
{
	struct device *d = &g->devices[0];
	struct ring *r = device_tx(d, pair);
	uint32_t frames[BURST_MAX];
	unsigned int n, sent;

	tx_reclaim(d, pair);
	for (n = 0; n < g->opt->burst && pool_avail(&g->pool); n++) {
		uint64_t seq = g->stats.tx_frames + n;
		struct buf *b;

		if (r->n_free < (n + 1) * (r->chain ? 1 : g->opt->chain))
			break;
		frames[n] = frame_alloc(g, d->hdr + pick_size(g->opt, rng));
		b = &g->pool.bufs[frames[n]];
		memset(b->va, 0, d->hdr);
		frame_header(b->va + d->hdr);
		memcpy(b->va + d->hdr + SEQ_OFF, &seq, sizeof(seq));
	}
	sent = n ? tx_burst(d, pair, frames, n) : 0;
	while (n > sent)
		frame_free(g, frames[--n]);
	return sent;
}

int tx_run(struct guest *g)
{
	uint64_t rng = random_seed(g->opt->seed);
	unsigned int pair;
	int go;

	fill_pool(g);
	do {
		bool moved = false;

		for (pair = 0; pair < g->opt->pairs; pair++)
			moved |= tx_some(g, pair, &rng);
		g->done = g->opt->count && g->stats.tx_frames >= g->opt->count;
		go = guest_tick(g, moved);
	} while (go > 0);
	return go;
}

/**
 * rx_some() - Take one burst and give the buffers back
 */
static bool rx_some(struct guest *g, unsigned int pair)
{
	struct device *d = &g->devices[0];
	uint32_t frames[BURST_MAX];
	unsigned int i, n = rx_burst(d, pair, frames, g->opt->burst);

	for (i = 0; i < n; i++)
		frame_free(g, frames[i]);
	rx_refill(d, pair);
	return n;
}

int rx_run(struct guest *g)
{
	unsigned int pair;
	int go;

	do {
		bool moved = false;

		for (pair = 0; pair < g->opt->pairs; pair++)
			moved |= rx_some(g, pair);
		g->done = g->opt->count && g->stats.rx_frames >= g->opt->count;
		go = guest_tick(g, moved);
	} while (go > 0);
	return go;
}
