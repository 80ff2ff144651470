/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_fixture.c - Everything of the daemon but main(), and a front-end for it */
#include "tests/unit/daemon/gate_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "conf/conf.h"
#include "daemon/eal.h"
#include "daemon/library.h"
#include "daemon/misses.h"
#include "daemon/passed.h"
#include "daemon/port.h"
#include "daemon/topology.h"
#include "datapath/miss.h"
#include "datapath/pmd.h"
#include "iotlb/iotlb.h"

#define FRONTS_MAX 64

struct daemon fixture;
unsigned int fixture_threads = 1;
int mem_fd;
uint8_t *mem;

static struct conf *conf;
static char dir[] = "/tmp/test_gate.XXXXXX";
static int fronts[FRONTS_MAX];
static unsigned int n_fronts, fds_before;

/* ------------------------------------------------------------ the daemon -- */

/* The last CPUs we may run on poll, like [pmd] cores = last does */
static const char *last_cpus(void)
{
	static char list[64];
	unsigned int wanted = fixture_threads;
	cpu_set_t cpus;

	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	list[0] = '\0';
	for (int i = CPU_SETSIZE - 1; wanted && i >= 0; i--) {
		if (!CPU_ISSET(i, &cpus))
			continue;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%d", *list ? "," : "",
			 i);
		wanted--;
	}
	return list;
}

static void load_conf(void)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/conf", dir);
	f = fopen(path, "we");
	assert_non_null(f);
	fprintf(f,
		"[dpdk]\nargs = --no-telemetry\nhugepages = none\nmemory_mb = 96\n"
		"[pmd]\ncores = %s\n"
		"[log]\nlevel = err\n"
		"[iotlb]\nmax_entries = 4096\nmiss_timeout_ms = 50\nmiss_retries = 3\n"
		"[port.p1]\ndevargs = \"net_null0\"\nqueues = 2\ndescriptors = 256\n"
		"[port.p2]\ndevargs = \"net_null1,no-rx=1\"\ndescriptors = 256\n"
		"[port.p3]\ndevargs = \"net_null2,no-rx=1\"\ndescriptors = 256\n"
		"[guest.vm1]\nsocket = %s/vm1.sock\nviommu = yes\nqueues = 2\nwire = p1\n"
		"[guest.vm2]\nsocket = %s/vm2.sock\nviommu = no\nwire = p2\n"
		"[guest.vm3]\nsocket = %s/vm3.sock\nmode = client\nwire = p3\n",
		last_cpus(), dir, dir, dir);
	fclose(f);
	assert_int_equal(conf_load(path, stderr, &conf), 0);
	unlink(path);
}

int fixture_start(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	assert_non_null(mkdtemp(dir));
	setenv("RUNTIME_DIRECTORY", dir, 1);
	load_conf();
	log_init(conf->log.level);
	fixture.conf = conf;
	assert_int_equal(loop_new(&fixture.loop), 0);
	assert_int_equal(eal_start(conf), 0);
	assert_int_equal(library_dir_make(&fixture.lib_dir), 0);
	fixture.ports = calloc(conf->n_ports, sizeof(*fixture.ports));
	fixture.guests = calloc(conf->n_guests, sizeof(*fixture.guests));
	assert_int_equal(passed_new(conf, &fixture.passed), 0);
	for (unsigned int i = 0; i < conf->n_ports; i++)
		assert_int_equal(port_open(&conf->ports[i], conf->pmd.n_cores, &fixture.ports[i]),
				 0);
	assert_int_equal(miss_queue_new(&fixture.misses), 0);
	assert_int_equal(pmd_set_new(conf->pmd.cores, conf->pmd.n_cores, 0, 0, &fixture.pmds), 0);
	assert_int_equal(topology_new(conf, fixture.ports, fixture.pmds, &fixture.topo), 0);
	for (unsigned int i = 0; i < conf->n_guests; i++)
		assert_int_equal(guest_open(&fixture.guests[i], &fixture, i), 0);
	mem_fd = memfd_create(MEM_NAME, MFD_CLOEXEC);
	assert_int_equal(ftruncate(mem_fd, 2 * REGION_SIZE), 0);
	mem = mmap(NULL, 2 * REGION_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mem_fd, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	/* What the first connection leaves in caches is no leak */
	front_close(front_open(VM1));
	n_fronts = 0;
	fds_before = count_fds();
	return 0;
}

int fixture_stop(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	for (unsigned int i = 0; i < conf->n_guests; i++)
		guest_close(&fixture.guests[i]);
	topology_free(fixture.topo);
	pmd_set_free(fixture.pmds);
	miss_queue_free(fixture.misses);
	for (unsigned int i = 0; i < conf->n_ports; i++)
		port_close(&fixture.ports[i]);
	passed_free(fixture.passed, conf->n_guests);
	free(fixture.guests);
	free(fixture.ports);
	library_dir_remove(fixture.lib_dir);
	loop_free(fixture.loop);
	conf_free(conf);
	munmap(mem, 2 * REGION_SIZE);
	close(mem_fd);
	/* Where packed rings were is for the next daemon, and there is none */
	for (unsigned int i = 1; i <= 3; i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/vm%u.rings", dir, i);
		(void)unlink(path);
	}
	/* EAL leaves empty directories; nothing of ours stays */
	for (unsigned int i = 0; i < 3; i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/%s", dir, (char *[]){"dpdk/rte", "dpdk", ""}[i]);
		if (rmdir(path))
			return -1;
	}
	return 0;
}

int fixture_check(void **state)
{
	(void)state;
	while (n_fronts)
		if (fronts[--n_fronts] >= 0)
			close(fronts[n_fronts]);
	for (unsigned int i = 0; i < conf->n_guests; i++)
		SERVE_UNTIL(fixture.guests[i].front.fd < 0);
	memset(mem, 0, 2 * REGION_SIZE);
	/* The library lets go a moment after it has said so */
	for (unsigned int i = 0; i < 2000; i++) {
		serve();
		if (count_fds() == fds_before && count_maps(MEM_NAME) == 1)
			return 0;
		usleep(1000);
	}
	print_error("%u descriptors more than before, %u mappings of guest memory\n",
		    count_fds() - fds_before, count_maps(MEM_NAME));
	fds_before = count_fds(); /* the next test is not to blame */
	return -1;
}

void serve(void)
{
	thread_role_assume(&ctl_role);
	(void)loop_wait(fixture.loop, false);
	(void)misses_serve(&fixture);
}

/* --------------------------------------------------------- the front-end -- */

int front_dial(unsigned int guest)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(un.sun_path, conf->guests[guest].socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_true(n_fronts < FRONTS_MAX);
	fronts[n_fronts++] = fd;
	return fd;
}

int front_open(unsigned int guest)
{
	uint64_t before = fixture.guests[guest].counters.connections;
	int fd = front_dial(guest);

	SERVE_UNTIL(fixture.guests[guest].counters.connections == before + 1);
	return fd;
}

/* Forget a socket that fixture_check() would close */
static void forget(int fd)
{
	for (unsigned int i = 0; i < n_fronts; i++)
		if (fronts[i] == fd)
			fronts[i] = fronts[--n_fronts];
}

void front_close(int fd)
{
	forget(fd);
	close(fd);
	/* One of the guests notices; nobody else can be served at once */
	serve();
}

void front_send(int fd, uint32_t request, uint32_t flags, const void *payload, uint32_t size,
		const int *fds, unsigned int n_fds)
{
	struct vu_msg msg = {
		.hdr = {.request = request, .flags = VU_VERSION | flags, .size = size}};

	assert_true(size <= sizeof(msg.payload));
	if (payload)
		memcpy(&msg.payload, payload, size);
	send_with_fds(fd, &msg, VU_HEADER_SIZE + size, fds, n_fds);
}

/* Serve until @len bytes are there; whether they came before the end did */
static bool read_all(int fd, void *buf, size_t len)
{
	uint64_t until = loop_now_ns() + 20000000000u;
	size_t have = 0;

	while (have < len) {
		ssize_t n = recv(fd, (char *)buf + have, len - have, MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return false;
		if (n > 0)
			have += (size_t)n;
		else
			serve();
		if (loop_now_ns() > until)
			fail_msg("no answer");
	}
	return true;
}

bool front_receive(int fd, struct vu_msg *ret_msg)
{
	memset(ret_msg, 0, sizeof(*ret_msg));
	if (!read_all(fd, ret_msg, VU_HEADER_SIZE))
		return false;
	assert_true(ret_msg->hdr.size <= sizeof(ret_msg->payload));
	return read_all(fd, &ret_msg->payload, ret_msg->hdr.size);
}

int front_ask(int fd, uint32_t request, const void *payload, uint32_t size, const int *fds,
	      unsigned int n_fds)
{
	struct vu_msg reply;

	front_send(fd, request, VU_NEED_REPLY, payload, size, fds, n_fds);
	if (!front_receive(fd, &reply))
		return -ECONNRESET;
	assert_int_equal(reply.hdr.request, request);
	assert_int_equal(reply.hdr.flags, VU_VERSION | VU_REPLY);
	assert_int_equal(reply.hdr.size, sizeof(uint64_t));
	assert_true(reply.payload.u64 <= ERROR_REPLY);
	return (int)reply.payload.u64;
}

uint64_t front_get(int fd, uint32_t request)
{
	struct vu_msg reply;

	front_send(fd, request, 0, NULL, 0, NULL, 0);
	assert_true(front_receive(fd, &reply));
	assert_int_equal(reply.hdr.request, request);
	assert_int_equal(reply.hdr.flags, VU_VERSION | VU_REPLY);
	assert_int_equal(reply.hdr.size, sizeof(uint64_t));
	return reply.payload.u64;
}

bool front_ended(int fd)
{
	struct vu_msg msg;

	return !front_receive(fd, &msg);
}

bool front_alive(int fd)
{
	struct vu_msg reply;

	front_send(fd, VU_GET_QUEUE_NUM, 0, NULL, 0, NULL, 0);
	return front_receive(fd, &reply) && reply.hdr.request == VU_GET_QUEUE_NUM;
}

/* -------------------------------------------------------------- messages -- */

int front_u64(int fd, uint32_t request, uint64_t value)
{
	return front_ask(fd, request, &value, sizeof(value), NULL, 0);
}

int front_state(int fd, uint32_t request, uint32_t index, uint32_t num)
{
	struct vu_vring_state s = {.index = index, .num = num};

	return front_ask(fd, request, &s, sizeof(s), NULL, 0);
}

int front_addr(int fd, uint32_t index, uint64_t desc, uint64_t avail, uint64_t used)
{
	struct vu_vring_addr a = {.index = index, .desc = desc, .avail = avail, .used = used};

	return front_ask(fd, VU_SET_VRING_ADDR, &a, sizeof(a), NULL, 0);
}

int front_memory(int fd)
{
	struct vu_memory m = {.n_regions = 2,
			      .regions = {{GPA_0, REGION_SIZE, USER_0, 0},
					  {GPA_1, REGION_SIZE, USER_1, REGION_SIZE}}};
	int fds[] = {mem_fd, mem_fd};

	return front_ask(fd, VU_SET_MEM_TABLE, &m, offsetof(struct vu_memory, regions[2]), fds, 2);
}

int front_backend(int fd, int *ret_fd)
{
	int sv[2], ret;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	ret = front_ask(fd, VU_SET_BACKEND_REQ_FD, NULL, 0, &sv[1], 1);
	close(sv[1]);
	fronts[n_fronts++] = sv[0];
	*ret_fd = sv[0];
	return ret;
}

static int iotlb_msg(int fd, const struct vu_iotlb *m)
{
	return front_ask(fd, VU_IOTLB_MSG, m, sizeof(*m), NULL, 0);
}

int front_update(int fd, uint64_t iova, uint64_t size, uint64_t user, uint8_t perm)
{
	return iotlb_msg(fd, &(struct vu_iotlb){.iova = iova,
						.size = size,
						.user_addr = user,
						.perm = perm,
						.type = VU_IOTLB_UPDATE});
}

int front_invalidate(int fd, uint64_t iova, uint64_t size)
{
	return iotlb_msg(
		fd, &(struct vu_iotlb){.iova = iova, .size = size, .type = VU_IOTLB_INVALIDATE});
}

int front_eventfd(int fd, uint32_t request, uint32_t index, int event)
{
	uint64_t value = index | (event < 0 ? VU_VRING_NOFD : 0);

	return front_ask(fd, request, &value, sizeof(value), &event, event >= 0);
}

void front_negotiate(int fd, uint64_t features)
{
	assert_int_equal(front_get(fd, VU_GET_FEATURES) & features, features);
	assert_int_equal(front_get(fd, VU_GET_PROTOCOL_FEATURES), PROTOCOL_FEATURES);
	assert_int_equal(front_u64(fd, VU_SET_PROTOCOL_FEATURES, PROTOCOL_FEATURES), 0);
	assert_true(front_get(fd, VU_GET_QUEUE_NUM) > 0);
	assert_int_equal(front_ask(fd, VU_SET_OWNER, NULL, 0, NULL, 0), 0);
	assert_int_equal(front_u64(fd, VU_SET_FEATURES, features), 0);
	assert_int_equal(front_memory(fd), 0);
}

void front_ring(int fd, uint32_t index, uint16_t base, bool viommu, int call)
{
	uint64_t areas = viommu ? RING_IOVA : USER_0;
	int kick = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(front_state(fd, VU_SET_VRING_NUM, index, RING_SIZE), 0);
	assert_int_equal(front_state(fd, VU_SET_VRING_BASE, index, base), 0);
	assert_int_equal(front_addr(fd, index, areas + RING_DESC(index), areas + RING_AVAIL(index),
				    areas + RING_USED(index)),
			 0);
	assert_int_equal(front_eventfd(fd, VU_SET_VRING_CALL, index, call), 0);
	assert_int_equal(front_eventfd(fd, VU_SET_VRING_KICK, index, kick), 0);
	assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, index, 1), 0);
	close(kick);
}

void front_map(int fd)
{
	const uint8_t rw = IOTLB_READ | IOTLB_WRITE;

	assert_int_equal(front_update(fd, RING_IOVA, N_RINGS * RING_BYTES, USER_0, rw), 0);
	assert_int_equal(front_update(fd, BUF_IOVA, REGION_SIZE, USER_1, rw), 0);
}

/* ------------------------------------------------------------- the guest -- */

struct vring guest_ring(uint32_t index)
{
	return (struct vring){
		.num = RING_SIZE,
		.desc = (struct vring_desc *)(mem + RING_DESC(index)),
		.avail = (struct vring_avail *)(mem + RING_AVAIL(index)),
		.used = (struct vring_used *)(mem + RING_USED(index)),
	};
}

void guest_offer(uint32_t index, uint16_t first, uint16_t n, bool viommu, bool write)
{
	struct vring ring = guest_ring(index);

	for (uint16_t i = first; i != (uint16_t)(first + n); i++) {
		uint16_t d = i % RING_SIZE;

		ring.desc[d] = (struct vring_desc){
			.addr = (viommu ? BUF_IOVA : GPA_1) + (index * RING_SIZE + d) * BUF_BYTES,
			.len = write ? BUF_BYTES : 12 + 60,
			.flags = write ? VRING_DESC_F_WRITE : 0,
		};
		ring.avail->ring[d] = d;
	}
	__atomic_store_n(&ring.avail->idx, (uint16_t)(first + n), __ATOMIC_RELEASE);
}

uint16_t guest_used(uint32_t index)
{
	return __atomic_load_n(&guest_ring(index).used->idx, __ATOMIC_ACQUIRE);
}
