/* SPDX-License-Identifier: BSD-3-Clause */
/* l2fwd.c - Forwarding: back where it came from, or across two devices
 *
 * With one device the MAC addresses are swapped; between two the guest is a
 * bridge and frames pass unchanged.  Buffers are not copied: what was received
 * is sent, header included, under its other address.
 */
#include "tests/guest/modes.h"

#include <string.h>

#include "tests/guest/frames.h"
#include "tests/guest/netdev.h"
#include "tests/guest/stream.h"

/**
 * turn_header() - Make of what the backend said what we have to say
 *
 * A frame whose checksum is yet to be made, or that is to be cut, stays that.
 * All else it said about the frame is nothing to tell the next.
 */
static void turn_header(struct guest *g, struct device *in, uint32_t id)
{
	static uint8_t f[FRAME_BYTES];
	struct buf *b = &g->pool.bufs[id];
	struct virtio_net_hdr h;
	const char *why;
	uint32_t len;

	memcpy(&h, b->va, sizeof(h));
	memset(b->va, 0, in->hdr);
	if (!h.flags && !h.gso_type)
		return;
	len = frame_read(&g->pool, id, f) - in->hdr;
	g->stats.rx_valid += h.flags == VIRTIO_NET_HDR_F_DATA_VALID;
	g->stats.rx_gso += h.gso_type != VIRTIO_NET_HDR_GSO_NONE;
	if (!stream_header_ok(f + in->hdr, len, &h, in->features, &why)) {
		g->stats.hdr_errors++;
		return;
	}
	if (!(h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return;
	memcpy(b->va, &h, sizeof(h));
	g->stats.tx_partial++;
	g->stats.tx_gso += h.gso_type != VIRTIO_NET_HDR_GSO_NONE;
}

/**
 * turn() - Make a received frame ready to be sent
 *
 * Return: false when it is not to be sent
 */
static inline bool turn(struct guest *g, struct device *in, uint32_t id, bool echo, bool swap)
{
	struct buf *b = &g->pool.bufs[id];

	if (g->opt->offloads)
		turn_header(g, in, id);
	else
		memset(b->va, 0, in->hdr);
	if (echo) {
		enum frame_verdict v = frame_echo(
			b->va + in->hdr, (b->len < BUF_ALIGN ? b->len : BUF_ALIGN) - in->hdr);

		g->stats.echoed += v == FRAME_ECHOED;
		if (v != FRAME_OTHER)
			return v == FRAME_ECHOED;
	}
	if (swap)
		frame_swap_macs(b->va + in->hdr);
	return true;
}

/**
 * forward() - Move one burst from a device to a device
 *
 * Return: Whether anything moved
 */
static bool forward(struct guest *g, struct device *in, struct device *out, unsigned int pair)
{
	bool echo = g->opt->icmpecho, swap = in == out;
	uint32_t frames[BURST_MAX];
	unsigned int i, n, keep = 0, sent;

	tx_reclaim(out, pair);
	n = rx_burst(in, pair, frames, g->opt->burst);
	for (i = 0; i < n; i++) {
		if (turn(g, in, frames[i], echo, swap)) {
			frames[keep++] = frames[i];
			continue;
		}
		g->stats.dropped++;
		frame_free(g, frames[i]);
	}
	sent = keep ? tx_burst(out, pair, frames, keep) : 0;
	g->stats.dropped += keep - sent;
	for (i = sent; i < keep; i++)
		frame_free(g, frames[i]);
	rx_refill(in, pair);
	return n > 0;
}

int l2fwd_run(struct guest *g)
{
	unsigned int i, pair;
	int go;

	do {
		bool moved = false;

		for (i = 0; i < g->n_devices; i++)
			for (pair = 0; pair < g->opt->pairs; pair++)
				moved |= forward(g, &g->devices[i],
						 &g->devices[g->n_devices - 1 - i], pair);
		g->done = g->opt->count && g->stats.tx_frames >= g->opt->count;
		go = guest_tick(g, moved);
	} while (go > 0);
	return go;
}
