/* SPDX-License-Identifier: BSD-3-Clause */
/* model_log.h - A front-end that compares a model guest's memory with the log
 *
 * Between ml_begin() and ml_end() only the device writes, so each page that is
 * not what it was must be marked.  The memory is three regions at guest-physical
 * addresses that have nothing to do with where they are in this process.
 */
#ifndef VUNETD_MODEL_LOG_H
#define VUNETD_MODEL_LOG_H

#include "datapath/dirty_log.h"
#include "tests/unit/datapath/model_guest.h"

#define ML_REGIONS 3

/**
 * struct model_log - A log and what memory was like
 * @g:		Guest
 * @log:	What rings are given
 * @bits:	Bitmap, with a byte behind it that nobody may touch
 * @n_bytes:	Of the bitmap
 * @before:	Memory at ml_begin()
 * @size:	Its bytes, whole pages
 * @changed:	Pages that ml_end() found changed so far
 * @marked:	and marked
 */
struct model_log {
	struct model_guest *g;
	struct dirty_log log;
	uint8_t *bits;
	size_t n_bytes;
	uint8_t *before;
	size_t size;
	uint64_t changed;
	uint64_t marked;
};

/**
 * ml_new() - Make a log of a guest's memory
 */
struct model_log *ml_new(struct model_guest *g);

/**
 * ml_free() - Free it; no ring has it any more
 */
void ml_free(struct model_log *l);

/**
 * ml_begin() - From here on only the device writes
 */
void ml_begin(struct model_log *l);

/**
 * ml_end() - Fail if a page has changed that is not marked
 *
 * Return: How many are marked
 */
unsigned int ml_end(struct model_log *l);

/**
 * ml_marked() - Whether the page of an address is marked
 */
bool ml_marked(const struct model_log *l, uint64_t iova);

#endif /* VUNETD_MODEL_LOG_H */
