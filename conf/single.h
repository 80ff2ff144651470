/* SPDX-License-Identifier: BSD-3-Clause */
/* single.h - A configuration for one guest whose socket is on the command line
 *
 * That is how programs that follow the conventions for vhost-user back-ends are
 * started: no file has to be there.  What it then says is in single.c.
 *
 * Threads: as conf.h.
 */
#ifndef VUNETD_CONF_SINGLE_H
#define VUNETD_CONF_SINGLE_H

#include "conf/conf.h"

/**
 * conf_single() - Load a configuration of one guest
 * @path:	File with one [guest.NAME], or NULL for the built-in one
 * @socket:	What becomes of its socket key: a path, or where it comes from
 * @errors:	As for conf_load(); one line when there are more guests or the path is
 *		too long
 * @ret_conf:	Owned by the caller, conf_free(); its guest is in server mode
 *
 * Return: 0; -EINVAL when the content or the path is refused; -errno
 */
int conf_single(const char *path, const char *socket, FILE *errors, struct conf **ret_conf);

#endif /* VUNETD_CONF_SINGLE_H */
