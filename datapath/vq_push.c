/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_push.c - Giving frames to a guest (virtio 1.2, 5.1.6.3 and 5.1.6.4)
 *
 * Theory of operation
 * ===================
 * A run of *plain* frames goes through the stages together: descriptors,
 * translation, copy.  Plain is an mbuf of one segment for which the next chain
 * is one buffer, large enough for header and frame, in one or two host pieces.
 * The first frame that is not plain ends the run and takes the slow path alone,
 * where it may be spread over as many chains as it needs (mergeable buffers).
 *
 * Split: used elements are written as chains are collected, since nobody looks at
 * them before the index moves.  Packed: they are noted and written when the frame
 * is complete.  A frame that cannot be finished is begun anew later.
 *
 * With IN_ORDER a chain without a used element counts as full (virtio 1.2, 2.7.9
 * and 2.8.8), which receive buffers seldom are: each chain keeps its own.
 */
#include <rte_mbuf.h>

#include "datapath/offload.h"
#include "datapath/vq_copy.h"
#include "datapath/vq_packed.h"

/* Words in the journal that leave room for one frame of any shape and a run */
#define PUSH_KEPT_MAX (VQ_JOURNAL_MAX - VQ_BACKS - VQ_BURST)
static_assert(PUSH_KEPT_MAX > VQ_BURST, "a run may always be followed by a frame");

/**
 * struct push_first - What the end of a run leaves for the slow path
 * @take:	Packed: the next chain
 * @desc:	Split: its first descriptor
 * @head:	and its head, untrusted
 * @have:	whether there is one
 */
struct push_first {
	struct vq_take take;
	struct vq_desc desc;
	uint16_t head;
	bool have;
};

/**
 * push_first() - Note what ended a run
 * @take:	Packed: the chain, else NULL
 * @head:	Split: its head
 * @d:		Split: its first descriptor
 */
static __rte_always_inline struct push_first push_first(const struct vq_take *take, uint16_t head,
							struct vq_desc d)
{
	if (take)
		return (struct push_first){.take = *take, .have = true};
	return (struct push_first){.desc = d, .head = head, .have = true};
}

/**
 * push_header() - Fill in a virtio-net header
 * @hdr:	Local memory
 * @n_buffers:	Chains the frame is spread over
 *
 * All members but the count are zero unless offloads were negotiated.  A legacy
 * guest takes the first 10 bytes, where the count is not.
 */
static __rte_always_inline void push_header(struct virtio_net_hdr_mrg_rxbuf *hdr,
					    uint16_t n_buffers)
{
	memset(hdr, 0, sizeof(*hdr));
	hdr->num_buffers = n_buffers;
}

/**
 * push_translate() - See whether the next chain takes a frame plainly
 * @vq:		Virtqueue
 * @b:		Call
 * @head:	Head of the chain, untrusted; unused when packed
 * @m:		Frame
 * @d:		Set to the chain's first descriptor, if that could be read; packed:
 *		it is there already
 * @at:		Set to where header and frame go
 * @hdr_len:	Length of the virtio-net header
 * @packed:	The layout
 *
 * Return: 1 when it does; 0 when not; -1 when not, and @d is not set either
 */
static __rte_always_inline int push_translate(struct vq *vq, struct vq_burst *b, uint16_t head,
					      const struct rte_mbuf *m, struct vq_desc *d,
					      struct vq_pieces *at, const uint32_t hdr_len,
					      const bool packed) PMD_ONLY
{
	uint32_t need = hdr_len + m->pkt_len;

	if (!packed &&
	    (unlikely(head >= vq->size) || unlikely(!vq_desc_read(vq, b, &vq->desc, head, d))))
		return -1;
	if (vq_desc_flags(*d) != VRING_DESC_F_WRITE || vq_desc_len(*d) < need || m->nb_segs != 1)
		return 0;
	if (unlikely(!vq_pieces_find(vq, b, d->addr, need, IOTLB_WRITE, hdr_len, at)))
		return 0;
	__builtin_prefetch(at->p0, 1);
	rte_prefetch0(rte_pktmbuf_mtod(m, const void *));
	return 1;
}

/**
 * push_fetch() - See which chains a run of packed frames can use
 * @vq:		Virtqueue
 * @b:		Call; its left count becomes known where the ring ends
 * @takes:	Filled in
 * @max:	Room there
 *
 * Return: How many there are
 */
static __rte_always_inline uint16_t push_fetch(struct vq *vq, struct vq_burst *b,
					       struct vq_take *takes, uint16_t max) PMD_ONLY
{
	uint16_t n = vq_packed_fetch_run(vq, b, takes, max);

	if (n < max)
		b->left = (uint16_t)(b->done + n);
	return n;
}

/**
 * push_log() - Note where a plain frame went
 * @vq:	Virtqueue with a log
 * @at:	Header and frame
 */
static void push_log(struct vq *vq, const struct vq_pieces *at) PMD_ONLY
{
	vq_log_note(vq, at->p0, at->n0);
	if (at->n1)
		vq_log_note(vq, at->p1, at->n1);
}

/**
 * push_run() - Give a run of plain frames
 * @vq:		Virtqueue
 * @b:		Call, its done count moves on
 * @pkts:	Frames
 * @max:	How many, at most VQ_BURST
 * @first:	What ended the run
 * @hdr_len:	Length of the virtio-net header
 * @packed:	The layout
 * @offloads:	Whether it says what is known of each frame
 * @log:	Whether what is written is logged
 *
 * Return: Frames given
 */
static __rte_always_inline uint16_t push_run(struct vq *vq, struct vq_burst *b,
					     struct rte_mbuf **pkts, uint16_t max,
					     struct push_first *first, const uint32_t hdr_len,
					     const bool packed, const bool offloads, const bool log)
	PMD_ONLY
{
	struct vq_take takes[VQ_BURST];
	uint16_t idx = (uint16_t)(vq->next + b->done);
	struct vq_pieces frames[VQ_BURST];
	struct virtio_net_hdr_mrg_rxbuf hdr;
	uint16_t heads[VQ_BURST];
	uint32_t lens[VQ_BURST];
	struct vq_desc d;
	uint64_t bytes = 0;
	uint16_t n, i;
	int plain = 1;

	first->have = false;
	max = RTE_MIN(max, (uint16_t)(b->left - b->done));
	if (packed)
		max = push_fetch(vq, b, takes, max);
	else if (unlikely(!vq_heads_read(vq, b, idx, heads, max)))
		return 0;
	vq_stage_end(&vq->stages, VQ_STAGE_FETCH);
	for (n = 0; n < max; n++) {
		if (packed)
			d = vq_packed_desc(takes[n].desc);
		plain = push_translate(vq, b, packed ? 0 : heads[n], pkts[n], &d, &frames[n],
				       hdr_len, packed);
		if (unlikely(plain <= 0))
			break;
	}
	if (unlikely(!plain))
		*first = push_first(packed ? &takes[n] : NULL, packed ? 0 : heads[n], d);
	vq_stage_end(&vq->stages, VQ_STAGE_TRANSLATE);

	push_header(&hdr, 1);
	for (i = 0; i < n; i++) {
		const struct vq_pieces *at = &frames[i];
		const uint8_t *src = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
		uint32_t n0 = at->n0 - hdr_len;

		if (offloads) {
			push_header(&hdr, 1);
			offload_to_guest(pkts[i], vq->offloads, &hdr.hdr);
		}
		memcpy(at->p0, &hdr, hdr_len);
		vq_copy(at->p0 + hdr_len, src, n0);
		if (unlikely(at->n1))
			vq_copy(at->p1, src + n0, at->n1);
		if (log)
			push_log(vq, at);
		lens[i] = at->n0 + at->n1;
		bytes += lens[i] - hdr_len;
	}
	vq_stage_end(&vq->stages, VQ_STAGE_COPY);
	if (packed)
		vq_packed_return(vq, b, takes, lens, n, log);
	else
		i = vq_used_put_run(vq, b, idx, heads, lens, n, log);
	/* Short only after a miss in the used ring: those are given again */
	for (; n > i; n--)
		bytes -= lens[n - 1] - hdr_len;
	b->done = (uint16_t)(b->done + i);
	b->packets += i;
	b->hits += i;
	b->bytes += bytes;
	return i;
}

/**
 * struct push_gather - Chains collected for one frame
 * @got:	Bytes they take, of those needed
 * @need:	Bytes of header and frame
 * @n_segs:	Their segments in vq->segs
 * @n_heads:	Chains
 * @pos:	Packed: behind them
 */
struct push_gather {
	uint32_t got;
	uint32_t need;
	uint32_t n_segs;
	uint16_t n_heads;
	struct vq_pos pos;
};

/**
 * push_publish() - Give back the packed chains collected
 * @vq:		Virtqueue
 * @b:		Call, its position and done count move on
 * @g:		Chains collected
 * @keep:	Bits of the used elements that count
 *
 * The first one last, where it is not the whole call's first: virtio 1.2, 2.8.9.
 */
static void push_publish(struct vq *vq, struct vq_burst *b, const struct push_gather *g,
			 uint64_t keep) PMD_ONLY
{
	vq_packed_keep(vq, b, g->n_heads);
	if (!b->first)
		vq_packed_put(b, vq->backs[0].slot, vq->backs[0].used & keep);
	for (uint16_t i = g->n_heads; i--;) {
		if (vq->backs[i].slot == b->first)
			continue;
		vq_packed_put(b, vq->backs[i].slot, vq->backs[i].used & keep);
		vq_log_wrote(vq, vq->backs[i].slot, 8);
	}
	b->pos = g->pos;
	b->done = (uint16_t)(b->done + g->n_heads);
}

/**
 * push_note() - Note a packed chain for push_publish()
 * @vq:		Virtqueue
 * @b:		Call
 * @g:		Chains collected so far
 * @take:	The chain
 * @len:	Bytes that are written to it
 */
static void push_note(struct vq *vq, const struct vq_burst *b, struct push_gather *g,
		      const struct vq_take *take, uint32_t len) PMD_ONLY
{
	vq_packed_note(vq, b->kept + g->n_heads, take);
	vq->backs[g->n_heads++] = (struct vq_back){take->slot, vq_packed_used(take, len)};
	vq_pos_move(vq, &g->pos, take->n);
}

/**
 * push_return() - Give back a bad chain, and those collected before it
 * @vq:		Virtqueue
 * @b:		Call, its done count moves on
 * @g:		Chains collected
 * @first:	The bad one
 *
 * Used entries of one frame must be neighbours, so those before go back empty
 * as well.  The frame begins anew behind them.
 */
static enum vq_step push_return(struct vq *vq, struct vq_burst *b, struct push_gather *g,
				const struct push_first *first) PMD_ONLY
{
	static const uint32_t none;
	uint16_t idx = (uint16_t)(vq->next + b->done);

	if (vq->packed) {
		push_note(vq, b, g, &first->take, 0);
		/* Neither a length nor the flag that says there is one */
		push_publish(vq, b, g, ~(UINT32_MAX | (uint64_t)VRING_DESC_F_WRITE << 48));
		return VQ_STEP_SKIP;
	}
	for (uint16_t i = 0; i < g->n_heads; i++) {
		uint32_t elem = vq_used_off(vq, (uint16_t)(idx + i));
		uint32_t len = elem + offsetof(struct vring_used_elem, len);

		if (!vq_area_write(vq, b, &vq->used, len, &none, sizeof(none)))
			return VQ_STEP_STOP;
	}
	if (!vq_used_put(vq, b, (uint16_t)(idx + g->n_heads), first->head, 0))
		return VQ_STEP_STOP;
	b->done = (uint16_t)(b->done + g->n_heads + 1);
	return VQ_STEP_SKIP;
}

/**
 * push_walk() - Check the next chain of a split ring
 * @vq:		Virtqueue
 * @b:		Call
 * @g:		Chains collected so far
 * @first:	The chain if it was looked at already, else filled in
 * @chain:	Filled in
 *
 * Return: as vq_chain_walk()
 */
static enum vq_verdict push_walk(struct vq *vq, struct vq_burst *b, const struct push_gather *g,
				 struct push_first *first, struct vq_chain *chain) PMD_ONLY
{
	uint16_t idx = (uint16_t)(vq->next + b->done + g->n_heads);

	if (!first->have && !vq_heads_read(vq, b, idx, &first->head, 1))
		return VQ_MISS;
	if (first->head >= vq->size)
		return VQ_ERR_INDEX;
	if (!first->have && !vq_desc_read(vq, b, &vq->desc, first->head, &first->desc))
		return VQ_MISS;
	return vq_chain_walk(vq, b, first->desc, VRING_DESC_F_WRITE, vq->segs + g->n_segs, chain);
}

/**
 * push_walk_packed() - Check the next chain of a packed ring
 * @vq:		Virtqueue
 * @b:		Call
 * @g:		Chains collected so far
 * @first:	The chain if it was looked at already, else filled in
 * @chain:	Filled in
 *
 * A ring that cannot go on is stopped by the call that begins there.
 *
 * Return: as vq_packed_walk(); VQ_MISS also where there is none
 */
static enum vq_verdict push_walk_packed(struct vq *vq, struct vq_burst *b,
					const struct push_gather *g, struct push_first *first,
					struct vq_chain *chain) PMD_ONLY
{
	if (!first->have) {
		enum vq_fetch got = vq_packed_fetch(vq, b, &g->pos, &first->take);

		if (got == VQ_FETCH_BAD && !g->pos.moved)
			vq_break(vq);
		if (got != VQ_FETCH_OK)
			return VQ_MISS;
	}
	return vq_packed_walk(vq, b, &first->take, VRING_DESC_F_WRITE, vq->segs + g->n_segs, chain);
}

/**
 * push_chain() - Collect one more chain for a frame
 * @vq:		Virtqueue
 * @b:		Call
 * @g:		Chains collected so far
 * @first:	Head and descriptor if they were read already
 *
 * Return: VQ_STEP_DONE when collected; VQ_STEP_SKIP when it was bad and went
 *	back; VQ_STEP_STOP
 */
static enum vq_step push_chain(struct vq *vq, struct vq_burst *b, struct push_gather *g,
			       struct push_first *first) PMD_ONLY
{
	uint16_t idx = (uint16_t)(vq->next + b->done + g->n_heads);
	enum vq_verdict verdict;
	struct vq_chain chain;
	uint32_t len;

	if (vq->packed)
		verdict = push_walk_packed(vq, b, g, first, &chain);
	else
		verdict = push_walk(vq, b, g, first, &chain);
	first->have = false;
	if (verdict == VQ_MISS)
		return VQ_STEP_STOP;
	/* The header must be in the first chain; a later one must take a byte */
	if (verdict == VQ_OK && chain.total < (g->n_heads ? 1 : vq->hdr_len))
		verdict = VQ_ERR_LENGTH;
	if (verdict != VQ_OK) {
		vq_chain_count(vq, verdict);
		return push_return(vq, b, g, first);
	}
	len = (uint32_t)RTE_MIN(chain.total, (uint64_t)g->need - g->got);
	g->got += len;
	g->n_segs += chain.n_segs;
	if (vq->packed) {
		push_note(vq, b, g, &first->take, len);
		return VQ_STEP_DONE;
	}
	if (!vq_used_put(vq, b, idx, first->head, len))
		return VQ_STEP_STOP;
	g->n_heads++;
	return VQ_STEP_DONE;
}

/**
 * push_scatter() - Copy header and frame to the collected chains
 * @vq:		Virtqueue
 * @b:		Call
 * @m:		Frame
 * @n_heads:	Chains it is spread over
 *
 * Return: false when a byte does not translate
 */
static bool push_scatter(struct vq *vq, struct vq_burst *b, const struct rte_mbuf *m,
			 uint16_t n_heads) PMD_ONLY
{
	struct vq_cursor c = {.seg = vq->segs};
	struct virtio_net_hdr_mrg_rxbuf hdr;

	push_header(&hdr, n_heads);
	if (vq->offloads)
		offload_to_guest(m, vq->offloads, &hdr.hdr);
	if (!vq_cursor_copy(vq, b, &c, &hdr, vq->hdr_len, true))
		return false;
	for (; m; m = m->next) {
		if (!vq_cursor_copy(vq, b, &c, rte_pktmbuf_mtod(m, void *), m->data_len, true))
			return false;
	}
	return true;
}

/**
 * push_too_big() - Drop a frame that does not fit
 * @vq:	Virtqueue
 *
 * Its chains stay available: done does not move.
 */
static enum vq_step push_too_big(struct vq *vq) PMD_ONLY
{
	COUNTER_ADD(vq->counters.drop_too_big, 1);
	return VQ_STEP_DONE;
}

/**
 * push_more() - See whether the guest made more chains available meanwhile
 * @vq:		Virtqueue
 * @b:		Call, its left count is renewed
 *
 * A call starts without reading the index when there is a chain for each frame;
 * a frame that needs many may still run out.
 */
static bool push_more(struct vq *vq, struct vq_burst *b) PMD_ONLY
{
	uint16_t before = b->left;

	if (!vq_avail_refresh(vq, b))
		return false;
	b->left = (uint16_t)(vq->avail_seen - vq->next);
	return b->left != before;
}

/**
 * push_full() - Whether a frame has collected all the guest could ever offer
 * @vq:	Virtqueue
 * @b:	Call
 * @g:	Chains collected
 */
static bool push_full(const struct vq *vq, const struct vq_burst *b, const struct push_gather *g)
{
	if (vq->packed)
		return (uint16_t)(g->pos.moved - b->pos.moved) == vq->size;
	return g->n_heads == vq->size;
}

/**
 * push_one() - Give one frame, to chains of any shape
 * @vq:		Virtqueue
 * @b:		Call
 * @m:		Frame
 * @first:	What ended the run before
 *
 * Return: VQ_STEP_DONE when the frame is done with; VQ_STEP_SKIP when a bad chain
 *	went back and the frame is to be tried anew; VQ_STEP_STOP
 */
static __rte_noinline enum vq_step push_one(struct vq *vq, struct vq_burst *b,
					    const struct rte_mbuf *m, struct push_first *first)
	PMD_ONLY
{
	struct push_gather g = {.need = vq->hdr_len + m->pkt_len, .pos = b->pos};
	enum vq_step step;

	b->reach = 0;
	do {
		/* All the guest could ever offer, or all we can list */
		if (push_full(vq, b, &g) || g.n_segs > VQ_CHAIN_MAX ||
		    (g.n_heads && !vq->mergeable))
			return push_too_big(vq);
		if (!vq->packed && g.n_heads == b->left - b->done && !push_more(vq, b))
			return VQ_STEP_STOP;
		step = push_chain(vq, b, &g, first);
		if (step != VQ_STEP_DONE)
			return step;
		b->reach = vq->packed ? (uint16_t)(g.pos.moved - b->pos.moved) : g.n_heads;
	} while (g.got < g.need);

	if (!push_scatter(vq, b, m, g.n_heads))
		return VQ_STEP_STOP;
	if (vq->packed)
		push_publish(vq, b, &g, UINT64_MAX);
	else
		b->done = (uint16_t)(b->done + g.n_heads);
	b->packets++;
	b->bytes += m->pkt_len;
	return VQ_STEP_DONE;
}

/**
 * push_body() - vq_push(), to be specialised
 * @vq:		Virtqueue
 * @pkts:	Frames
 * @n:		At most VQ_BURST
 * @now:	rte_rdtsc() of this round
 * @hdr_len:	Length of the virtio-net header
 * @packed:	The layout
 * @offloads:	Whether headers say what is known of each frame
 * @log:	Whether what is written is logged
 */
static __rte_always_inline uint16_t push_body(struct vq *vq, struct rte_mbuf **pkts, uint16_t n,
					      uint64_t now, const uint32_t hdr_len,
					      const bool packed, const bool offloads,
					      const bool log) PMD_ONLY
{
	struct push_first first;
	enum vq_step step;
	struct vq_burst b;
	uint16_t sent = 0;

	vq_stages_begin(&vq->stages);
	if (packed ? !vq_packed_begin(vq, &b, now) : !vq_burst_begin(vq, &b, n, now))
		return 0;
	for (;;) {
		sent = (uint16_t)(sent + push_run(vq, &b, pkts + sent, (uint16_t)(n - sent), &first,
						  hdr_len, packed, offloads, log));
		if (likely(sent == n) || unlikely(b.missed) || b.done == b.left ||
		    unlikely(b.budget <= 0) || unlikely(b.kept > PUSH_KEPT_MAX))
			break;
		step = push_one(vq, &b, pkts[sent], &first);
		if (step == VQ_STEP_STOP)
			break;
		sent += step == VQ_STEP_DONE;
	}
	if (packed)
		vq_packed_end(vq, &b, now, log);
	else
		vq_burst_end(vq, &b, now, log);
	vq_stage_end(&vq->stages, VQ_STAGE_PUBLISH);
	return sent;
}

/* For guests of virtio 1.x, and those that have mergeable buffers: nearly all */
#define PUSH_VARIANT(name, packed, offloads)                                                  \
	static uint16_t name(struct vq *vq, struct rte_mbuf **pkts, uint16_t n, uint64_t now) \
	{                                                                                     \
		thread_role_assume(&pmd_role);                                                \
		return push_body(vq, pkts, n, now, VQ_HDR_USUAL, packed, offloads, false);    \
	}

PUSH_VARIANT(push_split, false, false)
PUSH_VARIANT(push_split_offloads, false, true)
PUSH_VARIANT(push_packed, true, false)
PUSH_VARIANT(push_packed_offloads, true, true)

/**
 * push_general() - vq_push() for all the others: legacy guests, and migrations
 */
static uint16_t push_general(struct vq *vq, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	thread_role_assume(&pmd_role);
	return push_body(vq, pkts, n, now, vq->hdr_len, vq->packed, vq->offloads, vq->log);
}

vq_push_fn vq_push_variant(const struct vq *vq)
{
	static const vq_push_fn variants[2][2] = {
		{push_split, push_split_offloads},
		{push_packed, push_packed_offloads},
	};

	if (vq->log || vq->hdr_len != VQ_HDR_USUAL)
		return push_general;
	return variants[vq->packed][vq->offloads != 0];
}
