/* SPDX-License-Identifier: BSD-3-Clause */
/* resolver.c - Misses of one device: asked once, asked again, given up */
#include "daemon/resolver.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/container_of.h"
#include "datapath/counters.h"
#include "iotlb/iotlb.h"

static void resolver_expired(struct loop_timer *timer);

/**
 * resolver_arm() - Set the timer for what is due first
 * @r:	Resolver
 */
static void resolver_arm(struct resolver *r) CTL_ONLY
{
	uint64_t first = UINT64_MAX, now;

	for (unsigned int i = 0; i < r->n; i++)
		if (r->pending[i].due_ns < first)
			first = r->pending[i].due_ns;
	if (!r->n) {
		loop_timer_stop(&r->timer);
		return;
	}
	now = loop_now_ns();
	r->timer.expired = resolver_expired;
	loop_timer_set(r->loop, &r->timer, first > now ? first - now : 0);
}

/**
 * resolver_remove() - Forget one question
 * @r:	Resolver
 * @i:	Its index; the last one takes its place
 */
static void resolver_remove(struct resolver *r, unsigned int i)
{
	r->pending[i] = r->pending[--r->n];
}

/**
 * resolver_ask() - Ask, now and not for the last time
 * @r:	Resolver
 * @p:	Question
 *
 * One that could not be sent stays pending: the timeout repeats it.
 */
static void resolver_ask(struct resolver *r, struct resolver_pending *p)
{
	p->tries++;
	p->due_ns = loop_now_ns() + r->timeout_ns;
	COUNTER_ADD(r->counters.asked, 1);
	if (p->tries > 1)
		COUNTER_ADD(r->counters.asked_again, 1);
	if (r->ask(r, p->iova, p->perm))
		COUNTER_ADD(r->counters.unsent, 1);
}

/**
 * resolver_due() - Ask again, give up, or end the rest
 * @r:	Resolver
 * @i:	Index of a question that is due
 * Return: Whether it is still pending
 */
static bool resolver_due(struct resolver *r, unsigned int i)
{
	struct resolver_pending *p = &r->pending[i];

	if (p->resting) {
		resolver_remove(r, i);
		return false;
	}
	if (p->tries <= r->retries) {
		resolver_ask(r, p);
		return true;
	}
	COUNTER_ADD(r->counters.faults, 1);
	if (log_limit_ok(&r->limit))
		log_warning("guest %s: the front-end did not translate IOVA 0x%" PRIx64
			    " in %u tries; the ring that needs it waits",
			    r->name, p->iova, p->tries);
	p->resting = true;
	p->due_ns = loop_now_ns() + RESOLVER_REST_NS;
	return true;
}

/**
 * resolver_expired() - Look at every question that is due
 * @timer:	Of the resolver
 */
static void resolver_expired(struct loop_timer *timer)
{
	struct resolver *r = container_of(timer, struct resolver, timer);
	uint64_t now = loop_now_ns();
	unsigned int i = 0;

	thread_role_assume(&ctl_role);
	while (i < r->n)
		if (r->pending[i].due_ns > now || resolver_due(r, i))
			i++;
	resolver_arm(r);
}

int resolver_miss(struct resolver *r, uint64_t iova, uint8_t perm)
{
	struct resolver_pending *p;

	for (unsigned int i = 0; i < r->n; i++) {
		p = &r->pending[i];
		if (p->iova >> IOTLB_PAGE_SHIFT == iova >> IOTLB_PAGE_SHIFT &&
		    (p->perm & perm) == perm)
			return p->resting ? -ETIMEDOUT : -EALREADY;
	}
	if (r->n == RESOLVER_PENDING_MAX) {
		COUNTER_ADD(r->counters.overflow, 1);
		return -ENOBUFS;
	}
	p = &r->pending[r->n++];
	*p = (struct resolver_pending){.iova = iova, .perm = perm};
	resolver_ask(r, p);
	/* A timer set for another question is early enough, one for a rest may not be */
	if (!r->timer.armed || r->timer.due_ns > p->due_ns)
		resolver_arm(r);
	return 0;
}

void resolver_answer(struct resolver *r, uint64_t iova, uint64_t size, uint8_t perm)
{
	unsigned int i = 0;

	while (i < r->n) {
		const struct resolver_pending *p = &r->pending[i];

		if (p->iova - iova < size && (p->perm & perm) == p->perm) {
			COUNTER_ADD(r->counters.answered, 1);
			resolver_remove(r, i);
		} else {
			i++;
		}
	}
}

void resolver_forget(struct resolver *r, uint64_t iova, uint64_t size)
{
	unsigned int i = 0;

	while (i < r->n)
		if (r->pending[i].iova - iova < size)
			resolver_remove(r, i);
		else
			i++;
}

void resolver_clear(struct resolver *r)
{
	r->n = 0;
	loop_timer_stop(&r->timer);
}
