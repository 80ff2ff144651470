/* SPDX-License-Identifier: BSD-3-Clause */
/* test_offload.c - What a virtio-net header may say, and what becomes of it
 *
 * Every shape of frame is accepted with a true header, and refused with each of
 * its fields made false; random bytes reach every branch under a sanitizer.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "datapath/offload.h"
#include "datapath/offload_parse.h"
#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_frame.h"
#include "tests/unit/datapath/model_guest.h"

#define ALL OFFLOAD_PULL_FEATURES

#define N_MBUFS 8191

static struct rte_mempool *pool;
static struct mf frame;
static uint8_t out[MF_MAX];

static const struct mf_spec specs[] = {
	{0, false, 0, IPPROTO_TCP, 0, 0x10, 1460},   {0, false, 0, IPPROTO_UDP, 0, 0, 1472},
	{0, true, 0, IPPROTO_TCP, 12, 0x18, 1428},   {0, true, 0, IPPROTO_UDP, 0, 0, 33},
	{1, false, 0, IPPROTO_TCP, 40, 0x19, 0},     {2, true, 0, IPPROTO_TCP, 0, 0x10, 7},
	{2, false, 40, IPPROTO_UDP, 0, 0, 0},	     {1, false, 4, IPPROTO_TCP, 4, 0x10, 9001},
	{0, true, 16, IPPROTO_TCP, 12, 0x10, 3000},  {1, true, 8, IPPROTO_UDP, 0, 0, 501},
	{0, false, 0, IPPROTO_TCP, 12, 0x18, 65000}, {0, true, 0, IPPROTO_TCP, 12, 0x90, 64000},
};

static int take(const struct mf *f, const struct virtio_net_hdr *hdr, uint64_t features,
		uint32_t cut, struct rte_mbuf **ret_m)
{
	struct rte_mbuf *m = mf_mbuf(pool, f->bytes, f->len, cut);

	assert_non_null(m);
	thread_role_assume(&pmd_role);
	*ret_m = m;
	return offload_from_guest(m, hdr, features);
}

/* The answer to a header, the frame being of no interest */
static int verdict(const struct mf *f, const struct virtio_net_hdr *hdr, uint64_t features)
{
	struct rte_mbuf *m;
	int err = take(f, hdr, features, 0, &m);

	if (err)
		assert_int_equal(m->ol_flags, 0);
	rte_pktmbuf_free(m);
	return err;
}

static void check_lengths(const struct rte_mbuf *m, const struct mf *f, uint16_t segment)
{
	assert_int_equal(m->l2_len, f->l3);
	assert_int_equal(m->l3_len, f->l4 - f->l3);
	assert_int_equal(m->l4_len, f->data - f->l4);
	assert_int_equal(m->tso_segsz, segment);
	assert_int_equal(m->outer_l2_len + m->outer_l3_len, 0);
}

static void test_parse_finds_headers(void **state)
{
	static const uint32_t cuts[] = {0, 1, 13, 14, 21, 64};
	struct virtio_net_hdr hdr;
	struct offload_frame of;

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(specs); i++) {
		for (unsigned int c = 0; c < RTE_DIM(cuts); c++) {
			struct mf_spec spec = specs[i];
			struct rte_mbuf *m;

			spec.payload = RTE_MIN(spec.payload, 3000u);
			mf_build(&spec, &frame, &hdr);
			m = mf_mbuf(pool, frame.bytes, frame.len, cuts[c]);
			assert_non_null(m);
			offload_parse(m, &of);
			assert_int_equal(of.l2_len, frame.l3);
			assert_int_equal(of.l3_len, frame.l4 - frame.l3);
			assert_int_equal(of.l4_len, frame.data - frame.l4);
			assert_int_equal(of.proto, spec.proto);
			assert_int_equal(of.ipv6, spec.ipv6);
			assert_int_equal(of.extended, spec.ipv6 && spec.options);
			assert_int_equal(of.ip_len, frame.len - frame.l3);
			rte_pktmbuf_free(m);
		}
	}
}

/* A flag where a port can be told, else the checksum itself */
static void test_csum_accepted(void **state)
{
	static const uint32_t cuts[] = {0, 1, 3, 101, 1000};
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m;

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(specs); i++) {
		const struct mf_spec *s = &specs[i];

		mf_build(s, &frame, &hdr);
		hdr.hdr_len = (uint16_t)(i * 977); /* only a hint */
		hdr.flags |= VIRTIO_NET_HDR_F_DATA_VALID;
		for (unsigned int c = 0; c < RTE_DIM(cuts); c++) {
			uint64_t l4 = s->proto == IPPROTO_TCP ? RTE_MBUF_F_TX_TCP_CKSUM
							      : RTE_MBUF_F_TX_UDP_CKSUM;

			if (frame.len > 5000 && cuts[c] && cuts[c] < 100)
				continue;
			assert_int_equal(take(&frame, &hdr, BIT(VIRTIO_NET_F_CSUM), cuts[c], &m),
					 0);
			assert_int_equal(mf_bytes(m, out), frame.len);
			if (s->ipv6 && s->options) {
				assert_int_equal(m->ol_flags, 0);
				assert_true(mf_l4_ok(out, frame.l3, frame.l4, frame.len, s->proto));
			} else {
				assert_true(m->ol_flags == (l4 | (s->ipv6 ? RTE_MBUF_F_TX_IPV6
									  : RTE_MBUF_F_TX_IPV4)));
				check_lengths(m, &frame, 0);
				assert_memory_equal(out, frame.bytes, frame.len);
			}
			rte_pktmbuf_free(m);
		}
	}
}

static void test_gso_accepted(void **state)
{
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m;

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(specs); i++) {
		const struct mf_spec *s = &specs[i];

		if (s->proto != IPPROTO_TCP || s->payload < 2000)
			continue;
		mf_build(s, &frame, &hdr);
		hdr.gso_type = s->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		hdr.gso_size = 1448;
		for (int silent = 0; silent < 2; silent++) {
			if (silent) /* some drivers leave the length to us */
				mf_put16(frame.bytes + frame.l3 + (s->ipv6 ? 4 : 2), 0);
			assert_int_equal(take(&frame, &hdr, ALL, 0, &m), 0);
			check_lengths(m, &frame, 1448);
			assert_true(m->ol_flags ==
				    (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM |
				     (s->ipv6 ? RTE_MBUF_F_TX_IPV6
					      : RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM)));
			rte_pktmbuf_free(m);
		}
	}
}

/* One segment's worth needs a checksum and no cutting */
static void test_gso_of_one_segment(void **state)
{
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m;

	(void)state;
	mf_build(&specs[0], &frame, &hdr);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	hdr.gso_size = 1460;
	assert_int_equal(take(&frame, &hdr, ALL, 0, &m), 0);
	assert_true(m->ol_flags == (RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4));
	check_lengths(m, &frame, 0);
	rte_pktmbuf_free(m);
}

/* The inner checksum of a tunnel, and that of a protocol no port knows */
static void test_csum_elsewhere(void **state)
{
	struct virtio_net_hdr hdr;
	uint32_t acc = 0;
	struct rte_mbuf *m;

	(void)state;
	mf_build(&specs[1], &frame, &hdr);
	mf_put16(frame.bytes + frame.l4 + 6, 0);
	hdr.csum_start = (uint16_t)(frame.data + 51);
	hdr.csum_offset = 16;
	memset(frame.bytes + hdr.csum_start + 16, 0, 2);
	assert_int_equal(take(&frame, &hdr, ALL, 0, &m), 0);
	assert_int_equal(m->ol_flags, 0);
	mf_bytes(m, out);
	rte_pktmbuf_free(m);
	/* All that is summed up, with the sum, is a negative zero */
	for (uint32_t i = hdr.csum_start; i < frame.len; i++)
		acc += (i - hdr.csum_start) & 1 ? out[i] : out[i] * 256u;
	assert_true(acc && acc % 0xffff == 0);
	memset(out + hdr.csum_start + hdr.csum_offset, 0, 2);
	assert_memory_equal(out, frame.bytes, frame.len);

	frame.bytes[frame.l3 + 9] = IPPROTO_ICMP;
	hdr.csum_start = (uint16_t)frame.l4;
	hdr.csum_offset = 2;
	assert_int_equal(verdict(&frame, &hdr, ALL), 0);
}

static void test_nothing_to_do(void **state)
{
	struct virtio_net_hdr hdr = {.flags = VIRTIO_NET_HDR_F_DATA_VALID | 0xf8,
				     .hdr_len = 0xffff,
				     .gso_size = 1,
				     .csum_start = 0xffff};
	struct virtio_net_hdr unused;

	(void)state;
	mf_build(&specs[0], &frame, &unused);
	assert_true(offload_idle(&hdr));
	assert_int_equal(verdict(&frame, &hdr, 0), 0);
	assert_int_equal(verdict(&frame, &hdr, ALL), 0);
}

/**
 * struct lie - One field made false
 */
struct lie {
	const char *name;
	void (*tell)(struct mf *f, struct virtio_net_hdr *hdr, uint64_t *features);
};

#define LIE(name, code)                                                                      \
	static void lie_##name(struct mf *f, struct virtio_net_hdr *hdr, uint64_t *features) \
	{                                                                                    \
		(void)f, (void)hdr, (void)features;                                          \
		code;                                                                        \
	}

LIE(no_csum, *features &= ~BIT(VIRTIO_NET_F_CSUM))
LIE(no_tso, *features &= ~(BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6)))
LIE(no_ecn, hdr->gso_type |= VIRTIO_NET_HDR_GSO_ECN; *features &= ~BIT(VIRTIO_NET_F_HOST_ECN))
LIE(only_ecn, hdr->gso_type = VIRTIO_NET_HDR_GSO_ECN)
LIE(no_needs_csum, hdr->flags = 0)
LIE(udp_gso, hdr->gso_type = VIRTIO_NET_HDR_GSO_UDP)
LIE(other_version, hdr->gso_type ^= VIRTIO_NET_HDR_GSO_TCPV4 ^ VIRTIO_NET_HDR_GSO_TCPV6)
LIE(unknown_gso, hdr->gso_type = 0x42)
LIE(gso_size_0, hdr->gso_size = 0)
LIE(gso_size_small, hdr->gso_size = OFFLOAD_GSO_MIN - 1)
LIE(start_0, hdr->csum_start = 0)
LIE(start_before, hdr->csum_start--)
LIE(start_behind, hdr->csum_start++)
LIE(start_far, hdr->csum_start = 0xffff)
LIE(offset_before, hdr->csum_offset--)
LIE(offset_behind, hdr->csum_offset++)
LIE(offset_far, hdr->csum_offset = 0xffff)
LIE(sum_wraps, hdr->csum_start = 0xfff0; hdr->csum_offset = 0x20)
LIE(ip_version, f->bytes[f->l3] ^= 0x10)
LIE(ip_too_long, mf_put16(f->bytes + f->l3 + (f->bytes[f->l3] >> 4 == 6 ? 4 : 2), f->len))
LIE(tcp_header_short, f->bytes[f->l4 + 12] = 0x40)
LIE(not_tcp, f->bytes[f->l3 + (f->bytes[f->l3] >> 4 == 6 ? 6 : 9)] = IPPROTO_UDP)
LIE(cut_off, f->len = f->l4 + 19)
LIE(no_ip, f->bytes[f->l3 - 1] ^= 0x55)

static const struct lie lies[] = {
	{"no_csum", lie_no_csum},
	{"no_tso", lie_no_tso},
	{"no_ecn", lie_no_ecn},
	{"only_ecn", lie_only_ecn},
	{"no_needs_csum", lie_no_needs_csum},
	{"udp_gso", lie_udp_gso},
	{"other_version", lie_other_version},
	{"unknown_gso", lie_unknown_gso},
	{"gso_size_0", lie_gso_size_0},
	{"gso_size_small", lie_gso_size_small},
	{"start_0", lie_start_0},
	{"start_before", lie_start_before},
	{"start_behind", lie_start_behind},
	{"start_far", lie_start_far},
	{"offset_before", lie_offset_before},
	{"offset_behind", lie_offset_behind},
	{"offset_far", lie_offset_far},
	{"sum_wraps", lie_sum_wraps},
	{"ip_version", lie_ip_version},
	{"ip_too_long", lie_ip_too_long},
	{"tcp_header_short", lie_tcp_header_short},
	{"not_tcp", lie_not_tcp},
	{"cut_off", lie_cut_off},
	{"no_ip", lie_no_ip},
};

static void test_gso_lie_refused(void **state)
{
	const struct lie *lie = *state;
	struct virtio_net_hdr hdr;

	for (unsigned int i = 0; i < RTE_DIM(specs); i++) {
		const struct mf_spec *s = &specs[i];
		uint64_t features = ALL;

		if (s->proto != IPPROTO_TCP || s->payload < 2000)
			continue;
		mf_build(s, &frame, &hdr);
		hdr.gso_type = s->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		hdr.gso_size = OFFLOAD_GSO_MIN;
		assert_int_equal(verdict(&frame, &hdr, features), 0);
		lie->tell(&frame, &hdr, &features);
		if (verdict(&frame, &hdr, features) != -EINVAL)
			fail_msg("%s is believed of frame %u", lie->name, i);
	}
}

/* A fragment is not to be cut again, nor has it a checksum of its own */
static void test_gso_fragment_refused(void **state)
{
	struct virtio_net_hdr hdr;

	(void)state;
	mf_build(&specs[7], &frame, &hdr);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	hdr.gso_size = 1000;
	frame.bytes[frame.l3 + 6] = 0x20;
	assert_int_equal(verdict(&frame, &hdr, ALL), -EINVAL);
	frame.bytes[frame.l3 + 6] = 0;
	frame.bytes[frame.l3 + 7] = 1;
	assert_int_equal(verdict(&frame, &hdr, ALL), -EINVAL);
}

static void test_csum_lies_refused(void **state)
{
	struct virtio_net_hdr hdr, lie;
	struct mf *f = &frame;

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(specs); i++) {
		mf_build(&specs[i], f, &hdr);
		assert_int_equal(verdict(f, &hdr, 0), -EINVAL);
		for (unsigned int start = 0; start < f->l4; start++) {
			lie = hdr;
			lie.csum_start = (uint16_t)start;
			assert_int_equal(verdict(f, &lie, ALL), -EINVAL);
		}
		for (unsigned int off = 0; off < 64; off++) {
			lie = hdr;
			lie.csum_offset = (uint16_t)off;
			assert_int_equal(verdict(f, &lie, ALL),
					 off == hdr.csum_offset ? 0 : -EINVAL);
		}
		lie = hdr;
		lie.csum_start = (uint16_t)(f->len - 1);
		lie.csum_offset = 0;
		assert_int_equal(verdict(f, &lie, ALL), -EINVAL);
		lie.csum_start = 0xffff;
		assert_int_equal(verdict(f, &lie, ALL), -EINVAL);
		lie.csum_offset = 0xffff;
		assert_int_equal(verdict(f, &lie, ALL), -EINVAL);
	}
}

static uint32_t rnd(void)
{
	static uint64_t x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 16);
}

/* Whatever is accepted describes the frame it came with */
static void check_sane(const struct rte_mbuf *m)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;

	if (!m->ol_flags)
		return;
	assert_true(l4 == RTE_MBUF_F_TX_TCP_CKSUM || l4 == RTE_MBUF_F_TX_UDP_CKSUM);
	assert_true(!(m->ol_flags & RTE_MBUF_F_TX_IPV4) != !(m->ol_flags & RTE_MBUF_F_TX_IPV6));
	assert_true(m->l2_len >= 14 && m->l2_len <= 22 && m->l3_len >= 20 && m->l4_len >= 8);
	assert_true((uint32_t)m->l2_len + m->l3_len + m->l4_len <= m->pkt_len);
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		assert_true(l4 == RTE_MBUF_F_TX_TCP_CKSUM && m->tso_segsz >= OFFLOAD_GSO_MIN);
	else
		assert_int_equal(m->tso_segsz, 0);
}

static void test_random_bytes(void **state)
{
	unsigned int accepted = 0, refused = 0;
	struct virtio_net_hdr hdr;

	(void)state;
	for (unsigned int i = 0; i < 60000; i++) {
		struct mf_spec s = specs[rnd() % RTE_DIM(specs)];
		struct rte_mbuf *m;

		s.payload = rnd() % 300;
		mf_build(&s, &frame, &hdr);
		hdr.gso_type = (uint8_t)(rnd() % 3 ? 0 : rnd() % 6);
		hdr.gso_size = (uint16_t)(rnd() % 200);
		/* Some bytes of the headers, some of what is said of them */
		for (unsigned int n = rnd() % 4; n; n--)
			frame.bytes[rnd() % frame.data] = (uint8_t)rnd();
		if (rnd() % 2)
			((uint8_t *)&hdr)[rnd() % sizeof(hdr)] = (uint8_t)rnd();
		if (!(rnd() % 4))
			frame.len = 14 + rnd() % (frame.len - 13);
		if (take(&frame, &hdr, ALL, rnd() % 2 ? 0 : 1 + rnd() % 40, &m)) {
			refused++;
		} else {
			accepted++;
			check_sane(m);
		}
		rte_pktmbuf_free(m);
	}
	assert_true(accepted > 10000 && refused > 10000);
	assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
}

static void test_to_guest(void **state)
{
	const uint64_t all = BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4);
	struct virtio_net_hdr hdr = {0}, none = {0}, said;
	struct rte_mbuf *m;

	(void)state;
	thread_role_assume(&pmd_role);
	mf_build(&specs[7], &frame, &said);
	m = mf_mbuf(pool, frame.bytes, frame.len, 0);
	assert_non_null(m);
	offload_to_guest(m, all, &hdr);
	assert_memory_equal(&hdr, &none, sizeof(hdr));
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD;
	offload_to_guest(m, all, &hdr);
	assert_memory_equal(&hdr, &none, sizeof(hdr));
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	offload_to_guest(m, 0, &hdr);
	assert_memory_equal(&hdr, &none, sizeof(hdr));
	offload_to_guest(m, all, &hdr);
	none.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	assert_memory_equal(&hdr, &none, sizeof(hdr));
	rte_pktmbuf_free(m);
}

static void test_to_guest_merged(void **state)
{
	const uint64_t all = BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4);
	struct virtio_net_hdr hdr = {0}, none = {0}, said;
	struct rte_mbuf *m;

	(void)state;
	thread_role_assume(&pmd_role);
	mf_build(&specs[7], &frame, &said);
	m = mf_mbuf(pool, frame.bytes, frame.len, 0);
	assert_non_null(m);
	m->ol_flags = RTE_MBUF_F_RX_LRO;
	m->tso_segsz = 1448;
	offload_to_guest(m, all & ~BIT(VIRTIO_NET_F_GUEST_TSO4), &hdr);
	assert_memory_equal(&hdr, &none, sizeof(hdr));
	offload_to_guest(m, all, &hdr);
	said.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	said.gso_size = 1448;
	said.hdr_len = (uint16_t)frame.data;
	assert_memory_equal(&hdr, &said, sizeof(hdr));
	rte_pktmbuf_free(m);
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(test_parse_finds_headers),
		cmocka_unit_test(test_csum_accepted),
		cmocka_unit_test(test_csum_elsewhere),
		cmocka_unit_test(test_csum_lies_refused),
		cmocka_unit_test(test_gso_accepted),
		cmocka_unit_test(test_gso_of_one_segment),
		cmocka_unit_test(test_gso_fragment_refused),
		cmocka_unit_test(test_nothing_to_do),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_to_guest),
		cmocka_unit_test(test_to_guest_merged),
	};
	struct CMUnitTest tests[RTE_DIM(plain) + RTE_DIM(lies)];
	unsigned int n = RTE_DIM(plain);

	mg_eal_init();
	pool = rte_pktmbuf_pool_create("offload", N_MBUFS, 0, 0, RTE_PKTMBUF_HEADROOM + 2048,
				       SOCKET_ID_ANY);
	if (!pool)
		return 1;
	memcpy(tests, plain, sizeof(plain));
	for (unsigned int i = 0; i < RTE_DIM(lies); i++)
		tests[n++] = (struct CMUnitTest){lies[i].name, test_gso_lie_refused, NULL, NULL,
						 (void *)(uintptr_t)&lies[i]};
	return _cmocka_run_group_tests("offload", tests, n, NULL, NULL);
}
