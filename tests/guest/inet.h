/* SPDX-License-Identifier: BSD-3-Clause */
/* inet.h - Where the headers of a frame are, and Internet checksums
 *
 * Understood are Ethernet, one VLAN tag, IPv4 without fragments, IPv6 without
 * extension headers, TCP and UDP: what this guest sends, and no more.
 */
#ifndef GUEST_INET_H
#define GUEST_INET_H

#include <stdbool.h>
#include <stdint.h>

#define VLAN_LEN 4
#define IPV4_LEN 20
#define IPV6_LEN 40
#define TCP_LEN	 20
#define UDP_LEN	 8

/* Where the parts of these headers are */
#define IPV4_TOTAL  2
#define IPV4_ID	    4
#define IPV4_FRAG   6
#define IPV4_SUM    10
#define IPV4_SRC    12
#define IPV6_LENGTH 4
#define IPV6_SRC    8
#define TCP_SEQ	    4
#define TCP_OFFSET  12
#define TCP_FLAGS   13
#define TCP_SUM	    16
#define UDP_SUM	    6

#define TCP_FLAG_PSH 0x08
#define TCP_FLAG_ACK 0x10
#define TCP_FLAG_CWR 0x80

/**
 * struct inet - What a frame is
 * @l2_len:	Ethernet header and VLAN tag
 * @l3_len:	IP header
 * @l4_len:	TCP or UDP header
 * @ip_len:	Bytes from the IP header on, as it says
 * @proto:	IPPROTO_TCP or IPPROTO_UDP
 * @ipv6:	The IP header is of version 6
 */
struct inet {
	uint16_t l2_len;
	uint16_t l3_len;
	uint16_t l4_len;
	uint32_t ip_len;
	uint8_t proto;
	bool ipv6;
};

/**
 * inet_parse() - Find the headers of a frame
 * @f:		Ethernet header
 * @len:	Bytes that can be read there; the payload need not be
 * @ret:	Filled in
 *
 * Return: Whether the frame is understood
 */
bool inet_parse(const uint8_t *f, uint32_t len, struct inet *ret);

/**
 * inet_sum() - Sum of 16-bit words, as ones' complement
 * @at:		Bytes; the last may be alone
 * @len:	How many
 * @sum:	Sum of what was before, an even number of bytes
 *
 * Return: Folded into 16 bits, in the order of this machine, not inverted
 */
uint16_t inet_sum(const uint8_t *at, uint32_t len, uint16_t sum);

/**
 * inet_pseudo() - Sum of the pseudo header
 * @f:		Frame
 * @i:		Its headers
 *
 * The length in it is that of the IP header.
 */
uint16_t inet_pseudo(const uint8_t *f, const struct inet *i);

/**
 * inet_l4_sum() - Sum of the pseudo header, transport header and payload
 * @f:	Frame, all of it
 * @i:	Its headers
 *
 * Return: 0xffff if the checksum is right
 */
static inline uint16_t inet_l4_sum(const uint8_t *f, const struct inet *i)
{
	return inet_sum(f + i->l2_len + i->l3_len, i->ip_len - i->l3_len, inet_pseudo(f, i));
}

/**
 * inet_l4() - Where the transport header is
 */
static inline uint16_t inet_l4(const struct inet *i)
{
	return (uint16_t)(i->l2_len + i->l3_len);
}

/** get16() - Read two bytes in network order */
static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/** get32() - Read four bytes in network order */
static inline uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/** put16() - Write two bytes in network order */
static inline void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/** put32() - Write four bytes in network order */
static inline void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

#endif /* GUEST_INET_H */
