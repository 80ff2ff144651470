/* SPDX-License-Identifier: BSD-3-Clause */
/* shared_file.c - Files a front-end shares memory by, before they are mapped */
#include "daemon/shared_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

/**
 * is_memory() - Whether a file can be touched without waiting for anyone
 * @fd:	Regular file
 * @st:	From statx()
 *
 * Memory and hugepages, which alone know of seals, or a file on a block device.
 * What is left is FUSE and network file systems: there a process answers page
 * faults, also those of PMD threads, when it likes.
 */
static bool is_memory(int fd, const struct statx *st)
{
	return fcntl(fd, F_GET_SEALS) >= 0 || st->stx_dev_major;
}

int shared_file_check(int fd, uint64_t end)
{
	struct statx st;

	/* Ask for nothing that a file system would have to ask its server for */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st))
		return -errno;
	if (!S_ISREG(st.stx_mode))
		return -EINVAL;
	if (!is_memory(fd, &st))
		return -EREMOTE;
	return end > st.stx_size ? -EFBIG : 0;
}
