/* SPDX-License-Identifier: BSD-3-Clause */
/* streams.c - Sending streams and looking at what comes (--offloads)
 *
 * Theory of operation
 * ===================
 * Modes tx and verify send frames of all streams in turn by chance: whole ones,
 * ones whose checksum is left to the backend, and ones to be cut into segments,
 * as far as that was negotiated.  Modes rx and verify look at what comes.
 *
 * A sender that expects its frames back has no more segments on their way than
 * its receive ring holds, or else one frame only.
 *
 * With --bad-offloads every other frame is spoilt (spoil.h).  Nothing of it is
 * on its way.
 */
#include "tests/guest/modes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guest/clock.h"
#include "tests/guest/frames.h"
#include "tests/guest/netdev.h"
#include "tests/guest/random.h"
#include "tests/guest/spoil.h"
#include "tests/guest/stream.h"

#define BIT(n) (UINT64_C(1) << (n))

/* Segments of one frame at most, for sizes where 64 KiB would be thousands */
#define SEGMENTS_MAX 64

/* Smallest segments, those of a TCP that uses all its options (RFC 9293, 3.7.1) */
#define SEGMENT_MIN 8

/* How long after the last arrival a missing frame is given up */
#define PATIENCE_NS (5 * NS_PER_S)

/**
 * struct lane - What the streams of a queue pair have in common
 * @sent:	Segments sent
 * @seen:	Segments that came, or were given up
 * @heard_ns:	When something came last
 * @next:	What the next frame is like, until it has been sent
 * @kind:	Its stream
 * @drawn:	There is one
 * @way:	Next way to spoil a frame
 */
struct lane {
	uint64_t sent;
	uint64_t seen;
	uint64_t heard_ns;
	struct stream_frame next;
	unsigned int kind;
	bool drawn;
	unsigned int way;
};

/**
 * struct streams - All of them
 * @g:		Guest
 * @s:		STREAM_KINDS for each pair
 * @lanes:	One for each pair
 * @rng:	Random numbers
 * @window:	Segments of a pair that may be on their way
 * @largest:	Longest frame that is sure to find room in a transmit ring
 * @back:	Frames are expected to come back
 * @complained:	The first wrong frame was told of
 */
struct streams {
	struct guest *g;
	struct stream s[STREAM_KINDS * PAIRS_MAX];
	struct lane lanes[PAIRS_MAX];
	uint64_t rng;
	uint32_t window;
	uint32_t largest;
	bool back;
	bool complained;
};

/**
 * pick() - A random number
 * @n:	One more than the largest
 */
static uint32_t pick(struct streams *t, uint32_t n)
{
	return (uint32_t)(random_next(&t->rng) % n);
}

/**
 * segment_max() - Most payload of a frame of a kind on the wire
 */
static uint32_t segment_max(const struct streams *t, unsigned int kind)
{
	return t->g->opt->size - stream_headers(kind);
}

/**
 * can_cut() - Whether frames of a kind may be left to be cut
 */
static bool can_cut(uint64_t features, unsigned int kind)
{
	unsigned int tso = stream_ipv6(kind) ? VIRTIO_NET_F_HOST_TSO6 : VIRTIO_NET_F_HOST_TSO4;

	if (!stream_tcp(kind) || !(features & BIT(tso)))
		return false;
	return !stream_reduces(kind) || features & BIT(VIRTIO_NET_F_HOST_ECN);
}

/**
 * pick_segment() - Size of the segments of a frame
 */
static uint16_t pick_segment(struct streams *t, uint32_t max)
{
	switch (pick(t, 8)) {
	case 0:
		return (uint16_t)(max < 536 ? max : 536);
	case 1:
		return (uint16_t)(SEGMENT_MIN + pick(t, 64));
	case 2:
		return (uint16_t)(SEGMENT_MIN + pick(t, max - SEGMENT_MIN + 1));
	default:
		return (uint16_t)max;
	}
}

/**
 * pick_frame() - Draw what the next frame of a pair is like
 *
 * One that finds no room is not replaced by another: large ones would be rare.
 */
static void pick_frame(struct streams *t, struct lane *lane)
{
	uint64_t features = t->g->devices[0].features;
	struct stream_frame *sf = &lane->next;
	uint32_t kind, max, most;

	if (lane->drawn)
		return;
	kind = pick(t, STREAM_KINDS);
	max = segment_max(t, kind);
	lane->drawn = true;
	lane->kind = kind;
	memset(sf, 0, sizeof(*sf));
	sf->partial = pick(t, 3) && features & BIT(VIRTIO_NET_F_CSUM);
	sf->payload = 1 + (pick(t, 2) ? max - 1 : pick(t, max));
	sf->segments = 1;
	if (!sf->partial || !can_cut(features, kind) || !pick(t, 4))
		return;
	sf->gso_size = pick_segment(t, max);
	most = sf->gso_size * SEGMENTS_MAX;
	if (most > t->largest - stream_headers(kind))
		most = t->largest - stream_headers(kind);
	sf->payload = 1 + (pick(t, 2) ? most - 1 : pick(t, most));
	sf->segments = (sf->payload + sf->gso_size - 1) / sf->gso_size;
}

/**
 * send_frame() - Send a frame that was made
 *
 * Return: false when there is no room for it
 */
static bool send_frame(struct guest *g, unsigned int pair, const struct stream_frame *sf,
		       const uint8_t *f)
{
	struct device *d = &g->devices[0];
	uint32_t id = frame_alloc(g, d->hdr + sf->len);

	if (id == BUF_NONE)
		return false;
	frame_write(&g->pool, id, 0, &sf->hdr, d->hdr);
	frame_write(&g->pool, id, d->hdr, f, sf->len);
	if (tx_burst(d, pair, &id, 1))
		return true;
	frame_free(g, id);
	return false;
}

/**
 * send_good() - Send the next frame of one stream of a pair
 *
 * Return: false when there is no room for it
 */
static bool send_good(struct streams *t, unsigned int pair)
{
	static uint8_t f[STREAM_FRAME_MAX];
	struct lane *lane = &t->lanes[pair];
	struct stats *stats = &t->g->stats;
	struct stream_frame sf;
	struct stream *s;

	pick_frame(t, lane);
	s = &t->s[pair * STREAM_KINDS + lane->kind];
	sf = lane->next;
	if (t->back && lane->sent > lane->seen && lane->sent - lane->seen + sf.segments > t->window)
		return false;
	stream_make(s, &sf, f);
	/* What nobody has to believe may be anything */
	if (pick(t, 4) == 0)
		sf.hdr.hdr_len = (uint16_t)random_next(&t->rng);
	if (!send_frame(t->g, pair, &sf, f))
		return false;
	stream_sent(s, &sf);
	lane->drawn = false;
	lane->sent += sf.segments;
	stats->tx_segments += sf.segments;
	stats->tx_payload += sf.payload;
	stats->tx_partial += sf.partial;
	stats->tx_gso += sf.gso_size != 0;
	return true;
}

/**
 * send_bad() - Send a frame that must not get through
 */
static void send_bad(struct streams *t, unsigned int pair)
{
	static uint8_t f[STREAM_FRAME_MAX];
	const struct stream *s = &t->s[pair * STREAM_KINDS + pick(t, STREAM_KINDS)];
	struct lane *lane = &t->lanes[pair];
	struct stats *stats = &t->g->stats;
	struct stream_frame sf;
	enum spoil_result result;

	result = spoil_make(s, lane->way, t->g->devices[0].features, &sf, f);
	if (result != SPOIL_NOT && sf.len > t->largest)
		result = SPOIL_NOT;
	if (result != SPOIL_NOT && !send_frame(t->g, pair, &sf, f))
		return;
	stats->tx_bad += result == SPOIL_CONTRADICTS;
	stats->tx_too_big += result == SPOIL_TOO_BIG;
	/* Each way meets each kind, sooner or later */
	lane->way = (lane->way + 1) % spoil_ways();
}

/**
 * send_some() - Send one burst of a pair
 */
static bool send_some(struct streams *t, unsigned int pair)
{
	const struct options *opt = t->g->opt;
	unsigned int n;

	for (n = 0; n < opt->burst; n++) {
		if (opt->count && t->g->stats.tx_frames >= opt->count)
			break;
		if (!send_good(t, pair))
			break;
		if (opt->bad_offloads)
			send_bad(t, pair);
	}
	return n;
}

/**
 * complain() - Tell of the first wrong frame
 */
static void complain(struct streams *t, const struct stream_seen *seen, uint32_t len,
		     const char *why)
{
	if (t->complained)
		return;
	t->complained = true;
	fprintf(stderr, "vunet-guest: stream %u of pair %u, %u bytes at %llu: %s\n", seen->kind,
		seen->pair, len, (unsigned long long)seen->pos, why);
}

/**
 * complain_leaked() - Tell which way a frame was spoilt that came all the same
 */
static void complain_leaked(struct streams *t, const uint8_t *f, uint32_t len,
			    const struct stream_seen *seen)
{
	struct inet i;
	unsigned int way = spoil_ways();

	if (inet_parse(f, len, &i))
		way = get16(f + inet_l4(&i) + 2) - (unsigned int)STREAM_FORBIDDEN;
	complain(t, seen, len, way < spoil_ways() ? spoil_name(way) : seen->why);
}

/**
 * account() - Move a stream on
 */
static void account(struct streams *t, struct stream *s, const struct stream_seen *seen)
{
	struct stats *stats = &t->g->stats;

	stats->rx_payload += seen->payload;
	if (s->begun && seen->pos < s->expected) {
		stats->reordered++;
		stats->lost -= stats->lost < seen->payload ? stats->lost : seen->payload;
		complain(t, seen, seen->payload, "behind its time");
		return;
	}
	if (s->begun)
		stats->lost += seen->pos - s->expected;
	stream_seen(s, seen);
}

/**
 * check_frame() - Look at one frame
 */
static void check_frame(struct streams *t, unsigned int pair, uint32_t id)
{
	static uint8_t f[FRAME_BYTES];
	struct device *d = &t->g->devices[0];
	uint32_t len = frame_read(&t->g->pool, id, f) - d->hdr;
	struct stats *stats = &t->g->stats;
	struct virtio_net_hdr hdr;
	struct stream_seen seen;
	enum stream_verdict v;

	memcpy(&hdr, f, sizeof(hdr));
	v = stream_check(t->s, t->g->opt->pairs, f + d->hdr, len, &hdr, d->features, &seen);
	stats->rx_valid += hdr.flags == VIRTIO_NET_HDR_F_DATA_VALID;
	stats->rx_gso += hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE;
	stats->foreign += v == STREAM_FOREIGN;
	stats->hdr_errors += v == STREAM_HEADER;
	stats->csum_errors += v == STREAM_CHECKSUM;
	stats->corrupt += v == STREAM_CORRUPT;
	stats->leaked += v == STREAM_LEAKED;
	if (v == STREAM_LEAKED)
		complain_leaked(t, f + d->hdr, len, &seen);
	else if (v != STREAM_GOOD && v != STREAM_FOREIGN)
		complain(t, &seen, len, seen.why);
	if (v != STREAM_GOOD)
		return;
	t->lanes[pair].seen += seen.segments;
	account(t, &t->s[seen.pair * STREAM_KINDS + seen.kind], &seen);
}

/**
 * check_some() - Take one burst of a pair and look at it
 */
static bool check_some(struct streams *t, unsigned int pair)
{
	struct device *d = &t->g->devices[0];
	uint32_t frames[BURST_MAX];
	unsigned int i, n = rx_burst(d, pair, frames, t->g->opt->burst);

	for (i = 0; i < n; i++) {
		check_frame(t, pair, frames[i]);
		frame_free(t->g, frames[i]);
	}
	rx_refill(d, pair);
	if (n)
		t->lanes[pair].heard_ns = clock_ns();
	return n;
}

/**
 * give_up() - Count what is on its way as lost if nothing came for a while
 *
 * Return: Whether the pair has nothing on its way now
 */
static bool give_up(struct streams *t, unsigned int pair)
{
	struct lane *lane = &t->lanes[pair];
	unsigned int i;

	if (lane->sent <= lane->seen)
		return true;
	if (clock_ns() - lane->heard_ns < PATIENCE_NS)
		return false;
	for (i = pair * STREAM_KINDS; i < (pair + 1) * STREAM_KINDS; i++) {
		struct stream *s = &t->s[i];

		t->g->stats.lost += s->sent - s->expected;
		s->expected = s->sent;
		s->id_expected = s->id_sent;
		s->inside = false;
	}
	lane->seen = lane->sent;
	return true;
}

/**
 * all_taken() - Whether the backend has used all that a pair sent
 */
static bool all_taken(struct streams *t, unsigned int pair)
{
	const struct ring *r = device_tx(&t->g->devices[0], pair);

	return r->n_free == r->size;
}

/**
 * round_of() - One round of all pairs
 * @send:	Whether to send
 * @ret_quiet:	Set to whether nothing is on its way any more
 *
 * Return: Whether anything moved
 */
static bool round_of(struct streams *t, bool send, bool *ret_quiet)
{
	struct guest *g = t->g;
	bool moved = false;
	unsigned int pair;

	*ret_quiet = true;
	for (pair = 0; pair < g->opt->pairs; pair++) {
		if (g->opt->mode != MODE_TX)
			moved |= check_some(t, pair);
		moved |= tx_reclaim(&g->devices[0], pair) > 0;
		if (send)
			moved |= send_some(t, pair);
		/* A full window that stays full would stop the pair */
		if (t->back && (!send || !moved))
			*ret_quiet &= give_up(t, pair);
		*ret_quiet &= all_taken(t, pair);
	}
	return moved;
}

/**
 * streams_new() - All streams at their beginnings
 *
 * Return: NULL when there is no memory
 */
static struct streams *streams_new(struct guest *g)
{
	const struct options *opt = g->opt;
	uint32_t per_segment = (opt->size + g->devices[0].hdr + opt->buf_size) / opt->buf_size;
	uint32_t chain = opt->indirect ? 1 : opt->chain;
	uint64_t largest = (uint64_t)opt->ring_size / opt->chain / 2 * opt->buf_size;
	struct streams *t = calloc(1, sizeof(*t));
	unsigned int i;

	if (!t)
		return NULL;
	t->g = g;
	t->rng = random_seed(opt->seed);
	t->window = opt->ring_size / per_segment / chain;
	t->window = opt->window < t->window ? opt->window : t->window;
	largest -= g->devices[0].hdr;
	t->largest = largest < STREAM_FRAME_MAX ? (uint32_t)largest : STREAM_FRAME_MAX;
	t->back = opt->mode == MODE_VERIFY;
	for (i = 0; i < STREAM_KINDS * opt->pairs; i++) {
		t->s[i].kind = i % STREAM_KINDS;
		t->s[i].pair = (uint8_t)(i / STREAM_KINDS);
		t->s[i].begun = t->back;
	}
	for (i = 0; i < opt->pairs; i++)
		t->lanes[i].heard_ns = clock_ns();
	return t;
}

/**
 * is_done() - Whether --count is reached
 */
static bool is_done(const struct guest *g)
{
	uint64_t n = g->opt->mode == MODE_RX ? g->stats.rx_frames : g->stats.tx_frames;

	return g->opt->count && n >= g->opt->count;
}

/**
 * streams_drain() - Wait for what is on its way, for longer than --duration says
 *
 * Return: 0 or -errno after a complaint
 */
static int streams_drain(struct streams *t)
{
	struct guest *g = t->g;
	uint64_t end = clock_ns() + PATIENCE_NS;
	bool quiet;
	int go;

	g->end_ns = UINT64_MAX;
	g->done = false;
	do {
		bool moved = round_of(t, false, &quiet);

		if (moved)
			end = clock_ns() + PATIENCE_NS;
		go = guest_tick(g, moved);
	} while (!quiet && go >= 0 && !g->error && clock_ns() < end + PATIENCE_NS);
	return go < 0 ? go : g->error;
}

int streams_run(struct guest *g)
{
	struct streams *t = streams_new(g);
	bool quiet;
	int go;

	if (!t)
		return -ENOMEM;
	do {
		bool moved = round_of(t, g->opt->mode != MODE_RX, &quiet);

		g->done = is_done(g);
		go = guest_tick(g, moved);
	} while (go > 0);
	if (go == 0 && g->opt->mode != MODE_RX)
		go = streams_drain(t);
	free(t);
	return go < 0 ? go : 0;
}
