/* SPDX-License-Identifier: BSD-3-Clause */
/* passed.h - Sockets of guests that were opened before us
 *
 * Theory of operation
 * ===================
 * A service manager that listens on a guest's socket passes it on at start
 * (sd_listen_fds(3)): front-ends that come while we are away wait in its
 * backlog.  Which guest it is for is said by its name, NAME of [guest.NAME]
 * (FileDescriptorName=), or else by the path it is bound to.  Whoever starts us
 * with --fd passes one as well, listening, or connected to a front-end already.
 *
 * Either way the socket is not ours to remove.
 *
 * Threads: control thread only.
 */
#ifndef VUNETD_PASSED_H
#define VUNETD_PASSED_H

#include <stdbool.h>

#include "conf/conf.h"
#include "iotlb/thread_role.h"

/**
 * struct passed - What was passed for a guest
 * @fd:		Non-blocking unix stream socket, or -1; whoever takes it sets -1
 * @connected:	To a front-end, instead of listening
 */
struct passed {
	int fd;
	bool connected;
};

/**
 * passed_new() - Take what the service manager has passed
 * @conf:	Whose guests it is for
 * @ret_passed:	One for each guest; owned by the caller, passed_free()
 *
 * Takes LISTEN_FDS out of the environment.  Logs what it refuses: what is no
 * listening unix stream socket, is for no guest, for one that has another
 * already, or for one in client mode.
 *
 * Return: 0, -EINVAL when something is refused, or -errno
 */
int passed_new(const struct conf *conf, struct passed **ret_passed) CTL_ONLY;

/**
 * passed_add() - Take the socket of the only guest
 * @passed:	Of the only guest
 * @fd:		Number from the command line
 *
 * Logs what it refuses.
 *
 * Return: 0, -EINVAL when it is no unix stream socket, or -errno
 */
int passed_add(struct passed *passed, int fd) CTL_ONLY;

/**
 * passed_free() - Close what nobody has taken
 * @passed:	From passed_new(), or NULL
 * @n:		Guests
 */
void passed_free(struct passed *passed, unsigned int n) CTL_ONLY;

#endif /* VUNETD_PASSED_H */
