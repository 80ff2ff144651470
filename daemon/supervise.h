/* SPDX-License-Identifier: BSD-3-Clause */
/* supervise.h - What systemd is told, and whether the PMD threads still move
 *
 * Theory of operation
 * ===================
 * READY=1 once every socket listens, STATUS= when a second's summary differs,
 * WATCHDOG=1 at a third of WatchdogSec= and only if every PMD thread's heartbeat
 * moved since the last time: a thread that hangs, in a driver for example, is
 * logged at once and has systemd restart the daemon.
 *
 * Threads: control thread only.
 */
#ifndef VUNETD_SUPERVISE_H
#define VUNETD_SUPERVISE_H

#include "daemon/daemon.h"
#include "iotlb/thread_role.h"

struct supervisor;

/**
 * supervise_start() - Say READY=1 and begin
 * @daemon:		Daemon, complete
 * @ret_supervisor:	Owned by the caller
 * Return: 0 or -errno
 */
int supervise_start(struct daemon *daemon, struct supervisor **ret_supervisor) CTL_ONLY;

/**
 * supervise_stop() - Say STOPPING=1 and end
 * @supervisor:	Supervisor or NULL
 */
void supervise_stop(struct supervisor *supervisor) CTL_ONLY;

#endif /* VUNETD_SUPERVISE_H */
