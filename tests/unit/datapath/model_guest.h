/* SPDX-License-Identifier: BSD-3-Clause */
/* model_guest.h - A guest's memory, vIOMMU and virtio-net driver, in this process
 *
 * Theory of operation
 * ===================
 * The guest's memory is cut into granules, 4 KiB pages or odder pieces.  IOVA
 * granule i lives in a random host granule, so that neighbours in IOVA space are
 * never neighbours in host memory unless a test asks for that.  The driver model
 * reaches memory through the same table, byte by byte where need be, and is
 * written from the specification, not from the code under test.
 *
 * The vIOMMU answers misses when mg_answer() is called.  Every granule has the
 * permission the driver mapped it with; a miss for what it did not map, or for
 * more than it allowed, is counted as a fault: a correct device never has one.
 *
 * Threads: tests that poll from other threads use the driver from one only.
 */
#ifndef VUNETD_MODEL_GUEST_H
#define VUNETD_MODEL_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/miss.h"
#include "datapath/vq.h"
#include "iotlb/iotlb.h"

struct rte_rcu_qsbr;

/* Descriptors a model chain may have */
#define MG_SEGS_MAX 1100

/**
 * struct mg_granule - One piece of IOVA space
 * @slot:	Host granule
 * @perm:	What the driver mapped it for
 * @mapped:	The IOTLB was told
 */
struct mg_granule {
	uint32_t slot;
	uint8_t perm;
	bool mapped;
};

/**
 * struct model_guest - Memory and vIOMMU
 * @ram:	Host memory
 * @gran:	Bytes in a granule
 * @n:		Granules
 * @base:	IOVA of the first
 * @brk:	Where the next allocation goes, from @base
 * @map:	Where each lives
 * @tlb:	IOTLB under test
 * @misses:	Miss queue under test
 * @qsbr:	Grace periods
 * @rng:	State of mg_rand()
 * @answered:	Misses that led to a mapping
 * @faults:	Misses the driver had not allowed
 */
struct model_guest {
	uint8_t *ram;
	uint32_t gran;
	uint32_t n;
	uint64_t base;
	uint64_t brk;
	struct mg_granule *map;
	struct iotlb *tlb;
	struct miss_queue *misses;
	struct rte_rcu_qsbr *qsbr;
	uint64_t rng;
	unsigned int answered;
	unsigned int faults;
};

/**
 * struct mg_buf - One buffer of a chain
 */
struct mg_buf {
	uint64_t iova;
	uint32_t len;
};

/**
 * struct mg_shown - A packed chain the device does not have yet
 * @slot:	Of its first descriptor
 * @flags:	that it will have
 */
struct mg_shown {
	uint16_t slot;
	uint16_t flags;
};

/**
 * struct mg_chain - A chain the device may have, or has
 * @id:	Its head; packed: its buffer ID
 * @n:	Packed: slots it takes
 */
struct mg_chain {
	uint16_t id;
	uint16_t n;
};

/**
 * struct mg_ring - The driver's side of a virtqueue
 * @cfg:	What vq_start() gets
 * @vq:		Virtqueue under test, started
 * @avail_idx:	Next available index, not necessarily shown to the device
 * @used_idx:	Next used index to look at
 * @next_desc:	Where free descriptors are taken from, round robin
 * @in_use:	Descriptors each head holds, 0 when it is free
 * @owner:	Head that holds each descriptor, or -1
 * @table:	IOVA of an indirect table for each head
 * @n_free:	Free descriptors
 * @skew:	Of the areas
 * @packed:	The layout; the indexes are slots then, heads are buffer IDs
 * @avail_wrap:	Wrap counter at @avail_idx
 * @used_wrap:	Wrap counter at @used_idx
 * @shown:	Packed: what mg_show() is to give the device
 * @n_shown:	How many
 * @in_order:	IN_ORDER was negotiated: descriptors are taken in order, and a used
 *		element may stand for several chains
 * @chains:	In the order they were made available, a FIFO over free indexes
 * @first:	The oldest
 * @end:	Behind the newest
 * @batch:	Of those, returned by the used element last seen
 * @batch_len:	Length in that element, which is the last one's
 */
struct mg_ring {
	struct model_guest *g;
	struct vq_config cfg;
	struct vq *vq;
	uint16_t avail_idx;
	uint16_t used_idx;
	uint16_t next_desc;
	uint16_t *in_use;
	int32_t *owner;
	uint64_t *table;
	uint32_t n_free;
	size_t skew;
	bool packed;
	bool avail_wrap;
	bool used_wrap;
	struct mg_shown *shown;
	uint16_t n_shown;
	bool in_order;
	struct mg_chain *chains;
	uint32_t first;
	uint32_t end;
	uint32_t batch;
	uint32_t batch_len;
};

/* Descriptors in each head's indirect table */
#define MG_TABLE 40

/**
 * mg_eal_init() - Start EAL for a unit test, once per process
 */
void mg_eal_init(void);

/**
 * mg_new() - Make a guest
 * @n:		Granules
 * @gran:	Bytes in each, a multiple of 8
 * @linear:	Neighbours in IOVA space are neighbours in host memory
 * @qsbr:	Grace periods, or NULL for a variable without readers
 */
struct model_guest *mg_new(uint32_t n, uint32_t gran, bool linear, struct rte_rcu_qsbr *qsbr);

/**
 * mg_free() - Free a guest; its rings are gone
 */
void mg_free(struct model_guest *g);

/**
 * mg_rand() - A random number below @n, the same in each run
 */
uint32_t mg_rand(struct model_guest *g, uint32_t n);

/**
 * mg_alloc() - Take IOVA space and map it in the vIOMMU, not in the IOTLB
 * @size:	Bytes
 * @align:	What the address must be a multiple of
 * @skew:	and what is added to that
 * @perm:	What the device may do there
 */
uint64_t mg_alloc(struct model_guest *g, size_t size, size_t align, size_t skew, uint8_t perm);

/**
 * mg_alloc_page() - Begin a new granule, so that permissions are not shared
 */
void mg_alloc_page(struct model_guest *g);

/**
 * mg_host() - Host address of one byte
 */
uint8_t *mg_host(const struct model_guest *g, uint64_t iova);

/**
 * mg_write() - The driver writes its memory
 */
void mg_write(struct model_guest *g, uint64_t iova, const void *src, size_t n);

/**
 * mg_read() - The driver reads its memory
 */
void mg_read(const struct model_guest *g, uint64_t iova, void *dst, size_t n);

/**
 * mg_map_all() - Tell the IOTLB everything, as a static guest does
 */
void mg_map_all(struct model_guest *g);

/**
 * mg_map_linear() - Tell the IOTLB everything in one range (mg_new() linear)
 */
void mg_map_linear(struct model_guest *g);

/**
 * mg_unmap_random() - Take random granules out of the IOTLB; they may come back
 * @n:	How many
 */
void mg_unmap_random(struct model_guest *g, unsigned int n);

/**
 * mg_unmap_at() - Take the granule of an address out of the IOTLB
 */
void mg_unmap_at(struct model_guest *g, uint64_t iova);

/**
 * mg_map_at() - Tell the IOTLB the granule of an address
 */
void mg_map_at(struct model_guest *g, uint64_t iova);

/**
 * mg_answer() - Answer posted misses
 * @max:	At most so many
 *
 * Return: How many were there
 */
unsigned int mg_answer(struct model_guest *g, unsigned int max);

/**
 * mg_ring_new() - Lay out a ring, make a virtqueue and start it
 * @index:	Virtqueue index: even for receive
 * @size:	Entries
 * @base:	Index to start at
 * @features:	Negotiated
 * @skew:	Added to the areas' places, a multiple of 16
 */
struct mg_ring *mg_ring_new(struct model_guest *g, uint8_t index, uint16_t size, uint16_t base,
			    uint64_t features, size_t skew);

/**
 * mg_ring_start() - Have the virtqueue started anew with other words
 * @r:	Ring; its own note of them stays as it was
 *
 * The others are members of struct vq_config.
 *
 * Return: As vq_start()
 */
int mg_ring_start(struct mg_ring *r, uint64_t desc, uint64_t avail, uint64_t used, uint16_t size,
		  uint32_t base, uint64_t features);

/**
 * mg_ring_clone() - The same driver once more, with a virtqueue that was never started
 */
struct mg_ring *mg_ring_clone(const struct mg_ring *r);

/**
 * mg_ring_free() - Free the virtqueue and the driver's side
 */
void mg_ring_free(struct mg_ring *r);

/**
 * mg_desc() - Write one descriptor into a table
 */
void mg_desc(struct model_guest *g, uint64_t table, uint16_t i, uint64_t addr, uint32_t len,
	     uint16_t flags, uint16_t next);

/**
 * mg_avail() - Write the next available ring element
 */
void mg_avail(struct mg_ring *r, uint16_t head);

/**
 * mg_show() - Store the available index: the device may have what was added
 */
void mg_show(struct mg_ring *r);

/**
 * mg_add() - Build a chain and make it available, not yet shown
 * @bufs:	Buffers
 * @n:		How many
 * @flags:	VRING_DESC_F_WRITE or 0
 * @indirect:	In the head's indirect table
 *
 * Return: The head, or -1 when descriptors are short
 */
int mg_add(struct mg_ring *r, const struct mg_buf *bufs, unsigned int n, uint16_t flags,
	   bool indirect);

/**
 * mg_used() - Take the next used chain
 * @ret_len:	Bytes written, 0 for a chain of the driver's data that went back
 *		without an element of its own
 *
 * Return: The head, whose descriptors are free again; -1 when there is none
 */
int mg_used(struct mg_ring *r, uint32_t *ret_len);

/**
 * mg_used_idx() - Read the split ring's used index
 */
uint16_t mg_used_idx(struct mg_ring *r);

/**
 * mg_note() - Note a chain that is made available, for mg_batch()
 */
void mg_note(struct mg_ring *r, uint16_t id);

/**
 * mg_batch() - See how many chains a used element stands for (IN_ORDER)
 * @id:		In the element
 * @len:	In the element
 *
 * Sets the ring's batch.  One that is not there is the device's fault.
 */
void mg_batch(struct mg_ring *r, uint32_t id, uint32_t len);

/**
 * mg_batch_next() - Take a chain of the batch
 * @ret_len:	As in mg_used()
 */
struct mg_chain mg_batch_next(struct mg_ring *r, uint32_t *ret_len);

/**
 * mg_set_no_interrupt() - Write the available ring's flags
 */
void mg_set_no_interrupt(struct mg_ring *r, bool no);

/**
 * mg_used_flags() - Read the used ring's flags
 */
uint16_t mg_used_flags(struct mg_ring *r);

/**
 * mg_set_used_event() - Say which used element is to interrupt (EVENT_IDX)
 * @idx:	Free-running index
 */
void mg_set_used_event(struct mg_ring *r, uint16_t idx);

/**
 * mg_avail_event() - Read which available element the device wants a kick for
 */
uint16_t mg_avail_event(struct mg_ring *r);

/**
 * mg_pattern() - Byte @off of frame @serial
 */
static inline uint8_t mg_pattern(uint32_t serial, uint32_t off)
{
	uint32_t x = (serial + 1) * 2654435761u + (off >> 2) * 40503u;

	return (uint8_t)((x ^ x >> 15) >> ((off & 3) * 8));
}

#endif /* VUNETD_MODEL_GUEST_H */
