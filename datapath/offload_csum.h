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
 * offload_csum_tcp() - The checksum of a TCP segment
 * @ip:		Its IPv4 or IPv6 header
 * @ipv6:	Which
 * @m:		Frame of any number of mbufs
 * @start:	Where its TCP header begins, the checksum there being zero
 *
 * Return: What to store
 */
uint16_t offload_csum_tcp(const void *ip, bool ipv6, const struct rte_mbuf *m, uint32_t start);

#endif /* VUNETD_OFFLOAD_CSUM_H */
