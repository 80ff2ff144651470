/* SPDX-License-Identifier: BSD-3-Clause */
/* listen.h - The unix socket a front-end connects to, or is connected at */
#ifndef VUNETD_LISTEN_H
#define VUNETD_LISTEN_H

#include "conf/conf.h"
#include "iotlb/thread_role.h"

/**
 * listen_open() - Create a guest's listening socket
 * @conf:	Guest's section: path, owner, group and permissions
 * @ret_fd:	Non-blocking socket, the caller's
 *
 * Nobody but us can connect before owner and permissions are right.  A socket
 * that a killed daemon left behind is replaced; one that someone still serves
 * is not.
 *
 * Return: 0; -EADDRINUSE; -EEXIST when something else is at that path; -errno
 */
int listen_open(const struct conf_guest *conf, int *ret_fd) CTL_ONLY;

/**
 * listen_connect() - Begin to connect to a front-end that listens
 * @conf:	Guest's section
 * @ret_fd:	Connected, non-blocking socket, the caller's
 *
 * A unix socket connects at once or not at all.
 *
 * Return: 0 or -errno
 */
int listen_connect(const struct conf_guest *conf, int *ret_fd) CTL_ONLY;

#endif /* VUNETD_LISTEN_H */
