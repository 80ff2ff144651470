/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_miss.c - A virtqueue that cannot translate: ask ahead, then sleep
 *
 * Theory of operation
 * ===================
 * The call that missed has published what it could.  What misses now is asked
 * for all at once, because each question is a round trip through two processes:
 * the pages of the ring itself, and those of the chains available from here on.
 * Then the ring sleeps until the IOTLB gained a mapping or VQ_MISS_RETRY_US
 * passed.
 *
 * Answers come one by one and each wakes the ring, which may miss again on the
 * next page that is asked for already.  So @ahead remembers up to which
 * available index was asked; only when the retry time has passed is everything
 * asked again, in case a question was lost.
 *
 * The look-ahead reads descriptors that will be read again when their turn
 * comes.  Nothing but questions follows from this first reading.
 */
#include "datapath/miss.h"
#include "datapath/vq_packed.h"

/**
 * struct ask - One round of questions
 * @vq:		Virtqueue
 * @b:		Call
 * @last_page:	Page asked last, to leave out neighbours in the same one
 * @last_perm:	and for what
 * @posted:	How many were posted
 * @full:	The miss queue or our share of it is full
 */
struct ask {
	struct vq *vq;
	struct vq_burst *b;
	uint64_t last_page;
	uint8_t last_perm;
	unsigned int posted;
	bool full;
};

/**
 * ask_one() - Post one address
 * @ask:	Round
 * @iova:	Address that does not translate
 * @perm:	What is needed
 */
static void ask_one(struct ask *ask, uint64_t iova, uint8_t perm) PMD_ONLY
{
	struct vq *vq = ask->vq;
	struct miss m = {
		.iova = iova,
		.session = vq->session,
		.guest = vq->guest,
		.ring = vq->index,
		.perm = perm,
	};
	uint64_t page = iova >> IOTLB_PAGE_SHIFT;

	if (ask->last_page == page && ask->last_perm == perm)
		return;
	if (ask->posted == VQ_AHEAD_POSTS || miss_post(vq->misses, &m)) {
		ask->full = true;
		return;
	}
	ask->last_page = page;
	ask->last_perm = perm;
	ask->posted++;
}

/**
 * ask_range() - Post every page of a range that does not translate
 * @ask:	Round
 * @iova:	First byte
 * @len:	Bytes, the range does not wrap
 * @perm:	What is needed
 */
static void ask_range(struct ask *ask, uint64_t iova, uint64_t len, uint8_t perm) PMD_ONLY
{
	while (len && !ask->full) {
		uint64_t n;

		if (!iotlb_lookup(ask->vq->tlb, &ask->vq->hints, iova, len, perm, &n)) {
			ask_one(ask, iova, perm);
			n = IOTLB_PAGE_SIZE - (iova & (IOTLB_PAGE_SIZE - 1));
		}
		n = RTE_MIN(n, len);
		iova += n;
		len -= n;
	}
}

/**
 * ask_area() - Post every page of an area that does not translate
 * @ask:	Round
 * @a:		Area
 */
static void ask_area(struct ask *ask, const struct vq_area *a) PMD_ONLY
{
	ask_range(ask, a->iova, a->size, a->perm);
}

/**
 * ask_segs() - Post what does not translate of a chain's buffers
 * @ask:	Round
 * @chain:	Chain whose segments are in vq->segs
 *
 * No more is asked for than a frame can need.
 */
static void ask_segs(struct ask *ask, const struct vq_chain *chain) PMD_ONLY
{
	uint64_t need = VQ_FRAME_MAX + sizeof(struct virtio_net_hdr_mrg_rxbuf);
	uint8_t perm = vq_writes(ask->vq) ? IOTLB_WRITE : IOTLB_READ;

	for (uint32_t i = 0; i < chain->n_segs && need && !ask->full; i++) {
		const struct vq_seg *seg = &ask->vq->segs[i];
		uint64_t len = RTE_MIN((uint64_t)seg->len, need);

		ask_range(ask, seg->iova, len, perm);
		need -= len;
	}
}

/**
 * ask_chain() - Post what does not translate of an available chain
 * @ask:	Round
 * @idx:	Its available index
 *
 * A chain that is bad asks for nothing; it is counted when its turn comes.
 *
 * Return: false when a descriptor did not translate, so that the buffers are
 *	not known yet
 */
static bool ask_chain(struct ask *ask, uint16_t idx) PMD_ONLY
{
	struct vq *vq = ask->vq;
	uint16_t write = vq_writes(vq) ? VRING_DESC_F_WRITE : 0;
	enum vq_verdict verdict = VQ_MISS;
	struct vq_chain chain;
	struct vq_desc d;
	uint16_t head;

	if (vq_heads_read(vq, ask->b, idx, &head, 1)) {
		if (head >= vq->size)
			return true;
		if (vq_desc_read(vq, ask->b, &vq->desc, head, &d))
			verdict = vq_chain_walk(vq, ask->b, d, write, vq->segs, &chain);
	}
	if (verdict == VQ_MISS)
		ask_one(ask, ask->b->miss_iova, ask->b->miss_perm);
	if (verdict == VQ_OK)
		ask_segs(ask, &chain);
	return verdict != VQ_MISS;
}

/**
 * ask_ahead() - Post what the available chains miss
 * @ask:	Round
 *
 * It goes on where the last round ended, and no further than VQ_AHEAD_HEADS
 * behind what the frame that waits can see: who asks for more than that makes
 * others wait for their answers.
 */
static void ask_ahead(struct ask *ask) PMD_ONLY
{
	struct vq *vq = ask->vq;
	uint32_t there = (uint16_t)(vq->avail_seen - vq->next);
	uint32_t skip = (uint16_t)(vq->ahead - vq->next);
	bool known = true;
	uint16_t idx;

	/* The ring may have gone on behind us, or have been passed by */
	if (skip > there)
		skip = 0;
	there = RTE_MIN(there, (uint32_t)VQ_AHEAD_HEADS + ask->b->reach);
	idx = (uint16_t)(vq->next + skip);
	vq->ahead = idx;
	ask->b->budget = VQ_WALK_BUDGET;
	for (; skip < there && ask->b->budget > 0; skip++, idx++) {
		known &= ask_chain(ask, idx);
		if (ask->full)
			return;
		/* Chains behind one that is unknown are asked for again */
		if (known)
			vq->ahead = (uint16_t)(idx + 1);
	}
}

/**
 * ask_ahead_packed() - ask_ahead() for a packed ring
 * @ask:	Round
 *
 * Where the next chain begins is known only when this one's end is: what does
 * not translate of the ring itself ends the round.  How far it has come is known
 * in slots only; all that a guest sends will be read, so there is no limit to it.
 */
static void ask_ahead_packed(struct ask *ask) PMD_ONLY
{
	struct vq *vq = ask->vq;
	uint16_t limit = vq_writes(vq) ? VQ_AHEAD_HEADS + ask->b->reach : vq->size;
	uint16_t write = vq_writes(vq) ? VRING_DESC_F_WRITE : 0;
	struct vq_pos pos = {.at = vq->next, .wrap = vq->wrap};
	uint16_t skip = (uint16_t)(vq->ahead - vq->seq);
	enum vq_fetch got = VQ_FETCH_OK;
	enum vq_verdict verdict;
	struct vq_chain chain;
	struct vq_take take;
	bool known = true;

	/* The ring may have gone on behind us, or have been passed by */
	if (skip > vq->size)
		skip = 0;
	vq_pos_move(vq, &pos, skip);
	ask->b->budget = VQ_WALK_BUDGET;
	for (unsigned int i = 0;
	     i < VQ_AHEAD_HEADS && pos.moved < limit && ask->b->budget > 0 && !ask->full; i++) {
		got = vq_packed_fetch(vq, ask->b, &pos, &take);
		if (got != VQ_FETCH_OK)
			break;
		verdict = vq_packed_walk(vq, ask->b, &take, write, vq->segs, &chain);
		if (verdict == VQ_MISS)
			ask_one(ask, ask->b->miss_iova, ask->b->miss_perm);
		else if (verdict == VQ_OK)
			ask_segs(ask, &chain);
		vq_pos_move(vq, &pos, take.n);
		known &= verdict != VQ_MISS && !ask->full;
		if (known)
			vq->ahead = (uint16_t)(vq->seq + pos.moved);
	}
	if (got == VQ_FETCH_MISS)
		ask_one(ask, ask->b->miss_iova, ask->b->miss_perm);
}

void vq_sleep(struct vq *vq, struct vq_burst *b, uint64_t now)
{
	struct ask ask = {.vq = vq, .b = b, .last_page = UINT64_MAX};

	if ((int64_t)(now - vq->ahead_until) >= 0) {
		vq->ahead_until = now + vq->retry_tsc;
		vq->ahead = vq->packed ? vq->seq : vq->next;
		vq->asked_areas = false;
	}
	if (b->missed_area && !vq->asked_areas) {
		vq->asked_areas = true;
		ask_area(&ask, &vq->avail);
		ask_area(&ask, &vq->used);
		ask_area(&ask, &vq->desc);
	}
	if (vq->packed)
		ask_ahead_packed(&ask);
	else
		ask_ahead(&ask);
	if (ask.posted) {
		COUNTER_ADD(vq->counters.misses, ask.posted);
		miss_doorbell(vq->misses);
	}
	vq->sleep_fills = b->fills;
	vq->sleep_until = now + vq->retry_tsc;
	atomic_store_explicit(&vq->state, VQ_ASLEEP, memory_order_relaxed);
}
