/* SPDX-License-Identifier: BSD-3-Clause */
/* port.h - Ethernet ports: any DPDK ethdev, opened from its device string
 *
 * Threads: control thread only; afterwards the PMD threads send and receive.
 */
#ifndef VUNETD_PORT_H
#define VUNETD_PORT_H

#include <stdint.h>

#include "conf/conf.h"
#include "iotlb/thread_role.h"

struct rte_ether_addr;
struct rte_mbuf;
struct rte_mempool;

/**
 * struct port - An opened port
 * @conf:	Its section
 * @pool:	mbufs to receive into, and for what guests transmit
 * @id:		ethdev port
 * @tx_offloads: RTE_ETH_TX_OFFLOAD_* it was configured with
 * @max_frame:	Longest frame it sends, in bytes without FCS
 * @reta_size:	Entries of the table by which it spreads flows over its queues;
 *		0 when it has none
 */
struct port {
	const struct conf_port *conf;
	struct rte_mempool *pool;
	uint64_t tx_offloads;
	uint16_t id;
	uint16_t max_frame;
	uint16_t reta_size;
};

/**
 * port_open() - Probe, configure and start a port
 * @conf:	Its section; borrowed
 * @n_threads:	How many PMD threads there will be
 * @ret_port:	Filled in
 *
 * Logs what went wrong.
 *
 * Return: 0 or -errno
 */
int port_open(const struct conf_port *conf, unsigned int n_threads, struct port *ret_port) CTL_ONLY;

/**
 * port_close() - Stop and remove a port, and free its mbufs
 * @port:	Opened, polled by nobody; zeroed
 */
void port_close(struct port *port) CTL_ONLY;

/**
 * port_spread() - Have the NIC spread flows over some of its queues only
 * @port:	Opened
 * @queues:	Queues
 * @n:		How many; 0 for all of the port's
 *
 * Return: 0; -ENOTSUP when the device cannot; -ENOMEM or what it says (logged)
 */
int port_spread(const struct port *port, const uint16_t *queues, unsigned int n) CTL_ONLY;

/**
 * port_rarp() - Make the RARP request by which a station makes itself known
 * @port:	Opened
 * @mac:	Address of the station
 * Return: Frame, owned by the caller, or NULL when the port's mbufs are used up
 */
struct rte_mbuf *port_rarp(const struct port *port, const struct rte_ether_addr *mac) CTL_ONLY;

#endif /* VUNETD_PORT_H */
