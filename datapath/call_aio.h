/* SPDX-License-Identifier: BSD-3-Clause */
/* call_aio.h - Interrupting a guest whose eventfd cannot be trusted
 *
 * Theory of operation
 * ===================
 * Whether write(2) to an eventfd waits is a matter of its file description, which
 * the front-end can change at any time, between our look and our write as well.
 * There is no way to write to it just this once without waiting.
 *
 * But the kernel itself adds to an eventfd whenever a request of AIO is done
 * (io_submit(2), IOCB_FLAG_RESFD), and then asks for no flag and stops at no limit.  So
 * the request is one that is done at once: poll whether the eventfd can be read or
 * written, of which one is always so.
 *
 * That takes two or three times as long as a write, so it is for those only who
 * were caught once (vq_call.c).
 *
 * Threads: each has an AIO context of its own, which goes with the process.
 */
#ifndef VUNETD_CALL_AIO_H
#define VUNETD_CALL_AIO_H

#include "iotlb/thread_role.h"

/**
 * call_aio() - Add one to an eventfd, without waiting, whatever state it is in
 * @fd:	eventfd
 *
 * Return: 0 or -errno, where the kernel lacks AIO or we may not use it
 */
int call_aio(int fd) PMD_ONLY;

#endif /* VUNETD_CALL_AIO_H */
