/* SPDX-License-Identifier: BSD-3-Clause */
/* offload_merge.c - TCP segments on their way to a guest, made fewer
 *
 * A table of *streams*, one for each connection that may still grow, is built
 * while the burst is walked and forgotten at its end.  A frame of a connection
 * that does not continue its stream ends it, so that nothing is overtaken.
 */
#include "datapath/offload_merge.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "datapath/offload_csum.h"
#include "datapath/offload_parse.h"
#include "datapath/vq.h"

/* Connections a burst of 32 frames has enough of, to be worth merging */
#define STREAMS_MAX 8

/**
 * struct part - A TCP segment as it came
 * @m:		Its mbuf
 * @f:		Its layers
 * @ip:		Network header
 * @tcp:	Transport header
 * @seq:	Sequence number
 * @payload:	Bytes; 0 also where it may not be merged for other reasons
 */
struct part {
	struct rte_mbuf *m;
	struct offload_frame f;
	uint8_t *ip;
	struct rte_tcp_hdr *tcp;
	uint32_t seq;
	uint32_t payload;
};

/**
 * struct stream - Merged so far
 * @first:	The first part, whose headers stay
 * @last:	The last mbuf
 * @n:		Parts
 * @checked:	The first part's checksums were found right
 * @push:	The last one has PSH
 */
struct stream {
	struct part first;
	struct rte_mbuf *last;
	uint16_t n;
	bool checked;
	bool push;
};

/**
 * struct streams - Those that may still grow
 */
struct streams {
	struct stream s[STREAMS_MAX];
	unsigned int n;
};

/**
 * part_is_ours() - Whether an mbuf's bytes and links may be changed
 * @m:	mbuf
 */
static bool part_is_ours(const struct rte_mbuf *m)
{
	return m->nb_segs == 1 && RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

/**
 * part_read() - See what a frame is
 * @m:		Frame
 * @features:	Negotiated
 * @p:		Filled in
 *
 * Return: whether it is a TCP segment, all of whose headers are readable; @p has
 *	a payload only if it may be merged with others
 */
static bool part_read(struct rte_mbuf *m, uint64_t features, struct part *p)
{
	uint32_t l4, len;

	offload_parse(m, &p->f);
	l4 = (uint32_t)p->f.l2_len + p->f.l3_len;
	len = l4 + p->f.l4_len;
	if (p->f.proto != IPPROTO_TCP || len > m->data_len)
		return false;
	p->m = m;
	p->ip = rte_pktmbuf_mtod_offset(m, uint8_t *, p->f.l2_len);
	p->tcp = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, l4);
	p->seq = rte_be_to_cpu_32(p->tcp->sent_seq);
	p->payload = 0;
	if (!(features &
	      UINT64_C(1) << (p->f.ipv6 ? VIRTIO_NET_F_GUEST_TSO6 : VIRTIO_NET_F_GUEST_TSO4)))
		return true;
	/* No options: they would have to be the same, and are hardly ever there */
	if (p->f.l3_len != (p->f.ipv6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr)))
		return true;
	if ((p->tcp->tcp_flags & (uint8_t)~RTE_TCP_PSH_FLAG) != RTE_TCP_ACK_FLAG)
		return true;
	/* What the network header does not count is padding */
	if (p->f.ip_len != m->pkt_len - p->f.l2_len || !part_is_ours(m))
		return true;
	p->payload = m->pkt_len - len;
	return true;
}

/**
 * part_checked() - Whether a part's checksums are right
 * @p:	Part
 */
static bool part_checked(const struct part *p)
{
	uint64_t l4 = p->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	uint16_t sum;

	if (!p->f.ipv6 && rte_ipv4_cksum((const struct rte_ipv4_hdr *)p->ip))
		return false;
	if (l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	if (l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		return false;
	/* Over a checksum that is right the sum is zero, of which there are two */
	sum = offload_csum_tcp(p->ip, p->f.ipv6, p->m, (uint32_t)p->f.l2_len + p->f.l3_len);
	return !sum || sum == UINT16_MAX;
}

/**
 * same_connection() - Whether two segments go the same way in one connection
 * @a:	Part
 * @b:	Part
 */
static bool same_connection(const struct part *a, const struct part *b)
{
	size_t at = a->f.ipv6 ? offsetof(struct rte_ipv6_hdr, src_addr)
			      : offsetof(struct rte_ipv4_hdr, src_addr);
	size_t n = a->f.ipv6 ? 32 : 8;

	return a->f.ipv6 == b->f.ipv6 && a->tcp->src_port == b->tcp->src_port &&
	       a->tcp->dst_port == b->tcp->dst_port && !memcmp(a->ip + at, b->ip + at, n);
}

/**
 * same_ip() - Whether two IP headers differ in lengths, IDs and checksums only
 * @s:	Stream
 * @p:	Its next part
 *
 * IDs count up, or mean nothing because the packets may not be fragmented.
 */
static bool same_ip(const struct stream *s, const struct part *p)
{
	const struct rte_ipv4_hdr *a = (const void *)s->first.ip, *b = (const void *)p->ip;
	uint16_t ids = (uint16_t)(rte_be_to_cpu_16(b->packet_id) - rte_be_to_cpu_16(a->packet_id));

	if (p->f.ipv6)
		return !memcmp(s->first.ip, p->ip, offsetof(struct rte_ipv6_hdr, payload_len)) &&
		       s->first.ip[7] == p->ip[7];
	return a->version_ihl == b->version_ihl && a->type_of_service == b->type_of_service &&
	       a->fragment_offset == b->fragment_offset && a->time_to_live == b->time_to_live &&
	       (ids == s->n || b->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG));
}

/**
 * same_tcp() - Whether two TCP headers differ in sequence, checksum and PSH only
 * @a:	Part
 * @b:	Part
 */
static bool same_tcp(const struct part *a, const struct part *b)
{
	return a->tcp->recv_ack == b->tcp->recv_ack && a->tcp->data_off == b->tcp->data_off &&
	       a->tcp->rx_win == b->tcp->rx_win && a->tcp->tcp_urp == b->tcp->tcp_urp &&
	       !memcmp(a->tcp + 1, b->tcp + 1, a->f.l4_len - sizeof(*a->tcp));
}

/**
 * stream_takes() - Whether a part continues a stream
 * @s:	Stream of the same connection
 * @p:	Part with payload
 */
static bool stream_takes(struct stream *s, const struct part *p)
{
	const struct rte_mbuf *m = s->first.m;
	uint32_t len = s->first.f.l2_len + (uint32_t)s->first.f.l3_len + s->first.f.l4_len;

	if (s->push || p->payload > s->first.payload ||
	    (m->pkt_len - len) != s->n * s->first.payload ||
	    p->seq != s->first.seq + (m->pkt_len - len) || m->pkt_len + p->payload > VQ_FRAME_MAX)
		return false;
	if (p->f.l2_len != s->first.f.l2_len ||
	    memcmp(rte_pktmbuf_mtod(m, const void *), rte_pktmbuf_mtod(p->m, const void *),
		   p->f.l2_len) != 0 ||
	    !same_ip(s, p) || !same_tcp(&s->first, p))
		return false;
	if (!s->checked && !part_checked(&s->first))
		return false;
	s->checked = true;
	return part_checked(p);
}

/**
 * stream_append() - Put a part at the end of a stream
 * @s:	Stream that takes it
 * @p:	Part; its mbuf now belongs to the stream's
 */
static void stream_append(struct stream *s, const struct part *p)
{
	struct rte_mbuf *m = s->first.m;

	s->push = p->tcp->tcp_flags & RTE_TCP_PSH_FLAG;
	rte_pktmbuf_adj(p->m, (uint16_t)(p->m->pkt_len - p->payload));
	s->last->next = p->m;
	s->last = p->m;
	s->n++;
	m->nb_segs++;
	m->pkt_len += p->payload;
}

/**
 * stream_finish() - Make the headers say what the frame is by now
 * @s:	Stream
 */
static void stream_finish(struct stream *s)
{
	struct offload_frame *f = &s->first.f;
	struct rte_mbuf *m = s->first.m;

	if (s->n == 1)
		return;
	if (f->ipv6) {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)s->first.ip;

		ip->payload_len = rte_cpu_to_be_16((uint16_t)(m->pkt_len - f->l2_len - f->l3_len));
		s->first.tcp->cksum = rte_ipv6_phdr_cksum(ip, 0);
	} else {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)s->first.ip;

		ip->total_length = rte_cpu_to_be_16((uint16_t)(m->pkt_len - f->l2_len));
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		s->first.tcp->cksum = rte_ipv4_phdr_cksum(ip, 0);
	}
	if (s->push)
		s->first.tcp->tcp_flags |= RTE_TCP_PSH_FLAG;
	m->tx_offload = (uint64_t)rte_mbuf_tx_offload(f->l2_len, f->l3_len, f->l4_len,
						      s->first.payload, 0, 0, 0);
	m->ol_flags |= RTE_MBUF_F_RX_LRO;
}

/**
 * streams_end() - End one stream
 * @t:	Table
 * @i:	Which
 */
static void streams_end(struct streams *t, unsigned int i)
{
	stream_finish(&t->s[i]);
	t->s[i] = t->s[--t->n];
}

/**
 * streams_begin() - Let a part begin a stream
 * @t:	Table
 * @p:	Part with payload
 */
static void streams_begin(struct streams *t, const struct part *p)
{
	if (p->tcp->tcp_flags & RTE_TCP_PSH_FLAG)
		return;
	if (t->n == STREAMS_MAX)
		streams_end(t, 0);
	t->s[t->n++] = (struct stream){.first = *p, .last = p->m, .n = 1};
}

/**
 * streams_add() - Put a TCP segment where it belongs
 * @t:	Table
 * @p:	Segment
 *
 * Return: true when it is now a part of a frame before it
 */
static bool streams_add(struct streams *t, const struct part *p)
{
	for (unsigned int i = 0; i < t->n; i++) {
		struct stream *s = &t->s[i];

		if (!same_connection(&s->first, p))
			continue;
		if (p->payload && stream_takes(s, p)) {
			stream_append(s, p);
			return true;
		}
		streams_end(t, i);
		break;
	}
	if (p->payload)
		streams_begin(t, p);
	return false;
}

uint16_t offload_merge(struct rte_mbuf **pkts, uint16_t n, uint64_t features)
{
	struct streams t;
	uint16_t kept = 0;

	t.n = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct part p;

		if (part_read(pkts[i], features, &p)) {
			if (streams_add(&t, &p))
				continue;
		} else if (p.f.l3_len && p.f.proto != IPPROTO_UDP) {
			/* Perhaps a fragment of one of the connections */
			while (t.n)
				streams_end(&t, t.n - 1);
		}
		pkts[kept++] = pkts[i];
	}
	while (t.n)
		streams_end(&t, t.n - 1);
	return kept;
}
