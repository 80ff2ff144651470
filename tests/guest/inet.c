/* SPDX-License-Identifier: BSD-3-Clause */
/* inet.c - Where the headers of a frame are, and Internet checksums */
#include "tests/guest/inet.h"

#include <netinet/in.h>
#include <string.h>

#include <linux/if_ether.h>

/**
 * parse_ipv4() - Read an IPv4 header
 */
static bool parse_ipv4(const uint8_t *ip, uint32_t left, struct inet *i)
{
	if (left < IPV4_LEN || ip[0] >> 4 != 4)
		return false;
	i->l3_len = (uint16_t)((ip[0] & 15) * 4);
	i->ip_len = get16(ip + IPV4_TOTAL);
	i->proto = ip[9];
	/* All but "don't fragment" */
	return i->l3_len >= IPV4_LEN && i->l3_len <= left && !(get16(ip + IPV4_FRAG) & 0xbfff);
}

/**
 * parse_ipv6() - Read an IPv6 header
 */
static bool parse_ipv6(const uint8_t *ip, uint32_t left, struct inet *i)
{
	if (left < IPV6_LEN || ip[0] >> 4 != 6)
		return false;
	i->ipv6 = true;
	i->l3_len = IPV6_LEN;
	i->ip_len = IPV6_LEN + get16(ip + IPV6_LENGTH);
	i->proto = ip[6];
	return true;
}

bool inet_parse(const uint8_t *f, uint32_t len, struct inet *ret)
{
	struct inet i = {.l2_len = ETH_HLEN};
	uint32_t left;
	uint16_t type;

	if (len < ETH_HLEN + VLAN_LEN)
		return false;
	type = get16(f + 2 * ETH_ALEN);
	if (type == ETH_P_8021Q) {
		i.l2_len += VLAN_LEN;
		type = get16(f + 2 * ETH_ALEN + VLAN_LEN);
	}
	left = len - i.l2_len;
	if (type == ETH_P_IP ? !parse_ipv4(f + i.l2_len, left, &i)
			     : type != ETH_P_IPV6 || !parse_ipv6(f + i.l2_len, left, &i))
		return false;
	left -= i.l3_len;
	if (i.proto == IPPROTO_UDP)
		i.l4_len = UDP_LEN;
	else if (i.proto == IPPROTO_TCP && left >= TCP_LEN)
		i.l4_len = (uint16_t)((f[inet_l4(&i) + TCP_OFFSET] >> 4) * 4);
	if (i.l4_len < UDP_LEN || i.l4_len > left || i.ip_len < (uint32_t)i.l3_len + i.l4_len ||
	    (i.proto == IPPROTO_TCP && i.l4_len < TCP_LEN))
		return false;
	*ret = i;
	return true;
}

uint16_t inet_sum(const uint8_t *at, uint32_t len, uint16_t sum)
{
	uint64_t total = sum;
	uint32_t word;

	/* Half words, taken together: the folding below takes them apart */
	for (; len >= sizeof(word); len -= (uint32_t)sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		total += ntohl(word);
	}
	if (len >= 2)
		total += get16(at);
	if (len & 1)
		total += (uint32_t)at[len - 1] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)total;
}

uint16_t inet_pseudo(const uint8_t *f, const struct inet *i)
{
	const uint8_t *ip = f + i->l2_len;
	uint32_t sum = i->proto, len = i->ip_len - i->l3_len;

	sum += i->ipv6 ? inet_sum(ip + IPV6_SRC, 32, 0) : inet_sum(ip + IPV4_SRC, 8, 0);
	sum += (len & 0xffff) + (len >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}
