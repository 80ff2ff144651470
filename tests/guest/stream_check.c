/* SPDX-License-Identifier: BSD-3-Clause */
/* stream_check.c - TCP and UDP streams with known content: looking at frames */
#include "tests/guest/stream.h"

#include <netinet/in.h>
#include <string.h>

#include "tests/guest/frames.h"

#define BIT(n) (UINT64_C(1) << (n))

/* Where a frame is too short for its headers, they are padded to this */
#define PADDED_LEN FRAME_MIN

/**
 * gso_ok() - Whether a frame may be and is as large as its header says
 */
static bool gso_ok(const struct inet *i, const struct virtio_net_hdr *h, uint64_t features,
		   const char **why)
{
	uint32_t payload = i->ip_len - i->l3_len - i->l4_len;
	uint8_t type = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

	if (h->gso_type & VIRTIO_NET_HDR_GSO_ECN && !(features & BIT(VIRTIO_NET_F_GUEST_ECN)))
		*why = "gso_type: ECN was not negotiated";
	else if (type != (i->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4) ||
		 i->proto != IPPROTO_TCP)
		*why = "gso_type: the frame is something else";
	else if (!(features & BIT(i->ipv6 ? VIRTIO_NET_F_GUEST_TSO6 : VIRTIO_NET_F_GUEST_TSO4)))
		*why = "gso_type: was not negotiated";
	else if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		*why = "gso_type: without NEEDS_CSUM";
	else if (!h->gso_size || payload <= h->gso_size)
		*why = "gso_size: one segment, or none";
	else if (h->hdr_len != inet_l4(i) + i->l4_len)
		*why = "hdr_len: the headers are of another length";
	return !*why;
}

bool stream_header_ok(const uint8_t *f, uint32_t len, const struct virtio_net_hdr *hdr,
		      uint64_t features, const char **ret_why)
{
	static const struct virtio_net_hdr none;
	struct virtio_net_hdr rest = *hdr;
	struct inet i;

	*ret_why = NULL;
	rest.flags &= (uint8_t)~VIRTIO_NET_HDR_F_DATA_VALID;
	if (hdr->flags && !(features & BIT(VIRTIO_NET_F_GUEST_CSUM)))
		*ret_why = "flags: GUEST_CSUM was not negotiated";
	else if (memcmp(&rest, &none, sizeof(none)) == 0)
		return true;
	else if (hdr->flags != VIRTIO_NET_HDR_F_NEEDS_CSUM)
		*ret_why = "flags: neither that nothing is known, nor one of the two";
	else if (!inet_parse(f, len, &i) || i.l2_len + i.ip_len != len)
		*ret_why = "flags: the frame has no such checksum";
	else if (hdr->csum_start != inet_l4(&i))
		*ret_why = "csum_start: not where the transport header is";
	else if (hdr->csum_offset != (i.proto == IPPROTO_TCP ? TCP_SUM : UDP_SUM))
		*ret_why = "csum_offset: not where the checksum is";
	else if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return gso_ok(&i, hdr, features, ret_why);
	else if (hdr->gso_size || hdr->hdr_len)
		*ret_why = "gso_size: without gso_type";
	return !*ret_why;
}

/**
 * checksums_ok() - Whether all checksums are right, as far as they are made
 */
static bool checksums_ok(const uint8_t *f, const struct inet *i, const struct virtio_net_hdr *hdr,
			 const char **why)
{
	uint16_t sum = get16(f + inet_l4(i) + (i->proto == IPPROTO_TCP ? TCP_SUM : UDP_SUM));
	bool partial = hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;

	*why = NULL;
	if (!i->ipv6 && inet_sum(f + i->l2_len, i->l3_len, 0) != UINT16_MAX)
		*why = "checksum of the IP header";
	else if (partial && sum != inet_pseudo(f, i))
		*why = "sum of the pseudo header";
	else if (!partial && inet_l4_sum(f, i) != UINT16_MAX)
		*why = "checksum";
	else if (!partial && i->proto == IPPROTO_UDP && !sum)
		*why = "no checksum";
	return !*why;
}

/**
 * find_stream() - Which stream a frame belongs to
 *
 * Return: NULL when it is none's, or must not have come
 */
static const struct stream *find_stream(const struct stream *streams, unsigned int pairs,
					const uint8_t *f, const struct inet *i)
{
	const uint8_t *l4 = f + inet_l4(i);
	unsigned int kind = get16(l4) - STREAM_SOURCE, pair = get16(l4 + 2) - STREAM_DESTINATION;

	if (kind >= STREAM_KINDS || pair >= pairs || stream_ipv6(kind) != i->ipv6 ||
	    stream_tcp(kind) != (i->proto == IPPROTO_TCP))
		return NULL;
	return &streams[pair * STREAM_KINDS + kind];
}

/**
 * read_position() - Find out which piece of its stream a frame carries
 *
 * Return: Where the piece is, in the frame
 */
static uint32_t read_position(const struct stream *s, const uint8_t *f, const struct inet *i,
			      const struct virtio_net_hdr *hdr, struct stream_seen *seen)
{
	const uint8_t *l4 = f + inet_l4(i);
	uint32_t at = inet_l4(i) + i->l4_len, end = i->l2_len + i->ip_len, ahead;

	seen->kind = s->kind;
	seen->pair = s->pair;
	if (i->proto == IPPROTO_UDP) {
		if (end - at < sizeof(seen->pos))
			return end;
		memcpy(&seen->pos, f + at, sizeof(seen->pos));
		at += (uint32_t)sizeof(seen->pos);
	} else {
		/* Of the positions with this number that which is nearest */
		ahead = get32(l4 + TCP_SEQ) - stream_seq(s->kind, s->pair, s->expected);
		seen->pos = s->expected + (uint64_t)(int64_t)(int32_t)ahead;
		seen->push = l4[TCP_FLAGS] & TCP_FLAG_PSH;
	}
	seen->payload = end - at;
	seen->segment = hdr->gso_type ? hdr->gso_size : seen->payload;
	seen->segments = seen->segment ? (seen->payload + seen->segment - 1) / seen->segment : 1;
	seen->id = i->ipv6 ? 0 : get16(f + i->l2_len + IPV4_ID);
	return at;
}

/**
 * content_ok() - Whether a frame has the bytes that belong there
 */
static bool content_ok(const struct stream *s, const uint8_t *at, const struct stream_seen *seen)
{
	static uint8_t want[STREAM_FRAME_MAX];

	if (!seen->payload || seen->payload > sizeof(want))
		return false;
	stream_fill(s->kind, s->pair, seen->pos, want, seen->payload);
	return memcmp(at, want, seen->payload) == 0;
}

/**
 * cut_ok() - Whether a frame can be the next piece of what was cut
 *
 * Return: What is wrong, or NULL
 */
static const char *cut_ok(const struct stream *s, const struct inet *i, const uint8_t *f,
			  const struct stream_seen *seen)
{
	uint32_t last = seen->payload - (seen->segments - 1) * seen->segment;
	uint32_t all = s->inside ? s->segment : seen->segment;
	bool reduced;

	if (!i->ipv6 && seen->id != s->id_expected)
		return "the IPv4 ID does not go on";
	if (i->proto == IPPROTO_UDP)
		return NULL;
	reduced = f[inet_l4(i) + TCP_FLAGS] & TCP_FLAG_CWR;
	if (reduced != (stream_reduces(s->kind) && !s->inside))
		return reduced ? "CWR in the middle" : "CWR is missing";
	if (!stream_pushes(s->kind))
		return seen->push ? "PSH from nowhere" : NULL;
	if (seen->segments > 1 && seen->segment != all)
		return "merged from segments of another size";
	if (seen->push ? last > all : last != all)
		return "a segment in the middle of another size";
	return NULL;
}

enum stream_verdict stream_check(const struct stream *streams, unsigned int pairs, const uint8_t *f,
				 uint32_t len, const struct virtio_net_hdr *hdr, uint64_t features,
				 struct stream_seen *ret)
{
	const struct stream *s = NULL;
	struct inet i;
	uint32_t at;

	memset(ret, 0, sizeof(*ret));
	if (!frame_ours(f))
		return STREAM_FOREIGN;
	if (inet_parse(f, len, &i))
		s = find_stream(streams, pairs, f, &i);
	ret->why = "a frame that must not have come";
	if (!s)
		return STREAM_LEAKED;
	ret->why = "its length";
	if (i.l2_len + i.ip_len != len && (i.l2_len + i.ip_len > len || len != PADDED_LEN))
		return STREAM_CORRUPT;
	if (!stream_header_ok(f, len, hdr, features, &ret->why))
		return STREAM_HEADER;
	if (!checksums_ok(f, &i, hdr, &ret->why))
		return STREAM_CHECKSUM;
	at = read_position(s, f, &i, hdr, ret);
	ret->why = "the payload";
	if (!content_ok(s, f + at, ret))
		return STREAM_CORRUPT;
	ret->why = s->begun && ret->pos == s->expected ? cut_ok(s, &i, f, ret) : NULL;
	return ret->why ? STREAM_CORRUPT : STREAM_GOOD;
}

void stream_seen(struct stream *s, const struct stream_seen *seen)
{
	s->segment = s->inside && seen->pos == s->expected ? s->segment : seen->segment;
	s->inside = stream_pushes(s->kind) && !seen->push;
	s->expected = seen->pos + seen->payload;
	s->id_expected = (uint16_t)(seen->id + seen->segments);
	s->begun = true;
}
