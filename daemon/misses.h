/* SPDX-License-Identifier: BSD-3-Clause */
/* misses.h - Posted misses, handed to the guest they belong to */
#ifndef VUNETD_MISSES_H
#define VUNETD_MISSES_H

#include "daemon/daemon.h"
#include "iotlb/thread_role.h"

/**
 * misses_serve() - Take the misses that were posted, and have them asked for
 * @daemon:	Daemon
 *
 * Bounded: what is posted meanwhile waits for the next call.
 *
 * Return: How many were taken
 */
unsigned int misses_serve(struct daemon *daemon) CTL_ONLY;

/**
 * misses_serve_all() - Take everything that was posted before this call
 * @daemon:	Daemon
 */
void misses_serve_all(struct daemon *daemon) CTL_ONLY;

#endif /* VUNETD_MISSES_H */
