/* SPDX-License-Identifier: BSD-3-Clause */
/* quiesce.h - Waiting for threads that share memory with us without locks
 *
 * One way to wait for all of the control thread: whoever takes something from
 * the poll-mode threads, a translation or a poll list, waits for the same grace
 * period, in the same growing steps.
 */
#ifndef VUNETD_QUIESCE_H
#define VUNETD_QUIESCE_H

struct rte_rcu_qsbr;

/**
 * quiesce_relax() - Wait a little, longer each time
 * @n_tries:	How often the caller has waited already
 */
void quiesce_relax(unsigned int n_tries);

/**
 * quiesce() - Wait one grace period
 * @qsbr:	What the threads report to
 *
 * Context: a thread that does not report to @qsbr itself, or it waits for ever;
 *	microseconds while each thread has a core of its own.
 */
void quiesce(struct rte_rcu_qsbr *qsbr);

#endif /* VUNETD_QUIESCE_H */
