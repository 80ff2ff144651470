/* SPDX-License-Identifier: BSD-3-Clause */
/* statistics.c - Counters as lines of the log: rates, and totals */
#include "daemon/statistics.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/guest.h"
#include "daemon/topology.h"
#include "datapath/counters.h"
#include "datapath/pmd.h"
#include "datapath/vq.h"
#include "iotlb/iotlb.h"

/**
 * struct sample - One guest's counters, added up over its rings, at one time
 * @to:		Frames given to it
 * @to_bytes:	Their bytes
 * @from:	Frames taken from it
 * @from_bytes:	Their bytes
 * @hits:	Addresses translated
 * @misses:	Addresses asked for
 * @invalidations:	Invalidations acknowledged
 * @drops:	Frames dropped, for any reason
 */
struct sample {
	uint64_t to, to_bytes, from, from_bytes, hits, misses, invalidations, drops;
};

/**
 * struct statistics - The last sample of each guest
 * @daemon:	Daemon
 * @at_ns:	When they were taken
 * @last:	By guest
 */
struct statistics {
	struct daemon *daemon;
	uint64_t at_ns;
	struct sample last[];
};

/**
 * add_ring() - Add a ring's counters to a sample
 * @s:		Sample
 * @c:		Counters
 * @to_guest:	Which way the ring goes
 */
static void add_ring(struct sample *s, const struct vq_counters *c, bool to_guest)
{
	*(to_guest ? &s->to : &s->from) += COUNTER_READ(c->packets);
	*(to_guest ? &s->to_bytes : &s->from_bytes) += COUNTER_READ(c->bytes);
	s->hits += COUNTER_READ(c->hits);
	s->misses += COUNTER_READ(c->misses);
	s->drops += COUNTER_READ(c->drop_too_big) + COUNTER_READ(c->drop_runt);
}

/**
 * take_sample() - Add up a guest's counters
 * @daemon:	Daemon
 * @guest:	Guest
 * @ret_s:	Filled in
 */
static void take_sample(const struct daemon *daemon, const struct guest *guest,
			struct sample *ret_s) CTL_ONLY
{
	const struct device *dev = &guest->dev;
	struct sample s = {.invalidations = guest->counters.invalidations};

	for (unsigned int i = 0; i < dev->n_rings; i++)
		if (dev->rings[i].vq)
			add_ring(&s, vq_counters(dev->rings[i].vq), !(i & 1));
	for (unsigned int q = 0; q < daemon->conf->ports[guest->conf->wire].queues; q++) {
		const struct wire_counters *w =
			topology_counters(daemon->topo, guest->conf->wire, q);

		s.drops += COUNTER_READ(w->drop_guest_down) + COUNTER_READ(w->drop_guest_full) +
			   COUNTER_READ(w->drop_guest_miss) + COUNTER_READ(w->drop_port_full) +
			   COUNTER_READ(w->drop_port_size) + COUNTER_READ(w->drop_disabled);
	}
	*ret_s = s;
}

int statistics_new(struct daemon *daemon, struct statistics **ret_stats)
{
	struct statistics *stats =
		calloc(1, sizeof(*stats) + daemon->conf->n_guests * sizeof(stats->last[0]));

	if (!stats)
		return -ENOMEM;
	stats->daemon = daemon;
	stats->at_ns = loop_now_ns();
	for (unsigned int i = 0; i < daemon->conf->n_guests; i++)
		take_sample(daemon, &daemon->guests[i], &stats->last[i]);
	*ret_stats = stats;
	return 0;
}

void statistics_free(struct statistics *stats)
{
	free(stats);
}

void statistics_log_rates(struct statistics *stats)
{
	uint64_t now = loop_now_ns();
	const struct conf *conf = stats->daemon->conf;
	double s = (double)(now - stats->at_ns) / 1e9;

	stats->at_ns = now;
	for (unsigned int i = 0; i < conf->n_guests; i++) {
		const struct guest *guest = &stats->daemon->guests[i];
		struct sample old = stats->last[i], *cur = &stats->last[i];

		take_sample(stats->daemon, guest, cur);
#define RATE(member) ((double)(cur->member - old.member) / s)
		log_notice("stats %s: to guest %.1f kpps %.1f Mbit/s, from guest %.1f kpps "
			   "%.1f Mbit/s, IOTLB %.0f hits/s %.0f misses/s %.0f invalidations/s, "
			   "%" PRIu64 " dropped",
			   guest->conf->name, RATE(to) / 1e3, RATE(to_bytes) * 8 / 1e6,
			   RATE(from) / 1e3, RATE(from_bytes) * 8 / 1e6, RATE(hits), RATE(misses),
			   RATE(invalidations), cur->drops - old.drops);
#undef RATE
	}
	for (unsigned int t = 0; t < conf->pmd.n_cores; t++)
		log_notice("stats core %u: %u %% busy", conf->pmd.cores[t],
			   topology_load(stats->daemon->topo, t));
}

/**
 * struct line - A line of " name=value" pairs that is being put together
 * @len:	Bytes used
 * @buf:	Text
 */
struct line {
	size_t len;
	char buf[900];
};

/**
 * line_put() - Add a number
 * @line:	Line
 * @name:	Its name
 * @value:	Its value
 */
static void line_put(struct line *line, const char *name, uint64_t value)
{
	int n;

	if (line->len >= sizeof(line->buf))
		return;
	n = snprintf(line->buf + line->len, sizeof(line->buf) - line->len, " %s=%" PRIu64, name,
		     value);
	line->len += (size_t)n;
}

/**
 * line_add() - Add a counter that is not zero
 * @line:	Line
 * @name:	Counter's name
 * @value:	Its value
 */
static void line_add(struct line *line, const char *name, uint64_t value)
{
	if (value)
		line_put(line, name, value);
}

/**
 * line_log() - Write the line, unless everything in it is zero
 * @line:	Line
 * @what:	What was counted
 * @name:	Name of it
 * @sub:	" ring" or " queue" and its number follow, or ""
 * @index:	That number
 */
static void line_log(const struct line *line, const char *what, const char *name, const char *sub,
		     unsigned int index)
{
	char number[16] = "";

	if (!line->len)
		return;
	if (*sub)
		snprintf(number, sizeof(number), " %u", index);
	log_notice("totals %s %s%s%s:%s", what, name, sub, number, line->buf);
}

#define ADD_COUNTER(name, help) line_add(&line, #name, COUNTER_READ(c->name));

/**
 * log_guest() - Totals of a guest's control side and IOTLB
 * @guest:	Guest
 */
static void log_guest(const struct guest *guest)
{
	struct line line = {0};
	struct iotlb_stats tlb;

	{
		const struct guest_counters *c = &guest->counters;

		GUEST_COUNTERS(ADD_COUNTER)
	}
	{
		const struct resolver_counters *c = &guest->resolver.counters;

		RESOLVER_COUNTERS(ADD_COUNTER)
	}
	iotlb_stats(guest->dev.tlb, &tlb);
	line_add(&line, "iotlb_entries", tlb.entries);
	line_add(&line, "iotlb_evicted", tlb.evicted);
	line_log(&line, "guest", guest->conf->name, "", 0);
}

/**
 * log_ring() - Totals of a ring
 * @guest:	Guest
 * @index:	Virtqueue index
 */
static void log_ring(const struct guest *guest, unsigned int index)
{
	const struct vq_counters *c = vq_counters(guest->dev.rings[index].vq);
	struct line line = {0};

	VQ_COUNTERS(ADD_COUNTER)
	line_log(&line, "guest", guest->conf->name, " ring", index);
}

/**
 * log_wire() - Totals of a wire
 * @daemon:	Daemon
 * @port:	Index of the port
 * @queue:	Its queue
 */
static void log_wire(const struct daemon *daemon, unsigned int port, unsigned int queue) CTL_ONLY
{
	const struct wire_counters *c = topology_counters(daemon->topo, port, queue);
	struct line line = {0};

	WIRE_COUNTERS(ADD_COUNTER)
	if (line.len)
		line_put(&line, "core", topology_core(daemon->topo, port, queue));
	line_log(&line, "port", daemon->conf->ports[port].name, " queue", queue);
}

/**
 * log_thread() - Totals of a poll-mode thread
 * @daemon:	Daemon
 * @thread:	Which
 */
static void log_thread(const struct daemon *daemon, unsigned int thread) CTL_ONLY
{
	const struct pmd_counters *c = pmd_counters(daemon->pmds, thread);
	struct line line = {0};
	char name[24];

	PMD_COUNTERS(ADD_COUNTER)
	snprintf(name, sizeof(name), "core %u", daemon->conf->pmd.cores[thread]);
	line_log(&line, "pmd", name, "", 0);
}

void statistics_log_totals(const struct daemon *daemon)
{
	const struct conf *conf = daemon->conf;

	for (unsigned int g = 0; g < conf->n_guests; g++) {
		const struct guest *guest = &daemon->guests[g];

		log_guest(guest);
		for (unsigned int i = 0; i < guest->dev.n_rings; i++)
			if (guest->dev.rings[i].vq)
				log_ring(guest, i);
	}
	for (unsigned int p = 0; p < conf->n_ports; p++)
		for (unsigned int q = 0; q < conf->ports[p].queues; q++)
			log_wire(daemon, p, q);
	for (unsigned int t = 0; t < pmd_set_count(daemon->pmds); t++)
		log_thread(daemon, t);
	/* For who reads them while they are written: whatever is missing was zero */
	log_notice("totals end");
}
