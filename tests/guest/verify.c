/* SPDX-License-Identifier: BSD-3-Clause */
/* verify.c - Numbered frames out, the same frames back
 *
 * Theory of operation
 * ===================
 * Behind the Ethernet header each frame has a struct mark, then words made from
 * its number and their position: a byte that is lost, doubled or from another
 * page does not go unnoticed.  MAC addresses may be swapped on the way.
 *
 * No more than --window frames of a pair are on their way, so that nothing is
 * lost only because nobody took it.  A number that is skipped counts as lost; if
 * it comes later after all, as reordered instead.  Frames that are still missing
 * when nothing has come for a while at the end are lost.
 *
 * With --reconnect those that were on their way when a backend ended are forgiven;
 * it may have used their buffers and not have sent them, or not have looked at them.
 *
 * With --toggle a frame may come back through another pair (toggle.h).
 */
#include "tests/guest/verify.h"

#include <stdlib.h>
#include <string.h>

#include "tests/guest/clock.h"
#include "tests/guest/frames.h"
#include "tests/guest/modes.h"
#include "tests/guest/netdev.h"
#include "tests/guest/random.h"
#include "tests/guest/toggle.h"

#define MAGIC UINT32_C(0x76756e74) /* "vunt" */

/* How long after the last arrival a missing frame is given up */
#define PATIENCE_NS (2 * NS_PER_S)

/**
 * struct mark - What identifies a frame
 */
struct mark {
	uint32_t magic;
	uint16_t pair;
	uint16_t len;
	uint64_t seq;
} __attribute__((packed));

/* In place of the pair, in frames for a transmit ring that is disabled */
#define DOOMED 0x8000

/**
 * fill() - Write the words of a payload
 */
static void fill(uint8_t *at, uint32_t len, uint64_t seq)
{
	uint64_t word = (seq + 1) * UINT64_C(0x9e3779b97f4a7c15);

	for (; len >= sizeof(word); len -= (uint32_t)sizeof(word), at += sizeof(word)) {
		memcpy(at, &word, sizeof(word));
		word = word * 3 + 1;
	}
	memcpy(at, &word, len);
}

/**
 * frame_make() - Build a frame, virtio header included
 */
static void frame_make(uint8_t *f, uint32_t hdr, uint32_t len, uint16_t pair, uint64_t seq)
{
	struct mark m = {.magic = MAGIC, .pair = pair, .len = (uint16_t)len, .seq = seq};

	memset(f, 0, hdr);
	frame_header(f + hdr);
	memcpy(f + hdr + ETH_LEN, &m, sizeof(m));
	fill(f + hdr + ETH_LEN + sizeof(m), len - ETH_LEN - (uint32_t)sizeof(m), seq);
}

/**
 * window_of() - Frames a receive ring is sure to hold, or --window if less
 */
static uint32_t window_of(const struct guest *g)
{
	const struct options *opt = g->opt;
	uint32_t per_frame = (opt->size + g->devices[0].hdr + opt->buf_size - 1) / opt->buf_size;
	uint32_t room = opt->ring_size / per_frame / (opt->indirect ? 1 : opt->chain);

	return opt->window < room ? opt->window : room;
}

/**
 * pick_size() - Length of the next frame
 */
static uint32_t pick_size(const struct options *opt, uint64_t *rng)
{
	if (!opt->size_random)
		return opt->size;
	return FRAME_MIN + (uint32_t)(random_next(rng) % (opt->size - FRAME_MIN + 1));
}

/**
 * send_one() - Send one frame of a pair
 *
 * Return: false when there is no room for it
 */
static bool send_one(struct guest *g, unsigned int pair, struct flow *flow, uint64_t *rng)
{
	static uint8_t f[FRAME_BYTES];
	struct device *d = &g->devices[0];
	uint32_t len = pick_size(g->opt, rng), id = frame_alloc(g, d->hdr + len);

	if (id == BUF_NONE)
		return false;
	frame_make(f, d->hdr, len, (uint16_t)pair, flow->sent);
	frame_write(&g->pool, id, 0, f, d->hdr + len);
	if (!tx_burst(d, pair, &id, 1)) {
		frame_free(g, id);
		return false;
	}
	flow->sent++;
	return true;
}

bool verify_send_doomed(struct guest *g, unsigned int pair)
{
	uint8_t f[12 + FRAME_MIN];
	struct device *d = &g->devices[0];
	uint32_t id = frame_alloc(g, d->hdr + FRAME_MIN);

	if (id == BUF_NONE)
		return false;
	frame_make(f, d->hdr, FRAME_MIN, (uint16_t)(DOOMED | pair), 0);
	frame_write(&g->pool, id, 0, f, d->hdr + FRAME_MIN);
	if (tx_burst(d, pair, &id, 1)) {
		g->stats.tx_doomed++;
		return true;
	}
	frame_free(g, id);
	return false;
}

/**
 * under_way() - Frames that are on their way, as far as the backend knows of them
 */
static uint64_t under_way(const struct flow *flow)
{
	uint64_t from = flow->expected > flow->before ? flow->expected : flow->before;

	return flow->sent - from;
}

/**
 * send_some() - Send one burst of a pair, within its window
 */
static bool send_some(struct guest *g, unsigned int pair, struct flow *flow, uint64_t *rng)
{
	unsigned int n;

	for (n = 0; n < g->opt->burst; n++) {
		if (flow->off || under_way(flow) >= flow->window)
			break;
		if (g->opt->count && g->stats.tx_frames >= g->opt->count)
			break;
		if (!send_one(g, pair, flow, rng))
			break;
	}
	return n;
}

/**
 * intact() - Whether a frame of ours is what was sent
 */
static bool intact(const uint8_t *f, uint32_t len, const struct mark *m)
{
	static uint8_t want[FRAME_BYTES];
	uint32_t skip = ETH_LEN + sizeof(*m);

	if (m->len != len)
		return false;
	fill(want, len - skip, m->seq);
	return memcmp(f + skip, want, len - skip) == 0;
}

/**
 * skip() - Count what did not come before a number as lost, or forgive it
 */
static void skip(struct guest *g, struct flow *flow, uint64_t seq)
{
	uint64_t from = flow->expected > flow->before ? flow->expected : flow->before;

	from = from < seq ? from : seq;
	g->stats.cut += from - flow->expected;
	g->stats.lost += seq - from;
	flow->expected = seq;
}

/**
 * account() - Whether a number came in its turn
 */
static void account(struct guest *g, struct flow *flow, uint64_t seq)
{
	if (seq >= flow->sent) {
		g->stats.corrupt++;
	} else if (seq < flow->expected) {
		g->stats.reordered++;
		g->stats.lost -= g->stats.lost > 0;
	} else {
		skip(g, flow, seq);
		flow->expected = seq + 1;
	}
}

/**
 * check_frame() - Look at one frame that came back
 */
static void check_frame(struct guest *g, unsigned int pair, struct flow *flows, uint32_t id)
{
	static uint8_t f[FRAME_BYTES];
	uint32_t hdr = g->devices[0].hdr, len = frame_read(&g->pool, id, f);
	uint16_t type;
	struct mark m;

	if (len < hdr + ETH_LEN + sizeof(m)) {
		g->stats.foreign++;
		return;
	}
	memcpy(&type, f + hdr + 12, sizeof(type));
	memcpy(&m, f + hdr + ETH_LEN, sizeof(m));
	if (m.magic != MAGIC && type != __builtin_bswap16(ETHERTYPE_TEST)) {
		/* Behind a loop nobody else speaks; behind a TAP the kernel does */
		g->stats.foreign++;
		return;
	}
	if (m.magic == MAGIC && m.pair & DOOMED)
		g->stats.leaked++;
	else if (m.magic != MAGIC || m.pair >= g->opt->pairs || !intact(f + hdr, len - hdr, &m) ||
		 (m.pair != pair && !g->opt->toggle_ms))
		g->stats.corrupt++;
	else
		account(g, &flows[m.pair], m.seq);
}

/**
 * heard() - Note that something came
 *
 * Through that pair; perhaps another one's.
 */
static void heard(const struct guest *g, unsigned int pair, struct flow *flows)
{
	uint64_t now = clock_ns();
	unsigned int i;

	flows[pair].heard_ns = now;
	for (i = 0; g->opt->toggle_ms && i < g->opt->pairs; i++)
		flows[i].heard_ns = now;
}

bool verify_check(struct guest *g, unsigned int pair, struct flow *flows)
{
	struct device *d = &g->devices[0];
	uint32_t frames[BURST_MAX];
	unsigned int i, n = rx_burst(d, pair, frames, g->opt->burst);

	for (i = 0; i < n; i++) {
		check_frame(g, pair, flows, frames[i]);
		frame_free(g, frames[i]);
	}
	rx_refill(d, pair);
	if (flows[pair].deaf)
		g->stats.leaked += n;
	if (n)
		heard(g, pair, flows);
	return n;
}

/**
 * give_up() - Count what is on its way as lost if nothing came for a while
 *
 * Return: Whether the flow has nothing on its way now
 */
static bool give_up(struct guest *g, struct flow *flow)
{
	if (flow->sent == flow->expected)
		return true;
	if (clock_ns() - flow->heard_ns < PATIENCE_NS)
		return false;
	skip(g, flow, flow->sent);
	return true;
}

/**
 * drain() - After the last frame was sent, wait for those on their way
 */
static int drain(struct guest *g, struct flow *flows)
{
	unsigned int pair;
	bool all;
	int go;

	g->end_ns = UINT64_MAX;
	g->done = false;
	do {
		bool moved = false;

		all = true;
		for (pair = 0; pair < g->opt->pairs; pair++) {
			moved |= verify_check(g, pair, flows);
			moved |= tx_reclaim(&g->devices[0], pair) > 0;
			all &= give_up(g, &flows[pair]);
		}
		go = guest_tick(g, moved);
	} while (!all && (go > 0 || (go == 0 && !g->error)));
	return go < 0 ? go : 0;
}

/**
 * forgive() - After a backend has ended, forgive what it was given
 */
static void forgive(const struct guest *g, struct flow *flows)
{
	unsigned int pair;

	for (pair = 0; pair < g->opt->pairs; pair++) {
		flows[pair].before = flows[pair].sent;
		flows[pair].heard_ns = clock_ns();
	}
}

int verify_run(struct guest *g)
{
	uint64_t rng = random_seed(g->opt->seed);
	struct flow flows[PAIRS_MAX] = {{0}};
	struct toggle toggle = {.rng = rng};
	uint64_t revivals = 0;
	unsigned int pair;
	int go;

	for (pair = 0; pair < g->opt->pairs; pair++) {
		flows[pair].heard_ns = clock_ns();
		flows[pair].window = window_of(g);
	}
	do {
		bool moved = false;

		for (pair = 0; pair < g->opt->pairs; pair++) {
			moved |= verify_check(g, pair, flows);
			moved |= tx_reclaim(&g->devices[0], pair) > 0;
			moved |= send_some(g, pair, &flows[pair], &rng);
			/* A full window that stays full would stop the flow */
			if (!moved && under_way(&flows[pair]) >= flows[pair].window)
				give_up(g, &flows[pair]);
		}
		if (g->opt->toggle_ms && !g->error)
			g->error = toggle_step(&toggle, g, flows);
		g->done = g->opt->count && g->stats.tx_frames >= g->opt->count;
		go = guest_tick(g, moved);
		if (g->stats.revivals != revivals)
			forgive(g, flows);
		revivals = g->stats.revivals;
	} while (go > 0);
	return go < 0 ? go : drain(g, flows);
}
