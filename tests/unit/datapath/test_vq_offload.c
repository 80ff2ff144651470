/* SPDX-License-Identifier: BSD-3-Clause */
/* test_vq_offload.c - Headers that count: through the rings, and through a wire
 *
 * The model guest leaves checksums and segments to do, in chains of all shapes;
 * what becomes of the headers themselves is test_offload.c's.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "datapath/offload.h"
#include "datapath/wire.h"
#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_frame.h"
#include "tests/unit/datapath/model_guest.h"

#define GUEST	 BIT(VIRTIO_NET_F_GUEST_CSUM)
#define N_MBUFS	 2047
#define SIZE	 64
#define BUF_SIZE 70000

static struct rte_mempool *pool;
static uint16_t port;
static struct mf frame;
static uint8_t out[MF_MAX + 12];

/**
 * struct shape - How a frame is laid out in the guest
 * @features:	Negotiated
 * @gran:	Bytes of a granule of guest memory
 * @alone:	The header has a buffer of its own
 * @bufs:	Buffers the frame is spread over
 */
struct shape {
	const char *name;
	uint64_t features;
	uint32_t gran;
	bool alone;
	unsigned int bufs;
};

static const struct shape shapes[] = {
	{"one_buffer", V1 | MRG, 4096, false, 1},
	{"header_alone", V1, 4096, true, 1},
	{"legacy", 0, 4096, false, 1},
	{"legacy_header_alone", 0, 4096, true, 1},
	{"pieces", V1, 4096, false, 5},
	{"tiny_granules", V1, 24, true, 3},
	{"packed", V1 | MRG | PACKED, 4096, false, 1},
	{"packed_header_alone", V1 | PACKED, 4096, true, 1},
	{"packed_pieces", V1 | PACKED, 4096, false, 5},
	{"header_torn", V1 | MRG, 8, false, 1},
};

static uint32_t hdr_len(uint64_t features)
{
	return features & (V1 | MRG) ? 12 : 10;
}

static void send_frame(struct mg_ring *r, uint64_t at, const struct shape *s,
		       const struct virtio_net_hdr *hdr)
{
	uint32_t n = hdr_len(s->features), part = frame.len / s->bufs;
	struct mg_buf bufs[8];
	unsigned int k = 0;

	memset(out, 0, n);
	memcpy(out, hdr, sizeof(*hdr));
	memcpy(out + n, frame.bytes, frame.len);
	mg_write(r->g, at, out, n + frame.len);
	if (s->alone)
		bufs[k++] = (struct mg_buf){at, n};
	for (unsigned int i = 0; i < s->bufs; i++) {
		uint32_t from = n + i * part;
		uint32_t to = i + 1 == s->bufs ? n + frame.len : from + part;

		if (!i && !s->alone)
			from = 0;
		bufs[k++] = (struct mg_buf){at + from, to - from};
	}
	assert_true(mg_add(r, bufs, k, 0, false) >= 0);
	mg_show(r);
}

/* Good, refused and idle headers by turns: flags, a drop by name, nothing */
static void test_pull_shape(void **state)
{
	const struct mf_spec spec = {0, false, 0, IPPROTO_TCP, 12, 0x18, 1900};
	const struct shape *s = *state;
	struct virtio_net_hdr hdr, said;
	struct model_guest *g;
	struct rte_mbuf *pkts[VQ_BURST];
	unsigned int got = 0, used = 0;
	struct mg_ring *r;
	uint64_t buf;
	uint32_t len;

	thread_role_assume(&ctl_role);
	thread_role_assume(&pmd_role);
	g = mg_new(SIZE * BUF_SIZE / s->gran, s->gran, s->gran == 4096, NULL);
	r = mg_ring_new(g, 1, SIZE, 0, s->features | OFFLOAD_PULL_FEATURES, 0);
	mg_alloc_page(g);
	buf = mg_alloc(g, BUF_SIZE, 4096, s->gran == 8 ? 4 : 0, IOTLB_READ);
	mg_map_all(g);
	mf_build(&spec, &frame, &hdr);
	for (unsigned int i = 0; i < 30; i++) {
		uint64_t flags = 0;

		said = hdr;
		if (i % 3 == 0) {
			said.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
			said.gso_size = 700;
			flags = RTE_MBUF_F_TX_TCP_SEG;
		} else if (i % 3 == 1) {
			said.csum_start = 3;
		} else {
			memset(&said, 0, sizeof(said));
		}
		send_frame(r, buf, s, &said);
		if (i % 3 == 1) {
			assert_int_equal(vq_pull(r->vq, pool, pkts, VQ_BURST, rte_rdtsc()), 0);
		} else {
			assert_int_equal(vq_pull(r->vq, pool, pkts, VQ_BURST, rte_rdtsc()), 1);
			assert_true((pkts[0]->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == flags);
			assert_true(!pkts[0]->ol_flags == !flags);
			assert_int_equal(mf_bytes(pkts[0], out), frame.len);
			assert_memory_equal(out, frame.bytes, frame.len);
			if (flags)
				assert_int_equal(pkts[0]->tso_segsz, 700);
			rte_pktmbuf_free(pkts[0]);
			got++;
		}
		while (mg_used(r, &len) >= 0)
			used++;
		assert_int_equal(used, i + 1);
	}
	assert_int_equal(vq_counters(r->vq)->err_offload, 10);
	assert_int_equal(vq_counters(r->vq)->packets, got);
	assert_int_equal(vq_counters(r->vq)->bytes, got * frame.len);
	assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
	mg_ring_free(r);
	mg_free(g);
}

/* In one burst those that stay close ranks */
static void test_pull_burst_with_refused(void **state)
{
	const struct mf_spec spec = {0, true, 0, IPPROTO_UDP, 0, 0, 100};
	const struct shape *s = &shapes[0];
	struct rte_mbuf *pkts[VQ_BURST];
	struct virtio_net_hdr hdr;
	struct model_guest *g;
	struct mg_ring *r;
	uint64_t buf;

	(void)state;
	thread_role_assume(&ctl_role);
	thread_role_assume(&pmd_role);
	g = mg_new(64, 4096, true, NULL);
	r = mg_ring_new(g, 1, SIZE, 0, s->features | OFFLOAD_PULL_FEATURES, 0);
	mg_alloc_page(g);
	buf = mg_alloc(g, 32 * 2048, 4096, 0, IOTLB_READ);
	mg_map_all(g);
	mf_build(&spec, &frame, &hdr);
	for (unsigned int i = 0; i < VQ_BURST; i++) {
		hdr.csum_offset = i % 5 ? 6 : 5;
		frame.bytes[0] = (uint8_t)i;
		send_frame(r, buf + i * 2048, s, &hdr);
	}
	assert_int_equal(vq_pull(r->vq, pool, pkts, VQ_BURST, rte_rdtsc()), 25);
	for (unsigned int i = 0; i < 25; i++)
		assert_int_equal(*rte_pktmbuf_mtod(pkts[i], uint8_t *), i + 1 + i / 4);
	assert_int_equal(vq_counters(r->vq)->err_offload, 7);
	rte_pktmbuf_free_bulk(pkts, 25);
	assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
	mg_ring_free(r);
	mg_free(g);
}

/* What the port found right is said in each header, and of no other frame */
static void test_push(void **state)
{
	const struct mf_spec spec = {0, false, 0, IPPROTO_UDP, 0, 0, 1000};
	const uint64_t features[] = {0, V1, V1 | MRG, V1 | PACKED, V1 | MRG | PACKED};
	struct virtio_net_hdr hdr;

	(void)state;
	thread_role_assume(&ctl_role);
	thread_role_assume(&pmd_role);
	mf_build(&spec, &frame, &hdr);
	for (unsigned int i = 0; i < 20; i++) {
		uint64_t f = features[i % 5] | (i < 10 ? GUEST : 0);
		uint32_t n = hdr_len(f), size = i & 1 && f & MRG ? 300 : 2000, len;
		struct model_guest *g = mg_new(64, 4096, true, NULL);
		struct mg_ring *r = mg_ring_new(g, 0, SIZE, 0, f, 0);
		struct rte_mbuf *pkts[2];
		uint64_t buf;

		mg_alloc_page(g);
		buf = mg_alloc(g, 16 * 2048, 4096, 0, IOTLB_WRITE);
		mg_map_all(g);
		for (unsigned int k = 0; k < 16; k++)
			mg_add(r, &(struct mg_buf){buf + k * 2048, size}, 1, VRING_DESC_F_WRITE,
			       false);
		mg_show(r);
		for (unsigned int k = 0; k < 2; k++) {
			/* chains take the slow path */
			pkts[k] = mf_mbuf(pool, frame.bytes, frame.len, i % 2 ? 0 : 600);
			assert_non_null(pkts[k]);
			pkts[k]->ol_flags = k ? 0 : RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		}
		assert_int_equal(vq_push(r->vq, pkts, 2, rte_rdtsc()), 2);
		rte_pktmbuf_free_bulk(pkts, 2);
		for (unsigned int k = 0, at = 0; k < 2; k++) {
			mg_read(g, buf + at * 2048, out, n);
			assert_int_equal(out[0],
					 k || !(f & GUEST) ? 0 : VIRTIO_NET_HDR_F_DATA_VALID);
			for (unsigned int b = 1; b < 10; b++)
				assert_int_equal(out[b], 0);
			at += n == 12 ? out[10] : 1;
		}
		while (mg_used(r, &len) >= 0)
			;
		mg_ring_free(r);
		mg_free(g);
	}
	assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
}

/**
 * struct scene - A guest wired to a net_ring: what it sends comes back to it
 */
struct scene {
	struct model_guest *g;
	struct mg_ring *rx;
	struct mg_ring *tx;
	struct wire *wire;
	uint64_t rx_buf;
	uint64_t tx_buf;
};

static void scene_open(struct scene *s, uint64_t features)
{
	thread_role_assume(&ctl_role);
	s->g = mg_new(SIZE * 80, 4096, true, NULL);
	s->rx = mg_ring_new(s->g, 0, SIZE, 0, features, 0);
	s->tx = mg_ring_new(s->g, 1, SIZE, 0, features, 0);
	mg_alloc_page(s->g);
	s->rx_buf = mg_alloc(s->g, SIZE * 2048, 4096, 0, IOTLB_WRITE);
	s->tx_buf = mg_alloc(s->g, BUF_SIZE, 4096, 0, IOTLB_READ);
	mg_map_all(s->g);
	assert_int_equal(
		wire_new(port, 0, VQ_FRAME_MAX, RTE_ETH_TX_OFFLOAD_MULTI_SEGS, pool, &s->wire), 0);
	for (unsigned int i = 0; i < SIZE; i++)
		mg_add(s->rx, &(struct mg_buf){s->rx_buf + i * 2048, 2048}, 1, VRING_DESC_F_WRITE,
		       false);
	mg_show(s->rx);
}

static void scene_close(struct scene *s)
{
	thread_role_assume(&ctl_role);
	wire_free(s->wire);
	mg_ring_free(s->rx);
	mg_ring_free(s->tx);
	mg_free(s->g);
	assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
}

/* Of the largest frame the network sees segments, and the guest gets all of them */
static void test_wire_segments(void **state)
{
	const struct mf_spec spec = {0, false, 0, IPPROTO_TCP, 12, 0x18, 60000};
	const uint32_t want = (60000 + 1447) / 1448;
	struct virtio_net_hdr hdr;
	struct scene s;
	uint32_t len, n = 0;

	(void)state;
	scene_open(&s, V1 | OFFLOAD_PULL_FEATURES | GUEST);
	thread_role_assume(&pmd_role);
	mf_build(&spec, &frame, &hdr);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	hdr.gso_size = 1448;
	send_frame(s.tx, s.tx_buf, &shapes[1], &hdr);
	for (unsigned int i = 0; i < 10; i++)
		wire_poll(s.wire, s.rx->vq, s.tx->vq, rte_rdtsc());
	while (mg_used(s.rx, &len) >= 0) {
		mg_read(s.g, s.rx_buf + n * 2048, out, len);
		len -= 12;
		assert_int_equal(len, n + 1 < want ? 1448 + 66 : 60000 % 1448 + 66);
		assert_true(mf_l4_ok(out + 12, 14, 34, len, IPPROTO_TCP));
		assert_memory_equal(out + 12 + 66, frame.bytes + 66 + n * 1448, len - 66);
		n++;
	}
	assert_int_equal(n, want);
	assert_int_equal(wire_counters(s.wire)->port_tx, want);
	scene_close(&s);
}

/* Segments merged again for a guest that takes them so: one frame, as it was sent */
static void test_wire_merges(void **state)
{
	const struct mf_spec spec = {0, false, 0, IPPROTO_TCP, 12, 0x18, 30000};
	uint8_t *f = out + 12;
	struct virtio_net_hdr hdr, back;
	struct scene s;
	uint32_t len, n = 0;

	(void)state;
	scene_open(&s, V1 | MRG | OFFLOAD_PULL_FEATURES | GUEST | BIT(VIRTIO_NET_F_GUEST_TSO4));
	thread_role_assume(&pmd_role);
	mf_build(&spec, &frame, &hdr);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	hdr.gso_size = 1448;
	send_frame(s.tx, s.tx_buf, &shapes[0], &hdr);
	for (unsigned int i = 0; i < 10; i++)
		wire_poll(s.wire, s.rx->vq, s.tx->vq, rte_rdtsc());
	while (mg_used(s.rx, &len) >= 0) {
		mg_read(s.g, s.rx_buf + n / 2048 * 2048, out + n, len);
		n += len;
	}
	assert_int_equal(n, frame.len + 12);
	memcpy(&back, out, sizeof(back));
	hdr.hdr_len = 66;
	assert_memory_equal(&back, &hdr, sizeof(hdr));
	/* The IPv4 header's checksum and the pseudo header's sum are what they were */
	assert_memory_equal(f, frame.bytes, frame.len);
	scene_close(&s);
}

/* Segments for which there never is an mbuf do not hold the wire for ever */
static void test_wire_no_mbuf(void **state)
{
	const struct mf_spec spec = {0, false, 0, IPPROTO_TCP, 12, 0x18, 10000};
	static struct rte_mbuf *hold[N_MBUFS + 1]; /* and the NULL that ends it */
	uint64_t now = rte_rdtsc();
	struct virtio_net_hdr hdr;
	unsigned int held = 0;
	struct scene s;

	(void)state;
	scene_open(&s, V1 | OFFLOAD_PULL_FEATURES);
	thread_role_assume(&pmd_role);
	mf_build(&spec, &frame, &hdr);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	hdr.gso_size = 1448;
	send_frame(s.tx, s.tx_buf, &shapes[0], &hdr);
	while ((hold[held] = rte_pktmbuf_alloc(pool)))
		held++;
	/* enough for the frame itself and no more */
	rte_pktmbuf_free_bulk(hold, 5);
	for (unsigned int i = 0; i < 4; i++)
		wire_poll(s.wire, NULL, s.tx->vq, now);
	assert_int_equal(vq_counters(s.tx->vq)->packets, 1);
	assert_int_equal(wire_counters(s.wire)->drop_no_mbuf, 0);
	now += rte_get_tsc_hz() / 5;
	wire_poll(s.wire, NULL, s.tx->vq, now);
	assert_int_equal(wire_counters(s.wire)->drop_no_mbuf, 1);
	assert_int_equal(rte_mempool_avail_count(pool), 5);
	rte_pktmbuf_free_bulk(hold + 5, held - 5);
	scene_close(&s);
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(test_pull_burst_with_refused),
		cmocka_unit_test(test_push),
		cmocka_unit_test(test_wire_segments),
		cmocka_unit_test(test_wire_merges),
		cmocka_unit_test(test_wire_no_mbuf),
	};
	struct CMUnitTest tests[RTE_DIM(plain) + RTE_DIM(shapes)];
	struct rte_eth_conf conf = {0};
	unsigned int n = RTE_DIM(plain);

	mg_eal_init();
	pool = rte_pktmbuf_pool_create("vq_offload", N_MBUFS, 0, 0, RTE_PKTMBUF_HEADROOM + 2048,
				       SOCKET_ID_ANY);
	if (!pool || rte_eal_hotplug_add("vdev", "net_ring0", "") ||
	    rte_eth_dev_get_port_by_name("net_ring0", &port) ||
	    rte_eth_dev_configure(port, 1, 1, &conf) ||
	    rte_eth_rx_queue_setup(port, 0, 512, SOCKET_ID_ANY, NULL, pool) ||
	    rte_eth_tx_queue_setup(port, 0, 512, SOCKET_ID_ANY, NULL) || rte_eth_dev_start(port))
		return 1;
	memcpy(tests, plain, sizeof(plain));
	for (unsigned int i = 0; i < RTE_DIM(shapes); i++)
		tests[n++] = (struct CMUnitTest){shapes[i].name, test_pull_shape, NULL, NULL,
						 (void *)(uintptr_t)&shapes[i]};
	return _cmocka_run_group_tests("vq_offload", tests, n, NULL, NULL);
}
