/* SPDX-License-Identifier: BSD-3-Clause */
/* closer.c - Closing what a front-end passed, whatever it is */
#include "daemon/closer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/channel.h"
#include "daemon/shared_file.h"
#include "datapath/counters.h"

/* /dev/null, /dev/zero and their like (Linux' devices.txt) */
#define MEM_MAJOR 1

/**
 * struct closing - What a thread is to do
 * @count:	Where it is counted
 * @fd:	To be closed
 */
struct closing {
	struct closer *count;
	int fd;
};

struct closer *closer_new(uint64_t *total)
{
	struct closer *c = malloc(sizeof(*c));

	if (c)
		*c = (struct closer){.refs = 1, .total = total};
	return c;
}

/**
 * closer_put() - Let go of a count
 * @c:	Count
 */
static void closer_put(struct closer *c)
{
	/* Whoever is last has seen what the others wrote */
	if (!__atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
		free(c);
}

void closer_free(struct closer *c)
{
	if (c)
		closer_put(c);
}

/**
 * may_wait() - Whether close() of a descriptor may wait for somebody
 * @fd:	Descriptor
 */
static bool may_wait(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct statx st;

	/* Nobody is told of the end of a mere path */
	if (flags < 0 || flags & O_PATH)
		return false;
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st))
		return true;
	switch (st.stx_mode & S_IFMT) {
	case S_IFREG:
		return !shared_file_is_memory(fd, &st);
	case S_IFCHR:
		return st.stx_rdev_major != MEM_MAJOR;
	case S_IFBLK:
		return true;
	default: /* directories, pipes, sockets, and what has no name in any file system */
		return false;
	}
}

/**
 * close_main() - A thread that closes one descriptor
 * @arg:	struct closing, freed
 */
static void *close_main(void *arg)
{
	struct closing job = *(struct closing *)arg;

	free(arg);
	pthread_setname_np(pthread_self(), "vunetd-close");
	close(job.fd);
	__atomic_sub_fetch(&job.count->stuck, 1, __ATOMIC_RELAXED);
	closer_put(job.count);
	return NULL;
}

/**
 * close_aside() - Have a thread close a descriptor
 * @c:	Count
 * @fd:	Descriptor; stays open, and counted, where there is no thread to be had
 */
static void close_aside(struct closer *c, int fd) CTL_ONLY
{
	struct closing *job = malloc(sizeof(*job));
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t id;

	__atomic_add_fetch(&c->stuck, 1, __ATOMIC_RELAXED);
	COUNTER_ADD(*c->total, 1);
	if (!job)
		return;
	*job = (struct closing){c, fd};
	__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* Signals are the control thread's business */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&id, &attr, close_main, job)) {
		free(job);
		__atomic_sub_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
}

void closer_close(struct closer *c, int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (fds[i] >= 0 && c && may_wait(fds[i]))
			close_aside(c, fds[i]);
		else if (fds[i] >= 0)
			vu_close_fd(fds[i]);
		fds[i] = -1;
	}
}

bool closer_stuck(const struct closer *c)
{
	return __atomic_load_n(&c->stuck, __ATOMIC_RELAXED) > CLOSER_STUCK_MAX;
}
