/* SPDX-License-Identifier: BSD-3-Clause */
/* random.h - Small repeatable random numbers (splitmix64) */
#ifndef GUEST_RANDOM_H
#define GUEST_RANDOM_H

#include <stdint.h>

/**
 * random_seed() - Make a state from a seed
 * @seed:	Any number
 */
static inline uint64_t random_seed(uint32_t seed)
{
	return seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/**
 * random_next() - Next number
 * @state:	From random_seed()
 */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

#endif /* GUEST_RANDOM_H */
