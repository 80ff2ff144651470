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
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/batches.h"

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
 * answer() - Answer until the other side is closed
 */
static void *answer(void *arg)
{
	const struct peer *p = arg;
	struct epoll_event ev = {.events = EPOLLIN};
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	char buf[ASK];

	if ((p->cpu >= 0 && pin(p->cpu)) || epoll_fd < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->fd, &ev))
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
	return batches_median(batch, BATCHES);
}

int main(int argc, char **argv)
{
	struct peer peer = {.cpu = argc > 1 ? atoi(argv[1]) : -1};
	pthread_t thread;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return 1;
	peer.fd = fds[1];
	if ((peer.cpu >= 0 && pin(peer.cpu)) || pthread_create(&thread, NULL, answer, &peer))
		return 1;
	printf("message over a unix socket and back: %.1f us\n",
	       (double)measure(fds[0]) / TRIPS / 1000);
	close(fds[0]);
	pthread_join(thread, NULL);
	close(fds[1]);
	return 0;
}
