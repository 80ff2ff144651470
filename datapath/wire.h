/* SPDX-License-Identifier: BSD-3-Clause */
/* wire.h - A port queue and the guest queue pair it is wired to
 *
 * Theory of operation
 * ===================
 * Frames from port queue i go to the guest's receive ring 2i, frames from its
 * transmit ring 2i+1 to port queue i.  What the other side does not take at
 * once waits in the wire, one burst in each direction, and no more is taken
 * in meanwhile: the port's or the guest's own ring queues up behind it.  After
 * WIRE_WAIT_US the waiting frames are dropped under a named reason, so that a
 * peer that stands still does not hold the buffers for ever.  A guest whose
 * buffers are there but do not translate yet has WIRE_MISS_WAIT_US: the answer is
 * its front-end's, an emulator that gets its turn on a busy host when it does.
 *
 * The control thread may post one frame of its own.  The polling thread, which
 * alone may use the port's queue, sends it as soon as nothing waits before it.
 *
 * What a guest left to do in its frames, checksums and segments, is finished on
 * the way to the port, as far as the port does not do it (offload_finish.h).
 *
 * Threads
 * -------
 *   wire_new, wire_free      control thread, while no poll list names the wire
 *   wire_post                control thread
 *   wire_poll, wire_discard,
 *   wire_waits               the one PMD thread whose poll list names the wire
 */
#ifndef VUNETD_WIRE_H
#define VUNETD_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/counters.h"
#include "iotlb/thread_role.h"

struct rte_mbuf;
struct rte_mempool;
struct vq;
struct wire;

/* How long a frame waits for a guest's buffer or a port's descriptor */
#define WIRE_WAIT_US 100000
/* ... and for a buffer that is there to translate */
#define WIRE_MISS_WAIT_US 1000000

/**
 * wire_new() - Make a wire to one queue of a port
 * @port_id:	ethdev port
 * @queue:	Its receive and transmit queue
 * @max_frame:	Longest frame the port sends, in bytes; VQ_FRAME_MAX for any
 * @tx_offloads: RTE_ETH_TX_OFFLOAD_* the port was configured with
 * @pool:	mbufs for the guest's transmissions; borrowed
 * @ret_wire:	Owned by the caller
 *
 * Return: 0 or -ENOMEM
 */
int wire_new(uint16_t port_id, uint16_t queue, uint16_t max_frame, uint64_t tx_offloads,
	     struct rte_mempool *pool, struct wire **ret_wire) CTL_ONLY;

/**
 * wire_free() - Free a wire and the frames waiting in it
 * @wire:	Wire or NULL, named by no poll list
 */
void wire_free(struct wire *wire) CTL_ONLY;

/**
 * wire_counters() - The wire's counters, to be read with COUNTER_READ()
 * @wire:	Wire
 */
const struct wire_counters *wire_counters(const struct wire *wire);

/**
 * wire_post() - Have a frame sent to the port
 * @wire:	Wire
 * @frame:	Given away; it takes the place of one that was not sent yet
 */
void wire_post(struct wire *wire, struct rte_mbuf *frame) CTL_ONLY;

/**
 * wire_poll() - Move one burst in each direction
 * @wire:	Wire
 * @to_guest:	The guest's receive ring, or NULL while it takes nothing: what
 *		the port delivers is then dropped (drop_guest_down)
 * @from_guest:	The guest's transmit ring, or NULL
 * @now:	rte_rdtsc() of this round
 *
 * Return: Frames moved
 */
unsigned int wire_poll(struct wire *wire, struct vq *to_guest, struct vq *from_guest, uint64_t now)
	PMD_ONLY;

/**
 * wire_waits() - Whether a frame waits in the wire
 * @wire:	Wire
 */
bool wire_waits(const struct wire *wire) PMD_ONLY;

/**
 * wire_discard() - Take a burst from the guest and throw it away
 * @wire:	Wire whose counters tell of it (drop_disabled)
 * @vq:		Transmit ring that is started but disabled
 * @now:	rte_rdtsc() of this round
 *
 * What a disabled ring is for: the driver gets its buffers back.
 *
 * Return: Frames taken
 */
unsigned int wire_discard(struct wire *wire, struct vq *vq, uint64_t now) PMD_ONLY;

#endif /* VUNETD_WIRE_H */
