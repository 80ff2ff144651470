/* SPDX-License-Identifier: BSD-3-Clause */
/* random.h - Random numbers that a seed repeats (SplitMix64) */
#ifndef VUNETD_TEST_RANDOM_H
#define VUNETD_TEST_RANDOM_H

#include <stdint.h>

/* The next number of the sequence @state is in */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* A number below @n */
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
	return random_next(state) % n;
}

#endif /* VUNETD_TEST_RANDOM_H */
