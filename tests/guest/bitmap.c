/* SPDX-License-Identifier: BSD-3-Clause */
/* bitmap.c - A log of dirty pages, shared with backends */
#include "tests/guest/bitmap.h"

#include <errno.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void bitmap_init(struct bitmap *b, const struct memory *m)
{
	uint64_t top = 0;
	unsigned int i;

	for (i = 0; i < m->n_regions; i++)
		if (m->regions[i].gpa + m->regions[i].size > top)
			top = m->regions[i].gpa + m->regions[i].size;
	/* As QEMU has it: in words of 64 bits */
	*b = (struct bitmap){.fd = -1, .size = (top / LOG_PAGE + 63) / 64 * sizeof(*b->words)};
}

int bitmap_open(struct bitmap *b)
{
	void *at = MAP_FAILED;

	bitmap_close(b);
	b->fd = memfd_create("vunet-guest-log", MFD_CLOEXEC);
	if (b->fd >= 0 && ftruncate(b->fd, (off_t)b->size) == 0)
		at = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
	if (at == MAP_FAILED) {
		int err = -errno;

		fprintf(stderr, "vunet-guest: no log: %s\n", strerror(-err));
		return err;
	}
	b->words = at;
	return 0;
}

void bitmap_close(struct bitmap *b)
{
	if (!b->size)
		return;
	if (b->words)
		munmap(b->words, b->size);
	b->words = NULL;
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

/**
 * byte_of() - Byte and bit of a page
 */
static uint8_t *byte_of(const struct bitmap *b, uint64_t gpa, uint8_t *ret_bit)
{
	uint64_t page = gpa / LOG_PAGE;

	*ret_bit = (uint8_t)(1u << page % 8);
	return (uint8_t *)b->words + page / 8;
}

bool bitmap_has(const struct bitmap *b, uint64_t gpa)
{
	uint8_t bit;

	return *byte_of(b, gpa, &bit) & bit;
}

bool bitmap_take(struct bitmap *b, uint64_t gpa)
{
	uint8_t bit, *byte = byte_of(b, gpa, &bit);

	return __atomic_load_n(byte, __ATOMIC_RELAXED) & bit &&
	       __atomic_fetch_and(byte, (uint8_t)~bit, __ATOMIC_SEQ_CST) & bit;
}

void bitmap_clear(struct bitmap *b)
{
	uint64_t i;

	for (i = 0; i < b->size / sizeof(*b->words); i++)
		if (__atomic_load_n(&b->words[i], __ATOMIC_RELAXED))
			(void)__atomic_exchange_n(&b->words[i], 0, __ATOMIC_SEQ_CST);
}

uint64_t bitmap_count(const struct bitmap *b)
{
	uint64_t i, n = 0;

	for (i = 0; i < b->size / sizeof(*b->words); i++)
		n += (uint64_t)__builtin_popcountll(b->words[i]);
	return n;
}
