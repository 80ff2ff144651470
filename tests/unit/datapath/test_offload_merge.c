/* SPDX-License-Identifier: BSD-3-Clause */
/* test_offload_merge.c - What was merged can be cut into what came
 *
 * Random bursts of random connections, with all that can be wrong or different
 * in a segment.  Each frame that comes out is cut again by a naive model, and the
 * pieces must be, connection by connection, byte for byte, the frames that went
 * in.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "datapath/offload.h"
#include "datapath/offload_merge.h"
#include "datapath/vq.h"
#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_frame.h"
#include "tests/unit/datapath/model_guest.h"

#define CSUM	BIT(VIRTIO_NET_F_GUEST_CSUM)
#define TSO4	BIT(VIRTIO_NET_F_GUEST_TSO4)
#define TSO6	BIT(VIRTIO_NET_F_GUEST_TSO6)
#define N_MBUFS 1023
#define ROOM	4500
#define CONNS	12

static struct rte_mempool *pool;
static uint64_t rng;

static uint32_t rnd(uint32_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((rng >> 33) % n);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)mf_be16(p) << 16 | mf_be16(p + 2);
}

static void put32(uint8_t *p, uint32_t v)
{
	mf_put16(p, v >> 16);
	mf_put16(p + 2, v);
}

/* One's complement sum of 16-bit words (RFC 1071) */
static uint32_t sum(const uint8_t *p, uint32_t n, uint32_t acc)
{
	for (uint32_t i = 0; i < n; i++)
		acc += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	return acc;
}

static uint32_t pseudo(const uint8_t *ip, uint32_t l4_len)
{
	uint32_t acc = ip[0] >> 4 == 6 ? sum(ip + 8, 32, 0) : sum(ip + 12, 8, 0);

	return sum((uint8_t[]){(uint8_t)(l4_len >> 8), (uint8_t)l4_len, 0, IPPROTO_TCP}, 4, acc);
}

/* Store lengths and checksums as they should be */
static void seal(struct mf *f)
{
	uint8_t *ip = f->bytes + f->l3, *tcp = f->bytes + f->l4;

	if (ip[0] >> 4 == 4) {
		mf_put16(ip + 2, f->len - f->l3);
		mf_put16(ip + 10, 0);
		mf_put16(ip + 10, ~sum(ip, f->l4 - f->l3, 0));
	} else {
		mf_put16(ip + 4, f->len - f->l3 - 40);
	}
	mf_put16(tcp + 16, 0);
	mf_put16(tcp + 16, ~sum(tcp, f->len - f->l4, pseudo(ip, f->len - f->l4)));
}

/**
 * struct conn - A connection
 * @spec:	Its frames
 * @seq:	Next sequence number
 * @id:		Next IPv4 ID
 * @in:		Frames that went in, oldest first
 */
struct conn {
	struct mf_spec spec;
	uint32_t seq;
	uint16_t id;
	struct mf *in[VQ_BURST];
	unsigned int n_in;
	unsigned int n_out;
};

static struct conn conns[CONNS];

static void conns_reset(unsigned int mss)
{
	for (unsigned int i = 0; i < CONNS; i++) {
		for (unsigned int k = 0; k < conns[i].n_in; k++)
			free(conns[i].in[k]);
		conns[i] = (struct conn){
			.spec = {.tags = rnd(3),
				 .ipv6 = rnd(2),
				 .proto = IPPROTO_TCP,
				 .tcp_options = rnd(2) * 12,
				 .tcp_flags = RTE_TCP_ACK_FLAG,
				 .payload = mss},
			.seq = rnd(2) ? UINT32_MAX - 2000 : rnd(UINT32_MAX),
			.id = (uint16_t)(rnd(2) ? 0xfffe : rnd(0x10000)),
		};
	}
}

/* The next segment of a connection */
static struct mf *segment(unsigned int c, uint32_t payload)
{
	struct mf *f = malloc(sizeof(*f));
	struct conn *conn = &conns[c];
	struct mf_spec spec = conn->spec;
	struct virtio_net_hdr hdr;
	uint8_t *tcp;

	assert_non_null(f);
	spec.payload = payload;
	mf_build(&spec, f, &hdr);
	tcp = f->bytes + f->l4;
	mf_put16(tcp, 1000 + c);
	mf_put16(tcp + 2, 80);
	put32(tcp + 4, conn->seq);
	put32(tcp + 8, 77);
	mf_put16(tcp + 14, 500);
	mf_put16(tcp + 18, 0);
	memset(tcp + 20, 1, spec.tcp_options);
	if (!spec.ipv6)
		mf_put16(f->bytes + f->l3 + 4, conn->id++);
	for (uint32_t i = f->data; i < f->len; i++)
		f->bytes[i] = (uint8_t)rnd(256);
	conn->seq += payload;
	conn->in[conn->n_in++] = f;
	return f;
}

/* Something that keeps a segment apart from its neighbours, or should */
static bool disturb(struct mf *f, unsigned int what)
{
	uint8_t *ip = f->bytes + f->l3, *tcp = f->bytes + f->l4;
	bool v4 = ip[0] >> 4 == 4;

	switch (what) {
	case 0:
		ip[1] ^= v4 ? 3 : 0x10; /* traffic class */
		break;
	case 1:
		ip[v4 ? 8 : 7]--;
		break;
	case 2:
		tcp[15]++; /* window */
		break;
	case 3:
		tcp[11]++; /* acknowledged */
		break;
	case 4:
		put32(tcp + 4, be32(tcp + 4) + 1);
		break;
	case 5:
		tcp[13] |= RTE_TCP_PSH_FLAG;
		break;
	case 6:
		tcp[13] |= (uint8_t)(1u << rnd(8));
		break;
	case 7:
		if (f->l4 + 20 < f->data)
			tcp[20] = 0; /* options */
		break;
	case 8:
		if (f->l3 > 14)
			f->bytes[15] ^= 1; /* VLAN */
		break;
	case 9:
		f->bytes[rnd(12)] ^= 1;
		break;
	case 10:
		if (v4) {
			ip[6] ^= 0x40; /* may be fragmented */
			ip[5] ^= (uint8_t)rnd(2);
		}
		break;
	case 11:
		if (v4)
			ip[6] |= 0x20; /* was fragmented */
		break;
	case 12:
		tcp[19] = 1; /* urgent */
		break;
	default:
		break;
	}
	seal(f);
	if (what == 13)
		tcp[16] ^= 4; /* broken on the way */
	if (what == 14)
		f->bytes[f->len - 1] ^= 1;
	if (what == 15 && v4)
		ip[10] ^= 1;
	return what >= 13 && what <= 15;
}

static struct rte_mbuf *receive(const struct mf *f, bool broken)
{
	static const uint64_t unsure[] = {RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN,
					  RTE_MBUF_F_RX_L4_CKSUM_NONE, RTE_MBUF_F_RX_L4_CKSUM_BAD,
					  RTE_MBUF_F_RX_L4_CKSUM_GOOD};
	struct rte_mbuf *m = mf_mbuf(pool, f->bytes, f->len, 0);

	m->ol_flags = unsure[rnd(broken ? 3 : 4)];
	m->tx_offload = UINT64_MAX;
	return m;
}

/* Take the next frame that went into a connection, which must be this one */
static void expect_next(const struct mf *f)
{
	struct conn *c = &conns[mf_be16(f->bytes + f->l4) - 1000];
	struct mf *in, out = *f;
	uint8_t *ip = out.bytes + f->l3;

	assert_true(c->n_out < c->n_in);
	in = c->in[c->n_out++];
	assert_int_equal(in->len, f->len);
	/* An ID without meaning is not kept */
	if (ip[0] >> 4 == 4 && ip[6] & 0x40) {
		memcpy(ip + 4, in->bytes + f->l3 + 4, 2);
		memcpy(ip + 10, in->bytes + f->l3 + 10, 2);
	}
	assert_memory_equal(in->bytes, out.bytes, f->len);
}

/* Cut a merged frame, as its header says */
static unsigned int cut(const struct mf *whole, const struct virtio_net_hdr *hdr)
{
	static struct mf part;
	const uint8_t *ip = whole->bytes + whole->l3, *tcp = whole->bytes + whole->l4;
	unsigned int n = 0;

	assert_int_equal(hdr->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(hdr->gso_type,
			 ip[0] >> 4 == 6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(hdr->csum_start, whole->l4);
	assert_int_equal(hdr->csum_offset, 16);
	assert_int_equal(hdr->hdr_len, whole->data);
	assert_int_equal(mf_be16(tcp + 16), pseudo(ip, whole->len - whole->l4));
	if (ip[0] >> 4 == 4)
		assert_true(mf_ip_ok(ip) && mf_be16(ip + 2) == whole->len - whole->l3);
	else
		assert_int_equal(mf_be16(ip + 4), whole->len - whole->l3 - 40);
	for (uint32_t at = 0; at < whole->len - whole->data; at += hdr->gso_size, n++) {
		uint32_t left = whole->len - whole->data - at;
		uint32_t size = RTE_MIN(left, (uint32_t)hdr->gso_size);

		part = *whole;
		part.len = part.data + size;
		memcpy(part.bytes + part.data, whole->bytes + whole->data + at, size);
		put32(part.bytes + part.l4 + 4, be32(tcp + 4) + at);
		if (left > size)
			part.bytes[part.l4 + 13] &= (uint8_t)~RTE_TCP_PSH_FLAG;
		if (ip[0] >> 4 == 4)
			mf_put16(part.bytes + part.l3 + 4, mf_be16(ip + 4) + n);
		seal(&part);
		expect_next(&part);
	}
	assert_true(n > 1);
	return n;
}

/* Check what is left of a burst, and free it; how many parts were merged */
static unsigned int check(struct rte_mbuf **pkts, uint16_t n, uint64_t features)
{
	static struct mf f;
	unsigned int merged = 0;

	thread_role_assume(&pmd_role);
	for (uint16_t i = 0; i < n; i++) {
		struct virtio_net_hdr hdr = {0};
		uint16_t type;

		rte_mbuf_sanity_check(pkts[i], 1);
		f.len = mf_bytes(pkts[i], f.bytes);
		assert_true(f.len <= VQ_FRAME_MAX);
		for (f.l3 = 14; (type = mf_be16(f.bytes + f.l3 - 2)) == 0x8100 || type == 0x88a8;)
			f.l3 += 4;
		f.l4 = f.l3 + (type == 0x86dd ? 40 : 20);
		f.data = f.l4 + (f.bytes[f.l4 + 12] >> 4) * 4u;
		offload_to_guest(pkts[i], features, &hdr);
		if (hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
			assert_false(pkts[i]->ol_flags & RTE_MBUF_F_RX_LRO);
			expect_next(&f);
		} else {
			merged += cut(&f, &hdr);
		}
	}
	rte_pktmbuf_free_bulk(pkts, n);
	for (unsigned int i = 0; i < CONNS; i++)
		assert_int_equal(conns[i].n_out, conns[i].n_in);
	return merged;
}

static void test_merge_random(void **state)
{
	unsigned int merged = 0, total = 0;

	(void)state;
	thread_role_assume(&pmd_role);
	rng = 1;
	for (unsigned int round = 0; round < 4000; round++) {
		uint16_t n = (uint16_t)(1 + rnd(VQ_BURST));
		unsigned int active = 1 + rnd(CONNS), calm = 1 + rnd(30);
		uint32_t mss = rnd(4) ? 1 + rnd(1448) : 4000;
		struct rte_mbuf *pkts[VQ_BURST];

		conns_reset(mss);
		for (uint16_t i = 0; i < n; i++) {
			struct mf *f = segment(rnd(active), rnd(8) ? mss : rnd(mss + 1));
			bool broken = disturb(f, rnd(calm) ? 99 : rnd(16));

			pkts[i] = receive(f, broken);
		}
		total += n;
		n = offload_merge(pkts, n, CSUM | TSO4 | TSO6);
		merged += check(pkts, n, CSUM | TSO4 | TSO6);
	}
	/* It is not by merging nothing that nothing is lost */
	assert_true(merged > total / 3);
	assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
}

/* Calm segments of some connections in turn; how many frames are left */
static uint16_t calm(struct rte_mbuf **pkts, uint16_t n, unsigned int active, uint32_t mss, bool v6,
		     uint64_t features)
{
	thread_role_assume(&pmd_role);
	conns_reset(mss);
	for (unsigned int i = 0; i < CONNS; i++)
		conns[i].spec.ipv6 = v6;
	for (uint16_t i = 0; i < n; i++) {
		struct mf *f = segment(i % active, mss);

		seal(f);
		pkts[i] = receive(f, false);
		pkts[i]->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	}
	return offload_merge(pkts, n, features);
}

static void test_merge_whole_burst(void **state)
{
	struct rte_mbuf *pkts[VQ_BURST];

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		uint64_t features = CSUM | (v6 ? TSO6 : TSO4);

		assert_int_equal(calm(pkts, 32, 1, 1448, v6, features), 1);
		assert_int_equal(check(pkts, 1, features), 32);
		assert_int_equal(calm(pkts, 32, 4, 1448, v6, features), 4);
		assert_int_equal(check(pkts, 4, features), 32);
	}
}

/* A frame has 64 KiB at most */
static void test_merge_longest(void **state)
{
	struct rte_mbuf *pkts[VQ_BURST];

	(void)state;
	assert_int_equal(calm(pkts, 32, 1, 4000, false, CSUM | TSO4), 2);
	assert_true(pkts[0]->pkt_len > VQ_FRAME_MAX - 4000);
	assert_int_equal(check(pkts, 2, CSUM | TSO4), 32);
}

/* Only what the guest takes */
static void test_merge_negotiated(void **state)
{
	struct rte_mbuf *pkts[VQ_BURST];

	(void)state;
	assert_true(offload_merge_wanted(CSUM | TSO4) && offload_merge_wanted(CSUM | TSO6));
	assert_false(offload_merge_wanted(CSUM) || offload_merge_wanted(TSO4 | TSO6));
	assert_int_equal(calm(pkts, 8, 1, 1448, false, CSUM | TSO6), 8);
	assert_int_equal(check(pkts, 8, CSUM | TSO6), 0);
	assert_int_equal(calm(pkts, 8, 1, 1448, true, CSUM | TSO4), 8);
	assert_int_equal(check(pkts, 8, CSUM | TSO4), 0);
}

/* An mbuf somebody else looks at is not changed */
static void test_merge_shared(void **state)
{
	struct rte_mbuf *pkts[VQ_BURST], *shared;
	uint16_t n;

	(void)state;
	thread_role_assume(&pmd_role);
	conns_reset(1000);
	for (unsigned int i = 0; i < 3; i++) {
		struct mf *f = segment(0, 1000);

		seal(f);
		pkts[i] = receive(f, false);
	}
	shared = pkts[1];
	rte_mbuf_refcnt_update(shared, 1);
	n = offload_merge(pkts, 3, CSUM | TSO4 | TSO6);
	assert_int_equal(n, 3);
	assert_int_equal(check(pkts, n, CSUM | TSO4 | TSO6), 0);
	assert_int_equal(shared->pkt_len, conns[0].in[1]->len);
	rte_pktmbuf_free(shared);
}

/* Any bytes at all: nothing is read outside of a frame, no frame is lost */
static void test_merge_fuzz(void **state)
{
	struct rte_mbuf *pkts[VQ_BURST];

	(void)state;
	thread_role_assume(&pmd_role);
	rng = 2;
	for (unsigned int round = 0; round < 4000; round++) {
		uint16_t n = (uint16_t)(1 + rnd(VQ_BURST));

		conns_reset(200);
		for (uint16_t i = 0; i < n; i++) {
			struct mf *f = segment(rnd(3), 200);

			seal(f);
			for (unsigned int k = rnd(4); k; k--)
				f->bytes[rnd(RTE_MIN(f->len, 100u))] = (uint8_t)rnd(256);
			if (!rnd(4))
				f->len = 1 + rnd(f->len);
			pkts[i] = mf_mbuf(pool, f->bytes, f->len, rnd(2) * (1 + rnd(100)));
			pkts[i]->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD * rnd(2);
		}
		n = offload_merge(pkts, n, CSUM | TSO4 | TSO6);
		for (uint16_t i = 0; i < n; i++)
			rte_mbuf_sanity_check(pkts[i], 1);
		rte_pktmbuf_free_bulk(pkts, n);
		assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
	}
	conns_reset(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge_random),  cmocka_unit_test(test_merge_whole_burst),
		cmocka_unit_test(test_merge_longest), cmocka_unit_test(test_merge_negotiated),
		cmocka_unit_test(test_merge_shared),  cmocka_unit_test(test_merge_fuzz),
	};

	mg_eal_init();
	pool = rte_pktmbuf_pool_create("merge", N_MBUFS, 0, 0, RTE_PKTMBUF_HEADROOM + ROOM,
				       SOCKET_ID_ANY);
	if (!pool)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
