/* SPDX-License-Identifier: BSD-3-Clause */
/* vq.c - A virtqueue's life: made, started at a base, asked for its base, freed
 *
 * All of it on the control thread, while no poll list names the ring; except
 * vq_set_call(), and the two dispatchers at the end.
 */
#include "datapath/vq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>

#include <rte_cycles.h>

#include "datapath/offload.h"
#include "datapath/offload_merge.h"
#include "datapath/vq_call.h"
#include "datapath/vq_journal.h"
#include "datapath/vq_log.h"

int vq_new(struct iotlb *tlb, struct miss_queue *misses, struct vq **ret_vq)
{
	struct vq *vq = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*vq));

	if (!vq)
		return -ENOMEM;
	memset(vq, 0, sizeof(*vq));
	vq->segs = calloc(2 * VQ_CHAIN_MAX, sizeof(*vq->segs));
	vq->backs = calloc(VQ_BACKS, sizeof(*vq->backs));
	vq->marks = calloc(1, sizeof(*vq->marks));
	if (!vq->segs || !vq->backs || !vq->marks) {
		vq_free(vq);
		return -ENOMEM;
	}
	vq->tlb = tlb;
	vq->misses = misses;
	vq->retry_tsc = (uint32_t)(rte_get_tsc_hz() * VQ_MISS_RETRY_US / 1000000);
	vq->pull = vq_pull_variant(vq);
	vq->push = vq_push_variant(vq);
	atomic_init(&vq->call_fd, -1);
	atomic_init(&vq->state, VQ_STOPPED);
	iotlb_hints_init(&vq->hints);
	*ret_vq = vq;
	return 0;
}

void vq_free(struct vq *vq)
{
	if (!vq)
		return;
	free(vq->segs);
	free(vq->backs);
	free(vq->marks);
	free(vq);
}

/**
 * vq_has() - Whether a feature bit was negotiated
 */
static bool vq_has(const struct vq_config *cfg, unsigned int bit)
{
	return cfg->features >> bit & 1;
}

/**
 * vq_area_init() - Check where an area is said to be, and note it
 * @a:		Filled in
 * @iova:	Address
 * @align:	What the address must be a multiple of
 * @size:	Bytes
 * @perm:	What our accesses need
 *
 * Return: false when it is misaligned or wraps
 */
static bool vq_area_init(struct vq_area *a, uint64_t iova, uint64_t align, uint32_t size,
			 uint8_t perm)
{
	if (iova % align || iova + size - 1 < iova)
		return false;
	*a = (struct vq_area){.iova = iova, .size = size, .perm = perm};
	return true;
}

/**
 * vq_start_packed() - Check a packed ring's place, and note it
 * @vq:		Virtqueue; unchanged if anything is wrong
 * @cfg:	What the front-end said
 *
 * Virtio 1.2, 2.8.10.1: any number of descriptors; 4 bytes of events each way.
 */
static int vq_start_packed(struct vq *vq, const struct vq_config *cfg)
{
	struct vq_area desc, driver, device;
	uint32_t size = cfg->size;

	if (!size || size > VQ_SIZE_MAX || (cfg->base & VQ_PACKED_INDEX) >= size)
		return -EINVAL;
	/* Both sides write the one ring */
	if (!vq_area_init(&desc, cfg->desc, 16, size * 16, IOTLB_READ | IOTLB_WRITE) ||
	    !vq_area_init(&driver, cfg->avail, 4, 4, IOTLB_READ) ||
	    !vq_area_init(&device, cfg->used, 4, 4, IOTLB_WRITE))
		return -EINVAL;
	vq->desc = desc;
	vq->avail = driver;
	vq->used = device;
	return 0;
}

/**
 * vq_start_check() - Check the ring's place, and note it
 * @vq:		Virtqueue; unchanged if anything is wrong
 * @cfg:	What the front-end said
 *
 * Sizes and alignments: virtio 1.2, 2.7.
 */
static int vq_start_check(struct vq *vq, const struct vq_config *cfg)
{
	struct vq_area desc, avail, used;
	uint32_t event = vq_has(cfg, VIRTIO_RING_F_EVENT_IDX) ? 2 : 0;
	uint32_t size = cfg->size;

	if (vq_has(cfg, VIRTIO_F_RING_PACKED))
		return vq_start_packed(vq, cfg);
	if (!size || size > VQ_SIZE_MAX || (size & (size - 1)))
		return -EINVAL;
	if (!vq_area_init(&desc, cfg->desc, 16, size * 16, IOTLB_READ) ||
	    !vq_area_init(&avail, cfg->avail, 2, VQ_USED_EVENT(size) + event, IOTLB_READ) ||
	    !vq_area_init(&used, cfg->used, 4, VQ_AVAIL_EVENT(size) + event, IOTLB_WRITE))
		return -EINVAL;
	vq->desc = desc;
	vq->avail = avail;
	vq->used = used;
	return 0;
}

/**
 * offloads_in() - The negotiated features that make headers count in a ring
 * @cfg:	What the front-end said
 */
static uint32_t offloads_in(const struct vq_config *cfg)
{
	uint64_t mask =
		cfg->index & 1 ? OFFLOAD_PULL_FEATURES : OFFLOAD_PUSH_FEATURES | OFFLOAD_MERGE_TSO;

	static_assert(!((OFFLOAD_PULL_FEATURES | OFFLOAD_PUSH_FEATURES | OFFLOAD_MERGE_TSO) >> 32),
		      "they fit vq->offloads");
	return (uint32_t)(cfg->features & mask);
}

void vq_journal_begin(struct vq *vq)
{
	uint16_t at = vq_pos_half(vq->next, vq->wrap);
	struct vq_journal *j = vq->journal;

	/* Nobody's, as long as it is not all there */
	j->size = 0;
	vq_journal_store(j, vq_journal_word(at, at, 0));
	j->desc = vq->desc.iova;
	atomic_signal_fence(memory_order_seq_cst);
	j->size = vq->size;
}

/**
 * start_journal() - Take the journal, and see whether it is of this ring's past
 * @vq:		Virtqueue, started but for this
 * @cfg:	What the front-end said
 */
static void start_journal(struct vq *vq, const struct vq_config *cfg)
{
	struct vq_journal *j = vq->packed ? cfg->journal : NULL;

	vq->journal = j;
	vq->kept = j && cfg->uncertain && j->size == cfg->size;
	vq->elsewhere = j && j->desc != cfg->desc;
	if (j && !vq->kept)
		vq_journal_begin(vq);
}

int vq_start(struct vq *vq, const struct vq_config *cfg)
{
	int err =
		cfg->call_interval_us > VQ_CALL_INTERVAL_MAX_US ? -EINVAL : vq_start_check(vq, cfg);

	if (err)
		return err;
	vq->size = cfg->size;
	vq->mask = (uint16_t)(cfg->size - 1);
	vq->event_idx = vq_has(cfg, VIRTIO_RING_F_EVENT_IDX);
	vq->indirect = vq_has(cfg, VIRTIO_RING_F_INDIRECT_DESC);
	/* Virtio 1.2, 5.1.6.1: the count is always there since version 1 */
	vq->mergeable = vq_has(cfg, VIRTIO_NET_F_MRG_RXBUF);
	vq->hdr_len = vq->mergeable || vq_has(cfg, VIRTIO_F_VERSION_1)
			      ? VQ_HDR_USUAL
			      : sizeof(struct virtio_net_hdr);
	vq->packed = vq_has(cfg, VIRTIO_F_RING_PACKED);
	vq->in_order = vq_has(cfg, VIRTIO_F_IN_ORDER);
	vq->offloads = offloads_in(cfg);
	vq->log = cfg->log;
	vq->pull = vq_pull_variant(vq);
	vq->push = vq_push_variant(vq);
	vq->index = cfg->index;
	vq->guest = cfg->guest;
	vq->session = cfg->session;
	vq->next = (uint16_t)(vq->packed ? cfg->base & VQ_PACKED_INDEX : cfg->base);
	vq->wrap = cfg->base & VQ_PACKED_WRAP;
	vq->seq = 0;
	vq->avail_seen = vq->next;
	vq->ahead = vq->packed ? vq->seq : vq->next;
	vq->ahead_until = 0;
	vq->quiet = false;
	vq->listens = false;
	vq->judged = false;
	vq->asked_areas = false;
	vq->call_tsc = (uint32_t)(rte_get_tsc_hz() * cfg->call_interval_us / 1000000);
	vq->uncertain = cfg->uncertain;
	vq->moved = false;
	vq->call_waits = cfg->uncertain ? VQ_CALL_MANY : 0;
	vq->call_at = 0;
	vq->call_blocks = cfg->call_blocks;
	vq_set_call(vq, cfg->call_fd);
	iotlb_hints_init(&vq->hints);
	start_journal(vq, cfg);
	/* As if it had slept until now: vq_wake() looks where it is */
	vq->sleep_until = 0;
	vq->sleep_fills = iotlb_fills(vq->tlb) - 1;
	atomic_store_explicit(&vq->state, vq->uncertain ? VQ_ASLEEP : VQ_RUNNING,
			      memory_order_relaxed);
	return 0;
}

uint32_t vq_base(const struct vq *vq)
{
	uint32_t half = vq_pos_half(vq->next, vq->wrap);

	return vq->packed ? half << 16 | half : vq->next;
}

void vq_told(struct vq *vq)
{
	/* Whatever is at that place next is another ring */
	if (vq->journal)
		vq->journal->size = 0;
}

bool vq_uncertain(const struct vq *vq)
{
	return vq->uncertain;
}

void vq_set_call(struct vq *vq, int fd)
{
	/* Pairs with the acquire in call_make() */
	atomic_store_explicit(&vq->call_fd, fd, memory_order_release);
}

bool vq_call_waits(const struct vq *vq)
{
	return vq->call_waits;
}

const struct vq_counters *vq_counters(const struct vq *vq)
{
	return &vq->counters;
}

bool vq_broken(const struct vq *vq)
{
	return atomic_load_explicit(&vq->state, memory_order_relaxed) == VQ_BROKEN;
}

bool vq_waits_for_translation(const struct vq *vq)
{
	return atomic_load_explicit(&vq->state, memory_order_relaxed) == VQ_ASLEEP;
}

uint64_t vq_offloads(const struct vq *vq)
{
	return vq->offloads;
}

uint16_t vq_pull(struct vq *vq, struct rte_mempool *pool, struct rte_mbuf **pkts, uint16_t n,
		 uint64_t now)
{
	return vq->pull(vq, pool, pkts, n, now);
}

uint16_t vq_push(struct vq *vq, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	return vq->push(vq, pkts, n, now);
}
