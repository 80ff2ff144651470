/* SPDX-License-Identifier: BSD-3-Clause */
/* migrate.h - Moving the guest to another backend under its traffic (--migrate)
 *
 * Theory of operation
 * ===================
 * The guest plays both ends of a live migration.  Its memory is copied to other
 * files while it runs, page by page as QEMU would:
 *
 *   1  a log is given and switched on, all of memory is copied
 *   2  some times, a little apart: pages that are marked, and pages the driver
 *      wrote to, are copied again
 *   3  the transmit rings are stopped, what is on its way comes in, and the
 *      receive rings are stopped; then what is left is copied
 *   4  the copy must be what memory is, byte for byte
 *   5  the copy takes memory's place, at the same addresses, a connection is made
 *      to the other backend, and the rings go on there where they stopped
 *
 * What the driver writes to is found as a hypervisor finds it: pages are write
 * protected in this process, and the first write to one faults.  The backend has
 * mappings of its own, and has to tell.
 *
 * The next time it goes back.  The rings and buffers in use are those of the
 * copy, so that --mode verify would notice anything that is lost, doubled or of
 * yesterday.
 */
#ifndef GUEST_MIGRATE_H
#define GUEST_MIGRATE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/guest/bitmap.h"

struct guest;

enum migrate_state { MIGRATE_REST, MIGRATE_COPY, MIGRATE_DRAIN };

/**
 * struct migrate - Where we are
 * @log:	Log
 * @copies:	Memory at the other end, by region
 * @ours:	Pages the driver wrote to since they were copied, by region
 * @state:	MIGRATE_REST: none is under way; _COPY: step 2; _DRAIN: step 3
 * @away:	At the second backend
 * @rounds:	Of step 2, still to come
 * @heard:	Frames received when last looked
 * @next_ns:	When to go on
 * @late_ns:	When waiting for frames on their way is over
 */
struct migrate {
	struct bitmap log;
	uint8_t *copies[REGIONS_MAX];
	bool *ours[REGIONS_MAX];
	enum migrate_state state;
	bool away;
	unsigned int rounds;
	uint64_t heard;
	uint64_t next_ns;
	uint64_t late_ns;
};

/**
 * migrate_init() - Take what is needed
 * @t:	Filled in
 * @g:	Guest with its memory; the only one in this process
 *
 * Return: 0 or -errno after a complaint
 */
int migrate_init(struct migrate *t, struct guest *g);

/**
 * migrate_free() - Free it
 * @t:	Or zeroed
 * @g:	Guest
 */
void migrate_free(struct migrate *t, const struct guest *g);

/**
 * migrate_step() - Do what is due
 * @t:		From migrate_init()
 * @g:		Guest
 * @now:	clock_ns()
 *
 * Return: 0 or -errno after a complaint
 */
int migrate_step(struct migrate *t, struct guest *g, uint64_t now);

#endif /* GUEST_MIGRATE_H */
