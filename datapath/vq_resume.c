/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_resume.c - Taking a ring over where the last backend left it
 *
 * See vq_resume.h.
 */
#include "datapath/vq_resume.h"

#include "datapath/vq_journal.h"
#include "datapath/vq_log.h"
#include "datapath/vq_packed.h"

/**
 * enum fit - Whether a position can be the right one
 * @FIT_YES:	it fits
 * @FIT_ODD:	it does not, but could
 * @FIT_USED:	it cannot: there are marks of its lap in front of it
 * @FIT_MISS:	cannot tell yet: the ring does not translate
 */
enum fit { FIT_YES, FIT_ODD, FIT_USED, FIT_MISS };

/**
 * struct slot - What a slot's flags say
 * @meta:	Second word
 * @wrap:	Wrap counter of the driver that wrote it last
 * @mark:	The device wrote it after that
 */
struct slot {
	uint64_t meta;
	bool wrap;
	bool mark;
};

/**
 * slot_read() - Look at a slot
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @at:		Which, below the ring's size
 * @ret:	Filled in
 *
 * Return: false when it does not translate
 */
static bool slot_read(struct vq *vq, struct vq_burst *b, uint32_t at, struct slot *ret) PMD_ONLY
{
	struct vq_desc d;

	if (!vq_desc_read(vq, b, &vq->desc, (uint16_t)at, &d))
		return false;
	ret->meta = d.meta;
	ret->wrap = vq_desc_next(d) & VQ_PACKED_AVAIL;
	ret->mark = ret->wrap == !!(vq_desc_next(d) & VQ_PACKED_USED);
	return true;
}

/**
 * behind() - The position one slot behind another
 * @vq:		Virtqueue
 * @pos:	Position
 */
static struct vq_pos behind(const struct vq *vq, struct vq_pos pos)
{
	if (pos.at)
		return (struct vq_pos){.at = (uint16_t)(pos.at - 1), .wrap = pos.wrap};
	return (struct vq_pos){.at = (uint16_t)(vq->size - 1), .wrap = !pos.wrap};
}

/**
 * fit_marks() - Whether every mark is of the lap behind a position (F1)
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @pos:	Position
 */
static enum fit fit_marks(struct vq *vq, struct vq_burst *b, struct vq_pos pos) PMD_ONLY
{
	struct slot s;

	for (uint32_t i = 0; i < vq->size; i++) {
		if (!slot_read(vq, b, i, &s))
			return FIT_MISS;
		if (s.mark && s.wrap != (i < pos.at ? pos.wrap : !pos.wrap))
			return FIT_USED;
	}
	return FIT_YES;
}

/**
 * fit_end() - Whether what the last mark returned ends at a position (F3)
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @pos:	Position, behind a slot without a mark
 * @last:	That slot
 *
 * It has the ID of the mark.  A chain has NEXT in every slot between; a batch
 * may be of any shape.
 */
static enum fit fit_end(struct vq *vq, struct vq_burst *b, struct vq_pos pos,
			const struct slot *last) PMD_ONLY
{
	const uint64_t next = (uint64_t)VRING_DESC_F_NEXT << 48;
	struct slot s;

	if (last->meta & next)
		return FIT_ODD;
	pos = behind(vq, pos);
	for (uint32_t i = 1; i < vq->size; i++) {
		pos = behind(vq, pos);
		if (!slot_read(vq, b, pos.at, &s))
			return FIT_MISS;
		if (s.mark)
			return (s.meta ^ last->meta) & VQ_PACKED_ID ? FIT_ODD : FIT_YES;
		if (!vq->in_order && !(s.meta & next))
			break;
	}
	return FIT_ODD;
}

/**
 * fit() - Whether a position can be the right one
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @pos:	Position
 */
static enum fit fit(struct vq *vq, struct vq_burst *b, struct vq_pos pos) PMD_ONLY
{
	enum fit marks = fit_marks(vq, b, pos);
	struct vq_pos before = behind(vq, pos);
	struct slot s, last;

	if (marks != FIT_YES)
		return marks;
	if (!slot_read(vq, b, pos.at, &s) || !slot_read(vq, b, before.at, &last))
		return FIT_MISS;
	if (!s.mark && s.wrap != pos.wrap)
		return FIT_ODD;
	if (last.mark || last.wrap != before.wrap)
		return FIT_YES;
	return fit_end(vq, b, pos, &last);
}

/**
 * undo_slot() - Whether a slot is what the journal kept it to be
 * @s:		As it is now
 * @meta:	Second word as it was
 *
 * It has a used element for the same ID in place, or is as it was.  Of a chain of
 * several slots the ID that was kept is the last one's.
 */
static bool undo_slot(const struct slot *s, uint64_t meta)
{
	uint64_t chain = meta >> 48 & VRING_DESC_F_NEXT ? VQ_PACKED_ID : 0;

	if (!s->mark)
		return !((s->meta ^ meta) & ~chain);
	return s->wrap == !!(meta & (uint64_t)VQ_PACKED_AVAIL << 48) &&
	       !((s->meta ^ meta) & VQ_PACKED_ID);
}

/**
 * undo() - Put back what used elements that nobody saw have taken the place of
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @n:		Words kept
 *
 * Nothing is written before all of them are known to be of this ring as it is now,
 * and only where there is a used element: the guest may have made the ring anew.
 *
 * Return: FIT_YES; FIT_USED when they are of another one; FIT_MISS, and then it is
 *	to be done once more
 */
static enum fit undo(struct vq *vq, struct vq_burst *b, uint32_t n) PMD_ONLY
{
	const struct vq_undo *undos = vq->journal->undo;
	struct slot s;

	for (uint32_t i = 0; i < n; i++) {
		if (undos[i].slot >= vq->size)
			return FIT_USED;
		if (!slot_read(vq, b, (uint32_t)undos[i].slot, &s))
			return FIT_MISS;
		if (!undo_slot(&s, undos[i].meta))
			return FIT_USED;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t slot = (uint32_t)undos[i].slot;

		if (!slot_read(vq, b, slot, &s))
			return FIT_MISS;
		if (s.mark && !vq_area_write(vq, b, &vq->desc, slot * 16u + 8, &undos[i].meta, 8))
			return FIT_MISS;
	}
	return FIT_YES;
}

/**
 * journal_position() - Where the journal says the ring is
 * @vq:		Virtqueue with a journal of its own past
 * @b:		Call, told of a miss
 * @pos:	Filled in
 *
 * A burst that was not published is taken back.
 */
static enum fit journal_position(struct vq *vq, struct vq_burst *b, struct vq_pos *pos) PMD_ONLY
{
	uint64_t word = __atomic_load_n(&vq->journal->word, __ATOMIC_RELAXED);
	struct vq_pos from = vq_half_pos((uint16_t)word), to = vq_half_pos((uint16_t)(word >> 16));
	uint32_t n = (uint32_t)(word >> 32);
	enum fit found;
	struct slot s;

	if (from.at >= vq->size || to.at >= vq->size || n > VQ_JOURNAL_MAX)
		return FIT_USED;
	*pos = to;
	if (!slot_read(vq, b, from.at, &s))
		return FIT_MISS;
	if (s.mark || s.wrap != from.wrap)
		return fit(vq, b, to);
	*pos = from;
	found = undo(vq, b, n);
	return found == FIT_YES ? fit(vq, b, from) : found;
}

/**
 * ring_position() - Where the ring is if each chain is one slot
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @pos:	Filled in
 *
 * Behind what was used in this lap, also where that is available again.
 */
static enum fit ring_position(struct vq *vq, struct vq_burst *b, struct vq_pos *pos) PMD_ONLY
{
	enum fit found = FIT_ODD;

	for (int wrap = 1; wrap >= 0 && found != FIT_YES && found != FIT_MISS; wrap--) {
		uint32_t at = 0;
		struct slot s;

		for (; at < vq->size; at++) {
			if (!slot_read(vq, b, at, &s))
				return FIT_MISS;
			if (s.mark ? s.wrap != !!wrap : s.wrap == !!wrap)
				break;
		}
		*pos = (struct vq_pos){.at = (uint16_t)at, .wrap = wrap};
		if (at == vq->size)
			*pos = (struct vq_pos){.at = 0, .wrap = !wrap};
		found = fit(vq, b, *pos);
	}
	return found;
}

/**
 * choose() - Of the positions there are, take the first that will do
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 * @pos:	What the front-end says; set to the one taken
 *
 * Return: FIT_YES; FIT_USED when all are contradicted; FIT_MISS
 */
static enum fit choose(struct vq *vq, struct vq_burst *b, struct vq_pos *pos) PMD_ONLY
{
	struct vq_pos noted = *pos, seen = *pos;
	enum fit by_journal = FIT_USED, by_base, by_ring;

	if (vq->journal && vq->kept)
		by_journal = journal_position(vq, b, &noted);
	if (by_journal == FIT_MISS)
		return FIT_MISS;
	if (by_journal == FIT_YES) {
		*pos = noted;
		return FIT_YES;
	}
	by_base = fit(vq, b, *pos);
	if (by_base == FIT_MISS || by_base == FIT_YES)
		return by_base;
	by_ring = by_journal == FIT_ODD && !vq->elsewhere ? FIT_ODD : ring_position(vq, b, &seen);
	if (by_ring == FIT_MISS)
		return FIT_MISS;
	if (by_ring == FIT_YES)
		*pos = seen;
	else if (by_journal == FIT_ODD)
		*pos = noted;
	else
		return by_base == FIT_ODD ? FIT_YES : FIT_USED;
	return FIT_YES;
}

/**
 * resume_packed() - Find out where a packed ring is
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 *
 * Return: false when that has to wait, or the ring was stopped
 */
static bool resume_packed(struct vq *vq, struct vq_burst *b) PMD_ONLY
{
	struct vq_pos pos = {.at = vq->next, .wrap = vq->wrap};
	enum fit found = choose(vq, b, &pos);

	if (found == FIT_USED) {
		COUNTER_ADD(vq->counters.err_base, 1);
		atomic_store_explicit(&vq->state, VQ_BROKEN, memory_order_relaxed);
	}
	if (found != FIT_YES)
		return false;
	vq->moved = pos.at != vq->next || pos.wrap != vq->wrap;
	vq->next = pos.at;
	vq->wrap = pos.wrap;
	return true;
}

/**
 * resume_split() - Find out where a split ring is
 * @vq:		Virtqueue
 * @b:		Call, told of a miss
 *
 * The used index is read through the translation for writing: nobody else's
 * writing is expected there.  One that cannot be right is none of our business
 * here: the base may be, and is checked by the next call.
 *
 * Return: false when that has to wait, or the ring was stopped
 */
static bool resume_split(struct vq *vq, struct vq_burst *b) PMD_ONLY
{
	uint16_t used, avail;

	if (!vq_area_read(vq, b, &vq->used, VQ_USED_IDX, &used, sizeof(used)) ||
	    !vq_area_read(vq, b, &vq->avail, VQ_AVAIL_IDX, &avail, sizeof(avail)))
		return false;
	if (used == vq->next || (uint16_t)(avail - used) > vq->size)
		return true;
	vq->moved = true;
	vq->next = used;
	return true;
}

bool vq_resume(struct vq *vq, uint64_t now)
{
	struct vq_burst b = {.fills = iotlb_fills(vq->tlb), .budget = VQ_WALK_BUDGET};

	vq_areas_check(vq);
	if (!(vq->packed ? resume_packed(vq, &b) : resume_split(vq, &b))) {
		if (b.missed)
			vq_sleep(vq, &b, now);
		return false;
	}
	/* What was put back was written, too */
	if (vq->log)
		vq_log_flush(vq);
	vq->uncertain = false;
	vq->avail_seen = vq->next;
	vq->ahead = vq->packed ? vq->seq : vq->next;
	if (vq->journal)
		vq_journal_begin(vq);
	if (vq->moved)
		COUNTER_ADD(vq->counters.moved_base, 1);
	vq->moved = false;
	return true;
}
