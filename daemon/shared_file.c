/* SPDX-License-Identifier: BSD-3-Clause */
/* shared_file.c - Files a front-end shares memory by, before they are mapped */
#include "daemon/shared_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

bool shared_file_is_memory(int fd, const struct statx *st)
{
	return fcntl(fd, F_GET_SEALS) >= 0 || st->stx_dev_major;
}

int shared_file_check(int fd, uint64_t end)
{
	struct statx st;

	/* Ask for nothing that a file system would have to ask its server for */
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_SIZE, &st))
		return -errno;
	if (!S_ISREG(st.stx_mode))
		return -EINVAL;
	if (!shared_file_is_memory(fd, &st))
		return -EREMOTE;
	return end > st.stx_size ? -EFBIG : 0;
}
