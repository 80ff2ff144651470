/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pmd_threads.c - Poll-mode threads at work while everything changes
 *
 * Two guests behind looping ports send numbered frames and get them back from
 * two real threads.  Meanwhile the control thread, which is this test, moves the
 * guests between the threads, takes them away and brings them back, changes
 * their eventfds, and unmaps their pages.  Frames may be dropped by name; what
 * arrives is whole and in order, and everything is accounted for at the end.
 * Under ThreadSanitizer this also shows that all of it is ordered.
 */
#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "datapath/pmd.h"
#include "datapath/wire.h"
#include "tests/unit/datapath/model_guest.h"

#define V1  (UINT64_C(1) << VIRTIO_F_VERSION_1)
#define MRG (UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF)

#define N_GUESTS 2
#define SIZE	 128
#define BUF_SIZE 1700

/**
 * struct guest - A model guest, its port and its wire
 * @sent:	Frames it sent
 * @expect:	Serial the next frame it gets has at least
 * @received:	Frames it got
 */
struct guest {
	struct model_guest *g;
	struct mg_ring *rx;
	struct mg_ring *tx;
	struct wire *wire;
	struct rte_mempool *pool;
	uint64_t rx_buf;
	uint64_t tx_buf;
	uint32_t sent;
	uint32_t expect;
	uint32_t received;
	uint16_t port;
	int fds[2];
};

static unsigned int cores[2];

/* Two CPUs this process may run on, or one twice */
static void find_cores(void)
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

static void nap_us(unsigned int us)
{
	struct timespec t = {.tv_nsec = us * 1000};

	nanosleep(&t, NULL);
}

static void wait_for_heartbeat(struct pmd_set *set, unsigned int thread)
{
	uint64_t before = pmd_heartbeat(set, thread);
	unsigned int i;

	for (i = 0; i < 1000000 && pmd_heartbeat(set, thread) == before; i++)
		nap_us(10);
	assert_true(i < 1000000);
}

/* Threads of this process that have the name */
static unsigned int threads_named(const char *name)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int n = 0;
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char path[300], line[64] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(line, sizeof(line), f) && !strncmp(line, name, strlen(name)))
			n++;
		fclose(f);
	}
	closedir(dir);
	return n;
}

/* A thread that was joined stays in /proc for a moment */
static bool threads_gone(void)
{
	for (int i = 0; i < 10000 && threads_named("vunetd-pmd"); i++)
		nap_us(100);
	return !threads_named("vunetd-pmd");
}

static void test_pmd_set_runs_and_ends(void **state)
{
	struct pmd_set *set;

	(void)state;
	thread_role_assume(&ctl_role);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(pmd_set_new(cores, 2, &set), 0);
		assert_int_equal(pmd_set_count(set), 2);
		assert_int_equal(threads_named("vunetd-pmd0"), 1);
		assert_int_equal(threads_named("vunetd-pmd1"), 1);
		wait_for_heartbeat(set, 0);
		wait_for_heartbeat(set, 1);
		assert_int_equal(pmd_publish(set, 0, NULL, 0), 0);
		pmd_synchronize(set);
		pmd_set_free(set);
		assert_true(threads_gone());
	}
}

static void test_pmd_set_bad_core(void **state)
{
	unsigned int bad[] = {cores[0], CPU_SETSIZE - 1};
	unsigned int worse[] = {cores[0], 1u << 31};
	struct pmd_set *set = NULL;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(pmd_set_new(bad, 2, &set), -EINVAL);
	assert_int_equal(pmd_set_new(worse, 2, &set), -EINVAL);
	assert_int_equal(pmd_set_new(bad, 0, &set), -EINVAL);
	assert_null(set);
	assert_true(threads_gone());
}

static void port_open(struct guest *guest, unsigned int i)
{
	struct rte_eth_conf conf = {0};
	char name[32];

	snprintf(name, sizeof(name), "pmd%u", i);
	guest->pool = rte_pktmbuf_pool_create(name, 2047, 32, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					      SOCKET_ID_ANY);
	assert_non_null(guest->pool);
	snprintf(name, sizeof(name), "net_ring%u", i);
	assert_int_equal(rte_eal_hotplug_add("vdev", name, ""), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name(name, &guest->port), 0);
	assert_int_equal(rte_eth_dev_configure(guest->port, 1, 1, &conf), 0);
	assert_int_equal(
		rte_eth_rx_queue_setup(guest->port, 0, 512, SOCKET_ID_ANY, NULL, guest->pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(guest->port, 0, 512, SOCKET_ID_ANY, NULL), 0);
	assert_int_equal(rte_eth_dev_start(guest->port), 0);
}

static void guest_open(struct guest *guest, unsigned int i, struct pmd_set *set)
{
	thread_role_assume(&ctl_role);
	memset(guest, 0, sizeof(*guest));
	port_open(guest, i);
	guest->g = mg_new(200, 4096, false, pmd_set_qsbr(set));
	guest->rx = mg_ring_new(guest->g, 0, SIZE, 65500, V1 | MRG, 16);
	guest->tx = mg_ring_new(guest->g, 1, SIZE, 65500, V1 | MRG, 16);
	guest->rx_buf = mg_alloc(guest->g, SIZE * BUF_SIZE, 4096, 0, IOTLB_WRITE);
	mg_alloc_page(guest->g);
	guest->tx_buf = mg_alloc(guest->g, SIZE * BUF_SIZE, 4096, 0, IOTLB_READ);
	assert_int_equal(wire_new(guest->port, 0, VQ_FRAME_MAX, 0, guest->pool, &guest->wire), 0);
	for (int j = 0; j < 2; j++) {
		guest->fds[j] = eventfd(0, EFD_NONBLOCK);
		assert_true(guest->fds[j] >= 0);
	}
}

static void guest_close(struct guest *guest)
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
	rte_eth_dev_stop(guest->port);
}

static void guest_send(struct guest *guest)
{
	uint8_t bytes[12 + 1514] = {0};
	uint32_t len = 60 + guest->sent % 1400, unused;
	uint64_t iova = guest->tx_buf + (guest->tx->avail_idx % SIZE) * BUF_SIZE;
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
}

static bool guest_receive(struct guest *guest)
{
	uint64_t iova = guest->rx_buf + (guest->rx->used_idx % SIZE) * BUF_SIZE;
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

static void guest_offer(struct guest *guest)
{
	while (guest->rx->n_free) {
		struct mg_buf b = {guest->rx_buf + (guest->rx->avail_idx % SIZE) * BUF_SIZE,
				   BUF_SIZE};

		assert_true(mg_add(guest->rx, &b, 1, VRING_DESC_F_WRITE, false) >= 0);
	}
	mg_show(guest->rx);
}

static void guest_work(struct guest *guest)
{
	for (unsigned int i = mg_rand(guest->g, 20); i; i--)
		guest_send(guest);
	guest_offer(guest);
	while (guest_receive(guest))
		;
	mg_answer(guest->g, 1000);
}

/* Guest i on thread where[i], or on none for -1 */
static void publish(struct pmd_set *set, struct guest *guests, const int *where)
{
	thread_role_assume(&ctl_role);
	for (int t = 0; t < 2; t++) {
		struct poll_entry entries[N_GUESTS];
		unsigned int n = 0;

		for (int i = 0; i < N_GUESTS; i++) {
			struct guest *guest = &guests[i];

			if (where[i] == t)
				entries[n++] = (struct poll_entry){
					.wire = guest->wire,
					.to_guest = guest->rx->vq,
					.from_guest = guest->tx->vq,
				};
		}
		assert_int_equal(pmd_publish(set, (unsigned int)t, entries, n), 0);
	}
	pmd_synchronize(set);
}

/* A ring handed from one thread to the other is on neither in between */
static void move(struct pmd_set *set, struct guest *guests, int *where, int i)
{
	where[i] = -1;
	publish(set, guests, where);
	/* Ours alone now: the base may be read, the ring be started again */
	thread_role_assume(&ctl_role);
	guests[i].tx->cfg.base = vq_base(guests[i].tx->vq);
	assert_int_equal(vq_start(guests[i].tx->vq, &guests[i].tx->cfg), 0);
	where[i] = (int)mg_rand(guests[i].g, 2);
	publish(set, guests, where);
}

static uint64_t wire_drops(const struct guest *guest)
{
	const struct wire_counters *c = wire_counters(guest->wire);

	assert_int_equal(COUNTER_READ(c->drop_guest_down), 0);
	return COUNTER_READ(c->drop_guest_full) + COUNTER_READ(c->drop_guest_miss) +
	       COUNTER_READ(c->drop_port_full);
}

static bool settled(const struct guest *guest)
{
	return guest->received + wire_drops(guest) == guest->sent;
}

static void test_pmd_threads_while_all_changes(void **state)
{
	struct guest guests[N_GUESTS];
	int where[N_GUESTS] = {0, 1};
	struct pmd_set *set;
	unsigned int i;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(pmd_set_new(cores, 2, &set), 0);
	for (i = 0; i < N_GUESTS; i++)
		guest_open(&guests[i], i, set);
	publish(set, guests, where);

	for (unsigned int round = 0; round < 600; round++) {
		struct guest *guest = &guests[round % N_GUESTS];

		guest_work(guest);
		if (!mg_rand(guest->g, 10))
			move(set, guests, where, (int)(round % N_GUESTS));
		if (!mg_rand(guest->g, 3))
			mg_unmap_random(guest->g, 1 + mg_rand(guest->g, 5));
		vq_set_call(guest->rx->vq, guest->fds[round & 1]);
		vq_set_call(guest->tx->vq, mg_rand(guest->g, 3) ? guest->fds[0] : -1);
		mg_set_no_interrupt(guest->rx, false);
	}
	for (i = 0; i < N_GUESTS; i++) {
		struct guest *guest = &guests[i];

		for (int j = 0; j < 100000 && !settled(guest); j++) {
			guest_offer(guest);
			while (guest_receive(guest))
				;
			mg_answer(guest->g, 1000);
			nap_us(100);
		}
		assert_true(settled(guest));
		assert_true(guest->received > 0);
		assert_int_equal(guest->g->faults, 0);
		assert_false(vq_broken(guest->rx->vq));
		assert_false(vq_broken(guest->tx->vq));
	}
	assert_true(COUNTER_READ(vq_counters(guests[0].rx->vq)->calls) > 0);
	assert_true(COUNTER_READ(vq_counters(guests[0].tx->vq)->misses) > 0);
	where[0] = where[1] = -1;
	publish(set, guests, where);
	for (i = 0; i < N_GUESTS; i++)
		guest_close(&guests[i]);
	pmd_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pmd_set_runs_and_ends),
		cmocka_unit_test(test_pmd_set_bad_core),
		cmocka_unit_test(test_pmd_threads_while_all_changes),
	};

	find_cores();
	mg_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
