/* SPDX-License-Identifier: BSD-3-Clause */
/* closer.h - Closing what a front-end passed, whatever it is
 *
 * Theory of operation
 * ===================
 * A front-end may pass any descriptor with any message, and all that is no use to
 * us is closed.  But close(2) waits for some: for a socket that lingers, which can
 * be told not to, and for a file whose file system asks a server first.  Any user
 * can be that server (FUSE), and one that does not answer holds whoever closes
 * the file, deaf to signals, for as long as it likes.  Were that the control
 * thread, every guest would lose its translations.
 *
 * So a file that is not known to be harmless is closed by a thread that has
 * nothing else to do, and is counted until that is done.  A guest of which there
 * are CLOSER_STUCK_MAX is not served until they are fewer, which bounds threads
 * and descriptors:
 *
 *   control thread                        thread of its own
 *   --------------                        -----------------
 *   count, start it             ==>       close(), for as long as it takes
 *   closer_stuck(): more than             count it off
 *     CLOSER_STUCK_MAX?         <==
 *
 * A process does not end before its threads do: should such a file be open when
 * the daemon ends, its server has to answer, or to go, first.
 *
 * Threads: control thread only, but for those it starts.
 */
#ifndef VUNETD_CLOSER_H
#define VUNETD_CLOSER_H

#include <stdbool.h>
#include <stdint.h>

#include "iotlb/thread_role.h"

#define CLOSER_STUCK_MAX 16

/**
 * struct closer - Descriptors of one guest's front-ends that are being closed
 * @refs:	The guest, and each thread
 * @stuck:	Threads; written by them and the control thread
 * @total:	Counter of them, of the guest; control thread only
 */
struct closer {
	uint32_t refs;
	uint32_t stuck;
	uint64_t *total;
};

/**
 * closer_new() - Begin to keep count
 * @total:	Counter of files that a thread was started for
 * Return: Owned by the caller; NULL when there is no memory
 */
struct closer *closer_new(uint64_t *total) CTL_ONLY;

/**
 * closer_free() - Keep count no more; threads that wait go on
 * @c:	From closer_new(), or NULL
 */
void closer_free(struct closer *c) CTL_ONLY;

/**
 * closer_close() - Close descriptors without waiting, and mark them closed
 * @c:		Count, or NULL: each is known not to wait
 * @fds:	Descriptors, those below 0 are skipped
 * @n:		How many
 */
void closer_close(struct closer *c, int *fds, unsigned int n) CTL_ONLY;

/**
 * closer_stuck() - Whether too many are being closed
 * @c:	Count
 */
bool closer_stuck(const struct closer *c) CTL_ONLY;

#endif /* VUNETD_CLOSER_H */
