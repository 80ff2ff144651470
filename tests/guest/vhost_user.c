/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_user.c - vhost-user messages, the front-end's side */
#include "tests/guest/vhost_user.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* What the messages are called where they are specified */
static const char *const names[] = {
	[VU_GET_FEATURES] = "GET_FEATURES",
	[VU_SET_FEATURES] = "SET_FEATURES",
	[VU_SET_OWNER] = "SET_OWNER",
	[VU_SET_MEM_TABLE] = "SET_MEM_TABLE",
	[VU_SET_LOG_BASE] = "SET_LOG_BASE",
	[VU_SET_VRING_NUM] = "SET_VRING_NUM",
	[VU_SET_VRING_ADDR] = "SET_VRING_ADDR",
	[VU_SET_VRING_BASE] = "SET_VRING_BASE",
	[VU_GET_VRING_BASE] = "GET_VRING_BASE",
	[VU_SET_VRING_KICK] = "SET_VRING_KICK",
	[VU_SET_VRING_CALL] = "SET_VRING_CALL",
	[VU_GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES",
	[VU_SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES",
	[VU_GET_QUEUE_NUM] = "GET_QUEUE_NUM",
	[VU_SET_VRING_ENABLE] = "SET_VRING_ENABLE",
	[VU_SET_BACKEND_REQ_FD] = "SET_BACKEND_REQ_FD",
	[VU_IOTLB_MSG] = "IOTLB_MSG",
	[VU_GET_MAX_MEM_SLOTS] = "GET_MAX_MEM_SLOTS",
	[VU_ADD_MEM_REG] = "ADD_MEM_REG",
	[VU_REM_MEM_REG] = "REM_MEM_REG",
	[VU_SET_STATUS] = "SET_STATUS",
};

/**
 * name_of() - What a request is called
 */
static const char *name_of(uint32_t request)
{
	if (request < sizeof(names) / sizeof(names[0]) && names[request])
		return names[request];
	return "unknown message";
}

/**
 * complain() - Say what went wrong with which message
 */
__attribute__((format(printf, 4, 5))) static int complain(const struct vu *vu, uint32_t request,
							  int err, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "vunet-guest: %s: %s: ", vu->path, name_of(request));
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return err;
}

/**
 * trace() - Print a message if asked to
 */
static void trace(const struct vu *vu, const char *way, const struct vu_header *h,
		  const void *payload)
{
	uint64_t first = 0;

	if (!vu->trace)
		return;
	if (h->size >= sizeof(first))
		memcpy(&first, payload, sizeof(first));
	fprintf(stderr, "%s %-22s flags %x size %u first %llx\n", way, name_of(h->request),
		h->flags, h->size, (unsigned long long)first);
}

/**
 * set_timeouts() - Let no call on a socket wait for ever
 */
static int set_timeouts(int fd, uint32_t ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		return -errno;
	return 0;
}

/**
 * send_message() - Send header, payload and descriptors
 */
static int send_message(struct vu *vu, uint32_t request, uint32_t flags, const void *payload,
			uint32_t size, const int *fds, unsigned int n_fds)
{
	char control[CMSG_SPACE(VU_FDS_MAX * sizeof(int))] = {0};
	struct vu_header h = {.request = request, .flags = flags | VU_FLAG_VERSION, .size = size};
	struct iovec iov[2] = {{&h, sizeof(h)}, {(void *)(uintptr_t)payload, size}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = size ? 2 : 1};
	struct cmsghdr *c;
	ssize_t n;

	trace(vu, ">", &h, payload);
	if (n_fds) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do {
		n = sendmsg(vu->fd, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)(sizeof(h) + size))
		return 0;
	if (n < 0 && errno == EAGAIN)
		return complain(vu, request, -ETIMEDOUT, "the backend does not read");
	return complain(vu, request, -EPIPE, "cannot send: %s", n < 0 ? strerror(errno) : "short");
}

/**
 * recv_exactly() - Receive so many bytes
 */
static int recv_exactly(struct vu *vu, uint32_t request, void *buf, size_t size)
{
	char *at = buf;

	while (size) {
		ssize_t n = recv(vu->fd, at, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return complain(vu, request, -EPIPE, "the backend hung up");
		if (n < 0 && errno == EAGAIN)
			return complain(vu, request, -ETIMEDOUT, "no answer for %u ms",
					vu->timeout_ms);
		if (n < 0)
			return complain(vu, request, -errno, "%s", strerror(errno));
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/**
 * recv_reply() - Wait for the reply to a request
 */
static int recv_reply(struct vu *vu, uint32_t request, void *payload, uint32_t size)
{
	struct vu_header h;
	int err = recv_exactly(vu, request, &h, sizeof(h));

	if (err)
		return err;
	if (h.request != request || !(h.flags & VU_FLAG_REPLY) || h.size != size)
		return complain(vu, request, -EPROTO,
				"the reply is to %s, flags 0x%x, %u bytes instead of %u",
				name_of(h.request), h.flags, h.size, size);
	err = recv_exactly(vu, request, payload, size);
	if (!err)
		trace(vu, "<", &h, payload);
	return err;
}

int vu_set(struct vu *vu, uint32_t request, const void *payload, uint32_t size, const int *fds,
	   unsigned int n_fds)
{
	uint32_t flags = vu->reply_ack ? VU_FLAG_NEED_REPLY : 0;
	uint64_t result = 0;
	int err;

	err = send_message(vu, request, flags, payload, size, fds, n_fds);
	if (err || !flags)
		return err;
	err = recv_reply(vu, request, &result, sizeof(result));
	if (err)
		return err;
	if (result)
		return complain(vu, request, -EREMOTEIO, "the backend refused it");
	return 0;
}

/**
 * batch_replies() - Wait for the replies to a batch
 */
static int batch_replies(struct vu *vu)
{
	struct {
		struct vu_header h;
		uint64_t result;
	} __attribute__((packed)) replies[VU_BATCH_MAX];
	unsigned int i;
	int err = recv_exactly(vu, VU_IOTLB_MSG, replies, vu->n_batch * sizeof(replies[0]));

	for (i = 0; !err && i < vu->n_batch; i++) {
		struct vu_header h = replies[i].h;
		uint64_t result = replies[i].result;

		trace(vu, "<", &h, &result);
		if (h.request != VU_IOTLB_MSG || !(h.flags & VU_FLAG_REPLY) ||
		    h.size != sizeof(result))
			err = complain(vu, VU_IOTLB_MSG, -EPROTO, "this is no reply to it");
		else if (result)
			err = complain(vu, VU_IOTLB_MSG, -EREMOTEIO, "the backend refused it");
	}
	return err;
}

int vu_batch_end(struct vu *vu)
{
	const char *at = (const char *)vu->batch;
	size_t left = vu->n_batch * sizeof(vu->batch[0]);
	int err = 0;

	while (left) {
		ssize_t n = send(vu->fd, at, left, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return complain(vu, VU_IOTLB_MSG, -EPIPE, "cannot send: %s",
					strerror(errno));
		at += n;
		left -= (size_t)n;
	}
	if (vu->reply_ack && vu->n_batch)
		err = batch_replies(vu);
	vu->n_batch = 0;
	return err;
}

int vu_batch_add(struct vu *vu, const struct vhost_iotlb_msg *msg)
{
	uint32_t flags = VU_FLAG_VERSION | (vu->reply_ack ? VU_FLAG_NEED_REPLY : 0);
	struct vu_header h = {.request = VU_IOTLB_MSG, .flags = flags, .size = sizeof(*msg)};

	trace(vu, ">", &h, msg);
	vu->batch[vu->n_batch++] = (struct vu_iotlb){.h = h, .msg = *msg};
	return vu->n_batch == VU_BATCH_MAX ? vu_batch_end(vu) : 0;
}

int vu_set_u64(struct vu *vu, uint32_t request, uint64_t value)
{
	return vu_set(vu, request, &value, sizeof(value), NULL, 0);
}

int vu_get(struct vu *vu, uint32_t request, void *payload, uint32_t send_size, uint32_t size)
{
	int err = send_message(vu, request, 0, payload, send_size, NULL, 0);

	return err ? err : recv_reply(vu, request, payload, size);
}

int vu_set_log(struct vu *vu, int fd, uint64_t size)
{
	struct {
		uint64_t size, offset;
	} log = {.size = size};
	uint64_t result;
	int err = send_message(vu, VU_SET_LOG_BASE, 0, &log, sizeof(log), &fd, 1);

	/* What the answer says means nothing (vhost-user, VHOST_USER_SET_LOG_BASE) */
	return err ? err : recv_reply(vu, VU_SET_LOG_BASE, &result, sizeof(result));
}

/**
 * await_backend() - Listen and take the first connection
 */
static int await_backend(const struct vu *vu, int fd, const struct sockaddr_un *addr)
{
	int peer = -1;

	unlink(vu->path);
	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 && listen(fd, 1) == 0)
		peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	peer = peer < 0 ? -errno : peer;
	unlink(vu->path);
	close(fd);
	return peer;
}

int vu_open(struct vu *vu, bool server)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, err;

	vu->fd = -1;
	vu->backend_fd = -1;
	if (strlen(vu->path) >= sizeof(addr.sun_path)) {
		fprintf(stderr, "vunet-guest: %s: too long for a socket\n", vu->path);
		return -ENAMETOOLONG;
	}
	strcpy(addr.sun_path, vu->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = 0;
	if (server)
		err = fd = await_backend(vu, fd, &addr);
	else if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		err = -errno;
	if (err < 0) {
		if (!vu->retrying)
			fprintf(stderr, "vunet-guest: %s: %s\n", vu->path, strerror(-err));
		if (!server)
			close(fd);
		return err;
	}
	vu->fd = fd;
	return set_timeouts(fd, vu->timeout_ms);
}

void vu_close(struct vu *vu)
{
	if (vu->fd >= 0)
		close(vu->fd);
	if (vu->backend_fd >= 0)
		close(vu->backend_fd);
	vu->fd = -1;
	vu->backend_fd = -1;
}

int vu_backend_open(struct vu *vu)
{
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	err = vu_set(vu, VU_SET_BACKEND_REQ_FD, NULL, 0, &pair[1], 1);
	close(pair[1]);
	vu->backend_fd = pair[0];
	return err;
}

int vu_backend_poll(struct vu *vu, struct vhost_iotlb_msg *ret_msg)
{
	struct {
		struct vu_header h;
		struct vhost_iotlb_msg msg;
	} __attribute__((packed)) m;
	ssize_t n;

	n = recv(vu->backend_fd, &m, sizeof(m), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0) {
		fprintf(stderr, "vunet-guest: %s: the backend closed its channel\n", vu->path);
		return -EPIPE;
	}
	if (n != sizeof(m) || m.h.request != VU_BACKEND_IOTLB_MSG || m.h.size != sizeof(m.msg)) {
		fprintf(stderr, "vunet-guest: %s: the backend channel carries rubbish\n", vu->path);
		return -EPROTO;
	}
	if (vu->trace)
		fprintf(stderr, "< miss %llx perm %u\n", (unsigned long long)m.msg.iova,
			m.msg.perm);
	*ret_msg = m.msg;
	return 1;
}

bool vu_alive(const struct vu *vu)
{
	struct pollfd p = {.fd = vu->fd};

	return poll(&p, 1, 0) <= 0 || !(p.revents & (POLLHUP | POLLERR));
}
