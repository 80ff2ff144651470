/* SPDX-License-Identifier: BSD-3-Clause */
/* misses.c - Posted misses, handed to the guest they belong to */
#include "daemon/misses.h"

#include "daemon/guest.h"
#include "datapath/miss.h"
#include "iotlb/iotlb.h"

#define MISSES_BURST 64
/* Bursts in as many misses as the queue holds */
#define MISSES_ALL 64

/**
 * miss_serve() - Have one miss asked for, unless that is pointless
 * @daemon:	Daemon
 * @m:		Miss
 *
 * Its device may have ended since (miss.h, I1), and it may have been answered
 * while it waited in the queue.
 */
static void miss_serve(struct daemon *daemon, const struct miss *m) CTL_ONLY
{
	struct guest *guest;

	if (m->guest >= daemon->conf->n_guests)
		return;
	guest = &daemon->guests[m->guest];
	if (m->session != guest->dev.session || !device_viommu(&guest->dev))
		return;
	if (!iotlb_maps(guest->dev.tlb, m->iova, m->perm))
		(void)resolver_miss(&guest->resolver, m->iova, m->perm);
}

unsigned int misses_serve(struct daemon *daemon)
{
	struct miss misses[MISSES_BURST];
	unsigned int n = miss_drain(daemon->misses, misses, MISSES_BURST);

	for (unsigned int i = 0; i < n; i++)
		miss_serve(daemon, &misses[i]);
	return n;
}

void misses_serve_all(struct daemon *daemon)
{
	/* PMD threads go on posting: an end to it, whatever they do */
	for (unsigned int i = 0; i < MISSES_ALL; i++)
		if (misses_serve(daemon) < MISSES_BURST)
			break;
}
