/* SPDX-License-Identifier: BSD-3-Clause */
/* test_topology.c - Pairs that are on take the frames of those that are off
 *
 * The port of vm1 always has frames on both its queues, and there are as many
 * poll-mode threads as there are CPUs, two at most.
 */
#include "tests/unit/daemon/gate_fixture.h"

#include <rte_ethdev.h>

#include "daemon/port.h"
#include "daemon/topology.h"
#include "datapath/counters.h"

#define ROUNDS 300

static const struct wire_counters *wire(unsigned int queue)
{
	thread_role_assume(&ctl_role);
	return topology_counters(fixture.topo, fixture.conf->guests[VM1].wire, queue);
}

static unsigned int core(unsigned int queue)
{
	thread_role_assume(&ctl_role);
	return topology_core(fixture.topo, fixture.conf->guests[VM1].wire, queue);
}

/* Whether the device spreads over these queues, bit by bit, and no others */
static void expect_spread(unsigned int queues)
{
	const struct port *port = &fixture.ports[fixture.conf->guests[VM1].wire];
	struct rte_eth_rss_reta_entry64 reta[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];
	unsigned int found = 0;

	assert_true(port->reta_size > 0);
	memset(reta, 0xff, sizeof(reta));
	assert_int_equal(rte_eth_dev_rss_reta_query(port->id, reta, port->reta_size), 0);
	for (unsigned int i = 0; i < port->reta_size; i++)
		found |= 1u << reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
	assert_int_equal(found, queues);
}

/* Offer receive buffers until both queues of the port have moved by @n frames */
static void expect_both_flow(uint32_t ring, uint64_t n)
{
	uint64_t rx[2] = {COUNTER_READ(wire(0)->port_rx), COUNTER_READ(wire(1)->port_rx)};

	for (unsigned int i = 0; i < 100000; i++) {
		guest_offer(ring, guest_used(ring), RING_SIZE / 2, false, true);
		serve();
		if (COUNTER_READ(wire(0)->port_rx) > rx[0] + n &&
		    COUNTER_READ(wire(1)->port_rx) > rx[1] + n)
			return;
		usleep(20);
	}
	fail_msg("queue 0 has moved by %lu frames, queue 1 by %lu",
		 (unsigned long)(COUNTER_READ(wire(0)->port_rx) - rx[0]),
		 (unsigned long)(COUNTER_READ(wire(1)->port_rx) - rx[1]));
}

/* Either pair alone is given what both queues receive, by one thread */
static void test_one_pair_takes_all(void **state)
{
	int fd = front_open(VM1);

	(void)state;
	front_negotiate(fd, FEATURES);
	for (uint32_t ring = 2; ring != (uint32_t)-2; ring -= 2) {
		uint64_t down;

		front_ring(fd, ring, 0, false, -1);
		expect_spread(1u << (ring / 2));
		assert_int_equal(core(0), core(1));
		down = COUNTER_READ(wire(0)->drop_guest_down) +
		       COUNTER_READ(wire(1)->drop_guest_down);
		expect_both_flow(ring, 1000);
		assert_int_equal(COUNTER_READ(wire(0)->drop_guest_down) +
					 COUNTER_READ(wire(1)->drop_guest_down),
				 down);
		assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, ring, 0), 0);
		expect_spread(3);
		SERVE_UNTIL(COUNTER_READ(wire(0)->drop_guest_down) +
				    COUNTER_READ(wire(1)->drop_guest_down) >
			    down);
	}
}

static void test_both_pairs(void **state)
{
	int fd = front_open(VM1);

	(void)state;
	front_negotiate(fd, FEATURES);
	for (uint32_t ring = 0; ring < N_RINGS; ring++)
		front_ring(fd, ring, 0, false, -1);
	expect_spread(3);
	if (fixture.conf->pmd.n_cores > 1)
		assert_int_not_equal(core(0), core(1));
	for (uint32_t ring = 0; ring < N_RINGS; ring += 2) {
		guest_offer(ring, 0, 100, false, true);
		SERVE_UNTIL(guest_used(ring) == 100);
	}
	/* Pair 1 goes: its queue joins pair 0, and parts from it again */
	assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, 2, 0), 0);
	expect_spread(1);
	assert_int_equal(core(0), core(1));
	expect_both_flow(0, 1000);
	assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, 2, 1), 0);
	expect_spread(3);
	guest_offer(2, 100, 100, false, true);
	SERVE_UNTIL(guest_used(2) == 200);
}

/* Wires go from thread to thread under way: no ring is ever pushed into by two */
static void test_pairs_on_and_off(void **state)
{
	int fd = front_open(VM1);
	unsigned int dice = 1;

	(void)state;
	front_negotiate(fd, FEATURES);
	for (uint32_t ring = 0; ring < N_RINGS; ring++)
		front_ring(fd, ring, 0, false, -1);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		dice = dice * 1103515245 + 12345;
		assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, (dice >> 16) % N_RINGS,
					     (dice >> 24) & 1),
				 0);
		for (uint32_t ring = 0; ring < N_RINGS; ring++)
			guest_offer(ring, guest_used(ring), RING_SIZE / 2, false, !(ring & 1));
		serve();
	}
	for (uint32_t ring = 0; ring < N_RINGS; ring++) {
		uint16_t used;

		assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, ring, 1), 0);
		used = guest_used(ring);
		guest_offer(ring, used, RING_SIZE / 2, false, !(ring & 1));
		SERVE_UNTIL(guest_used(ring) != used);
	}
	assert_true(front_alive(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATE_TEST(test_one_pair_takes_all),
		GATE_TEST(test_both_pairs),
		GATE_TEST(test_pairs_on_and_off),
	};

	fixture_threads = 2;
	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
