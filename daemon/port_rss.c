/* SPDX-License-Identifier: BSD-3-Clause */
/* port_rss.c - Which queues a NIC spreads flows over
 *
 * The device keeps a table of queues, indexed by the low bits of a flow's hash.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>

#include "daemon/log.h"
#include "daemon/port.h"

int port_spread(const struct port *port, const uint16_t *queues, unsigned int n)
{
	unsigned int groups = port->reta_size / RTE_ETH_RETA_GROUP_SIZE;
	struct rte_eth_rss_reta_entry64 *reta;
	int err;

	if (!groups)
		return -ENOTSUP;
	reta = calloc(groups, sizeof(*reta));
	if (!reta)
		return -ENOMEM;
	for (unsigned int i = 0; i < groups * RTE_ETH_RETA_GROUP_SIZE; i++) {
		struct rte_eth_rss_reta_entry64 *group = &reta[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask = UINT64_MAX;
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] =
			n ? queues[i % n] : (uint16_t)(i % port->conf->queues);
	}
	err = rte_eth_dev_rss_reta_update(port->id, reta,
					  (uint16_t)(groups * RTE_ETH_RETA_GROUP_SIZE));
	free(reta);
	/* Frames of queues that are off are then carried to others in software */
	if (err && err != -ENOTSUP)
		log_warning("port %s: cannot spread frames over %u of its queues: %s",
			    port->conf->name, n, strerror(-err));
	return err;
}
