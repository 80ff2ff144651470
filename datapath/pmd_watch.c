/* SPDX-License-Identifier: BSD-3-Clause */
/* pmd_watch.c - Gets poll-mode threads out of a system call that does not end */
#include "datapath/pmd_watch.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/**
 * struct pmd_watch - The watching thread
 * @id:		pthread
 * @stop:	Posted when it is to end
 * @n:		Number of threads it watches
 * @threads:	The threads
 * @seen:	Behind them, their heartbeats at the last look; its own
 */
struct pmd_watch {
	pthread_t id;
	sem_t stop;
	unsigned int n;
	uint64_t *seen;
	struct pmd_watched threads[];
};

/* Being called is all it is for */
static void on_signal(int sig)
{
	(void)sig;
}

/**
 * watch_look() - Signal the threads that have not moved since the last look
 * @watch:	Watch
 */
static void watch_look(struct pmd_watch *watch)
{
	for (unsigned int i = 0; i < watch->n; i++) {
		uint64_t beat = __atomic_load_n(watch->threads[i].heartbeat, __ATOMIC_RELAXED);

		if (beat == watch->seen[i])
			(void)pthread_kill(watch->threads[i].id, PMD_WATCH_SIGNAL);
		watch->seen[i] = beat;
	}
}

/**
 * watch_main() - The watching thread from start to end
 * @arg:	struct pmd_watch
 */
static void *watch_main(void *arg)
{
	struct pmd_watch *watch = arg;
	struct timespec next;

	pthread_setname_np(pthread_self(), "vunetd-watch");
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (;;) {
		next.tv_nsec += PMD_WATCH_MS * 1000000L;
		next.tv_sec += next.tv_nsec / 1000000000;
		next.tv_nsec %= 1000000000;
		if (!sem_clockwait(&watch->stop, CLOCK_MONOTONIC, &next))
			return NULL;
		if (errno == ETIMEDOUT)
			watch_look(watch);
	}
}

/**
 * watch_start() - Start the watching thread, which takes no signals itself
 * @watch:	Watch
 * Return: 0 or -errno
 */
static int watch_start(struct pmd_watch *watch)
{
	/* Without SA_RESTART: the call that was waited in is not repeated */
	struct sigaction act = {.sa_handler = on_signal};
	sigset_t all, old;
	int err;

	if (sigaction(PMD_WATCH_SIGNAL, &act, NULL))
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&watch->id, NULL, watch_main, watch);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

int pmd_watch_new(const struct pmd_watched *threads, unsigned int n, struct pmd_watch **ret_watch)
{
	struct pmd_watch *watch =
		calloc(1, sizeof(*watch) + n * (sizeof(threads[0]) + sizeof(watch->seen[0])));
	int err;

	if (!watch)
		return -ENOMEM;
	watch->n = n;
	memcpy(watch->threads, threads, n * sizeof(threads[0]));
	watch->seen = (uint64_t *)(void *)&watch->threads[n];
	sem_init(&watch->stop, 0, 0);
	err = watch_start(watch);
	if (err) {
		sem_destroy(&watch->stop);
		free(watch);
		return err;
	}
	*ret_watch = watch;
	return 0;
}

void pmd_watch_free(struct pmd_watch *watch)
{
	if (!watch)
		return;
	sem_post(&watch->stop);
	pthread_join(watch->id, NULL);
	sem_destroy(&watch->stop);
	free(watch);
}
