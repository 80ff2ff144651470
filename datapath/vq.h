/* SPDX-License-Identifier: BSD-3-Clause */
/* vq.h - One virtqueue of a virtio-net device, the device's side
 *
 * Theory of operation
 * ===================
 * Split layout: the guest writes the descriptor table and the available ring, we
 * write the used ring (virtio 1.2, 2.7).  Packed: both write one ring (2.8,
 * vq_packed.h).  Every address, those of the three areas included, is an IOVA and goes through the device's IOTLB on each burst: an
 * area may change page, and host mapping, at any byte.
 *
 * vq_pull() takes frames the guest transmits, vq_push() gives it frames in its
 * receive buffers.  Each works a burst in stages, in file order: fetch the
 * descriptors (each copied to a local once, then checked, then used), translate
 * every piece, copy, publish the used entries with one store, notify.
 * Nothing of a frame is consumed before all of it translates.
 *
 * A miss leaves the descriptor where it is.  The ring posts the missing address
 * and those of the available descriptors behind it (look-ahead), and is then
 * left alone until the IOTLB gained a mapping or VQ_MISS_RETRY passed.
 *
 * A guest that breaks the rules is never trusted: a bad chain is returned
 * unused (length 0) and counted by reason; a ring whose index jumps is stopped.
 *
 * Threads
 * -------
 *   vq_start, vq_set_call               control, while no poll list names the
 *                                       ring (vq_set_call: at any time)
 *   vq_pull, vq_push                    the one PMD thread that polls the ring
 *   counters, vq_base                   vq_base only while not polled
 */
#ifndef VUNETD_VQ_H
#define VUNETD_VQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

#include "datapath/counters.h"
#include "iotlb/iotlb.h"

struct dirty_log;
struct rte_mbuf;
struct rte_mempool;
struct miss_queue;
struct vq_journal;

#define VQ_BURST     32	   /* frames a call moves at most */
#define VQ_SIZE_MAX  32768 /* virtio 1.2, 2.7 */
#define VQ_FRAME_MAX 65535 /* longest frame taken from a guest, in bytes */

#define VQ_CALL_INTERVAL_MAX_US 10000

/**
 * struct vq_config - What the front-end said about a ring, all of it untrusted
 * @size:	Entries up to VQ_SIZE_MAX, a power of two unless packed
 * @base:	Next available (and used) index; packed: with its wrap counter as
 *		bit 15, the used half in the upper 16 bits.  That half is ignored:
 *		we return in order and hold nothing back, and some front-ends leave
 *		it 0
 * @desc:	IOVA of the descriptor table or ring, 16-byte aligned
 * @avail:	IOVA of the available ring, 2-byte aligned; packed: of the driver's
 *		events, 4-byte aligned
 * @used:	IOVA of the used ring, or of the device's events, 4-byte aligned
 * @features:	Negotiated virtio feature bits
 * @call_fd:	eventfd to interrupt the guest with, non-blocking, or -1; stays
 *		the caller's
 * @call_interval_us:	Least time between two interrupts, at most
 *		VQ_CALL_INTERVAL_MAX_US; 0: none (vq_call.h)
 * @call_blocks:	Set where a call was found to wait: whoever made one of the
 *		guest's eventfds block is not trusted with any.  Outlives the
 *		virtqueue; may be NULL
 * @guest:	Guest number, for misses
 * @session:	Life of the device, for misses
 * @index:	Virtqueue index; even: towards the guest, odd: from it
 * @log:	Where to mark what is written (dirty_log.h), or NULL; borrowed until a
 *		grace period after the ring was taken from the poll lists
 * @uncertain:	@base is what the front-end says, which may not know how far a
 *		backend before us got (vq_resume.h)
 * @journal:	Where to note the position of a packed ring for one behind us, or
 *		NULL; stays the caller's
 */
struct vq_config {
	uint64_t desc;
	uint64_t avail;
	uint64_t used;
	uint64_t features;
	int call_fd;
	uint32_t call_interval_us;
	atomic_bool *call_blocks;
	uint32_t session;
	uint16_t guest;
	uint32_t base;
	uint16_t size;
	uint8_t index;
	const struct dirty_log *log;
	bool uncertain;
	struct vq_journal *journal;
};

struct vq;

/**
 * vq_new() - Make a virtqueue, stopped
 * @tlb:	The device's IOTLB; borrowed, outlives the virtqueue
 * @misses:	Where misses go; borrowed
 * @ret_vq:	Owned by the caller
 *
 * Return: 0 or -ENOMEM
 */
int vq_new(struct iotlb *tlb, struct miss_queue *misses, struct vq **ret_vq) CTL_ONLY;

/**
 * vq_free() - Free a virtqueue that no poll list names any more
 * @vq:	Virtqueue or NULL
 */
void vq_free(struct vq *vq) CTL_ONLY;

/**
 * vq_start() - Take over a ring at the given base
 * @vq:		Virtqueue, in no poll list
 * @cfg:	Copied
 *
 * Counters go on from where they were.  Where the base is uncertain the ring's first
 * poll finds it out, and the guest is interrupted: who had the ring before may have
 * published and not come to that.
 *
 * Return: 0; -EINVAL for a size, base, alignment or wrapping area the
 *	specification does not allow
 */
int vq_start(struct vq *vq, const struct vq_config *cfg) CTL_ONLY;

/**
 * vq_base() - The next available index, what GET_VRING_BASE answers
 * @vq:	Virtqueue, in no poll list
 */
uint32_t vq_base(const struct vq *vq) CTL_ONLY;

/**
 * vq_told() - The front-end has been told where the ring is: nobody else need know
 * @vq:	Virtqueue, in no poll list
 */
void vq_told(struct vq *vq) CTL_ONLY;

/**
 * vq_uncertain() - Whether the base it was started with is still to be found out
 * @vq:	Virtqueue, in no poll list
 */
bool vq_uncertain(const struct vq *vq) CTL_ONLY;

/**
 * vq_set_call() - Change the eventfd that interrupts the guest
 * @vq:	Virtqueue, running or not
 * @fd:	New descriptor or -1; the old one may be closed after a grace period
 */
void vq_set_call(struct vq *vq, int fd) CTL_ONLY;

/**
 * vq_call_waits() - Whether an interrupt is yet to be made
 * @vq:	Virtqueue, in no poll list: pmd_call() makes it
 */
bool vq_call_waits(const struct vq *vq);

/**
 * vq_call_now() - Make the interrupt that waits, wanted or not
 * @vq:	Virtqueue, polled by nobody
 *
 * Does not look into the guest's memory.
 */
void vq_call_now(struct vq *vq) PMD_ONLY;

/**
 * vq_listen() - Ask the guest to kick when it makes the next chain available
 * @vq:	Virtqueue
 *
 * A full fence must follow before vq_rest() is asked, and before a sleep.
 *
 * Return: false when it cannot be asked now: poll on
 */
bool vq_listen(struct vq *vq) PMD_ONLY;

/**
 * vq_hush() - Have the guest told, at the next poll, not to kick any more
 * @vq:	Virtqueue, listening or not
 */
void vq_hush(struct vq *vq) PMD_ONLY;

/**
 * vq_rest() - How long the ring may be left alone, unless the guest kicks
 * @vq:		Virtqueue
 * @now:	rte_rdtsc()
 * @max:	TSC cycles at most
 *
 * Only a ring that the guest sends through is looked into.
 *
 * Return: TSC cycles; 0 when there is something to do
 */
uint64_t vq_rest(struct vq *vq, uint64_t now, uint64_t max) PMD_ONLY;

/**
 * vq_counters() - The ring's counters, to be read with COUNTER_READ()
 * @vq:	Virtqueue
 */
const struct vq_counters *vq_counters(const struct vq *vq);

/**
 * vq_broken() - Whether the ring was stopped for breaking the rules
 * @vq:	Virtqueue
 */
bool vq_broken(const struct vq *vq);

/**
 * vq_waits_for_translation() - Whether the last burst ended at a miss
 * @vq:	Virtqueue
 */
bool vq_waits_for_translation(const struct vq *vq) PMD_ONLY;

/**
 * vq_offloads() - Negotiated features that make the virtio-net header count
 * @vq:	Virtqueue
 */
uint64_t vq_offloads(const struct vq *vq) PMD_ONLY;

/**
 * vq_pull() - Take frames the guest transmits (virtio 1.2, 5.1.6.2)
 * @vq:		Virtqueue with an odd index
 * @pool:	Where mbufs come from; frames longer than one are chained
 * @pkts:	Filled with up to @n mbufs, owned by the caller
 * @n:		At most VQ_BURST
 * @now:	rte_rdtsc() of this round
 *
 * Return: Frames taken; what is left stays in the ring
 */
uint16_t vq_pull(struct vq *vq, struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n,
		 uint64_t now) PMD_ONLY;

/**
 * vq_push() - Give frames to the guest (virtio 1.2, 5.1.6.3)
 * @vq:		Virtqueue with an even index
 * @pkts:	Frames, in order; stay the caller's
 * @n:		At most VQ_BURST
 * @now:	rte_rdtsc() of this round
 *
 * A frame that can never fit the guest's buffers counts as taken
 * (drop_too_big).
 *
 * Return: Frames done with, from the front; the caller frees those and offers
 *	the others again
 */
uint16_t vq_push(struct vq *vq, struct rte_mbuf **pkts, uint16_t n, uint64_t now) PMD_ONLY;

#endif /* VUNETD_VQ_H */
