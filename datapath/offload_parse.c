/* SPDX-License-Identifier: BSD-3-Clause */
/* offload_parse.c - Where the headers of a frame really are */
#include "datapath/offload_parse.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define PARSE_TAGS_MAX	     2
#define PARSE_EXTENSIONS_MAX 8
/* What mbuf.l3_len holds */
#define PARSE_L3_MAX 511

/**
 * struct extension - How an IPv6 extension header begins (RFC 8200, 4)
 * @next:	Protocol of the next header
 * @len8:	Units of 8 bytes behind the first 8
 * @type:	Of a routing header
 * @left:	Segments left, in a routing header
 */
struct extension {
	uint8_t next;
	uint8_t len8;
	uint8_t type;
	uint8_t left;
};

/**
 * parse_ethernet() - Find what the Ethernet header announces
 * @m:		Frame
 * @f:		Its l2_len is set
 * Return: EtherType behind the tags, in network order; 0 when cut off
 */
static uint16_t parse_ethernet(const struct rte_mbuf *m, struct offload_frame *f)
{
	uint32_t off = offsetof(struct rte_ether_hdr, ether_type);
	uint16_t buf;

	for (unsigned int tags = 0;; tags++, off += RTE_VLAN_HLEN) {
		const void *p = rte_pktmbuf_read(m, off, sizeof(buf), &buf);

		if (!p)
			return 0;
		memcpy(&buf, p, sizeof(buf));
		f->l2_len = (uint16_t)(off + sizeof(buf));
		if (tags == PARSE_TAGS_MAX ||
		    (buf != RTE_BE16(RTE_ETHER_TYPE_VLAN) && buf != RTE_BE16(RTE_ETHER_TYPE_QINQ)))
			return buf;
	}
}

/**
 * parse_ipv4() - Read an IPv4 header
 * @m:		Frame
 * @f:		Its ip_len and l3_len are set if the header is all there
 * Return: Protocol; -1 when unknown
 */
static int parse_ipv4(const struct rte_mbuf *m, struct offload_frame *f)
{
	const struct rte_ipv4_hdr *ip;
	struct rte_ipv4_hdr buf;
	uint32_t len;

	ip = rte_pktmbuf_read(m, f->l2_len, sizeof(buf), &buf);
	if (!ip || ip->version_ihl >> 4 != 4)
		return -1;
	len = rte_ipv4_hdr_len(ip);
	if (len < sizeof(buf) || f->l2_len + len > m->pkt_len)
		return -1;
	f->l3_len = (uint16_t)len;
	f->ip_len = rte_be_to_cpu_16(ip->total_length);
	if (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
		return -1;
	return ip->next_proto_id;
}

/**
 * parse_extensions() - Go past the extension headers that hide nothing
 * @m:		Frame
 * @f:		Its l3_len grows
 * @proto:	What the IPv6 header says comes next
 * Return: Protocol behind them; -1 when unknown
 *
 * A fragment has no header of its own to finish, and a routing header that is
 * not used up makes another address count in the checksum.
 */
static int parse_extensions(const struct rte_mbuf *m, struct offload_frame *f, int proto)
{
	const struct extension *e;
	struct extension buf;

	for (unsigned int i = 0; i < PARSE_EXTENSIONS_MAX; i++) {
		uint32_t len;

		if (proto != IPPROTO_HOPOPTS && proto != IPPROTO_DSTOPTS &&
		    proto != IPPROTO_ROUTING)
			return proto;
		e = rte_pktmbuf_read(m, (uint32_t)f->l2_len + f->l3_len, sizeof(buf), &buf);
		if (!e || (proto == IPPROTO_ROUTING && e->left))
			return -1;
		len = f->l3_len + (e->len8 + 1u) * 8;
		if (len > PARSE_L3_MAX || f->l2_len + len > m->pkt_len)
			return -1;
		f->l3_len = (uint16_t)len;
		f->extended = true;
		proto = e->next;
	}
	return -1;
}

/**
 * parse_ipv6() - Read an IPv6 header and its extensions
 * @m:		Frame
 * @f:		Its ip_len and l3_len are set if the header is all there
 * Return: Protocol; -1 when unknown
 */
static int parse_ipv6(const struct rte_mbuf *m, struct offload_frame *f)
{
	const struct rte_ipv6_hdr *ip;
	struct rte_ipv6_hdr buf;

	ip = rte_pktmbuf_read(m, f->l2_len, sizeof(buf), &buf);
	if (!ip || (rte_be_to_cpu_32(ip->vtc_flow) >> 28) != 6)
		return -1;
	f->ipv6 = true;
	f->l3_len = sizeof(buf);
	if (ip->payload_len)
		f->ip_len = rte_be_to_cpu_16(ip->payload_len) + (uint32_t)sizeof(buf);
	return parse_extensions(m, f, ip->proto);
}

/**
 * parse_transport() - Read a TCP or UDP header
 * @m:		Frame
 * @f:		Its l4_len and proto are set if the header is all there
 * @proto:	What the network header says comes next
 */
static void parse_transport(const struct rte_mbuf *m, struct offload_frame *f, int proto)
{
	uint32_t off = (uint32_t)f->l2_len + f->l3_len, len = 0;
	const struct rte_tcp_hdr *tcp;
	struct rte_tcp_hdr buf;

	if (proto == IPPROTO_UDP) {
		len = sizeof(struct rte_udp_hdr);
	} else if (proto == IPPROTO_TCP) {
		tcp = rte_pktmbuf_read(m, off, sizeof(buf), &buf);
		len = tcp ? (tcp->data_off >> 4) * 4u : 0;
		if (len < sizeof(buf))
			return;
	}
	if (!len || off + len > m->pkt_len)
		return;
	f->l4_len = (uint8_t)len;
	f->proto = (uint8_t)proto;
}

void offload_parse(const struct rte_mbuf *m, struct offload_frame *ret_frame)
{
	struct offload_frame f = {0};
	uint16_t type = parse_ethernet(m, &f);
	int proto = -1;

	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		proto = parse_ipv4(m, &f);
	else if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		proto = parse_ipv6(m, &f);
	if (proto >= 0)
		parse_transport(m, &f, proto);
	*ret_frame = f;
}
