/* SPDX-License-Identifier: BSD-3-Clause */
/* frames.c - Ethernet frames: turning them round, and answering ARP and ping
 *
 * All that changes lies in the first 64 bytes of a buffer, virtio header
 * included, so frames that are spread over buffers and pages need no care.
 */
#include "tests/guest/frames.h"

#include <arpa/inet.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

/* Locally administered: "vunet" */
static const uint8_t own_mac[6] = {0x02, 0x76, 0x75, 0x6e, 0x65, 0x74};
static const uint8_t peer_mac[6] = {0x02, 0x70, 0x65, 0x65, 0x72, 0x00};

/**
 * swap() - Exchange two pieces of memory of up to 16 bytes
 */
static void swap(uint8_t *a, uint8_t *b, size_t n)
{
	uint8_t t[16];

	memcpy(t, a, n);
	memcpy(a, b, n);
	memcpy(b, t, n);
}

/**
 * echo_arp() - Answer "who has" for every address
 *
 * Probes (sender 0.0.0.0) and announcements (sender asks for itself) are how a
 * host finds out that its address is taken, so they get no answer.
 */
static enum frame_verdict echo_arp(uint8_t *f, size_t len)
{
	struct ether_arp *a = (struct ether_arp *)(f + ETH_LEN);
	static const uint8_t none[4];

	if (len < ETH_LEN + sizeof(*a) || ntohs(a->ea_hdr.ar_op) != ARPOP_REQUEST)
		return FRAME_IGNORED;
	if (!memcmp(a->arp_spa, none, 4) || !memcmp(a->arp_spa, a->arp_tpa, 4))
		return FRAME_IGNORED;
	a->ea_hdr.ar_op = htons(ARPOP_REPLY);
	memcpy(a->arp_tha, a->arp_sha, 6);
	memcpy(a->arp_sha, own_mac, 6);
	swap(a->arp_spa, a->arp_tpa, 4);
	memcpy(f, f + 6, 6);
	memcpy(f + 6, own_mac, 6);
	return FRAME_ECHOED;
}

/**
 * echo_icmp() - Answer an echo request, or a later fragment of one
 */
static enum frame_verdict echo_icmp(uint8_t *f, size_t len)
{
	struct icmphdr icmp;
	struct iphdr ip;
	uint32_t sum;
	size_t at;

	/* Copies: what follows an Ethernet header is aligned to 2 bytes at best */
	memcpy(&ip, f + ETH_LEN, sizeof(ip));
	at = ETH_LEN + ip.ihl * 4u;
	if (ip.protocol != IPPROTO_ICMP)
		return FRAME_OTHER;
	if (!(ntohs(ip.frag_off) & IP_OFFMASK)) {
		if (len < at + sizeof(icmp))
			return FRAME_OTHER;
		memcpy(&icmp, f + at, sizeof(icmp));
		if (icmp.type != ICMP_ECHO)
			return FRAME_OTHER;
		/* RFC 1624: type and code are one word; it falls by 0x0800 */
		sum = ntohs(icmp.checksum) + 0x0800u;
		icmp.checksum = htons((uint16_t)(sum + (sum >> 16)));
		icmp.type = ICMP_ECHOREPLY;
		memcpy(f + at, &icmp, sizeof(icmp));
	}
	swap(f + ETH_LEN + 12, f + ETH_LEN + 16, 4);
	frame_swap_macs(f);
	return FRAME_ECHOED;
}

enum frame_verdict frame_echo(uint8_t *f, size_t len)
{
	uint16_t type;

	if (len < ETH_LEN + sizeof(struct iphdr))
		return FRAME_IGNORED;
	memcpy(&type, f + 12, sizeof(type));
	if (type == htons(ETHERTYPE_ARP))
		return echo_arp(f, len);
	/* Sent back, multicast would look like a second host to the sender */
	if (f[0] & 1)
		return FRAME_IGNORED;
	return type == htons(ETHERTYPE_IP) ? echo_icmp(f, len) : FRAME_OTHER;
}

void frame_header(uint8_t *f)
{
	uint16_t type = htons(ETHERTYPE_TEST);

	memcpy(f, peer_mac, 6);
	memcpy(f + 6, own_mac, 6);
	memcpy(f + 12, &type, sizeof(type));
}

bool frame_ours(const uint8_t *f)
{
	return (!memcmp(f, peer_mac, 6) && !memcmp(f + 6, own_mac, 6)) ||
	       (!memcmp(f, own_mac, 6) && !memcmp(f + 6, peer_mac, 6));
}
