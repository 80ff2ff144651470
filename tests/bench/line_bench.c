/* SPDX-License-Identifier: BSD-3-Clause */
/* line_bench.c - How far apart two processors are, in round trips of a cache line
 *
 * Two pinned threads count one word up in turns.  What vhost does between a
 * guest and a poll-mode thread is made of such trips, and on a virtual machine,
 * whose processors are moved about, a figure of one moment is comparable with
 * another of moments when the trip took as long.
 *
 *	line_bench [CPU CPU]
 *
 * The median of batches: what else runs on the machine makes some of them longer.
 */
#include <errno.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <rte_pause.h>

#include "tests/bench/batches.h"

#define BATCHES 41
#define TRIPS	1000u

/* Trips of one thread that end the other's, should it not get to run */
#define SPINS_MAX (UINT64_C(1) << 32)

/**
 * struct line - What goes back and forth: odd is the partner's turn
 */
struct line {
	alignas(128) _Atomic uint32_t word;
	alignas(128) int cpu;
};

/**
 * await() - Spin until the word has a value
 */
static void await(struct line *l, uint32_t value)
{
	uint64_t spins;

	for (spins = 0; atomic_load_explicit(&l->word, memory_order_acquire) != value; spins++) {
		if (spins == SPINS_MAX)
			exit(1);
		rte_pause();
	}
}

/**
 * partner() - Answer every trip
 */
static void *partner(void *arg)
{
	struct line *l = arg;
	uint32_t i;

	if (pin(l->cpu))
		exit(1);
	for (i = 0; i < (BATCHES + 1) * TRIPS; i++) {
		await(l, 2 * i + 1);
		atomic_store_explicit(&l->word, 2 * i + 2, memory_order_release);
	}
	return NULL;
}

/**
 * measure() - Make all trips
 *
 * The first batch waits for the partner to start, so it does not count.
 *
 * Return: Median batch, in ns
 */
static uint64_t measure(struct line *l)
{
	uint64_t batch[BATCHES + 1], begin;
	uint32_t i, trip = 0, end;

	for (i = 0; i <= BATCHES; i++) {
		begin = now_ns();
		for (end = trip + TRIPS; trip < end; trip++) {
			atomic_store_explicit(&l->word, 2 * trip + 1, memory_order_release);
			await(l, 2 * trip + 2);
		}
		batch[i] = now_ns() - begin;
	}
	return batches_median(batch + 1, BATCHES);
}

/**
 * first_two() - The first processors we may run on
 *
 * Return: Whether there are two
 */
static int first_two(int *cpus)
{
	cpu_set_t set;
	int cpu, n = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 0;
	for (cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
		if (CPU_ISSET((unsigned int)cpu, &set))
			cpus[n++] = cpu;
	return n == 2;
}

int main(int argc, char **argv)
{
	static struct line line;
	pthread_t thread;
	int cpus[2], err;

	if (argc == 3) {
		cpus[0] = atoi(argv[1]);
		cpus[1] = atoi(argv[2]);
	} else if (!first_two(cpus)) {
		puts("line_bench: needs two processors");
		return 0;
	}
	line.cpu = cpus[1];
	err = pin(cpus[0]);
	if (!err)
		err = pthread_create(&thread, NULL, partner, &line);
	if (err) {
		fprintf(stderr, "line_bench: CPUs %d and %d: %s\n", cpus[0], cpus[1],
			strerror(err));
		return 1;
	}
	printf("cache line between CPUs %d and %d and back: %.1f ns\n", cpus[0], cpus[1],
	       (double)measure(&line) / TRIPS);
	pthread_join(thread, NULL);
	return 0;
}
