/* SPDX-License-Identifier: BSD-3-Clause */
/* poison.c - Buffers the backend has given up must not change any more */
#include "tests/guest/poison.h"

#include <string.h>

#include "tests/guest/guest.h"

#define PATTERN 0xd5

void poison_fill(struct guest *g, uint32_t id)
{
	uint64_t off = pool_off(&g->pool, id), left = g->pool.stride, piece;

	for (; left; off += piece, left -= piece) {
		uint8_t *at = arena_ptr(g->pool.arena, off, &piece);

		if (piece > left)
			piece = left;
		memset(at, PATTERN, piece);
	}
}

/**
 * all_pattern() - Whether so many bytes are the pattern
 */
static bool all_pattern(const uint8_t *at, uint64_t len)
{
	/* Then the first is, and each is what its predecessor is */
	return at[0] == PATTERN && memcmp(at, at + 1, len - 1) == 0;
}

bool poison_intact(const struct guest *g, uint32_t id)
{
	uint64_t off = pool_off(&g->pool, id), left = g->pool.stride, piece;

	for (; left; off += piece, left -= piece) {
		const uint8_t *at = arena_ptr(g->pool.arena, off, &piece);

		if (piece > left)
			piece = left;
		if (!all_pattern(at, piece))
			return false;
	}
	return true;
}

void poison_check(struct guest *g, uint32_t id)
{
	g->stats.poison_checks++;
	g->stats.poison_violations += !poison_intact(g, id);
}
