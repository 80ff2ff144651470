/* SPDX-License-Identifier: BSD-3-Clause */
/* test_gate_table.c - Messages that fit no row of the gate's table */
#include "tests/unit/daemon/gate_fixture.h"

#include <netinet/in.h>
#include <sys/eventfd.h>

#define U64   sizeof(uint64_t)
#define STATE sizeof(struct vu_vring_state)

/* The protocol's own words: what a request carries, and if it has a reply */
static const struct {
	uint32_t request, size_min, size_max, fds_max;
	bool replies;
} rows[] = {
	{VU_GET_FEATURES, 0, 0, 0, true},
	{VU_SET_FEATURES, U64, U64, 0, false},
	{VU_SET_OWNER, 0, 0, 0, false},
	{VU_RESET_OWNER, 0, 0, 0, false},
	{VU_SET_MEM_TABLE, 8, sizeof(struct vu_memory), 8, false},
	{VU_SET_LOG_BASE, sizeof(struct vu_log), sizeof(struct vu_log), 1, true},
	{VU_SET_LOG_FD, 0, U64, 1, false},
	{VU_SET_VRING_NUM, STATE, STATE, 0, false},
	{VU_SET_VRING_ADDR, sizeof(struct vu_vring_addr), sizeof(struct vu_vring_addr), 0, false},
	{VU_SET_VRING_BASE, STATE, STATE, 0, false},
	{VU_GET_VRING_BASE, STATE, STATE, 0, true},
	{VU_SET_VRING_KICK, U64, U64, 1, false},
	{VU_SET_VRING_CALL, U64, U64, 1, false},
	{VU_SET_VRING_ERR, U64, U64, 1, false},
	{VU_GET_PROTOCOL_FEATURES, 0, 0, 0, true},
	{VU_SET_PROTOCOL_FEATURES, U64, U64, 0, false},
	{VU_GET_QUEUE_NUM, 0, 0, 0, true},
	{VU_SET_VRING_ENABLE, STATE, STATE, 0, false},
	{VU_SEND_RARP, U64, U64, 0, false},
	{VU_NET_SET_MTU, U64, U64, 0, false},
	{VU_SET_BACKEND_REQ_FD, 0, U64, 1, false},
	{VU_IOTLB_MSG, sizeof(struct vu_iotlb), sizeof(struct vu_iotlb), 0, false},
	{VU_GET_MAX_MEM_SLOTS, 0, 0, 0, true},
	{VU_ADD_MEM_REG, sizeof(struct vu_memory_slot), sizeof(struct vu_memory_slot), 1, false},
	{VU_REM_MEM_REG, sizeof(struct vu_memory_slot), sizeof(struct vu_memory_slot), 1, false},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static bool known(uint32_t request)
{
	for (unsigned int i = 0; i < N_ROWS; i++)
		if (rows[i].request == request)
			return true;
	return false;
}

/*
 * A message is refused: with an error reply if it asked for a reply, else, and
 * where the reply would have to be of another kind, by the end of the connection
 */
static void refused(uint32_t request, bool replies, uint32_t size, const int *fds,
		    unsigned int n_fds)
{
	uint64_t before = fixture.guests[VM1].counters.refused;
	int fd = front_open(VM1);

	if (replies) {
		front_send(fd, request, VU_NEED_REPLY, NULL, size, fds, n_fds);
		assert_true(front_ended(fd));
	} else {
		assert_int_equal(front_ask(fd, request, NULL, size, fds, n_fds), ERROR_REPLY);
		assert_true(front_alive(fd));
	}
	front_close(fd);
	fd = front_open(VM1);
	front_send(fd, request, 0, NULL, size, fds, n_fds);
	assert_true(front_ended(fd));
	front_close(fd);
	assert_int_equal(fixture.guests[VM1].counters.refused, before + 2);
}

static void test_gate_serve_short_payload(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < N_ROWS; i++) {
		if (!rows[i].size_min)
			continue;
		refused(rows[i].request, rows[i].replies, rows[i].size_min - 1, NULL, 0);
		refused(rows[i].request, rows[i].replies, 0, NULL, 0);
	}
}

static void test_gate_serve_long_payload(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < N_ROWS; i++) {
		if (rows[i].size_max == sizeof(union vu_payload))
			continue;
		refused(rows[i].request, rows[i].replies, rows[i].size_max + 1, NULL, 0);
		refused(rows[i].request, rows[i].replies, sizeof(union vu_payload), NULL, 0);
	}
}

static void test_gate_serve_surplus_fds(void **state)
{
	int fds[VU_MAX_FDS];

	for (unsigned int i = 0; i < VU_MAX_FDS; i++)
		fds[i] = mem_fd;
	(void)state;
	for (unsigned int i = 0; i < N_ROWS; i++) {
		if (rows[i].fds_max == VU_MAX_FDS)
			continue;
		refused(rows[i].request, rows[i].replies, rows[i].size_min, fds,
			rows[i].fds_max + 1);
		refused(rows[i].request, rows[i].replies, rows[i].size_min, fds, VU_MAX_FDS);
	}
}

static void test_gate_serve_missing_fds(void **state)
{
	(void)state;
	/* Zeros: ring 0, and no word of there being no descriptor */
	refused(VU_SET_VRING_KICK, false, U64, NULL, 0);
	refused(VU_SET_VRING_CALL, false, U64, NULL, 0);
	refused(VU_SET_VRING_ERR, false, U64, NULL, 0);
	refused(VU_SET_BACKEND_REQ_FD, false, 0, NULL, 0);
	refused(VU_SET_BACKEND_REQ_FD, false, U64, NULL, 0);
}

static void test_gate_serve_unknown(void **state)
{
	static const uint32_t far[] = {64, 255, 256, 0x10000, 0x7fffffff, 0x80000000, UINT32_MAX};
	int fds[] = {mem_fd, mem_fd};

	(void)state;
	for (uint32_t request = 0; request < 48; request++)
		if (!known(request))
			refused(request, false, request % 9, fds, request % 3);
	for (unsigned int i = 0; i < sizeof(far) / sizeof(far[0]); i++)
		refused(far[i], false, 0, NULL, 0);
}

/* Nothing tells where the next message would begin */
static void test_gate_serve_no_message(void **state)
{
	static const struct vu_header headers[] = {
		{VU_GET_QUEUE_NUM, VU_VERSION | VU_NEED_REPLY, sizeof(union vu_payload) + 1},
		{VU_GET_QUEUE_NUM, VU_VERSION | VU_NEED_REPLY, UINT32_MAX},
		{VU_GET_QUEUE_NUM, VU_NEED_REPLY, 0},
		{VU_GET_QUEUE_NUM, 2 | VU_NEED_REPLY, 0},
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		int fd = front_open(VM1);

		send_with_fds(fd, &headers[i], sizeof(headers[i]), NULL, 0);
		assert_true(front_ended(fd));
		front_close(fd);
	}
}

static void test_gate_serve_nine_fds(void **state)
{
	int fds[9], fd = front_open(VM1);

	(void)state;
	for (unsigned int i = 0; i < 9; i++)
		fds[i] = mem_fd;
	front_send(fd, VU_SET_MEM_TABLE, VU_NEED_REPLY, NULL, 264, fds, 9);
	assert_true(front_ended(fd));
}

/* A header whose payload does not come keeps nobody else waiting */
static void test_gate_serve_payload_withheld(void **state)
{
	struct vu_msg msg = {.hdr = {VU_SET_FEATURES, VU_VERSION | VU_NEED_REPLY, U64}};
	int fd = front_open(VM1), other;

	(void)state;
	for (size_t i = 0; i < VU_HEADER_SIZE + U64 - 1; i++) {
		send_with_fds(fd, (char *)&msg + i, 1, NULL, 0);
		for (unsigned int round = 0; round < 5; round++)
			serve();
		other = front_open(VM2);
		assert_true(front_alive(other));
		front_close(other);
	}
	assert_int_equal(recv(fd, &msg, 1, MSG_DONTWAIT), -1);
	send_with_fds(fd, (char *)&msg.payload + U64 - 1, 1, NULL, 0);
	assert_true(front_receive(fd, &msg));
	assert_int_equal(msg.hdr.request, VU_SET_FEATURES);
}

static void test_gate_serve_leaves_in_the_middle(void **state)
{
	struct vu_msg msg = {.hdr = {VU_SET_MEM_TABLE, VU_VERSION | VU_NEED_REPLY, 264}};
	int fds[] = {mem_fd, mem_fd, mem_fd};

	(void)state;
	for (size_t n = 1; n < VU_HEADER_SIZE + 264; n += 25) {
		int fd = front_open(VM1);

		send_with_fds(fd, &msg, n, fds, 3);
		serve();
		front_close(fd);
	}
}

static void test_gate_serve_glued(void **state)
{
	enum { N = 200 };
	struct vu_header headers[N];
	int fd = front_open(VM1);
	struct vu_msg reply;

	(void)state;
	for (unsigned int i = 0; i < N; i++)
		headers[i] = (struct vu_header){i % 2 ? VU_GET_FEATURES : VU_GET_QUEUE_NUM,
						VU_VERSION, 0};
	send_with_fds(fd, headers, sizeof(headers), NULL, 0);
	for (unsigned int i = 0; i < N; i++) {
		assert_true(front_receive(fd, &reply));
		assert_int_equal(reply.hdr.request, headers[i].request);
	}
}

/* A connected TCP socket whose close() would wait for data to be read */
static int lingering(int *ret_peer)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct linger linger = {.l_onoff = 1, .l_linger = 3600};
	static const char data[65536];
	socklen_t len = sizeof(sin);

	assert_int_equal(bind(listener, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sin, &len), 0);
	(void)connect(fd, (struct sockaddr *)&sin, sizeof(sin));
	*ret_peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*ret_peer >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	close(listener);
	return fd;
}

/* As a surplus descriptor, as one that never becomes a message's, as a channel */
static void test_gate_serve_lingering_socket(void **state)
{
	int fd, peer, sock;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		fd = front_open(VM1);
		sock = lingering(&peer);
		if (i == 0)
			front_send(fd, VU_SET_OWNER, 0, NULL, 0, &sock, 1);
		else if (i == 1)
			send_with_fds(fd, "1", 1, &sock, 1);
		else
			front_send(fd, VU_SET_BACKEND_REQ_FD, 0, NULL, 0, &sock, 1);
		close(sock); /* the daemon's is the last */
		for (unsigned int round = 0; round < 5; round++)
			serve();
		front_close(fd);
		SERVE_UNTIL(fixture.guests[VM1].front.fd < 0);
		close(peer);
	}
}

/* Replies that are not read wait, but not without end */
static void test_gate_serve_replies_not_read(void **state)
{
	struct vu_header header = {VU_GET_QUEUE_NUM, VU_VERSION, 0};
	int fd = front_open(VM1), other = front_open(VM2);
	struct guest *guest = &fixture.guests[VM1];
	unsigned int n = 0;

	(void)state;
	while (guest->front.fd >= 0) {
		assert_true(n++ < 1000000);
		if (send(fd, &header, sizeof(header), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			assert_true(errno == EAGAIN || errno == EPIPE);
		serve();
		if (n % 1000 == 0)
			assert_true(front_alive(other));
	}
}

/* Some replies late: they come in order, and the connection goes on */
static void test_gate_serve_replies_read_late(void **state)
{
	int fd = front_open(VM1), small = 4096;
	unsigned int n = 0, got = 0;
	struct vu_msg reply;

	(void)state;
	assert_int_equal(setsockopt(fixture.guests[VM1].front_chan.fd, SOL_SOCKET, SO_SNDBUF,
				    &small, sizeof(small)),
			 0);
	for (; !channel_pending(&fixture.guests[VM1].front_chan); n++) {
		assert_true(n < 10000);
		front_send(fd, n % 2 ? VU_GET_FEATURES : VU_GET_QUEUE_NUM, 0, NULL, 0, NULL, 0);
		serve();
	}
	for (; got < n; got++) {
		assert_true(front_receive(fd, &reply));
		assert_int_equal(reply.hdr.request, got % 2 ? VU_GET_FEATURES : VU_GET_QUEUE_NUM);
	}
	assert_false(channel_pending(&fixture.guests[VM1].front_chan));
	assert_true(front_alive(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GATE_TEST(test_gate_serve_short_payload),
		GATE_TEST(test_gate_serve_long_payload),
		GATE_TEST(test_gate_serve_surplus_fds),
		GATE_TEST(test_gate_serve_missing_fds),
		GATE_TEST(test_gate_serve_unknown),
		GATE_TEST(test_gate_serve_no_message),
		GATE_TEST(test_gate_serve_nine_fds),
		GATE_TEST(test_gate_serve_payload_withheld),
		GATE_TEST(test_gate_serve_leaves_in_the_middle),
		GATE_TEST(test_gate_serve_glued),
		GATE_TEST(test_gate_serve_lingering_socket),
		GATE_TEST(test_gate_serve_replies_not_read),
		GATE_TEST(test_gate_serve_replies_read_late),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_stop);
}
