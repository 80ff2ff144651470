/* SPDX-License-Identifier: BSD-3-Clause */
/* call_aio.c - Interrupting a guest whose eventfd cannot be trusted */
#include "datapath/call_aio.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* One is enough: each request is done when it has been submitted */
#define REQUESTS 8

static _Thread_local aio_context_t context;

/**
 * reap() - Forget the requests that are done, to have room for others
 */
static void reap(void)
{
	struct io_event done[REQUESTS];
	struct timespec now = {0};

	(void)syscall(SYS_io_getevents, context, 0L, (long)REQUESTS, done, &now);
}

int call_aio(int fd)
{
	struct iocb request = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = (uint32_t)fd,
		.aio_buf = POLLIN | POLLOUT,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)fd,
	};
	struct iocb *requests[] = {&request};

	if (!context && syscall(SYS_io_setup, (long)REQUESTS, &context))
		return -errno;
	if (syscall(SYS_io_submit, context, 1L, requests) != 1)
		return -errno;
	reap();
	return 0;
}
