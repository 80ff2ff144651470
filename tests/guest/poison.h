/* SPDX-License-Identifier: BSD-3-Clause */
/* poison.h - Buffers the backend has given up must not change any more
 *
 * Theory of operation
 * ===================
 * With --poison every free buffer holds a pattern: it is written when the
 * buffer goes back to the pool, long after its invalidation was acknowledged,
 * and looked at when the buffer is taken again.  A backend that still writes
 * leaves a trace; one that still reads sends the pattern, which verify sees.
 */
#ifndef GUEST_POISON_H
#define GUEST_POISON_H

#include <stdbool.h>
#include <stdint.h>

struct guest;

/**
 * poison_fill() - Fill a buffer with the pattern
 * @g:	Guest
 * @id:	Buffer that no backend can reach
 */
void poison_fill(struct guest *g, uint32_t id);

/**
 * poison_intact() - Whether a buffer still holds the pattern
 * @g:	Guest
 * @id:	Buffer
 */
bool poison_intact(const struct guest *g, uint32_t id);

/**
 * poison_check() - Count a buffer as looked at, and as violated if it is
 * @g:	Guest
 * @id:	Buffer about to leave the pool
 */
void poison_check(struct guest *g, uint32_t id);

#endif /* GUEST_POISON_H */
