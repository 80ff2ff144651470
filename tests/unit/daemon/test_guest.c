/* SPDX-License-Identifier: BSD-3-Clause */
/* test_guest.c - Front-ends that come, wait, flood and leave */
#include "tests/unit/daemon/gate_fixture.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "conf/conf.h"
#include "daemon/closer.h"
#include "daemon/listen.h"
#include "iotlb/iotlb.h"

static struct guest *guest(unsigned int i)
{
	return &fixture.guests[i];
}

/* The library has looked at each guest's socket before the first front-end comes: by
 * itself it would do so up to a second later
 */
static void test_guest_open_rouses_the_library(void **state)
{
	(void)state;
	/* The fixture has talked to the first one */
	for (unsigned int i = VM2; i < fixture.conf->n_guests; i++) {
		assert_int_equal(guest(i)->counters.connections, 0);
		assert_true(__atomic_load_n(&guest(i)->lib.vid, __ATOMIC_ACQUIRE) >= 0);
		assert_int_equal(guest(i)->lib.fd, -1);
	}
}

static void test_guest_open_listens(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(guest(VM1)->conf->socket, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, guest(VM1)->conf->perm);
}

/* What the connection has set up when its front-end leaves */
static void leave_at(unsigned int stage)
{
	int fd, backend, call = eventfd(0, EFD_CLOEXEC);
	struct vu_msg msg = {.hdr = {VU_SET_MEM_TABLE, VU_VERSION, 264}};

	if (stage == 0) { /* before the library has accepted it */
		close(call);
		front_close(front_dial(VM1));
		return;
	}
	fd = front_open(VM1);
	if (stage > 1)
		front_negotiate(fd, stage & 1 ? FEATURES : FEATURES | VIOMMU);
	if (stage > 3)
		assert_int_equal(front_backend(fd, &backend), 0);
	if (stage > 5) {
		front_ring(fd, 0, 0, !(stage & 1), call);
		front_ring(fd, 1, 0, !(stage & 1), call);
	}
	if (stage > 7 && !(stage & 1))
		front_map(fd);
	if (stage > 7)
		guest_offer(0, 0, 200, !(stage & 1), true);
	if (stage > 8) /* in the middle of a message with descriptors */
		send_with_fds(fd, &msg, 100, &mem_fd, 1);
	close(call);
	if (stage > 3)
		front_close(backend);
	front_close(fd);
	SERVE_UNTIL(guest(VM1)->front.fd < 0);
	memset(mem, 0, 2 * REGION_SIZE);
}

/* After each stage once, nothing grows any more */
static void test_guest_drop_leaks_nothing(void **state)
{
	enum { N_STAGES = 10, N = 200 };
	unsigned int fds, maps;
	uint64_t before;

	for (unsigned int i = 0; i < N_STAGES; i++)
		leave_at(i);
	fixture_check(state);
	before = guest(VM1)->counters.connections;
	fds = count_fds();
	maps = count_maps("");
	for (unsigned int i = 0; i < N; i++)
		leave_at(i % N_STAGES);
	SERVE_UNTIL(guest(VM1)->front.fd < 0 && count_fds() == fds);
	SERVE_UNTIL(count_maps(MEM_NAME) == 1);
	SERVE_UNTIL(guest(VM1)->counters.connections == before + N);
	/* The heap may grow by a piece; mappings of guests would be hundreds */
	assert_in_range(count_maps(""), 1, maps + 8);
}

/* One front-end at a time: the next one waits, and is served when that leaves */
static void test_guest_second_front_waits(void **state)
{
	int first = front_open(VM1), second = front_dial(VM1);
	uint64_t before = guest(VM1)->counters.connections;
	struct vu_msg reply;

	(void)state;
	front_send(second, VU_GET_QUEUE_NUM, 0, NULL, 0, NULL, 0);
	for (unsigned int i = 0; i < 100; i++)
		assert_true(front_alive(first));
	assert_int_equal(guest(VM1)->counters.connections, before);
	assert_int_equal(recv(second, &reply, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	front_close(first);
	assert_true(front_receive(second, &reply));
	assert_int_equal(reply.payload.u64, 2);
	assert_int_equal(guest(VM1)->counters.connections, before + 1);
	front_negotiate(second, FEATURES); /* nothing is left of the first one's life */
}

/* A flood has its turns, and so have the others */
static void test_guest_turns(void **state)
{
	enum { N = 2000 };
	static struct vu_header headers[N];
	int flood = front_open(VM1), other = front_open(VM2);
	uint64_t before = guest(VM1)->counters.messages;
	struct vu_msg reply;

	(void)state;
	for (unsigned int i = 0; i < N; i++)
		headers[i] = (struct vu_header){VU_GET_QUEUE_NUM, VU_VERSION, 0};
	send_with_fds(flood, headers, sizeof(headers), NULL, 0);
	front_send(other, VU_GET_QUEUE_NUM, 0, NULL, 0, NULL, 0);
	serve();
	assert_in_range(guest(VM1)->counters.messages - before, 1, 130);
	assert_int_equal(recv(other, &reply, 1, MSG_DONTWAIT), 1);
	/* What was read already is served without further input */
	for (unsigned int i = 0; i < N; i++)
		assert_true(front_receive(flood, &reply));
	assert_int_equal(guest(VM1)->counters.messages - before, N);
	assert_int_equal(recv(flood, &reply, 1, MSG_DONTWAIT), -1);
}

/* Messages that take long end the turn before they are as many as others may be */
static void test_guest_turns_of_costly_messages(void **state)
{
	enum { N = 64, BYTES = 15 << 20 };
	struct vu_memory m = {.n_regions = 1, .regions = {{0, BYTES, USER_0, 0}}};
	struct vu_msg msgs[N] = {0}, reply;
	uint8_t bytes[N * (VU_HEADER_SIZE + sizeof(struct vu_iotlb))];
	int flood = front_open(VM1), other = front_open(VM2);
	int file = memfd_create("costly", MFD_CLOEXEC);
	size_t len = VU_HEADER_SIZE + sizeof(struct vu_iotlb);
	uint64_t before;

	(void)state;
	assert_int_equal(ftruncate(file, BYTES), 0);
	assert_int_equal(front_u64(flood, VU_SET_FEATURES, FEATURES | VIOMMU), 0);
	assert_int_equal(front_ask(flood, VU_SET_MEM_TABLE, &m,
				   offsetof(struct vu_memory, regions[1]), &file, 1),
			 0);
	close(file);
	for (unsigned int i = 0; i < N; i++) {
		msgs[i].hdr = (struct vu_header){VU_IOTLB_MSG, VU_VERSION, sizeof(struct vu_iotlb)};
		/* The low bits differ: an entry for each page */
		msgs[i].payload.iotlb =
			(struct vu_iotlb){.iova = 0x800 + i % 2 * UINT64_C(0x10000000),
					  .size = BYTES,
					  .user_addr = USER_0,
					  .perm = IOTLB_READ,
					  .type = VU_IOTLB_UPDATE};
		memcpy(bytes + i * len, &msgs[i], len);
	}
	before = guest(VM1)->counters.messages;
	send_with_fds(flood, bytes, sizeof(bytes), NULL, 0);
	front_send(other, VU_GET_QUEUE_NUM, 0, NULL, 0, NULL, 0);
	serve();
	assert_in_range(guest(VM1)->counters.messages - before, 1, N - 1);
	assert_int_equal(recv(other, &reply, 1, MSG_DONTWAIT), 1);
	SERVE_UNTIL(guest(VM1)->counters.messages == before + N);
}

/* One whose files cannot be closed is not served until they are */
static void test_guest_not_served_while_files_are_stuck(void **state)
{
	struct guest *vm1 = guest(VM1);
	uint64_t waiting = vm1->counters.waiting;
	int fd = front_open(VM1), tty = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct vu_msg reply;

	(void)state;
	assert_true(tty >= 0);
	assert_int_equal(front_ask(fd, VU_SET_OWNER, NULL, 0, &tty, 1), ERROR_REPLY);
	assert_int_equal(vm1->counters.waiting, waiting + 1);
	SERVE_UNTIL(!__atomic_load_n(&vm1->closer->stuck, __ATOMIC_RELAXED));
	close(tty);
	assert_true(front_alive(fd));

	__atomic_store_n(&vm1->closer->stuck, CLOSER_STUCK_MAX + 1, __ATOMIC_RELAXED);
	front_send(fd, VU_GET_QUEUE_NUM, 0, NULL, 0, NULL, 0);
	SERVE_UNTIL(vm1->front.fd < 0);
	front_close(fd);
	fd = front_dial(VM1);
	front_send(fd, VU_GET_QUEUE_NUM, 0, NULL, 0, NULL, 0);
	for (unsigned int i = 0; i < 50; i++) {
		serve();
		usleep(10000);
	}
	assert_true(vm1->front.fd < 0);
	__atomic_store_n(&vm1->closer->stuck, 0, __ATOMIC_RELAXED);
	assert_true(front_receive(fd, &reply));
	assert_int_equal(reply.hdr.request, VU_GET_QUEUE_NUM);
}

/* Messages are waiting for their turn when the connection ends */
static void test_guest_drop_during_a_flood(void **state)
{
	static struct vu_header headers[300];

	(void)state;
	for (unsigned int i = 0; i < 300; i++)
		headers[i] = (struct vu_header){VU_GET_QUEUE_NUM, VU_VERSION, 0};
	headers[100].request = 77; /* refused: ends it in the second turn */
	for (unsigned int i = 0; i < 20; i++) {
		int fd = front_open(VM1);

		send_with_fds(fd, headers, sizeof(headers), NULL, 0);
		if (i % 2)
			SERVE_UNTIL(guest(VM1)->front.fd < 0);
		else
			serve();
		front_close(fd);
		SERVE_UNTIL(guest(VM1)->front.fd < 0);
		assert_false(guest(VM1)->again.armed);
	}
}

/* The end of one guest's connection is nothing to the other's */
static void test_guest_drop_leaves_others_alone(void **state)
{
	int vm2 = front_open(VM2);

	(void)state;
	front_negotiate(vm2, FEATURES);
	guest_offer(1, 0, 10, false, false);
	front_ring(vm2, 1, 0, false, -1);
	SERVE_UNTIL(guest_used(1) == 10);
	for (unsigned int i = 0; i < 20; i++) {
		int vm1 = front_open(VM1);

		front_negotiate(vm1, FEATURES | VIOMMU);
		front_ring(vm1, 2, 0, true, -1);
		front_close(vm1);
		guest_offer(1, (uint16_t)(10 + i), 1, false, false);
		SERVE_UNTIL(guest_used(1) == 11 + i);
	}
}

/* Closed while served, and opened again: the socket goes and comes */
/* One that stays after it closed its backend channel is remembered until the next
 * check; one that leaves is not
 */
static void test_guest_lone_front(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	for (int leaves = 0; leaves < 2; leaves++) {
		int fd = front_open(VM1), backend;

		front_negotiate(fd, FEATURES | VIOMMU);
		assert_int_equal(front_backend(fd, &backend), 0);
		front_close(backend);
		SERVE_UNTIL(guest(VM1)->backend.fd < 0);
		assert_true(guest(VM1)->lone);
		if (!leaves) {
			guest_check(guest(VM1));
			assert_true(guest(VM1)->front.fd >= 0);
			assert_false(guest(VM1)->lone);
		}
		front_close(fd);
		SERVE_UNTIL(guest(VM1)->front.fd < 0);
		assert_false(guest(VM1)->lone);
	}
}

static void test_guest_close_served(void **state)
{
	struct guest *vm2 = guest(VM2);
	const char *path = vm2->conf->socket;
	int fd = front_open(VM2);

	(void)state;
	thread_role_assume(&ctl_role);
	front_negotiate(fd, FEATURES);
	front_ring(fd, 0, 0, false, -1);
	guest_close(vm2);
	assert_int_equal(access(path, F_OK), -1);
	assert_true(front_ended(fd));
	memset(vm2, 0, sizeof(*vm2));
	assert_int_equal(guest_open(vm2, &fixture, VM2), 0);
	front_negotiate(front_open(VM2), FEATURES);
}

/* Somebody else's socket stays, and the guest that wanted it can be closed */
static void test_guest_open_refused(void **state)
{
	struct guest *vm2 = guest(VM2);
	unsigned int fds = count_fds();
	int fd, client = -1;

	(void)state;
	thread_role_assume(&ctl_role);
	guest_close(vm2);
	memset(vm2, 0, sizeof(*vm2));
	assert_int_equal(listen_open(vm2->conf ? vm2->conf : &fixture.conf->guests[VM2], &fd), 0);
	assert_int_equal(guest_open(vm2, &fixture, VM2), -EADDRINUSE);
	guest_close(vm2);
	assert_int_equal(listen_connect(&fixture.conf->guests[VM2], &client), 0);
	close(client);
	close(fd);
	memset(vm2, 0, sizeof(*vm2));
	assert_int_equal(guest_open(vm2, &fixture, VM2), 0);
	assert_int_equal(count_fds(), fds);
}

/* In client mode: it comes when somebody listens, again and again */
static void test_guest_client(void **state)
{
	const struct conf_guest *gc = &fixture.conf->guests[VM3];
	int listener, fd;

	(void)state;
	thread_role_assume(&ctl_role);
	for (unsigned int i = 0; i < 50; i++)
		serve();
	assert_int_equal(guest(VM3)->front.fd, -1);
	assert_int_equal(listen_open(gc, &listener), 0);
	for (unsigned int i = 0; i < 3; i++) {
		SERVE_UNTIL((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0);
		front_negotiate(fd, FEATURES);
		assert_true(guest(VM3)->front.fd >= 0);
		assert_false(guest(VM3)->retry.armed);
		close(fd);
		SERVE_UNTIL(guest(VM3)->front.fd < 0);
	}
	close(listener);
	unlink(gc->socket);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATE_TEST(test_guest_open_rouses_the_library),
		GATE_TEST(test_guest_open_listens),
		GATE_TEST(test_guest_drop_leaks_nothing),
		GATE_TEST(test_guest_second_front_waits),
		GATE_TEST(test_guest_turns),
		GATE_TEST(test_guest_turns_of_costly_messages),
		GATE_TEST(test_guest_not_served_while_files_are_stuck),
		GATE_TEST(test_guest_drop_during_a_flood),
		GATE_TEST(test_guest_drop_leaves_others_alone),
		GATE_TEST(test_guest_lone_front),
		GATE_TEST(test_guest_close_served),
		GATE_TEST(test_guest_open_refused),
		GATE_TEST(test_guest_client),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
