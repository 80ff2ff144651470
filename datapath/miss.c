/* SPDX-License-Identifier: BSD-3-Clause */
/* miss.c - Misses on their way from PMD threads to the control thread
 *
 * See miss.h.  The queue is an rte_ring in RTS mode: a PMD thread that is
 * preempted while it posts does not keep the others waiting.
 */
#include "datapath/miss.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#define MISS_QUEUE_SIZE 4096

/**
 * struct miss_queue - Written by any PMD thread and the control thread
 * @ring:	Misses
 * @doorbell:	eventfd, non-blocking
 * @asleep:	The control thread waits for the doorbell; PMD threads clear it
 *		when they ring, so that one burst rings once
 */
struct miss_queue {
	struct rte_ring *ring;
	int doorbell;
	atomic_bool asleep __rte_cache_aligned;
};

int miss_queue_new(struct miss_queue **ret_queue)
{
	static atomic_uint serial;
	char name[RTE_RING_NAMESIZE];
	struct miss_queue *q;
	int err;

	q = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*q));
	if (!q)
		return -ENOMEM;
	atomic_init(&q->asleep, false);
	q->doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->doorbell < 0) {
		err = -errno;
		goto free_queue;
	}
	snprintf(name, sizeof(name), "misses%u", atomic_fetch_add(&serial, 1));
	q->ring = rte_ring_create_elem(name, sizeof(struct miss), MISS_QUEUE_SIZE, SOCKET_ID_ANY,
				       RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ);
	if (!q->ring) {
		err = -rte_errno;
		goto close_doorbell;
	}
	*ret_queue = q;
	return 0;

close_doorbell:
	close(q->doorbell);
free_queue:
	free(q);
	return err;
}

void miss_queue_free(struct miss_queue *q)
{
	if (!q)
		return;
	rte_ring_free(q->ring);
	close(q->doorbell);
	free(q);
}

int miss_post(struct miss_queue *q, const struct miss *miss)
{
	struct miss copy = *miss; /* rte_ring lacks the const */

	return rte_ring_enqueue_elem(q->ring, &copy, sizeof(copy)) ? -ENOBUFS : 0;
}

void miss_doorbell(struct miss_queue *q)
{
	static const uint64_t one = 1;

	/* The exchange is a full fence: what was posted is visible before
	 * @asleep is looked at; pairs with miss_sleep() (invariant I2)
	 */
	if (atomic_exchange_explicit(&q->asleep, false, memory_order_seq_cst)) {
		/* Full means rung already */
		if (write(q->doorbell, &one, sizeof(one)) < 0)
			return;
	}
}

unsigned int miss_drain(struct miss_queue *q, struct miss *ret, unsigned int n)
{
	return rte_ring_dequeue_burst_elem(q->ring, ret, sizeof(*ret), n, NULL);
}

bool miss_sleep(struct miss_queue *q)
{
	/* Pairs with miss_doorbell(): one of us sees the other */
	atomic_exchange_explicit(&q->asleep, true, memory_order_seq_cst);
	if (rte_ring_empty(q->ring))
		return true;
	atomic_store_explicit(&q->asleep, false, memory_order_relaxed);
	return false;
}

void miss_wake(struct miss_queue *q)
{
	atomic_store_explicit(&q->asleep, false, memory_order_relaxed);
}

void miss_doorbell_empty(struct miss_queue *q)
{
	uint64_t rung;

	if (read(q->doorbell, &rung, sizeof(rung)) < 0)
		return;
}

int miss_doorbell_fd(const struct miss_queue *q)
{
	return q->doorbell;
}
