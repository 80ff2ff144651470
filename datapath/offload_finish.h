/* SPDX-License-Identifier: BSD-3-Clause */
/* offload_finish.h - What guests leave to do, done before the port sees it
 *
 * Theory of operation
 * ===================
 * A burst from a guest in which any mbuf has an offload flag is put into a queue
 * of its own, and what the port is given is made from it in order:
 *
 *   left to do		the port can		it cannot
 *   ----------		------------		---------
 *   nothing		as it is
 *   checksum		rte_eth_tx_prepare()	offload_csum()
 *   segments		rte_eth_tx_prepare()	offload_cut_next()
 *
 * Segments are never left to a port where it might do them wrong: behind IPv6
 * extension headers, which drivers do not look past, and with CWR set, which
 * must be in the first one only.
 *
 * The queue is emptied no faster than the port takes frames, so it never needs
 * more than a burst of new mbufs, and the guest waits meanwhile.
 *
 * Threads: offload_finish_init, offload_finish_fini: control thread, while no
 * poll list names the wire; the others: the PMD thread that polls it.
 */
#ifndef VUNETD_OFFLOAD_FINISH_H
#define VUNETD_OFFLOAD_FINISH_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "datapath/counters.h"
#include "datapath/offload_cut.h"
#include "datapath/vq.h"

/**
 * struct offload_finish - Frames that wait to be finished
 * @pool:	Where segments come from
 * @counters:	The wire's
 * @capa:	RTE_ETH_TX_OFFLOAD_* the port was configured with
 * @longest:	Bytes of the longest segment the port sends
 * @port_id:	ethdev port
 * @queue:	Its transmit queue
 * @segs_max:	mbufs in a frame that the port cuts; 0 for any number
 * @first:	The first frame that waits
 * @n:		How many wait, besides the one in @cut
 * @pkts:	Frames
 * @cut:	The frame before them, if it is being cut
 */
struct offload_finish {
	struct rte_mempool *pool;
	struct wire_counters *counters;
	uint64_t capa;
	uint32_t longest;
	uint16_t port_id;
	uint16_t queue;
	uint16_t segs_max;
	uint16_t first;
	uint16_t n;
	struct rte_mbuf *pkts[VQ_BURST];
	struct offload_cut cut;
};

/**
 * offload_finish_init() - Find out what a port does itself
 * @f:		Filled in
 * @port_id:	ethdev port, configured
 * @queue:	Its transmit queue
 * @capa:	RTE_ETH_TX_OFFLOAD_* it was configured with
 * @pool:	Where segments come from; an mbuf holds OFFLOAD_HEADERS_MAX
 * @counters:	The wire's
 */
void offload_finish_init(struct offload_finish *f, uint16_t port_id, uint16_t queue, uint64_t capa,
			 struct rte_mempool *pool, struct wire_counters *counters) CTL_ONLY;

/**
 * offload_finish_drop() - Free all that waits
 * @f:	Empty afterwards
 *
 * Return: How many frames there were
 */
uint16_t offload_finish_drop(struct offload_finish *f);

/**
 * offload_wanted() - Whether anything is left to do in a burst
 * @pkts:	Frames
 * @n:		How many
 */
static inline bool offload_wanted(struct rte_mbuf *const *pkts, uint16_t n)
{
	uint64_t flags = 0;

	for (uint16_t i = 0; i < n; i++)
		flags |= pkts[i]->ol_flags;
	return flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG);
}

/**
 * offload_finish_waits() - Whether a frame waits
 * @f:	Queue
 */
static inline bool offload_finish_waits(const struct offload_finish *f)
{
	return f->n || f->cut.m;
}

/**
 * offload_finish_put() - Queue a burst
 * @f:		Queue in which nothing waits
 * @pkts:	Frames, taken
 * @n:		How many, at most VQ_BURST
 */
void offload_finish_put(struct offload_finish *f, struct rte_mbuf *const *pkts, uint16_t n)
	PMD_ONLY;

/**
 * offload_finish_get() - Finish frames
 * @f:		Queue
 * @pkts:	Filled in; the caller's, ready for rte_eth_tx_burst()
 *
 * Return: How many, at most VQ_BURST; 0 although one waits when there is no mbuf,
 *	or all of the burst had to be dropped
 */
uint16_t offload_finish_get(struct offload_finish *f, struct rte_mbuf **pkts) PMD_ONLY;

#endif /* VUNETD_OFFLOAD_FINISH_H */
