/* SPDX-License-Identifier: BSD-3-Clause */
/* spoil.h - Virtio headers that contradict their frames (--bad-offloads)
 *
 * Theory of operation
 * ===================
 * A frame is made as for a stream, then its virtio header, or what that header
 * speaks of, is spoilt in one way of a table.  A backend that reads the header
 * must not send such a frame; its destination port tells a receiver what was
 * wrong with it if it does.
 */
#ifndef GUEST_SPOIL_H
#define GUEST_SPOIL_H

#include <stdint.h>

#include "tests/guest/stream.h"

/**
 * enum spoil_result - What is to become of a frame
 * @SPOIL_NOT:		This way is none for this kind, or not with these features
 * @SPOIL_CONTRADICTS:	The header contradicts the frame, or the negotiation
 * @SPOIL_TOO_BIG:	Its segments are larger than what a port sends
 */
enum spoil_result { SPOIL_NOT, SPOIL_CONTRADICTS, SPOIL_TOO_BIG };

/**
 * spoil_ways() - How many ways there are
 */
unsigned int spoil_ways(void);

/**
 * spoil_name() - What a way is called
 * @way:	Less than spoil_ways()
 */
const char *spoil_name(unsigned int way);

/**
 * spoil_make() - Make a frame that must not be sent
 * @s:		Stream it could be of; not moved on
 * @way:	Less than spoil_ways()
 * @features:	Negotiated
 * @sf:		Filled in
 * @f:		Frame
 */
enum spoil_result spoil_make(const struct stream *s, unsigned int way, uint64_t features,
			     struct stream_frame *sf, uint8_t *f);

#endif /* GUEST_SPOIL_H */
