/* SPDX-License-Identifier: BSD-3-Clause */
/* offload_parse.h - Where the headers of a frame really are
 *
 * A guest says where its transport header is; what it says is believed when the
 * frame says the same.  The parse is bounded: two VLAN tags, eight IPv6
 * extension headers, and never a byte behind the end of the frame.
 *
 * Threads: any; works on its arguments only.
 */
#ifndef VUNETD_OFFLOAD_PARSE_H
#define VUNETD_OFFLOAD_PARSE_H

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

/**
 * struct offload_frame - What a frame is
 * @ip_len:	Bytes from the network header on, as that header says; 0 when it
 *		does not say (segmentation by some drivers), or not IP
 * @l2_len:	Ethernet header and VLAN tags
 * @l3_len:	IP header, its options or extension headers; 0 when not IP
 * @l4_len:	TCP or UDP header; 0 when neither follows in full
 * @proto:	IPPROTO_TCP, IPPROTO_UDP, or 0 when @l4_len is
 * @ipv6:	The network header is IPv6
 * @extended:	and extension headers follow it
 */
struct offload_frame {
	uint32_t ip_len;
	uint16_t l2_len;
	uint16_t l3_len;
	uint8_t l4_len;
	uint8_t proto;
	bool ipv6;
	bool extended;
};

/**
 * offload_parse() - Find the headers of a frame
 * @m:		Frame of any number of segments
 * @ret_frame:	Filled in as far as the frame is understood
 *
 * Fragments have no transport header here, even the first.
 */
void offload_parse(const struct rte_mbuf *m, struct offload_frame *ret_frame);

#endif /* VUNETD_OFFLOAD_PARSE_H */
