/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_offload.c - Frames and headers that say anything of themselves
 *
 * Covers datapath/offload*.c.  The script describes a frame (model_frame.h), or
 * brings its bytes, changes some, cuts it into mbufs behind which nothing may be
 * read (mbufs.h), and says what the header says.
 *
 * From the guest: what offload_from_guest() accepts is finished for a port that
 * does nothing itself, or everything.  Each checksum that was left to us is then
 * compared with one made byte by byte; segments must add up to the frame.
 * To the guest: a burst of such frames is merged; nothing may be lost of it.
 */
#include "tests/fuzz/input.h"

#include <netinet/in.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "datapath/offload.h"
#include "datapath/offload_finish.h"
#include "datapath/offload_merge.h"
#include "datapath/offload_parse.h"
#include "tests/fuzz/mbufs.h"
#include "tests/unit/datapath/model_frame.h"

#define N_MBUFS	  2047
#define ROOM	  2048
#define MTU	  9216
#define BURST_MAX 8
#define CAPA_ALL                                                         \
	(RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |   \
	 RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | \
	 RTE_ETH_TX_OFFLOAD_TCP_TSO)

static struct rte_mempool *pool;
static uint16_t port;
static struct mf frame;
static uint8_t out[MF_MAX];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct rte_eth_conf conf = {.rxmode.mtu = MTU};

	(void)argc, (void)argv;
	pool = mbufs_new("offload", N_MBUFS, ROOM);
	/* A driver that has no opinion of what it is given */
	FUZZ_CHECK(!rte_eal_hotplug_add("vdev", "net_null0", "") &&
		   !rte_eth_dev_get_port_by_name("net_null0", &port) &&
		   !rte_eth_dev_configure(port, 1, 1, &conf) &&
		   !rte_eth_rx_queue_setup(port, 0, 64, SOCKET_ID_ANY, NULL, pool) &&
		   !rte_eth_tx_queue_setup(port, 0, 64, SOCKET_ID_ANY, NULL) &&
		   !rte_eth_dev_start(port));
	return 0;
}

/**
 * read_frame() - Make a frame of what the script says
 * @in:		Script
 * @hdr:	What an honest driver says of it
 */
static void read_frame(struct input *in, struct virtio_net_hdr *hdr)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
	uint8_t what = input_u8(in), options = input_u8(in);
	struct mf_spec spec = {
		.tags = (what & 3) % 3,
		.ipv6 = what >> 2 & 1,
		.options = (options & 7) * 8u % (what & 4 ? 64 : 48),
		.proto = protos[what >> 3 & 3],
		.tcp_options = (options >> 3) % 11 * 4u,
		.tcp_flags = input_u8(in),
		.payload = input_u16(in) % 0xf800,
	};

	mf_build(&spec, &frame, hdr);
	if (what & 32) { /* the frame's bytes as they are */
		frame.len = RTE_MAX(spec.payload % 512u, 14u);
		input_bytes(in, frame.bytes, frame.len);
	}
	for (unsigned int n = what >> 6; n; n--) {
		/* headers only */
		uint8_t at = input_u8(in);

		frame.bytes[at % frame.len] ^= input_u8(in);
	}
	if (what & 32 && options & 128) /* cut off somewhere in the headers */
		frame.len = RTE_MAX(options & 127u, 14u);
}

/**
 * read_mbuf() - The frame in mbufs
 * @in:	Script
 */
static struct rte_mbuf *read_mbuf(struct input *in)
{
	uint8_t cut = input_u8(in);
	/* Never more mbufs than leave as many for segments */
	uint32_t least = frame.len / (N_MBUFS / 4) + 1;

	return mbufs_frame(pool, frame.bytes, frame.len, cut ? RTE_MAX(cut, least) : 0);
}

/**
 * read_header() - What the guest says of it
 * @in:		Script
 * @hdr:	An honest driver's; changed
 */
static void read_header(struct input *in, struct virtio_net_hdr *hdr)
{
	uint8_t what = input_u8(in);

	if (what & 1) {
		hdr->gso_type = frame.bytes[frame.l3] >> 4 == 6 ? VIRTIO_NET_HDR_GSO_TCPV6
								: VIRTIO_NET_HDR_GSO_TCPV4;
		hdr->gso_size = input_u16(in);
		hdr->gso_type |= what & 2 ? VIRTIO_NET_HDR_GSO_ECN : 0;
	}
	for (unsigned int n = what >> 6; n; n--)
		((uint8_t *)hdr)[input_u8(in) % sizeof(*hdr)] = input_u8(in);
}

/**
 * sum16() - One's complement sum of bytes, the plain way
 * @p:	Bytes
 * @n:	How many
 */
static uint16_t sum16(const uint8_t *p, uint32_t n)
{
	uint32_t acc = 0;

	for (uint32_t i = 0; i < n; i++)
		acc += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	return (uint16_t)acc;
}

/**
 * check_csum() - See that a checksum was made, and nothing else was changed
 * @m:		Finished frame
 * @hdr:	What the guest left to do
 */
static void check_csum(const struct rte_mbuf *m, const struct virtio_net_hdr *hdr)
{
	uint32_t at = (uint32_t)hdr->csum_start + hdr->csum_offset;
	uint16_t want =
		(uint16_t)~sum16(frame.bytes + hdr->csum_start, frame.len - hdr->csum_start);

	FUZZ_CHECK(mf_bytes(m, out) == frame.len);
	mf_put16(frame.bytes + at, want ? want : 0xffff);
	FUZZ_CHECK(!memcmp(out, frame.bytes, frame.len));
}

/**
 * check_segment() - See that a segment is a frame of its own
 * @m:		Segment
 * @headers:	Bytes of headers
 * @payload:	Bytes of payload before it
 * Return: Bytes of payload in it
 */
static uint32_t check_segment(const struct rte_mbuf *m, uint32_t headers, uint32_t payload)
{
	uint32_t n = mf_bytes(m, out) - headers;
	struct offload_frame f;

	FUZZ_CHECK(m->pkt_len >= headers && headers + payload + n <= frame.len);
	FUZZ_CHECK(!memcmp(out + headers, frame.bytes + headers + payload, n));
	offload_parse(m, &f);
	FUZZ_CHECK(f.proto == IPPROTO_TCP && f.ip_len == m->pkt_len - f.l2_len);
	FUZZ_CHECK((uint32_t)f.l2_len + f.l3_len + f.l4_len == headers);
	FUZZ_CHECK(f.ipv6 || mf_ip_ok(out + f.l2_len));
	FUZZ_CHECK(mf_l4_ok(out, f.l2_len, (uint32_t)f.l2_len + f.l3_len, m->pkt_len, IPPROTO_TCP));
	return n;
}

/**
 * finish() - Finish a frame that was accepted
 * @m:		Frame, taken
 * @hdr:	What the guest left to do
 * @capa:	What the port does
 */
static void finish(struct rte_mbuf *m, const struct virtio_net_hdr *hdr, uint64_t capa)
{
	static struct offload_finish fin;
	struct wire_counters counters = {0};
	bool cut = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG, asked = m->ol_flags;
	uint32_t headers = (uint32_t)m->l2_len + m->l3_len + m->l4_len, payload = 0;
	struct rte_mbuf *pkts[VQ_BURST];
	uint16_t n;

	thread_role_assume(&ctl_role);
	offload_finish_init(&fin, port, 0, capa, pool, &counters);
	thread_role_assume(&pmd_role);
	if (cut)
		FUZZ_CHECK(m->tso_segsz >= OFFLOAD_GSO_MIN && headers <= m->pkt_len);
	offload_finish_put(&fin, &m, 1);
	while (offload_finish_waits(&fin)) {
		n = offload_finish_get(&fin, pkts);
		FUZZ_CHECK(n || counters.drop_port_size);
		for (uint16_t i = 0; i < n; i++) {
			mbufs_check(pkts[i]);
			if (pkts[i]->ol_flags & RTE_MBUF_F_TX_L4_MASK)
				continue; /* the port's */
			FUZZ_CHECK(!pkts[i]->ol_flags);
			if (cut)
				payload += check_segment(pkts[i], headers, payload);
			else if (asked || !offload_idle(hdr))
				check_csum(pkts[i], hdr);
		}
		rte_pktmbuf_free_bulk(pkts, n);
	}
	FUZZ_CHECK(!cut || capa & RTE_ETH_TX_OFFLOAD_TCP_TSO || counters.drop_port_size ||
		   headers + payload == frame.len);
}

/**
 * from_guest() - A frame that a guest transmits
 * @in:	Script
 */
static void from_guest(struct input *in)
{
	uint8_t how = input_u8(in);
	uint64_t features = how & 1 ? OFFLOAD_PULL_FEATURES & ~(UINT64_C(1) << input_u8(in) % 16)
				    : OFFLOAD_PULL_FEATURES;
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m;

	read_frame(in, &hdr);
	read_header(in, &hdr);
	m = read_mbuf(in);
	m->tx_offload = UINT64_MAX; /* as vq_pull() leaves it */
	thread_role_assume(&pmd_role);
	if (offload_from_guest(m, &hdr, features)) {
		rte_pktmbuf_free(m);
		return;
	}
	finish(m, &hdr, how & 2 ? CAPA_ALL : how & 4 ? RTE_ETH_TX_OFFLOAD_MULTI_SEGS : 0);
}

/**
 * count_bytes() - Bytes of a burst
 * @pkts:	Frames
 * @n:		How many
 */
static uint32_t count_bytes(struct rte_mbuf *const *pkts, uint16_t n)
{
	uint32_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	return bytes;
}

/**
 * to_guest() - A burst that a port received
 * @in:	Script
 */
static void to_guest(struct input *in)
{
	uint64_t features = OFFLOAD_MERGE_TSO | OFFLOAD_PUSH_FEATURES;
	struct rte_mbuf *pkts[BURST_MAX];
	uint32_t seq = input_u32(in), bytes;
	struct virtio_net_hdr hdr;
	uint16_t n = 0, left;

	for (; in->n && n < BURST_MAX; n++) {
		uint8_t how = input_u8(in);

		read_frame(in, &hdr);
		frame.len = RTE_MIN(frame.len, (uint32_t)ROOM);
		/* The next of its stream, unless the script wants it otherwise */
		if (!(how & 1) && frame.data <= frame.len && frame.l4 + 8 <= frame.len) {
			mf_put16(frame.bytes + frame.l4 + 4, seq >> 16);
			mf_put16(frame.bytes + frame.l4 + 6, seq);
			seq += frame.len - frame.data;
		}
		pkts[n] = mbufs_frame(pool, frame.bytes, frame.len, how & 2 ? 100 : 0);
		pkts[n]->ol_flags =
			how & 4 ? 0 : RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	}
	bytes = count_bytes(pkts, n);
	thread_role_assume(&pmd_role);
	left = offload_merge(pkts, n, features);
	FUZZ_CHECK(left <= n && count_bytes(pkts, left) <= bytes);
	for (uint16_t i = 0; i < left; i++) {
		mbufs_check(pkts[i]);
		memset(&hdr, 0, sizeof(hdr));
		offload_to_guest(pkts[i], features, &hdr);
		FUZZ_CHECK(hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE ||
			   (hdr.gso_size && hdr.csum_start + hdr.csum_offset < pkts[i]->pkt_len));
	}
	rte_pktmbuf_free_bulk(pkts, left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	if (input_u8(&in) & 1)
		to_guest(&in);
	else
		from_guest(&in);
	FUZZ_CHECK(rte_mempool_avail_count(pool) == N_MBUFS);
	return 0;
}
