/* SPDX-License-Identifier: BSD-3-Clause */
/* journal.c - The file in which a guest's packed rings are noted */
#include "daemon/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/library.h"
#include "datapath/vq_journal.h"

/* "vunetd", and what the rest looks like: another layout is another number */
#define JOURNAL_MAGIC UINT64_C(0x31006474656e7576)
#define JOURNAL_HEAD  4096u

/**
 * struct journal - A guest's file
 * @path:	Its path, owned
 * @fd:		Its descriptor, which holds the lock
 * @n_rings:	Rings there is room for
 * @size:	Bytes of all that
 * @map:	JOURNAL_HEAD bytes with JOURNAL_MAGIC, then the rings; NULL until needed
 */
struct journal {
	char *path;
	int fd;
	unsigned int n_rings;
	size_t size;
	uint8_t *map;
};

/**
 * file_open() - Open and lock the file
 * @j:	With its path
 * Return: 0 or -errno
 */
static int file_open(struct journal *j)
{
	int fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int err;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
		close(fd);
		return err;
	}
	j->fd = fd;
	return 0;
}

/**
 * file_map() - Give the file its size and map it
 * @j:	Open
 * Return: 0 or -errno
 *
 * Its pages are there from now on: one that could not be had later would be a
 * SIGBUS.  What another version has written counts for nothing.
 */
static int file_map(struct journal *j)
{
	uint64_t magic = JOURNAL_MAGIC, found = 0;
	void *map;
	int err;

	if (pread(j->fd, &found, sizeof(found), 0) != (ssize_t)sizeof(found) || found != magic)
		if (ftruncate(j->fd, 0))
			return -errno;
	err = posix_fallocate(j->fd, 0, (off_t)j->size);
	if (err)
		return -err;
	map = mmap(NULL, j->size, PROT_READ | PROT_WRITE, MAP_SHARED, j->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	j->map = map;
	memcpy(j->map, &magic, sizeof(magic));
	return 0;
}

/**
 * ring_at() - A ring's part of a mapped file
 * @j:		Mapped
 * @index:	Of the ring
 */
static struct vq_journal *ring_at(const struct journal *j, unsigned int index)
{
	uint8_t *at = j->map + JOURNAL_HEAD + index * sizeof(struct vq_journal);

	return (struct vq_journal *)(void *)at;
}

/**
 * holds_something() - Whether there is a ring in it
 * @j:	Open
 */
static bool holds_something(const struct journal *j)
{
	struct stat st;

	/* Of a daemon before us, whose guest has not come back */
	if (!j->map)
		return !fstat(j->fd, &st) && st.st_size > 0;
	for (unsigned int i = 0; i < j->n_rings; i++)
		if (ring_at(j, i)->size)
			return true;
	return false;
}

int journal_open(const char *name, unsigned int n_rings, struct journal **ret_journal)
{
	struct journal *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return -ENOMEM;
	j->n_rings = n_rings;
	j->size = JOURNAL_HEAD + n_rings * sizeof(struct vq_journal);
	if (asprintf(&j->path, "%s/%s.rings", library_base(), name) < 0) {
		free(j);
		return -ENOMEM;
	}
	err = file_open(j);
	if (err) {
		free(j->path);
		free(j);
		return err;
	}
	*ret_journal = j;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (!holds_something(journal))
		(void)unlink(journal->path);
	if (journal->map)
		munmap(journal->map, journal->size);
	close(journal->fd);
	free(journal->path);
	free(journal);
}

struct vq_journal *journal_ring(struct journal *journal, unsigned int index)
{
	if (!journal || (!journal->map && file_map(journal)))
		return NULL;
	return ring_at(journal, index);
}
