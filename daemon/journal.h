/* SPDX-License-Identifier: BSD-3-Clause */
/* journal.h - The file in which a guest's packed rings are noted
 *
 * Theory of operation
 * ===================
 * One file per guest, in the runtime directory, which is memory; empty until the
 * guest first has packed rings.  When the daemon ends it stays if there is
 * something in it that a front-end was not told, as it does when we are killed.
 * What is in it is vq_journal.h's business.
 *
 * Whoever has it open has a lock on it, which ends with the process.  Another
 * daemon for a guest of the same name does without, as does one that cannot make
 * the file: then a packed ring is taken over by what can be read from itself.
 *
 * Threads: control thread; the polling threads write to the rings' parts.
 */
#ifndef VUNETD_JOURNAL_H
#define VUNETD_JOURNAL_H

#include "iotlb/thread_role.h"

struct journal;
struct vq_journal;

/**
 * journal_open() - Open a guest's file, made if it is not there
 * @name:	Guest's name
 * @n_rings:	Rings it may have
 * @ret_journal:	Owned by the caller
 *
 * Return: 0; -EBUSY when another process has it; -errno
 */
int journal_open(const char *name, unsigned int n_rings, struct journal **ret_journal) CTL_ONLY;

/**
 * journal_close() - Unmap it, and remove the file if nobody will need it
 * @journal:	Journal or NULL; no poll list names a ring of it
 */
void journal_close(struct journal *journal) CTL_ONLY;

/**
 * journal_ring() - A ring's part
 * @journal:	Journal or NULL
 * @index:	Of the ring, below @n_rings
 *
 * Return: Its part, or NULL without a journal or memory for it
 */
struct vq_journal *journal_ring(struct journal *journal, unsigned int index) CTL_ONLY;

#endif /* VUNETD_JOURNAL_H */
