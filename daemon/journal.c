/* SPDX-License-Identifier: BSD-3-Clause */
/* journal.c - The file in which a guest's packed rings are noted */
#include "daemon/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/library.h"
#include "datapath/vq_journal.h"

/* "vunetd", and what the rest looks like: another layout is another number */
#define JOURNAL_MAGIC UINT64_C(0x31006474656e7576)
#define JOURNAL_HEAD  4096u

/**
 * struct journal - A mapped file
 * @fd:		Its descriptor, which holds the lock
 * @size:	Bytes mapped
 * @map:	JOURNAL_HEAD bytes with JOURNAL_MAGIC, then the rings
 */
struct journal {
	int fd;
	size_t size;
	uint8_t *map;
};

/**
 * file_open() - Open and lock the file
 * @name:	Guest's name
 * @ret_fd:	Descriptor
 * Return: 0 or -errno
 */
static int file_open(const char *name, int *ret_fd)
{
	char *path;
	int fd, err = 0;

	if (asprintf(&path, "%s/%s.rings", library_base(), name) < 0)
		return -ENOMEM;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		err = -errno;
	else if (flock(fd, LOCK_EX | LOCK_NB))
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	free(path);
	if (err && fd >= 0)
		close(fd);
	*ret_fd = fd;
	return err;
}

/**
 * file_map() - Give the file its size and map it
 * @j:	With its descriptor and size
 * Return: 0 or -errno
 *
 * Its pages are there from now on: one that could not be had later would be a
 * SIGBUS.  What another version has written counts for nothing.
 */
static int file_map(struct journal *j)
{
	uint64_t magic = JOURNAL_MAGIC, found = 0;
	int err;

	if (pread(j->fd, &found, sizeof(found), 0) != (ssize_t)sizeof(found) || found != magic)
		if (ftruncate(j->fd, 0))
			return -errno;
	err = posix_fallocate(j->fd, 0, (off_t)j->size);
	if (err)
		return -err;
	j->map = mmap(NULL, j->size, PROT_READ | PROT_WRITE, MAP_SHARED, j->fd, 0);
	if (j->map == MAP_FAILED)
		return -errno;
	*(uint64_t *)(void *)j->map = magic;
	return 0;
}

int journal_open(const char *name, unsigned int n_rings, struct journal **ret_journal)
{
	struct journal *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return -ENOMEM;
	j->size = JOURNAL_HEAD + n_rings * sizeof(struct vq_journal);
	err = file_open(name, &j->fd);
	if (err)
		goto free_j;
	err = file_map(j);
	if (err)
		goto close_fd;
	*ret_journal = j;
	return 0;

close_fd:
	close(j->fd);
free_j:
	free(j);
	return err;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	munmap(journal->map, journal->size);
	close(journal->fd);
	free(journal);
}

struct vq_journal *journal_ring(struct journal *journal, unsigned int index)
{
	uint8_t *at;

	if (!journal)
		return NULL;
	at = journal->map + JOURNAL_HEAD + index * sizeof(struct vq_journal);
	return (struct vq_journal *)(void *)at;
}
