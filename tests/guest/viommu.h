/* SPDX-License-Identifier: BSD-3-Clause */
/* viommu.h - The guest's vIOMMU: page tables, and answers to IOTLB misses
 *
 * Theory of operation
 * ===================
 * I/O virtual space holds three windows, far apart: rings, receive buffers and
 * transmit buffers; with --readdress a fourth one shows the rings once more.  Each is an array of page entries; an entry is the user
 * address of the page with the access bits in its low end, or 0.
 *
 * Static maps fill the windows once, so that a buffer has one address where it
 * may be written and another where it may be read.  In dynamic mode a window is
 * divided into slots of as many pages as a buffer can touch, and each use of a
 * buffer takes a slot from a queue, as Linux does per packet in strict mode:
 * map, (miss, answer,) use, clear the entry, invalidate, wait for the
 * acknowledgement, give the slot back.
 *
 * A miss on an entry that is not there, or does not allow the access, is
 * counted and left unanswered, as QEMU leaves it.
 */
#ifndef GUEST_VIOMMU_H
#define GUEST_VIOMMU_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/guest/memory.h"
#include "tests/guest/options.h"
#include "tests/guest/vhost_user.h"

enum window_id { WINDOW_RINGS, WINDOW_RX, WINDOW_TX, WINDOW_ALIAS, N_WINDOWS };

/**
 * struct window - A range of I/O virtual addresses
 * @base:	First address
 * @n_pages:	Pages
 * @entry:	Their entries
 * @slots:	Queue of free slots (dynamic mode), as first pages
 * @n_slots:	Length of the queue
 * @head:	Next to take
 * @tail:	Where to put back
 */
struct window {
	uint64_t base;
	uint64_t n_pages;
	uint64_t *entry;
	uint32_t *slots;
	uint32_t n_slots;
	uint32_t head;
	uint32_t tail;
};

/**
 * struct delayed_miss - A miss to be answered later
 */
struct delayed_miss {
	uint64_t due_ns;
	struct vhost_iotlb_msg msg;
};

#define DELAYED_MAX 4096

/**
 * struct viommu - A device's I/O address space
 * @vu:		Its connection
 * @opt:	Options
 * @shift:	Page size, or 0 for no vIOMMU
 * @slot_pages:	Pages a buffer touches at most
 * @windows:	See above
 * @delayed:	Misses that wait for their time (--answer-delay-us)
 * @n_delayed:	Ever put there
 * @n_answered:	Ever taken out
 * @batching:	Between viommu_batch_begin() and viommu_batch_end()
 * @wait_ns:	Spent waiting for acknowledgements of updates, of invalidations
 * @misses:	Misses heard
 * @updates:	Translations sent
 * @invalidations:	Acknowledged
 * @faults:	Misses on what is not mapped (so)
 */
struct viommu {
	struct vu *vu;
	const struct options *opt;
	unsigned int shift;
	unsigned int slot_pages;
	struct window windows[N_WINDOWS];
	struct delayed_miss *delayed;
	uint64_t n_delayed;
	uint64_t n_answered;
	bool batching;
	uint64_t wait_ns[2];
	uint64_t misses;
	uint64_t updates;
	uint64_t invalidations;
	uint64_t faults;
};

/**
 * viommu_init() - Make page tables
 * @iommu:	Zeroed
 * @vu:		Connection to send translations through
 * @opt:	Options
 * @mem:	Memory with its backing
 * @stride:	Bytes a buffer touches at most
 * @n_slots:	Buffers in flight at most in each direction
 *
 * Return: 0 or -ENOMEM
 */
int viommu_init(struct viommu *iommu, struct vu *vu, const struct options *opt,
		const struct memory *mem, uint32_t stride, uint32_t n_slots);

/**
 * viommu_free() - Free what viommu_init() made
 * @iommu:	Or zeroed
 */
void viommu_free(struct viommu *iommu);

/**
 * viommu_push_all() - Send every translation there is
 * @iommu:	vIOMMU
 *
 * Return: 0 or -errno after a complaint
 */
int viommu_push_all(struct viommu *iommu);

/**
 * viommu_push() - Send the translations of a range
 * @iommu:	vIOMMU
 * @iova:	First address
 * @size:	Bytes
 *
 * Return: 0 or -errno after a complaint
 */
int viommu_push(struct viommu *iommu, uint64_t iova, uint64_t size);

/**
 * viommu_map() - Map a piece of an arena into a fresh slot
 * @iommu:	vIOMMU in dynamic mode
 * @id:		WINDOW_RX or WINDOW_TX
 * @a:		Arena
 * @off:	Offset
 * @len:	Bytes
 * @perm:	VHOST_ACCESS_RO, VHOST_ACCESS_WO or both
 * @ret_iova:	Where it is mapped
 *
 * Return: 0 or -errno after a complaint
 */
int viommu_map(struct viommu *iommu, enum window_id id, const struct arena *a, uint64_t off,
	       uint64_t len, uint8_t perm, uint64_t *ret_iova);

/**
 * viommu_unmap() - Unmap a slot, and wait until the backend has let go of it
 * @iommu:	vIOMMU in dynamic mode
 * @id:		Window
 * @iova:	From viommu_map()
 *
 * Return: 0 or -errno after a complaint
 */
int viommu_unmap(struct viommu *iommu, enum window_id id, uint64_t iova);

/**
 * viommu_invalidate() - Tell the backend to let go, and wait until it has
 * @iommu:	vIOMMU
 * @iova:	First address
 * @size:	Bytes, whole pages whose entries are cleared already
 *
 * Return: 0 or -errno after a complaint
 */
int viommu_invalidate(struct viommu *iommu, uint64_t iova, uint64_t size);

/**
 * viommu_batch_begin() - With --batch, let updates and invalidations wait for each other
 * @iommu:	vIOMMU
 */
void viommu_batch_begin(struct viommu *iommu);

/**
 * viommu_batch_end() - Send those since viommu_batch_begin(), wait until all are done
 * @iommu:	vIOMMU
 *
 * Return: 0 or -errno after a complaint
 */
int viommu_batch_end(struct viommu *iommu);

/**
 * viommu_forget() - Forget the misses of a backend that is gone
 * @iommu:	vIOMMU
 */
void viommu_forget(struct viommu *iommu);

/**
 * viommu_poll() - Answer the misses that came in
 * @iommu:	vIOMMU
 *
 * Return: How many messages were dealt with, or -errno after a complaint
 */
int viommu_poll(struct viommu *iommu);

#endif /* GUEST_VIOMMU_H */
