/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_journal.h - Where a packed ring is, for a daemon that comes after us
 *
 * Theory of operation
 * ===================
 * A split ring tells by itself how far it was used: the used index is in the
 * guest's memory, and until it moves nothing that was written counts.  A packed
 * ring has no such index, and a front-end that has lost its backend says again
 * where the ring began (QEMU does).  Besides, a used element takes its
 * descriptor's place: of a burst that was interrupted, all but the first may have
 * lost length and flags although the guest sees none of them.
 *
 * So the polling thread keeps, in memory that outlives the process, where the
 * burst began, where it ends, and the words it overwrites:
 *
 *   word = {from, from, 0}            (or left over from the last burst)
 *   undo[0..n) = words of the chains
 *   word = {from, from, n}
 *       used elements, all but the first
 *   word = {from, to, n}
 *       first used element             the guest sees the burst
 *
 * Whoever comes next looks at the first slot (vq_resume.c).  Still available: the
 * burst was not published; the words are put back, the ring is at @from.
 * Otherwise it was, and the ring is at @to.
 *
 * A process that is killed has made all stores before the one it did not come to,
 * so what has to be kept from getting in front of another is the compiler only.
 *
 * Threads: the polling thread; the control thread while no poll list names the
 * ring.  Nobody else has it mapped: the daemon holds a lock on the file.
 */
#ifndef VUNETD_VQ_JOURNAL_H
#define VUNETD_VQ_JOURNAL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* A call ends when the chains of one more frame might find no room */
#define VQ_JOURNAL_MAX 1276

/**
 * struct vq_undo - What a used element takes the place of
 * @meta:	Second word of the descriptor
 * @slot:	Where it was
 */
struct vq_undo {
	uint64_t meta;
	uint64_t slot;
};

/**
 * struct vq_journal - One packed ring
 * @desc:	Which ring: the address it had
 * @size:	and its entries; 0: none yet
 * @word:	vq_journal_word()
 * @undo:	Those of @word count
 */
struct vq_journal {
	uint64_t desc;
	uint64_t size;
	uint64_t word;
	uint64_t unused[5];
	struct vq_undo undo[VQ_JOURNAL_MAX];
};

_Static_assert(offsetof(struct vq_journal, undo) == 64, "a cache line before the words");
_Static_assert(sizeof(struct vq_journal) % 4096 == 0, "rings share no page");

/**
 * vq_journal_word() - A burst in one word
 * @from:	Where it began: slot, and wrap counter as bit 15
 * @to:		Where it ends
 * @n:		Words kept
 */
static inline uint64_t vq_journal_word(uint16_t from, uint16_t to, uint32_t n)
{
	/* A product where clang's analyzer takes the shift for one of 32 bits */
	return from | (uint64_t)to << 16 | n * (UINT64_C(1) << 32);
}

/**
 * vq_journal_store() - Note a burst before what is stored next
 * @j:		Journal
 * @word:	vq_journal_word()
 */
static inline void vq_journal_store(struct vq_journal *j, uint64_t word)
{
	atomic_signal_fence(memory_order_seq_cst);
	__atomic_store_n(&j->word, word, __ATOMIC_RELAXED);
	atomic_signal_fence(memory_order_seq_cst);
}

#endif /* VUNETD_VQ_JOURNAL_H */
