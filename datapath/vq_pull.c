/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_pull.c - Taking the frames a guest transmits (virtio 1.2, 5.1.6.2)
 *
 * Theory of operation
 * ===================
 * A run of *plain* frames goes through the stages together: descriptors,
 * translation, copy.  Plain is one buffer that holds header and frame, or a
 * header alone followed by one buffer, in one or two host pieces, that fits one
 * mbuf.  The first frame that is not plain ends the run, takes the slow path
 * alone, and the next run begins behind it.
 *
 * Where no offload was negotiated the virtio-net header says nothing, so it is
 * not read; what it claims about checksums and segmentation is thereby ignored.
 * Otherwise it is copied once with its frame, and checked against the copy of
 * that (offload.h).
 *
 * The mbufs are allocated for the whole burst at once; those left over go back.
 *
 * Nothing is written to a chain, so where the guest agreed to IN_ORDER one used
 * element returns all chains of a call, good and bad (vq_burst.h).
 */
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "datapath/offload.h"
#include "datapath/vq_copy.h"
#include "datapath/vq_packed.h"

/**
 * struct pull_frame - A plain frame, translated
 * @hdr:	Header, if it is read
 * @at:		Frame without it
 */
struct pull_frame {
	const void *hdr;
	struct vq_pieces at;
};

/**
 * struct pull - A call's arguments and what the stages share
 * @heads:	Split: heads of the available chains, unchecked
 * @takes:	Packed: the available chains
 * @mbufs:	Allocated, one for each
 * @hdrs:	Headers of those handed out, untrusted, if they are read
 * @taken:	mbufs handed out
 * @n:		Entries in @heads or @takes, and @mbufs
 * @room:	Bytes of a frame that fit one mbuf
 * @first:	Descriptor that ended a run
 * @have_first:	whether there is one
 */
struct pull {
	struct rte_mempool *pool;
	union {
		uint16_t heads[VQ_BURST];
		struct vq_take takes[VQ_BURST];
	};
	struct rte_mbuf *mbufs[VQ_BURST];
	struct virtio_net_hdr hdrs[VQ_BURST];
	uint16_t taken;
	uint16_t n;
	uint32_t room;
	struct vq_desc first;
	bool have_first;
};

/* What drivers store as one word: headroom, one owner, one segment, no port */
#define PULL_REARM                                                      \
	(RTE_PKTMBUF_HEADROOM | UINT64_C(1) << 16 | UINT64_C(1) << 32 | \
	 (uint64_t)RTE_MBUF_PORT_INVALID << 48)

static_assert(offsetof(struct rte_mbuf, refcnt) == offsetof(struct rte_mbuf, rearm_data) + 2,
	      "16 bits each, in this order");
static_assert(offsetof(struct rte_mbuf, port) == offsetof(struct rte_mbuf, nb_segs) + 2,
	      "16 bits each, in this order");

/**
 * pull_mbuf_reset() - Make a pooled mbuf an empty packet
 * @m:	mbuf; in the pool it is unshared, direct and without a successor
 *
 * Touches the first cache line only, unlike rte_pktmbuf_reset(): the second
 * one's offload members mean nothing without their bits in ol_flags.
 */
static __rte_always_inline void pull_mbuf_reset(struct rte_mbuf *m)
{
	uint64_t rearm = PULL_REARM;

	memcpy(&m->rearm_data, &rearm, sizeof(rearm));
	m->ol_flags = 0;
	m->packet_type = 0;
	m->vlan_tci = 0;
}

/**
 * pull_first() - Read the first descriptor of a chain
 * @vq:		Virtqueue
 * @b:		Call
 * @call:	Arguments
 * @i:		Which chain
 * @d:		Set to its first descriptor
 * @packed:	The layout
 *
 * Return: false when that cannot be read
 */
static __rte_always_inline bool pull_first(struct vq *vq, struct vq_burst *b,
					   const struct pull *call, uint16_t i, struct vq_desc *d,
					   const bool packed) PMD_ONLY
{
	if (packed) {
		*d = vq_packed_desc(call->takes[i].desc);
		return true;
	}
	return likely(call->heads[i] < vq->size) &&
	       likely(vq_desc_read(vq, b, &vq->desc, call->heads[i], d));
}

/**
 * pull_second() - Read the second and last descriptor of a chain
 * @vq:		Virtqueue
 * @b:		Call
 * @call:	Arguments
 * @i:		Which chain
 * @d:		Its first descriptor, replaced
 * @packed:	The layout
 *
 * Return: false when that cannot be read, or is not there
 */
static __rte_always_inline bool pull_second(struct vq *vq, struct vq_burst *b,
					    const struct pull *call, uint16_t i, struct vq_desc *d,
					    const bool packed) PMD_ONLY
{
	const struct vq_take *take = &call->takes[i];

	if (packed)
		return take->n == 2 && likely(vq_packed_follow(vq, b, take, 1, d));
	return likely(vq_desc_next(*d) < vq->size) &&
	       likely(vq_desc_read(vq, b, &vq->desc, vq_desc_next(*d), d));
}

/**
 * pull_translate() - See whether a frame is plain, and where it is
 * @vq:		Virtqueue
 * @b:		Call
 * @call:	Arguments
 * @i:		Which chain
 * @most:	Bytes that fit one mbuf, behind those of an Ethernet header
 * @d:		Set to its first descriptor, if that could be read
 * @f:		Filled in
 * @hdr_len:	Length of the virtio-net header
 * @packed:	The layout
 * @offloads:	Whether it is read
 *
 * Return: 1 when plain; 0 when not; -1 when not, and @d is not set either
 */
static __rte_always_inline int pull_translate(struct vq *vq, struct vq_burst *b,
					      const struct pull *call, uint16_t i, uint32_t most,
					      struct vq_desc *d, struct pull_frame *f,
					      const uint32_t hdr_len, const bool packed,
					      const bool offloads) PMD_ONLY
{
	uint32_t skip = hdr_len, size;
	struct vq_desc data;
	uint64_t len;

	if (unlikely(!pull_first(vq, b, call, i, d, packed)))
		return -1;
	data = *d;
	if (vq_desc_flags(data) == VRING_DESC_F_NEXT && vq_desc_len(data) == hdr_len) {
		if (unlikely(!pull_second(vq, b, call, i, &data, packed)))
			return 0;
		skip = 0;
		if (offloads) {
			f->hdr = iotlb_lookup(vq->tlb, &vq->hints, d->addr, hdr_len, IOTLB_READ,
					      &len);
			if (unlikely(!f->hdr) || unlikely(len < hdr_len))
				return 0;
			b->hits++;
		}
	}
	/* One unsigned compare checks both ends; wrapping below is huge */
	size = vq_desc_len(data);
	if (vq_desc_flags(data) || size - skip - RTE_ETHER_HDR_LEN > most)
		return 0;
	if (unlikely(!vq_pieces_find(vq, b, data.addr, size, IOTLB_READ, skip, &f->at)))
		return 0;
	if (offloads && skip)
		f->hdr = f->at.p0;
	f->at.p0 += skip;
	f->at.n0 -= skip;
	rte_prefetch0(f->at.p0);
	return 1;
}

/**
 * pull_return() - Return chains, not yet visible to the guest
 * @vq:		Virtqueue
 * @b:		Call
 * @call:	Arguments
 * @n:		How many, behind those that are done
 * @packed:	The layout
 * @log:	Whether they are logged
 *
 * Return: How many were; fewer when an element's place does not translate
 */
static __rte_always_inline uint16_t pull_return(struct vq *vq, struct vq_burst *b,
						const struct pull *call, uint16_t n,
						const bool packed, const bool log) PMD_ONLY
{
	const struct vq_take *takes = call->takes + b->done;

	if (!packed && b->batch)
		return n;
	if (!packed)
		return vq_used_put_run(vq, b, (uint16_t)(vq->next + b->done), call->heads + b->done,
				       NULL, n, log);
	if (vq->in_order)
		vq_packed_return_batch(vq, b, takes, n);
	else
		vq_packed_return(vq, b, takes, NULL, n, log);
	return n;
}

/**
 * pull_run() - Take a run of plain frames
 * @vq:		Virtqueue
 * @b:		Call, its done count moves on
 * @call:	Arguments
 * @pkts:	Where the frames go
 * @hdr_len:	Length of the virtio-net header
 * @packed:	The layout
 * @offloads:	Whether it is read
 * @log:	Whether what is written is logged
 *
 * Return: Frames taken
 */
static __rte_always_inline uint16_t pull_run(struct vq *vq, struct vq_burst *b, struct pull *call,
					     struct rte_mbuf **pkts, const uint32_t hdr_len,
					     const bool packed, const bool offloads, const bool log)
	PMD_ONLY
{
	struct rte_mbuf **mbufs = call->mbufs + call->taken;
	uint16_t done = b->done, max = (uint16_t)(call->n - done);
	struct pull_frame frames[VQ_BURST];
	uint32_t most = call->room - RTE_ETHER_HDR_LEN;
	struct vq_desc d;
	uint64_t bytes = 0;
	int plain = 1;
	uint16_t n, i;

	for (n = 0; n < max; n++) {
		plain = pull_translate(vq, b, call, (uint16_t)(done + n), most, &d, &frames[n],
				       hdr_len, packed, offloads);
		if (unlikely(plain <= 0))
			break;
	}
	call->have_first = !plain;
	if (unlikely(!plain))
		call->first = d;
	vq_stage_end(&vq->stages, VQ_STAGE_TRANSLATE);

	for (i = 0; i < n; i++) {
		const struct vq_pieces *at = &frames[i].at;
		struct rte_mbuf *m = mbufs[i];
		uint8_t *dst;

		pull_mbuf_reset(m);
		if (offloads)
			memcpy(&call->hdrs[call->taken + i], frames[i].hdr, sizeof(call->hdrs[0]));
		dst = rte_pktmbuf_mtod(m, uint8_t *);
		vq_copy(dst, at->p0, at->n0);
		if (unlikely(at->n1))
			vq_copy(dst + at->n0, at->p1, at->n1);
		m->data_len = (uint16_t)(at->n0 + at->n1);
		m->pkt_len = at->n0 + at->n1;
		bytes += m->pkt_len;
		pkts[i] = m;
	}
	vq_stage_end(&vq->stages, VQ_STAGE_COPY);
	i = pull_return(vq, b, call, n, packed, log);
	/* Short only after a miss in the used ring, rare enough to count again */
	for (; n > i; n--)
		bytes -= pkts[n - 1]->pkt_len;
	call->taken = (uint16_t)(call->taken + i);
	b->done = (uint16_t)(b->done + i);
	b->packets += i;
	b->hits += i;
	b->bytes += bytes;
	return i;
}

/**
 * pull_grow() - Add an mbuf to a frame
 * @vq:		Virtqueue
 * @call:	Arguments
 * @m:		First mbuf of the frame
 * @last:	Its last one
 *
 * Return: The new last one, or NULL when the pool is empty
 */
static struct rte_mbuf *pull_grow(struct vq *vq, struct pull *call, struct rte_mbuf *m,
				  struct rte_mbuf *last) PMD_ONLY
{
	struct rte_mbuf *more = rte_pktmbuf_alloc(call->pool);

	if (unlikely(!more)) {
		COUNTER_ADD(vq->counters.no_mbuf, 1);
		return NULL;
	}
	last->next = more;
	m->nb_segs++;
	return more;
}

/**
 * pull_gather() - Copy a frame out of any number of pieces into mbufs
 * @vq:		Virtqueue
 * @b:		Call
 * @call:	Arguments
 * @m:		First mbuf, reset
 * @chain:	Chain in vq->segs
 *
 * Return: false when it cannot be finished; @m is then as it was
 */
static bool pull_gather(struct vq *vq, struct vq_burst *b, struct pull *call, struct rte_mbuf *m,
			const struct vq_chain *chain) PMD_ONLY
{
	struct vq_cursor c = {.seg = vq->segs};
	struct virtio_net_hdr_mrg_rxbuf hdr = {0};
	uint32_t left = (uint32_t)chain->total - vq->hdr_len;
	struct rte_mbuf *last = m;

	if (!vq->offloads)
		vq_cursor_skip(&c, vq->hdr_len);
	else if (!vq_cursor_copy(vq, b, &c, &hdr, vq->hdr_len, false))
		return false;
	memcpy(&call->hdrs[call->taken], &hdr, sizeof(call->hdrs[0]));
	m->pkt_len = left;
	for (;;) {
		uint32_t n = RTE_MIN(left, call->room);

		if (!vq_cursor_copy(vq, b, &c, rte_pktmbuf_mtod(last, void *), n, false))
			break;
		last->data_len = (uint16_t)n;
		left -= n;
		if (!left)
			return true;
		last = pull_grow(vq, call, m, last);
		if (!last)
			break;
	}
	rte_pktmbuf_free(m->next);
	m->next = NULL;
	m->nb_segs = 1;
	return false;
}

/**
 * pull_check() - Whether a chain holds a frame
 * @vq:		Virtqueue
 * @chain:	Chain, well-formed
 *
 * Return: false when it does not; counted
 */
static bool pull_check(struct vq *vq, const struct vq_chain *chain) PMD_ONLY
{
	if (chain->total < vq->hdr_len)
		COUNTER_ADD(vq->counters.err_length, 1);
	else if (chain->total - vq->hdr_len < RTE_ETHER_HDR_LEN)
		COUNTER_ADD(vq->counters.drop_runt, 1);
	else if (chain->total - vq->hdr_len > VQ_FRAME_MAX)
		COUNTER_ADD(vq->counters.drop_too_big, 1);
	else
		return true;
	return false;
}

/**
 * pull_one() - Take one frame of any shape
 * @vq:		Virtqueue
 * @b:		Call
 * @call:	Arguments
 * @ret_m:	Set to the frame if one was taken
 *
 * Return: What became of it
 */
static __rte_noinline enum vq_step pull_one(struct vq *vq, struct vq_burst *b, struct pull *call,
					    struct rte_mbuf **ret_m) PMD_ONLY
{
	uint16_t head = vq->packed ? 0 : call->heads[b->done];
	struct rte_mbuf *m = call->mbufs[call->taken];
	enum vq_verdict verdict = VQ_ERR_INDEX;
	struct vq_chain chain;
	bool take = false;

	if (vq->packed) {
		verdict = vq_packed_walk(vq, b, &call->takes[b->done], 0, vq->segs, &chain);
	} else if (head < vq->size) {
		if (!call->have_first && !vq_desc_read(vq, b, &vq->desc, head, &call->first))
			return VQ_STEP_STOP;
		verdict = vq_chain_walk(vq, b, call->first, 0, vq->segs, &chain);
	}
	if (verdict == VQ_MISS)
		return VQ_STEP_STOP;
	if (verdict != VQ_OK) {
		vq_chain_count(vq, verdict);
	} else if (pull_check(vq, &chain)) {
		pull_mbuf_reset(m);
		if (!pull_gather(vq, b, call, m, &chain))
			return VQ_STEP_STOP;
		take = true;
	}
	if (!pull_return(vq, b, call, 1, vq->packed, vq->log)) {
		if (take) {
			rte_pktmbuf_free(m->next);
			m->next = NULL;
			m->nb_segs = 1;
		}
		return VQ_STEP_STOP;
	}
	b->done++;
	if (!take)
		return VQ_STEP_SKIP;
	call->taken++;
	b->packets++;
	b->bytes += m->pkt_len;
	*ret_m = m;
	return VQ_STEP_DONE;
}

/**
 * pull_alloc() - Allocate the mbufs of a burst
 * @vq:		Virtqueue
 * @call:	Arguments; its n is lowered to what the pool can give
 *
 * Return: false when there is none
 */
static __rte_always_inline bool pull_alloc(struct vq *vq, struct pull *call) PMD_ONLY
{
	uint32_t room = rte_pktmbuf_data_room_size(call->pool);

	call->room = room - RTE_PKTMBUF_HEADROOM;
	if (unlikely(room < RTE_PKTMBUF_HEADROOM + RTE_ETHER_MIN_LEN)) {
		COUNTER_ADD(vq->counters.no_mbuf, 1);
		return false;
	}
	if (likely(!rte_mempool_get_bulk(call->pool, (void **)call->mbufs, call->n)))
		return true;
	COUNTER_ADD(vq->counters.no_mbuf, 1);
	while (call->n /= 2) {
		if (!rte_mempool_get_bulk(call->pool, (void **)call->mbufs, call->n))
			return true;
	}
	return false;
}

/**
 * pull_offloads() - Note in the frames what the guest left to do
 * @vq:		Virtqueue
 * @b:		Call; frames whose header is refused do not count as carried
 * @call:	Arguments, with the headers
 * @pkts:	Frames; those refused are dropped
 * @n:		How many
 *
 * Return: How many are left
 */
static inline uint16_t pull_offloads(struct vq *vq, struct vq_burst *b, const struct pull *call,
				     struct rte_mbuf **pkts, uint16_t n) PMD_ONLY
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (likely(offload_idle(&call->hdrs[i])) ||
		    likely(!offload_from_guest(m, &call->hdrs[i], vq->offloads))) {
			pkts[kept++] = m;
			continue;
		}
		b->packets--;
		b->bytes -= m->pkt_len;
		COUNTER_ADD(vq->counters.err_offload, 1);
		rte_pktmbuf_free(m);
	}
	return kept;
}

/**
 * pull_body() - vq_pull(), to be specialised
 * @vq:		Virtqueue
 * @pool:	Where mbufs come from
 * @pkts:	Filled in
 * @n:		At most VQ_BURST
 * @now:	rte_rdtsc() of this round
 * @hdr_len:	Length of the virtio-net header
 * @packed:	The layout
 * @offloads:	Whether it is read
 * @log:	Whether what is written is logged
 */
static __rte_always_inline uint16_t pull_body(struct vq *vq, struct rte_mempool *pool,
					      struct rte_mbuf **pkts, uint16_t n, uint64_t now,
					      const uint32_t hdr_len, const bool packed,
					      const bool offloads, const bool log) PMD_ONLY
{
	enum vq_step step;
	struct pull call;
	struct vq_burst b;
	uint16_t got = 0;

	vq_stages_begin(&vq->stages);
	if (packed)
		call.n = vq_packed_begin(vq, &b, now) ? n : 0;
	else
		call.n = RTE_MIN(vq_burst_begin(vq, &b, n, now), n);
	if (!call.n)
		return 0;
	call.pool = pool;
	call.taken = 0;
	if (packed) {
		call.n = vq_packed_fetch_run(vq, &b, call.takes, call.n);
		if (!call.n)
			goto end;
	} else {
		vq_batch_begin(vq, &b);
		if (unlikely(!vq_heads_read(vq, &b, vq->next, call.heads, call.n)))
			goto end;
	}
	vq_stage_end(&vq->stages, VQ_STAGE_FETCH);
	if (unlikely(!pull_alloc(vq, &call)))
		goto end;
	vq_stage_end(&vq->stages, VQ_STAGE_MBUFS);
	for (;;) {
		got = (uint16_t)(got + pull_run(vq, &b, &call, pkts + got, hdr_len, packed,
						offloads, log));
		if (likely(b.done == call.n) || unlikely(b.missed) || unlikely(b.budget <= 0))
			break;
		step = pull_one(vq, &b, &call, &pkts[got]);
		if (step == VQ_STEP_STOP)
			break;
		got += step == VQ_STEP_DONE;
	}
	if (unlikely(call.taken < call.n))
		rte_mempool_put_bulk(pool, (void **)call.mbufs + call.taken, call.n - call.taken);
	if (offloads)
		got = pull_offloads(vq, &b, &call, pkts, got);
end:
	if (packed) {
		vq_packed_end(vq, &b, now, log);
	} else {
		vq_batch_end(vq, &b, call.heads, log);
		vq_burst_end(vq, &b, now, log);
	}
	vq_stage_end(&vq->stages, VQ_STAGE_PUBLISH);
	return got;
}

/* For guests of virtio 1.x, and those that have mergeable buffers: nearly all */
#define PULL_VARIANT(name, packed, offloads)                                                     \
	static uint16_t name(struct vq *vq, struct rte_mempool *pool, struct rte_mbuf **pkts,    \
			     uint16_t n, uint64_t now)                                           \
	{                                                                                        \
		thread_role_assume(&pmd_role);                                                   \
		return pull_body(vq, pool, pkts, n, now, VQ_HDR_USUAL, packed, offloads, false); \
	}

PULL_VARIANT(pull_split, false, false)
PULL_VARIANT(pull_split_offloads, false, true)
PULL_VARIANT(pull_packed, true, false)
PULL_VARIANT(pull_packed_offloads, true, true)

/**
 * pull_general() - vq_pull() for all the others: legacy guests, and migrations
 */
static uint16_t pull_general(struct vq *vq, struct rte_mempool *pool, struct rte_mbuf **pkts,
			     uint16_t n, uint64_t now)
{
	thread_role_assume(&pmd_role);
	return pull_body(vq, pool, pkts, n, now, vq->hdr_len, vq->packed, vq->offloads, vq->log);
}

vq_pull_fn vq_pull_variant(const struct vq *vq)
{
	static const vq_pull_fn variants[2][2] = {
		{pull_split, pull_split_offloads},
		{pull_packed, pull_packed_offloads},
	};

	if (vq->log || vq->hdr_len != VQ_HDR_USUAL)
		return pull_general;
	return variants[vq->packed][vq->offloads != 0];
}
