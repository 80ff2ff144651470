/* SPDX-License-Identifier: BSD-3-Clause */
/* dirty.h - Whether the backend logs every page it writes to (--log-dirty)
 *
 * Theory of operation
 * ===================
 * Every so often, whatever the mode does:
 *
 *   1  the transmit rings are stopped; the driver goes on, so that frames
 *      collect in them
 *   2  a fresh log is given and logging is switched on, under the receive rings
 *      that still run
 *   3  what only the backend writes is scribbled over in the stopped rings, the
 *	marks so far are taken away, and memory is copied
 *   4  the transmit rings are started, and the driver does nothing until the
 *      backend has taken all that was in them and nothing comes any more
 *   5  memory is compared with the copy; then logging is switched off, and from
 *      the answer on each page that has changed must be marked
 *
 * From (3) to (5) nobody but the backend writes, so that a page it does not mark
 * cannot hide behind the driver's own writes, not even in a packed ring.
 */
#ifndef GUEST_DIRTY_H
#define GUEST_DIRTY_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/guest/bitmap.h"
#include "tests/guest/memory.h"

struct guest;

/**
 * struct dirty - Where we are
 * @log:	Log
 * @copies:	Memory at (3), by region
 * @changed:	Pages found changed at (5), by region
 * @stopped:	Between (1) and (4)
 * @next_ns:	When to go on
 */
struct dirty {
	struct bitmap log;
	uint8_t *copies[REGIONS_MAX];
	bool *changed[REGIONS_MAX];
	bool stopped;
	uint64_t next_ns;
};

/**
 * dirty_init() - Take what is needed for copies
 * @t:	Filled in
 * @g:	Guest with its memory
 *
 * Return: 0 or -errno after a complaint
 */
int dirty_init(struct dirty *t, const struct guest *g);

/**
 * dirty_free() - Free it
 * @t:	Or zeroed
 */
void dirty_free(struct dirty *t);

/**
 * dirty_step() - Do what is due
 * @t:		From dirty_init()
 * @g:		Guest
 * @now:	clock_ns()
 *
 * Return: 0 or -errno after a complaint
 */
int dirty_step(struct dirty *t, struct guest *g, uint64_t now);

#endif /* GUEST_DIRTY_H */
