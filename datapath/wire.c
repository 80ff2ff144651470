/* SPDX-License-Identifier: BSD-3-Clause */
/* wire.c - A port queue and the guest queue pair it is wired to
 *
 * See wire.h.  Each direction is a struct lane: what was taken from one side
 * and is not yet taken by the other.  A lane that holds frames takes no more in.
 */
#include "datapath/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "datapath/offload_finish.h"
#include "datapath/offload_merge.h"
#include "datapath/vq.h"

/**
 * struct lane - Frames on their way in one direction
 * @pkts:	Frames
 * @first:	The first that waits
 * @n:		How many wait
 * @since:	TSC when the first one began to wait
 */
struct lane {
	struct rte_mbuf *pkts[VQ_BURST];
	uint16_t first;
	uint16_t n;
	uint64_t since;
};

/**
 * struct wire - Written by the polling thread; the first line hardly ever
 * @pool:	mbufs for the guest's transmissions
 * @wait_tsc:	WIRE_WAIT_US in TSC cycles
 * @port_id:	ethdev port
 * @queue:	Its receive and transmit queue
 * @max_frame:	Longest frame the port sends, in bytes
 * @posted:	Frame of the control thread's, or NULL; exchanged by both
 * @counters:	Read relaxed by the control thread
 * @in:		From the port to the guest
 * @out:	From the guest to the port
 * @in_needs:	Features without which a guest must not have what is in @in
 * @finishing:	Frames wait in @finish, to go to @out
 * @finish_since: TSC when the last one went
 * @finish:	Frames in which something is left to do
 */
struct wire {
	struct rte_mempool *pool;
	uint64_t wait_tsc;
	uint16_t port_id;
	uint16_t queue;
	uint16_t max_frame;
	struct rte_mbuf *_Atomic posted;

	struct wire_counters counters __rte_cache_aligned;
	struct lane in __rte_cache_aligned;
	struct lane out __rte_cache_aligned;
	uint64_t in_needs;
	bool finishing;
	uint64_t finish_since;
	struct offload_finish finish __rte_cache_aligned;
} __rte_cache_aligned;

static_assert(offsetof(struct wire, counters) == RTE_CACHE_LINE_SIZE, "set-up has its own line");
static_assert(sizeof(struct wire_counters) <= 2 * RTE_CACHE_LINE_SIZE, "counters have two lines");

int wire_new(uint16_t port_id, uint16_t queue, uint16_t max_frame, uint64_t tx_offloads,
	     struct rte_mempool *pool, struct wire **ret_wire)
{
	struct wire *wire = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*wire));

	if (!wire)
		return -ENOMEM;
	memset(wire, 0, sizeof(*wire));
	wire->pool = pool;
	wire->wait_tsc = rte_get_tsc_hz() * WIRE_WAIT_US / 1000000;
	wire->port_id = port_id;
	wire->queue = queue;
	wire->max_frame = max_frame;
	offload_finish_init(&wire->finish, port_id, queue, tx_offloads, pool, &wire->counters);
	*ret_wire = wire;
	return 0;
}

/**
 * lane_free() - Free frames
 * @pkts:	Frames
 * @n:		How many, at least 1
 *
 * Nearly always all of them are plain mbufs of one pool, which go back as they
 * are, in half the time of rte_pktmbuf_free_bulk().  What makes an mbuf plain is
 * in its first cache line, and so looked at without fetching the second.
 */
static inline void lane_free(struct rte_mbuf **pkts, uint16_t n)
{
	struct rte_mempool *pool = pkts[0]->pool;

	for (uint16_t i = 0; i < n; i++) {
		const struct rte_mbuf *m = pkts[i];

		if (unlikely(m->pool != pool || m->nb_segs != 1 || rte_mbuf_refcnt_read(m) != 1 ||
			     !RTE_MBUF_DIRECT(m))) {
			rte_pktmbuf_free_bulk(pkts, n);
			return;
		}
	}
	rte_mempool_put_bulk(pool, (void **)pkts, n);
}

/**
 * lane_drop() - Free all frames that wait
 * @lane:	Lane
 *
 * Return: How many there were
 */
static uint16_t lane_drop(struct lane *lane)
{
	uint16_t n = lane->n;

	rte_pktmbuf_free_bulk(lane->pkts + lane->first, n);
	lane->n = 0;
	return n;
}

void wire_free(struct wire *wire)
{
	if (!wire)
		return;
	lane_drop(&wire->in);
	lane_drop(&wire->out);
	rte_pktmbuf_free(atomic_load_explicit(&wire->posted, memory_order_relaxed));
	offload_finish_drop(&wire->finish);
	free(wire);
}

const struct wire_counters *wire_counters(const struct wire *wire)
{
	return &wire->counters;
}

void wire_post(struct wire *wire, struct rte_mbuf *frame)
{
	/* Release: the frame's bytes; acquire of nothing, as what comes back was ours */
	rte_pktmbuf_free(atomic_exchange_explicit(&wire->posted, frame, memory_order_release));
}

/**
 * lane_advance() - Note what the other side took
 * @lane:	Lane
 * @taken:	Frames taken, from the front, at least 1
 * @now:	rte_rdtsc() of this round
 *
 * Who takes some is alive: the time starts anew for the rest.
 */
static inline void lane_advance(struct lane *lane, uint16_t taken, uint64_t now)
{
	lane->first = (uint16_t)(lane->first + taken);
	lane->n = (uint16_t)(lane->n - taken);
	lane->since = now;
}

/**
 * in_late() - Whether what waits for the guest has waited long enough
 * @wire:	Wire
 * @vq:		The guest's receive ring
 * @now:	rte_rdtsc() of this round
 */
static inline bool in_late(const struct wire *wire, const struct vq *vq, uint64_t now) PMD_ONLY
{
	uint64_t waited = now - wire->in.since;

	if (likely(waited <= wire->wait_tsc))
		return false;
	return !vq_waits_for_translation(vq) ||
	       waited > wire->wait_tsc * (WIRE_MISS_WAIT_US / WIRE_WAIT_US);
}

/**
 * in_offer() - Offer the guest what waits for it
 * @wire:	Wire
 * @vq:		The guest's receive ring
 * @now:	rte_rdtsc() of this round
 *
 * Return: Frames the guest took
 */
static inline uint16_t in_offer(struct wire *wire, struct vq *vq, uint64_t now) PMD_ONLY
{
	struct lane *lane = &wire->in;
	uint16_t taken = vq_push(vq, lane->pkts + lane->first, lane->n, now);

	if (taken) {
		lane_free(lane->pkts + lane->first, taken);
		lane_advance(lane, taken, now);
	} else if (unlikely(in_late(wire, vq, now))) {
		if (vq_waits_for_translation(vq))
			COUNTER_ADD(wire->counters.drop_guest_miss, lane->n);
		else
			COUNTER_ADD(wire->counters.drop_guest_full, lane->n);
		lane_drop(lane);
	}
	return taken;
}

/**
 * in_merge() - Merge segments of the burst just received
 * @wire:	Wire
 * @features:	Of the guest, which takes merged frames
 */
static void in_merge(struct wire *wire, uint64_t features) PMD_ONLY
{
	struct lane *lane = &wire->in;
	uint16_t n = offload_merge(lane->pkts, lane->n, features);

	if (n < lane->n)
		wire->in_needs = features;
	lane->n = n;
}

/**
 * wire_in() - Move a burst from the port to the guest
 * @wire:	Wire
 * @vq:		The guest's receive ring, or NULL
 * @now:	rte_rdtsc() of this round
 *
 * Return: Frames the guest took
 */
static inline uint16_t wire_in(struct wire *wire, struct vq *vq, uint64_t now) PMD_ONLY
{
	struct lane *lane = &wire->in;
	uint16_t taken = 0;

	/* A guest may have come back with fewer features while frames waited */
	if (lane->n && vq && unlikely(wire->in_needs & ~vq_offloads(vq))) {
		COUNTER_ADD(wire->counters.drop_guest_down, lane->n);
		lane_drop(lane);
	}
	if (lane->n && vq) {
		taken = in_offer(wire, vq, now);
		if (lane->n)
			return taken;
	}
	if (!lane->n) {
		lane->first = 0;
		lane->n = rte_eth_rx_burst(wire->port_id, wire->queue, lane->pkts, VQ_BURST);
		if (!lane->n)
			return taken;
		lane->since = now;
		COUNTER_ADD(wire->counters.port_rx, lane->n);
		wire->in_needs = 0;
		if (vq && offload_merge_wanted(vq_offloads(vq)))
			in_merge(wire, vq_offloads(vq));
	}
	if (likely(vq))
		return (uint16_t)(taken + in_offer(wire, vq, now));
	COUNTER_ADD(wire->counters.drop_guest_down, lane->n);
	lane_drop(lane);
	return taken;
}

/**
 * out_offer() - Offer the port what waits for it
 * @wire:	Wire
 * @now:	rte_rdtsc() of this round
 *
 * Return: Frames the port took, and will free
 */
static inline uint16_t out_offer(struct wire *wire, uint64_t now) PMD_ONLY
{
	struct lane *lane = &wire->out;
	uint16_t taken =
		rte_eth_tx_burst(wire->port_id, wire->queue, lane->pkts + lane->first, lane->n);

	if (taken) {
		COUNTER_ADD(wire->counters.port_tx, taken);
		lane_advance(lane, taken, now);
	} else if (unlikely(now - lane->since > wire->wait_tsc)) {
		COUNTER_ADD(wire->counters.drop_port_full, lane->n);
		lane_drop(lane);
	}
	return taken;
}

/**
 * out_limit() - Drop the frames that are longer than the port sends
 * @wire:	Wire whose lane out was just filled
 *
 * A driver must not see them: one that cannot send chained mbufs would read
 * past the first.
 */
static void out_limit(struct wire *wire) PMD_ONLY
{
	struct lane *lane = &wire->out;
	uint16_t kept = 0;

	for (uint16_t i = 0; i < lane->n; i++) {
		if (likely(lane->pkts[i]->pkt_len <= wire->max_frame)) {
			lane->pkts[kept++] = lane->pkts[i];
			continue;
		}
		rte_pktmbuf_free(lane->pkts[i]);
		COUNTER_ADD(wire->counters.drop_port_size, 1);
	}
	lane->n = kept;
}

/**
 * out_posted() - Send what the control thread posted
 * @wire:	Wire whose lane out is empty
 * @now:	rte_rdtsc() of this round
 *
 * Return: Frames the port took
 */
static uint16_t out_posted(struct wire *wire, uint64_t now) PMD_ONLY
{
	struct lane *lane = &wire->out;

	lane->first = 0;
	/* Pairs with the release in wire_post(); only this thread makes it NULL */
	lane->pkts[0] = atomic_exchange_explicit(&wire->posted, NULL, memory_order_acquire);
	lane->n = 1;
	lane->since = now;
	return out_offer(wire, now);
}

/**
 * out_finish() - Fill the lane with frames that are now finished
 * @wire:	Wire whose lane out is empty
 * @now:	rte_rdtsc() of this round
 */
static __rte_noinline void out_finish(struct wire *wire, uint64_t now) PMD_ONLY
{
	struct lane *lane = &wire->out;

	lane->n = offload_finish_get(&wire->finish, lane->pkts);
	wire->finishing = offload_finish_waits(&wire->finish);
	if (lane->n) {
		wire->finish_since = now;
	} else if (wire->finishing && now - wire->finish_since > wire->wait_tsc) {
		COUNTER_ADD(wire->counters.drop_no_mbuf, offload_finish_drop(&wire->finish));
		wire->finishing = false;
	}
}

/**
 * out_take() - Fill the lane with frames from the guest
 * @wire:	Wire whose lane out is empty
 * @vq:		The guest's transmit ring
 * @now:	rte_rdtsc() of this round
 */
static inline void out_take(struct wire *wire, struct vq *vq, uint64_t now) PMD_ONLY
{
	struct lane *lane = &wire->out;

	lane->n = vq_pull(vq, wire->pool, lane->pkts, VQ_BURST, now);
	if (unlikely(offload_wanted(lane->pkts, lane->n))) {
		offload_finish_put(&wire->finish, lane->pkts, lane->n);
		wire->finish_since = now;
		out_finish(wire, now);
	}
}

/**
 * wire_out() - Move a burst from the guest to the port
 * @wire:	Wire
 * @vq:		The guest's transmit ring, or NULL
 * @now:	rte_rdtsc() of this round
 *
 * Return: Frames the port took
 */
static inline uint16_t wire_out(struct wire *wire, struct vq *vq, uint64_t now) PMD_ONLY
{
	struct lane *lane = &wire->out;
	uint16_t taken = 0;

	if (lane->n) {
		taken = out_offer(wire, now);
		if (lane->n)
			return taken;
	}
	if (unlikely(atomic_load_explicit(&wire->posted, memory_order_relaxed))) {
		taken = (uint16_t)(taken + out_posted(wire, now));
		if (lane->n)
			return taken;
	}
	lane->first = 0;
	if (unlikely(wire->finishing))
		out_finish(wire, now);
	else if (likely(vq))
		out_take(wire, vq, now);
	if (wire->max_frame < VQ_FRAME_MAX)
		out_limit(wire);
	if (!lane->n)
		return taken;
	lane->since = now;
	return (uint16_t)(taken + out_offer(wire, now));
}

unsigned int wire_poll(struct wire *wire, struct vq *to_guest, struct vq *from_guest, uint64_t now)
{
	unsigned int n = wire_in(wire, to_guest, now);

	n += wire_out(wire, from_guest, now);
	if (n)
		COUNTER_ADD(wire->counters.busy_tsc, rte_rdtsc() - now);
	return n;
}

bool wire_waits(const struct wire *wire)
{
	return wire->in.n || wire->out.n || wire->finishing ||
	       atomic_load_explicit(&wire->posted, memory_order_relaxed);
}

unsigned int wire_discard(struct wire *wire, struct vq *vq, uint64_t now)
{
	struct rte_mbuf *pkts[VQ_BURST];
	uint16_t n = vq_pull(vq, wire->pool, pkts, VQ_BURST, now);

	if (!n)
		return 0;
	COUNTER_ADD(wire->counters.drop_disabled, n);
	lane_free(pkts, n);
	return n;
}
