/* SPDX-License-Identifier: BSD-3-Clause */
/* topology.c - Which ring is wired to which port queue, and who polls it */
#include "daemon/topology.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>

#include "daemon/placement.h"
#include "daemon/port.h"
#include "datapath/pmd.h"
#include "datapath/wire.h"

/**
 * struct strand - A wire, and what is to be polled with it
 * @wire:	Wire
 * @rings:	The guest end, as topology_set() said
 * @port:	Index of its port
 * @queue:	Its queue
 * @thread:	Which thread polls it
 * @next:	Which one will, after the publication that is being made
 * @host:	The strand whose receive ring takes this one's frames: itself,
 *		another one of the port while its own pair is off, or NULL while
 *		all of them are
 * @paused:	Nobody polls it, by topology_pause()
 * @placed:	It has found its thread, for as long as it has rings
 * @share:	Of that thread, as measured
 */
struct strand {
	struct wire *wire;
	struct topology_rings rings;
	unsigned int port, queue;
	unsigned int thread, next;
	const struct strand *host;
	bool paused;
	bool placed;
	struct share share;
};

/**
 * struct queue_set - Some of a port's queues
 * @bits:	One for each
 */
struct queue_set {
	uint64_t bits[CONF_QUEUES_MAX / 64];
};

/**
 * struct topology - Every strand, in one array
 * @conf:	Configuration
 * @ports:	Opened ports
 * @pmds:	Threads
 * @first:	Index in @strands of each port's queue 0
 * @pin:	By port, to which CPUs its guest is pinned; NULL for any
 * @strands:	By port and then queue
 * @scratch:	One thread's list while it is put together
 * @n:		Number of strands
 * @placement:	Load of the threads, while strands are placed
 * @spread:	By port, the queues flows are spread over, one bit each
 */
struct topology {
	const struct conf *conf;
	const struct port *ports;
	struct pmd_set *pmds;
	unsigned int first[CONF_PORTS_MAX];
	const struct conf_cores *pin[CONF_PORTS_MAX];
	struct strand *strands;
	struct poll_entry *scratch;
	unsigned int n;
	struct placement placement;
	struct queue_set spread[CONF_PORTS_MAX];
};

/**
 * strand_at() - The strand of a port's queue
 * @topo:	Topology
 * @port:	Index of the port
 * @queue:	Its queue
 */
static struct strand *strand_at(const struct topology *topo, unsigned int port, unsigned int queue)
{
	return &topo->strands[topo->first[port] + queue];
}

/**
 * rings_count() - Rings at the guest end
 * @rings:	As topology_set() said
 */
static unsigned int rings_count(const struct topology_rings *rings)
{
	return !!rings->to_guest + !!rings->from_guest + !!rings->discard;
}

/**
 * strand_load() - What a strand means to the thread that polls it
 * @s:	Strand
 *
 * Return: PLACEMENT_FULL parts of a thread
 */
static unsigned int strand_load(const struct strand *s)
{
	return RTE_MAX(s->share.load, PLACEMENT_RING * rings_count(&s->rings));
}

/**
 * find_pins() - Note which port's guest is pinned to CPUs
 * @topo:	Topology
 */
static void find_pins(struct topology *topo)
{
	for (unsigned int g = 0; g < topo->conf->n_guests; g++) {
		const struct conf_guest *guest = &topo->conf->guests[g];

		if (guest->pin.n_cores)
			topo->pin[guest->wire] = &guest->pin;
	}
}

/**
 * wires_new() - Make the wires of all ports
 * @topo:	Topology with its arrays
 * Return: 0 or -ENOMEM
 */
static int wires_new(struct topology *topo) CTL_ONLY
{
	const struct port *ports = topo->ports;
	unsigned int i = 0;

	placement_clear(&topo->placement, &topo->conf->pmd);
	for (unsigned int p = 0; p < topo->conf->n_ports; p++) {
		topo->first[p] = i;
		for (unsigned int q = 0; q < topo->conf->ports[p].queues; q++, i++) {
			struct strand *s = &topo->strands[i];
			int err = wire_new(ports[p].id, (uint16_t)q, ports[p].max_frame,
					   ports[p].tx_offloads, ports[p].pool, &s->wire);

			if (err)
				return err;
			s->port = p;
			s->queue = q;
			s->thread = i % pmd_set_count(topo->pmds);
			/* Every strand counts here: what is idle is polled as well */
			s->thread = placement_choose(&topo->placement, topo->pin[p], s->thread);
			topo->placement.load[s->thread] += PLACEMENT_RING;
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
	topo->conf = conf;
	topo->ports = ports;
	topo->pmds = pmds;
	find_pins(topo);
	for (unsigned int p = 0; p < conf->n_ports; p++)
		topo->n += conf->ports[p].queues;
	topo->strands = calloc(topo->n, sizeof(*topo->strands));
	topo->scratch = calloc(topo->n, sizeof(*topo->scratch));
	if (topo->strands && topo->scratch)
		err = wires_new(topo);
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
	for (unsigned int i = 0; topo->strands && i < topo->n; i++)
		wire_free(topo->strands[i].wire);
	free(topo->strands);
	free(topo->scratch);
	free(topo);
}

void topology_set(struct topology *topo, unsigned int port, unsigned int queue,
		  const struct topology_rings *rings)
{
	struct strand *s = strand_at(topo, port, queue);

	s->rings = *rings;
	s->paused = false;
}

void topology_pause(struct topology *topo, unsigned int port, unsigned int queue)
{
	strand_at(topo, port, queue)->paused = true;
}

/**
 * find_hosts() - Say whose receive ring takes each strand's frames
 * @topo:	Topology
 * @port:	Index of the port
 *
 * What the port delivers to a queue whose pair is off, because the NIC cannot be
 * told or has not got there yet, goes to one that is on: queue i to the (i
 * modulo as many as are on)th.
 */
static void find_hosts(struct topology *topo, unsigned int port)
{
	const struct strand *on[CONF_QUEUES_MAX];
	unsigned int n_on = 0;

	for (unsigned int q = 0; q < topo->conf->ports[port].queues; q++)
		if (strand_at(topo, port, q)->rings.to_guest)
			on[n_on++] = strand_at(topo, port, q);
	for (unsigned int q = 0; q < topo->conf->ports[port].queues; q++) {
		struct strand *s = strand_at(topo, port, q);

		if (s->rings.to_guest)
			s->host = s;
		else
			s->host = n_on ? on[q % n_on] : NULL;
	}
}

/**
 * lodges() - Whether a strand's frames go to another one's ring
 * @s:	Strand with its host
 */
static bool lodges(const struct strand *s)
{
	return s->host && s->host != s;
}

/**
 * place() - Choose the thread of each strand that begins to have rings
 * @topo:	Topology with its hosts
 *
 * The others stay where they are: moving them costs more than it gains.  Only
 * those whose frames go to another one's ring must be where that is.
 */
static void place(struct topology *topo) CTL_ONLY
{
	struct placement *placement = &topo->placement;

	placement_clear(placement, &topo->conf->pmd);
	for (unsigned int i = 0; i < topo->n; i++) {
		struct strand *s = &topo->strands[i];

		s->next = s->thread;
		s->placed &= rings_count(&s->rings) && !lodges(s);
		if (s->placed)
			placement->load[s->thread] += strand_load(s);
	}
	for (unsigned int i = 0; i < topo->n; i++) {
		struct strand *s = &topo->strands[i];

		if (s->placed || lodges(s) || !rings_count(&s->rings))
			continue;
		s->next = placement_choose(placement, topo->pin[s->port], s->thread);
		s->placed = true;
		placement->load[s->next] += strand_load(s);
	}
	for (unsigned int i = 0; i < topo->n; i++)
		if (lodges(&topo->strands[i]))
			topo->strands[i].next = topo->strands[i].host->next;
}

/**
 * moves() - Whether what a strand polls goes to another thread
 * @s:	Placed anew
 *
 * The ring that takes its frames may come from elsewhere though it stays itself.
 */
static bool moves(const struct strand *s)
{
	return s->next != s->thread || (s->host && s->host->next != s->host->thread);
}

/**
 * rests() - Whether nobody polls a strand for now
 * @s:	Strand with its host
 *
 * One whose frames go to the ring of another that rests, rests as well.
 */
static bool rests(const struct strand *s)
{
	return s->paused || (s->host && s->host->paused);
}

/**
 * entry_of() - A strand as its thread is to poll it
 * @s:	Strand
 */
static struct poll_entry entry_of(const struct strand *s)
{
	return (struct poll_entry){
		.wire = s->wire,
		.to_guest = s->host ? s->host->rings.to_guest : NULL,
		.from_guest = s->rings.from_guest,
		.discard = s->rings.discard,
		.kick = s->rings.kick,
	};
}

/**
 * spread() - Have a NIC use the queues whose pairs are on, if that has changed
 * @topo:	Published
 * @port:	Index of the port
 */
static void spread(struct topology *topo, unsigned int port) CTL_ONLY
{
	uint16_t queues[CONF_QUEUES_MAX];
	struct queue_set set = {0};
	unsigned int n = 0;

	for (uint16_t q = 0; q < topo->conf->ports[port].queues; q++) {
		if (!strand_at(topo, port, q)->rings.to_guest)
			continue;
		set.bits[q / 64] |= UINT64_C(1) << (q % 64);
		queues[n++] = q;
	}
	if (!memcmp(&set, &topo->spread[port], sizeof(set)))
		return;
	topo->spread[port] = set;
	(void)port_spread(&topo->ports[port], queues, n);
}

/**
 * publish_lists() - Give each thread its list, and wait until they have it
 * @topo:	Topology
 * @moving:	Leave out what goes to another thread
 * Return: 0; -ENOMEM, and then the rings are with nobody
 */
static int publish_lists(struct topology *topo, bool moving) CTL_ONLY
{
	int ret = 0;

	for (unsigned int t = 0; t < pmd_set_count(topo->pmds); t++) {
		unsigned int n = 0;
		int err;

		for (unsigned int i = 0; i < topo->n; i++)
			if (topo->strands[i].thread == t && !rests(&topo->strands[i]) &&
			    !(moving && moves(&topo->strands[i])))
				topo->scratch[n++] = entry_of(&topo->strands[i]);
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

int topology_publish(struct topology *topo)
{
	bool any = false;
	int err;

	for (unsigned int p = 0; p < topo->conf->n_ports; p++)
		find_hosts(topo, p);
	place(topo);
	for (unsigned int i = 0; i < topo->n; i++)
		any |= moves(&topo->strands[i]);
	/* Two threads must never poll one wire, or push into one ring */
	if (any) {
		err = publish_lists(topo, true);
		if (err)
			return err;
	}
	for (unsigned int i = 0; i < topo->n; i++)
		topo->strands[i].thread = topo->strands[i].next;
	err = publish_lists(topo, false);
	for (unsigned int p = 0; p < topo->conf->n_ports; p++)
		spread(topo, p);
	return err;
}

void topology_measure(struct topology *topo)
{
	uint64_t now = rte_rdtsc();

	for (unsigned int i = 0; i < topo->n; i++) {
		struct strand *s = &topo->strands[i];

		share_look(&s->share, COUNTER_READ(wire_counters(s->wire)->busy_tsc), now);
	}
}

unsigned int topology_load(const struct topology *topo, unsigned int thread)
{
	unsigned int load = 0;

	for (unsigned int i = 0; i < topo->n; i++)
		if (topo->strands[i].thread == thread)
			load += topo->strands[i].share.load;
	return load * 100 / PLACEMENT_FULL;
}

unsigned int topology_core(const struct topology *topo, unsigned int port, unsigned int queue)
{
	return topo->conf->pmd.cores[strand_at(topo, port, queue)->thread];
}

void topology_call(struct topology *topo, struct vq *vq)
{
	pmd_call(topo->pmds, vq);
}

void topology_send(struct topology *topo, unsigned int port, struct rte_mbuf *frame)
{
	wire_post(strand_at(topo, port, 0)->wire, frame);
	pmd_wake(topo->pmds);
}

const struct wire_counters *topology_counters(const struct topology *topo, unsigned int port,
					      unsigned int queue)
{
	return wire_counters(strand_at(topo, port, queue)->wire);
}
