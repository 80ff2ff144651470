/* SPDX-License-Identifier: BSD-3-Clause */
/* offload.c - Between the virtio-net header and an mbuf's offload flags */
#include "datapath/offload.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>

#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "datapath/offload_csum.h"
#include "datapath/offload_parse.h"

/**
 * has() - Whether a feature was negotiated
 */
static bool has(uint64_t features, unsigned int bit)
{
	return features >> bit & 1;
}

/**
 * csum_field() - Where a transport header has its checksum
 * @proto:	IPPROTO_TCP or IPPROTO_UDP
 */
static uint16_t csum_field(uint8_t proto)
{
	return proto == IPPROTO_TCP ? offsetof(struct rte_tcp_hdr, cksum)
				    : offsetof(struct rte_udp_hdr, dgram_cksum);
}

/**
 * set_lengths() - Note where the headers are
 * @m:		Frame
 * @f:		What it is
 * @segment:	Bytes of payload in each segment, or 0
 */
static void set_lengths(struct rte_mbuf *m, const struct offload_frame *f, uint16_t segment)
{
	m->tx_offload = rte_mbuf_tx_offload(f->l2_len, f->l3_len, f->l4_len, segment, 0, 0, 0);
}

/**
 * lengths_agree() - Whether the network header says as many bytes as there are
 * @m:	Frame
 * @f:	What it is
 */
static bool lengths_agree(const struct rte_mbuf *m, const struct offload_frame *f)
{
	return f->ip_len == m->pkt_len - f->l2_len;
}

/**
 * take_csum() - Have a checksum made
 * @m:		Frame
 * @f:		What it is
 * @start:	Where the sum begins, untrusted
 * @offset:	Where it goes from there, untrusted
 * Return: 0 or -EINVAL
 *
 * A port sums up what the network header says there is, virtio the whole frame:
 * flagged is only where that is the same, and no extension header is in the way
 * of a port or driver that does not know any.
 */
static int take_csum(struct rte_mbuf *m, const struct offload_frame *f, uint16_t start,
		     uint16_t offset)
{
	uint32_t l4 = (uint32_t)f->l2_len + f->l3_len;

	if (start < l4 || (uint32_t)start + offset + sizeof(uint16_t) > m->pkt_len)
		return -EINVAL;
	if (f->proto && start == l4 && offset != csum_field(f->proto))
		return -EINVAL;
	if (f->proto && f->ip_len > m->pkt_len - f->l2_len)
		return -EINVAL;
	if (!f->proto || start != l4 || f->extended || !lengths_agree(m, f)) {
		offload_csum(m, start, offset);
		return 0;
	}
	set_lengths(m, f, 0);
	m->ol_flags |=
		(f->ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4) |
		(f->proto == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM);
	return 0;
}

/**
 * gso_allowed() - Whether a kind of segmentation was negotiated for such a frame
 * @f:		What the frame is
 * @type:	gso_type, untrusted
 * @features:	Negotiated
 */
static bool gso_allowed(const struct offload_frame *f, uint8_t type, uint64_t features)
{
	if (f->proto != IPPROTO_TCP)
		return false;
	if (type & VIRTIO_NET_HDR_GSO_ECN && !has(features, VIRTIO_NET_F_HOST_ECN))
		return false;
	switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return !f->ipv6 && has(features, VIRTIO_NET_F_HOST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return f->ipv6 && has(features, VIRTIO_NET_F_HOST_TSO6);
	default:
		return false;
	}
}

/**
 * take_gso() - Have a frame cut into segments
 * @m:		Frame
 * @f:		What it is
 * @hdr:	Header with a gso_type, untrusted
 * @features:	Negotiated
 * Return: 0 or -EINVAL
 *
 * Some drivers leave the length in the network header 0 for such frames.
 */
static int take_gso(struct rte_mbuf *m, const struct offload_frame *f,
		    const struct virtio_net_hdr *hdr, uint64_t features)
{
	uint32_t l4 = (uint32_t)f->l2_len + f->l3_len;

	if (!gso_allowed(f, hdr->gso_type, features) || hdr->gso_size < OFFLOAD_GSO_MIN)
		return -EINVAL;
	if (hdr->csum_start != l4 || hdr->csum_offset != csum_field(IPPROTO_TCP))
		return -EINVAL;
	if (f->ip_len && !lengths_agree(m, f))
		return -EINVAL;
	/* One segment's worth is a frame like others, if it is finished as such */
	if (m->pkt_len - l4 - f->l4_len <= hdr->gso_size && f->ip_len)
		return take_csum(m, f, hdr->csum_start, hdr->csum_offset);
	set_lengths(m, f, hdr->gso_size);
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM |
		       (f->ipv6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM);
	return 0;
}

int offload_from_guest(struct rte_mbuf *m, const struct virtio_net_hdr *hdr, uint64_t features)
{
	struct offload_frame f;

	if (offload_idle(hdr))
		return 0;
	/* Virtio 1.2, 5.1.6.2: segments always need checksums as well */
	if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || !has(features, VIRTIO_NET_F_CSUM))
		return -EINVAL;
	offload_parse(m, &f);
	if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return take_gso(m, &f, hdr, features);
	return take_csum(m, &f, hdr->csum_start, hdr->csum_offset);
}

/**
 * merged_to_guest() - Describe a frame that was merged from several
 * @m:		Frame
 * @features:	Negotiated
 * @hdr:	Filled in
 */
static void merged_to_guest(const struct rte_mbuf *m, uint64_t features, struct virtio_net_hdr *hdr)
{
	struct offload_frame f;

	offload_parse(m, &f);
	if (f.proto != IPPROTO_TCP ||
	    !has(features, f.ipv6 ? VIRTIO_NET_F_GUEST_TSO6 : VIRTIO_NET_F_GUEST_TSO4))
		return;
	hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->gso_type = f.ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	hdr->gso_size = m->tso_segsz;
	hdr->csum_start = (uint16_t)(f.l2_len + f.l3_len);
	hdr->csum_offset = csum_field(IPPROTO_TCP);
	hdr->hdr_len = (uint16_t)(hdr->csum_start + f.l4_len);
}

void offload_to_guest(const struct rte_mbuf *m, uint64_t features, struct virtio_net_hdr *hdr)
{
	if (!has(features, VIRTIO_NET_F_GUEST_CSUM))
		return;
	if (unlikely(m->ol_flags & RTE_MBUF_F_RX_LRO) && m->tso_segsz)
		merged_to_guest(m, features, hdr);
	else if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		hdr->flags = VIRTIO_NET_HDR_F_DATA_VALID;
}
