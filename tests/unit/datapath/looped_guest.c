/* SPDX-License-Identifier: BSD-3-Clause */
/* looped_guest.c - A model guest behind a port that returns what is sent */
#include "tests/unit/datapath/features.h"
#include "tests/unit/datapath/looped_guest.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_atomic.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "datapath/wire.h"

#define BUF_SIZE 1700

void lg_find_cores(unsigned int cores[2])
{
	unsigned int n = 0;
	cpu_set_t cpus;

	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++) {
		if (CPU_ISSET(cpu, &cpus))
			cores[n++] = cpu;
	}
	if (n == 1)
		cores[1] = cores[0];
}

void lg_nap_us(unsigned int us)
{
	struct timespec t = {.tv_nsec = us * 1000};

	nanosleep(&t, NULL);
}

static void port_open(struct looped_guest *guest)
{
	static unsigned int serial;
	struct rte_eth_conf conf = {0};
	char name[32];

	snprintf(name, sizeof(name), "pmd%u", serial);
	guest->pool = rte_pktmbuf_pool_create(name, 2047, 32, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					      SOCKET_ID_ANY);
	assert_non_null(guest->pool);
	snprintf(name, sizeof(name), "net_ring%u", serial++);
	assert_int_equal(rte_eal_hotplug_add("vdev", name, ""), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name(name, &guest->port), 0);
	assert_int_equal(rte_eth_dev_configure(guest->port, 1, 1, &conf), 0);
	assert_int_equal(
		rte_eth_rx_queue_setup(guest->port, 0, 512, SOCKET_ID_ANY, NULL, guest->pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(guest->port, 0, 512, SOCKET_ID_ANY, NULL), 0);
	assert_int_equal(rte_eth_dev_start(guest->port), 0);
}

void lg_open(struct looped_guest *guest, struct pmd_set *set, uint64_t features)
{
	/* Shortly before an index wraps, or the wrap counter does */
	uint16_t base = features & PACKED ? 0x8000 | (LG_SIZE - 9) : 65500;

	thread_role_assume(&ctl_role);
	memset(guest, 0, sizeof(*guest));
	port_open(guest);
	features |= V1 | MRG;
	guest->event_idx = features & EVENT;
	guest->g = mg_new(200, 4096, false, pmd_set_qsbr(set));
	guest->rx = mg_ring_new(guest->g, 0, LG_SIZE, base, features, 16);
	guest->tx = mg_ring_new(guest->g, 1, LG_SIZE, base, features, 16);
	guest->rx_buf = mg_alloc(guest->g, LG_SIZE * BUF_SIZE, 4096, 0, IOTLB_WRITE);
	mg_alloc_page(guest->g);
	guest->tx_buf = mg_alloc(guest->g, LG_SIZE * BUF_SIZE, 4096, 0, IOTLB_READ);
	assert_int_equal(wire_new(guest->port, 0, VQ_FRAME_MAX, 0, guest->pool, &guest->wire), 0);
	for (int j = 0; j < 2; j++) {
		guest->fds[j] = eventfd(0, EFD_NONBLOCK);
		assert_true(guest->fds[j] >= 0);
	}
	guest->kick = eventfd(0, EFD_NONBLOCK);
	assert_true(guest->kick >= 0);
}

void lg_close(struct looped_guest *guest)
{
	struct rte_mbuf *m;

	thread_role_assume(&ctl_role);
	wire_free(guest->wire);
	mg_ring_free(guest->rx);
	mg_ring_free(guest->tx);
	mg_free(guest->g);
	while (rte_eth_rx_burst(guest->port, 0, &m, 1))
		rte_pktmbuf_free(m);
	close(guest->fds[0]);
	close(guest->fds[1]);
	close(guest->kick);
	assert_int_equal(rte_eth_dev_stop(guest->port), 0);
}

static uint16_t word_at(const struct looped_guest *guest, uint64_t iova)
{
	return atomic_load_explicit((_Atomic uint16_t *)(void *)mg_host(guest->g, iova),
				    memory_order_relaxed);
}

/* Virtio 1.2, 2.7.10 and 2.8.10: whether the device wants to hear of one more chain */
static bool kick_wanted(const struct looped_guest *guest)
{
	const struct mg_ring *r = guest->tx;

	if (r->packed)
		return word_at(guest, r->cfg.used + 2) != VRING_PACKED_EVENT_FLAG_DISABLE;
	if (guest->event_idx)
		return word_at(guest, r->cfg.used + 4 + r->cfg.size * 8u) ==
		       (uint16_t)(r->avail_idx - 1);
	return !(word_at(guest, r->cfg.used) & VRING_USED_F_NO_NOTIFY);
}

/* The buffer that goes with a position */
static uint64_t buf_of(uint64_t base, uint16_t idx)
{
	return base + (uint64_t)(idx % LG_SIZE) * BUF_SIZE;
}

void lg_send(struct looped_guest *guest)
{
	static const uint64_t one = 1;
	uint8_t bytes[12 + 1514] = {0};
	uint32_t len = 60 + guest->sent % 1400, unused;
	uint64_t iova = buf_of(guest->tx_buf, guest->tx->avail_idx);
	struct mg_buf bufs[2] = {{iova, 12}, {iova + 12, len}};

	while (mg_used(guest->tx, &unused) >= 0)
		;
	if (guest->tx->n_free < 2)
		return;
	memcpy(bytes + 12, &guest->sent, 4);
	for (uint32_t i = 4; i < len; i++)
		bytes[12 + i] = mg_pattern(guest->sent, i);
	mg_write(guest->g, iova, bytes, 12 + len);
	assert_true(mg_add(guest->tx, bufs, 2, 0, false) >= 0);
	guest->sent++;
	mg_show(guest->tx);
	/* The device asks for kicks, then looks once more */
	rte_smp_mb();
	if (!kick_wanted(guest))
		return;
	assert_int_equal(write(guest->kick, &one, sizeof(one)), sizeof(one));
	guest->kicks++;
}

bool lg_receive(struct looped_guest *guest)
{
	uint64_t iova = buf_of(guest->rx_buf, guest->rx->used_idx);
	uint8_t bytes[BUF_SIZE];
	uint32_t len, serial;

	if (mg_used(guest->rx, &len) < 0)
		return false;
	assert_true(len > 12 + 4 && len <= BUF_SIZE);
	mg_read(guest->g, iova, bytes, len);
	memcpy(&serial, bytes + 12, 4);
	assert_true(serial >= guest->expect && serial < guest->sent);
	assert_int_equal(len, 12 + 60 + serial % 1400);
	for (uint32_t i = 4; i < len - 12; i++)
		assert_int_equal(bytes[12 + i], mg_pattern(serial, i));
	guest->expect = serial + 1;
	guest->received++;
	return true;
}

void lg_offer(struct looped_guest *guest)
{
	while (guest->rx->n_free) {
		struct mg_buf b = {buf_of(guest->rx_buf, guest->rx->avail_idx), BUF_SIZE};

		assert_true(mg_add(guest->rx, &b, 1, VRING_DESC_F_WRITE, false) >= 0);
	}
	mg_show(guest->rx);
}

bool lg_settled(const struct looped_guest *guest)
{
	const struct wire_counters *c = wire_counters(guest->wire);

	return guest->received + COUNTER_READ(c->drop_guest_full) +
		       COUNTER_READ(c->drop_guest_miss) + COUNTER_READ(c->drop_port_full) ==
	       guest->sent;
}

struct poll_entry lg_entry(const struct looped_guest *guest)
{
	return (struct poll_entry){
		.wire = guest->wire,
		.to_guest = guest->rx->vq,
		.from_guest = guest->tx->vq,
		.kick = guest->kick,
	};
}
