/* SPDX-License-Identifier: BSD-3-Clause */
/* batches.h - Time, and the median of batches, for the benches of round trips */
#ifndef BENCH_BATCHES_H
#define BENCH_BATCHES_H

#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <pthread.h>

/**
 * pin() - Keep the calling thread on a processor
 * @cpu:	Its number
 * Return: 0 or an error number
 */
static inline int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned int)cpu, &set);
	return pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/**
 * now_ns() - Monotonic time
 */
static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/**
 * batches_compare() - Order of two batches, for qsort()
 */
static inline int batches_compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/**
 * batches_median() - The median of what batches took
 * @batch:	Times; sorted here
 * @n:		How many
 *
 * What else runs on the machine makes some of them longer.
 */
static inline uint64_t batches_median(uint64_t *batch, unsigned int n)
{
	qsort(batch, n, sizeof(batch[0]), batches_compare);
	return batch[n / 2];
}

#endif /* BENCH_BATCHES_H */
