/* SPDX-License-Identifier: BSD-3-Clause */
/* placement.h - Which thread takes more work: the least loaded one that may
 *
 * Load is what threads are busy with, measured, in PLACEMENT_FULL parts of one
 * thread.  What has not run yet cannot be measured and counts with a guess per
 * ring, so that many idle rings are spread evenly, and a busy thread is avoided
 * however few rings it has.
 *
 * Threads: control thread only.
 */
#ifndef VUNETD_PLACEMENT_H
#define VUNETD_PLACEMENT_H

#include <stdint.h>

#include "conf/conf.h"
#include "iotlb/thread_role.h"

#define PLACEMENT_FULL 1024 /* load of a thread that is always busy */
#define PLACEMENT_RING 16   /* load a ring is expected to be at least */

/**
 * struct placement - How loaded each thread is
 * @cores:	CPU of each thread; borrowed
 * @load:	By thread
 */
struct placement {
	const struct conf_cores *cores;
	unsigned int load[CONF_CORES_MAX];
};

/**
 * struct share - How much of its thread's time something took lately
 * @busy:	Cycles it had taken at the last look
 * @at:		TSC then; 0 before the first
 * @load:	Between the last two looks, in PLACEMENT_FULL parts
 */
struct share {
	uint64_t busy;
	uint64_t at;
	unsigned int load;
};

/**
 * share_look() - Measure the time since the last look
 * @share:	Zeroed before the first
 * @busy:	Cycles it has taken up to now
 * @now:	rte_rdtsc()
 */
void share_look(struct share *share, uint64_t busy, uint64_t now) CTL_ONLY;

/**
 * placement_clear() - Begin with threads that have nothing to do
 * @placement:	Initialised
 * @cores:	CPU of each thread; borrowed
 */
void placement_clear(struct placement *placement, const struct conf_cores *cores) CTL_ONLY;

/**
 * placement_choose() - The thread that has the least to do
 * @placement:	Loads
 * @pin:	CPUs it must be on one of; NULL for any
 * @here:	Where it is now, and stays if that is as good
 */
unsigned int placement_choose(const struct placement *placement, const struct conf_cores *pin,
			      unsigned int here) CTL_ONLY;

#endif /* VUNETD_PLACEMENT_H */
