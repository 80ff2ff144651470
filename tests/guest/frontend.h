/* SPDX-License-Identifier: BSD-3-Clause */
/* frontend.h - Starting and stopping a device over vhost-user, as QEMU does */
#ifndef GUEST_FRONTEND_H
#define GUEST_FRONTEND_H

#include <stdbool.h>

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

#endif /* GUEST_FRONTEND_H */
