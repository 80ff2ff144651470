/* SPDX-License-Identifier: BSD-3-Clause */
/* quiesce.c - Waiting for threads that share memory with us without locks
 *
 * See quiesce.h.
 */
#include "iotlb/quiesce.h"

#include <sched.h>
#include <time.h>

#include <rte_atomic.h>
#include <rte_pause.h>
#include <rte_rcu_qsbr.h>

/* A reader with a core of its own reports within some microseconds; one that
 * shares this core cannot report before we let it run.
 */
#define SPINS_BEFORE_YIELD 2000u
#define YIELDS_BEFORE_NAP  100u
#define NAP_NS		   20000

void quiesce_relax(unsigned int n_tries)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};

	if (n_tries < SPINS_BEFORE_YIELD)
		rte_pause();
	else if (n_tries < SPINS_BEFORE_YIELD + YIELDS_BEFORE_NAP)
		sched_yield();
	else
		nanosleep(&nap, NULL);
}

void quiesce(struct rte_rcu_qsbr *qsbr)
{
	uint64_t token = rte_rcu_qsbr_start(qsbr);
	unsigned int n_tries = 0;

	/* Pairs with the fence in rte_rcu_qsbr_thread_online(): a thread that
	 * comes online either is waited for or sees what was done before.  See
	 * also the head of iotlb_inline.h
	 */
	rte_smp_mb();
	while (!rte_rcu_qsbr_check(qsbr, token, false))
		quiesce_relax(n_tries++);
}
