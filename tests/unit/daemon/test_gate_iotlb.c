/* SPDX-License-Identifier: BSD-3-Clause */
/* test_gate_iotlb.c - A guest behind a vIOMMU: misses, updates, invalidations */
#include "tests/unit/daemon/gate_fixture.h"

#include <sys/eventfd.h>
#include <sys/mman.h>

#include "datapath/miss.h"
#include "iotlb/iotlb.h"

#define RW (IOTLB_READ | IOTLB_WRITE)

static struct guest *vm1(void)
{
	return &fixture.guests[VM1];
}

static bool maps(uint64_t iova, uint8_t perm)
{
	thread_role_assume(&ctl_role);
	return iotlb_maps(vm1()->dev.tlb, iova, perm);
}

/* A front-end of a guest that uses its vIOMMU */
static int open_viommu(void)
{
	int fd = front_open(VM1);

	front_negotiate(fd, FEATURES | VIOMMU);
	return fd;
}

static int send_iotlb(int fd, const struct vu_iotlb *m)
{
	return front_ask(fd, VU_IOTLB_MSG, m, sizeof(*m), NULL, 0);
}

static void test_update_and_invalidate(void **state)
{
	int fd = open_viommu();
	uint64_t updates = vm1()->counters.updates, invalidations = vm1()->counters.invalidations;

	(void)state;
	assert_int_equal(front_update(fd, 0x5000, 0x2000, USER_0, IOTLB_READ), 0);
	assert_true(maps(0x5000, IOTLB_READ) && maps(0x6fff, IOTLB_READ));
	assert_false(maps(0x5000, IOTLB_WRITE) || maps(0x4fff, IOTLB_READ) ||
		     maps(0x7000, IOTLB_READ));
	assert_int_equal(front_update(fd, 0x5000, 0x1000, USER_1, RW), 0);
	assert_true(maps(0x5000, RW));
	assert_false(maps(0x6000, IOTLB_WRITE));
	assert_int_equal(front_invalidate(fd, 0x6000, 0x1000), 0);
	assert_true(maps(0x5000, RW));
	assert_false(maps(0x6000, IOTLB_READ));
	assert_int_equal(front_invalidate(fd, 0x100000, 0x1000), 0); /* nothing there */
	assert_int_equal(front_invalidate(fd, 0, UINT64_MAX), 0);
	assert_false(maps(0x5000, IOTLB_READ));
	assert_int_equal(vm1()->counters.updates, updates + 2);
	assert_int_equal(vm1()->counters.invalidations, invalidations + 3);
}

/* The last page of all, and 0 from 0: everything */
/* While all rings are stopped QEMU tells of nothing that is unmapped */
static void test_translations_end_with_the_last_ring(void **state)
{
	int fd = open_viommu();
	struct vu_vring_state s = {0};
	struct vu_msg reply;

	(void)state;
	front_ring(fd, 0, 0, true, -1);
	front_ring(fd, 1, 0, true, -1);
	assert_int_equal(front_update(fd, 0x5000, 0x1000, USER_0, RW), 0);
	for (s.index = 0; s.index < 2; s.index++) {
		assert_true(maps(0x5000, RW));
		front_send(fd, VU_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0);
		assert_true(front_receive(fd, &reply));
	}
	assert_false(maps(0x5000, IOTLB_READ));
}

static void test_update_and_invalidate_edges(void **state)
{
	const uint64_t last = UINT64_MAX - 0xfff;
	int fd = open_viommu();

	(void)state;
	assert_int_equal(front_update(fd, last, 0x1000, USER_0, RW), 0);
	assert_true(maps(UINT64_MAX, RW));
	assert_int_equal(front_update(fd, 0, 0x1000, USER_0 + REGION_SIZE - 0x1000, RW), 0);
	assert_int_equal(front_invalidate(fd, last, 0x1000), 0);
	assert_false(maps(UINT64_MAX, IOTLB_READ));
	assert_true(maps(0, RW));
	assert_int_equal(front_update(fd, last, 0x1000, USER_0, RW), 0);
	assert_int_equal(front_invalidate(fd, 0, 0), 0);
	assert_false(maps(UINT64_MAX, IOTLB_READ));
	assert_false(maps(0, IOTLB_READ));
}

static void test_update_refused(void **state)
{
	static const struct vu_iotlb bad[] = {
#define UPDATE(iova_, size_, user_, perm_) \
	{.iova = (iova_),                  \
	 .size = (size_),                  \
	 .user_addr = (user_),             \
	 .perm = (perm_),                  \
	 .type = VU_IOTLB_UPDATE}
		/* outside the memory table */
		UPDATE(0, 0x1000, 0, RW),
		UPDATE(0, 0x1000, USER_0 - 0x1000, RW),
		UPDATE(0, 0x1000, USER_0 - 1, RW),
		UPDATE(0, 0x1000, USER_0 + REGION_SIZE, RW),
		UPDATE(0, 0x1000, USER_0 + REGION_SIZE - 0xfff, RW),
		UPDATE(0, REGION_SIZE + 1, USER_0, RW),
		UPDATE(0, USER_1 - USER_0 + 0x1000, USER_0, RW),
		UPDATE(0, UINT64_MAX, USER_0, RW),
		UPDATE(0, 2, UINT64_MAX, RW),
		/* wrapping */
		UPDATE(UINT64_MAX, 2, USER_0, RW),
		UPDATE(UINT64_MAX - 0xfff, 0x1001, USER_0, RW),
		/* empty */
		UPDATE(0, 0, USER_0, RW),
		/* no permission, and permissions there are not */
		UPDATE(0, 0x1000, USER_0, 0),
		UPDATE(0, 0x1000, USER_0, 4),
		UPDATE(0, 0x1000, USER_0, RW | 0x80),
		UPDATE(0, 0x1000, USER_0, 0xff),
#undef UPDATE
		{.size = 0x1000, .user_addr = USER_0, .perm = RW, .type = 0},
		{.size = 0x1000, .user_addr = USER_0, .perm = RW, .type = VU_IOTLB_MISS},
		{.size = 0x1000, .user_addr = USER_0, .perm = RW, .type = VU_IOTLB_ACCESS_FAIL},
		{.size = 0x1000, .user_addr = USER_0, .perm = RW, .type = 255},
		/* invalidations that wrap, or of nothing */
		{.iova = UINT64_MAX, .size = 2, .type = VU_IOTLB_INVALIDATE},
		{.iova = 2, .size = UINT64_MAX, .type = VU_IOTLB_INVALIDATE},
		{.iova = 0x1000, .size = 0, .type = VU_IOTLB_INVALIDATE},
	};
	uint64_t before = vm1()->counters.bad_iotlb;
	int fd = open_viommu();

	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (send_iotlb(fd, &bad[i]) != ERROR_REPLY)
			fail_msg("number %u was not refused", i);
		assert_false(maps(0, IOTLB_READ) || maps(0, IOTLB_WRITE));
		assert_false(maps(UINT64_MAX, IOTLB_READ));
		assert_int_equal(vm1()->counters.bad_iotlb, before + i + 1);
	}
	front_send(fd, VU_IOTLB_MSG, 0, &bad[0], sizeof(bad[0]), NULL, 0);
	assert_true(front_ended(fd));
}

/* More pages than the bound in one update is refused, one by one evicts */
static void test_update_bound(void **state)
{
	int fd = open_viommu();

	(void)state;
	/* Host and IOVA differ in their low bits: each page is in two pieces */
	assert_int_equal(front_update(fd, 0x800, REGION_SIZE, USER_0, RW), 0);
	for (uint64_t i = 0; i < 8192; i++)
		assert_int_equal(front_update(fd, BUF_IOVA + i * 0x2000, 0x1000, USER_0, RW), 0);
	assert_true(maps(BUF_IOVA + 8191 * 0x2000, RW));
	assert_false(maps(BUF_IOVA, RW));
}

static void test_iotlb_without_viommu(void **state)
{
	int fd = front_open(VM1), fd2 = front_open(VM2);

	(void)state;
	assert_int_equal(front_update(fd, 0, 0x1000, USER_0, RW), ERROR_REPLY); /* too early */
	front_negotiate(fd, FEATURES);
	assert_int_equal(front_update(fd, 0x10000000, 0x1000, USER_0, RW), ERROR_REPLY);
	assert_int_equal(front_invalidate(fd, 0, 0), ERROR_REPLY);
	assert_true(maps(GPA_0, RW)); /* its memory table stays */
	front_negotiate(fd2, FEATURES);
	assert_int_equal(front_invalidate(fd2, 0, 0), ERROR_REPLY);
}

/* Without a memory table there is nothing to map */
static void test_update_without_memory(void **state)
{
	int fd = front_open(VM1);

	(void)state;
	assert_int_equal(front_u64(fd, VU_SET_FEATURES, FEATURES | VIOMMU), 0);
	assert_int_equal(front_update(fd, 0, 0x1000, USER_0, RW), ERROR_REPLY);
	assert_int_equal(front_memory(fd), 0);
	assert_int_equal(front_update(fd, 0, 0x1000, USER_0, RW), 0);
	assert_int_equal(front_memory(fd), 0); /* the same again: translations are gone */
	assert_false(maps(0, IOTLB_READ));
}

/* ---------------------------------------------------------------- misses -- */

/* Take a miss from the backend channel */
static struct vu_iotlb take_miss(int backend)
{
	struct vu_msg msg;

	assert_true(front_receive(backend, &msg));
	assert_int_equal(msg.hdr.request, VU_BACKEND_IOTLB_MSG);
	assert_int_equal(msg.hdr.flags, VU_VERSION);
	assert_int_equal(msg.hdr.size, sizeof(struct vu_iotlb));
	assert_int_equal(msg.payload.iotlb.type, VU_IOTLB_MISS);
	return msg.payload.iotlb;
}

/* Whether a message waits on a socket */
static bool heard(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

/* Answer misses, a page each, as a vIOMMU's page table would */
static void answer_misses(int fd, int backend, uint32_t index, uint16_t used)
{
	while (guest_used(index) != used) {
		struct vu_iotlb m;
		uint64_t page;

		/* What was asked for last may be all it takes */
		SERVE_UNTIL(guest_used(index) == used || heard(backend));
		if (!heard(backend))
			break;
		m = take_miss(backend);
		page = m.iova & ~UINT64_C(0xfff);
		if (page >= BUF_IOVA)
			assert_int_equal(
				front_update(fd, page, 0x1000, USER_1 + page - BUF_IOVA, m.perm),
				0);
		else
			assert_int_equal(
				front_update(fd, page, 0x1000, USER_0 + page - RING_IOVA, RW), 0);
	}
}

/* Everything on demand, with the least permission: the guest's frames arrive */
static void test_miss_answered(void **state)
{
	int fd = open_viommu(), backend;

	(void)state;
	assert_int_equal(front_backend(fd, &backend), 0);
	guest_offer(0, 0, 64, true, true);
	guest_offer(1, 0, 64, true, false);
	front_ring(fd, 0, 0, true, -1);
	front_ring(fd, 1, 0, true, -1);
	answer_misses(fd, backend, 0, 64);
	answer_misses(fd, backend, 1, 64);
	assert_true(vm1()->resolver.counters.asked > 0);
	assert_true(maps(BUF_IOVA, IOTLB_WRITE));
}

/* After the acknowledgement of an invalidation nobody touches the page */
static void test_invalidate_while_running(void **state)
{
	int fd = open_viommu(), backend;

	(void)state;
	assert_int_equal(front_backend(fd, &backend), 0);
	front_map(fd);
	front_ring(fd, 0, 0, true, -1);
	for (uint16_t i = 0; i < 200; i++) {
		uint16_t first = (uint16_t)(i * 100);

		guest_offer(0, first, 100, true, true);
		assert_int_equal(front_invalidate(fd, BUF_IOVA, REGION_SIZE), 0);
		memset(mem + REGION_SIZE, 0x5a, 256 * BUF_BYTES);
		for (unsigned int round = 0; round < 20; round++)
			serve();
		for (size_t b = 0; b < 256 * BUF_BYTES; b += 64)
			assert_int_equal(mem[REGION_SIZE + b], 0x5a);
		front_map(fd);
		SERVE_UNTIL(guest_used(0) == (uint16_t)(first + 100));
	}
}

/* Remapping a page to another place is an invalidation of the first place */
static void test_update_elsewhere_while_running(void **state)
{
	int fd = open_viommu();
	uint16_t offered = 0;

	(void)state;
	front_map(fd);
	front_ring(fd, 0, 0, true, -1);
	for (unsigned int i = 0; i < 300; i++) {
		/* Buffers are 512 KiB: there is room for two places in the region */
		uint64_t place = i % 2 ? 0 : REGION_SIZE / 2, old = REGION_SIZE / 2 - place;

		guest_offer(0, offered, 200, true, true);
		offered = (uint16_t)(offered + 200);
		assert_int_equal(front_update(fd, BUF_IOVA, 256 * BUF_BYTES, USER_1 + place, RW),
				 0);
		memset(mem + REGION_SIZE + old, 0x5a, 256 * BUF_BYTES);
		SERVE_UNTIL(guest_used(0) == offered);
		for (size_t b = 0; b < 256 * BUF_BYTES; b += 4)
			assert_int_equal(mem[REGION_SIZE + old + b], 0x5a);
	}
}

/* A miss posted before its answer is no question about what is mapped there next */
static void test_invalidate_after_stale_miss(void **state)
{
	int fd = open_viommu(), backend;
	struct miss m = {.iova = BUF_IOVA, .guest = VM1, .perm = IOTLB_WRITE};
	uint64_t asked = vm1()->resolver.counters.asked;

	(void)state;
	assert_int_equal(front_backend(fd, &backend), 0);
	assert_int_equal(front_update(fd, BUF_IOVA, 0x1000, USER_1, RW), 0);
	m.session = vm1()->dev.session;
	thread_role_assume(&pmd_role);
	assert_int_equal(miss_post(fixture.misses, &m), 0);
	front_send(
		fd, VU_IOTLB_MSG, 0,
		&(struct vu_iotlb){.iova = BUF_IOVA, .size = 0x1000, .type = VU_IOTLB_INVALIDATE},
		sizeof(struct vu_iotlb), NULL, 0);
	SERVE_UNTIL(!maps(BUF_IOVA, IOTLB_READ));
	serve();
	assert_int_equal(vm1()->resolver.counters.asked, asked);
	assert_int_equal(vm1()->resolver.n, 0);
}

/* Invalidated while it was being asked for: asked anew, without a timeout */
static void test_invalidate_forgets_question(void **state)
{
	int fd = open_viommu(), backend;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(front_backend(fd, &backend), 0);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(resolver_miss(&vm1()->resolver, BUF_IOVA, IOTLB_WRITE), 0);
		assert_int_equal(take_miss(backend).iova, BUF_IOVA);
		assert_int_equal(resolver_miss(&vm1()->resolver, BUF_IOVA, IOTLB_WRITE), -EALREADY);
		assert_int_equal(
			i ? front_invalidate(fd, 0, 0) : front_invalidate(fd, BUF_IOVA, 0x1000), 0);
	}
	assert_int_equal(resolver_miss(&vm1()->resolver, BUF_IOVA, IOTLB_WRITE), 0);
}

/* Nobody answers: the ring waits, a fault is counted, all else goes on */
static void test_miss_never_answered(void **state)
{
	struct resolver_counters *c = &vm1()->resolver.counters;
	uint64_t faults = c->faults, asked_again = c->asked_again;
	int fd = open_viommu(), backend, other = front_open(VM2);

	(void)state;
	assert_int_equal(front_backend(fd, &backend), 0);
	front_ring(fd, 0, 0, true, -1);
	SERVE_UNTIL(c->faults > faults);
	assert_true(c->asked_again >= asked_again + 3); /* [iotlb] miss_retries of the fixture */
	for (unsigned int i = 0; i < 4; i++)
		assert_true(take_miss(backend).iova - RING_IOVA < RING_BYTES);
	assert_true(front_alive(other));
	assert_true(front_alive(fd));
	/* The front-end comes to its senses */
	guest_offer(0, 0, 10, true, true);
	front_map(fd);
	SERVE_UNTIL(guest_used(0) == 10);
}

/* It does not read its backend channel: nothing blocks, and it goes on later */
static void test_miss_backend_not_read(void **state)
{
	int fd = open_viommu(), backend, small = 4096;
	uint64_t unsent = vm1()->resolver.counters.unsent;
	struct channel *ch = &vm1()->backend_chan;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(front_backend(fd, &backend), 0);
	assert_int_equal(setsockopt(ch->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	for (uint64_t i = 0; vm1()->resolver.counters.unsent == unsent; i++) {
		assert_true(i < 100000);
		(void)resolver_miss(&vm1()->resolver, 0x100000 + i * 0x1000, IOTLB_READ);
		assert_int_equal(front_update(fd, 0x100000 + i * 0x1000, 0x1000, USER_0, RW), 0);
	}
	assert_true(channel_pending(ch));
	/* Every message that was taken comes, in order */
	for (uint64_t i = 0; channel_pending(ch); i++)
		assert_int_equal(take_miss(backend).iova, 0x100000 + i * 0x1000);
}

/* The front-end closes its backend channel, or never had one */
static void test_miss_no_backend(void **state)
{
	int fd = open_viommu(), backend;

	(void)state;
	front_ring(fd, 0, 0, true, -1);
	assert_int_equal(front_backend(fd, &backend), 0);
	(void)take_miss(backend);
	assert_int_equal(shutdown(backend, SHUT_RDWR), 0);
	SERVE_UNTIL(vm1()->backend.fd < 0);
	assert_true(front_alive(fd));
	assert_int_equal(front_backend(fd, &backend), 0); /* and gets a new one */
	(void)take_miss(backend);
	guest_offer(0, 0, 10, true, true);
	front_map(fd);
	SERVE_UNTIL(guest_used(0) == 10);
}

/* Without a vIOMMU nobody can be asked: that is told, and the ring waits */
static void test_miss_outside_without_viommu(void **state)
{
	const struct guest *vm2 = &fixture.guests[VM2];
	uint64_t before = vm2->counters.outside;
	int fd = front_open(VM2);

	(void)state;
	front_negotiate(fd, FEATURES);
	front_ring(fd, 1, 0, false, -1);
	guest_offer(1, 0, 2, false, false);
	SERVE_UNTIL(guest_used(1) == 2);
	assert_int_equal(vm2->counters.outside, before);
	guest_ring(1).desc[2] = (struct vring_desc){.addr = UINT64_C(1) << 40, .len = 100};
	guest_ring(1).avail->ring[2] = 2;
	__atomic_store_n(&guest_ring(1).avail->idx, 3, __ATOMIC_RELEASE);
	SERVE_UNTIL(vm2->counters.outside > before + 1);
	assert_int_equal(guest_used(1), 2);
	assert_int_equal(vm2->resolver.counters.asked, 0);
	assert_true(front_alive(fd));
}

/* What comes in on the backend channel is nobody's business */
static void test_backend_input_ignored(void **state)
{
	static const uint8_t junk[4096] = {1, 2, 3};
	int fd = open_viommu(), backend, fds[] = {mem_fd, mem_fd, mem_fd};

	(void)state;
	assert_int_equal(front_backend(fd, &backend), 0);
	for (unsigned int i = 0; i < 100; i++) {
		send_with_fds(backend, junk, sizeof(junk), fds, i % 4);
		for (unsigned int round = 0; round < 20; round++)
			serve();
	}
	assert_true(front_alive(fd));
	assert_true(vm1()->backend.fd >= 0);
}

/* Only a stream socket can be a backend channel */
static void test_set_backend_req_fd_of_another_kind(void **state)
{
	int fd = open_viommu(), pipes[2], dgram[2], event = eventfd(0, EFD_CLOEXEC);

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram), 0);
	{
		const int others[] = {mem_fd, pipes[0], pipes[1], dgram[0], event};

		for (unsigned int i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
			assert_int_equal(
				front_ask(fd, VU_SET_BACKEND_REQ_FD, NULL, 0, &others[i], 1),
				ERROR_REPLY);
			assert_int_equal(vm1()->backend.fd, -1);
		}
	}
	for (unsigned int i = 0; i < 2; i++) {
		close(pipes[i]);
		close(dgram[i]);
	}
	close(event);
}

/* One's own end would keep the connection open when its owner has left */
static void test_set_backend_req_fd_of_its_own(void **state)
{
	int fd = open_viommu();

	(void)state;
	assert_int_equal(front_ask(fd, VU_SET_BACKEND_REQ_FD, NULL, 0, &fd, 1), ERROR_REPLY);
	assert_int_equal(vm1()->backend.fd, -1);
	assert_true(front_alive(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATE_TEST(test_update_and_invalidate),
		GATE_TEST(test_translations_end_with_the_last_ring),
		GATE_TEST(test_update_and_invalidate_edges),
		GATE_TEST(test_update_refused),
		GATE_TEST(test_update_bound),
		GATE_TEST(test_iotlb_without_viommu),
		GATE_TEST(test_update_without_memory),
		GATE_TEST(test_miss_answered),
		GATE_TEST(test_invalidate_while_running),
		GATE_TEST(test_update_elsewhere_while_running),
		GATE_TEST(test_invalidate_after_stale_miss),
		GATE_TEST(test_invalidate_forgets_question),
		GATE_TEST(test_miss_never_answered),
		GATE_TEST(test_miss_backend_not_read),
		GATE_TEST(test_miss_no_backend),
		GATE_TEST(test_miss_outside_without_viommu),
		GATE_TEST(test_backend_input_ignored),
		GATE_TEST(test_set_backend_req_fd_of_another_kind),
		GATE_TEST(test_set_backend_req_fd_of_its_own),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
