/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_gate.c - A front-end that sends anything
 *
 * Covers daemon/: channel.c, the gate with all its handlers, device.c, guest.c,
 * resolver.c, and beneath them librte_vhost and a real poll-mode thread, which
 * polls whatever rings come to run.  It is the daemon of the unit tests
 * (gate_fixture.h), and its control thread is this one.
 *
 * Script: records.  Most are a message: its request, and its payload as an honest
 * front-end would send it, in which some bytes are then changed; its size, the
 * bytes really sent and the descriptors can lie.  Others send raw bytes, play a
 * whole honest session up to running rings, write the rings in guest memory,
 * truncate its file, or leave.
 *
 * After each script the front-end leaves, and every descriptor must be gone.
 *
 * The poll-mode thread runs beside, so the same script need not take the same way
 * twice.
 */
#include "tests/fuzz/input.h"

#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "daemon/backing.h"
#include "tests/fuzz/gate_honest.h"

#define RECORDS_MAX 128
#define FDS_MAX	    10 /* two more than a message may carry */
#define BATCH_MAX   4096

/* Records that are no message; all below are the request they number */
enum {
	DO_SESSION = 32,
	DO_SERVE,
	DO_RAW,
	DO_OFFER,
	DO_KICK,
	DO_SCRIBBLE,
	DO_TRUNCATE,
	DO_HANG_UP,
	DO_CLOSE_BACKEND,
	DO_END,
};

/**
 * struct play - One script being played
 * @fd:		Front-end's socket, or -1
 * @backend:	Our end of the backend channel, or -1
 * @victim:	Guest memory, or a log, that may be truncated
 * @event:	eventfd that rings were given
 * @viommu:	The session's features have ACCESS_PLATFORM
 * @deaf:	Answers are left unread
 * @batch:	Messages to be sent with the next one
 * @n_batch:	Bytes of them
 */
struct play {
	struct input in;
	int fd;
	int backend;
	int victim;
	int event;
	bool viommu;
	bool deaf;
	uint8_t batch[BATCH_MAX];
	size_t n_batch;
};

static void leave(void)
{
	(void)fixture_stop(NULL);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char name[64];

	(void)argc, (void)argv;
	/* What the fixture asserts is a finding like any other */
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	/* libFuzzer names what it reaches by a child process: its pipes are no leak */
	__sanitizer_symbolize_pc((void *)(uintptr_t)leave, "%f", name, sizeof(name));
	FUZZ_CHECK(!fixture_start(NULL));
	atexit(leave);
	return 0;
}

/* ------------------------------------------------------------- descriptors -- */

/**
 * make_fd() - A descriptor of some kind
 * @p:		Play
 * @kind:	From the script
 * Return: New descriptor
 */
static int make_fd(struct play *p, uint8_t kind)
{
	char path[32];
	int sv[2];

	switch (kind % 12) {
	case 0:
		return dup(mem_fd);
	case 1:
		return dup(p->event);
	case 2:
		return dup(p->victim);
	case 3: /* blocking: the gate has to see to that */
		return eventfd(UINT32_MAX, EFD_CLOEXEC);
	case 4:
		FUZZ_CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
		if (p->backend >= 0)
			close(p->backend);
		p->backend = sv[0];
		return sv[1];
	case 5:
		return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	case 6:
		return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	case 7:
		return epoll_create1(EPOLL_CLOEXEC);
	case 8:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 9:
		return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	case 10: /* cannot be mapped for writing */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", mem_fd);
		return open(path, O_RDONLY | O_CLOEXEC);
	default:
		return memfd_create("empty", MFD_CLOEXEC);
	}
}

/**
 * honest_fds() - The descriptors an honest front-end sends
 * @p:		Play
 * @request:	Request
 * @fds:	Filled in
 * Return: How many
 */
static unsigned int honest_fds(struct play *p, uint32_t request, int *fds)
{
	switch (request) {
	case VU_SET_MEM_TABLE:
		fds[0] = make_fd(p, 0);
		fds[1] = make_fd(p, 0);
		return 2;
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
		fds[0] = make_fd(p, 1);
		return 1;
	case VU_SET_LOG_BASE:
		fds[0] = make_fd(p, 2);
		return 1;
	case VU_SET_LOG_FD:
		fds[0] = make_fd(p, 1);
		return 1;
	case VU_SET_BACKEND_REQ_FD:
		fds[0] = make_fd(p, 4);
		return 1;
	default:
		return 0;
	}
}

/**
 * read_fds() - The descriptors the script wants
 * @p:		Play
 * @fds:	Filled in
 * Return: How many
 */
static unsigned int read_fds(struct play *p, int *fds)
{
	unsigned int n = input_u8(&p->in) % (FDS_MAX + 1);

	for (unsigned int i = 0; i < n; i++) {
		fds[i] = make_fd(p, input_u8(&p->in));
		FUZZ_CHECK(fds[i] >= 0);
	}
	return n;
}

/* -------------------------------------------------------------- the socket -- */

/**
 * read_answers() - Take what the daemon sent, so that it can send more
 * @fd:	Socket or -1
 */
static void read_answers(int fd)
{
	uint8_t unread[4096];

	while (fd >= 0 && recv(fd, unread, sizeof(unread), MSG_DONTWAIT) > 0)
		;
}

/**
 * transmit() - Send bytes and descriptors, and have the daemon look at them
 * @p:		Play
 * @buf:	Bytes
 * @len:	How many
 * @fds:	Descriptors, closed
 * @n_fds:	How many
 */
static void transmit(struct play *p, const uint8_t *buf, size_t len, int *fds, unsigned int n_fds)
{
	union {
		char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c = &control.align;

	if (n_fds) {
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	if (len && p->fd < 0)
		p->fd = front_open(VM1);
	/* One that has been hung up on learns it here */
	if (len && sendmsg(p->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		front_close(p->fd);
		p->fd = -1;
	}
	while (n_fds)
		close(fds[--n_fds]);
	serve();
	if (p->deaf)
		return;
	read_answers(p->fd);
	read_answers(p->backend);
}

/**
 * send_message() - Send a message, or keep it to be sent with the next
 * @p:		Play
 * @msg:	Message
 * @len:	Bytes of it, which need not be what it says
 * @later:	Keep it, if there is room and it has no descriptors
 * @fds:	Descriptors, closed
 * @n_fds:	How many
 */
static void send_message(struct play *p, const struct vu_msg *msg, size_t len, bool later, int *fds,
			 unsigned int n_fds)
{
	if (p->n_batch + len > sizeof(p->batch)) {
		transmit(p, p->batch, p->n_batch, NULL, 0);
		p->n_batch = 0;
	}
	memcpy(p->batch + p->n_batch, msg, len);
	p->n_batch += len;
	if (later && !n_fds)
		return;
	transmit(p, p->batch, p->n_batch, fds, n_fds);
	p->n_batch = 0;
}

/* ------------------------------------------------------------- the records -- */

/**
 * do_message() - Send one message
 * @p:		Play
 * @request:	Request
 */
static void do_message(struct play *p, uint32_t request)
{
	uint8_t what = input_u8(&p->in), how = input_u8(&p->in);
	struct vu_msg msg = {.hdr = {.request = request, .flags = VU_VERSION}};
	int fds[FDS_MAX];
	unsigned int n_fds;
	size_t len;

	gate_honest(request, what, &p->viommu, &msg);
	len = VU_HEADER_SIZE + msg.hdr.size;
	n_fds = how & 4 ? read_fds(p, fds) : honest_fds(p, request, fds);
	if (how & 8)
		msg.hdr.flags |= VU_NEED_REPLY;
	for (unsigned int n = how & 3; n; n--) {
		uint16_t at = input_u16(&p->in);

		((uint8_t *)&msg)[at % sizeof(msg)] ^= input_u8(&p->in);
	}
	if (how & 16)
		msg.hdr.size = input_u16(&p->in);
	p->deaf = how & 128;
	if (how & 32)
		len = 1 + input_u16(&p->in) % sizeof(msg);
	send_message(p, &msg, len, how & 64, fds, n_fds);
}

/**
 * do_session() - Play an honest front-end up to rings that run
 * @p:	Play
 */
static void do_session(struct play *p)
{
	static const uint8_t device[] = {VU_GET_FEATURES,
					 VU_GET_PROTOCOL_FEATURES,
					 VU_SET_PROTOCOL_FEATURES,
					 VU_GET_QUEUE_NUM,
					 VU_SET_OWNER,
					 VU_SET_BACKEND_REQ_FD,
					 VU_SET_FEATURES,
					 VU_SET_MEM_TABLE};
	static const uint8_t ring[] = {VU_SET_VRING_NUM,  VU_SET_VRING_BASE, VU_SET_VRING_ADDR,
				       VU_SET_VRING_CALL, VU_SET_VRING_KICK, VU_SET_VRING_ENABLE};
	uint8_t what = input_u8(&p->in);
	struct vu_msg msg;
	int fds[2];

	for (unsigned int i = 0; i < sizeof(device) + 2 * sizeof(ring) + 2; i++) {
		unsigned int r = i - (unsigned int)sizeof(device);
		uint8_t request = VU_IOTLB_MSG, arg = what;

		if (i < sizeof(device)) {
			request = device[i];
		} else if (r < 2 * sizeof(ring)) {
			request = ring[r % sizeof(ring)];
			arg = (uint8_t)(r / sizeof(ring) + (what >> 4 & 2));
		} else {
			arg = r & 1;
			if (!p->viommu || what & 16)
				continue;
		}
		msg.hdr = (struct vu_header){.request = request, .flags = VU_VERSION};
		gate_honest(request, arg, &p->viommu, &msg);
		send_message(p, &msg, VU_HEADER_SIZE + msg.hdr.size, what & 64, fds,
			     honest_fds(p, request, fds));
	}
	transmit(p, p->batch, p->n_batch, NULL, 0);
	p->n_batch = 0;
}

/**
 * do_raw() - Send bytes that are no message, or a part of one
 * @p:	Play
 */
static void do_raw(struct play *p)
{
	uint8_t bytes[256], n = input_u8(&p->in);
	int fds[FDS_MAX];
	unsigned int n_fds = n & 1 ? read_fds(p, fds) : 0;

	input_bytes(&p->in, bytes, n);
	transmit(p, bytes, n, fds, n_fds);
}

/**
 * do_offer() - Make descriptors available in a ring
 * @p:	Play
 */
static void do_offer(struct play *p)
{
	uint8_t ring = input_u8(&p->in) % N_RINGS, n = input_u8(&p->in);
	struct vring v = guest_ring(ring);

	guest_offer(ring, __atomic_load_n(&v.avail->idx, __ATOMIC_RELAXED), n, p->viommu,
		    !(ring & 1));
}

/**
 * do_scribble() - Write anything into the rings
 * @p:	Play
 */
static void do_scribble(struct play *p)
{
	uint16_t at = input_u16(&p->in);

	for (uint8_t n = input_u8(&p->in) & 15; n; n--, at++)
		__atomic_store_n(mem + at, input_u8(&p->in), __ATOMIC_RELAXED);
}

/**
 * do_one() - Do what the script says next
 * @p:	Play
 */
static void do_one(struct play *p)
{
	uint8_t record = input_u8(&p->in) % DO_END;
	uint64_t one = 1;

	thread_role_assume(&ctl_role);
	switch (record) {
	case DO_SESSION:
		do_session(p);
		break;
	case DO_SERVE:
		usleep(input_u8(&p->in));
		serve();
		for (unsigned int i = 0; i < fixture.conf->n_guests; i++)
			guest_check(&fixture.guests[i]);
		break;
	case DO_RAW:
		do_raw(p);
		break;
	case DO_OFFER:
		do_offer(p);
		break;
	case DO_KICK:
		(void)!write(p->event, &one, sizeof(one));
		break;
	case DO_SCRIBBLE:
		do_scribble(p);
		break;
	case DO_TRUNCATE:
		FUZZ_CHECK(!ftruncate(p->victim, input_u16(&p->in)));
		break;
	case DO_HANG_UP:
		if (p->fd >= 0)
			front_close(p->fd);
		p->fd = -1;
		break;
	case DO_CLOSE_BACKEND:
		if (p->backend >= 0)
			close(p->backend);
		p->backend = -1;
		break;
	default:
		do_message(p, record);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool armed;
	static struct play p;

	/* After libFuzzer has taken SIGBUS for itself */
	thread_role_assume(&ctl_role);
	if (!armed)
		FUZZ_CHECK(!backing_start());
	armed = true;
	p = (struct play){.in = {data, size}, .fd = -1, .backend = -1};
	p.victim = memfd_create("victim", MFD_CLOEXEC);
	p.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	FUZZ_CHECK(p.victim >= 0 && p.event >= 0 && !ftruncate(p.victim, 2 * REGION_SIZE));
	for (unsigned int i = 0; p.in.n && i < RECORDS_MAX; i++)
		do_one(&p);
	transmit(&p, p.batch, p.n_batch, NULL, 0);
	if (p.backend >= 0)
		close(p.backend);
	close(p.victim);
	close(p.event);
	FUZZ_CHECK(!fixture_check(NULL));
	return 0;
}
