/* SPDX-License-Identifier: BSD-3-Clause */
/* test_channel.c - Messages out of a stream, and into one that is not read */
#include "tests/unit/daemon/daemon_test.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "daemon/channel.h"

static struct channel ch;
static int peer;
static unsigned int fds_before;

static int setup(void **state)
{
	int sv[2];

	(void)state;
	thread_role_assume(&ctl_role);
	fds_before = count_fds();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return -1;
	memset(&ch, 0xa5, sizeof(ch));
	channel_open(&ch, sv[0]);
	peer = sv[1];
	return 0;
}

/* Every test ends here: nothing that came in may stay open */
static int teardown(void **state)
{
	(void)state;
	thread_role_assume(&ctl_role);
	channel_close(&ch);
	channel_close(&ch); /* closing twice is harmless */
	if (peer >= 0)
		close(peer);
	return count_fds() == fds_before ? 0 : -1;
}

/* A message whose payload is a pattern that starts with @seed */
static struct vu_msg message(uint32_t request, uint32_t size, uint8_t seed)
{
	struct vu_msg msg = {.hdr = {.request = request, .flags = VU_VERSION, .size = size}};

	for (uint32_t i = 0; i < size; i++)
		((uint8_t *)&msg.payload)[i] = (uint8_t)(seed + i);
	return msg;
}

static size_t whole(const struct vu_msg *msg)
{
	return VU_HEADER_SIZE + msg->hdr.size;
}

static void put(const struct vu_msg *msg, const int *fds, unsigned int n_fds)
{
	send_with_fds(peer, msg, whole(msg), fds, n_fds);
}

/* Expect a message next, and return how many descriptors it has */
static unsigned int take(const struct vu_msg *expected, int *ret_fds)
{
	unsigned int n_fds = 99;
	struct vu_msg msg;

	thread_role_assume(&ctl_role);
	memset(&msg, 0xff, sizeof(msg));
	assert_int_equal(channel_next(&ch, &msg, ret_fds, &n_fds), 1);
	assert_memory_equal(&msg, expected, sizeof(msg)); /* zeros behind the payload, too */
	return n_fds;
}

/* Expect that no message is whole */
static void take_none(void)
{
	int fds[VU_MAX_FDS];
	unsigned int n_fds;
	struct vu_msg msg;

	thread_role_assume(&ctl_role);
	assert_int_equal(channel_next(&ch, &msg, fds, &n_fds), 0);
}

static int receive(void)
{
	thread_role_assume(&ctl_role);
	return channel_receive(&ch);
}

static void test_channel_open_nonblocking(void **state)
{
	(void)state;
	assert_true(fcntl(ch.fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(receive(), -EAGAIN);
	take_none();
}

static void test_channel_next_split_everywhere(void **state)
{
	const struct vu_msg msg = message(VU_IOTLB_MSG, sizeof(struct vu_iotlb), 1);
	int fds[VU_MAX_FDS];

	(void)state;
	for (size_t cut = 1; cut < whole(&msg); cut++) {
		send_with_fds(peer, &msg, cut, NULL, 0);
		assert_int_equal(receive(), 0);
		take_none();
		send_with_fds(peer, (const char *)&msg + cut, whole(&msg) - cut, NULL, 0);
		assert_int_equal(receive(), 0);
		assert_int_equal(take(&msg, fds), 0);
		take_none();
	}
}

static void test_channel_next_byte_by_byte(void **state)
{
	const struct vu_msg msg = message(VU_SET_MEM_TABLE, sizeof(struct vu_memory), 7);
	int fds[VU_MAX_FDS];

	(void)state;
	for (size_t i = 0; i < whole(&msg); i++) {
		take_none();
		send_with_fds(peer, (const char *)&msg + i, 1, NULL, 0);
		assert_int_equal(receive(), 0);
	}
	assert_int_equal(take(&msg, fds), 0);
}

static void test_channel_next_glued(void **state)
{
	static const uint32_t sizes[] = {264, 0, 8, 40, 0, 32, 1};
	struct vu_msg msgs[7];
	uint8_t bytes[7 * sizeof(struct vu_msg)];
	int fds[VU_MAX_FDS];
	size_t len = 0;

	(void)state;
	for (unsigned int i = 0; i < 7; i++) {
		msgs[i] = message(i + 1, sizes[i], (uint8_t)(i * 16));
		memcpy(bytes + len, &msgs[i], whole(&msgs[i]));
		len += whole(&msgs[i]);
	}
	send_with_fds(peer, bytes, len - 1, NULL, 0);
	assert_int_equal(receive(), 0);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(take(&msgs[i], fds), 0);
	take_none();
	send_with_fds(peer, bytes + len - 1, 1, NULL, 0);
	assert_int_equal(receive(), 0);
	assert_int_equal(take(&msgs[6], fds), 0);
}

static void test_channel_next_largest_payload(void **state)
{
	const struct vu_msg msg = message(1, sizeof(msg.payload), 3);
	int fds[VU_MAX_FDS];

	(void)state;
	put(&msg, NULL, 0);
	assert_int_equal(receive(), 0);
	assert_int_equal(take(&msg, fds), 0);
}

static void test_channel_next_oversize(void **state)
{
	static const uint32_t sizes[] = {sizeof(union vu_payload) + 1, 0x10000, UINT32_MAX - 11,
					 UINT32_MAX};
	int fds[VU_MAX_FDS];
	unsigned int n_fds;

	thread_role_assume(&ctl_role);
	for (unsigned int i = 0; i < 4; i++) {
		struct vu_msg msg = message(1, 0, 0);

		msg.hdr.size = sizes[i];
		send_with_fds(peer, &msg, VU_HEADER_SIZE, NULL, 0);
		assert_int_equal(receive(), 0);
		assert_int_equal(channel_next(&ch, &msg, fds, &n_fds), -EPROTO);
		teardown(state);
		setup(state);
	}
}

static void test_channel_next_wrong_version(void **state)
{
	static const uint32_t flags[] = {0, 2, 3, VU_NEED_REPLY};
	int fds[VU_MAX_FDS];
	unsigned int n_fds;

	thread_role_assume(&ctl_role);
	for (unsigned int i = 0; i < 4; i++) {
		struct vu_msg msg = message(1, 8, 0);

		msg.hdr.flags = flags[i];
		send_with_fds(peer, &msg, VU_HEADER_SIZE, NULL, 0); /* the payload is not awaited */
		assert_int_equal(receive(), 0);
		assert_int_equal(channel_next(&ch, &msg, fds, &n_fds), -EPROTO);
		teardown(state);
		setup(state);
	}
}

/* Descriptors belong to the message they were sent with, glued or not */
static void test_channel_next_fds_of_the_second(void **state)
{
	const struct vu_msg a = message(1, 8, 1), b = message(2, 40, 2), c = message(3, 0, 3);
	int mem[2] = {memfd_create("a", 0), memfd_create("b", 0)};
	int fds[VU_MAX_FDS];

	(void)state;
	put(&a, NULL, 0);
	put(&b, mem, 2);
	put(&c, NULL, 0);
	assert_int_equal(receive(), 0);
	assert_int_equal(take(&a, fds), 0);
	assert_int_equal(take(&b, fds), 2);
	assert_true(same_file(fds[0], mem[0]) && same_file(fds[1], mem[1]));
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	vu_close_fds(fds, 2);
	assert_int_equal(fds[0], -1);
	take_none();
	assert_int_equal(receive(), 0);
	assert_int_equal(take(&c, fds), 0);
	vu_close_fds(mem, 2);
}

static void test_channel_next_fds_of_both(void **state)
{
	const struct vu_msg a = message(1, 8, 1), b = message(2, 40, 2);
	int mem[2] = {memfd_create("a", 0), memfd_create("b", 0)};
	int fds[VU_MAX_FDS];

	(void)state;
	put(&a, &mem[0], 1);
	put(&b, &mem[1], 1);
	assert_int_equal(receive(), 0);
	assert_int_equal(take(&a, fds), 1);
	assert_true(same_file(fds[0], mem[0]));
	vu_close_fds(fds, 1);
	take_none();
	assert_int_equal(receive(), 0);
	assert_int_equal(take(&b, fds), 1);
	assert_true(same_file(fds[0], mem[1]));
	vu_close_fds(fds, 1);
	vu_close_fds(mem, 2);
}

/* A front-end may send the header with one descriptor, the payload with another */
static void test_channel_next_fds_of_a_split(void **state)
{
	const struct vu_msg a = message(1, 8, 1), b = message(2, 40, 2);
	int mem[2] = {memfd_create("a", 0), memfd_create("b", 0)};
	int fds[VU_MAX_FDS];

	(void)state;
	put(&a, NULL, 0);
	send_with_fds(peer, &b, VU_HEADER_SIZE, &mem[0], 1);
	assert_int_equal(receive(), 0);
	assert_int_equal(take(&a, fds), 0);
	take_none();
	send_with_fds(peer, &b.payload, b.hdr.size, &mem[1], 1);
	put(&a, NULL, 0);
	assert_int_equal(receive(), 0);
	assert_int_equal(take(&b, fds), 2);
	assert_true(same_file(fds[0], mem[0]) && same_file(fds[1], mem[1]));
	vu_close_fds(fds, 2);
	assert_int_equal(receive(), 0);
	assert_int_equal(take(&a, fds), 0);
	vu_close_fds(mem, 2);
}

/* Take what is whole of two messages, the second of which has descriptors */
static void take_pair(const struct vu_msg pair[2], unsigned int *n_taken, const int *mem,
		      unsigned int n_fds)
{
	int fds[VU_MAX_FDS];
	unsigned int n = 99;
	struct vu_msg msg;

	thread_role_assume(&ctl_role);
	while (channel_next(&ch, &msg, fds, &n) > 0) {
		assert_true(*n_taken < 2);
		assert_memory_equal(&msg, &pair[*n_taken], sizeof(msg));
		assert_int_equal(n, *n_taken ? n_fds : 0);
		for (unsigned int i = 0; i < n; i++)
			assert_true(same_file(fds[i], mem[i]));
		vu_close_fds(fds, n);
		(*n_taken)++;
	}
}

/* Any pieces, in any order of sending and reading: the same messages come out */
static void test_channel_next_random_pieces(void **state)
{
	int mem[3] = {memfd_create("0", 0), memfd_create("1", 0), memfd_create("2", 0)};

	(void)state;
	srand(1);
	for (unsigned int i = 0; i < 5000; i++) {
		struct vu_msg pair[2] = {message(1, (uint32_t)rand() % 20, (uint8_t)i),
					 message(2, (uint32_t)rand() % 265, (uint8_t)i)};
		unsigned int n_fds = (unsigned int)rand() % 4, n_taken = 0;

		for (unsigned int m = 0; m < 2; m++) {
			size_t left = whole(&pair[m]), sent = 0;

			for (; left; left -= sent) {
				const char *rest = (char *)&pair[m] + whole(&pair[m]) - left;

				/* The first piece has the descriptors, as with QEMU */
				sent = 1 + (size_t)rand() % left;
				send_with_fds(peer, rest, sent, mem,
					      m && left == whole(&pair[1]) ? n_fds : 0);
				if (rand() % 3 == 0) {
					assert_int_equal(receive(), 0);
					take_pair(pair, &n_taken, mem, n_fds);
				}
			}
		}
		while (n_taken < 2) {
			assert_int_equal(receive(), 0);
			take_pair(pair, &n_taken, mem, n_fds);
		}
	}
	vu_close_fds(mem, 3);
}

static void test_channel_receive_most_fds(void **state)
{
	const struct vu_msg msg = message(1, 0, 0);
	int mem = memfd_create("a", 0), many[VU_MAX_FDS], fds[VU_MAX_FDS];

	(void)state;
	for (unsigned int i = 0; i < VU_MAX_FDS; i++)
		many[i] = mem;
	put(&msg, many, VU_MAX_FDS);
	assert_int_equal(receive(), 0);
	assert_int_equal(take(&msg, fds), VU_MAX_FDS);
	vu_close_fds(fds, VU_MAX_FDS);
	close(mem);
}

static void test_channel_receive_too_many_fds(void **state)
{
	const struct vu_msg msg = message(1, 0, 0);
	int mem = memfd_create("a", 0), many[40];

	(void)state;
	for (unsigned int i = 0; i < 40; i++)
		many[i] = mem;
	for (unsigned int n = VU_MAX_FDS + 1; n <= 40; n++) {
		put(&msg, many, n);
		assert_int_equal(receive(), -EPROTO);
	}
	close(mem);
}

static void test_channel_receive_too_many_fds_in_pieces(void **state)
{
	const struct vu_msg msg = message(1, 8, 0);
	int mem = memfd_create("a", 0), many[VU_MAX_FDS];

	(void)state;
	for (unsigned int i = 0; i < VU_MAX_FDS; i++)
		many[i] = mem;
	send_with_fds(peer, &msg, VU_HEADER_SIZE, many, 5);
	assert_int_equal(receive(), 0);
	take_none();
	send_with_fds(peer, &msg.payload, 8, many, 4);
	assert_int_equal(receive(), -EPROTO);
	close(mem);
}

/* What came with a message that never became whole is closed with the channel */
static void test_channel_receive_end_in_the_middle(void **state)
{
	const struct vu_msg msg = message(1, 8, 0);
	int mem = memfd_create("a", 0);

	(void)state;
	send_with_fds(peer, &msg, whole(&msg) - 1, &mem, 1);
	close(mem);
	close(peer);
	peer = -1;
	assert_int_equal(receive(), 0);
	take_none();
	assert_int_equal(receive(), -ECONNRESET);
}

static void test_channel_send_to_nobody(void **state)
{
	const struct vu_msg msg = message(1, 8, 0);

	(void)state;
	thread_role_assume(&ctl_role);
	close(peer);
	peer = -1;
	assert_int_equal(channel_send(&ch, &msg), -EPIPE); /* and no SIGPIPE */
	assert_int_equal(channel_flush(&ch), -EPIPE);
}

static struct vu_msg numbered(uint32_t i)
{
	struct vu_msg msg = message(i, sizeof(struct vu_iotlb), 0);

	msg.payload.iotlb.iova = UINT64_C(0x1000) * i;
	return msg;
}

/* Read what was sent and count the messages, which are numbered from *next on */
static void drain(uint32_t *next, uint32_t end)
{
	const size_t size = VU_HEADER_SIZE + sizeof(struct vu_iotlb);

	thread_role_assume(&ctl_role);
	while (*next < end) {
		struct vu_msg msg, expected = numbered(*next);

		for (size_t n = 0; n < size;) {
			ssize_t got = recv(peer, (char *)&msg + n, size - n, MSG_DONTWAIT);

			if (got < 0 && !channel_pending(&ch))
				return assert_int_equal(n, 0);
			if (got < 0)
				assert_int_equal(channel_flush(&ch), 0);
			else
				n += (size_t)got;
		}
		assert_memory_equal(&msg, &expected, size);
		(*next)++;
	}
}
/* Corked, messages wait for each other, but a full queue for nobody */
static void test_channel_cork(void **state)
{
	const uint32_t many = 2 * CHANNEL_OUT_BYTES / sizeof(struct vu_iotlb);
	uint32_t next = 0;
	char byte;

	(void)state;
	thread_role_assume(&ctl_role);
	channel_cork(&ch);
	for (uint32_t i = 0; i < 3; i++) {
		struct vu_msg msg = numbered(i);

		assert_int_equal(channel_send(&ch, &msg), 0);
	}
	assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	assert_int_equal(channel_uncork(&ch), 0);
	drain(&next, 3);
	channel_cork(&ch);
	for (uint32_t i = 3; i < many; i++) {
		struct vu_msg msg = numbered(i);

		assert_int_equal(channel_send(&ch, &msg), 0);
	}
	assert_int_equal(channel_uncork(&ch), 0);
	drain(&next, many);
}

/* Whether a second look at the socket would be in vain */
static void test_channel_drained(void **state)
{
	const struct vu_msg msg = message(1, 8, 0);

	(void)state;
	thread_role_assume(&ctl_role);
	put(&msg, NULL, 0);
	assert_int_equal(receive(), 0);
	assert_true(ch.drained);
	for (size_t n = 0; n < CHANNEL_IN_BYTES; n += whole(&msg))
		put(&msg, NULL, 0);
	assert_int_equal(receive(), 0);
	assert_false(ch.drained);
}

static void test_channel_send_peer_does_not_read(void **state)
{
	int small = 4096;
	uint32_t sent = 0, got = 0;
	struct vu_msg msg;
	int err = 0;

	(void)state;
	thread_role_assume(&ctl_role);
	assert_int_equal(setsockopt(ch.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	while (!err && sent < 100000) {
		msg = numbered(sent);
		err = channel_send(&ch, &msg);
		sent += !err;
	}
	assert_int_equal(err, -ENOBUFS);
	assert_true(channel_pending(&ch));
	assert_true(ch.out_len <= CHANNEL_OUT_BYTES);
	assert_true(sent >= CHANNEL_OUT_BYTES / sizeof(msg));

	/* Some room, some more messages: the order stays */
	drain(&got, 10);
	assert_int_equal(got, 10);
	assert_int_equal(channel_flush(&ch), 0);
	for (int i = 0; i < 5; i++) {
		msg = numbered(sent);
		if (!channel_send(&ch, &msg))
			sent++;
	}
	drain(&got, sent);
	assert_int_equal(got, sent);
	assert_false(channel_pending(&ch));
	assert_int_equal(recv(peer, &msg, 1, MSG_DONTWAIT), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_channel_open_nonblocking),
		TEST(test_channel_next_split_everywhere),
		TEST(test_channel_next_byte_by_byte),
		TEST(test_channel_next_glued),
		TEST(test_channel_next_largest_payload),
		TEST(test_channel_next_oversize),
		TEST(test_channel_next_wrong_version),
		TEST(test_channel_next_fds_of_the_second),
		TEST(test_channel_next_fds_of_both),
		TEST(test_channel_next_fds_of_a_split),
		TEST(test_channel_next_random_pieces),
		TEST(test_channel_receive_most_fds),
		TEST(test_channel_receive_too_many_fds),
		TEST(test_channel_receive_too_many_fds_in_pieces),
		TEST(test_channel_receive_end_in_the_middle),
		TEST(test_channel_send_to_nobody),
		TEST(test_channel_send_peer_does_not_read),
		TEST(test_channel_cork),
		TEST(test_channel_drained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
