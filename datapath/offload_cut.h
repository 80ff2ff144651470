/* SPDX-License-Identifier: BSD-3-Clause */
/* offload_cut.h - Cutting a large TCP frame into segments in software
 *
 * Theory of operation
 * ===================
 * A segment is a copy: its headers, made anew, and its part of the payload, in
 * one mbuf where it fits.  Copies, because the checksum reads every byte anyway, because any
 * port can send them, and because the frame need not
 * stay until the last of them has left.  rte_gso makes chains and knows no IPv6.
 *
 * Cutting stops when the caller has no more room, and goes on where it was: a
 * frame of any number of segments costs no more than a burst at a time.
 *
 * Each segment counts on in the sequence number and the IPv4 identification;
 * CWR is only in the first, FIN and PSH are only in the last (RFC 3168, 6.1.2).
 *
 * Threads: the PMD thread that polls the wire.
 */
#ifndef VUNETD_OFFLOAD_CUT_H
#define VUNETD_OFFLOAD_CUT_H

#include <stdint.h>

#include <rte_common.h>

#include "iotlb/thread_role.h"

struct rte_mbuf;
struct rte_mempool;

/* Ethernet and two tags, the longest mbuf.l3_len, the longest TCP header */
#define OFFLOAD_HEADERS_MAX (22 + 511 + 60)

/**
 * struct offload_cut - A frame that is being cut
 * @m:		Frame, owned; NULL when there is none
 * @at:		Its segment that holds the next byte of payload
 * @at_off:	Where in it
 * @sent:	Bytes of payload that are cut off
 * @left:	and that are left
 * @n:		Segments made
 * @hdr_len:	Bytes of headers
 * @hdr:	Headers, contiguous
 */
struct offload_cut {
	struct rte_mbuf *m;
	const struct rte_mbuf *at;
	uint32_t at_off;
	uint32_t sent;
	uint32_t left;
	uint16_t n;
	uint16_t hdr_len;
	uint8_t hdr[OFFLOAD_HEADERS_MAX] __rte_aligned(2);
};

/**
 * offload_segment_len() - Bytes of the longest segment a frame is cut into
 * @m:	Frame with RTE_MBUF_F_TX_TCP_SEG
 */
uint32_t offload_segment_len(const struct rte_mbuf *m);

/**
 * offload_cut_begin() - Begin with a frame
 * @cut:	Idle
 * @m:		Frame that offload_from_guest() set RTE_MBUF_F_TX_TCP_SEG in; taken
 */
void offload_cut_begin(struct offload_cut *cut, struct rte_mbuf *m) PMD_ONLY;

/**
 * offload_cut_next() - Make segments
 * @cut:	Idle again when the last is made
 * @pool:	Where they come from; an mbuf holds OFFLOAD_HEADERS_MAX
 * @pkts:	Filled in; the caller's, finished, without offload flags
 * @n:		Room there
 *
 * Return: How many were made; fewer than @n at the end and when @pool is empty
 */
uint16_t offload_cut_next(struct offload_cut *cut, struct rte_mempool *pool, struct rte_mbuf **pkts,
			  uint16_t n) PMD_ONLY;

/**
 * offload_cut_drop() - Free what is left of a frame
 * @cut:	Idle afterwards
 */
void offload_cut_drop(struct offload_cut *cut);

#endif /* VUNETD_OFFLOAD_CUT_H */
