/* SPDX-License-Identifier: BSD-3-Clause */
/* test_offload_finish.c - Segments and checksums made for a port, checked anew
 *
 * Every frame that comes out is taken apart by model_frame.h, which shares no
 * code with what made it.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "datapath/offload.h"
#include "datapath/offload_finish.h"
#include "tests/unit/datapath/model_frame.h"
#include "tests/unit/datapath/model_guest.h"

#define ALL	  OFFLOAD_PULL_FEATURES
#define MTU	  9216
#define N_MBUFS	  2047
#define ROOM	  2048
#define CAPA_CSUM (RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)
#define CAPA_ALL                                                                     \
	(CAPA_CSUM | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | \
	 RTE_ETH_TX_OFFLOAD_TCP_TSO)

static struct rte_mempool *pool;
static uint16_t port;
static struct wire_counters counters;
static struct offload_finish fin;
static struct mf frame;
static uint8_t out[MF_MAX];

static void fin_init(uint64_t capa)
{
	memset(&counters, 0, sizeof(counters));
	thread_role_assume(&ctl_role);
	offload_finish_init(&fin, port, 0, capa, pool, &counters);
}

/* A frame with what the guest said of it noted, @gso_size 0 for checksum only */
static struct rte_mbuf *guest_frame(const struct mf_spec *spec, uint16_t gso_size, uint32_t cut)
{
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m;

	mf_build(spec, &frame, &hdr);
	if (gso_size) {
		hdr.gso_type = spec->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		hdr.gso_size = gso_size;
	}
	m = mf_mbuf(pool, frame.bytes, frame.len, cut);
	assert_non_null(m);
	thread_role_assume(&pmd_role);
	assert_int_equal(offload_from_guest(m, &hdr, ALL), 0);
	return m;
}

/* One finished segment against the frame it was cut from */
static void check_segment(const struct mf_spec *s, const struct rte_mbuf *m, uint32_t i,
			  uint32_t gso_size)
{
	uint32_t off = i * gso_size, bytes = RTE_MIN(gso_size, s->payload - off);
	uint8_t *ip = out + frame.l3, *tcp = out + frame.l4, flags = s->tcp_flags;
	bool last = off + bytes == s->payload;

	assert_true(m->ol_flags == 0);
	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(m->nb_segs, (m->pkt_len + ROOM - 1) / ROOM);
	assert_int_equal(m->pkt_len, frame.data + bytes);
	assert_int_equal(mf_bytes(m, out), m->pkt_len);
	assert_memory_equal(out, frame.bytes, frame.l3);
	for (uint32_t b = 0; b < bytes; b++)
		assert_int_equal(out[frame.data + b], mf_payload(off + b));

	assert_true(mf_l4_ok(out, frame.l3, frame.l4, m->pkt_len, IPPROTO_TCP));
	if (s->ipv6) {
		assert_int_equal(mf_be16(ip + 4), m->pkt_len - frame.l3 - 40);
		assert_memory_equal(ip + 6, frame.bytes + frame.l3 + 6, frame.l4 - frame.l3 - 6);
	} else {
		assert_true(mf_ip_ok(ip));
		assert_int_equal(mf_be16(ip + 2), m->pkt_len - frame.l3);
		assert_int_equal(mf_be16(ip + 4), (uint16_t)(0xfffe + i));
		assert_memory_equal(ip + 12, frame.bytes + frame.l3 + 12, frame.l4 - frame.l3 - 12);
	}
	assert_true(((uint32_t)mf_be16(tcp + 4) << 16 | mf_be16(tcp + 6)) == 0xfffff000u + off);
	assert_memory_equal(tcp + 8, frame.bytes + frame.l4 + 8, 5);
	if (!last)
		flags &= (uint8_t)~0x09; /* FIN, PSH */
	if (i)
		flags &= (uint8_t)~0x80; /* CWR */
	assert_int_equal(tcp[13], flags);
	assert_memory_equal(tcp + 20, frame.bytes + frame.l4 + 20, frame.data - frame.l4 - 20);
}

static void cut_and_check(const struct mf_spec *s, uint16_t gso_size, uint32_t cut, uint64_t capa)
{
	uint32_t want = s->payload ? (s->payload + gso_size - 1) / gso_size : 1, i = 0;
	struct rte_mbuf *pkts[VQ_BURST], *m;
	uint16_t n;

	fin_init(capa);
	thread_role_assume(&pmd_role);
	m = guest_frame(s, gso_size, cut);
	offload_finish_put(&fin, &m, 1);
	while (offload_finish_waits(&fin)) {
		n = offload_finish_get(&fin, pkts);
		/* A burst at a time, and each full but the last */
		assert_int_equal(n, RTE_MIN(want - i, (uint32_t)VQ_BURST));
		for (uint16_t k = 0; k < n; k++)
			check_segment(s, pkts[k], i++, gso_size);
		rte_pktmbuf_free_bulk(pkts, n);
	}
	assert_int_equal(i, want);
	assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
}

static const struct mf_spec large[] = {
	{0, false, 0, IPPROTO_TCP, 12, 0x18, 65000}, {0, true, 0, IPPROTO_TCP, 12, 0x99, 64000},
	{1, false, 8, IPPROTO_TCP, 0, 0x91, 9001},   {2, true, 24, IPPROTO_TCP, 40, 0x18, 20000},
	{0, false, 40, IPPROTO_TCP, 40, 0x10, 1449}, {0, true, 0, IPPROTO_TCP, 0, 0x19, 2},
};

static void test_cut(void **state)
{
	static const uint16_t sizes[] = {1448, 1460, 536, 1000, 999, OFFLOAD_GSO_MIN};
	static const uint32_t cuts[] = {0, 777, 61};

	(void)state;
	thread_role_assume(&pmd_role);
	for (unsigned int i = 0; i < RTE_DIM(large); i++)
		for (unsigned int k = 0; k < RTE_DIM(sizes); k++)
			for (unsigned int c = 0; c < RTE_DIM(cuts); c++)
				if (sizes[k] < large[i].payload &&
				    frame.len / (cuts[c] ? cuts[c] : ROOM) < N_MBUFS / 2)
					cut_and_check(&large[i], sizes[k], cuts[c], 0);
}

/* Random shapes, for the odd lengths */
static void test_cut_random(void **state)
{
	srand(1);
	(void)state;
	thread_role_assume(&pmd_role);
	for (unsigned int i = 0; i < 500; i++) {
		struct mf_spec s = large[(unsigned int)rand() % RTE_DIM(large)];
		uint16_t size = (uint16_t)(OFFLOAD_GSO_MIN + rand() % 1500);

		s.payload = size + 1u + (unsigned int)rand() % 20000;
		cut_and_check(&s, size, 50 + (unsigned int)rand() % 2000, 0);
	}
}

/* A segment that needs several mbufs, for a port that sends such */
static void test_cut_into_chains(void **state)
{
	(void)state;
	thread_role_assume(&pmd_role);
	cut_and_check(&large[0], 8960, 0, RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	cut_and_check(&large[0], 8961, 1001, RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	cut_and_check(&large[1], ROOM - 100, 0, RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	cut_and_check(&large[3], 3333, 30, RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
}

/* What a port might do wrong is not left to it */
static void test_cut_although_the_port_could(void **state)
{
	struct mf_spec s = {0, false, 0, IPPROTO_TCP, 0, 0x90, 5000};

	(void)state;
	thread_role_assume(&pmd_role);
	cut_and_check(&s, 1000, 0, CAPA_ALL);
	s = (struct mf_spec){0, true, 8, IPPROTO_TCP, 0, 0x10, 5000};
	cut_and_check(&s, 1000, 0, CAPA_ALL);
	s = (struct mf_spec){0, false, 0, IPPROTO_TCP, 0, 0x10, 5000};
	/* the headers are spread over mbufs */
	cut_and_check(&s, 1000, 40, CAPA_ALL);
	cut_and_check(&s, 1000, 0, CAPA_ALL & ~RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	cut_and_check(&s, 1000, 0, CAPA_ALL & ~RTE_ETH_TX_OFFLOAD_IPV4_CKSUM);
	/* smaller than some ports take */
	cut_and_check(&s, 255, 0, CAPA_ALL);
}

static void test_port_cuts(void **state)
{
	const struct mf_spec s = {1, true, 0, IPPROTO_TCP, 12, 0x18, 30000};
	struct rte_mbuf *pkts[VQ_BURST], *m;
	uint64_t flags;

	(void)state;
	thread_role_assume(&pmd_role);
	fin_init(CAPA_ALL);
	m = guest_frame(&s, 1400, 0);
	flags = m->ol_flags;
	offload_finish_put(&fin, &m, 1);
	assert_int_equal(offload_finish_get(&fin, pkts), 1);
	assert_ptr_equal(pkts[0], m);
	assert_true(m->ol_flags == flags && flags & RTE_MBUF_F_TX_TCP_SEG);
	assert_int_equal(m->tso_segsz, 1400);
	assert_int_equal(mf_bytes(m, out), frame.len);
	assert_memory_equal(out, frame.bytes, frame.len);
	rte_pktmbuf_free(m);
}

static void test_csum(void **state)
{
	static const struct mf_spec specs[] = {
		{0, false, 0, IPPROTO_TCP, 0, 0x10, 1460}, {0, false, 12, IPPROTO_UDP, 0, 0, 1001},
		{1, true, 0, IPPROTO_TCP, 12, 0x10, 501},  {2, true, 0, IPPROTO_UDP, 0, 0, 0},
		{0, false, 0, IPPROTO_UDP, 0, 0, 8999},
	};
	static const uint32_t cuts[] = {0, 1, 333};
	struct rte_mbuf *pkts[VQ_BURST], *m;

	(void)state;
	thread_role_assume(&pmd_role);
	for (unsigned int i = 0; i < RTE_DIM(specs); i++) {
		for (unsigned int c = 0; c < RTE_DIM(cuts); c++) {
			if (specs[i].payload > 2000 && cuts[c] == 1)
				continue;
			fin_init(RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
			m = guest_frame(&specs[i], 0, cuts[c]);
			assert_true(offload_wanted(&m, 1));
			offload_finish_put(&fin, &m, 1);
			assert_int_equal(offload_finish_get(&fin, pkts), 1);
			assert_ptr_equal(pkts[0], m);
			assert_true(m->ol_flags == 0);
			assert_int_equal(mf_bytes(m, out), frame.len);
			assert_true(mf_l4_ok(out, frame.l3, frame.l4, frame.len, specs[i].proto));
			rte_pktmbuf_free(m);

			fin_init(CAPA_CSUM);
			m = guest_frame(&specs[i], 0, cuts[c]);
			offload_finish_put(&fin, &m, 1);
			assert_int_equal(offload_finish_get(&fin, pkts), 1);
			assert_true(m->ol_flags & RTE_MBUF_F_TX_L4_MASK);
			rte_pktmbuf_free(m);
		}
	}
}

/* A UDP checksum of zero would say that there is none (RFC 768) */
static void test_csum_never_zero(void **state)
{
	const struct mf_spec s = {0, false, 0, IPPROTO_UDP, 0, 0, 2};
	struct rte_mbuf *pkts[VQ_BURST], *m;
	unsigned int seen = 0;

	(void)state;
	thread_role_assume(&pmd_role);
	for (uint32_t v = 0; v < 0x10000; v++) {
		fin_init(0);
		m = guest_frame(&s, 0, 0);
		mf_put16(rte_pktmbuf_mtod_offset(m, uint8_t *, frame.data), v);
		offload_finish_put(&fin, &m, 1);
		assert_int_equal(offload_finish_get(&fin, pkts), 1);
		mf_bytes(m, out);
		assert_true(mf_be16(out + frame.l4 + 6) != 0);
		seen += mf_be16(out + frame.l4 + 6) == 0xffff;
		rte_pktmbuf_free(m);
	}
	assert_true(seen > 0);
}

static void test_segment_too_long(void **state)
{
	const struct mf_spec huge = {0, false, 0, IPPROTO_TCP, 0, 0x10, 20000};
	const struct mf_spec s = {0, false, 0, IPPROTO_TCP, 0, 0x10, 5000};
	struct rte_mbuf *pkts[VQ_BURST], *m;

	(void)state;
	thread_role_assume(&pmd_role);
	fin_init(0);
	m = guest_frame(&s, ROOM - 53, 0);
	offload_finish_put(&fin, &m, 1);
	assert_int_equal(offload_finish_get(&fin, pkts), 0);
	assert_false(offload_finish_waits(&fin));
	assert_int_equal(counters.drop_port_size, 1);
	assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
	cut_and_check(&s, ROOM - 54, 0, 0);

	/* Nor are longer ones sent than the port's MTU allows */
	fin_init(CAPA_ALL);
	m = guest_frame(&huge, MTU, 0);
	offload_finish_put(&fin, &m, 1);
	assert_int_equal(offload_finish_get(&fin, pkts), 0);
	assert_int_equal(counters.drop_port_size, 1);
}

/* Frames with and without something to do leave in the order they came in */
static void test_order_is_kept(void **state)
{
	const struct mf_spec s = {0, false, 0, IPPROTO_TCP, 0, 0x10, 10000};
	const struct mf_spec small = {0, true, 0, IPPROTO_UDP, 0, 0, 100};
	struct rte_mbuf *in[VQ_BURST], *pkts[VQ_BURST];
	uint32_t turn = 0, segment = 0;
	uint16_t n;

	(void)state;
	thread_role_assume(&pmd_role);
	fin_init(0);
	for (unsigned int i = 0; i < VQ_BURST; i++) {
		in[i] = i % 2 ? guest_frame(&s, 1000, 0) : guest_frame(&small, 0, 0);
		if (i % 4 == 0)
			in[i]->ol_flags = 0;
	}
	offload_finish_put(&fin, in, VQ_BURST);
	while (offload_finish_waits(&fin)) {
		n = offload_finish_get(&fin, pkts);
		assert_true(n > 0);
		for (uint16_t k = 0; k < n; k++) {
			assert_int_equal(pkts[k]->pkt_len, turn % 2 ? 1054 : 14 + 40 + 8 + 100);
			if (turn % 2 && ++segment < 10)
				continue;
			segment = 0;
			turn++;
		}
		rte_pktmbuf_free_bulk(pkts, n);
	}
	assert_int_equal(turn, VQ_BURST);
	assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
}

/* Without mbufs it stops where it is, and goes on when there are some */
static void test_pool_empty(void **state)
{
	const struct mf_spec s = {0, false, 0, IPPROTO_TCP, 0, 0x10, 60000};
	static struct rte_mbuf *hold[N_MBUFS];
	struct rte_mbuf *pkts[VQ_BURST], *m;
	unsigned int held = 0, i = 0;
	uint16_t n;

	(void)state;
	thread_role_assume(&pmd_role);
	fin_init(0);
	m = guest_frame(&s, 1000, 0);
	offload_finish_put(&fin, &m, 1);
	while ((hold[held] = rte_pktmbuf_alloc(pool)))
		held++;
	assert_int_equal(offload_finish_get(&fin, pkts), 0);
	assert_true(offload_finish_waits(&fin));
	for (; i < 7; i++) {
		rte_pktmbuf_free(hold[--held]);
		n = offload_finish_get(&fin, pkts);
		assert_int_equal(n, 1);
		check_segment(&s, pkts[0], i, 1000);
		hold[held++] = pkts[0];
	}
	rte_pktmbuf_free_bulk(hold, held);
	assert_int_equal(offload_finish_get(&fin, pkts), VQ_BURST);
	check_segment(&s, pkts[0], i, 1000);
	rte_pktmbuf_free_bulk(pkts, VQ_BURST);
	assert_int_equal(offload_finish_drop(&fin), 1);
	assert_false(offload_finish_waits(&fin));
	assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_random),
		cmocka_unit_test(test_cut_into_chains),
		cmocka_unit_test(test_cut_although_the_port_could),
		cmocka_unit_test(test_port_cuts),
		cmocka_unit_test(test_csum),
		cmocka_unit_test(test_csum_never_zero),
		cmocka_unit_test(test_segment_too_long),
		cmocka_unit_test(test_order_is_kept),
		cmocka_unit_test(test_pool_empty),
	};
	struct rte_eth_conf conf = {.rxmode.mtu = MTU};

	mg_eal_init();
	pool = rte_pktmbuf_pool_create("finish", N_MBUFS, 0, 0, RTE_PKTMBUF_HEADROOM + ROOM,
				       SOCKET_ID_ANY);
	/* A driver that has no opinion of what it is given */
	if (!pool || rte_eal_hotplug_add("vdev", "net_null0", "") ||
	    rte_eth_dev_get_port_by_name("net_null0", &port) ||
	    rte_eth_dev_configure(port, 1, 1, &conf) ||
	    rte_eth_rx_queue_setup(port, 0, 64, SOCKET_ID_ANY, NULL, pool) ||
	    rte_eth_tx_queue_setup(port, 0, 64, SOCKET_ID_ANY, NULL) || rte_eth_dev_start(port))
		return 1;
	return cmocka_run_group_tests_name("offload_finish", tests, NULL, NULL);
}
