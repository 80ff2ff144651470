/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_net.c - What is said about the network device itself
 *
 * The library is told of neither: it would keep the number of the one, and of
 * the other a flag for its own datapath, which is not ours.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <rte_ether.h>

#include "daemon/gate.h"
#include "daemon/guest.h"
#include "daemon/port.h"
#include "daemon/topology.h"
#include "datapath/counters.h"

/*
 * The guest was moved here and cannot say so itself: switches are to learn where
 * its address is now.
 */
GATE_HANDLER(gate_send_rarp)
{
	const struct port *port = &guest->daemon->ports[guest->conf->wire];
	uint64_t value = msg->payload.u64;
	struct rte_ether_addr mac;
	struct rte_mbuf *frame;

	(void)fds, (void)n_fds;
	memcpy(&mac, &value, sizeof(mac));
	if (!guest_negotiated(guest, VU_PROTOCOL_F_RARP))
		return -EPROTO;
	if (!rte_is_valid_assigned_ether_addr(&mac))
		return -EINVAL;
	frame = port_rarp(port, &mac);
	if (!frame)
		return -ENOBUFS;
	topology_send(guest->daemon->topo, guest->conf->wire, frame);
	COUNTER_ADD(guest->counters.rarps, 1);
	return 0;
}

/*
 * The guest is going to be told this MTU.  A smaller one than the port's is the
 * front-end's own affair; frames of a larger one would not leave the port.
 */
GATE_HANDLER(gate_net_set_mtu)
{
	const struct conf_port *port = &guest->daemon->conf->ports[guest->conf->wire];
	uint64_t mtu = msg->payload.u64;

	(void)fds, (void)n_fds;
	if (!guest_negotiated(guest, VU_PROTOCOL_F_NET_MTU))
		return -EPROTO;
	if (mtu >= RTE_ETHER_MIN_MTU && mtu <= port->mtu)
		return 0;
	if (log_limit_ok(&guest->dev.limit))
		log_warning("guest %s: mtu %" PRIu64 " asked for, but port %s has mtu = %u",
			    guest->conf->name, mtu, port->name, port->mtu);
	return -ERANGE;
}
