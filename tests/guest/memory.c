/* SPDX-License-Identifier: BSD-3-Clause */
/* memory.c - Guest memory: shared files, and pages scattered over them */
#include "tests/guest/memory.h"

#include <errno.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/guest/random.h"

/* Where the regions lie for the guest: all aligned for 1 GiB pages, with holes */
#define GPA_RINGS   UINT64_C(0)
#define GPA_BUFFERS (UINT64_C(64) << 30)
#define GPA_HOLE    (UINT64_C(1) << 30)
#define GPA_ALIAS   (UINT64_C(32) << 30)
#define GPA_SPARE   (UINT64_C(4096) << 30)
#define SPARE_BYTES (UINT64_C(4) << 20)

/**
 * round_up() - Round up to a multiple of a power of two
 */
static uint64_t round_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

uint64_t arena_take(struct arena *a, uint64_t size, uint64_t align, bool straddle)
{
	uint64_t off = round_up(a->top, align);

	if (straddle && a->shift) {
		uint64_t chunk = UINT64_C(1) << a->shift;
		uint64_t half = (size / 2) & ~(align - 1);
		uint64_t boundary = round_up(off + half, chunk);

		if (half && boundary >= off + half)
			off = boundary - half;
	}
	a->top = off + size;
	return off;
}

/**
 * shuffle() - A random order in which no number is followed by its successor
 * @order:	Filled with 0 to @n - 1
 * @n:		How many
 * @rng:	State of the generator
 *
 * About every third random order will do, so trying again is quick.
 */
static void shuffle(uint32_t *order, uint32_t n, uint64_t *rng)
{
	uint32_t i, j, t, bad;

	for (i = 0; i < n; i++)
		order[i] = i;
	if (n < 2)
		return;
	do {
		for (i = n - 1; i > 0; i--) {
			j = (uint32_t)(random_next(rng) % (i + 1));
			t = order[i];
			order[i] = order[j];
			order[j] = t;
		}
		for (bad = 0, i = 1; i < n; i++)
			bad += order[i] == order[i - 1] + 1;
	} while (bad);
}

/**
 * shared_file() - Make a sparse shared file
 */
static int shared_file(uint64_t size, unsigned int pages)
{
	unsigned int flags = MFD_CLOEXEC;
	int fd, err;

	if (pages > 12)
		flags |= MFD_HUGETLB | (pages << MFD_HUGE_SHIFT);
	fd = memfd_create("vunet-guest", flags);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/**
 * region_add() - Map a part of a file and enter it in the memory table
 */
static int region_add(struct memory *m, int fd, uint64_t gpa, uint64_t offset, uint64_t size)
{
	void *va = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

	if (va == MAP_FAILED)
		return -errno;
	m->regions[m->n_regions++] =
		(struct region){.gpa = gpa, .size = size, .offset = offset, .va = va, .fd = fd};
	return 0;
}

/**
 * arena_place() - Find each chunk in the regions that back the arena
 * @a:		Arena
 * @r:		Its regions, in file order
 * @order:	Place of each chunk in the file
 */
static int arena_place(struct arena *a, const struct region *r, const uint32_t *order)
{
	unsigned int i;

	a->chunk = calloc(a->n_chunks, sizeof(*a->chunk));
	a->gpa = calloc(a->n_chunks, sizeof(*a->gpa));
	if (!a->chunk || !a->gpa)
		return -ENOMEM;
	for (i = 0; i < a->n_chunks; i++) {
		uint64_t off = (uint64_t)order[i] << a->shift;
		const struct region *at = off < r[0].size ? &r[0] : &r[1];

		a->chunk[i] = at->va + (off - at->offset);
		a->gpa[i] = at->gpa + (off - at->offset);
	}
	return 0;
}

/**
 * arena_linearise() - Map the chunks a second time, side by side
 */
static int arena_linearise(struct arena *a, int fd, const uint32_t *order)
{
	uint64_t size = a->bytes, chunk = size / a->n_chunks;
	unsigned int i;
	void *at;

	at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	a->linear = at;
	for (i = 0; i < a->n_chunks; i++) {
		at = mmap(a->linear + i * chunk, chunk, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED, fd, (off_t)((uint64_t)order[i] << a->shift));
		if (at == MAP_FAILED)
			return -errno;
	}
	return 0;
}

/**
 * arena_measure() - Count the chunks, and the bytes of file they take
 */
static void arena_measure(struct arena *a, unsigned int pages)
{
	a->bytes = round_up(a->top, UINT64_C(1) << pages);
	if (!a->shift) {
		a->n_chunks = 1;
		for (a->shift = pages; a->bytes >> a->shift > 1;)
			a->shift++;
		/* The top bit alone is the size of a power of two */
		a->shift += a->bytes > UINT64_C(1) << a->shift;
		return;
	}
	a->n_chunks = (unsigned int)(round_up(a->top, UINT64_C(1) << a->shift) >> a->shift);
	a->bytes = round_up((uint64_t)a->n_chunks << a->shift, UINT64_C(1) << pages);
}

/**
 * chunk_order() - Decide where in the file each chunk goes
 */
static uint32_t *chunk_order(const struct arena *a, bool scatter, uint64_t *rng)
{
	uint32_t *order, i;

	order = calloc(a->n_chunks, sizeof(*order));
	if (!order)
		return NULL;
	for (i = 0; i < a->n_chunks; i++)
		order[i] = i;
	if (scatter)
		shuffle(order, a->n_chunks, rng);
	return order;
}

/**
 * rings_back() - Memory for the rings: always small pages
 */
static int rings_back(struct memory *m, bool scatter, uint64_t *rng)
{
	uint32_t *order;
	int fd, err = -ENOMEM;

	arena_measure(&m->rings, 12);
	order = chunk_order(&m->rings, scatter, rng);
	if (!order)
		return err;
	fd = shared_file(m->rings.bytes, 12);
	err = fd < 0 ? fd : region_add(m, fd, GPA_RINGS, 0, m->rings.bytes);
	if (!err)
		err = arena_place(&m->rings, m->regions, order);
	if (!err)
		err = arena_linearise(&m->rings, fd, order);
	free(order);
	return err;
}

/**
 * buffers_back() - Memory for the buffers, in two regions if it is scattered
 */
static int buffers_back(struct memory *m, unsigned int pages, uint64_t *rng)
{
	unsigned int unit;
	uint64_t size, first;
	uint32_t *order;
	int fd, err = -ENOMEM;

	arena_measure(&m->buffers, pages);
	order = chunk_order(&m->buffers, true, rng);
	if (!order)
		return err;
	size = m->buffers.bytes;
	unit = pages > m->buffers.shift ? pages : m->buffers.shift;
	/* A chunk, and a page of the file, lies in one region */
	first = (size / 2) >> unit << unit;
	if (!first || m->buffers.n_chunks == 1)
		first = size;
	fd = shared_file(size, pages);
	err = fd < 0 ? fd : region_add(m, fd, GPA_BUFFERS, 0, first);
	if (!err && first < size)
		err = region_add(m, fd, GPA_BUFFERS + round_up(first, GPA_HOLE) + GPA_HOLE, first,
				 size - first);
	if (!err)
		err = arena_place(&m->buffers, &m->regions[1], order);
	free(order);
	if (err)
		fprintf(stderr, "vunet-guest: cannot get %llu MiB in pages of %u KiB: %s\n",
			(unsigned long long)(size >> 20), 1u << (pages - 10), strerror(-err));
	return err;
}

int memory_back(struct memory *m, unsigned int pages, bool scatter_rings, uint32_t seed)
{
	uint64_t rng = random_seed(seed);
	int err = rings_back(m, scatter_rings, &rng);

	if (err)
		fprintf(stderr, "vunet-guest: no memory for rings: %s\n", strerror(-err));
	return err ? err : buffers_back(m, pages, &rng);
}

int memory_alias(struct memory *m)
{
	const struct region *rings = &m->regions[0];

	m->alias = m->n_regions;
	return region_add(m, rings->fd, GPA_ALIAS, 0, rings->size);
}

int memory_spare(struct memory *m)
{
	int fd = shared_file(SPARE_BYTES, 12), err;

	if (fd < 0)
		return fd;
	err = region_add(m, fd, GPA_SPARE, 0, SPARE_BYTES);
	if (err) {
		close(fd);
		return err;
	}
	m->spare = m->regions[--m->n_regions];
	return 0;
}

/**
 * first_of() - The first region of a file
 */
static unsigned int first_of(const struct memory *m, unsigned int i)
{
	unsigned int first = 0;

	while (m->regions[first].fd != m->regions[i].fd)
		first++;
	return first;
}

int memory_twin(struct memory *m, uint8_t **copies)
{
	unsigned int i, first;

	for (i = 0; i < m->n_regions; i++) {
		const struct region *r = &m->regions[i];
		struct stat st;
		void *at = MAP_FAILED;

		first = first_of(m, i);
		if (first < i)
			m->twins[i] = m->twins[first];
		else
			m->twins[i] =
				fstat(r->fd, &st) ? -errno : shared_file((uint64_t)st.st_size, 12);
		if (m->twins[i] >= 0)
			at = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->twins[i],
				  (off_t)r->offset);
		if (at == MAP_FAILED) {
			fprintf(stderr, "vunet-guest: no memory for a copy\n");
			return -ENOMEM;
		}
		copies[i] = at;
	}
	return 0;
}

/**
 * remap() - Map a piece of a file at an address that is mapped already
 */
static int remap(void *va, uint64_t size, int fd, uint64_t offset)
{
	void *at =
		mmap(va, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)offset);

	return at == MAP_FAILED ? -errno : 0;
}

/**
 * linear_become() - The same for the linear view of the rings
 */
static int linear_become(const struct memory *m)
{
	const struct arena *a = &m->rings;
	uint64_t chunk = a->bytes / a->n_chunks;
	const struct region *r = &m->regions[0];
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < a->n_chunks; i++)
		err = remap(a->linear + i * chunk, chunk, r->fd,
			    r->offset + (uint64_t)(a->chunk[i] - r->va));
	return err;
}

int memory_become(struct memory *m, uint8_t **copies)
{
	unsigned int i;
	int err = 0;

	for (i = m->n_regions; i--;)
		if (first_of(m, i) == i)
			close(m->regions[i].fd);
	for (i = 0; i < m->n_regions; i++) {
		struct region *r = &m->regions[i];

		munmap(copies[i], r->size);
		copies[i] = NULL;
		r->fd = m->twins[i];
		err = err ? err : remap(r->va, r->size, r->fd, r->offset);
	}
	if (!err)
		err = linear_become(m);
	if (err)
		fprintf(stderr, "vunet-guest: cannot map the copy: %s\n", strerror(-err));
	return err;
}

/**
 * arena_free() - Forget the chunks
 */
static void arena_free(struct arena *a)
{
	if (a->linear)
		munmap(a->linear, a->bytes);
	free(a->chunk);
	free(a->gpa);
}

void memory_free(struct memory *m)
{
	unsigned int i;

	arena_free(&m->rings);
	arena_free(&m->buffers);
	for (i = 0; i < m->n_regions; i++) {
		munmap(m->regions[i].va, m->regions[i].size);
		if (i == 0 || (i != m->alias && m->regions[i].fd != m->regions[i - 1].fd))
			close(m->regions[i].fd);
	}
	if (m->spare.size) {
		munmap(m->spare.va, m->spare.size);
		close(m->spare.fd);
	}
	memset(m, 0, sizeof(*m));
}

void arena_write(const struct arena *a, uint64_t off, const void *src, uint64_t len)
{
	const uint8_t *from = src;
	uint64_t piece;

	while (len) {
		uint8_t *to = arena_ptr(a, off, &piece);

		if (piece > len)
			piece = len;
		memcpy(to, from, piece);
		from += piece;
		off += piece;
		len -= piece;
	}
}

void arena_read(const struct arena *a, uint64_t off, void *dst, uint64_t len)
{
	uint8_t *to = dst;
	uint64_t piece;

	while (len) {
		const uint8_t *from = arena_ptr(a, off, &piece);

		if (piece > len)
			piece = len;
		memcpy(to, from, piece);
		to += piece;
		off += piece;
		len -= piece;
	}
}
