/* SPDX-License-Identifier: BSD-3-Clause */
/* bitmap.h - A log of dirty pages, shared with backends
 *
 * One bit for each page of guest-physical space; backends set it, we take it.
 */
#ifndef GUEST_BITMAP_H
#define GUEST_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/guest/memory.h"

/* Of the log, whatever pages memory is made of (vhost-user, "Migration") */
#define LOG_PAGE UINT64_C(4096)

/**
 * struct bitmap - A log
 * @fd:		File, or -1
 * @words:	Mapped, or NULL
 * @size:	Bytes of it
 */
struct bitmap {
	int fd;
	uint64_t *words;
	uint64_t size;
};

/**
 * bitmap_init() - Find out how large the log of some memory is
 * @b:	Filled in, without a file
 * @m:	Memory
 */
void bitmap_init(struct bitmap *b, const struct memory *m);

/**
 * bitmap_open() - Make an empty log, in place of the one there was
 * @b:	From bitmap_init()
 *
 * Return: 0 or -errno after a complaint
 */
int bitmap_open(struct bitmap *b);

/**
 * bitmap_close() - Let go of it
 * @b:	From bitmap_init(), or zeroed
 */
void bitmap_close(struct bitmap *b);

/**
 * bitmap_has() - Whether a page is marked
 * @b:		With a file
 * @gpa:	Of the page
 */
bool bitmap_has(const struct bitmap *b, uint64_t gpa);

/**
 * bitmap_take() - Take a page's mark away, as QEMU does
 * @b:		With a file
 * @gpa:	Of the page
 *
 * A full fence: what is read of the page behind it, the backend has written before
 * it set a mark that is still to come.
 *
 * Return: Whether it was marked
 */
bool bitmap_take(struct bitmap *b, uint64_t gpa);

/**
 * bitmap_clear() - Take all marks away
 * @b:	With a file
 */
void bitmap_clear(struct bitmap *b);

/**
 * bitmap_count() - Marks in all of the log
 * @b:	With a file
 */
uint64_t bitmap_count(const struct bitmap *b);

#endif /* GUEST_BITMAP_H */
