/* SPDX-License-Identifier: BSD-3-Clause */
/* vq_stages.h - Cycles a call spends in each of its stages, in a build of its own
 *
 * Theory of operation
 * ===================
 * Built with -DVQ_STAGES (make bench-stages), a call reads the clock wherever one
 * stage ends and the next begins: once per burst and stage, which divides the
 * clock's own cost by the frames of a burst.  In every other build the structure
 * is empty and so are the functions.
 *
 * A fence before the clock keeps a stage's loads from being waited for in the
 * next one.  What stages otherwise do at the same time then takes its turn, so
 * their sum is more than a call takes without.  A frame on the slow path counts
 * in the stage that ends next.
 *
 * Threads: the polling thread (PMD_ONLY); whoever reads, when it does not poll.
 */
#ifndef VUNETD_VQ_STAGES_H
#define VUNETD_VQ_STAGES_H

#include <stdint.h>

#include <rte_atomic.h>
#include <rte_cycles.h>

/**
 * enum vq_stage - Stages that are told apart
 * @VQ_STAGE_FETCH:	indexes and heads; packed: descriptors
 * @VQ_STAGE_MBUFS:	allocating them, where frames are taken
 * @VQ_STAGE_TRANSLATE:	checking and translating each buffer; split: reading its
 *			descriptors too
 * @VQ_STAGE_COPY:	headers and bytes
 * @VQ_STAGE_PUBLISH:	used elements, index, notification
 */
enum vq_stage {
	VQ_STAGE_FETCH,
	VQ_STAGE_MBUFS,
	VQ_STAGE_TRANSLATE,
	VQ_STAGE_COPY,
	VQ_STAGE_PUBLISH,
	VQ_N_STAGES,
};

/**
 * struct vq_stages - A call's cycles
 * @since:	When the stage began that has not ended
 * @cycles:	In each of them
 */
struct vq_stages {
#ifdef VQ_STAGES
	uint64_t since;
	uint64_t cycles[VQ_N_STAGES];
#endif
};

/**
 * vq_stages_begin() - Begin a call
 * @s:	Stages
 */
static inline void vq_stages_begin(struct vq_stages *s)
{
#ifdef VQ_STAGES
	*s = (struct vq_stages){0};
	rte_rmb();
	s->since = rte_rdtsc();
#else
	(void)s;
#endif
}

/**
 * vq_stage_end() - End a stage, and begin the next
 * @s:		Stages
 * @stage:	That ends
 */
static inline void vq_stage_end(struct vq_stages *s, enum vq_stage stage)
{
#ifdef VQ_STAGES
	uint64_t now;

	rte_rmb();
	now = rte_rdtsc();
	s->cycles[stage] += now - s->since;
	s->since = now;
#else
	(void)s, (void)stage;
#endif
}

#endif /* VUNETD_VQ_STAGES_H */
