/* SPDX-License-Identifier: BSD-3-Clause */
/* shared_file.h - Files a front-end shares memory by, before they are mapped
 *
 * Threads: control thread only.
 */
#ifndef VUNETD_SHARED_FILE_H
#define VUNETD_SHARED_FILE_H

#include <stdint.h>

#include "iotlb/thread_role.h"

/**
 * shared_file_check() - Whether a file can be mapped and touched without waiting
 * @fd:		File, untrusted
 * @end:	Bytes it must have
 * Return: 0; -EINVAL for what is no regular file, -EREMOTE for one that a process
 *	or another machine answers for, -EFBIG when it is shorter, or -errno
 */
int shared_file_check(int fd, uint64_t end) CTL_ONLY;

#endif /* VUNETD_SHARED_FILE_H */
