/* SPDX-License-Identifier: BSD-3-Clause */
/* shared_file.h - Files a front-end shares memory by, before they are mapped
 *
 * Threads: control thread only.
 */
#ifndef VUNETD_SHARED_FILE_H
#define VUNETD_SHARED_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "iotlb/thread_role.h"

struct statx;

/**
 * shared_file_is_memory() - Whether a file can be touched, and closed, without waiting
 * @fd:	Regular file
 * @st:	From statx()
 *
 * Memory and hugepages, which alone know of seals, or a file on a block device.
 * What is left is FUSE and network file systems: there a process answers page
 * faults, also those of PMD threads, when it likes.
 */
bool shared_file_is_memory(int fd, const struct statx *st);

/**
 * shared_file_check() - Whether a file can be mapped and touched without waiting
 * @fd:		File, untrusted
 * @end:	Bytes it must have
 * Return: 0; -EINVAL for what is no regular file, -EREMOTE for one that a process
 *	or another machine answers for, -EFBIG when it is shorter, or -errno
 */
int shared_file_check(int fd, uint64_t end) CTL_ONLY;

#endif /* VUNETD_SHARED_FILE_H */
