/* SPDX-License-Identifier: BSD-3-Clause */
/* frontend.h - Starting and stopping a device over vhost-user, as QEMU does */
#ifndef GUEST_FRONTEND_H
#define GUEST_FRONTEND_H

#include <stdbool.h>
#include <stdint.h>

struct device;

/**
 * frontend_connect() - Connect and negotiate
 * @d:	Device with @g set
 *
 * Return: 0 or -errno after a complaint
 */
int frontend_connect(struct device *d);

/**
 * frontend_start() - Pass memory and rings and enable them
 * @d:	Connected device whose rings are made
 *
 * Return: 0 or -errno after a complaint
 */
int frontend_start(struct device *d);

/**
 * frontend_stop() - Disable the rings, ask where the backend stopped, hang up
 * @d:	Started device
 *
 * Return: 0 or -errno after a complaint
 */
int frontend_stop(struct device *d);

/**
 * frontend_enable() - Enable or disable a ring (SET_VRING_ENABLE)
 * @d:		Started
 * @index:	Ring
 * @on:		Enable it
 *
 * Return: 0 or -errno after a complaint
 */
int frontend_enable(struct device *d, unsigned int index, bool on);

/**
 * frontend_stop_ring() - Stop a ring and note where (GET_VRING_BASE)
 * @d:		Started
 * @index:	Ring
 *
 * Return: 0 or -errno after a complaint
 */
int frontend_stop_ring(struct device *d, unsigned int index);

/**
 * frontend_start_ring() - Start a ring where it was stopped
 * @d:		Device
 * @index:	Ring
 *
 * Return: 0 or -errno after a complaint
 */
int frontend_start_ring(struct device *d, unsigned int index);

/**
 * frontend_set_log() - Give a log of dirty pages (SET_LOG_BASE)
 * @d:		Started
 * @fd:		File
 * @size:	Bytes of it
 *
 * Return: 0 or -errno after a complaint
 */
int frontend_set_log(struct device *d, int fd, uint64_t size);

/**
 * frontend_log_all() - Switch logging on or off, as QEMU does: rings run on
 * @d:		Started, with a log
 * @on:		Switch it on
 *
 * Return: 0 or -errno after a complaint
 */
int frontend_log_all(struct device *d, bool on);

/**
 * frontend_plug() - Add the spare region to the guest's memory, or remove it
 * @d:	Started
 * @on:	Add it
 *
 * Return: 0 or -errno after a complaint
 */
int frontend_plug(struct device *d, bool on);

/**
 * frontend_readdress() - Have the rings at their other addresses
 * @d:	Started
 *
 * They are the same memory; the backend sees them elsewhere.
 *
 * Return: 0 or -errno after a complaint
 */
int frontend_readdress(struct device *d);

#endif /* GUEST_FRONTEND_H */
