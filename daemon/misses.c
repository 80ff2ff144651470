/* SPDX-License-Identifier: BSD-3-Clause */
/* misses.c - Posted misses, handed to the guest they belong to */
#include "daemon/misses.h"

#include <inttypes.h>

#include "daemon/guest.h"
#include "datapath/counters.h"
#include "datapath/miss.h"
#include "iotlb/iotlb.h"

#define MISSES_BURST 64
/* Bursts in as many misses as the queue holds */
#define MISSES_ALL 64

/**
 * miss_outside() - Tell of an address that nothing will ever translate
 * @guest:	Guest without a vIOMMU: what is not in its memory table is nowhere
 * @m:		Miss, repeated for as long as the ring waits there
 */
static void miss_outside(struct guest *guest, const struct miss *m) CTL_ONLY
{
	COUNTER_ADD(guest->counters.outside, 1);
	if (log_limit_ok(&guest->resolver.limit))
		log_warning("guest %s: ring %u has a descriptor at 0x%" PRIx64
			    ", outside the guest's memory; it waits there",
			    guest->conf->name, m->ring, m->iova);
}

/**
 * miss_guest() - Whom to ask for a miss
 * @daemon:	Daemon
 * @m:		Miss
 *
 * Its device may have ended since (miss.h, I1), and it may have been answered
 * while it waited in the queue.
 *
 * Return: Guest, or NULL when asking is pointless
 */
static struct guest *miss_guest(struct daemon *daemon, const struct miss *m) CTL_ONLY
{
	struct guest *guest;

	if (m->guest >= daemon->conf->n_guests)
		return NULL;
	guest = &daemon->guests[m->guest];
	if (m->session != guest->dev.session || iotlb_maps(guest->dev.tlb, m->iova, m->perm))
		return NULL;
	if (device_viommu(&guest->dev))
		return guest;
	/* Between two memory tables nothing is mapped, and nothing runs */
	if (guest->dev.mem)
		miss_outside(guest, m);
	return NULL;
}

unsigned int misses_serve(struct daemon *daemon)
{
	struct miss misses[MISSES_BURST];
	unsigned int n = miss_drain(daemon->misses, misses, MISSES_BURST);
	struct guest *asking = NULL;

	/* A ring posts many at once, and they leave in one message train */
	for (unsigned int i = 0; i < n; i++) {
		struct guest *guest = miss_guest(daemon, &misses[i]);

		if (!guest)
			continue;
		if (asking && asking != guest)
			guest_ask_end(asking);
		if (asking != guest)
			guest_ask_begin(guest);
		asking = guest;
		(void)resolver_miss(&guest->resolver, misses[i].iova, misses[i].perm);
	}
	if (asking)
		guest_ask_end(asking);
	return n;
}

void misses_serve_all(struct daemon *daemon)
{
	/* PMD threads go on posting: an end to it, whatever they do */
	for (unsigned int i = 0; i < MISSES_ALL; i++)
		if (misses_serve(daemon) < MISSES_BURST)
			break;
}
