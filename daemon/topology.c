/* SPDX-License-Identifier: BSD-3-Clause */
/* topology.c - Which ring is wired to which port queue, and who polls it */
#include "daemon/topology.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/port.h"
#include "datapath/pmd.h"
#include "datapath/wire.h"

/**
 * struct topology - Every wire, in one array
 * @pmds:	Threads
 * @first:	Index in @entries of each port's queue 0
 * @entries:	What to poll, by port and then queue
 * @thread:	Which thread polls it
 * @scratch:	One thread's list while it is put together
 * @n:		Number of wires
 */
struct topology {
	struct pmd_set *pmds;
	unsigned int first[CONF_PORTS_MAX];
	struct poll_entry *entries;
	unsigned int *thread;
	struct poll_entry *scratch;
	unsigned int n;
};

/**
 * wires_new() - Make the wires of all ports
 * @topo:	Topology with its arrays
 * @conf:	Configuration
 * @ports:	Opened ports
 * Return: 0 or -ENOMEM
 */
static int wires_new(struct topology *topo, const struct conf *conf, const struct port *ports)
	CTL_ONLY
{
	unsigned int i = 0;

	for (unsigned int p = 0; p < conf->n_ports; p++) {
		topo->first[p] = i;
		for (unsigned int q = 0; q < conf->ports[p].queues; q++, i++) {
			int err = wire_new(ports[p].id, (uint16_t)q, ports[p].max_frame,
					   ports[p].pool, &topo->entries[i].wire);

			if (err)
				return err;
			topo->thread[i] = i % pmd_set_count(topo->pmds);
		}
	}
	return 0;
}

int topology_new(const struct conf *conf, const struct port *ports, struct pmd_set *pmds,
		 struct topology **ret_topo)
{
	struct topology *topo = calloc(1, sizeof(*topo));
	int err = -ENOMEM;

	if (!topo)
		return -ENOMEM;
	topo->pmds = pmds;
	for (unsigned int p = 0; p < conf->n_ports; p++)
		topo->n += conf->ports[p].queues;
	topo->entries = calloc(topo->n, sizeof(*topo->entries));
	topo->scratch = calloc(topo->n, sizeof(*topo->scratch));
	topo->thread = calloc(topo->n, sizeof(*topo->thread));
	if (topo->entries && topo->scratch && topo->thread)
		err = wires_new(topo, conf, ports);
	if (!err)
		err = topology_publish(topo);
	if (err) {
		topology_free(topo);
		return err;
	}
	*ret_topo = topo;
	return 0;
}

void topology_free(struct topology *topo)
{
	if (!topo)
		return;
	for (unsigned int t = 0; t < pmd_set_count(topo->pmds); t++)
		(void)pmd_publish(topo->pmds, t, NULL, 0);
	pmd_synchronize(topo->pmds);
	for (unsigned int i = 0; topo->entries && i < topo->n; i++)
		wire_free(topo->entries[i].wire);
	free(topo->entries);
	free(topo->scratch);
	free(topo->thread);
	free(topo);
}

void topology_set(struct topology *topo, unsigned int port, unsigned int queue,
		  const struct topology_rings *rings)
{
	struct poll_entry *e = &topo->entries[topo->first[port] + queue];

	e->to_guest = rings->to_guest;
	e->from_guest = rings->from_guest;
	e->discard = rings->discard;
}

int topology_publish(struct topology *topo)
{
	int ret = 0;

	for (unsigned int t = 0; t < pmd_set_count(topo->pmds); t++) {
		unsigned int n = 0;
		int err;

		for (unsigned int i = 0; i < topo->n; i++)
			if (topo->thread[i] == t)
				topo->scratch[n++] = topo->entries[i];
		err = pmd_publish(topo->pmds, t, topo->scratch, n);
		/*
		 * An old list must not outlive what the caller is about to take
		 * away: better nothing is polled than a ring that is gone.
		 */
		if (err) {
			(void)pmd_publish(topo->pmds, t, NULL, 0);
			ret = err;
		}
	}
	pmd_synchronize(topo->pmds);
	return ret;
}

void topology_send(struct topology *topo, unsigned int port, struct rte_mbuf *frame)
{
	wire_post(topo->entries[topo->first[port]].wire, frame);
}

const struct wire_counters *topology_counters(const struct topology *topo, unsigned int port,
					      unsigned int queue)
{
	return wire_counters(topo->entries[topo->first[port] + queue].wire);
}
