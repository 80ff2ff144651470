/* SPDX-License-Identifier: BSD-3-Clause */
/* eal.h - DPDK's environment, started from the configuration
 *
 * Threads: control thread, before any other thread exists.
 */
#ifndef VUNETD_EAL_H
#define VUNETD_EAL_H

#include "conf/conf.h"
#include "iotlb/thread_role.h"

/**
 * eal_start() - Move to the cores PMD threads do not use, and start EAL there
 * @conf:	Configuration
 *
 * The calling thread becomes EAL's main lcore.  EAL's own threads stay off the
 * poll-mode cores as well, unless those are all there are.  Logs what went
 * wrong.
 *
 * Return: 0 or -errno
 */
int eal_start(const struct conf *conf) CTL_ONLY;

/**
 * eal_settle() - Let EAL's interrupt thread handle what is ready now
 *
 * Alarms run on that thread, behind what was ready before them.  To be called
 * between the ends of two ports: the end of one may be an event for the other,
 * and memif, whose two ends may both be ours, frees twice what it then frees on
 * both threads at a time.
 */
void eal_settle(void) CTL_ONLY;

#endif /* VUNETD_EAL_H */
