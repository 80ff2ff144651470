/* SPDX-License-Identifier: BSD-3-Clause */
/* memory.h - Guest memory: shared files, and pages scattered over them
 *
 * Theory of operation
 * ===================
 * The driver thinks in *arenas*, linear spaces it takes rings and buffers from.
 * An arena is cut into *chunks* of the vIOMMU's page size, and chunk i lies at
 * a shuffled place of a shared file, so that no two neighbouring chunks are
 * neighbours in guest-physical (or the backend's) memory.  Without a vIOMMU an
 * arena is one chunk, unless the driver takes care that nothing crosses two.
 *
 *   arena    0      1      2      3
 *            |      |      |      |
 *   file   [ 2 ]  [ 0 ]  [ 3 ]  [ 1 ]     in this order
 *
 * Rings have, besides, a linear view: each chunk mapped a second time at its
 * place, so that the driver can use a ring as an array.  Buffers are reached
 * through the chunk table, because huge pages cannot be mapped in small pieces;
 * a buffer is 64-byte aligned, so its first 64 bytes are always in one piece.
 *
 * Huge memory is free: files are sparse, and only what is touched exists.
 */
#ifndef GUEST_MEMORY_H
#define GUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rings, buffers in two, rings once more; and the spare one */
#define REGIONS_MAX 5

/**
 * struct region - One line of the memory table
 * @gpa:	Guest-physical address
 * @size:	Bytes
 * @offset:	Into the file
 * @va:		Where it is mapped here: the "user address" of vhost-user
 * @fd:		File, shared between regions
 */
struct region {
	uint64_t gpa;
	uint64_t size;
	uint64_t offset;
	uint8_t *va;
	int fd;
};

/**
 * struct arena - A linear space over scattered chunks
 * @shift:	Chunk size; set to 0 before the layout for "one chunk, as large as
 *		needed", and memory_back() then sets it
 * @n_chunks:	How many
 * @bytes:	Size of the file behind it
 * @top:	First byte not taken yet
 * @chunk:	Where each is mapped here
 * @gpa:	Where each is in guest-physical space
 * @linear:	Linear view, or NULL
 */
struct arena {
	unsigned int shift;
	unsigned int n_chunks;
	uint64_t bytes;
	uint64_t top;
	uint8_t **chunk;
	uint64_t *gpa;
	uint8_t *linear;
};

/**
 * struct memory - All of the guest's memory
 * @rings:	Arena of rings and indirect tables
 * @buffers:	Arena of buffers
 * @regions:	Memory table
 * @n_regions:	How many
 * @twins:	Of memory_twin(), by region: files, shared between regions
 * @alias:	Of these, which shows the rings once more, or 0
 * @spare:	Not in the table, but to be added and removed, or of size 0
 */
struct memory {
	struct arena rings;
	struct arena buffers;
	struct region regions[REGIONS_MAX];
	unsigned int n_regions;
	int twins[REGIONS_MAX];
	unsigned int alias;
	struct region spare;
};

/**
 * arena_take() - Lay out the next piece, before arena_back()
 * @a:		Arena
 * @size:	Bytes
 * @align:	Power of two
 * @straddle:	Move it up so that a chunk boundary lies in its middle
 *
 * Return: Offset in the arena
 */
uint64_t arena_take(struct arena *a, uint64_t size, uint64_t align, bool straddle);

/**
 * memory_back() - Put shared memory behind what was laid out
 * @m:		Memory with both arenas laid out
 * @pages:	Page shift of the buffers' file: 12, 21 or 30
 * @scatter_rings:	Whether the rings' chunks are shuffled, too
 * @seed:	Of the shuffle
 *
 * Return: 0 or -errno after a complaint
 */
int memory_back(struct memory *m, unsigned int pages, bool scatter_rings, uint32_t seed);

/**
 * memory_twin() - Make files like those of memory, with nothing in them
 * @m:		Memory in pages of 4 KiB
 * @copies:	By region, where they are mapped
 *
 * Return: 0 or -errno after a complaint
 */
int memory_twin(struct memory *m, uint8_t **copies);

/**
 * memory_become() - Have memory be those files, at the addresses it had
 * @m:		Memory
 * @copies:	From memory_twin(); unmapped
 *
 * Return: 0 or -errno after a complaint
 */
int memory_become(struct memory *m, uint8_t **copies);

/**
 * memory_alias() - Show the rings a second time, elsewhere in guest memory
 * @m:	From memory_back()
 *
 * Return: 0 or -errno
 */
int memory_alias(struct memory *m);

/**
 * memory_spare() - Make a region that can be plugged in
 * @m:	From memory_back()
 *
 * Return: 0 or -errno
 */
int memory_spare(struct memory *m);

/**
 * memory_free() - Unmap and close everything
 * @m:	From memory_back(), or zeroed
 */
void memory_free(struct memory *m);

/**
 * arena_ptr() - Reach a byte of an arena
 * @a:		Arena with memory behind it
 * @off:	Offset
 * @ret_len:	Bytes in one piece from there, or NULL
 */
static inline uint8_t *arena_ptr(const struct arena *a, uint64_t off, uint64_t *ret_len)
{
	uint64_t in = off & ((UINT64_C(1) << a->shift) - 1);

	if (ret_len)
		*ret_len = (UINT64_C(1) << a->shift) - in;
	return a->chunk[off >> a->shift] + in;
}

/**
 * arena_gpa() - Guest-physical address of a byte of an arena
 * @a:		Arena with memory behind it
 * @off:	Offset
 */
static inline uint64_t arena_gpa(const struct arena *a, uint64_t off)
{
	return a->gpa[off >> a->shift] + (off & ((UINT64_C(1) << a->shift) - 1));
}

/**
 * arena_write() - Copy into an arena, piece by piece
 * @a:		Arena with memory behind it
 * @off:	Where to
 * @src:	From
 * @len:	Bytes
 */
void arena_write(const struct arena *a, uint64_t off, const void *src, uint64_t len);

/**
 * arena_read() - Copy out of an arena, piece by piece
 * @a:		Arena with memory behind it
 * @off:	Where from
 * @dst:	To
 * @len:	Bytes
 */
void arena_read(const struct arena *a, uint64_t off, void *dst, uint64_t len);

#endif /* GUEST_MEMORY_H */
