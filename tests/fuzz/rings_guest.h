/* SPDX-License-Identifier: BSD-3-Clause */
/* rings_guest.h - What the guest of a script does to its memory (rings.h)
 *
 * Each takes what it needs from the script, and may be called at any time.
 */
#ifndef VUNETD_FUZZ_RINGS_GUEST_H
#define VUNETD_FUZZ_RINGS_GUEST_H

#include "datapath/vq.h"
#include "tests/fuzz/input.h"

/* Where in the window of scatter.h what is (rings.h) */
#define AT_DESC	    0x0000u
#define AT_AVAIL    0x1000u
#define AT_USED	    0x2000u
#define AT_TABLES   0x3000u
#define AT_BUFFERS  0x5000u
#define TABLE_BYTES 0x200u

/**
 * struct play - One script being played
 * @cfg:	What the virtqueue was started with
 * @kind:	Of memory
 * @dir:	VRING_DESC_F_WRITE when the ring receives
 * @packed:	The layout
 * @next:	Split: available index; packed: slot the guest writes next
 * @wrap:	Packed: wrap counter there
 * @now:	Time, as the virtqueue is told
 */
struct play {
	struct input in;
	struct vq_config cfg;
	unsigned int kind;
	uint16_t dir;
	bool packed;
	uint16_t next;
	bool wrap;
	uint64_t now;
};

/**
 * guest_offer() - Make a good chain available, in the ring or in a table
 * @p:	Play
 */
void guest_offer(struct play *p);

/**
 * guest_desc() - Write one descriptor of any content
 * @p:	Play
 */
void guest_desc(struct play *p);

/**
 * guest_show() - Make something available, whatever it is
 * @p:	Play
 */
void guest_show(struct play *p);

/**
 * guest_poke() - Write some bytes anywhere
 * @p:	Play
 */
void guest_poke(struct play *p);

/**
 * guest_fill() - Write one descriptor many times, for long chains and large tables
 * @p:	Play
 */
void guest_fill(struct play *p);

/**
 * guest_event() - Have something happen in the next poll
 * @p:	Play
 */
void guest_event(struct play *p);

#endif /* VUNETD_FUZZ_RINGS_GUEST_H */
