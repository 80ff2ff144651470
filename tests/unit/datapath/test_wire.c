/* SPDX-License-Identifier: BSD-3-Clause */
/* test_wire.c - What a wire carries, keeps for a while, and drops by name
 *
 * The port is a net_ring: what is sent to it comes back, so the test plays both
 * the network and, with the model guest, the guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "datapath/offload_csum.h"
#include "datapath/wire.h"
#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/model_frame.h"
#include "tests/unit/datapath/model_guest.h"

#define SIZE	 64
#define FRAME	 100
#define N_MBUFS	 4095
#define BUF_SIZE 200

static struct rte_mempool *pool;
static uint16_t port;

/**
 * struct scene - A guest with both rings, and its wire
 * @now:	Time, which only the test moves
 */
struct scene {
	struct model_guest *g;
	struct mg_ring *rx;
	struct mg_ring *tx;
	struct wire *wire;
	uint64_t rx_buf;
	uint64_t tx_buf;
	uint64_t now;
};

static void port_open(void)
{
	struct rte_eth_conf conf = {0};

	assert_int_equal(rte_eal_hotplug_add("vdev", "net_ring0", ""), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("net_ring0", &port), 0);
	assert_int_equal(rte_eth_dev_configure(port, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(port, 0, 512, SOCKET_ID_ANY, NULL, pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(port, 0, 512, SOCKET_ID_ANY, NULL), 0);
	assert_int_equal(rte_eth_dev_start(port), 0);
}

static void scene_open(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	thread_role_assume(&ctl_role);
	s->g = mg_new(200, 4096, false, NULL);
	s->rx = mg_ring_new(s->g, 0, SIZE, 0, V1 | MRG, 0);
	s->tx = mg_ring_new(s->g, 1, SIZE, 0, V1 | MRG, 0);
	s->rx_buf = mg_alloc(s->g, SIZE * BUF_SIZE, 4096, 0, IOTLB_WRITE);
	mg_alloc_page(s->g);
	s->tx_buf = mg_alloc(s->g, SIZE * BUF_SIZE, 4096, 0, IOTLB_READ);
	mg_map_all(s->g);
	assert_int_equal(wire_new(port, 0, VQ_FRAME_MAX, 0, pool, &s->wire), 0);
	s->now = rte_rdtsc();
}

static uint64_t wc(const struct scene *s, size_t off)
{
	return *(const uint64_t *)((const char *)wire_counters(s->wire) + off);
}

#define WC(s, member) wc(s, offsetof(struct wire_counters, member))

/* Take everything out of the port; how much there was */
static unsigned int port_drain(void)
{
	struct rte_mbuf *pkts[VQ_BURST];
	unsigned int total = 0;
	uint16_t n;

	while ((n = rte_eth_rx_burst(port, 0, pkts, VQ_BURST))) {
		rte_pktmbuf_free_bulk(pkts, n);
		total += n;
	}
	return total;
}

static void scene_close(struct scene *s)
{
	thread_role_assume(&ctl_role);
	wire_free(s->wire);
	mg_ring_free(s->rx);
	mg_ring_free(s->tx);
	mg_free(s->g);
	port_drain();
	/* Whatever a wire did with a frame, it did not lose it */
	assert_int_equal(rte_mempool_avail_count(pool), N_MBUFS);
}

/* The network sends @n frames to the port; how many it had room for */
static unsigned int port_send(unsigned int n)
{
	unsigned int sent = 0;

	for (; sent < n; sent++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint8_t *p;

		assert_non_null(m);
		p = (uint8_t *)rte_pktmbuf_append(m, FRAME);
		for (uint32_t i = 0; i < FRAME; i++)
			p[i] = mg_pattern(sent, i);
		if (!rte_eth_tx_burst(port, 0, &m, 1)) {
			rte_pktmbuf_free(m);
			break;
		}
	}
	return sent;
}

static void guest_offer(struct scene *s, unsigned int n)
{
	for (; n; n--) {
		struct mg_buf b = {s->rx_buf + (s->rx->avail_idx % SIZE) * BUF_SIZE, BUF_SIZE};

		assert_true(mg_add(s->rx, &b, 1, VRING_DESC_F_WRITE, false) >= 0);
	}
	mg_show(s->rx);
}

static void guest_send(struct scene *s, unsigned int n)
{
	uint8_t bytes[12 + FRAME] = {0};

	for (; n; n--) {
		uint16_t serial = s->tx->avail_idx;
		struct mg_buf b = {s->tx_buf + (serial % SIZE) * BUF_SIZE, sizeof(bytes)};

		for (uint32_t i = 0; i < FRAME; i++)
			bytes[12 + i] = mg_pattern(serial, i);
		mg_write(s->g, b.iova, bytes, sizeof(bytes));
		assert_true(mg_add(s->tx, &b, 1, 0, false) >= 0);
	}
	mg_show(s->tx);
}

/* How many buffers came back, with the frames that follow @serial */
static unsigned int guest_received(struct scene *s, uint32_t serial)
{
	uint8_t bytes[12 + FRAME];
	unsigned int n = 0;
	uint32_t len;

	for (;; n++, serial++) {
		uint16_t at = s->rx->used_idx % SIZE;

		if (mg_used(s->rx, &len) < 0)
			return n;
		assert_int_equal(len, sizeof(bytes));
		mg_read(s->g, s->rx_buf + at * BUF_SIZE, bytes, sizeof(bytes));
		for (uint32_t i = 0; i < FRAME; i++)
			assert_int_equal(bytes[12 + i], mg_pattern(serial, i));
	}
}

static unsigned int poll_wire(struct scene *s, bool to_guest, bool from_guest)
{
	thread_role_assume(&pmd_role);
	return wire_poll(s->wire, to_guest ? s->rx->vq : NULL, from_guest ? s->tx->vq : NULL,
			 s->now);
}

static void pass_us(struct scene *s, uint64_t us)
{
	s->now += rte_get_tsc_hz() / 1000000 * us;
}

static void test_wire_both_ways(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	guest_offer(&s, 40);
	guest_send(&s, 40);
	/* Out, and through the looping port in again */
	assert_int_equal(poll_wire(&s, true, true), 32);
	assert_int_equal(poll_wire(&s, true, true), 32 + 8);
	assert_int_equal(poll_wire(&s, true, true), 8);
	assert_int_equal(guest_received(&s, 0), 40);
	assert_int_equal(WC(&s, port_rx), 40);
	assert_int_equal(WC(&s, port_tx), 40);
	assert_int_equal(poll_wire(&s, true, true), 0);
	scene_close(&s);
}

static void test_wire_guest_down(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	assert_int_equal(port_send(50), 50);
	poll_wire(&s, false, false);
	poll_wire(&s, false, false);
	assert_int_equal(WC(&s, port_rx), 50);
	assert_int_equal(WC(&s, drop_guest_down), 50);
	assert_int_equal(WC(&s, drop_guest_full), 0);
	scene_close(&s);
}

/* A guest that goes while frames wait for it */
static void test_wire_guest_goes(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	assert_int_equal(port_send(10), 10);
	assert_int_equal(poll_wire(&s, true, false), 0);
	poll_wire(&s, false, false);
	assert_int_equal(WC(&s, drop_guest_down), 10);
	scene_close(&s);
}

/* Frames wait for buffers, in order, and the port is left alone meanwhile */
static void test_wire_guest_full_in_time(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	guest_offer(&s, 10);
	assert_int_equal(port_send(60), 60);
	assert_int_equal(poll_wire(&s, true, true), 10);
	assert_int_equal(poll_wire(&s, true, true), 0);
	assert_int_equal(WC(&s, port_rx), 32);
	pass_us(&s, WIRE_WAIT_US - 10);
	assert_int_equal(poll_wire(&s, true, true), 0);
	assert_int_equal(guest_received(&s, 0), 10);
	guest_offer(&s, 60);
	/* The rest of the first burst and a second one in the same round */
	assert_int_equal(poll_wire(&s, true, true), 22 + 28);
	assert_int_equal(guest_received(&s, 10), 50);
	assert_int_equal(WC(&s, drop_guest_full), 0);
	scene_close(&s);
}

static void test_wire_guest_full_for_long(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	assert_int_equal(port_send(40), 40);
	assert_int_equal(poll_wire(&s, true, true), 0);
	pass_us(&s, WIRE_WAIT_US + 10);
	assert_int_equal(poll_wire(&s, true, true), 0);
	assert_int_equal(WC(&s, drop_guest_full), 32);
	assert_int_equal(WC(&s, drop_guest_miss), 0);
	/* The next burst has its own time */
	assert_int_equal(WC(&s, port_rx), 40);
	pass_us(&s, WIRE_WAIT_US - 10);
	assert_int_equal(poll_wire(&s, true, true), 0);
	assert_int_equal(WC(&s, drop_guest_full), 32);
	pass_us(&s, 20);
	assert_int_equal(poll_wire(&s, true, true), 0);
	assert_int_equal(WC(&s, drop_guest_full), 40);
	scene_close(&s);
}

/* Longer when what is missing is not a buffer but its translation */
static void test_wire_guest_miss(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	guest_offer(&s, 20);
	mg_unmap_at(s.g, s.rx_buf);
	assert_int_equal(port_send(5), 5);
	assert_int_equal(poll_wire(&s, true, true), 0);
	pass_us(&s, WIRE_MISS_WAIT_US - 10);
	assert_int_equal(poll_wire(&s, true, true), 0);
	assert_true(mg_answer(s.g, 100) > 0);
	assert_int_equal(poll_wire(&s, true, true), 5);
	assert_int_equal(guest_received(&s, 0), 5);

	mg_unmap_at(s.g, s.rx_buf);
	assert_int_equal(port_send(7), 7);
	assert_int_equal(poll_wire(&s, true, true), 0);
	pass_us(&s, WIRE_MISS_WAIT_US + 10);
	assert_int_equal(poll_wire(&s, true, true), 0);
	assert_int_equal(WC(&s, drop_guest_miss), 7);
	assert_int_equal(WC(&s, drop_guest_full), 0);
	scene_close(&s);
}

/* Fill the wire's in lane and then the port, which so takes nothing more */
static void port_fill(struct scene *s)
{
	port_send(100000);
	assert_int_equal(poll_wire(s, true, false), 0);
	assert_int_equal(port_send(100000), VQ_BURST);
}

/* Frames wait for a port, and the guest's others stay in its ring meanwhile */
static void test_wire_port_full_in_time(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	port_fill(&s);
	guest_send(&s, 40);
	assert_int_equal(poll_wire(&s, true, true), 0);
	pass_us(&s, WIRE_WAIT_US - 10);
	assert_int_equal(poll_wire(&s, true, true), 0);
	assert_int_equal(vq_counters(s.tx->vq)->packets, 32);
	port_drain();
	assert_int_equal(poll_wire(&s, true, true), 32 + 8);
	assert_int_equal(WC(&s, port_tx), 40);
	assert_int_equal(WC(&s, drop_port_full), 0);
	scene_close(&s);
}

static void test_wire_port_full_for_long(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	port_fill(&s);
	guest_send(&s, 40);
	assert_int_equal(poll_wire(&s, true, true), 0);
	pass_us(&s, WIRE_WAIT_US + 10);
	/* The guest takes one, so the in lane holds on and makes no room */
	guest_offer(&s, 1);
	assert_int_equal(poll_wire(&s, true, true), 1);
	assert_int_equal(WC(&s, drop_port_full), 32);
	assert_int_equal(WC(&s, drop_guest_full), 0);
	/* The others are next, and have their own time */
	assert_int_equal(poll_wire(&s, true, true), 0);
	assert_int_equal(vq_counters(s.tx->vq)->packets, 40);
	assert_int_equal(WC(&s, drop_port_full), 32);
	scene_close(&s);
}

/* Frames the port's driver would misread never reach it */
static void test_wire_port_size(void **state)
{
	struct scene s;

	(void)state;
	for (uint16_t max = FRAME - 1; max <= FRAME; max++) {
		bool fits = max == FRAME;

		scene_open(&s);
		thread_role_assume(&ctl_role);
		wire_free(s.wire);
		assert_int_equal(wire_new(port, 0, max, 0, pool, &s.wire), 0);
		guest_send(&s, 10);
		assert_int_equal(poll_wire(&s, true, true), fits ? 10 : 0);
		assert_int_equal(WC(&s, drop_port_size), fits ? 0 : 10);
		assert_int_equal(WC(&s, port_tx), fits ? 10 : 0);
		scene_close(&s);
	}
}

/* A frame in two mbufs among others: all of it arrives and all of it is freed */
static void test_wire_chained_frame(void **state)
{
	struct rte_mbuf *first, *second;
	struct scene s;

	(void)state;
	scene_open(&s);
	guest_offer(&s, 20);
	assert_int_equal(port_send(5), 5);
	first = rte_pktmbuf_alloc(pool);
	second = rte_pktmbuf_alloc(pool);
	assert_true(first && second);
	for (uint32_t i = 0; i < FRAME; i++)
		*rte_pktmbuf_append(i < 30 ? first : second, 1) = (char)mg_pattern(5, i);
	assert_int_equal(rte_pktmbuf_chain(first, second), 0);
	assert_int_equal(rte_eth_tx_burst(port, 0, &first, 1), 1);
	assert_int_equal(poll_wire(&s, true, true), 6);
	assert_int_equal(guest_received(&s, 0), 6);
	scene_close(&s);
}

/* Freed with frames in both lanes, scene_close() counts the pool */
static void test_wire_free_while_waiting(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	port_fill(&s);
	guest_send(&s, 40);
	assert_int_equal(poll_wire(&s, true, true), 0);
	scene_close(&s);
}

/* A disabled ring gives every buffer back, and nothing reaches the port */
static void test_wire_discard(void **state)
{
	struct scene s;
	uint32_t len;

	(void)state;
	scene_open(&s);
	guest_send(&s, 40);
	thread_role_assume(&pmd_role);
	assert_int_equal(wire_discard(s.wire, s.tx->vq, s.now), VQ_BURST);
	assert_int_equal(wire_discard(s.wire, s.tx->vq, s.now), 40 - VQ_BURST);
	assert_int_equal(wire_discard(s.wire, s.tx->vq, s.now), 0);
	for (unsigned int i = 0; i < 40; i++)
		assert_true(mg_used(s.tx, &len) >= 0);
	assert_int_equal(WC(&s, drop_disabled), 40);
	assert_int_equal(WC(&s, port_tx), 0);
	assert_int_equal(port_drain(), 0);
	/* Enabled again, it goes on where it is */
	guest_send(&s, 5);
	assert_int_equal(poll_wire(&s, false, true), 5);
	assert_int_equal(port_drain(), 5);
	scene_close(&s);
}

/* What was taken while the ring was enabled is still sent */
static void test_wire_discard_keeps_what_waits(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	port_fill(&s);
	guest_send(&s, 50);
	assert_int_equal(poll_wire(&s, true, true), 0);
	thread_role_assume(&pmd_role);
	assert_int_equal(wire_discard(s.wire, s.tx->vq, s.now), 50 - VQ_BURST);
	port_drain();
	assert_int_equal(poll_wire(&s, true, false), VQ_BURST);
	assert_int_equal(WC(&s, port_tx), VQ_BURST);
	assert_int_equal(WC(&s, drop_disabled), 50 - VQ_BURST);
	scene_close(&s);
}

#define MERGING (V1 | MRG | 1u << VIRTIO_NET_F_GUEST_CSUM | 1u << VIRTIO_NET_F_GUEST_TSO4)

/* Start the guest's receive ring anew, as after a reset */
static void guest_renegotiate(struct scene *s, uint64_t features)
{
	thread_role_assume(&ctl_role);
	s->rx->cfg.features = features;
	assert_int_equal(vq_start(s->rx->vq, &s->rx->cfg), 0);
}

/* The network sends segments of one connection */
static void port_send_tcp(unsigned int n)
{
	const struct mf_spec spec = {.proto = 6, .tcp_flags = 0x10, .payload = 40};
	struct virtio_net_hdr hdr;
	static struct mf f;

	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m;

		mf_build(&spec, &f, &hdr);
		memset(f.bytes + f.l4 + 4, 0, 8);
		f.bytes[f.l4 + 7] = (uint8_t)(40 * i);
		m = mf_mbuf(pool, f.bytes, f.len, 0);
		offload_csum(m, f.l4, 16);
		assert_int_equal(rte_eth_tx_burst(port, 0, &m, 1), 1);
	}
}

/* Segments become one frame for a guest that takes it, and only for such a one */
static void test_wire_merges(void **state)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct scene s;
	uint32_t len;

	(void)state;
	scene_open(&s);
	guest_renegotiate(&s, MERGING);
	guest_offer(&s, 20);
	port_send_tcp(5);
	assert_int_equal(poll_wire(&s, true, false), 1);
	assert_int_equal(WC(&s, port_rx), 5);
	assert_true(mg_used(s.rx, &len) >= 0);
	mg_read(s.g, s.rx_buf, &hdr, sizeof(hdr));
	assert_int_equal(hdr.num_buffers, 2);
	assert_int_equal(hdr.hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(hdr.hdr.gso_size, 40);
	assert_true(mg_used(s.rx, &len) >= 0);
	scene_close(&s);

	scene_open(&s);
	guest_offer(&s, 20);
	port_send_tcp(5);
	assert_int_equal(poll_wire(&s, true, false), 5);
	scene_close(&s);
}

/* A guest that comes back without the feature gets no frame that needs it */
static void test_wire_merged_waits_for_lesser_guest(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	guest_renegotiate(&s, MERGING);
	port_send_tcp(5);
	assert_int_equal(poll_wire(&s, true, false), 0);
	guest_renegotiate(&s, V1 | MRG);
	guest_offer(&s, 20);
	port_send_tcp(3);
	assert_int_equal(poll_wire(&s, true, false), 3);
	assert_int_equal(WC(&s, drop_guest_down), 1);
	scene_close(&s);
}

/* One that still has it gets the frame that waited */
static void test_wire_merged_waits_for_same_guest(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	guest_renegotiate(&s, MERGING);
	port_send_tcp(5);
	assert_int_equal(poll_wire(&s, true, false), 0);
	guest_renegotiate(&s, MERGING);
	guest_offer(&s, 20);
	assert_int_equal(poll_wire(&s, true, false), 1);
	assert_int_equal(WC(&s, drop_guest_down), 0);
	scene_close(&s);
}

static void post(struct scene *s, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	assert_non_null(rte_pktmbuf_append(m, len));
	thread_role_assume(&ctl_role);
	wire_post(s->wire, m);
}

/* A frame of the control thread's goes out with and without a guest, once */
static void test_wire_post(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	post(&s, 60);
	assert_int_equal(poll_wire(&s, true, false), 1);
	assert_int_equal(poll_wire(&s, true, false), 0);
	assert_int_equal(WC(&s, port_tx), 1);
	guest_send(&s, 3);
	post(&s, 60);
	poll_wire(&s, true, true);
	assert_int_equal(WC(&s, port_tx), 1 + 4);
	/* The second takes the place of the first, which is freed */
	post(&s, 60);
	post(&s, 61);
	poll_wire(&s, true, true);
	assert_int_equal(WC(&s, port_tx), 5 + 1);
	/* And one that nobody takes is freed with the wire */
	post(&s, 60);
	scene_close(&s);
}

/* It waits for the guest's frames before it, and then for the port like them */
static void test_wire_post_port_full(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	port_fill(&s);
	guest_send(&s, VQ_BURST);
	assert_int_equal(poll_wire(&s, true, true), 0);
	post(&s, 60);
	assert_int_equal(poll_wire(&s, true, true), 0);
	assert_int_equal(WC(&s, port_tx), 0);
	pass_us(&s, WIRE_WAIT_US + 10);
	guest_offer(&s, 1);
	assert_int_equal(poll_wire(&s, true, true), 1);
	assert_int_equal(WC(&s, drop_port_full), VQ_BURST);
	assert_int_equal(poll_wire(&s, true, true), 0);
	port_drain();
	assert_int_equal(poll_wire(&s, true, true), 1);
	assert_int_equal(WC(&s, port_tx), 1);
	scene_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wire_both_ways),
		cmocka_unit_test(test_wire_guest_down),
		cmocka_unit_test(test_wire_guest_goes),
		cmocka_unit_test(test_wire_guest_full_in_time),
		cmocka_unit_test(test_wire_guest_full_for_long),
		cmocka_unit_test(test_wire_guest_miss),
		cmocka_unit_test(test_wire_port_full_in_time),
		cmocka_unit_test(test_wire_port_full_for_long),
		cmocka_unit_test(test_wire_port_size),
		cmocka_unit_test(test_wire_chained_frame),
		cmocka_unit_test(test_wire_free_while_waiting),
		cmocka_unit_test(test_wire_discard),
		cmocka_unit_test(test_wire_merges),
		cmocka_unit_test(test_wire_merged_waits_for_lesser_guest),
		cmocka_unit_test(test_wire_merged_waits_for_same_guest),
		cmocka_unit_test(test_wire_post),
		cmocka_unit_test(test_wire_post_port_full),
		cmocka_unit_test(test_wire_discard_keeps_what_waits),
	};

	mg_eal_init();
	pool = rte_pktmbuf_pool_create("wire", N_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (!pool)
		return 1;
	port_open();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
