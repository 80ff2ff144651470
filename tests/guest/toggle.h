/* SPDX-License-Identifier: BSD-3-Clause */
/* toggle.h - Rings that are disabled and enabled while traffic runs (--toggle)
 *
 * Theory of operation
 * ===================
 * One pair at a time is switched off and on again, in one of two ways by turns:
 *
 *   whole pair		its frames have all come back; both rings are disabled.
 *			What is made available in its transmit ring now is to be
 *			thrown away and given back.  Only then both are enabled.
 *   receive ring	in the middle of its traffic.  Its frames come back through
 *			another pair now, still in order: when that changes, the
 *			ring they came through before is looked at first.
 *
 * Nothing may arrive in a disabled ring once that was acknowledged.  The numbers
 * of a flow go on all the time, so a frame that is lost, doubled or late shows.
 */
#ifndef GUEST_TOGGLE_H
#define GUEST_TOGGLE_H

#include <stdbool.h>
#include <stdint.h>

struct flow;
struct guest;

enum toggle_state { TOGGLE_REST, TOGGLE_DRAIN, TOGGLE_OFF };

/**
 * struct toggle - Where we are
 * @rng:	Random numbers
 * @state:	TOGGLE_REST: all is on; _DRAIN: the pair's frames are coming back; _OFF
 * @pair:	Which pair
 * @half:	Its receive ring only
 * @next_ns:	When to go on
 * @late_ns:	When waiting in this state is too long
 */
struct toggle {
	uint64_t rng;
	enum toggle_state state;
	unsigned int pair;
	bool half;
	uint64_t next_ns;
	uint64_t late_ns;
};

/**
 * toggle_step() - Do what is due
 * @t:		Zeroed but for @rng at first
 * @g:		Guest
 * @flows:	Of all pairs
 *
 * Return: 0 or -errno after a complaint
 */
int toggle_step(struct toggle *t, struct guest *g, struct flow *flows);

#endif /* GUEST_TOGGLE_H */
