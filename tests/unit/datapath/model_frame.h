/* SPDX-License-Identifier: BSD-3-Clause */
/* model_frame.h - Frames to offload, and checksums made the plain way
 *
 * Byte by byte and written from the RFCs, sharing nothing with the code under
 * test.
 */
#ifndef VUNETD_MODEL_FRAME_H
#define VUNETD_MODEL_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_net.h>

#include <rte_mbuf.h>

#define MF_MAX 66000

/**
 * struct mf_spec - What a frame shall be
 * @tags:	VLAN tags
 * @ipv6:	Instead of IPv4
 * @options:	Bytes of IP options, or of a destination options header
 * @proto:	IPPROTO_TCP, IPPROTO_UDP, another
 * @tcp_options: Bytes
 * @tcp_flags:	Its byte of flags
 * @payload:	Bytes
 */
struct mf_spec {
	unsigned int tags;
	bool ipv6;
	unsigned int options;
	uint8_t proto;
	unsigned int tcp_options;
	uint8_t tcp_flags;
	uint32_t payload;
};

/**
 * struct mf - A frame as bytes
 * @l3:		Offset of the network header
 * @l4:		Offset of the transport header
 * @data:	Offset of the payload
 * @len:	Bytes
 */
struct mf {
	uint32_t l3;
	uint32_t l4;
	uint32_t data;
	uint32_t len;
	uint8_t bytes[MF_MAX];
};

/**
 * mf_build() - Make a frame whose transport checksum is left to do
 * @spec:	What it shall be
 * @f:		Filled in; payload byte i is mf_payload(i)
 * @hdr:	What a driver says of it, no segmentation
 */
void mf_build(const struct mf_spec *spec, struct mf *f, struct virtio_net_hdr *hdr);

static inline uint8_t mf_payload(uint32_t i)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + 3);
}

/**
 * mf_mbuf() - A frame in an mbuf
 * @pool:	mbufs
 * @bytes:	Frame
 * @len:	Bytes
 * @cut:	Bytes in each segment, 0 for as many as fit
 */
struct rte_mbuf *mf_mbuf(struct rte_mempool *pool, const uint8_t *bytes, uint32_t len,
			 uint32_t cut);

/**
 * mf_bytes() - The bytes of an mbuf chain
 * Return: How many; @m stays the caller's
 */
uint32_t mf_bytes(const struct rte_mbuf *m, uint8_t *bytes);

/**
 * mf_l4_ok() - Whether a frame's TCP or UDP checksum is right
 * @bytes:	Frame
 * @l3:		Offset of its network header
 * @l4:		Offset of its transport header
 * @len:	Bytes
 * @proto:	Transport protocol
 */
bool mf_l4_ok(const uint8_t *bytes, uint32_t l3, uint32_t l4, uint32_t len, uint8_t proto);

/**
 * mf_ip_ok() - Whether an IPv4 header's checksum is right
 */
bool mf_ip_ok(const uint8_t *ip);

/**
 * mf_be16() - Two bytes in network order
 */
static inline uint16_t mf_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/**
 * mf_put16() - Store two bytes in network order
 */
static inline void mf_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

#endif /* VUNETD_MODEL_FRAME_H */
