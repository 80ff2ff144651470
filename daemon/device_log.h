/* SPDX-License-Identifier: BSD-3-Clause */
/* device_log.h - The log of a device's dirty pages, while its guest is migrated
 *
 * Theory of operation
 * ===================
 * The front-end shares a bitmap (SET_LOG_BASE, LOG_SHMFD) and then switches
 * logging on: for all that is written with VHOST_F_LOG_ALL, which may come and go
 * while rings run; for what is written to a ring with VHOST_VRING_F_LOG.  A ring
 * has no use of being told the one without the other, so either makes it log all
 * it writes: a page marked for nothing is copied once more, one that is left out
 * is lost.  What the front-end says of where the used ring is in the log
 * (log_guest_addr, an IOVA behind a vIOMMU) is not needed: pages are found by the
 * address that was written to (datapath/dirty_log.h).
 *
 * A ring that is to log runs only while there is a log that has a bit for each
 * page of guest memory.  So whatever the order of messages, nothing is written
 * that is not logged: QEMU, when a device starts in the middle of a migration,
 * sends features and rings first and the log last.
 *
 * The log may be replaced while rings run, by a larger one before memory is
 * plugged in.  SET_LOG_BASE is answered when no ring uses the former one any
 * more: then the front-end takes the last marks out of it.  It stays mapped when
 * logging is switched off, until the next one or the end of the connection:
 * nothing tells us that it is not needed.
 *
 * Its file may be truncated like that of memory (backing.h).
 *
 * Threads: control thread only.
 */
#ifndef VUNETD_DEVICE_LOG_H
#define VUNETD_DEVICE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/dirty_log.h"
#include "iotlb/thread_role.h"

struct backing_area;
struct device;
struct ring;

/**
 * struct device_log - A device's log
 * @area:	Its mapping, owned; NULL without
 * @bits:	Where it begins in there
 * @n_bytes:	Bytes of it
 * @dirty:	What rings are given, if @covers
 * @covers:	There is a bit for each page of guest memory
 * @told:	That rings wait for one that does was logged
 */
struct device_log {
	struct backing_area *area;
	uint8_t *bits;
	uint64_t n_bytes;
	struct dirty_log dirty;
	bool covers;
	bool told;
};

/**
 * device_log_set() - Take a log, in place of the one there was
 * @dev:	Device, its rings may run
 * @fd:		File, checked; stays the caller's
 * @offset:	Where in the file it begins
 * @size:	Bytes, at least 1, within the file
 *
 * Return: 0; -ERANGE when it has no bits for some of guest memory; or -errno,
 *	and then the former one stays
 */
int device_log_set(struct device *dev, int fd, uint64_t offset, uint64_t size) CTL_ONLY;

/**
 * device_log_renew() - Take the memory table into account
 * @dev:	Stopped
 */
void device_log_renew(struct device *dev) CTL_ONLY;

/**
 * device_log_drop() - Let go of the log
 * @dev:	Stopped
 */
void device_log_drop(struct device *dev) CTL_ONLY;

/**
 * device_log_due() - Whether a ring has to log what it writes
 * @dev:	Device
 * @ring:	One of its rings
 */
bool device_log_due(const struct device *dev, const struct ring *ring);

/**
 * device_log_wait() - Note that a ring cannot run for want of a log
 * @dev:	Device
 */
void device_log_wait(struct device *dev) CTL_ONLY;

#endif /* VUNETD_DEVICE_LOG_H */
