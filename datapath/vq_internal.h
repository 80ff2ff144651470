/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_internal.h - What the files of a virtqueue share: its layout
 *
 * Ownership
 * ---------
 * Each cache line of struct vq has one writer:
 *
 *   setup     control thread, in vq_start() while nothing polls the ring;
 *             call_fd also later, atomically
 *   run       the polling thread
 *   area      control thread fills in iova, size and perm in vq_start(), and what
 *             is behind them; the polling thread moves the windows
 *   counters  the polling thread; read relaxed by the control thread
 *   hints     the polling thread, and stages, if there are any
 *   segs      the polling thread, scratch within one call, like backs and marks
 *
 * A struct vq_burst lives on the polling thread's stack for one call.  Host
 * pointers live there, no longer than that call, whose caller reports quiescence
 * afterwards, or in the windows, which each call checks first (iotlb.h,
 * invariant I1).
 */
#ifndef VUNETD_VQ_INTERNAL_H
#define VUNETD_VQ_INTERNAL_H

#include <assert.h>
#include <stddef.h>

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_branch_prediction.h>

#include "datapath/vq.h"
#include "datapath/vq_stages.h"
#include "iotlb/iotlb.h"

/* Rings are read as little endian, which virtio 1.x prescribes, without swaps */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian hosts only");

/* Descriptors in one chain.  Linux uses 19, QEMU takes no more than this; a
 * longer one is a loop or an attempt to keep the thread busy.
 */
#define VQ_CHAIN_MAX 1024
/* Descriptors the slow path follows in one call, to be fair to other rings */
#define VQ_WALK_BUDGET 4096
/* How far beyond a miss descriptors are looked at, and how much is asked */
#define VQ_AHEAD_HEADS 64
#define VQ_AHEAD_POSTS 256
/* A ring that misses is tried again after this, whatever happens elsewhere */
#define VQ_MISS_RETRY_US 1000

/* Offsets and sizes of the areas' members (virtio 1.2, 2.7.6 and 2.7.8) */
#define VQ_AVAIL_FLAGS 0u
#define VQ_AVAIL_IDX   2u
#define VQ_AVAIL_RING  4u
#define VQ_USED_FLAGS  0u
#define VQ_USED_IDX    2u
#define VQ_USED_RING   4u
/* Behind the rings, with VIRTIO_RING_F_EVENT_IDX (virtio 1.2, 2.7) */
#define VQ_USED_EVENT(size)  (VQ_AVAIL_RING + 2u * (size)) /* in the available ring's area */
#define VQ_AVAIL_EVENT(size) (VQ_USED_RING + 8u * (size))  /* in the used ring's */

static_assert(sizeof(struct vring_desc) == 16, "virtio 1.2, 2.7.5");
static_assert(sizeof(struct vring_used_elem) == 8, "virtio 1.2, 2.7.8");
static_assert(sizeof(struct virtio_net_hdr_mrg_rxbuf) == 12, "virtio 1.2, 5.1.6");

/**
 * enum vq_state - What the ring does when it is polled
 * @VQ_STOPPED:	nothing; never started
 * @VQ_RUNNING:	work
 * @VQ_ASLEEP:	nothing until the IOTLB gained a mapping or the retry time came
 * @VQ_BROKEN:	nothing until it is started anew
 */
enum vq_state { VQ_STOPPED, VQ_RUNNING, VQ_ASLEEP, VQ_BROKEN };

/**
 * struct vq_area - Guest memory contiguous in IOVA space, and a window on it
 * @iova:	First address, its range does not wrap
 * @host:	Host address of the window's first byte
 * @size:	Bytes
 * @win_off:	Where in the area the window begins
 * @win_len:	Bytes contiguous in host memory there; 0 while it is closed
 * @perm:	What our accesses need
 */
struct vq_area {
	uint64_t iova;
	uint8_t *host;
	uint32_t size;
	uint32_t win_off;
	uint32_t win_len;
	uint8_t perm;
};

/**
 * struct vq_desc - A descriptor, copied once
 * @addr:	Address
 * @meta:	Length, flags and next, as they lie in memory
 *
 * Two words and no narrower members, so that a copy stays in two registers: put
 * together from four stores and loaded again as a whole it costs the fast path
 * a stall per packet.
 */
struct vq_desc {
	uint64_t addr;
	uint64_t meta;
};

static_assert(sizeof(struct vq_desc) == sizeof(struct vring_desc), "virtio 1.2, 2.7.5");

/**
 * vq_desc_len() - Length of a descriptor's buffer in bytes
 */
static inline uint32_t vq_desc_len(struct vq_desc d)
{
	return (uint32_t)d.meta;
}

/**
 * vq_desc_flags() - VRING_DESC_F_* of a descriptor
 */
static inline uint16_t vq_desc_flags(struct vq_desc d)
{
	return (uint16_t)(d.meta >> 32);
}

/**
 * vq_desc_next() - Index of the next descriptor, untrusted
 */
static inline uint16_t vq_desc_next(struct vq_desc d)
{
	return (uint16_t)(d.meta >> 48);
}

/**
 * struct vq_seg - One buffer of a chain, checked but not yet translated
 * @iova:	Address, @iova + @len - 1 does not wrap
 * @len:	Bytes, at least 1
 */
struct vq_seg {
	uint64_t iova;
	uint32_t len;
};

/**
 * struct vq_back - A packed chain that goes back once its frame is complete
 * @slot:	Where its used element goes
 * @used:	Used element
 */
struct vq_back {
	_Atomic uint64_t *slot;
	uint64_t used;
};

/* Chains a frame may be spread over: each has a segment of VQ_CHAIN_MAX and one */
#define VQ_BACKS (VQ_CHAIN_MAX + 2)

/**
 * struct vq_pos - A place in a packed ring
 * @at:		Slot
 * @moved:	Slots since the call began
 * @wrap:	Wrap counter there
 */
struct vq_pos {
	uint16_t at;
	uint16_t moved;
	bool wrap;
};

/* The same in 16 bits: each half of a packed ring's base (vhost-user, "Vring
 * descriptor indices for packed virtqueues"), and of the journal's word
 */
#define VQ_PACKED_INDEX 0x7fffu
#define VQ_PACKED_WRAP	0x8000u

/**
 * vq_pos_half() - A place in 16 bits
 * @at:		Slot, at most VQ_PACKED_INDEX
 * @wrap:	Wrap counter there
 */
static __rte_always_inline uint16_t vq_pos_half(uint16_t at, bool wrap)
{
	return (uint16_t)(at | (wrap ? VQ_PACKED_WRAP : 0));
}

/**
 * vq_half_pos() - The place that 16 bits stand for
 * @half:	From vq_pos_half(), or from a front-end: whether the ring has such a slot is
 *		yet to be seen
 */
static inline struct vq_pos vq_half_pos(uint16_t half)
{
	return (struct vq_pos){.at = half & VQ_PACKED_INDEX, .wrap = half & VQ_PACKED_WRAP};
}

typedef uint16_t (*vq_pull_fn)(struct vq *vq, struct rte_mempool *pool, struct rte_mbuf **pkts,
			       uint16_t n, uint64_t now);
typedef uint16_t (*vq_push_fn)(struct vq *vq, struct rte_mbuf **pkts, uint16_t n, uint64_t now);

struct vq {
	/* setup */
	const struct iotlb *tlb;
	struct miss_queue *misses;
	vq_pull_fn pull;
	vq_push_fn push;
	uint16_t size;
	uint16_t mask;
	uint8_t hdr_len;
	uint8_t indirect;  /* VIRTIO_RING_F_INDIRECT_DESC was negotiated */
	uint8_t event_idx; /* VIRTIO_RING_F_EVENT_IDX was negotiated */
	uint8_t index;
	uint16_t guest;
	uint8_t packed;	  /* VIRTIO_F_RING_PACKED was negotiated */
	uint8_t in_order; /* VIRTIO_F_IN_ORDER was negotiated */
	uint32_t session;
	_Atomic int call_fd;
	uint32_t offloads;  /* negotiated features that make headers count, all below bit 32 */
	uint32_t retry_tsc; /* VQ_MISS_RETRY_US */
	uint32_t call_tsc;  /* least time between two calls; 0: none */

	/* run */
	_Atomic uint32_t state __rte_cache_aligned; /* enum vq_state; read by control too */
	uint16_t next;	       /* available and used index: we return in order; packed: slot */
	uint16_t seq;	       /* packed: slots left behind, free-running */
	uint16_t avail_seen;   /* the guest's available index when last read */
	uint16_t ahead;	       /* available index, packed: seq, the look-ahead got to */
	bool wrap;	       /* packed: wrap counter at next */
	bool quiet : 1;	       /* the guest was told whether to kick, commonly not to */
	bool listens : 1;      /* it was told to */
	bool judged : 1;       /* a used_event was compared since the start */
	bool asked_areas : 1;  /* the ring's own pages were asked for */
	bool uncertain : 1;    /* the base has yet to be found out */
	bool kept : 1;	       /* the journal may be of this ring's past */
	bool elsewhere : 1;    /* though the ring was at another address then */
	bool moved : 1;	       /* found elsewhere than the front-end said */
	uint16_t call_waits;   /* positions since the burst whose call waits; 0: none does */
	uint64_t sleep_fills;  /* iotlb_fills() before the burst that missed */
	uint64_t sleep_until;  /* TSC */
	uint64_t ahead_until;  /* TSC; from then on misses are posted anew */
	struct vq_seg *segs;   /* 2 * VQ_CHAIN_MAX, scratch */
	struct vq_back *backs; /* VQ_BACKS, scratch */
	uint64_t call_at;      /* TSC; before then no call is made; 0: none was made yet */

	/* area */
	struct vq_area desc __rte_cache_aligned;
	struct vq_area avail;
	struct vq_area used;
	const struct dirty_log *log; /* where to mark what is written, or NULL */
	struct vq_marks *marks;	     /* pages to be marked, scratch */
	atomic_bool *call_blocks;    /* the guest's; any of its threads writes there */
	uint8_t mergeable;	     /* VIRTIO_NET_F_MRG_RXBUF was negotiated */
	struct vq_journal *journal;  /* setup, too; NULL unless packed */

	struct vq_counters counters __rte_cache_aligned;
	struct iotlb_hints hints __rte_cache_aligned;
	struct vq_stages stages;
} __rte_cache_aligned;

static_assert(offsetof(struct vq, state) == RTE_CACHE_LINE_SIZE, "setup fills one line");
static_assert(offsetof(struct vq, desc) == 2 * RTE_CACHE_LINE_SIZE, "run fills one line");
static_assert(sizeof(struct vq_area) == 32, "two to a line");

/**
 * struct vq_burst - State of one call
 * @used_idx:	Host address of the used index
 * @batch:	Split, in order: where the one used element of all chains goes, or
 *		NULL when each has its own
 * @fills:	iotlb_fills() before anything was translated
 * @hits:	Translations that succeeded
 * @bytes:	Payload carried
 * @packets:	Frames carried
 * @left:	Heads that were available when the call began
 * @done:	Heads of those that are dealt with, from the front
 * @reach:	Chains that were collected for the frame it ended at; packed: slots
 * @budget:	Descriptors the slow path may still follow
 * @miss_iova:	Where the last access to an area did not translate
 * @miss_perm:	and what it needed
 * @missed:	Something did not translate: the call ends here
 * @missed_area: that was in an area
 * @pos:	Packed: behind the chains that are dealt with
 * @first:	Packed: where the first used element goes, which publishes all
 * @first_used:	and what it is
 * @kept:	Packed: words in the journal that count
 *
 * In a packed ring @left is not known before the end of the ring is seen.
 */
struct vq_burst {
	_Atomic uint16_t *used_idx;
	uint8_t *batch;
	uint64_t fills;
	uint64_t miss_iova;
	uint64_t hits;
	uint64_t bytes;
	uint32_t packets;
	int32_t budget;
	uint16_t left;
	uint16_t done;
	uint16_t reach;
	uint8_t miss_perm;
	bool missed;
	bool missed_area;
	struct vq_pos pos;
	_Atomic uint64_t *first;
	uint64_t first_used;
	uint32_t kept;
};

/**
 * vq_writes() - Whether this ring's buffers are written to
 * @vq:	Virtqueue
 */
static inline bool vq_writes(const struct vq *vq)
{
	return !(vq->index & 1);
}

/**
 * enum vq_verdict - What became of a chain
 * @VQ_OK:	good
 * @VQ_MISS:	cannot tell yet: a descriptor did not translate
 *
 * The others name a counter of bad chains, see vq_chain_count().
 */
enum vq_verdict {
	VQ_OK,
	VQ_MISS,
	VQ_ERR_INDEX,
	VQ_ERR_CHAIN,
	VQ_ERR_INDIRECT,
	VQ_ERR_DIRECTION,
	VQ_ERR_LENGTH,
};

/**
 * enum vq_step - What became of one frame in the slow path
 * @VQ_STEP_DONE:	carried
 * @VQ_STEP_SKIP:	not carried, but dealt with: go on behind it
 * @VQ_STEP_STOP:	cannot be dealt with now; the call ends here
 */
enum vq_step { VQ_STEP_DONE, VQ_STEP_SKIP, VQ_STEP_STOP };

/**
 * struct vq_chain - A chain's buffers
 * @total:	Bytes in all of them
 * @n_segs:	How many there are
 */
struct vq_chain {
	uint64_t total;
	uint32_t n_segs;
};

/**
 * vq_chain_add() - Check a buffer and add it to a chain
 * @d:		Descriptor
 * @write:	VRING_DESC_F_WRITE or 0, what is due here
 * @segs:	Segments, with room for one more
 * @chain:	Chain
 *
 * Return: VQ_OK or what is wrong
 */
static inline enum vq_verdict vq_chain_add(struct vq_desc d, uint16_t write, struct vq_seg *segs,
					   struct vq_chain *chain)
{
	uint32_t len = vq_desc_len(d);

	if ((vq_desc_flags(d) & VRING_DESC_F_WRITE) != write)
		return VQ_ERR_DIRECTION;
	if (!len)
		return VQ_OK;
	if (d.addr + len - 1 < d.addr)
		return VQ_ERR_LENGTH;
	segs[chain->n_segs++] = (struct vq_seg){.iova = d.addr, .len = len};
	chain->total += len;
	return VQ_OK;
}

/**
 * vq_chain_walk() - Follow a chain to its end, checking every descriptor
 * @vq:		Virtqueue
 * @b:		Call; its budget pays for the descriptors
 * @first:	The chain's first descriptor, copied from the ring already
 * @write:	VRING_DESC_F_WRITE where buffers must be writable, 0 where readable
 * @segs:	Filled in, room for VQ_CHAIN_MAX
 * @ret_chain:	Filled in
 *
 * Context: poll-mode thread.
 * Return: VQ_OK; VQ_MISS; what is wrong with the chain
 */
enum vq_verdict vq_chain_walk(struct vq *vq, struct vq_burst *b, struct vq_desc first,
			      uint16_t write, struct vq_seg *segs, struct vq_chain *ret_chain)
	PMD_ONLY;

/**
 * vq_chain_count() - Count a bad chain under its reason
 * @vq:		Virtqueue
 * @verdict:	What is wrong
 */
void vq_chain_count(struct vq *vq, enum vq_verdict verdict) PMD_ONLY;

/* Length of the virtio-net header but for legacy guests (virtio 1.2, 5.1.6.1) */
#define VQ_HDR_USUAL sizeof(struct virtio_net_hdr_mrg_rxbuf)

/**
 * vq_pull_variant() - The pull function for the negotiated features
 * @vq:	Virtqueue, with its header's length, layout, offloads and log known
 */
vq_pull_fn vq_pull_variant(const struct vq *vq);

/**
 * vq_push_variant() - The push function for the negotiated features
 * @vq:	Virtqueue, with its header's length, layout, offloads and log known
 */
vq_push_fn vq_push_variant(const struct vq *vq);

/**
 * vq_journal_begin() - Note in the journal where the ring is, and which it is
 * @vq:	Virtqueue with a journal
 */
void vq_journal_begin(struct vq *vq);

/**
 * vq_sleep() - Post what misses, and leave the ring alone for a while
 * @vq:		Virtqueue
 * @b:		Call that ended in a miss, its heads up to @b->done published
 * @now:	rte_rdtsc() of this round
 */
void vq_sleep(struct vq *vq, struct vq_burst *b, uint64_t now) PMD_ONLY;

/**
 * vq_break() - Stop a ring whose guest broke the rules beyond repair
 * @vq:	Virtqueue
 */
void vq_break(struct vq *vq) PMD_ONLY;

#endif /* VUNETD_VQ_INTERNAL_H */
