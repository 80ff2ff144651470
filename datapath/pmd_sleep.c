/* SPDX-License-Identifier: BSD-3-Clause */
/* pmd_sleep.c - Poll-mode threads that sleep while there is nothing to poll
 *
 * See pmd_sleep.h.
 */
#include "datapath/pmd_sleep.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_atomic.h>
#include <rte_cycles.h>
#include <rte_rcu_qsbr.h>

#include "datapath/pmd.h"
#include "datapath/vq.h"
#include "datapath/wire.h"

/* What an event of the epoll instance tells */
enum bed_event { BED_DOORBELL, BED_KICK };

/* Events taken at once; what is left ends the next sleep */
#define BED_EVENTS 16

/**
 * bed_add() - Have a descriptor end the sleep
 * @s:		Bed
 * @fd:		eventfd
 * @event:	What it tells
 * Return: 0 or -errno
 */
static int bed_add(struct pmd_sleep *s, int fd, enum bed_event event)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u32 = event};

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

int pmd_sleep_init(struct pmd_sleep *s)
{
	int err = 0;

	*s = (struct pmd_sleep){
		.epoll_fd = epoll_create1(EPOLL_CLOEXEC),
		.doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
	};
	atomic_init(&s->asleep, false);
	if (s->epoll_fd < 0 || s->doorbell < 0)
		err = -errno;
	if (!err)
		err = bed_add(s, s->doorbell, BED_DOORBELL);
	if (err)
		pmd_sleep_fini(s);
	return err;
}

void pmd_sleep_fini(struct pmd_sleep *s)
{
	if (s->doorbell >= 0)
		close(s->doorbell);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	s->doorbell = s->epoll_fd = -1;
}

int pmd_sleep_add(struct pmd_sleep *s, int fd)
{
	return bed_add(s, fd, BED_KICK);
}

void pmd_sleep_del(struct pmd_sleep *s, int fd)
{
	(void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void pmd_sleep_wake(struct pmd_sleep *s)
{
	static const uint64_t one = 1;

	/* Orders what was changed before the load of @asleep; pairs with the
	 * fence in pmd_sleep_announce()
	 */
	rte_smp_mb();
	if (!atomic_load_explicit(&s->asleep, memory_order_relaxed) ||
	    !atomic_exchange_explicit(&s->asleep, false, memory_order_relaxed))
		return;
	/* Full means rung already */
	if (write(s->doorbell, &one, sizeof(one)) < 0)
		return;
}

/**
 * entry_sends() - The ring of an entry in which the guest sends, or NULL
 * @e:	Entry
 *
 * What it offers in the other one is not waited for: a frame that lacks a buffer
 * keeps the thread awake.
 */
static struct vq *entry_sends(const struct poll_entry *e)
{
	return e->from_guest ? e->from_guest : e->discard;
}

bool pmd_sleep_listen(const struct poll_entry *entries, unsigned int n)
{
	bool all = true;

	for (unsigned int i = 0; i < n; i++) {
		struct vq *vq = entry_sends(&entries[i]);

		all &= !vq || vq_listen(vq);
	}
	return all;
}

void pmd_sleep_hush(const struct poll_entry *entries, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct vq *vq = entry_sends(&entries[i]);

		if (vq)
			vq_hush(vq);
	}
}

uint64_t pmd_sleep_rest(const struct poll_entry *entries, unsigned int n, uint64_t now,
			uint64_t nap)
{
	uint64_t rest = n ? nap : rte_get_tsc_hz() * PMD_SLEEP_MAX_US / 1000000;

	for (unsigned int i = 0; i < n && rest; i++) {
		const struct poll_entry *e = &entries[i];
		struct vq *vq = entry_sends(e);

		if (wire_waits(e->wire))
			return 0;
		if (e->to_guest)
			rest = vq_rest(e->to_guest, now, rest);
		if (vq)
			rest = vq_rest(vq, now, rest);
	}
	return rest;
}

void pmd_sleep_announce(struct pmd_sleep *s)
{
	atomic_store_explicit(&s->asleep, true, memory_order_relaxed);
	/* Pairs with the fence in pmd_sleep_wake(), and with the guest's between
	 * making a chain available and looking whether it is to kick
	 */
	rte_smp_mb();
}

void pmd_sleep_cancel(struct pmd_sleep *s)
{
	atomic_store_explicit(&s->asleep, false, memory_order_relaxed);
}

/**
 * bed_woken() - Take what ended the sleep, and count it
 * @s:	Bed
 */
static void bed_woken(struct pmd_sleep *s) PMD_ONLY
{
	struct epoll_event events[BED_EVENTS];
	int n = epoll_wait(s->epoll_fd, events, BED_EVENTS, 0);
	bool kicked = false;

	for (int i = 0; i < n; i++)
		kicked |= events[i].data.u32 == BED_KICK;
	if (kicked)
		COUNTER_ADD(s->counters.kicks, 1);
	else
		COUNTER_ADD(s->counters.wakes, 1);
}

bool pmd_sleep(struct pmd_sleep *s, struct rte_rcu_qsbr *qsbr, unsigned int thread, uint64_t tsc)
{
	struct pollfd p = {.fd = s->epoll_fd, .events = POLLIN};
	/* Below a second, so that neither product nor result overflows */
	struct timespec t = {.tv_nsec = (long)(tsc * 1000000 / (rte_get_tsc_hz() / 1000))};
	bool woken;

	COUNTER_ADD(s->counters.sleeps, 1);
	rte_rcu_qsbr_thread_offline(qsbr, thread);
	woken = ppoll(&p, 1, &t, NULL) > 0;
	if (woken)
		bed_woken(s);
	pmd_sleep_cancel(s);
	rte_rcu_qsbr_thread_online(qsbr, thread);
	return woken;
}
