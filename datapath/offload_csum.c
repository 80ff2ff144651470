/* SPDX-License-Identifier: BSD-3-Clause */
/* offload_csum.c - Finishing a checksum in software */
#include "datapath/offload_csum.h"

#include <netinet/in.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

/**
 * put_byte() - Store one byte of a frame
 * @m:		Frame that has it
 * @off:	Which
 * @byte:	Value
 */
static void put_byte(struct rte_mbuf *m, uint32_t off, uint8_t byte)
{
	for (; off >= m->data_len; m = m->next)
		off -= m->data_len;
	*rte_pktmbuf_mtod_offset(m, uint8_t *, off) = byte;
}

/**
 * fold() - Add the carries of a one's complement sum
 */
static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/**
 * sum_from() - Sum up a frame from a place to its end
 * @m:		Frame
 * @off:	Place
 *
 * Not rte_raw_cksum_mbuf(), which loses carries behind a segment of odd length.
 */
static uint16_t sum_from(const struct rte_mbuf *m, uint32_t off)
{
	uint32_t sum = 0;
	bool odd = false;

	for (; m; m = m->next) {
		uint32_t n = m->data_len;
		uint16_t part;

		if (off >= n) {
			off -= n;
			continue;
		}
		n -= off;
		part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const void *, off), n);
		sum += odd ? rte_bswap16(part) : part;
		odd ^= n & 1;
		off = 0;
	}
	return fold(sum);
}

void offload_csum(struct rte_mbuf *m, uint32_t start, uint32_t offset)
{
	uint16_t sum = (uint16_t)~sum_from(m, start);

	/* 0 would mean "none" in UDP, and is the same as its complement elsewhere */
	if (!sum)
		sum = 0xffff;
	put_byte(m, start + offset, (uint8_t)sum);
	put_byte(m, start + offset + 1, (uint8_t)(sum >> 8));
}

uint16_t offload_csum_tcp(const void *ip, bool ipv6, const struct rte_mbuf *m, uint32_t start)
{
	const struct rte_ipv4_hdr *v4 = ip;
	const struct rte_ipv6_hdr *v6 = ip;
	uint32_t sum = RTE_BE16(IPPROTO_TCP);

	sum += ipv6 ? rte_raw_cksum(v6->src_addr, sizeof(v6->src_addr) + sizeof(v6->dst_addr))
		    : rte_raw_cksum(&v4->src_addr, sizeof(v4->src_addr) + sizeof(v4->dst_addr));
	sum += rte_cpu_to_be_16((uint16_t)(m->pkt_len - start));
	sum += sum_from(m, start);
	return (uint16_t)~fold(sum);
}
