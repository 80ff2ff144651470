/* SPDX-License-Identifier: BSD-3-Clause */
/* miss.h - Misses on their way from PMD threads to the control thread
 *
 * Theory of operation
 * ===================
 * A PMD thread that cannot translate posts the address and turns to other
 * rings; the control thread asks the front-end.  Posting never waits: when
 * the ring is full the miss is dropped, and the virtqueue, which retries
 * until it can translate, posts it again.
 *
 * The control thread sleeps in epoll.  Before it does, it says so in @asleep;
 * a PMD thread that posts then rings the doorbell eventfd once per burst
 * (miss_doorbell).  That is the one system call of the datapath besides the
 * guest's own interrupt, and it happens only after a miss.
 *
 * Threads
 * -------
 *   miss_post, miss_doorbell     any PMD thread       (PMD_ONLY)
 *   miss_drain, miss_sleep, ...  control thread       (CTL_ONLY)
 *
 * Invariants
 * ----------
 *   I1  a miss names its device by id and generation, so one that outlives
 *       its device resolves nothing
 *   I2  a miss posted while the control thread goes to sleep wakes it:
 *       poster: enqueue, fence, load asleep; sleeper: store asleep, fence,
 *       look at the ring once more
 */
#ifndef VUNETD_MISS_H
#define VUNETD_MISS_H

#include <stdbool.h>
#include <stdint.h>

#include "iotlb/thread_role.h"

/**
 * struct miss - One address to be resolved
 * @iova:	I/O virtual address that did not translate, untrusted
 * @guest:	Which guest (its index in the configuration)
 * @session:	Which life of that guest's device (invariant I1)
 * @ring:	Virtqueue index
 * @perm:	IOTLB_READ, IOTLB_WRITE or both
 */
struct miss {
	uint64_t iova;
	uint32_t session;
	uint16_t guest;
	uint8_t ring;
	uint8_t perm;
};

_Static_assert(sizeof(struct miss) == 16, "one rte_ring element of four words");

struct miss_queue;

/**
 * miss_queue_new() - Make the queue all PMD threads share
 * @ret_queue:	Owned by the caller
 *
 * Context: control thread, after EAL is up.
 * Return: 0 or -errno
 */
int miss_queue_new(struct miss_queue **ret_queue) CTL_ONLY;

/**
 * miss_queue_free() - Free the queue, after the PMD threads have ended
 * @q:	Queue or NULL
 */
void miss_queue_free(struct miss_queue *q) CTL_ONLY;

/**
 * miss_post() - Ask the control thread to resolve an address
 * @q:		Queue shared by all PMD threads
 * @miss:	Copied
 *
 * Context: PMD thread; never blocks, never allocates.
 * Return: 0, or -ENOBUFS when the ring is full
 */
int miss_post(struct miss_queue *q, const struct miss *miss) PMD_ONLY;

/**
 * miss_doorbell() - Wake the control thread if it sleeps
 * @q:	Queue, after the burst's last miss_post()
 */
void miss_doorbell(struct miss_queue *q) PMD_ONLY;

/**
 * miss_drain() - Take posted misses, oldest first
 * @q:		Queue
 * @ret:	Filled with up to @n misses
 * @n:		Room in @ret
 *
 * Return: How many were taken
 */
unsigned int miss_drain(struct miss_queue *q, struct miss *ret, unsigned int n) CTL_ONLY;

/**
 * miss_sleep() - Announce that the control thread is about to sleep
 * @q:	Queue
 *
 * Return: true when it may sleep; false when misses are waiting already
 */
bool miss_sleep(struct miss_queue *q) CTL_ONLY;

/**
 * miss_wake() - Take the announcement back
 * @q:	Queue
 */
void miss_wake(struct miss_queue *q) CTL_ONLY;

/**
 * miss_doorbell_empty() - Empty the doorbell, once it is readable
 * @q:	Queue
 *
 * Not part of miss_wake(): it is a system call, and most of what wakes the
 * control thread is not the doorbell.
 */
void miss_doorbell_empty(struct miss_queue *q) CTL_ONLY;

/**
 * miss_doorbell_fd() - The eventfd to wait for while asleep
 * @q:	Queue, keeps the descriptor
 */
int miss_doorbell_fd(const struct miss_queue *q);

#endif /* VUNETD_MISS_H */
