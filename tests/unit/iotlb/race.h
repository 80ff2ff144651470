/* SPDX-License-Identifier: BSD-3-Clause */
/* race.h - Guest memory whose owner is written in it, and readers who check
 *
 * Theory of operation
 * ===================
 * Every 8 bytes of a page that is mapped at IOVA page p say "p" (STAMP).  A page
 * that was released, that is unmapped and then synchronized, is overwritten with
 * POISON before it is used again for another p.  A reader that finds anything
 * but the stamp of the address it looked up has a page it should not have.
 *
 * Stamps are plain memory on purpose: ThreadSanitizer then reports a writer
 * that does not wait as a data race, in addition.
 *
 * A reader works in bursts as a poll-mode thread does: check the hints, look up
 * some addresses, look at the memory, look at it again at the end, report
 * quiescence.  What it found in its last burst it looks at once more in the next
 * if the check allows that.
 */
#ifndef VUNETD_IOTLB_RACE_H
#define VUNETD_IOTLB_RACE_H

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rte_rcu_qsbr.h>

#include "tests/unit/iotlb/iotlb_fixture.h"
#include "tests/unit/iotlb/random.h"

#define PAGE	  4096
#define STAMP(p)  (UINT64_C(0x5a5a000000000000) ^ (p))
#define POISON	  UINT64_C(0xdeaddeaddeaddead)
#define N_READERS 3
#define BURST	  16

struct race {
	struct rte_rcu_qsbr *qsbr;
	struct iotlb *tlb;
	const uint64_t *pages; /* IOVA pages readers look at */
	size_t n_pages;
	/* atomics, relaxed: */
	uint64_t n_hits;
	uint64_t n_kept; /* pieces looked at in a later burst, too */
	uint64_t n_bad;
	int stop;
};

/* A piece of memory a reader found */
struct held {
	uint64_t iova;
	uint64_t len;
	const uint8_t *host;
};

struct reader {
	struct race *race;
	pthread_t thread;
	unsigned int id;
	unsigned int n_held;
	struct held held[BURST];
	struct iotlb_hints hints;
};

static inline struct rte_rcu_qsbr *qsbr_new(unsigned int n)
{
	size_t size = (rte_rcu_qsbr_get_memsize(n) + 63) & ~(size_t)63;
	struct rte_rcu_qsbr *v = aligned_alloc(64, size);

	assert_non_null(v);
	assert_int_equal(rte_rcu_qsbr_init(v, n), 0);
	return v;
}

/* Fill memory with the stamps of the IOVA pages it will be mapped at */
static inline void stamp(void *mem, uint64_t page, size_t n)
{
	uint64_t *word = mem;

	for (size_t i = 0; i < n * (PAGE / 8); i++)
		word[i] = STAMP(page + i / (PAGE / 8));
}

static inline void poison(void *mem, size_t n)
{
	uint64_t *word = mem;

	for (size_t i = 0; i < n * (PAGE / 8); i++)
		word[i] = POISON;
}

/* Whether the first whole words of each page in a piece say what they should */
static inline bool held_is_sound(const struct held *h)
{
	for (uint64_t at = (8 - h->iova % 8) % 8; at + 8 <= h->len;
	     at = (((h->iova + at) | (PAGE - 1)) + 1) - h->iova) {
		const volatile uint64_t *word = (const volatile uint64_t *)(h->host + at);

		if (*word != STAMP((h->iova + at) / PAGE))
			return false;
	}
	return true;
}

/* How many of the pieces a reader has are not sound */
static inline unsigned int reader_look(const struct reader *r)
{
	unsigned int n_bad = 0;

	for (unsigned int i = 0; i < r->n_held; i++)
		n_bad += !held_is_sound(&r->held[i]);
	return n_bad;
}

/* One burst; returns how many pieces were not sound */
static inline unsigned int reader_burst(struct reader *r, uint64_t *rng, uint64_t *ret_hits)
{
	unsigned int n_bad = 0;

	thread_role_assume(&pmd_role);
	if (iotlb_hints_check(r->race->tlb, &r->hints)) {
		n_bad = reader_look(r);
		__atomic_fetch_add(&r->race->n_kept, r->n_held, __ATOMIC_RELAXED);
	}
	r->n_held = 0;
	for (unsigned int i = 0; i < BURST; i++) {
		uint64_t iova = r->race->pages[random_below(rng, r->race->n_pages)] * PAGE +
				random_below(rng, PAGE - 8);
		uint64_t len = 8 + random_below(rng, 2 * PAGE), got;
		void *host = iotlb_lookup(r->race->tlb, &r->hints, iova, len, RW, &got);

		if (!host)
			continue;
		r->held[r->n_held] = (struct held){iova, got, host};
		n_bad += !held_is_sound(&r->held[r->n_held++]);
	}
	if (random_below(rng, 8) == 0)
		sched_yield(); /* let the writer run while pieces are held */
	*ret_hits += r->n_held;
	return n_bad + reader_look(r);
}

static inline void *reader_main(void *arg)
{
	struct reader *r = arg;
	struct race *race = r->race;
	uint64_t rng = r->id + 1, hits;
	unsigned int n_bad;

	iotlb_hints_init(&r->hints);
	r->n_held = 0;
	rte_rcu_qsbr_thread_online(race->qsbr, r->id);
	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		hits = 0;
		n_bad = reader_burst(r, &rng, &hits);
		__atomic_fetch_add(&race->n_hits, hits, __ATOMIC_RELAXED);
		__atomic_fetch_add(&race->n_bad, n_bad, __ATOMIC_RELAXED);
		if (random_below(&rng, 64) == 0) { /* asleep: not waited for */
			rte_rcu_qsbr_thread_offline(race->qsbr, r->id);
			sched_yield();
			rte_rcu_qsbr_thread_online(race->qsbr, r->id);
		} else {
			rte_rcu_qsbr_quiescent(race->qsbr, r->id);
		}
	}
	rte_rcu_qsbr_thread_offline(race->qsbr, r->id);
	return NULL;
}

static inline void readers_start(struct race *race, struct reader *readers)
{
	for (unsigned int i = 0; i < N_READERS; i++) {
		readers[i].race = race;
		readers[i].id = i;
		rte_rcu_qsbr_thread_register(race->qsbr, i);
		assert_int_equal(pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]),
				 0);
	}
}

static inline void readers_stop(struct race *race, struct reader *readers)
{
	__atomic_store_n(&race->stop, 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < N_READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		rte_rcu_qsbr_thread_unregister(race->qsbr, i);
	}
}

static inline double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

#endif /* VUNETD_IOTLB_RACE_H */
