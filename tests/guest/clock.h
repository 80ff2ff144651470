/* SPDX-License-Identifier: BSD-3-Clause */
/* clock.h - Time that passes, and time that is used */
#ifndef GUEST_CLOCK_H
#define GUEST_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/**
 * clock_ns() - Nanoseconds since some moment
 */
static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/**
 * clock_cpu_ns() - Nanoseconds of processor time this process has used
 */
static inline uint64_t clock_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

#endif /* GUEST_CLOCK_H */
