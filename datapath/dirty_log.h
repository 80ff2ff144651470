/* SPDX-License-Identifier: BSD-3-Clause */
/* dirty_log.h - The pages of a guest that were written to, for live migration
 *
 * Theory of operation
 * ===================
 * While a guest is migrated its front-end copies its memory, and copies again
 * what was written to meanwhile.  What the guest writes it learns from the
 * hypervisor; what we write, from a bitmap in memory it shares with us: one bit
 * for each DIRTY_PAGE of guest-physical space, in bytes, the lowest bit first
 * (vhost-user, "Migration").
 *
 * We have host addresses where we write, and behind a vIOMMU the guest's
 * descriptors say nothing of guest-physical ones.  So a page is found by its host
 * address, in a copy of the memory table: the same with and without a vIOMMU, and
 * the page that was written to, whatever is mapped to where it was found.
 *
 * When to mark a page
 * -------------------
 * The front-end takes a mark away, then copies the page.  So that it cannot copy
 * the page as it was before a write and leave it unmarked:
 *
 *   polling thread                     front-end
 *   --------------                     ---------
 *   write the page                     exchange the mark with 0 (full barrier)
 *   full fence                         if it was set: copy the page
 *   load the mark
 *   if not set: atomic OR
 *
 * Where the load finds the mark set though it has been taken away by then, the
 * front-end's copy has all that was stored before the fence; otherwise it is set
 * again, and the page copied again.  A mark set before the write would be no use:
 * it may be gone when the bytes arrive.  The load saves the cache line, which
 * several polling threads and the front-end share, where pages are written over
 * and over.
 *
 * All marks of a call of vq_pull() or vq_push() are set before it returns, and so
 * before its thread reports quiescence: after a grace period without the ring
 * in a poll list the log is complete.
 *
 * Thread-safety: immutable but for the bits.  The control thread makes it, and
 * frees it a grace period after no ring has it any more.
 */
#ifndef VUNETD_DIRTY_LOG_H
#define VUNETD_DIRTY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "iotlb/thread_role.h"

/* Prescribed, whatever the host's pages are (vhost-user, "Migration") */
#define DIRTY_PAGE_SHIFT 12

/* As many as the library maps */
#define DIRTY_REGIONS_MAX 8

/**
 * struct dirty_region - Guest memory in one piece
 * @host:	Where it is mapped here
 * @gpa:	Guest-physical address
 * @size:	Bytes, at least 1; neither range wraps
 */
struct dirty_region {
	uintptr_t host;
	uint64_t gpa;
	uint64_t size;
};

/**
 * struct dirty_log - A guest's log
 * @bits:	Shared with the front-end, which clears bits at any time
 * @n_pages:	Pages it has bits for; every page of @regions is among them
 * @n_regions:	How many
 * @regions:	Guest memory
 */
struct dirty_log {
	uint8_t *bits;
	uint64_t n_pages;
	unsigned int n_regions;
	struct dirty_region regions[DIRTY_REGIONS_MAX];
};

/**
 * dirty_log_init() - Make a log of memory
 * @log:	Filled in
 * @bits:	Bitmap; borrowed
 * @n_bytes:	Of it
 * @regions:	Guest memory; copied
 * @n:		How many, at most DIRTY_REGIONS_MAX
 *
 * Return: 0, or -ERANGE when the bitmap is too short for the highest page
 */
int dirty_log_init(struct dirty_log *log, void *bits, uint64_t n_bytes,
		   const struct dirty_region *regions, unsigned int n) CTL_ONLY;

/**
 * dirty_log_find() - The region an address is in
 * @log:	Log
 * @host:	Host address
 *
 * Return: Region, or NULL when there is none
 */
const struct dirty_region *dirty_log_find(const struct dirty_log *log, uintptr_t host);

/**
 * dirty_log_mark() - Mark a page, unless it is marked
 * @log:	Log
 * @page:	Below n_pages
 *
 * A full fence stands between this and what was written.
 *
 * Return: Whether it was not
 */
static inline bool dirty_log_mark(const struct dirty_log *log, uint64_t page)
{
	uint8_t *byte = &log->bits[page / 8];
	uint8_t bit = (uint8_t)(1u << page % 8);

	if (__atomic_load_n(byte, __ATOMIC_RELAXED) & bit)
		return false;
	/* The front-end's exchange sees all that was written before */
	__atomic_fetch_or(byte, bit, __ATOMIC_RELEASE);
	return true;
}

#endif /* VUNETD_DIRTY_LOG_H */
