/* SPDX-License-Identifier: BSD-3-Clause */
/* frames.h - Ethernet frames: turning them round, and answering ARP and ping */
#ifndef GUEST_FRAMES_H
#define GUEST_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ETH_LEN	  14
#define FRAME_MIN 60

/* Local experimental EtherType (IEEE 802): our own frames */
#define ETHERTYPE_TEST 0x88b5

/**
 * enum frame_verdict - What became of a frame
 * @FRAME_OTHER:	Neither ARP nor ping; unchanged
 * @FRAME_ECHOED:	It is an answer now
 * @FRAME_IGNORED:	Not to be answered: multicast, or ARP that asks nothing
 */
enum frame_verdict { FRAME_OTHER, FRAME_ECHOED, FRAME_IGNORED };

/**
 * frame_swap_macs() - Exchange destination and source
 * @f:	Ethernet header
 */
static inline void frame_swap_macs(uint8_t *f)
{
	uint64_t dst = 0, src = 0;

	memcpy(&dst, f, 6);
	memcpy(&src, f + 6, 6);
	memcpy(f, &src, 6);
	memcpy(f + 6, &dst, 6);
}

/**
 * frame_echo() - Turn an ARP or ICMP echo request into its answer
 * @f:		Ethernet header
 * @len:	Bytes that can be reached there
 */
enum frame_verdict frame_echo(uint8_t *f, size_t len);

/**
 * frame_header() - Write the Ethernet header of a frame of ours
 * @f:	Where to
 */
void frame_header(uint8_t *f);

/**
 * frame_ours() - Whether a frame is from and to who frame_header() says, or back
 * @f:	Ethernet header
 */
bool frame_ours(const uint8_t *f);

#endif /* GUEST_FRAMES_H */
