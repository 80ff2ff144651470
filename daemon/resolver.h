/* SPDX-License-Identifier: BSD-3-Clause */
/* resolver.h - Misses of one device: asked once, asked again, given up
 *
 * Theory of operation
 * ===================
 * Rings repeat a miss until it translates, so this is where doubles end: a page
 * that is being asked for is not asked for again until its answer or its
 * timeout.  After the last retry the miss is a fault, counted and logged; the
 * page then rests for RESOLVER_REST_NS before a ring may have it asked for
 * anew.  Nothing ever waits for an answer.
 *
 *            miss                  timeout, retries left
 *   (none) -------> ASKED ------------------------------+
 *      ^              |  ^------------------------------+
 *      | answer       | timeout, none left: fault
 *      +--------------+----> RESTING ---- rested --> (none)
 *
 * A question about a page that is invalidated is forgotten in either state: the
 * front-end, which stays silent about what is not mapped, may have heard it too
 * late, and the next miss there is about another mapping.
 *
 * Who answers is not known here: @ask is how a front-end takes a question.
 *
 * Threads: control thread only; the counters may be read from any.
 */
#ifndef VUNETD_RESOLVER_H
#define VUNETD_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/log.h"
#include "daemon/loop.h"
#include "iotlb/thread_role.h"

#define RESOLVER_PENDING_MAX 512
#define RESOLVER_REST_NS     UINT64_C(1000000000)

/* Counters of one resolver: X(name, sentence) */
#define RESOLVER_COUNTERS(X)                                             \
	X(asked, "translations asked of the front-end")                  \
	X(asked_again, "of these, asked once more after a timeout")      \
	X(answered, "questions that an update answered")                 \
	X(faults, "questions given up: the front-end never answered")    \
	X(overflow, "misses left to be repeated: too many were pending") \
	X(unsent, "questions that the backend channel did not take")

/**
 * struct resolver_pending - One page that is being asked for
 * @iova:	Address that missed
 * @due_ns:	When to ask again, or when its rest ends
 * @tries:	Times asked
 * @perm:	IOTLB_READ, IOTLB_WRITE or both
 * @resting:	Given up
 */
struct resolver_pending {
	uint64_t iova;
	uint64_t due_ns;
	uint32_t tries;
	uint8_t perm;
	bool resting;
};

struct resolver_counters {
#define RESOLVER_MEMBER(name, help) uint64_t name;
	RESOLVER_COUNTERS(RESOLVER_MEMBER)
#undef RESOLVER_MEMBER
};

/**
 * struct resolver - Questions of one device
 * @ask:	Sends a question without blocking; 0 or -errno
 * @name:	Guest's name, for the log
 * @limit:	For what a guest can provoke
 * @loop:	Where @timer is set
 * @timer:	For the question that is due first
 * @timeout_ns:	Before a question is repeated
 * @retries:	How often it is repeated
 * @pending:	The first @n are in use, in no order
 */
struct resolver {
	int (*ask)(struct resolver *r, uint64_t iova, uint8_t perm);
	const char *name;
	struct log_limit limit;
	struct loop *loop;
	struct loop_timer timer;
	uint64_t timeout_ns;
	uint32_t retries;
	unsigned int n;
	struct resolver_pending pending[RESOLVER_PENDING_MAX];
	struct resolver_counters counters;
};

/**
 * resolver_miss() - A ring could not translate an address
 * @r:		Resolver
 * @iova:	Address, untrusted
 * @perm:	What the access needs
 *
 * Return: 0; -EALREADY when its page is being asked for; -ENOBUFS when too much
 *	is; -ETIMEDOUT while it rests
 */
int resolver_miss(struct resolver *r, uint64_t iova, uint8_t perm) CTL_ONLY;

/**
 * resolver_answer() - A range has been mapped
 * @r:		Resolver
 * @iova:	First address
 * @size:	Bytes
 * @perm:	What the mapping allows
 */
void resolver_answer(struct resolver *r, uint64_t iova, uint64_t size, uint8_t perm) CTL_ONLY;

/**
 * resolver_forget() - A range has been invalidated: nobody answers any more
 * @r:		Resolver
 * @iova:	First address
 * @size:	Bytes
 */
void resolver_forget(struct resolver *r, uint64_t iova, uint64_t size) CTL_ONLY;

/**
 * resolver_clear() - Forget every question
 * @r:	Resolver
 */
void resolver_clear(struct resolver *r) CTL_ONLY;

#endif /* VUNETD_RESOLVER_H */
