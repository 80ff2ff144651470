/* SPDX-License-Identifier: BSD-3-Clause */
/* revive.h - A backend that ends, and the one that comes after it (--reconnect)
 *
 * Theory of operation
 * ===================
 * As with QEMU 7.2 and its chardev's `reconnect=`: the rings stay as they are in
 * guest memory while nobody serves them.  When there is a connection again all is
 * said anew, as at the first start.  A split ring's base is then the used index
 * found in its memory.  A packed ring has none, and what is said is where the
 * ring began when it was last started, however far it was used since.
 *
 * What the driver has made available stays so, and what was used before the
 * backend ended is taken as ever.
 */
#ifndef GUEST_REVIVE_H
#define GUEST_REVIVE_H

#include <stdbool.h>
#include <stdint.h>

struct guest;

/**
 * revive_wanted() - Whether an error is the end of a backend, to be waited out
 * @g:		Guest
 * @err:	-errno
 */
bool revive_wanted(const struct guest *g, int err);

/**
 * revive() - Wait for a backend on every device, and start these anew
 * @g:	Guest that lost one of them
 *
 * Return: 0, 1 when it was asked to stop meanwhile, or -errno after a complaint
 */
int revive(struct guest *g);

/**
 * revive_check() - Note when traffic has come again
 * @g:		Guest
 * @now:	CLOCK_MONOTONIC
 */
void revive_check(struct guest *g, uint64_t now);

#endif /* GUEST_REVIVE_H */
