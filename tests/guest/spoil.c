/* SPDX-License-Identifier: BSD-3-Clause */
/* spoil.c - Virtio headers that contradict their frames (--bad-offloads) */
#include "tests/guest/spoil.h"

#include <linux/if_ether.h>

#include "tests/guest/frames.h"

#define BIT(n) (UINT64_C(1) << (n))

/* Payload of frames that are to be cut, and of the others */
#define LARGE 5000
#define SMALL 300

/* More than any port sends in a frame, yet to be cut from a frame of 64 KiB */
#define HUGE_SEGMENT 20000
#define HUGE_PAYLOAD 60000

/* No gso_type has this number */
#define GSO_UNKNOWN 2
/* UDP segmentation (virtio 1.2, 5.1.6), which nobody here negotiates */
#define GSO_UDP_L4 5

/**
 * enum base - What kind of frame a way begins with
 * @PARTIAL:	One that leaves its checksum
 * @LARGE_TCP:	One to be cut, too; its type need not have been negotiated
 * @HUGE_TCP:	The same, but it must have been
 */
enum base { PARTIAL, LARGE_TCP, HUGE_TCP };

/**
 * struct spoilt - A frame in the making
 */
struct spoilt {
	struct virtio_net_hdr_v1 *h;
	const struct inet *i;
	uint8_t *f;
	uint32_t len;
};

/* Of the frame, where the transport header is, and the network header */
static uint8_t *l4_of(const struct spoilt *s)
{
	return s->f + inet_l4(s->i);
}

static uint8_t *l3_of(const struct spoilt *s)
{
	return s->f + s->i->l2_len;
}

static void start_zero(const struct spoilt *s)
{
	s->h->csum_start = 0;
}

static void start_in_ethernet(const struct spoilt *s)
{
	s->h->csum_start = s->i->l2_len - 1;
}

static void start_in_ip(const struct spoilt *s)
{
	s->h->csum_start = inet_l4(s->i) - 1;
}

static void start_at_end(const struct spoilt *s)
{
	s->h->csum_start = (uint16_t)(s->len - 1);
}

static void start_outside(const struct spoilt *s)
{
	s->h->csum_start = (uint16_t)(s->len + 100);
}

static void start_highest(const struct spoilt *s)
{
	s->h->csum_start = UINT16_MAX;
}

static void offset_zero(const struct spoilt *s)
{
	s->h->csum_offset = 0;
}

static void offset_near(const struct spoilt *s)
{
	s->h->csum_offset += 2;
}

static void offset_at_end(const struct spoilt *s)
{
	s->h->csum_offset = (uint16_t)(s->len - s->h->csum_start - 1);
}

static void offset_highest(const struct spoilt *s)
{
	s->h->csum_offset = UINT16_MAX;
}

static void both_highest(const struct spoilt *s)
{
	s->h->csum_start = UINT16_MAX;
	s->h->csum_offset = UINT16_MAX;
}

static void ip_longer(const struct spoilt *s)
{
	uint8_t *length = l3_of(s) + (s->i->ipv6 ? IPV6_LENGTH : IPV4_TOTAL);

	put16(length, get16(length) + 64u);
}

static void ip_shorter(const struct spoilt *s)
{
	uint8_t *length = l3_of(s) + (s->i->ipv6 ? IPV6_LENGTH : IPV4_TOTAL);

	put16(length, get16(length) - 64u);
}

static void size_zero(const struct spoilt *s)
{
	s->h->gso_size = 0;
}

static void size_one(const struct spoilt *s)
{
	s->h->gso_size = 1;
}

static void size_tiny(const struct spoilt *s)
{
	s->h->gso_size = 7;
}

static void size_huge(const struct spoilt *s)
{
	s->h->gso_size = HUGE_SEGMENT;
}

static void type_unknown(const struct spoilt *s)
{
	s->h->gso_type = GSO_UNKNOWN;
}

static void type_highest(const struct spoilt *s)
{
	s->h->gso_type = UINT8_MAX;
}

static void type_ecn_only(const struct spoilt *s)
{
	s->h->gso_type = VIRTIO_NET_HDR_GSO_ECN;
}

static void type_fragments(const struct spoilt *s)
{
	s->h->gso_type = VIRTIO_NET_HDR_GSO_UDP;
}

static void type_udp(const struct spoilt *s)
{
	s->h->gso_type = GSO_UDP_L4;
}

/* Of the other version of IP; on UDP, of its own */
static void type_other_ip(const struct spoilt *s)
{
	s->h->gso_type = s->i->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
}

static void type_tcp(const struct spoilt *s)
{
	s->h->gso_type = s->i->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	s->h->gso_size = SMALL / 2;
}

static void not_negotiated(const struct spoilt *s)
{
	(void)s;
}

static void no_checksum(const struct spoilt *s)
{
	s->h->flags = 0;
}

static void no_ip(const struct spoilt *s)
{
	put16(l3_of(s) - 2, ETHERTYPE_TEST);
}

static void no_version(const struct spoilt *s)
{
	l3_of(s)[0] &= 0x0f;
}

static void no_tcp(const struct spoilt *s)
{
	l3_of(s)[s->i->ipv6 ? 6 : 9] = 253; /* For experiments (RFC 3692) */
}

/* IPv6 cannot say so in its header */
static void fragment(const struct spoilt *s)
{
	if (s->i->ipv6)
		l3_of(s)[6] = 44;
	else
		put16(l3_of(s) + IPV4_FRAG, 0x2000);
}

static void tcp_header_short(const struct spoilt *s)
{
	l4_of(s)[TCP_OFFSET] = 4 << 4;
}

/**
 * struct way - One way to spoil a frame
 * @name:	For complaints
 * @base:	What it begins with
 * @udp:	It can be done to UDP, too
 * @only_udp:	It can be done to UDP only
 * @spoil:	Does it
 */
struct way {
	const char *name;
	enum base base;
	bool udp;
	bool only_udp;
	void (*spoil)(const struct spoilt *s);
};

static const struct way ways[] = {
	{"csum_start 0", PARTIAL, true, false, start_zero},
	{"csum_start in the Ethernet header", PARTIAL, true, false, start_in_ethernet},
	{"csum_start in the IP header", PARTIAL, true, false, start_in_ip},
	{"csum_start at the last byte", PARTIAL, true, false, start_at_end},
	{"csum_start outside", PARTIAL, true, false, start_outside},
	{"csum_start 65535", PARTIAL, true, false, start_highest},
	{"csum_offset 0", PARTIAL, true, false, offset_zero},
	{"csum_offset beside the checksum", PARTIAL, true, false, offset_near},
	{"csum_offset at the last byte", PARTIAL, true, false, offset_at_end},
	{"csum_offset 65535", PARTIAL, true, false, offset_highest},
	{"csum_start and csum_offset 65535", PARTIAL, true, false, both_highest},
	{"IP length beyond the frame", PARTIAL, true, false, ip_longer},
	{"gso_type TCP of UDP", PARTIAL, false, true, type_tcp},
	{"gso_type of fragments", PARTIAL, true, false, type_fragments},
	{"gso_type UDP_L4", PARTIAL, true, false, type_udp},
	{"gso_type ECN and nothing else", PARTIAL, true, false, type_ecn_only},
	{"gso_type of the other IP", LARGE_TCP, false, false, type_other_ip},
	{"gso_type unknown", LARGE_TCP, false, false, type_unknown},
	{"gso_type 255", LARGE_TCP, false, false, type_highest},
	{"gso_type not negotiated", LARGE_TCP, false, false, not_negotiated},
	{"gso_type without NEEDS_CSUM", LARGE_TCP, false, false, no_checksum},
	{"gso_size 0", LARGE_TCP, false, false, size_zero},
	{"gso_size 1", LARGE_TCP, false, false, size_one},
	{"gso_size 7", LARGE_TCP, false, false, size_tiny},
	{"gso_size beyond the port", HUGE_TCP, false, false, size_huge},
	{"segments, csum_start in the IP header", LARGE_TCP, false, false, start_in_ip},
	{"segments, csum_start outside", LARGE_TCP, false, false, start_outside},
	{"segments, csum_offset beside the checksum", LARGE_TCP, false, false, offset_near},
	{"segments of no IP", LARGE_TCP, false, false, no_ip},
	{"segments of no version of IP", LARGE_TCP, false, false, no_version},
	{"segments of no TCP", LARGE_TCP, false, false, no_tcp},
	{"segments of a fragment", LARGE_TCP, false, false, fragment},
	{"segments, IP length beyond the frame", LARGE_TCP, false, false, ip_longer},
	{"segments, IP length within the frame", LARGE_TCP, false, false, ip_shorter},
	{"segments with too short a TCP header", LARGE_TCP, false, false, tcp_header_short},
};

unsigned int spoil_ways(void)
{
	return sizeof(ways) / sizeof(ways[0]);
}

const char *spoil_name(unsigned int way)
{
	return ways[way].name;
}

enum spoil_result spoil_make(const struct stream *s, unsigned int way, uint64_t features,
			     struct stream_frame *sf, uint8_t *f)
{
	const struct way *w = &ways[way];
	bool large = w->base != PARTIAL, huge = w->base == HUGE_TCP;
	bool agreed = features &
		      BIT(stream_ipv6(s->kind) ? VIRTIO_NET_F_HOST_TSO6 : VIRTIO_NET_F_HOST_TSO4);
	struct spoilt frame = {.h = &sf->hdr, .i = &sf->inet, .f = f};

	if (stream_tcp(s->kind) ? w->only_udp : !w->udp && !w->only_udp)
		return SPOIL_NOT;
	if ((huge && !agreed) || (w->spoil == not_negotiated && agreed))
		return SPOIL_NOT;
	*sf = (struct stream_frame){
		.payload = huge	   ? HUGE_PAYLOAD
			   : large ? LARGE
				   : SMALL,
		.gso_size = large ? 1000 : 0,
		.partial = true,
	};
	stream_make(s, sf, f);
	put16(f + inet_l4(&sf->inet) + 2, STREAM_FORBIDDEN + way);
	frame.len = sf->len;
	w->spoil(&frame);
	return huge ? SPOIL_TOO_BIG : SPOIL_CONTRADICTS;
}
