/* SPDX-License-Identifier: BSD-3-Clause */
/* model_frame.c - Frames to offload, and checksums made the plain way */
#include "tests/unit/datapath/model_frame.h"

#include <netinet/in.h>
#include <string.h>

/* One's complement sum of bytes (RFC 1071) on top of another */
static uint32_t sum(const uint8_t *p, uint32_t n, uint32_t acc)
{
	for (uint32_t i = 0; i < n; i++)
		acc += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	return acc;
}

/* The pseudo header (RFC 9293, 3.1 and RFC 8200, 8.1) */
static uint32_t pseudo(const uint8_t *ip, uint32_t l4_len, uint8_t proto)
{
	uint32_t acc = ip[0] >> 4 == 6 ? sum(ip + 8, 32, 0) : sum(ip + 12, 8, 0);
	uint8_t tail[6] = {(uint8_t)(l4_len >> 24),
			   (uint8_t)(l4_len >> 16),
			   (uint8_t)(l4_len >> 8),
			   (uint8_t)l4_len,
			   0,
			   proto};

	return sum(tail, sizeof(tail), acc);
}

bool mf_l4_ok(const uint8_t *bytes, uint32_t l3, uint32_t l4, uint32_t len, uint8_t proto)
{
	return sum(bytes + l4, len - l4, pseudo(bytes + l3, len - l4, proto)) == 0xffff;
}

bool mf_ip_ok(const uint8_t *ip)
{
	return sum(ip, (ip[0] & 15) * 4u, 0) == 0xffff;
}

static void build_ipv4(const struct mf_spec *spec, struct mf *f)
{
	uint8_t *ip = f->bytes + f->l3;

	ip[0] = (uint8_t)(0x45 + spec->options / 4);
	mf_put16(ip + 2, f->len - f->l3);
	mf_put16(ip + 4, 0xfffe); /* the identification wraps soon */
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = spec->proto;
	memcpy(ip + 12, "\x0a\x01\x02\xfd\xc0\xa8\xff\xfe", 8);
	memset(ip + 20, 1, spec->options);
	mf_put16(ip + 10, ~sum(ip, 20 + spec->options, 0));
}

static void build_ipv6(const struct mf_spec *spec, struct mf *f)
{
	uint8_t *ip = f->bytes + f->l3;

	ip[0] = 0x60;
	mf_put16(ip + 4, f->len - f->l3 - 40);
	ip[6] = spec->options ? IPPROTO_DSTOPTS : spec->proto;
	ip[7] = 64;
	for (unsigned int i = 8; i < 40; i++)
		ip[i] = (uint8_t)(0xfd + i * 13);
	if (spec->options) {
		ip[40] = spec->proto;
		ip[41] = (uint8_t)(spec->options / 8 - 1);
	}
}

void mf_build(const struct mf_spec *spec, struct mf *f, struct virtio_net_hdr *hdr)
{
	uint32_t l4_len = spec->proto == IPPROTO_TCP ? 20 + spec->tcp_options : 8, off;
	uint8_t *p;

	f->l3 = 14 + 4 * spec->tags;
	f->l4 = f->l3 + (spec->ipv6 ? 40 : 20) + spec->options;
	f->data = f->l4 + l4_len;
	f->len = f->data + spec->payload;
	memset(f->bytes, 0, f->data);
	memset(f->bytes, 0x52, 12);
	for (off = 12; off < f->l3 - 2; off += 4)
		mf_put16(f->bytes + off, off == 12 && spec->tags == 2 ? 0x88a8 : 0x8100);
	mf_put16(f->bytes + off, spec->ipv6 ? 0x86dd : 0x0800);
	if (spec->ipv6)
		build_ipv6(spec, f);
	else
		build_ipv4(spec, f);

	p = f->bytes + f->l4;
	mf_put16(p, 1234);
	mf_put16(p + 2, 80);
	off = spec->proto == IPPROTO_TCP ? 16 : 6;
	if (spec->proto == IPPROTO_TCP) {
		memcpy(p + 4, "\xff\xff\xf0\x00\x01\x02\x03\x04", 8); /* wraps */
		p[12] = (uint8_t)(l4_len / 4 << 4);
		p[13] = spec->tcp_flags;
		memset(p + 20, 1, spec->tcp_options);
	} else {
		mf_put16(p + 4, f->len - f->l4);
	}
	mf_put16(p + off, pseudo(f->bytes + f->l3, f->len - f->l4, spec->proto));
	for (uint32_t i = 0; i < spec->payload; i++)
		f->bytes[f->data + i] = mf_payload(i);
	*hdr = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .csum_start = (uint16_t)f->l4,
				       .csum_offset = (uint16_t)off};
}

struct rte_mbuf *mf_mbuf(struct rte_mempool *pool, const uint8_t *bytes, uint32_t len, uint32_t cut)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *last = m;

	while (m) {
		uint32_t n = RTE_MIN(len, (uint32_t)rte_pktmbuf_tailroom(last));

		if (cut)
			n = RTE_MIN(n, cut);
		memcpy(rte_pktmbuf_mtod(last, void *), bytes, n);
		last->data_len = (uint16_t)n;
		m->pkt_len += n;
		bytes += n;
		len -= n;
		if (!len)
			break;
		last->next = rte_pktmbuf_alloc(pool);
		last = last->next;
		if (!last)
			return NULL;
		m->nb_segs++;
	}
	/* What only the flags would make valid, as vq_pull() leaves it */
	if (m)
		m->tx_offload = UINT64_MAX;
	return m;
}

uint32_t mf_bytes(const struct rte_mbuf *m, uint8_t *bytes)
{
	uint32_t n = 0;

	for (; m; m = m->next) {
		memcpy(bytes + n, rte_pktmbuf_mtod(m, const void *), m->data_len);
		n += m->data_len;
	}
	return n;
}
