/* SPDX-License-Identifier: BSD-3-Clause */
/* backing.h - Guest memory whose file no longer backs it
 *
 * Theory of operation
 * ===================
 * A front-end can truncate the file of its guest's memory at any time, and
 * hugepages can run out when a page is touched for the first time.  A PMD thread
 * that then reads or writes there gets SIGBUS, which by itself would end the
 * daemon and with it every other guest's network.  The log of dirty pages
 * (device_log.h) is in such a file, too.
 *
 * The handler runs on the PMD thread that faulted.  It puts anonymous memory in
 * the place of the whole mapping that the address is in, notes whose it was, and
 * returns: the access is repeated and finds zeros.  The control thread sees the
 * note with its next look, and drops the front-end.
 *
 * Threads
 * -------
 *   backing_start, backing_watch, ...   control thread (CTL_ONLY)
 *   the handler                         any thread
 *
 * The handler reads a memory table, or where a log is, only while its thread has
 * not reported quiescence, so these may be freed a grace period after they were
 * withdrawn.
 */
#ifndef VUNETD_BACKING_H
#define VUNETD_BACKING_H

#include <stdbool.h>
#include <stddef.h>

#include "iotlb/thread_role.h"

struct rte_vhost_memory;

/**
 * struct backing_area - Where a log is mapped; immutable once it is watched
 * @addr:	First byte
 * @size:	Bytes, whole pages of its file
 */
struct backing_area {
	void *addr;
	size_t size;
};

/**
 * backing_start() - Take SIGBUS
 *
 * Before any PMD thread touches guest memory.
 *
 * Return: 0 or -errno
 */
int backing_start(void) CTL_ONLY;

/**
 * backing_watch() - Whose memory is where
 * @guest:	Index of the guest
 * @mem:	Its memory table; NULL for none, and then the former one may be
 *		freed after a grace period
 */
void backing_watch(unsigned int guest, const struct rte_vhost_memory *mem) CTL_ONLY;

/**
 * backing_watch_log() - Where its log is
 * @guest:	Index of the guest
 * @area:	NULL for nowhere, and then the former one may be unmapped and freed
 *		after a grace period
 */
void backing_watch_log(unsigned int guest, const struct backing_area *area) CTL_ONLY;

/**
 * backing_lost() - Whether some of the watched table, or the log, was lost
 * @guest:	Index of the guest
 */
bool backing_lost(unsigned int guest) CTL_ONLY;

#endif /* VUNETD_BACKING_H */
