/* SPDX-License-Identifier: BSD-3-Clause */
/* pmd_sleep.h - Poll-mode threads that sleep while there is nothing to poll
 *
 * Theory of operation
 * ===================
 * A thread whose list gave nothing for a while ([pmd] idle_sleep_us) asks the
 * guests to kick, looks at everything once more, and sleeps until a guest kicks,
 * the control thread wakes it, or time is up.  Then it goes through its list
 * once; if that gives nothing either it sleeps on at once, and if it gives
 * something the thread polls as ever, and guests are told not to kick.
 *
 * Time is up
 *   when a waiting call is due (vq_call.h), or a ring that misses a translation is
 *   to be tried again;
 *   after [pmd] nap_us, because ports are polled and raise no interrupts: that is
 *   how much later a frame from the port may get to the guest (and the kernel's
 *   timer slack, 50 us);
 *   after PMD_SLEEP_MAX_US at the latest, so that the heartbeat goes on and
 *   nobody takes the thread for stuck (pmd_watch.h).
 * A thread does not sleep at all while a frame waits in one of its wires, or where
 * a guest gave no descriptor to kick: the protocol has us poll then.
 *
 * What may end a sleep is seen by one side or the other, as both store, then look:
 *
 *   guest                               sleeping thread
 *   -----                               ---------------
 *   store avail index or flags          store "kick" in flags or event (vq_listen)
 *   full fence                          full fence
 *   load flags or event; kick           look for available chains (vq_rest)
 *
 *   control thread                      sleeping thread
 *   --------------                      ---------------
 *   publish a list, map a page,         store @asleep
 *     post a frame, hand over a ring
 *   full fence                          full fence
 *   exchange @asleep; ring @doorbell    look at list, rings, wires, ...
 *                                       sleep
 *
 * Kick descriptors and the doorbell are in one epoll instance per thread,
 * edge-triggered: a write is an event though nobody reads, so that the thread
 * never touches a descriptor of the front-end's and the control thread alone
 * knows them.  It adds those of a list before it publishes that, and takes them
 * out before it closes them (pmd_publish()), whether or not the thread sleeps.
 *
 * While it sleeps a thread is offline for the grace periods (rte_rcu_qsbr), which
 * therefore do not wait for it.  It holds nothing meanwhile, and observes its
 * list anew when it is back: coming online is a full fence, so that it either is
 * waited for again or sees what was published.
 *
 * Threads
 * -------
 *   pmd_sleep_init, _fini, _add, _del, _wake   control thread (CTL_ONLY)
 *   the others                                 the thread that sleeps (PMD_ONLY)
 *   counters                                   read relaxed by the control thread
 */
#ifndef VUNETD_PMD_SLEEP_H
#define VUNETD_PMD_SLEEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "datapath/counters.h"
#include "iotlb/thread_role.h"

struct poll_entry;
struct rte_rcu_qsbr;

#define PMD_SLEEP_MAX_US 50000u

/**
 * struct pmd_sleep - One thread's bed
 * @epoll_fd:	Kick descriptors and the doorbell; set up by the control thread
 * @doorbell:	eventfd
 * @asleep:	The thread sleeps, or is about to; set by it, and cleared by
 *		whoever ends the sleep
 * @counters:	Written by the thread
 */
struct pmd_sleep {
	int epoll_fd;
	int doorbell;
	atomic_bool asleep;
	struct pmd_counters counters;
};

/**
 * pmd_sleep_init() - Prepare a thread for sleep
 * @s:	Filled in
 * Return: 0 or -errno
 */
int pmd_sleep_init(struct pmd_sleep *s) CTL_ONLY;

/**
 * pmd_sleep_fini() - Undo pmd_sleep_init(), also one that failed
 * @s:	Of a thread that has ended
 */
void pmd_sleep_fini(struct pmd_sleep *s) CTL_ONLY;

/**
 * pmd_sleep_add() - Let a guest's kicks end the sleep
 * @s:	Bed
 * @fd:	eventfd; taken out again before it is closed
 * Return: 0 or -errno
 */
int pmd_sleep_add(struct pmd_sleep *s, int fd) CTL_ONLY;

/**
 * pmd_sleep_del() - Undo pmd_sleep_add()
 * @s:	Bed
 * @fd:	eventfd
 */
void pmd_sleep_del(struct pmd_sleep *s, int fd) CTL_ONLY;

/**
 * pmd_sleep_wake() - End the sleep, after something changed that the thread sees
 * @s:	Bed
 */
void pmd_sleep_wake(struct pmd_sleep *s) CTL_ONLY;

/**
 * pmd_sleep_listen() - Ask the guests of a list to kick
 * @entries:	List
 * @n:		Entries in it
 *
 * Return: false when one could not be asked, so that its ring has to be polled
 */
bool pmd_sleep_listen(const struct poll_entry *entries, unsigned int n) PMD_ONLY;

/**
 * pmd_sleep_hush() - Have the guests of a list told not to kick any more
 * @entries:	List
 * @n:		Entries in it
 */
void pmd_sleep_hush(const struct poll_entry *entries, unsigned int n) PMD_ONLY;

/**
 * pmd_sleep_rest() - How long a list may be left alone
 * @entries:	List, its guests asked to kick, behind a full fence
 * @n:		Entries in it
 * @now:	rte_rdtsc()
 * @nap:	TSC cycles at most, if there is anything in the list
 *
 * Return: TSC cycles; 0 when there is something to do
 */
uint64_t pmd_sleep_rest(const struct poll_entry *entries, unsigned int n, uint64_t now,
			uint64_t nap) PMD_ONLY;

/**
 * pmd_sleep_announce() - From here on the control thread rings the doorbell
 * @s:	Bed
 *
 * A full fence: what is looked at next was not changed unnoticed.
 */
void pmd_sleep_announce(struct pmd_sleep *s) PMD_ONLY;

/**
 * pmd_sleep_cancel() - Take the announcement back
 * @s:	Bed
 */
void pmd_sleep_cancel(struct pmd_sleep *s) PMD_ONLY;

/**
 * pmd_sleep() - Sleep
 * @s:		Bed, announced
 * @qsbr:	Grace periods
 * @thread:	Number there; nothing observed before this call may be used after
 * @tsc:	Cycles at most
 * Return: false when time ended it, and nobody else
 */
bool pmd_sleep(struct pmd_sleep *s, struct rte_rcu_qsbr *qsbr, unsigned int thread, uint64_t tsc)
	PMD_ONLY;

#endif /* VUNETD_PMD_SLEEP_H */
