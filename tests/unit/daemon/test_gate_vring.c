/* SPDX-License-Identifier: BSD-3-Clause */
/* test_gate_vring.c - Negotiation, and what is said about rings */
#include "tests/unit/daemon/gate_fixture.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "daemon/topology.h"
#include "datapath/counters.h"
#include "datapath/vq.h"

#define FOREVER UINT64_C(0x100000000) /* a value no 32-bit field holds */

static struct device *dev(unsigned int guest)
{
	return &fixture.guests[guest].dev;
}

static struct ring *ring(unsigned int i)
{
	return &dev(VM1)->rings[i];
}

/* Wait until an eventfd was written to, and empty it */
static uint64_t take_event(int fd)
{
	uint64_t n = 0;

	SERVE_UNTIL(read(fd, &n, sizeof(n)) == sizeof(n));
	return n;
}

/* ----------------------------------------------------------- negotiation -- */

static void test_get_features(void **state)
{
	int fd1 = front_open(VM1), fd2 = front_open(VM2);
	uint64_t vm1 = front_get(fd1, VU_GET_FEATURES), vm2 = front_get(fd2, VU_GET_FEATURES);

	(void)state;
	assert_int_equal(vm1 & (FEATURES | VIOMMU), FEATURES | VIOMMU);
	assert_true(vm1 & BIT(VIRTIO_NET_F_MQ));
	assert_int_equal(vm2 & FEATURES, FEATURES);
	assert_int_equal(vm2 & (VIOMMU | BIT(VIRTIO_NET_F_MQ)), 0);
	/* What the rings cannot do */
	assert_int_equal(vm1 & (BIT(VIRTIO_NET_F_RSS) | BIT(VIRTIO_NET_F_HASH_REPORT)), 0);
	assert_int_equal(front_get(fd1, VU_GET_QUEUE_NUM), 2);
	assert_int_equal(front_get(fd2, VU_GET_QUEUE_NUM), 1);
}

/* Any feature that was not offered */
static void test_set_features_not_offered(void **state)
{
	int fd = front_open(VM2);
	uint64_t offered = front_get(fd, VU_GET_FEATURES);

	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++)
		assert_int_equal(front_u64(fd, VU_SET_FEATURES, BIT(bit)),
				 offered & BIT(bit) ? 0 : ERROR_REPLY);
	assert_int_equal(front_u64(fd, VU_SET_FEATURES, UINT64_MAX), ERROR_REPLY);
	assert_int_equal(front_u64(fd, VU_SET_FEATURES, FEATURES | VIOMMU), ERROR_REPLY);
	front_send(fd, VU_SET_FEATURES, 0, &(uint64_t){VIOMMU}, 8, NULL, 0);
	assert_true(front_ended(fd));
}

static void test_set_protocol_features_not_offered(void **state)
{
	int fd = front_open(VM1);

	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++)
		assert_int_equal(front_u64(fd, VU_SET_PROTOCOL_FEATURES, BIT(bit)),
				 PROTOCOL_FEATURES & BIT(bit) ? 0 : ERROR_REPLY);
	assert_true(front_alive(fd));
}

/* A driver that resets and negotiates anew, with and without a vIOMMU in turn */
static void test_set_features_while_running(void **state)
{
	int fd = front_open(VM1);

	(void)state;
	front_negotiate(fd, FEATURES);
	front_ring(fd, 0, 0, false, -1);
	guest_offer(0, 0, 3, false, true);
	SERVE_UNTIL(guest_used(0) == 3);
	assert_int_equal(front_u64(fd, VU_SET_FEATURES, FEATURES), 0);
	assert_true(ring(0)->running);
	assert_int_equal(front_u64(fd, VU_SET_FEATURES, FEATURES | VIOMMU), 0);
	guest_offer(0, 3, 3, false, true);
	for (unsigned int i = 0; i < 100; i++)
		serve();
	assert_int_equal(guest_used(0), 3); /* the same addresses mean other things now */
	assert_int_equal(front_u64(fd, VU_SET_FEATURES, FEATURES), 0);
	SERVE_UNTIL(guest_used(0) == 6);
}

/* ------------------------------------------------------- what is refused -- */

static void test_vring_index_out_of_range(void **state)
{
	static const uint32_t requests[] = {VU_SET_VRING_NUM, VU_SET_VRING_BASE,
					    VU_SET_VRING_ENABLE};
	static const uint32_t indexes[] = {N_RINGS, N_RINGS + 1, 255, 256, 0x10000, UINT32_MAX};
	int fd = front_open(VM1), event = eventfd(0, EFD_CLOEXEC);

	(void)state;
	for (unsigned int i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
		struct vu_vring_state s = {.index = indexes[i]};

		for (unsigned int r = 0; r < 3; r++)
			assert_int_equal(front_state(fd, requests[r], indexes[i], 1), ERROR_REPLY);
		assert_int_equal(front_addr(fd, indexes[i], 0, 0, 0), ERROR_REPLY);
		for (uint32_t r = VU_SET_VRING_KICK; r <= VU_SET_VRING_ERR; r++) {
			assert_int_equal(front_eventfd(fd, r, indexes[i], event), ERROR_REPLY);
			if (!(indexes[i] & VU_VRING_NOFD))
				assert_int_equal(front_eventfd(fd, r, indexes[i], -1), ERROR_REPLY);
		}
		/* Its reply is no acknowledgement: the connection ends */
		front_send(fd, VU_GET_VRING_BASE, VU_NEED_REPLY, &s, sizeof(s), NULL, 0);
		assert_true(front_ended(fd));
		front_close(fd);
		fd = front_open(VM1);
	}
	close(event);
}

static void test_set_vring_num_sizes(void **state)
{
	static const uint32_t bad[] = {0,     3,     5,	    255,   257,	       1000,
				       32767, 32769, 65536, 65535, 0x80000000, UINT32_MAX};
	int fd = front_open(VM1);

	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(front_state(fd, VU_SET_VRING_NUM, 0, bad[i]), ERROR_REPLY);
		assert_int_equal(ring(0)->size, 0);
	}
	for (uint32_t size = 1; size <= 32768; size *= 2) {
		assert_int_equal(front_state(fd, VU_SET_VRING_NUM, 0, size), 0);
		assert_int_equal(ring(0)->size, size);
	}
}

static void test_set_vring_values(void **state)
{
	int fd = front_open(VM1);

	(void)state;
	assert_int_equal(front_state(fd, VU_SET_VRING_BASE, 0, 65535), 0);
	assert_int_equal(front_state(fd, VU_SET_VRING_BASE, 0, 65536), ERROR_REPLY);
	assert_int_equal(front_state(fd, VU_SET_VRING_BASE, 0, UINT32_MAX), ERROR_REPLY);
	assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, 0, 2), ERROR_REPLY);
	assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, 0, UINT32_MAX), ERROR_REPLY);
	for (unsigned int i = 0; i < N_RINGS; i++)
		assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, i, 1), 0);
}

/* Only an eventfd takes eight bytes at any time */
static void test_set_vring_eventfd_of_another_kind(void **state)
{
	int fd = front_open(VM1), pipes[2], pair[2];

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	{
		int epoll = epoll_create1(EPOLL_CLOEXEC);
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		const int others[] = {mem_fd, pipes[0], pipes[1], pair[0], null, epoll};

		for (unsigned int i = 0; i < sizeof(others) / sizeof(others[0]); i++)
			for (uint32_t r = VU_SET_VRING_KICK; r <= VU_SET_VRING_ERR; r++)
				assert_int_equal(front_eventfd(fd, r, 0, others[i]), ERROR_REPLY);
		close(epoll);
		close(null);
	}
	assert_false(ring(0)->kicked);
	assert_int_equal(ring(0)->call, -1);
	for (unsigned int i = 0; i < 2; i++) {
		close(pipes[i]);
		close(pair[i]);
	}
}

static void test_set_vring_eventfd_flags(void **state)
{
	int fd = front_open(VM1), event = eventfd(0, EFD_CLOEXEC);
	static const uint64_t bad[] = {1u << 9, 1u << 31, FOREVER, UINT64_MAX};

	(void)state;
	for (uint32_t r = VU_SET_VRING_KICK; r <= VU_SET_VRING_ERR; r++) {
		for (unsigned int i = 0; i < 4; i++)
			assert_int_equal(front_ask(fd, r, &bad[i], 8, &event, 1), ERROR_REPLY);
		/* It says that there is none, and there is one */
		assert_int_equal(front_ask(fd, r, &(uint64_t){VU_VRING_NOFD}, 8, &event, 1),
				 ERROR_REPLY);
	}
	close(event);
}

/* --------------------------------------------------------- running rings -- */

/* A ring runs when it has all it needs, whatever the order, and not before */
static void test_ring_runs_when_complete(void **state)
{
	int event = eventfd(0, EFD_CLOEXEC);

	(void)state;
	for (unsigned int last = 0; last < 5; last++) {
		int fd = front_open(VM1);

		assert_int_equal(front_u64(fd, VU_SET_FEATURES, FEATURES), 0);
		for (unsigned int i = 0; i < 5; i++) {
			unsigned int step = (last + 1 + i) % 5;

			assert_false(ring(0)->running);
			if (step == 0)
				assert_int_equal(front_memory(fd), 0);
			else if (step == 1)
				assert_int_equal(front_state(fd, VU_SET_VRING_NUM, 0, RING_SIZE),
						 0);
			else if (step == 2)
				assert_int_equal(front_addr(fd, 0, USER_0 + RING_DESC(0),
							    USER_0 + RING_AVAIL(0),
							    USER_0 + RING_USED(0)),
						 0);
			else if (step == 3)
				assert_int_equal(front_eventfd(fd, VU_SET_VRING_KICK, 0, event), 0);
			else
				assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, 0, 1), 0);
		}
		assert_true(ring(0)->running);
		assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, 0, 0), 0);
		assert_false(ring(0)->running);
		front_close(fd);
	}
	close(event);
}

/* Without PROTOCOL_FEATURES nobody says ENABLE: the kick does */
static void test_ring_runs_without_enable(void **state)
{
	int fd = front_open(VM1);

	(void)state;
	assert_int_equal(front_u64(fd, VU_SET_FEATURES, BIT(VIRTIO_F_VERSION_1)), 0);
	assert_int_equal(front_memory(fd), 0);
	assert_int_equal(front_state(fd, VU_SET_VRING_NUM, 0, RING_SIZE), 0);
	assert_int_equal(front_addr(fd, 0, USER_0, USER_0 + 0x1000, USER_0 + 0x2000), 0);
	assert_false(ring(0)->running);
	assert_int_equal(front_eventfd(fd, VU_SET_VRING_KICK, 0, -1), 0); /* polled */
	assert_true(ring(0)->running);
}

/* Addresses outside memory, not aligned, or wrapping: the ring does not start */
static void test_set_vring_addr_bad(void **state)
{
	static const uint64_t bad[][3] = {
		{0, USER_0 + 0x1000, USER_0 + 0x2000},
		{USER_0, 0, USER_0 + 0x2000},
		{USER_0, USER_0 + 0x1000, UINT64_MAX},
		{USER_0 + REGION_SIZE - 16, USER_0 + 0x1000, USER_0 + 0x2000},
		{USER_0 + 1, USER_0 + 0x1000, USER_0 + 0x2000},
		{USER_0, USER_0 + 0x1001, USER_0 + 0x2000},
		{USER_0, USER_0 + 0x1000, USER_0 + 0x2002},
		{UINT64_MAX - 15, UINT64_MAX - 1, UINT64_MAX - 3},
	};
	int fd = front_open(VM1);

	(void)state;
	front_negotiate(fd, FEATURES);
	front_ring(fd, 0, 0, false, -1);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)front_addr(fd, 0, bad[i][0], bad[i][1], bad[i][2]);
		assert_false(ring(0)->running);
	}
	assert_true(front_alive(fd));
	assert_int_equal(front_addr(fd, 0, USER_0, USER_0 + 0x1000, USER_0 + 0x2000), 0);
	assert_true(ring(0)->running);
}

static void test_get_vring_base_stops(void **state)
{
	struct vu_vring_state s = {.index = 0};
	int fd = front_open(VM1), call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct vu_msg reply;

	(void)state;
	front_negotiate(fd, FEATURES);
	/* Close to the end of the index's range, over which it wraps */
	guest_ring(0).used->idx = guest_ring(0).avail->idx = 65500;
	front_ring(fd, 0, 65500, false, call);
	guest_offer(0, 65500, 200, false, true);
	SERVE_UNTIL(guest_used(0) == (uint16_t)(65500 + 200));
	front_send(fd, VU_GET_VRING_BASE, VU_NEED_REPLY, &s, sizeof(s), NULL, 0);
	assert_true(front_receive(fd, &reply));
	assert_int_equal(reply.hdr.request, VU_GET_VRING_BASE);
	assert_int_equal(reply.hdr.flags, VU_VERSION | VU_REPLY);
	assert_int_equal(reply.payload.state.index, 0);
	assert_int_equal(reply.payload.state.num, (uint16_t)(65500 + 200));
	assert_false(ring(0)->running);
	assert_int_equal(ring(0)->kick, -1);
	guest_offer(0, (uint16_t)(65500 + 200), 10, false, true);
	for (unsigned int i = 0; i < 200; i++)
		serve();
	assert_int_equal(guest_used(0), (uint16_t)(65500 + 200));

	/* As a migration's other end would: the same base, and it goes on */
	front_ring(fd, 0, (uint16_t)reply.payload.state.num, false, call);
	SERVE_UNTIL(guest_used(0) == (uint16_t)(65500 + 210));
	close(call);
}

/* Of a ring that the library has never heard of, and of one that never ran */
static void test_get_vring_base_never_ran(void **state)
{
	struct vu_vring_state s = {.index = 3};
	int fd = front_open(VM1);
	struct vu_msg reply;

	(void)state;
	front_send(fd, VU_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0);
	assert_true(front_receive(fd, &reply));
	assert_int_equal(reply.payload.state.index, 3);
	assert_int_equal(reply.payload.state.num, 0);
	assert_int_equal(front_state(fd, VU_SET_VRING_BASE, 3, 1234), 0);
	front_send(fd, VU_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0);
	assert_true(front_receive(fd, &reply));
	assert_int_equal(reply.payload.state.num, 1234);
}

/* A packed ring has any size, and two positions with wrap counters for a base, of
 * which the library could keep neither
 */
static void test_packed_size_and_base(void **state)
{
	const uint64_t packed = BIT(VIRTIO_F_RING_PACKED);
	int fd = front_open(VM1);
	struct vu_vring_state s;
	struct vu_msg reply;

	(void)state;
	assert_int_equal(front_get(fd, VU_GET_FEATURES) & packed, packed);
	front_negotiate(fd, FEATURES | packed);
	assert_int_equal(front_state(fd, VU_SET_VRING_NUM, 0, 0), ERROR_REPLY);
	assert_int_equal(front_state(fd, VU_SET_VRING_NUM, 0, 32769), ERROR_REPLY);
	for (uint32_t size = 1; size <= 32768; size = size * 5 / 2 + 1) {
		assert_int_equal(front_state(fd, VU_SET_VRING_NUM, 0, size), 0);
		assert_int_equal(ring(0)->size, size);
	}
	/* Each ring on its own, so that it has never run */
	for (s.index = 0; s.index < 4; s.index++) {
		static const uint32_t bases[] = {0x80008000, 0x8123, 0xffffffff, 0x00050005};

		assert_int_equal(front_state(fd, VU_SET_VRING_BASE, s.index, bases[s.index]), 0);
		front_send(fd, VU_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0);
		assert_true(front_receive(fd, &reply));
		assert_int_equal(reply.payload.state.index, s.index);
		assert_int_equal(reply.payload.state.num, bases[s.index]);
	}
}

static void test_get_vring_base_of_a_transmit_ring(void **state)
{
	struct vu_vring_state s = {.index = 1};
	int fd = front_open(VM1);
	struct vu_msg reply;

	(void)state;
	front_negotiate(fd, FEATURES);
	guest_ring(1).used->idx = 7;
	guest_offer(1, 7, 50, false, false);
	front_ring(fd, 1, 7, false, -1);
	SERVE_UNTIL(guest_used(1) == 57);
	front_send(fd, VU_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0);
	assert_true(front_receive(fd, &reply));
	assert_int_equal(reply.payload.state.num, 57);
}

/* With IN_ORDER one element returns what one call took, whatever came of it */
static void test_in_order_returns_a_batch(void **state)
{
	const uint64_t in_order = BIT(VIRTIO_F_IN_ORDER);
	int fd = front_open(VM1);
	struct vring_used *used;

	(void)state;
	assert_int_equal(front_get(fd, VU_GET_FEATURES) & in_order, in_order);
	front_negotiate(fd, FEATURES | in_order);
	used = guest_ring(1).used;
	memset(used->ring, 0xee, RING_SIZE * sizeof(used->ring[0]));
	guest_offer(1, 0, 20, false, false);
	front_ring(fd, 1, 0, false, -1);
	SERVE_UNTIL(guest_used(1) == 20);
	assert_int_equal(used->ring[0].id, 19);
	assert_int_equal(used->ring[0].len, 0);
	for (unsigned int i = 1; i < RING_SIZE; i++)
		assert_int_equal(used->ring[i].id, 0xeeeeeeee);
}

static void test_set_vring_call_changed_while_running(void **state)
{
	int fd = front_open(VM1), a = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int b = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint16_t offered = 10;
	uint64_t n;

	(void)state;
	front_negotiate(fd, FEATURES);
	front_ring(fd, 0, 0, false, a);
	guest_offer(0, 0, 10, false, true);
	assert_true(take_event(a) > 0);
	for (unsigned int i = 0; i < 20; i++) {
		int now = i % 2 ? a : b, before = i % 2 ? b : a;

		assert_int_equal(front_eventfd(fd, VU_SET_VRING_CALL, 0, now), 0);
		(void)!read(before, &n, sizeof(n));
		guest_offer(0, offered, 10, false, true);
		offered += 10;
		assert_true(take_event(now) > 0);
		SERVE_UNTIL(guest_used(0) == offered);
		assert_int_equal(read(before, &n, sizeof(n)), -1); /* nobody has it any more */
		assert_true(ring(0)->running);
	}
	assert_int_equal(front_eventfd(fd, VU_SET_VRING_CALL, 0, -1), 0);
	guest_offer(0, offered, 10, false, true);
	SERVE_UNTIL(guest_used(0) == offered + 10);
	close(a);
	close(b);
}

/* A guest whose ring is stopped while an interrupt waits is not left without it */
static void test_get_vring_base_makes_the_call_that_waits(void **state)
{
	struct conf_guest *gc = (struct conf_guest *)(uintptr_t)fixture.guests[VM1].conf;
	int fd = front_open(VM1), call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct vu_vring_state s = {.index = 1};
	struct vu_msg reply;
	uint16_t sent = 0;
	uint64_t n;

	(void)state;
	gc->call_interval_us = VQ_CALL_INTERVAL_MAX_US;
	front_negotiate(fd, FEATURES);
	for (unsigned int i = 0; i < 10; i++) {
		front_ring(fd, 1, sent, false, call);
		guest_offer(1, sent++, 1, false, false);
		assert_true(take_event(call) > 0);
		guest_offer(1, sent++, 1, false, false);
		SERVE_UNTIL(guest_used(1) == sent);
		front_send(fd, VU_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0);
		assert_true(front_receive(fd, &reply));
		assert_int_equal(reply.payload.state.num, sent);
		assert_int_equal(read(call, &n, sizeof(n)), sizeof(n));
	}
	assert_true(COUNTER_READ(vq_counters(ring(1)->vq)->calls_delayed) > 0);
	gc->call_interval_us = 0;
	close(call);
}

/*
 * The descriptor is the front-end's as well: it can make it block again and fill
 * it.  The thread that interrupts the guest must not stay in there.
 */
static void test_set_vring_call_made_to_block(void **state)
{
	int fd = front_open(VM1), other = front_open(VM2), call = eventfd(0, EFD_CLOEXEC);
	const uint64_t full = UINT64_MAX - 1;

	(void)state;
	front_negotiate(fd, FEATURES);
	front_negotiate(other, FEATURES);
	front_ring(fd, 0, 0, false, call);
	front_ring(fd, 1, 0, false, -1);
	guest_offer(0, 0, 10, false, true);
	SERVE_UNTIL(guest_used(0) == 10);
	(void)take_event(call);
	assert_int_equal(fcntl(call, F_SETFL, 0), 0);
	assert_int_equal(write(call, &full, sizeof(full)), sizeof(full));
	guest_offer(0, 10, 10, false, true);
	SERVE_UNTIL(vq_broken(ring(0)->vq)); /* that ring is stopped, nothing else is */
	guest_offer(1, 0, 10, false, false);
	SERVE_UNTIL(guest_used(1) == 10);
	front_ring(other, 0, 0, false, -1);
	assert_true(front_alive(other));

	/* Nor does it wait there once more: another ring with such a descriptor runs on */
	front_ring(fd, 1, 10, false, call);
	assert_int_equal(fcntl(call, F_SETFL, 0), 0);
	for (uint16_t i = 0; i < 20; i++) {
		guest_offer(1, (uint16_t)(10 + i), 1, false, false);
		SERVE_UNTIL(guest_used(1) == 11 + i);
	}
	assert_false(vq_broken(ring(1)->vq));
	assert_int_equal(COUNTER_READ(vq_counters(ring(1)->vq)->err_call), 0);
	close(call);
}

static void test_set_vring_kick_again(void **state)
{
	int fd = front_open(VM1), event = eventfd(0, EFD_CLOEXEC);

	(void)state;
	front_negotiate(fd, FEATURES);
	front_ring(fd, 0, 0, false, -1);
	for (unsigned int i = 0; i < 20; i++)
		for (uint32_t r = VU_SET_VRING_KICK; r <= VU_SET_VRING_ERR; r++)
			assert_int_equal(front_eventfd(fd, r, 0, i % 2 ? event : -1), 0);
	assert_true(ring(0)->running);
	close(event);
}

/* A ring whose index jumps stops; the others and the connection go on */
static void test_ring_broken_by_the_guest(void **state)
{
	int fd = front_open(VM1);

	(void)state;
	thread_role_assume(&ctl_role);
	front_negotiate(fd, FEATURES);
	front_ring(fd, 0, 0, false, -1);
	front_ring(fd, 1, 0, false, -1);
	guest_offer(0, 5000, 1, false, true);
	for (unsigned int i = 0; i < 100; i++) {
		serve();
		device_check(dev(VM1));
		usleep(100);
	}
	assert_true(ring(0)->told);
	guest_offer(1, 0, 10, false, false);
	SERVE_UNTIL(guest_used(1) == 10);
	assert_true(front_alive(fd));
	/* The driver resets it, and it runs again */
	guest_ring(0).avail->idx = 0;
	front_ring(fd, 0, 0, false, -1);
	guest_offer(0, 0, 10, false, true);
	SERVE_UNTIL(guest_used(0) == 10);
}

/* What the port of vm1 was given by pair 0, and what was thrown away */
static uint64_t wire_count(size_t off)
{
	const struct wire_counters *c;

	thread_role_assume(&ctl_role);
	c = topology_counters(fixture.topo, 0, 0);
	return COUNTER_READ(*(const uint64_t *)((const char *)c + off));
}

#define WIRE_COUNT(member) wire_count(offsetof(struct wire_counters, member))

/* Started but disabled: what the guest sends is processed, and goes nowhere */
static void test_disabled_transmit_ring_discards(void **state)
{
	int fd = front_open(VM1);
	uint64_t sent, dropped;

	(void)state;
	front_negotiate(fd, FEATURES);
	front_ring(fd, 1, 0, false, -1);
	guest_offer(1, 0, 10, false, false);
	SERVE_UNTIL(guest_used(1) == 10);
	assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, 1, 0), 0);
	assert_true(ring(1)->running);
	sent = WIRE_COUNT(port_tx);
	dropped = WIRE_COUNT(drop_disabled);
	guest_offer(1, 10, 50, false, false);
	SERVE_UNTIL(guest_used(1) == 60);
	SERVE_UNTIL(WIRE_COUNT(drop_disabled) == dropped + 50);
	assert_int_equal(WIRE_COUNT(port_tx), sent);
	/* Enabled again, it goes on after them */
	assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, 1, 1), 0);
	guest_offer(1, 60, 20, false, false);
	SERVE_UNTIL(guest_used(1) == 80);
	SERVE_UNTIL(WIRE_COUNT(port_tx) == sent + 20);
	assert_int_equal(WIRE_COUNT(drop_disabled), dropped + 50);
}

/* A disabled receive ring is left alone, and one that never started is too */
static void test_disabled_receive_ring_stands_still(void **state)
{
	struct vu_vring_state s = {.index = 1};
	int fd = front_open(VM1);
	struct vu_msg reply;

	(void)state;
	front_negotiate(fd, FEATURES);
	front_ring(fd, 0, 0, false, -1);
	front_ring(fd, 1, 0, false, -1);
	guest_offer(0, 0, 10, false, true);
	SERVE_UNTIL(guest_used(0) == 10);
	assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, 0, 0), 0);
	assert_int_equal(front_state(fd, VU_SET_VRING_ENABLE, 1, 0), 0);
	assert_false(ring(0)->running);
	/* Stopped for good: not even to throw away */
	front_send(fd, VU_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0);
	assert_true(front_receive(fd, &reply));
	assert_false(ring(1)->running);
	guest_offer(0, 10, 10, false, true);
	guest_offer(1, 0, 10, false, false);
	for (unsigned int i = 0; i < 200; i++)
		serve();
	assert_int_equal(guest_used(0), 10);
	assert_int_equal(guest_used(1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATE_TEST(test_get_features),
		GATE_TEST(test_set_features_not_offered),
		GATE_TEST(test_set_protocol_features_not_offered),
		GATE_TEST(test_set_features_while_running),
		GATE_TEST(test_vring_index_out_of_range),
		GATE_TEST(test_set_vring_num_sizes),
		GATE_TEST(test_packed_size_and_base),
		GATE_TEST(test_set_vring_values),
		GATE_TEST(test_set_vring_eventfd_of_another_kind),
		GATE_TEST(test_set_vring_eventfd_flags),
		GATE_TEST(test_ring_runs_when_complete),
		GATE_TEST(test_ring_runs_without_enable),
		GATE_TEST(test_set_vring_addr_bad),
		GATE_TEST(test_get_vring_base_stops),
		GATE_TEST(test_get_vring_base_never_ran),
		GATE_TEST(test_get_vring_base_of_a_transmit_ring),
		GATE_TEST(test_in_order_returns_a_batch),
		GATE_TEST(test_set_vring_call_changed_while_running),
		GATE_TEST(test_get_vring_base_makes_the_call_that_waits),
		GATE_TEST(test_set_vring_call_made_to_block),
		GATE_TEST(test_set_vring_kick_again),
		GATE_TEST(test_ring_broken_by_the_guest),
		GATE_TEST(test_disabled_transmit_ring_discards),
		GATE_TEST(test_disabled_receive_ring_stands_still),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
