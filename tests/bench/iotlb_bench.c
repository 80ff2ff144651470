/* SPDX-License-Identifier: BSD-3-Clause */
/* iotlb_bench.c - What IOTLB lookups, maps and unmaps cost
 *
 * Each row is the median of SAMPLES timed runs.  "lookup" rows are a stream of
 * independent lookups, as a burst of descriptors makes them; "latency" is a chain
 * in which each address depends on the last answer.  Host addresses are made up:
 * nothing is read through them, so what is measured is translation alone.
 *
 * Time is the thread's own CPU time, so that what else runs on the machine does
 * not count (its effect on caches and clock does); cycles are those of the TSC.
 *
 * Needs no EAL, no hugepages and no second core (the reader of the last row then
 * shares the only one, and the row says little).
 */
#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_rcu_qsbr.h>

#include "iotlb/iotlb.h"

#define SAMPLES	 7
#define KIB	 (UINT64_C(1) << 10)
#define MIB	 (UINT64_C(1) << 20)
#define GIB	 (UINT64_C(1) << 30)
#define HOST	 UINT64_C(0x7f0000000000)
#define RW	 (IOTLB_READ | IOTLB_WRITE)
#define IOVA_TOP UINT64_C(0xffe00000) /* below 4 GiB, where Linux allocates from */
#define N_ADDRS	 8192		      /* length of an address stream */
#define BURST	 32

struct bench {
	struct iotlb *tlb;
	struct iotlb_hints hints;
	struct rte_rcu_qsbr *qsbr;
	uint64_t addr[N_ADDRS];
	uint64_t len;
};

/**
 * struct row - One line of the table
 * @name:	What is measured
 * @prepare:	Makes the mappings and the stream of addresses
 * @run:	Does it @n times
 * @arg:	For @prepare: how many pages or buffers
 * @size:	For @prepare: bytes of each
 * @n:		Operations per sample
 * @waits:	Time that passes counts, not time on the CPU
 */
struct row {
	const char *name;
	void (*prepare)(struct bench *b, const struct row *row);
	void (*run)(struct bench *b, const struct row *row);
	uint64_t arg;
	uint64_t size;
	uint64_t n;
	bool waits;
};

static uint64_t random_state = 1;

static uint64_t random_below(uint64_t n)
{
	assert(n);
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

static void map_or_die(struct bench *b, uint64_t iova, uint64_t size, uint64_t host) CTL_ONLY
{
	if (iotlb_map(b->tlb, iova, size, (void *)host, RW) < 0) {
		fprintf(stderr, "iotlb_bench: cannot map %#" PRIx64 "\n", iova);
		exit(1);
	}
}

/* --------------------------------------------------------------- prepare -- */

/* @arg pages of @size side by side in IOVA, scattered in host memory */
static void prepare_pages(struct bench *b, const struct row *row) CTL_ONLY
{
	for (uint64_t i = 0; i < row->arg; i++)
		map_or_die(b, IOVA_TOP - (i + 1) * row->size, row->size,
			   HOST + (i * 7919 % row->arg) * 2 * row->size);
	for (unsigned int i = 0; i < N_ADDRS; i++)
		b->addr[i] = IOVA_TOP - (random_below(row->arg) + 1) * row->size +
			     (random_below(row->size - 2048) & ~UINT64_C(63));
	b->len = 1518;
}

/* The same, but every access crosses into a page that is no neighbour */
static void prepare_crossing(struct bench *b, const struct row *row) CTL_ONLY
{
	prepare_pages(b, row);
	for (unsigned int i = 0; i < N_ADDRS; i++)
		b->addr[i] = (b->addr[i] & ~UINT64_C(4095)) + 4096 - 64;
}

/* Huge leaves that start at 4 GiB */
static void prepare_huge(struct bench *b, const struct row *row) CTL_ONLY
{
	for (uint64_t i = 0; i < row->arg; i++)
		map_or_die(b, 4 * GIB + i * row->size, row->size,
			   HOST + (i * 7919 % row->arg) * 2 * row->size);
	for (unsigned int i = 0; i < N_ADDRS; i++)
		b->addr[i] = 4 * GIB + random_below(row->arg * row->size - 2048);
	b->len = 1518;
	for (unsigned int i = 0; i < N_ADDRS; i++) /* stay within a page */
		if (b->addr[i] % row->size > row->size - 2048)
			b->addr[i] -= 2048;
}

/* Spans that share one hint, so that every lookup walks */
static void prepare_walk(struct bench *b, const struct row *row) CTL_ONLY
{
	uint64_t stride = (uint64_t)(IOTLB_N_HINTS + 1) << IOTLB_SPAN_SHIFT;

	assert(row->arg && row->arg <= IOTLB_N_HINTS);
	for (uint64_t i = 0; i < row->arg; i++)
		map_or_die(b, i * stride, row->size, HOST + i * 2 * row->size);
	for (unsigned int i = 0; i < N_ADDRS; i++)
		b->addr[i] = i % row->arg * stride + 64;
	b->len = 1518;
}

/* Nothing there */
static void prepare_nothing(struct bench *b, const struct row *row) CTL_ONLY
{
	prepare_pages(b, row);
	iotlb_unmap(b->tlb, 0, UINT64_MAX);
}

static void prepare_empty(struct bench *b, const struct row *row)
{
	(void)b;
	(void)row;
}

/* ------------------------------------------------------------------- run -- */

static void run_lookup(struct bench *b, const struct row *row) PMD_ONLY
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < row->n; i++) {
		uint64_t got = 0;

		if (i % BURST == 0)
			iotlb_hints_check(b->tlb, &b->hints);
		sum += (uint64_t)iotlb_lookup(b->tlb, &b->hints, b->addr[i % N_ADDRS], b->len, RW,
					      &got);
		sum += got;
	}
	__asm__ volatile("" : : "r"(sum));
}

static void run_latency(struct bench *b, const struct row *row) PMD_ONLY
{
	uint64_t at = b->addr[0], got = 0;

	iotlb_hints_check(b->tlb, &b->hints);
	for (uint64_t i = 0; i < row->n; i++) {
		uint64_t host = (uint64_t)iotlb_lookup(b->tlb, &b->hints, at, b->len, RW, &got);

		/* the same address, but not before the answer is there */
		__asm__ volatile("and $0, %0" : "+r"(host));
		at += host;
	}
}

static void run_map_unmap(struct bench *b, const struct row *row) CTL_ONLY
{
	for (uint64_t i = 0; i < row->n; i++) {
		iotlb_map(b->tlb, 4 * GIB, row->size, (void *)HOST, RW);
		iotlb_unmap(b->tlb, 4 * GIB, row->size);
	}
}

/* Map @arg different pages; the unmap before it is timed in its own row */
static void run_map(struct bench *b, const struct row *row) CTL_ONLY
{
	for (uint64_t i = 0; i < row->n; i++)
		iotlb_map(b->tlb, 4 * GIB + i % row->arg * row->size, row->size,
			  (void *)(HOST + i * row->size), RW);
}

static void prepare_mapped(struct bench *b, const struct row *row) CTL_ONLY
{
	struct row all = *row;

	all.n = row->arg;
	run_map(b, &all);
}

static void run_unmap(struct bench *b, const struct row *row) CTL_ONLY
{
	for (uint64_t i = 0; i < row->n; i++)
		iotlb_unmap(b->tlb, 4 * GIB + i * row->size, row->size);
}

struct reader {
	struct bench *b;
	pthread_t thread;
	int stop;
};

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	struct iotlb_hints hints;
	cpu_set_t cpus;
	uint64_t got, sum = 0;

	thread_role_assume(&pmd_role);
	CPU_ZERO(&cpus);
	CPU_SET(1, &cpus); /* no such CPU: we stay where we are */
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	iotlb_hints_init(&hints);
	rte_rcu_qsbr_thread_online(r->b->qsbr, 0);
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		iotlb_hints_check(r->b->tlb, &hints);
		for (unsigned int i = 0; i < BURST; i++)
			sum += (uint64_t)iotlb_lookup(r->b->tlb, &hints, 4 * GIB, 64, RW, &got);
		rte_rcu_qsbr_quiescent(r->b->qsbr, 0);
	}
	rte_rcu_qsbr_thread_offline(r->b->qsbr, 0);
	__asm__ volatile("" : : "r"(sum));
	return NULL;
}

/* A packet's worth with an invalidation that is acknowledged: a reader at work */
static void run_invalidate(struct bench *b, const struct row *row) CTL_ONLY
{
	struct reader r = {.b = b};
	bool reads = !pthread_create(&r.thread, NULL, reader_main, &r);

	for (uint64_t i = 0; i < row->n; i++) {
		iotlb_map(b->tlb, 4 * GIB, row->size, (void *)HOST, RW);
		iotlb_unmap(b->tlb, 4 * GIB, row->size);
		iotlb_synchronize(b->tlb);
	}
	__atomic_store_n(&r.stop, 1, __ATOMIC_RELAXED);
	if (reads)
		pthread_join(r.thread, NULL);
}

/* ----------------------------------------------------------------- table -- */

static const struct row rows[] = {
	{"lookup, one 4 KiB page", prepare_pages, run_lookup, 1, 4 * KIB, 2000000, false},
	{"latency, one 4 KiB page", prepare_pages, run_latency, 1, 4 * KIB, 1000000, false},
	{"lookup, 1024 scattered 4 KiB", prepare_pages, run_lookup, 1024, 4 * KIB, 2000000, false},
	{"lookup, 8192 scattered 4 KiB", prepare_pages, run_lookup, 8192, 4 * KIB, 2000000, false},
	{"lookup, crossing 4 KiB pages", prepare_crossing, run_lookup, 1024, 4 * KIB, 500000,
	 false},
	{"lookup, 16 pages of 2 MiB", prepare_huge, run_lookup, 16, 2 * MIB, 2000000, false},
	{"lookup, 128 pages of 2 MiB", prepare_huge, run_lookup, 128, 2 * MIB, 500000, false},
	{"lookup, 512 pages of 2 MiB", prepare_huge, run_lookup, 512, 2 * MIB, 500000, false},
	{"latency, one 2 MiB page", prepare_huge, run_latency, 1, 2 * MIB, 1000000, false},
	{"lookup, 4 pages of 1 GiB", prepare_huge, run_lookup, 4, GIB, 500000, false},
	{"walk, 4 KiB, hint always missed", prepare_walk, run_lookup, 16, 4 * KIB, 500000, false},
	{"walk, 2 MiB, hint always missed", prepare_walk, run_lookup, 16, 2 * MIB, 500000, false},
	{"lookup, nothing there", prepare_nothing, run_lookup, 1024, 4 * KIB, 500000, false},
	{"map, 4 KiB over 4 KiB", prepare_mapped, run_map, 8192, 4 * KIB, 200000, false},
	{"map, 2 MiB over 2 MiB", prepare_mapped, run_map, 512, 2 * MIB, 200000, false},
	{"map, 1 GiB over 1 GiB", prepare_mapped, run_map, 64, GIB, 200000, false},
	{"map, 4 KiB, new", prepare_empty, run_map, 8192, 4 * KIB, 8192, false},
	{"unmap, 4 KiB", prepare_mapped, run_unmap, 8192, 4 * KIB, 8192, false},
	{"unmap, 2 MiB", prepare_mapped, run_unmap, 512, 2 * MIB, 512, false},
	{"unmap, 1 GiB", prepare_mapped, run_unmap, 64, GIB, 64, false},
	{"map + unmap, 4 KiB", prepare_empty, run_map_unmap, 0, 4 * KIB, 200000, false},
	{"map + unmap, 2 MiB", prepare_empty, run_map_unmap, 0, 2 * MIB, 200000, false},
	{"map + unmap, 1 GiB", prepare_empty, run_map_unmap, 0, GIB, 200000, false},
	{"map + unmap + synchronize", prepare_empty, run_invalidate, 0, 4 * KIB, 20000, true},
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/* TSC cycles per ns: the median, as we may lose the CPU between two readings */
static double tsc_rate(void)
{
	double rate[SAMPLES], ns;
	uint64_t tsc;

	for (unsigned int i = 0; i < SAMPLES; i++) {
		ns = now_ns(CLOCK_MONOTONIC);
		tsc = rte_rdtsc();
		while (now_ns(CLOCK_MONOTONIC) - ns < 2e6)
			;
		rate[i] = (rte_rdtsc() - tsc) / (now_ns(CLOCK_MONOTONIC) - ns);
	}
	qsort(rate, SAMPLES, sizeof(rate[0]), by_value);
	return rate[SAMPLES / 2];
}

/**
 * row_sample() - Time one run of a row, from an IOTLB of its own
 * @row:	Row
 *
 * Return: ns per operation
 */
static double row_sample(const struct row *row) CTL_ONLY
{
	clockid_t clock = row->waits ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
	static struct bench b;
	double ns;

	b.qsbr = aligned_alloc(64, (rte_rcu_qsbr_get_memsize(1) + 63) & ~(size_t)63);
	if (!b.qsbr || iotlb_new(1 << 16, b.qsbr, &b.tlb))
		exit(1);
	rte_rcu_qsbr_init(b.qsbr, 1);
	rte_rcu_qsbr_thread_register(b.qsbr, 0);
	iotlb_hints_init(&b.hints);
	row->prepare(&b, row);
	ns = now_ns(clock);
	row->run(&b, row);
	ns = (now_ns(clock) - ns) / row->n;
	iotlb_free(b.tlb);
	free(b.qsbr);
	return ns;
}

int main(void)
{
	double ns[SAMPLES], rate = tsc_rate();

	thread_role_assume(&ctl_role);
	printf("%-34s %10s %10s\n", "", "ns", "cycles");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned int k = 0; k < SAMPLES; k++)
			ns[k] = row_sample(&rows[i]);
		qsort(ns, SAMPLES, sizeof(ns[0]), by_value);
		printf("%-34s %10.1f %10.1f\n", rows[i].name, ns[SAMPLES / 2],
		       ns[SAMPLES / 2] * rate);
		fflush(stdout);
	}
	return 0;
}
