/* SPDX-License-Identifier: BSD-3-Clause */
/* wake_bench.c - What a message and its answer cost with nobody behind the socket
 *
 * Two threads on one processor, as a front-end and the control thread are on a
 * small machine: one sends a message over a unix socket and waits for the
 * answer, the other sleeps in epoll, reads and answers.  No back-end that is
 * asked one thing at a time can be faster than that.
 *
 *	wake_bench [CPU]
 *
 * The median of batches.
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 41
#define TRIPS	500u

/* A header and an IOTLB message; a header and a number */
#define ASK    (12 + 32)
#define ANSWER (12 + 8)

/**
 * struct peer - Who answers
 * @fd:		Socket
 * @cpu:	Where it runs, or -1
 */
struct peer {
	int fd;
	int cpu;
};

/**
 * pin() - Keep the calling thread on a processor, if one is asked for
 */
static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (cpu >= 0)
		CPU_SET((unsigned int)cpu, &set);
	if (cpu >= 0 && pthread_setaffinity_np(pthread_self(), sizeof(set), &set))
		exit(1);
}

/**
 * answer() - Answer until the other side is closed
 */
static void *answer(void *arg)
{
	const struct peer *p = arg;
	struct epoll_event ev = {.events = EPOLLIN};
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	char buf[ASK];

	pin(p->cpu);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->fd, &ev))
		exit(1);
	while (epoll_wait(epoll_fd, &ev, 1, -1) >= 0) {
		if (recv(p->fd, buf, sizeof(buf), 0) <= 0)
			break;
		if (send(p->fd, buf, ANSWER, 0) != ANSWER)
			exit(1);
	}
	close(epoll_fd);
	return NULL;
}

/**
 * now_ns() - Monotonic time
 */
static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/**
 * compare() - Order of two batches, for qsort()
 */
static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/**
 * measure() - Make all trips
 *
 * Return: Median batch, in ns
 */
static uint64_t measure(int fd)
{
	uint64_t batch[BATCHES], begin;
	char buf[ASK] = {0};
	unsigned int i, trip;

	for (i = 0; i < BATCHES; i++) {
		begin = now_ns();
		for (trip = 0; trip < TRIPS; trip++)
			if (send(fd, buf, ASK, 0) != ASK || recv(fd, buf, ANSWER, 0) != ANSWER)
				exit(1);
		batch[i] = now_ns() - begin;
	}
	qsort(batch, BATCHES, sizeof(batch[0]), compare);
	return batch[BATCHES / 2];
}

int main(int argc, char **argv)
{
	struct peer peer = {.cpu = argc > 1 ? atoi(argv[1]) : -1};
	pthread_t thread;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return 1;
	peer.fd = fds[1];
	pin(peer.cpu);
	if (pthread_create(&thread, NULL, answer, &peer))
		return 1;
	printf("message over a unix socket and back: %.1f us\n",
	       (double)measure(fds[0]) / TRIPS / 1000);
	close(fds[0]);
	pthread_join(thread, NULL);
	close(fds[1]);
	return 0;
}
