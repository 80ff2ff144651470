/* SPDX-License-Identifier: BSD-3-Clause */
/* test_gate_net.c - The MTU, and RARP frames that are really sent */
#include "tests/unit/daemon/gate_fixture.h"

#include "daemon/topology.h"
#include "datapath/counters.h"

#define MTU 1500 /* of every port of the fixture */

/* A MAC address as the message carries it: its first byte first */
static uint64_t mac(uint8_t first, uint8_t last)
{
	const uint8_t bytes[8] = {first, 0, 0, 0, 0, last};
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* What a guest's port was given to send */
static uint64_t sent(unsigned int guest)
{
	const struct wire_counters *c;

	thread_role_assume(&ctl_role);
	c = topology_counters(fixture.topo, fixture.conf->guests[guest].wire, 0);
	return COUNTER_READ(c->port_tx);
}

static void test_net_set_mtu_limits(void **state)
{
	static const uint64_t good[] = {68, 576, MTU - 1, MTU};
	static const uint64_t bad[] = {0, 67, MTU + 1, 9000, 65535, 65536 + MTU, UINT64_MAX};
	int fd = front_open(VM1);

	(void)state;
	assert_int_equal(front_u64(fd, VU_SET_PROTOCOL_FEATURES, PROTOCOL_FEATURES), 0);
	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(front_u64(fd, VU_NET_SET_MTU, good[i]), 0);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(front_u64(fd, VU_NET_SET_MTU, bad[i]), ERROR_REPLY);
	assert_true(front_alive(fd));
	/* Nobody waits for an answer: silence would mean yes */
	front_send(fd, VU_NET_SET_MTU, 0, &bad[2], sizeof(bad[2]), NULL, 0);
	assert_true(front_ended(fd));
}

static void test_net_offers_mtu(void **state)
{
	int fd = front_open(VM2);

	(void)state;
	assert_true(front_get(fd, VU_GET_FEATURES) & BIT(VIRTIO_NET_F_MTU));
	assert_int_equal(front_u64(fd, VU_SET_FEATURES, FEATURES | BIT(VIRTIO_NET_F_MTU)), 0);
}

/* What was not agreed on is not done */
static void test_net_not_negotiated(void **state)
{
	const uint64_t ack = BIT(VU_PROTOCOL_F_REPLY_ACK);
	int fd = front_open(VM1);
	uint64_t before = sent(VM1);

	(void)state;
	assert_int_equal(front_u64(fd, VU_SET_PROTOCOL_FEATURES, ack), 0);
	assert_int_equal(front_u64(fd, VU_NET_SET_MTU, MTU), ERROR_REPLY);
	assert_int_equal(front_u64(fd, VU_SEND_RARP, mac(2, 1)), ERROR_REPLY);
	for (unsigned int i = 0; i < 100; i++)
		serve();
	assert_int_equal(sent(VM1), before);
}

/* One frame for each, from the guest's own port, whether its rings run or not */
static void test_send_rarp(void **state)
{
	int fd = front_open(VM1);
	uint64_t before = sent(VM1), other = sent(VM2);

	(void)state;
	assert_int_equal(front_u64(fd, VU_SET_PROTOCOL_FEATURES, PROTOCOL_FEATURES), 0);
	for (unsigned int i = 1; i <= 20; i++) {
		assert_int_equal(front_u64(fd, VU_SEND_RARP, mac(2, (uint8_t)i)), 0);
		SERVE_UNTIL(sent(VM1) == before + i);
		if (i == 10) {
			assert_int_equal(front_u64(fd, VU_SET_FEATURES, FEATURES), 0);
			assert_int_equal(front_memory(fd), 0);
			front_ring(fd, 1, 0, false, -1);
		}
	}
	assert_int_equal(sent(VM2), other);
}

static void test_send_rarp_bad_address(void **state)
{
	static const uint64_t broadcast = UINT64_C(0xffffffffffff);
	int fd = front_open(VM1);
	uint64_t before = sent(VM1);

	(void)state;
	assert_int_equal(front_u64(fd, VU_SET_PROTOCOL_FEATURES, PROTOCOL_FEATURES), 0);
	assert_int_equal(front_u64(fd, VU_SEND_RARP, mac(0, 0)), ERROR_REPLY);
	assert_int_equal(front_u64(fd, VU_SEND_RARP, mac(1, 1)), ERROR_REPLY); /* multicast */
	assert_int_equal(front_u64(fd, VU_SEND_RARP, broadcast), ERROR_REPLY);
	for (unsigned int i = 0; i < 100; i++)
		serve();
	assert_int_equal(sent(VM1), before);
	assert_true(front_alive(fd));
}

/* A front-end in a hurry: what the port did not get in time is freed, not kept */
static void test_send_rarp_flood(void **state)
{
	uint64_t value = mac(2, 1);
	int fd = front_open(VM1);
	uint64_t before;

	(void)state;
	assert_int_equal(front_u64(fd, VU_SET_PROTOCOL_FEATURES, PROTOCOL_FEATURES), 0);
	for (unsigned int i = 0; i < 3000; i++) {
		front_send(fd, VU_SEND_RARP, 0, &value, sizeof(value), NULL, 0);
		if (i % 50 == 0)
			assert_true(front_alive(fd));
	}
	assert_true(front_alive(fd));
	/* More than the port has mbufs, had they been lost */
	before = sent(VM1);
	assert_int_equal(front_u64(fd, VU_SEND_RARP, value), 0);
	SERVE_UNTIL(sent(VM1) > before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATE_TEST(test_net_set_mtu_limits),    GATE_TEST(test_net_offers_mtu),
		GATE_TEST(test_net_not_negotiated),    GATE_TEST(test_send_rarp),
		GATE_TEST(test_send_rarp_bad_address), GATE_TEST(test_send_rarp_flood),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
