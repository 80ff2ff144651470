/* SPDX-License-Identifier: BSD-3-Clause */
/* offload_csum.h - Finishing a checksum in software
 *
 * Threads: any; works on its arguments only.
 */
#ifndef VUNETD_OFFLOAD_CSUM_H
#define VUNETD_OFFLOAD_CSUM_H

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

/**
 * offload_csum() - Sum up a frame from a place to its end, and store that
 * @m:		Frame of any number of segments
 * @start:	Where the sum begins
 * @offset:	Where it goes, from there, the frame having both bytes; there is
 *		the sum of the pseudo header (virtio 1.2, 5.1.6.2)
 */
void offload_csum(struct rte_mbuf *m, uint32_t start, uint32_t offset);

/**
 * offload_csum_tcp() - The checksum of a TCP segment in one piece
 * @ip:		IPv4 or IPv6 header
 * @ipv6:	Which
 * @tcp:	TCP header, its checksum zero, and payload behind it
 * @len:	Bytes of both
 *
 * Return: What to store
 */
uint16_t offload_csum_tcp(const void *ip, bool ipv6, const void *tcp, uint32_t len);

#endif /* VUNETD_OFFLOAD_CSUM_H */
