/* SPDX-License-Identifier: BSD-3-Clause */
/* stream.c - TCP and UDP streams with known content: making frames */
#include "tests/guest/stream.h"

#include <netinet/in.h>
#include <string.h>

#include <linux/if_ether.h>

#include "tests/guest/frames.h"

/* NOP, NOP, timestamps (RFC 7323, appendix A), as Linux sends them */
#define OPTIONS_LEN 12

/* VLAN ID 5 */
#define VLAN_TCI 5

#define TTL 64

/**
 * struct kind - What the streams of a kind are like
 * @tcp:	TCP, or else UDP
 * @ipv6:	IPv6, or else IPv4
 * @vlan:	Frames have a VLAN tag
 * @options:	TCP options
 * @push:	PSH ends each frame sent
 * @reduced:	CWR begins it
 * @whole:	IPv4: "don't fragment"
 */
struct kind {
	bool tcp;
	bool ipv6;
	bool vlan;
	bool options;
	bool push;
	bool reduced;
	bool whole;
};

static const struct kind kinds[STREAM_KINDS] = {
	{.tcp = true},
	{.tcp = true, .ipv6 = true},
	{.tcp = true, .vlan = true, .options = true, .push = true, .whole = true},
	{.tcp = true, .ipv6 = true, .vlan = true, .options = true, .push = true},
	{.tcp = true, .push = true, .reduced = true, .whole = true},
	{.tcp = true, .ipv6 = true, .push = true, .reduced = true},
	{.options = false},
	{.ipv6 = true, .vlan = true},
};

/* 192.0.2.2 to 192.0.2.1, 2001:db8::2 to 2001:db8::1 */
static const uint8_t ipv4_addresses[8] = {192, 0, 2, 2, 192, 0, 2, 1};
static const uint8_t ipv6_addresses[32] = {0x20, 0x01, 0x0d, 0xb8, [15] = 2,
					   0x20, 0x01, 0x0d, 0xb8, [31] = 1};

bool stream_tcp(unsigned int kind)
{
	return kinds[kind].tcp;
}

bool stream_ipv6(unsigned int kind)
{
	return kinds[kind].ipv6;
}

bool stream_pushes(unsigned int kind)
{
	return kinds[kind].push;
}

bool stream_reduces(unsigned int kind)
{
	return kinds[kind].reduced;
}

/**
 * l4_len() - Bytes of the transport header, and of a datagram's position
 */
static uint32_t l4_len(const struct kind *k)
{
	if (!k->tcp)
		return UDP_LEN + sizeof(uint64_t);
	return TCP_LEN + (k->options ? OPTIONS_LEN : 0);
}

uint32_t stream_headers(unsigned int kind)
{
	const struct kind *k = &kinds[kind];

	return ETH_LEN + (k->vlan ? VLAN_LEN : 0) + (k->ipv6 ? IPV6_LEN : IPV4_LEN) + l4_len(k);
}

uint32_t stream_seq(unsigned int kind, unsigned int pair, uint64_t pos)
{
	/* Sequence numbers wrap in the first mebibyte */
	return UINT32_MAX - 0x1ffff * (kind + 1) + pair + (uint32_t)pos;
}

/**
 * word_of() - Eight bytes of a stream
 */
static uint64_t word_of(unsigned int kind, unsigned int pair, uint64_t index)
{
	uint64_t mark = pair * STREAM_KINDS + kind;

	return (index + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ mark * UINT64_C(0x0101010101010101);
}

void stream_fill(unsigned int kind, unsigned int pair, uint64_t pos, uint8_t *at, uint32_t len)
{
	while (len) {
		uint64_t word = word_of(kind, pair, pos / sizeof(word));
		uint32_t skip = pos % sizeof(word), n = (uint32_t)sizeof(word) - skip;

		n = n < len ? n : len;
		memcpy(at, (const uint8_t *)&word + skip, n);
		at += n;
		pos += n;
		len -= n;
	}
}

/**
 * write_ethernet() - Write Ethernet header and VLAN tag
 */
static void write_ethernet(const struct kind *k, uint8_t *f)
{
	frame_header(f);
	f += ETH_LEN - 2;
	if (k->vlan) {
		put16(f, ETH_P_8021Q);
		put16(f + 2, VLAN_TCI);
		f += VLAN_LEN;
	}
	put16(f, k->ipv6 ? ETH_P_IPV6 : ETH_P_IP);
}

/**
 * write_ip() - Write an IP header
 */
static void write_ip(const struct kind *k, const struct inet *i, uint16_t id, uint8_t *ip)
{
	memset(ip, 0, i->l3_len);
	if (k->ipv6) {
		ip[0] = 0x60;
		put16(ip + IPV6_LENGTH, i->ip_len - IPV6_LEN);
		ip[6] = i->proto;
		ip[7] = TTL;
		memcpy(ip + IPV6_SRC, ipv6_addresses, sizeof(ipv6_addresses));
		return;
	}
	ip[0] = 0x45;
	put16(ip + IPV4_TOTAL, i->ip_len);
	put16(ip + IPV4_ID, id);
	put16(ip + IPV4_FRAG, k->whole ? 0x4000 : 0);
	ip[8] = TTL;
	ip[9] = i->proto;
	memcpy(ip + IPV4_SRC, ipv4_addresses, sizeof(ipv4_addresses));
	put16(ip + IPV4_SUM, (uint16_t)~inet_sum(ip, IPV4_LEN, 0));
}

/**
 * write_tcp() - Write a TCP header without its checksum
 */
static void write_tcp(const struct stream *s, const struct kind *k, const struct inet *i,
		      uint8_t *l4)
{
	static const uint8_t options[OPTIONS_LEN] = {1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4};

	put32(l4 + TCP_SEQ, stream_seq(s->kind, s->pair, s->sent));
	put32(l4 + 8, 1);
	l4[TCP_OFFSET] = (uint8_t)(i->l4_len / 4 << 4);
	l4[TCP_FLAGS] = (uint8_t)(TCP_FLAG_ACK | (k->push ? TCP_FLAG_PSH : 0) |
				  (k->reduced ? TCP_FLAG_CWR : 0));
	put16(l4 + 14, 1024);
	if (k->options)
		memcpy(l4 + TCP_LEN, options, sizeof(options));
}

/**
 * write_l4() - Write the transport header and the payload
 */
static void write_l4(const struct stream *s, const struct kind *k, const struct stream_frame *sf,
		     uint8_t *l4)
{
	uint32_t skip = l4_len(k);

	memset(l4, 0, skip);
	put16(l4, STREAM_SOURCE + s->kind);
	put16(l4 + 2, (uint32_t)STREAM_DESTINATION + s->pair);
	if (k->tcp) {
		write_tcp(s, k, &sf->inet, l4);
	} else {
		put16(l4 + 4, skip + sf->payload);
		memcpy(l4 + UDP_LEN, &s->sent, sizeof(s->sent));
	}
	stream_fill(s->kind, s->pair, s->sent, l4 + skip, sf->payload);
}

/**
 * write_checksum() - Write the checksum, or leave it to the backend
 */
static void write_checksum(struct stream_frame *sf, uint8_t *f)
{
	const struct inet *i = &sf->inet;
	bool tcp = i->proto == IPPROTO_TCP;
	uint8_t *sum = f + inet_l4(i) + (tcp ? TCP_SUM : UDP_SUM);
	uint16_t whole;

	if (sf->partial) {
		put16(sum, inet_pseudo(f, i));
		sf->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		sf->hdr.csum_start = inet_l4(i);
		sf->hdr.csum_offset = tcp ? TCP_SUM : UDP_SUM;
		return;
	}
	whole = (uint16_t)~inet_l4_sum(f, i);
	/* RFC 768: 0 says that there is none */
	put16(sum, !tcp && !whole ? UINT16_MAX : whole);
}

void stream_make(const struct stream *s, struct stream_frame *sf, uint8_t *f)
{
	const struct kind *k = &kinds[s->kind];
	uint32_t headers = stream_headers(s->kind);
	struct inet *i = &sf->inet;

	*i = (struct inet){
		.l2_len = ETH_LEN + (k->vlan ? VLAN_LEN : 0),
		.l3_len = k->ipv6 ? IPV6_LEN : IPV4_LEN,
		.l4_len = (uint16_t)(k->tcp ? l4_len(k) : UDP_LEN),
		.proto = k->tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.ipv6 = k->ipv6,
	};
	i->ip_len = headers - i->l2_len + sf->payload;
	memset(&sf->hdr, 0, sizeof(sf->hdr));
	sf->len = headers + sf->payload;
	sf->segments = sf->gso_size ? (sf->payload + sf->gso_size - 1) / sf->gso_size : 1;
	write_ethernet(k, f);
	write_ip(k, i, s->id_sent, f + i->l2_len);
	write_l4(s, k, sf, f + inet_l4(i));
	write_checksum(sf, f);
	if (!sf->gso_size)
		return;
	sf->hdr.gso_type = k->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	sf->hdr.gso_type |= k->reduced ? VIRTIO_NET_HDR_GSO_ECN : 0;
	sf->hdr.gso_size = sf->gso_size;
	/* A hint, which nobody has to believe (virtio 1.2, 5.1.6.2.1) */
	sf->hdr.hdr_len = (uint16_t)headers;
}

void stream_sent(struct stream *s, const struct stream_frame *sf)
{
	s->sent += sf->payload;
	s->id_sent += (uint16_t)sf->segments;
}
