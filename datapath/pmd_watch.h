/* SPDX-License-Identifier: BSD-3-Clause */
/* pmd_watch.h - Gets poll-mode threads out of a system call that does not end
 *
 * Theory of operation
 * ===================
 * The one system call of a poll-mode thread is the write to a guest's call
 * eventfd.  We set that non-blocking, but the file description is the front-end's
 * too: it can make it block again and fill it, and the thread that interrupts
 * the guest would stay in the kernel for ever, with every guest it serves, and
 * the control thread waiting for its next report of quiescence.
 *
 * So a thread of its own looks at the heartbeats.  Where one has not moved for
 * PMD_WATCH_MS it sends a signal, whose handler does nothing: a write that waits
 * ends with EINTR, by which vq_call.c knows such a descriptor, and after which it
 * writes to none of that guest's any more (call_aio.h).  A poll-mode thread that
 * merely was not scheduled notices nothing.
 */
#ifndef VUNETD_PMD_WATCH_H
#define VUNETD_PMD_WATCH_H

#include <pthread.h>
#include <signal.h>
#include <stdint.h>

#include "iotlb/thread_role.h"

#define PMD_WATCH_MS	 25
#define PMD_WATCH_SIGNAL SIGURG

struct pmd_watch;

/**
 * struct pmd_watched - A thread to be watched
 * @id:		Running, PMD_WATCH_SIGNAL not blocked
 * @heartbeat:	Moves with each of its rounds; read relaxed
 */
struct pmd_watched {
	pthread_t id;
	const uint64_t *heartbeat;
};

/**
 * pmd_watch_new() - Begin to watch
 * @threads:	Copied; they run until pmd_watch_free() has returned
 * @n:		How many
 * @ret_watch:	Owned by the caller
 * Return: 0 or -errno
 */
int pmd_watch_new(const struct pmd_watched *threads, unsigned int n, struct pmd_watch **ret_watch)
	CTL_ONLY;

/**
 * pmd_watch_free() - Stop watching
 * @watch:	Watch or NULL
 */
void pmd_watch_free(struct pmd_watch *watch) CTL_ONLY;

#endif /* VUNETD_PMD_WATCH_H */
