/* SPDX-License-Identifier: BSD-3-Clause */
/* pmd.c - Poll-mode threads and the lists they poll
 *
 * See pmd.h for the handshake.  The loop itself makes no system call unless it is
 * to sleep, takes no lock and allocates nothing.
 *
 * After each report of quiescence the list may be freed, so the thread loads the
 * pointer again before it touches the list again.  That load is ordered behind
 * the report: the report acquires the grace period's token, which the control
 * thread released after it published the new list.
 */
#include "datapath/pmd.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_rcu_qsbr.h>

#include "datapath/pmd_sleep.h"
#include "datapath/pmd_watch.h"
#include "datapath/vq_call.h"
#include "datapath/wire.h"
#include "iotlb/quiesce.h"

/**
 * struct poll_list - What one thread polls; immutable once published
 * @retired:	Next list awaiting the end of a grace period (control thread)
 * @serial:	Tells it from every other list there was
 * @n:		Number of entries
 * @polled:	A guest cannot kick: the thread must not sleep
 * @entries:	The entries
 */
struct poll_list {
	struct poll_list *retired;
	uint64_t serial;
	unsigned int n;
	bool polled;
	struct poll_entry entries[];
};

enum pmd_state { PMD_STARTING, PMD_RUNNING, PMD_FAILED, PMD_ENDED };

/**
 * struct pmd - One thread
 * @list:	Written by the control thread (publish), read by this one (observe)
 * @stop:	Written by the control thread
 * @parting:	Ring whose waiting call is to be made, or NULL; the control thread
 *		hands it over, this one hands it back
 * @set:	The set it belongs to
 * @id:		pthread, for the control thread
 * @idle_tsc:	How long nothing is found before it sleeps; 0: it does not
 * @nap_tsc:	How long it sleeps at most
 * @core:	CPU number
 * @index:	Its number in the set and in the qsbr variable
 * @heartbeat:	Rounds made; written by this thread only
 * @idle_since:	TSC when it found something last; its own
 * @serial:	of the list it polls; its own
 * @listening:	Guests may have been asked to kick; its own
 * @alone:	Its last sleep was ended by time; its own
 * @state:	enum pmd_state; written by this thread only
 * @err:	Why it failed, valid after state says so
 * @sleep:	Where it sleeps
 */
struct pmd {
	struct poll_list *_Atomic list;
	atomic_bool stop;
	struct vq *_Atomic parting;
	struct pmd_set *set;
	pthread_t id;
	uint64_t idle_tsc;
	uint64_t nap_tsc;
	unsigned int core;
	unsigned int index;

	uint64_t heartbeat __rte_cache_aligned;
	uint64_t idle_since;
	uint64_t serial;
	bool listening;
	bool alone;
	_Atomic int state;
	int err;

	struct pmd_sleep sleep __rte_cache_aligned;
} __rte_cache_aligned;

static_assert(offsetof(struct pmd, heartbeat) == RTE_CACHE_LINE_SIZE,
	      "control thread and PMD thread write different lines");

/**
 * struct pmd_set - All threads; the control thread's
 * @qsbr:	Grace periods, all threads report to it
 * @retired:	Lists to be freed after the next grace period
 * @watch:	Looks after the threads once all of them run
 * @serial:	of the last list published
 * @n:		Number of threads
 * @n_started:	of which these run
 * @threads:	The threads
 */
struct pmd_set {
	struct rte_rcu_qsbr *qsbr;
	struct poll_list *retired;
	struct pmd_watch *watch;
	uint64_t serial;
	unsigned int n;
	unsigned int n_started;
	struct pmd threads[];
};

static struct poll_list empty_list;

/**
 * pmd_poll_entry() - Move what there is, and make the calls that are due
 * @e:	Entry
 *
 * Return: Frames moved
 */
static inline unsigned int pmd_poll_entry(const struct poll_entry *e) PMD_ONLY
{
	uint64_t now = rte_rdtsc();
	unsigned int moved = wire_poll(e->wire, e->to_guest, e->from_guest, now);

	if (likely(e->to_guest))
		vq_call_poll(e->to_guest, now);
	if (likely(e->from_guest))
		vq_call_poll(e->from_guest, now);
	if (unlikely(e->discard)) {
		moved += wire_discard(e->wire, e->discard, now);
		vq_call_poll(e->discard, now);
	}
	return moved;
}

/**
 * pmd_poll() - Go through a list once, or until it is replaced
 * @pmd:	Thread
 * @list:	List just observed
 *
 * Return: Frames moved
 */
static unsigned int pmd_poll(struct pmd *pmd, struct poll_list *list) PMD_ONLY
{
	struct rte_rcu_qsbr *qsbr = pmd->set->qsbr;
	unsigned int moved = 0, n = list->n;

	for (unsigned int i = 0; i < n; i++) {
		moved += pmd_poll_entry(&list->entries[i]);
		rte_rcu_qsbr_quiescent(qsbr, pmd->index);
		/* Pairs with the release in pmd_publish() */
		if (unlikely(atomic_load_explicit(&pmd->list, memory_order_acquire) != list))
			return moved;
	}
	if (n)
		return moved;
	rte_rcu_qsbr_quiescent(qsbr, pmd->index);
	rte_pause();
	return 0;
}

/**
 * pmd_part() - Make the call of a ring that was taken away
 * @pmd:	Thread
 */
static void pmd_part(struct pmd *pmd) PMD_ONLY
{
	/* Pairs with the release in pmd_call() */
	struct vq *vq = atomic_load_explicit(&pmd->parting, memory_order_acquire);

	vq_call_now(vq);
	/* Pairs with the acquire there: the ring goes back */
	atomic_store_explicit(&pmd->parting, NULL, memory_order_release);
}

/**
 * pmd_nap() - Sleep, unless something is found at the last look
 * @pmd:	Thread
 * @list:	List just observed
 * @now:	rte_rdtsc()
 */
static void pmd_nap(struct pmd *pmd, const struct poll_list *list, uint64_t now) PMD_ONLY
{
	uint64_t rest = 0;

	pmd->listening = true;
	if (!pmd_sleep_listen(list->entries, list->n))
		return;
	pmd_sleep_announce(&pmd->sleep);
	if (atomic_load_explicit(&pmd->list, memory_order_relaxed) == list &&
	    !atomic_load_explicit(&pmd->stop, memory_order_relaxed) &&
	    !atomic_load_explicit(&pmd->parting, memory_order_relaxed))
		rest = pmd_sleep_rest(list->entries, list->n, now, pmd->nap_tsc);
	if (rest)
		pmd->alone = !pmd_sleep(&pmd->sleep, pmd->set->qsbr, pmd->index, rest);
	else
		pmd_sleep_cancel(&pmd->sleep);
}

/**
 * pmd_idle() - After a round, sleep if nothing was found for long enough
 * @pmd:	Thread that may sleep
 * @moved:	Frames moved in this round
 *
 * A ring may come from a thread that had asked its guest to kick, so a new list
 * is hushed in any case.
 */
static void pmd_idle(struct pmd *pmd, unsigned int moved) PMD_ONLY
{
	/* Pairs with the release in pmd_publish() */
	const struct poll_list *list = atomic_load_explicit(&pmd->list, memory_order_acquire);
	bool fresh = list->serial != pmd->serial;
	uint64_t now = rte_rdtsc();

	if (!moved && !fresh) {
		if (now - pmd->idle_since >= pmd->idle_tsc && !list->polled)
			pmd_nap(pmd, list, now);
		return;
	}
	if (moved && pmd->alone)
		COUNTER_ADD(pmd->sleep.counters.late, 1);
	pmd->alone = false;
	pmd->idle_since = now;
	pmd->serial = list->serial;
	if (pmd->listening || fresh)
		pmd_sleep_hush(list->entries, list->n);
	pmd->listening = false;
}

/**
 * pmd_loop() - Poll until told to stop
 * @pmd:	Thread
 */
static void pmd_loop(struct pmd *pmd) PMD_ONLY
{
	while (likely(!atomic_load_explicit(&pmd->stop, memory_order_relaxed))) {
		/* Pairs with the release in pmd_publish() */
		struct poll_list *list = atomic_load_explicit(&pmd->list, memory_order_acquire);
		unsigned int moved = pmd_poll(pmd, list);

		if (unlikely(atomic_load_explicit(&pmd->parting, memory_order_relaxed)))
			pmd_part(pmd);
		if (pmd->idle_tsc)
			pmd_idle(pmd, moved);
		__atomic_store_n(&pmd->heartbeat, pmd->heartbeat + 1, __ATOMIC_RELAXED);
	}
}

/**
 * pmd_pin() - Name the thread and bind it to its core
 * @pmd:	The running thread
 *
 * Return: 0 or -errno
 */
static int pmd_pin(const struct pmd *pmd)
{
	char name[16]; /* what the kernel keeps */
	cpu_set_t cpus;

	snprintf(name, sizeof(name), "vunetd-pmd%u", pmd->index);
	pthread_setname_np(pthread_self(), name);
	CPU_ZERO(&cpus);
	CPU_SET(pmd->core, &cpus);
	return -pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
}

/**
 * pmd_enter() - Become a poll-mode thread
 * @pmd:	The running thread
 *
 * The registration with EAL gives an lcore number, without which every mbuf
 * would be taken from the pool's shared ring.
 *
 * Return: 0 or -errno
 */
static int pmd_enter(const struct pmd *pmd)
{
	int err = pmd_pin(pmd);

	if (err)
		return err;
	if (rte_thread_register())
		return -rte_errno;
	err = rte_rcu_qsbr_thread_register(pmd->set->qsbr, pmd->index);
	if (err) {
		rte_thread_unregister();
		return -EINVAL;
	}
	rte_rcu_qsbr_thread_online(pmd->set->qsbr, pmd->index);
	return 0;
}

/**
 * pmd_leave() - Undo pmd_enter()
 * @pmd:	The running thread
 */
static void pmd_leave(const struct pmd *pmd)
{
	rte_rcu_qsbr_thread_offline(pmd->set->qsbr, pmd->index);
	rte_rcu_qsbr_thread_unregister(pmd->set->qsbr, pmd->index);
	rte_thread_unregister();
}

/**
 * pmd_main() - A poll-mode thread from start to end
 * @arg:	struct pmd
 */
static void *pmd_main(void *arg)
{
	struct pmd *pmd = arg;

	thread_role_assume(&pmd_role);
	pmd->err = pmd_enter(pmd);
	/* Pairs with the acquire in pmd_await() */
	atomic_store_explicit(&pmd->state, pmd->err ? PMD_FAILED : PMD_RUNNING,
			      memory_order_release);
	if (pmd->err)
		return NULL;
	pmd_loop(pmd);
	pmd_leave(pmd);
	/* Pairs with the acquire in pmd_await() */
	atomic_store_explicit(&pmd->state, PMD_ENDED, memory_order_release);
	return NULL;
}

/**
 * pmd_await() - Wait until a thread is no longer in a state
 * @pmd:	Thread
 * @state:	State it may be in
 *
 * Return: Its next state
 */
static int pmd_await(const struct pmd *pmd, int state)
{
	unsigned int tries = 0;
	int now;

	/* Pairs with the releases in pmd_main() */
	while ((now = atomic_load_explicit(&pmd->state, memory_order_acquire)) == state)
		quiesce_relax(tries++);
	return now;
}

/**
 * pmd_start() - Start a thread and see it run
 * @set:	Set
 * @pmd:	Thread
 *
 * Signals are the control thread's: the new thread inherits a mask of all but
 * what its own accesses can raise, and what ends a system call.
 *
 * Return: 0 or -errno, and then it does not run
 */
static int pmd_start(struct pmd_set *set, struct pmd *pmd)
{
	sigset_t all, old;
	int err, state;

	sigfillset(&all);
	sigdelset(&all, SIGBUS); /* for guest memory that loses its file */
	sigdelset(&all, PMD_WATCH_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&pmd->id, NULL, pmd_main, pmd);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -err;
	state = pmd_await(pmd, PMD_STARTING);
	if (state == PMD_FAILED) {
		pthread_join(pmd->id, NULL);
		return pmd->err;
	}
	set->n_started++;
	return 0;
}

/**
 * pmd_set_alloc() - Allocate a set whose threads do not run yet
 * @cores:	CPU numbers
 * @n:		How many
 * @idle_us:	As in pmd_set_new()
 * @nap_us:	Likewise
 *
 * Return: The set or NULL
 */
static struct pmd_set *pmd_set_alloc(const unsigned int *cores, unsigned int n, uint32_t idle_us,
				     uint32_t nap_us)
{
	size_t size = RTE_ALIGN_CEIL(sizeof(struct pmd_set) + n * sizeof(struct pmd),
				     RTE_CACHE_LINE_SIZE);
	size_t qsbr_size = RTE_ALIGN_CEIL(rte_rcu_qsbr_get_memsize(n), RTE_CACHE_LINE_SIZE);
	struct pmd_set *set = aligned_alloc(RTE_CACHE_LINE_SIZE, size);

	if (!set)
		return NULL;
	memset(set, 0, size);
	set->qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, qsbr_size);
	if (!set->qsbr || rte_rcu_qsbr_init(set->qsbr, n)) {
		free(set->qsbr);
		free(set);
		return NULL;
	}
	set->n = n;
	for (unsigned int i = 0; i < n; i++) {
		struct pmd *pmd = &set->threads[i];

		atomic_init(&pmd->list, &empty_list);
		atomic_init(&pmd->stop, false);
		atomic_init(&pmd->parting, NULL);
		atomic_init(&pmd->state, PMD_STARTING);
		pmd->set = set;
		pmd->core = cores[i];
		pmd->index = i;
		pmd->idle_tsc = rte_get_tsc_hz() * idle_us / 1000000;
		pmd->nap_tsc = rte_get_tsc_hz() * RTE_MIN(nap_us, PMD_SLEEP_MAX_US) / 1000000;
		pmd->sleep.epoll_fd = pmd->sleep.doorbell = -1;
	}
	return set;
}

/**
 * pmd_watch_all() - Have the threads of a set watched
 * @set:	Set whose threads all run
 *
 * Return: 0 or -errno
 */
static int pmd_watch_all(struct pmd_set *set) CTL_ONLY
{
	struct pmd_watched *threads = calloc(set->n, sizeof(*threads));
	int err;

	if (!threads)
		return -ENOMEM;
	for (unsigned int i = 0; i < set->n; i++)
		threads[i] = (struct pmd_watched){.id = set->threads[i].id,
						  .heartbeat = &set->threads[i].heartbeat};
	err = pmd_watch_new(threads, set->n, &set->watch);
	free(threads);
	return err;
}

int pmd_set_new(const unsigned int *cores, unsigned int n_cores, uint32_t idle_us, uint32_t nap_us,
		struct pmd_set **ret_set)
{
	struct pmd_set *set;
	int err;

	if (!n_cores)
		return -EINVAL;
	for (unsigned int i = 0; i < n_cores; i++) {
		if (cores[i] >= CPU_SETSIZE)
			return -EINVAL;
	}
	set = pmd_set_alloc(cores, n_cores, idle_us, nap_us);
	if (!set)
		return -ENOMEM;
	for (unsigned int i = 0; i < n_cores; i++) {
		err = idle_us ? pmd_sleep_init(&set->threads[i].sleep) : 0;
		if (!err)
			err = pmd_start(set, &set->threads[i]);
		if (err) {
			pmd_set_free(set);
			return err;
		}
	}
	err = pmd_watch_all(set);
	if (err) {
		pmd_set_free(set);
		return err;
	}
	*ret_set = set;
	return 0;
}

/**
 * pmd_free_list() - Free a list unless it is the one that is not allocated
 * @list:	List
 */
static void pmd_free_list(struct poll_list *list)
{
	if (list != &empty_list)
		free(list);
}

/**
 * pmd_free_retired() - Free the lists that no thread uses any more
 * @set:	Set
 */
static void pmd_free_retired(struct pmd_set *set)
{
	struct poll_list *list;

	while ((list = set->retired)) {
		set->retired = list->retired;
		free(list);
	}
}

void pmd_set_free(struct pmd_set *set)
{
	if (!set)
		return;
	for (unsigned int i = 0; i < set->n_started; i++)
		atomic_store_explicit(&set->threads[i].stop, true, memory_order_relaxed);
	pmd_wake(set);
	/* The watch may be needed for a thread to end, and must not outlive one */
	for (unsigned int i = 0; i < set->n_started; i++)
		pmd_await(&set->threads[i], PMD_RUNNING);
	pmd_watch_free(set->watch);
	for (unsigned int i = 0; i < set->n_started; i++)
		pthread_join(set->threads[i].id, NULL);
	for (unsigned int i = 0; i < set->n; i++) {
		pmd_free_list(atomic_load_explicit(&set->threads[i].list, memory_order_relaxed));
		pmd_sleep_fini(&set->threads[i].sleep);
	}
	pmd_free_retired(set);
	free(set->qsbr);
	free(set);
}

struct rte_rcu_qsbr *pmd_set_qsbr(struct pmd_set *set)
{
	return set->qsbr;
}

unsigned int pmd_set_count(const struct pmd_set *set)
{
	return set->n;
}

/**
 * pmd_exchange_kicks() - Let the kicks of a new list end the thread's sleep
 * @pmd:	Thread
 * @old:	List it has
 * @list:	List it is to get; says afterwards whether the thread may sleep
 *
 * A kick that comes in between is not missed: the new list wakes the thread.
 */
static void pmd_exchange_kicks(struct pmd *pmd, const struct poll_list *old, struct poll_list *list)
	CTL_ONLY
{
	for (unsigned int i = 0; i < old->n; i++) {
		const struct poll_entry *e = &old->entries[i];

		if ((e->from_guest || e->discard) && e->kick >= 0)
			pmd_sleep_del(&pmd->sleep, e->kick);
	}
	for (unsigned int i = 0; i < list->n; i++) {
		const struct poll_entry *e = &list->entries[i];

		if (e->from_guest || e->discard)
			list->polled |= e->kick < 0 || pmd_sleep_add(&pmd->sleep, e->kick);
	}
}

int pmd_publish(struct pmd_set *set, unsigned int thread, const struct poll_entry *entries,
		unsigned int n)
{
	struct pmd *pmd = &set->threads[thread];
	struct poll_list *list = &empty_list, *old;

	if (n) {
		list = malloc(sizeof(*list) + n * sizeof(*entries));
		if (!list)
			return -ENOMEM;
		list->serial = ++set->serial;
		list->n = n;
		list->polled = false;
		memcpy(list->entries, entries, n * sizeof(*entries));
	}
	old = atomic_load_explicit(&pmd->list, memory_order_relaxed);
	if (pmd->idle_tsc)
		pmd_exchange_kicks(pmd, old, list);
	/* Pairs with the acquires in pmd_loop() and pmd_poll() */
	atomic_store_explicit(&pmd->list, list, memory_order_release);
	if (pmd->idle_tsc)
		pmd_sleep_wake(&pmd->sleep);
	if (old != &empty_list) {
		old->retired = set->retired;
		set->retired = old;
	}
	return 0;
}

void pmd_synchronize(struct pmd_set *set)
{
	quiesce(set->qsbr);
	pmd_free_retired(set);
}

void pmd_call(struct pmd_set *set, struct vq *vq)
{
	struct pmd *pmd = &set->threads[0];
	unsigned int tries = 0;

	/* Pairs with the acquire in pmd_part(): the ring as it was left */
	atomic_store_explicit(&pmd->parting, vq, memory_order_release);
	pmd_wake(set);
	/* Pairs with the release there */
	while (atomic_load_explicit(&pmd->parting, memory_order_acquire))
		quiesce_relax(tries++);
}

void pmd_wake(struct pmd_set *set)
{
	for (unsigned int i = 0; i < set->n_started; i++)
		if (set->threads[i].idle_tsc)
			pmd_sleep_wake(&set->threads[i].sleep);
}

const struct pmd_counters *pmd_counters(const struct pmd_set *set, unsigned int thread)
{
	return &set->threads[thread].sleep.counters;
}

uint64_t pmd_heartbeat(const struct pmd_set *set, unsigned int thread)
{
	return __atomic_load_n(&set->threads[thread].heartbeat, __ATOMIC_RELAXED);
}
