/* SPDX-License-Identifier: BSD-3-Clause */
/* offload_cut.c - Cutting a large TCP frame into segments in software */
#include "datapath/offload_cut.h"

#include <string.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "datapath/offload_csum.h"

/**
 * headers_len() - Bytes of a frame's headers
 * @m:	Frame with its lengths set
 */
static uint32_t headers_len(const struct rte_mbuf *m)
{
	return (uint32_t)m->l2_len + m->l3_len + m->l4_len;
}

uint32_t offload_segment_len(const struct rte_mbuf *m)
{
	return headers_len(m) + m->tso_segsz;
}

/**
 * cut_take() - Copy the frame's next bytes
 * @cut:	Frame, moved on
 * @dst:	Where to
 * @n:		How many, no more than there are
 */
static void cut_take(struct offload_cut *cut, uint8_t *dst, uint32_t n)
{
	while (n) {
		uint32_t part = RTE_MIN(n, cut->at->data_len - cut->at_off);

		rte_memcpy(dst, rte_pktmbuf_mtod_offset(cut->at, const void *, cut->at_off), part);
		dst += part;
		n -= part;
		cut->at_off += part;
		if (cut->at_off == cut->at->data_len) {
			cut->at = cut->at->next;
			cut->at_off = 0;
		}
	}
}

void offload_cut_begin(struct offload_cut *cut, struct rte_mbuf *m)
{
	cut->m = m;
	cut->at = m;
	cut->at_off = 0;
	cut->sent = 0;
	cut->n = 0;
	cut->hdr_len = (uint16_t)headers_len(m);
	cut->left = m->pkt_len - cut->hdr_len;
	cut_take(cut, cut->hdr, cut->hdr_len);
}

/**
 * cut_ip() - Make a segment's network header true
 * @cut:	Frame
 * @ip:		Header in the segment
 * @len:	Bytes from there on
 */
static void cut_ip(const struct offload_cut *cut, uint8_t *ip, uint32_t len)
{
	struct rte_ipv6_hdr *v6 = (struct rte_ipv6_hdr *)ip;
	struct rte_ipv4_hdr *v4 = (struct rte_ipv4_hdr *)ip;

	if (cut->m->ol_flags & RTE_MBUF_F_TX_IPV6) {
		v6->payload_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(*v6)));
		return;
	}
	v4->total_length = rte_cpu_to_be_16((uint16_t)len);
	v4->packet_id = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(v4->packet_id) + cut->n));
	v4->hdr_checksum = 0;
	v4->hdr_checksum = rte_ipv4_cksum(v4);
}

/**
 * cut_tcp() - Make a segment's TCP header true
 * @cut:	Frame
 * @m:		Segment, complete but for that
 * @last:	It is the last one
 */
static void cut_tcp(const struct offload_cut *cut, struct rte_mbuf *m, bool last)
{
	uint32_t l3 = cut->m->l2_len, l4 = l3 + cut->m->l3_len;
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, l4);

	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + cut->sent);
	if (cut->n)
		tcp->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	if (!last)
		tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	tcp->cksum = 0;
	tcp->cksum = offload_csum_tcp(rte_pktmbuf_mtod_offset(m, const void *, l3),
				      cut->m->ol_flags & RTE_MBUF_F_TX_IPV6, m, l4);
}

/**
 * cut_alloc() - Get mbufs for a segment
 * @pool:	Where they come from
 * @len:	Bytes the segment has
 * Return: Chain with its lengths set, or NULL
 */
static struct rte_mbuf *cut_alloc(struct rte_mempool *pool, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *last = m;

	if (unlikely(!m))
		return NULL;
	m->pkt_len = len;
	for (;;) {
		last->data_len = (uint16_t)RTE_MIN(len, (uint32_t)rte_pktmbuf_tailroom(last));
		len -= last->data_len;
		if (likely(!len))
			return m;
		last->next = rte_pktmbuf_alloc(pool);
		last = last->next;
		if (unlikely(!last))
			break;
		m->nb_segs++;
	}
	rte_pktmbuf_free(m);
	return NULL;
}

/**
 * cut_one() - Make one segment
 * @cut:	Frame, moved on
 * @pool:	Where mbufs come from
 * Return: The segment, or NULL when there is no mbuf
 */
static struct rte_mbuf *cut_one(struct offload_cut *cut, struct rte_mempool *pool)
{
	uint32_t bytes = RTE_MIN(cut->left, (uint32_t)cut->m->tso_segsz), skip = cut->hdr_len;
	struct rte_mbuf *m = cut_alloc(pool, cut->hdr_len + bytes);

	if (unlikely(!m))
		return NULL;
	memcpy(rte_pktmbuf_mtod(m, void *), cut->hdr, cut->hdr_len);
	for (struct rte_mbuf *seg = m; seg; seg = seg->next, skip = 0)
		cut_take(cut, rte_pktmbuf_mtod_offset(seg, uint8_t *, skip), seg->data_len - skip);
	cut_ip(cut, rte_pktmbuf_mtod_offset(m, uint8_t *, cut->m->l2_len),
	       m->pkt_len - cut->m->l2_len);
	cut_tcp(cut, m, bytes == cut->left);
	cut->left -= bytes;
	cut->sent += bytes;
	cut->n++;
	return m;
}

uint16_t offload_cut_next(struct offload_cut *cut, struct rte_mempool *pool, struct rte_mbuf **pkts,
			  uint16_t n)
{
	uint16_t made = 0;

	/* A frame without payload is one segment all the same */
	while (made < n && (cut->left || !cut->n)) {
		struct rte_mbuf *m = cut_one(cut, pool);

		if (unlikely(!m))
			return made;
		pkts[made++] = m;
	}
	if (!cut->left && cut->n)
		offload_cut_drop(cut);
	return made;
}

void offload_cut_drop(struct offload_cut *cut)
{
	rte_pktmbuf_free(cut->m);
	cut->m = NULL;
}
