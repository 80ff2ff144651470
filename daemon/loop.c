/* SPDX-License-Identifier: BSD-3-Clause */
/* loop.c - The control thread's event loop: descriptors and timers */
#include "daemon/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LOOP_EVENTS 32

/**
 * struct loop - What the control thread waits for
 * @epoll_fd:	epoll instance
 * @timers:	Armed timers in no order: there are a few per guest at most
 * @round:	Events of the round being served
 * @n_round:	How many of them are still to be looked at
 */
struct loop {
	int epoll_fd;
	LIST_HEAD(, loop_timer) timers;
	struct epoll_event round[LOOP_EVENTS];
	int n_round;
};

int loop_new(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int err = -errno;

		free(loop);
		return err;
	}
	*ret_loop = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	close(loop->epoll_fd);
	free(loop);
}

int loop_add(struct loop *loop, struct loop_source *src, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = src};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev))
		return -errno;
	src->fd = fd;
	return 0;
}

void loop_want(struct loop *loop, struct loop_source *src, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = src};

	if (src->fd >= 0)
		(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, src->fd, &ev);
}

void loop_del(struct loop *loop, struct loop_source *src)
{
	if (src->fd < 0)
		return;
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, src->fd, NULL);
	src->fd = -1;
	/* Its owner may free it now: forget what this round still holds */
	for (int i = 0; i < loop->n_round; i++)
		if (loop->round[i].data.ptr == src)
			loop->round[i].data.ptr = NULL;
}

uint64_t loop_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t delay_ns)
{
	timer->due_ns = loop_now_ns() + delay_ns;
	if (timer->armed)
		return;
	timer->armed = true;
	LIST_INSERT_HEAD(&loop->timers, timer, link);
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (!timer->armed)
		return;
	timer->armed = false;
	LIST_REMOVE(timer, link);
}

/**
 * next_timer() - The armed timer that is due first
 * @loop:	Loop
 */
static struct loop_timer *next_timer(struct loop *loop)
{
	struct loop_timer *first = NULL, *t;

	LIST_FOREACH(t, &loop->timers, link)
	if (!first || t->due_ns < first->due_ns)
		first = t;
	return first;
}

/**
 * sleep_ms() - How long epoll may sleep before a timer is due
 * @loop:	Loop
 */
static int sleep_ms(struct loop *loop)
{
	const struct loop_timer *t = next_timer(loop);
	uint64_t now = loop_now_ns(), ms;

	if (!t)
		return -1;
	if (t->due_ns <= now)
		return 0;
	ms = (t->due_ns - now + 999999) / 1000000; /* up: never early, never a busy loop */
	return ms > 60000 ? 60000 : (int)ms;
}

/**
 * serve_timers() - Call each timer that is due
 * @loop:	Loop
 * Return: How many were
 */
static unsigned int serve_timers(struct loop *loop) CTL_ONLY
{
	uint64_t now = loop_now_ns();
	struct loop_timer *t;
	unsigned int n = 0;

	while ((t = next_timer(loop)) && t->due_ns <= now) {
		loop_timer_stop(t);
		t->expired(t);
		n++;
	}
	return n;
}

unsigned int loop_wait(struct loop *loop, bool may_sleep)
{
	int timeout = may_sleep ? sleep_ms(loop) : 0;
	int n = epoll_wait(loop->epoll_fd, loop->round, LOOP_EVENTS, timeout);
	unsigned int served = 0;

	loop->n_round = n > 0 ? n : 0;
	for (int i = 0; i < loop->n_round; i++) {
		struct loop_source *src = loop->round[i].data.ptr;

		if (!src)
			continue;
		src->ready(src, loop->round[i].events);
		served++;
	}
	loop->n_round = 0;
	return served + serve_timers(loop);
}
