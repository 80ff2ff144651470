/* SPDX-License-Identifier: BSD-3-Clause */
/* loop.h - The control thread's event loop: descriptors and timers
 *
 * Theory of operation
 * ===================
 * epoll for descriptors, a short list for timers.  A source or timer is a
 * member of the object that it serves, and its function finds that object with
 * container_of().  Either may be removed at any time, also by the function of
 * another one in the same round: what epoll had already reported for it is then
 * forgotten.
 *
 * Threads: control thread only.
 */
#ifndef VUNETD_LOOP_H
#define VUNETD_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/queue.h>

#include "iotlb/thread_role.h"

struct loop;

/**
 * struct loop_source - A descriptor to wait for
 * @fd:		Descriptor, stays its owner's; -1 while not in a loop
 * @ready:	Called with the EPOLL* bits that are set
 */
struct loop_source {
	int fd;
	void (*ready)(struct loop_source *src, uint32_t events);
};

/**
 * struct loop_timer - A moment to wait for
 * @due_ns:	Against loop_now_ns()
 * @expired:	Called once; may set the timer again
 */
struct loop_timer {
	uint64_t due_ns;
	void (*expired)(struct loop_timer *timer);
	bool armed;
	LIST_ENTRY(loop_timer) link;
};

/**
 * loop_new() - Make an empty loop
 * @ret_loop:	Owned by the caller
 * Return: 0 or -errno
 */
int loop_new(struct loop **ret_loop) CTL_ONLY;

/**
 * loop_free() - Free a loop; sources and timers stay their owners'
 * @loop:	Loop or NULL
 */
void loop_free(struct loop *loop) CTL_ONLY;

/**
 * loop_add() - Wait for a descriptor
 * @loop:	Loop
 * @src:	Stays in place until loop_del(); @src->ready is set by the caller
 * @fd:		Descriptor
 * @events:	EPOLL* bits
 * Return: 0 or -errno
 */
int loop_add(struct loop *loop, struct loop_source *src, int fd, uint32_t events) CTL_ONLY;

/**
 * loop_want() - Change what is waited for
 * @loop:	Loop
 * @src:	Source in it
 * @events:	EPOLL* bits, 0 to pause
 */
void loop_want(struct loop *loop, struct loop_source *src, uint32_t events) CTL_ONLY;

/**
 * loop_del() - Stop waiting for a descriptor, before it is closed
 * @loop:	Loop
 * @src:	Source, in the loop or not; its fd becomes -1
 */
void loop_del(struct loop *loop, struct loop_source *src) CTL_ONLY;

/**
 * loop_timer_set() - Set or move a timer
 * @loop:	Loop
 * @timer:	Stays in place while armed
 * @delay_ns:	From now
 */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t delay_ns) CTL_ONLY;

/**
 * loop_timer_stop() - Stop a timer
 * @timer:	Timer, armed or not
 */
void loop_timer_stop(struct loop_timer *timer) CTL_ONLY;

/**
 * loop_now_ns() - Monotonic time in nanoseconds
 */
uint64_t loop_now_ns(void);

/**
 * loop_wait() - Wait for and serve one round of events
 * @loop:	Loop
 * @may_sleep:	false to look only
 * Return: Number of events and timers served
 */
unsigned int loop_wait(struct loop *loop, bool may_sleep) CTL_ONLY;

#endif /* VUNETD_LOOP_H */
