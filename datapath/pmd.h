/* SPDX-License-Identifier: BSD-3-Clause */
/* pmd.h - Poll-mode threads and the lists they poll
 *
 * Theory of operation
 * ===================
 * One thread per configured core runs through its poll list for ever.  The
 * list is immutable: the control thread *publishes* a new one, waits a grace
 * period, and only then frees the old list or anything that only it named.
 * A thread reports quiescence after every entry it polled, so a grace period
 * is microseconds.
 *
 * Taking anything away from the threads is always: publish lists without it,
 * pmd_synchronize(), act, publish again.
 *
 *   control thread                      PMD thread
 *   --------------                      ----------
 *   build list L2                       observe list (acquire)
 *   publish L2 (release)                poll each entry,
 *   grace period:                         report quiescence after each,
 *     every thread reported quiescence    and observe the list again when
 *     and observed L2                     the round is over or it changed
 *   free L1
 *
 * A thread may sleep while its list gives nothing (pmd_sleep.h); the control
 * thread wakes it after each change it is to see.
 *
 * What only a poll-mode thread may do though no list names the ring any more,
 * the call that waits in it (vq_call.h), the control thread asks one of them for.
 *
 * Threads
 * -------
 *   pmd_set_*, pmd_publish, pmd_synchronize,
 *   pmd_call, pmd_wake                        control thread (CTL_ONLY)
 *   the loop                                  its own thread (PMD_ONLY)
 *   pmd_heartbeat, pmd_counters               any thread
 */
#ifndef VUNETD_PMD_H
#define VUNETD_PMD_H

#include <stdint.h>

#include "iotlb/thread_role.h"

struct pmd_counters;
struct rte_rcu_qsbr;
struct vq;
struct wire;
struct pmd_set;

/**
 * struct poll_entry - One thing to poll: a wire, and the rings at its guest end
 * @wire:	Wire
 * @to_guest:	Receive ring of the guest, or NULL
 * @from_guest:	Transmit ring of the guest, or NULL
 * @discard:	Transmit ring whose frames go nowhere, or NULL
 * @kick:	eventfd by which the guest tells of the transmit ring, or -1 when it
 *		gave none; stays open until a list without it is published
 */
struct poll_entry {
	struct wire *wire;
	struct vq *to_guest;
	struct vq *from_guest;
	struct vq *discard;
	int kick;
};

/**
 * pmd_set_new() - Start one poll-mode thread on each core
 * @cores:	CPU numbers
 * @n_cores:	How many, at least 1
 * @idle_us:	How long a thread that finds nothing polls on before it sleeps; 0:
 *		for ever
 * @nap_us:	How long it sleeps at most with a port to look at
 * @ret_set:	Owned by the caller
 *
 * Each thread registers with EAL, is pinned to its core, and polls an empty
 * list.  The caller must not run on these cores itself if it can avoid it.
 *
 * Return: 0 or -errno; nothing is left running after a failure
 */
int pmd_set_new(const unsigned int *cores, unsigned int n_cores, uint32_t idle_us, uint32_t nap_us,
		struct pmd_set **ret_set) CTL_ONLY;

/**
 * pmd_set_free() - Stop the threads, join them and free the set
 * @set:	Set or NULL
 */
void pmd_set_free(struct pmd_set *set) CTL_ONLY;

/**
 * pmd_set_qsbr() - The grace-period variable that all threads report to
 * @set:	Set, keeps it
 */
struct rte_rcu_qsbr *pmd_set_qsbr(struct pmd_set *set);

/**
 * pmd_set_count() - Number of threads
 * @set:	Set
 */
unsigned int pmd_set_count(const struct pmd_set *set);

/**
 * pmd_publish() - Give a thread a new poll list
 * @set:	Set
 * @thread:	Which, 0 to pmd_set_count() - 1
 * @entries:	Copied
 * @n:		Number of entries, may be 0
 *
 * Takes effect for certain after the next pmd_synchronize(), which also frees
 * the list it replaced.
 *
 * Return: 0 or -ENOMEM, and then the old list stays
 */
int pmd_publish(struct pmd_set *set, unsigned int thread, const struct poll_entry *entries,
		unsigned int n) CTL_ONLY;

/**
 * pmd_synchronize() - Wait until no thread uses what was published before
 * @set:	Set
 */
void pmd_synchronize(struct pmd_set *set) CTL_ONLY;

/**
 * pmd_call() - Have the interrupt made that waits in a ring
 * @set:	Set
 * @vq:		Virtqueue in no poll list, a grace period ago
 *
 * Returns when it is made.
 */
void pmd_call(struct pmd_set *set, struct vq *vq) CTL_ONLY;

/**
 * pmd_wake() - End the threads' sleep: something was changed that they look at
 * @set:	Set
 *
 * For a frame posted to a wire, and a translation added.
 */
void pmd_wake(struct pmd_set *set) CTL_ONLY;

/**
 * pmd_counters() - A thread's counters, to be read with COUNTER_READ()
 * @set:	Set
 * @thread:	Which
 */
const struct pmd_counters *pmd_counters(const struct pmd_set *set, unsigned int thread);

/**
 * pmd_heartbeat() - A counter that moves while the thread does
 * @set:	Set
 * @thread:	Which
 */
uint64_t pmd_heartbeat(const struct pmd_set *set, unsigned int thread);

#endif /* VUNETD_PMD_H */
