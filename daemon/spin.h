/* SPDX-License-Identifier: BSD-3-Clause */
/* spin.h - Whether the control thread had better not sleep just now
 *
 * Theory of operation
 * ===================
 * With a map and an unmap per packet the front-end sends a message, waits for
 * its answer, and soon sends the next.  To sleep in between is two switches of
 * the processor and a wake-up per message, which take longer than the work.  So
 * the control thread looks for more for a while first, if lately there was more
 * within such a while: the time from one piece of work to the next is short or
 * long, and a moving average of that decides.  A guest with static maps never makes it
 * spin, one that maps per packet nearly always.
 *
 * While it spins it yields, because the front-end or a vCPU may be waiting for
 * this very processor.
 *
 * Threads: control thread only.
 */
#ifndef VUNETD_SPIN_H
#define VUNETD_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct spin - What the last gaps were like
 * @limit_ns:	Longest spin, and the longest time that is short; 0: never spin
 * @last_ns:	When work was done last, CLOCK_MONOTONIC
 * @score:	How many of the last times were short, of SPIN_SCORE_MAX
 */
struct spin {
	uint64_t limit_ns;
	uint64_t last_ns;
	unsigned int score;
};

#define SPIN_SCORE_MAX 256u

/**
 * spin_worked() - There was work, and it is done
 * @spin:	Spin
 * @now_ns:	Now
 */
static inline void spin_worked(struct spin *spin, uint64_t now_ns)
{
	bool brief = now_ns - spin->last_ns < spin->limit_ns;

	spin->score -= spin->score / 8;
	spin->score += brief ? SPIN_SCORE_MAX / 8 : 0;
	spin->last_ns = now_ns;
}

/**
 * spin_on() - Whether to look for work once more before going to sleep
 * @spin:	Spin
 * @now_ns:	Now
 */
static inline bool spin_on(const struct spin *spin, uint64_t now_ns)
{
	return spin->score > SPIN_SCORE_MAX / 2 && now_ns - spin->last_ns < spin->limit_ns;
}

#endif /* VUNETD_SPIN_H */
