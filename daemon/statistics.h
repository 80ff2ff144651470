/* SPDX-License-Identifier: BSD-3-Clause */
/* statistics.h - Counters as lines of the log: rates, and totals
 *
 * Threads: control thread only; it reads what PMD threads write, relaxed, so
 * counters of one line may be a few packets apart.
 */
#ifndef VUNETD_STATISTICS_H
#define VUNETD_STATISTICS_H

#include "daemon/daemon.h"
#include "iotlb/thread_role.h"

struct statistics;

/**
 * statistics_new() - Remember where the counters are now
 * @daemon:	Daemon; borrowed
 * @ret_stats:	Owned by the caller
 * Return: 0 or -ENOMEM
 */
int statistics_new(struct daemon *daemon, struct statistics **ret_stats) CTL_ONLY;

/**
 * statistics_free() - Free it
 * @stats:	Statistics or NULL
 */
void statistics_free(struct statistics *stats) CTL_ONLY;

/**
 * statistics_log_rates() - One line per guest: what happened since the last one
 * @stats:	Statistics
 */
void statistics_log_rates(struct statistics *stats) CTL_ONLY;

/**
 * statistics_log_totals() - Every counter that is not zero, since start, and "totals end"
 * @daemon:	Daemon
 */
void statistics_log_totals(const struct daemon *daemon) CTL_ONLY;

#endif /* VUNETD_STATISTICS_H */
