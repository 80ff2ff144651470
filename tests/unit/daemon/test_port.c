/* SPDX-License-Identifier: BSD-3-Clause */
/* test_port.c - What a port's mbufs are made for */
/* rte_eth_dev_conf_get(): nothing else tells what a port was configured with */
#define ALLOW_EXPERIMENTAL_API
#include "tests/unit/daemon/daemon_test.h"

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "daemon/log.h"
#include "daemon/port.h"
#include "datapath/vq.h"

#define ROOM(pool) ((unsigned int)rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM)

/* With two VLAN tags */
#define FRAME(mtu) ((mtu) + 14u + 8u)

static struct conf_port conf;

static void open_port(struct port *port, const char *devargs, uint16_t mtu)
{
	conf = (struct conf_port){
		.name = "p", .queues = 1, .descriptors = 256, .mtu = mtu, .promiscuous = true};
	conf.devargs = strdup(devargs);
	thread_role_assume(&ctl_role);
	assert_int_equal(port_open(&conf, 1, port), 0);
}

static void close_port(struct port *port)
{
	thread_role_assume(&ctl_role);
	port_close(port);
	free(conf.devargs);
}

static bool scatters(const struct port *port)
{
	struct rte_eth_conf eth;

	assert_int_equal(rte_eth_dev_conf_get(port->id, &eth), 0);
	return eth.rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER;
}

/* Ordinary frames lie in one mbuf each, whatever the driver can do */
static void test_port_ordinary(void **state)
{
	static const char *const devargs[] = {"net_ring_a", "net_null_a"};
	struct port port;

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(devargs); i++) {
		open_port(&port, devargs[i], 1500);
		assert_int_equal(ROOM(port.pool), 2048);
		assert_false(scatters(&port));
		close_port(&port);
	}
}

/* The last MTU whose frames fit, and the first whose do not */
static void test_port_chains_when_needed(void **state)
{
	struct port port;

	(void)state;
	open_port(&port, "net_ring_b", 2048 - 22);
	assert_false(scatters(&port));
	close_port(&port);
	open_port(&port, "net_ring_c", 2048 - 21);
	assert_true(scatters(&port));
	assert_int_equal(ROOM(port.pool), 2048);
	close_port(&port);
}

/* A driver with chains shares small mbufs among frames of any size */
static void test_port_jumbo_chained(void **state)
{
	struct port port;

	(void)state;
	open_port(&port, "net_ring_d", 9216);
	assert_int_equal(ROOM(port.pool), 2048);
	assert_true(scatters(&port));
	assert_int_equal(port.max_frame, VQ_FRAME_MAX);
	/* Both rings full, and all bursts in flight of the longest frames */
	assert_true(port.pool->size >= 2 * 256 + 4 * VQ_BURST * 5);
	close_port(&port);
}

/* One without needs each frame in one piece, in both directions */
static void test_port_jumbo_in_one_piece(void **state)
{
	struct port port;

	(void)state;
	open_port(&port, "net_null_b", 9216);
	assert_true(ROOM(port.pool) >= FRAME(9216));
	assert_false(scatters(&port));
	assert_true(port.max_frame <= ROOM(port.pool));
	assert_true(port.max_frame >= FRAME(9216));
	close_port(&port);
}

int main(void)
{
	char *args[] = {"test",	    "--no-huge",      "-m",	     "256",
			"--no-pci", "--no-telemetry", "--no-shconf", NULL};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_port_ordinary),
		cmocka_unit_test(test_port_chains_when_needed),
		cmocka_unit_test(test_port_jumbo_chained),
		cmocka_unit_test(test_port_jumbo_in_one_piece),
	};

	log_init(CONF_LOG_ERR);
	if (rte_eal_init(RTE_DIM(args) - 1, args) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
