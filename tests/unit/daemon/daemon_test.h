/* SPDX-License-Identifier: BSD-3-Clause */
/* daemon_test.h - What the tests of daemon/ share: cmocka, and counting leaks */
#ifndef VUNETD_DAEMON_TEST_H
#define VUNETD_DAEMON_TEST_H

/* cmocka.h wants these in front of it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "iotlb/thread_role.h"

/**
 * count_fds() - Descriptors this process has open
 */
static inline unsigned int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 3; /* ".", ".." and the directory's own */
}

/**
 * count_maps() - Mappings of this process whose line has a word in it
 * @word:	Such as the name of a memfd; "" for all mappings
 */
static inline unsigned int count_maps(const char *word)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[4096];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += !!strstr(line, word);
	fclose(f);
	return n;
}

/**
 * same_file() - Whether two descriptors are of one file
 * @a:	Descriptor
 * @b:	Descriptor
 */
static inline int same_file(int a, int b)
{
	struct stat sa, sb;

	assert_int_equal(fstat(a, &sa), 0);
	assert_int_equal(fstat(b, &sb), 0);
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/**
 * send_with_fds() - sendmsg() of some bytes and descriptors, all of it
 * @fd:		Socket
 * @buf:	Bytes
 * @len:	How many
 * @fds:	Descriptors, stay the caller's
 * @n_fds:	How many, may be more than a vhost-user message allows
 */
static inline void send_with_fds(int fd, const void *buf, size_t len, const int *fds,
				 unsigned int n_fds)
{
	union {
		char buf[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		CMSG_FIRSTHDR(&mh)->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		CMSG_FIRSTHDR(&mh)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&mh)->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&mh)), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &mh, MSG_NOSIGNAL), len);
}

#endif /* VUNETD_DAEMON_TEST_H */
