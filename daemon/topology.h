/* SPDX-License-Identifier: BSD-3-Clause */
/* topology.h - Which ring is wired to which port queue, and who polls it
 *
 * Theory of operation
 * ===================
 * Every queue of every port has a wire, for the daemon's whole life, and every
 * wire has one PMD thread at a time.  What changes is the guest end: the topology
 * holds the rings that may be polled now, and publishing turns that into one
 * immutable poll list per thread.  A port queue without a guest is polled too,
 * so that no stale frame waits for the next one.
 *
 * A wire gets its thread when its pair begins to run: among those its guest may
 * use ([guest] cores), the least loaded one (placement.h).  To move it is
 * to publish without it, wait a grace period, and publish with it, so that never
 * two threads know it.
 *
 * Frames are only for pairs that are on.  A NIC that can be told spreads flows
 * over their queues alone; what arrives at another queue all the same is pushed
 * into the ring of a pair that is on.  One ring has one thread, so the wire of
 * such a queue goes where that ring is.
 *
 * Threads: control thread only.
 */
#ifndef VUNETD_TOPOLOGY_H
#define VUNETD_TOPOLOGY_H

#include <stdint.h>

#include "conf/conf.h"
#include "iotlb/thread_role.h"

struct pmd_set;
struct port;
struct rte_mbuf;
struct topology;
struct vq;
struct wire_counters;

/**
 * topology_new() - Make a wire for each port queue, spread over the threads
 * @conf:	Configuration; borrowed
 * @ports:	Opened ports, conf->n_ports of them; borrowed
 * @pmds:	Threads; borrowed
 * @ret_topo:	Owned by the caller
 * Return: 0 or -errno
 */
int topology_new(const struct conf *conf, const struct port *ports, struct pmd_set *pmds,
		 struct topology **ret_topo) CTL_ONLY;

/**
 * topology_free() - Publish empty lists, then free the wires
 * @topo:	Topology or NULL
 */
void topology_free(struct topology *topo) CTL_ONLY;

/**
 * struct topology_rings - The guest end of a wire
 * @to_guest:	Receive ring or NULL
 * @from_guest:	Transmit ring or NULL
 * @discard:	Transmit ring that is disabled, or NULL
 * @kick:	eventfd of the transmit ring, or -1
 */
struct topology_rings {
	struct vq *to_guest;
	struct vq *from_guest;
	struct vq *discard;
	int kick;
};

/**
 * topology_set() - Put rings at the guest end of a wire, or take them away
 * @topo:	Topology
 * @port:	Index of the port
 * @queue:	Its queue
 * @rings:	What is there from now on
 *
 * Nothing happens before topology_publish().
 */
void topology_set(struct topology *topo, unsigned int port, unsigned int queue,
		  const struct topology_rings *rings) CTL_ONLY;

/**
 * topology_pause() - Leave a wire and its rings unpolled until topology_set()
 * @topo:	Topology
 * @port:	Index of the port
 * @queue:	Its queue
 *
 * For changes that take a moment: unlike for a guest that is away, frames wait
 * where they are, in the port's queue and in the wire.  Nothing happens before
 * topology_publish().
 */
void topology_pause(struct topology *topo, unsigned int port, unsigned int queue) CTL_ONLY;

/**
 * topology_publish() - Publish and wait until no thread polls what went away
 * @topo:	Topology
 *
 * Also chooses the thread of each wire that rings have come to.
 *
 * Return: 0; -ENOMEM, and then the rings are with nobody
 */
int topology_publish(struct topology *topo) CTL_ONLY;

/**
 * topology_call() - Have the interrupt made that waits in a ring
 * @topo:	Topology
 * @vq:		Ring that was taken away, published
 */
void topology_call(struct topology *topo, struct vq *vq) CTL_ONLY;

/**
 * topology_send() - Have a frame of our own sent by a port
 * @topo:	Topology
 * @port:	Index of the port
 * @frame:	Given away
 */
void topology_send(struct topology *topo, unsigned int port, struct rte_mbuf *frame) CTL_ONLY;

/**
 * topology_counters() - The counters of a wire
 * @topo:	Topology
 * @port:	Index of the port
 * @queue:	Its queue
 */
const struct wire_counters *topology_counters(const struct topology *topo, unsigned int port,
					      unsigned int queue) CTL_ONLY;

/**
 * topology_measure() - See what every wire kept its thread busy with
 * @topo:	Topology
 *
 * To be called once in a while; the time between two calls is what the next
 * placement goes by.
 */
void topology_measure(struct topology *topo) CTL_ONLY;

/**
 * topology_load() - How busy a thread was before the last topology_measure()
 * @topo:	Topology
 * @thread:	Thread
 *
 * Return: Per cent of its time spent on polls that moved frames
 */
unsigned int topology_load(const struct topology *topo, unsigned int thread) CTL_ONLY;

/**
 * topology_core() - The CPU that polls a wire
 * @topo:	Topology
 * @port:	Index of the port
 * @queue:	Its queue
 */
unsigned int topology_core(const struct topology *topo, unsigned int port, unsigned int queue)
	CTL_ONLY;

#endif /* VUNETD_TOPOLOGY_H */
