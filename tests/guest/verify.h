/* SPDX-License-Identifier: BSD-3-Clause */
/* verify.h - What --toggle needs of mode verify */
#ifndef GUEST_VERIFY_H
#define GUEST_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

struct guest;

/**
 * struct flow - The frames of one queue pair
 * @sent:	Next number to send
 * @expected:	Next number to come
 * @heard_ns:	When something came last
 * @window:	Frames that may be on their way
 * @before:	Those below this number were sent to a backend that has ended
 * @off:	Send none
 * @deaf:	Its receive ring is disabled: nothing may come there
 */
struct flow {
	uint64_t sent;
	uint64_t expected;
	uint64_t before;
	uint64_t heard_ns;
	uint32_t window;
	bool off;
	bool deaf;
};

/**
 * verify_check() - Take one burst of a pair and look at it
 * @g:		Guest
 * @pair:	Whose receive ring to look at
 * @flows:	Of all pairs
 *
 * Return: Whether there was anything
 */
bool verify_check(struct guest *g, unsigned int pair, struct flow *flows);

/**
 * verify_send_doomed() - Make a frame available that must not be sent
 * @g:		Guest
 * @pair:	Whose transmit ring, which is disabled, takes it
 *
 * Return: Whether there was room
 */
bool verify_send_doomed(struct guest *g, unsigned int pair);

#endif /* GUEST_VERIFY_H */
