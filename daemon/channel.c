/* SPDX-License-Identifier: BSD-3-Clause */
/* channel.c - A vhost-user stream: whole messages in, whole messages out */
#include "daemon/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/closer.h"

void vu_close_fd(int fd)
{
	static const struct linger none = {0};

	/* Of a TCP socket that lingers the last close() waits, for as long as its
	 * owner wished; anything else refuses the option */
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fd);
}

void vu_close_fds(int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (fds[i] >= 0)
			vu_close_fd(fds[i]);
		fds[i] = -1;
	}
}

ssize_t vu_receive(int fd, void *buf, size_t len, int *ret_fds, unsigned int *ret_n_fds)
{
	union {
		char buf[CMSG_SPACE(VU_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);

	*ret_n_fds = 0;
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c; c = CMSG_NXTHDR(&mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		*ret_n_fds = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(ret_fds, CMSG_DATA(c), *ret_n_fds * sizeof(int));
	}
	/* What did not fit was never ours */
	return mh.msg_flags & MSG_CTRUNC ? -EPROTO : n;
}

void channel_open(struct channel *ch, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	ch->fd = fd;
	ch->in_pos = ch->in_len = ch->out_len = 0;
	ch->corked = ch->drained = false;
	ch->n_fds = 0;
}

void channel_close(struct channel *ch)
{
	closer_close(ch->closer, ch->fds, ch->n_fds);
	ch->n_fds = 0;
	if (ch->fd >= 0)
		vu_close_fd(ch->fd);
	ch->fd = -1;
}

int channel_receive(struct channel *ch)
{
	unsigned int n_fds;
	int fds[VU_MAX_FDS];
	ssize_t n;

	/* Keep only the message that is not whole yet; it fits the buffer */
	memmove(ch->in, ch->in + ch->in_pos, ch->in_len - ch->in_pos);
	ch->in_len -= ch->in_pos;
	ch->fds_at -= ch->n_fds ? ch->in_pos : 0;
	ch->in_pos = 0;

	n = vu_receive(ch->fd, ch->in + ch->in_len, sizeof(ch->in) - ch->in_len, fds, &n_fds);
	ch->drained = n < (ssize_t)(sizeof(ch->in) - ch->in_len);
	if (n <= 0) {
		closer_close(ch->closer, fds, n_fds);
		return !n ? -ECONNRESET : n == -EINTR || n == -EWOULDBLOCK ? -EAGAIN : (int)n;
	}
	ch->in_len += (size_t)n;
	if (!n_fds)
		return 0;
	if (ch->n_fds + n_fds > VU_MAX_FDS) {
		closer_close(ch->closer, fds, n_fds);
		return -EPROTO;
	}
	memcpy(ch->fds + ch->n_fds, fds, n_fds * sizeof(int));
	ch->n_fds += n_fds;
	ch->fds_at = ch->in_len - 1;
	return 0;
}

int channel_next(struct channel *ch, struct vu_msg *ret_msg, int *ret_fds, unsigned int *ret_n_fds)
{
	size_t have = ch->in_len - ch->in_pos, whole;
	struct vu_header hdr;

	if (have < VU_HEADER_SIZE)
		return 0;
	memcpy(&hdr, ch->in + ch->in_pos, VU_HEADER_SIZE);
	if ((hdr.flags & VU_VERSION_MASK) != VU_VERSION || hdr.size > sizeof(ret_msg->payload))
		return -EPROTO;
	whole = VU_HEADER_SIZE + hdr.size;
	if (have < whole)
		return 0;

	memset(ret_msg, 0, sizeof(*ret_msg));
	memcpy(ret_msg, ch->in + ch->in_pos, whole);
	ch->in_pos += whole;
	*ret_n_fds = 0;
	if (ch->n_fds && ch->fds_at < ch->in_pos) {
		memcpy(ret_fds, ch->fds, ch->n_fds * sizeof(int));
		*ret_n_fds = ch->n_fds;
		ch->n_fds = 0;
	}
	return 1;
}

int channel_flush(struct channel *ch)
{
	ssize_t n;

	while (ch->out_len) {
		n = send(ch->fd, ch->out, ch->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -EPIPE;
		ch->out_len -= (size_t)n;
		memmove(ch->out, ch->out + n, ch->out_len);
	}
	return 0;
}

int channel_send(struct channel *ch, const struct vu_msg *msg)
{
	size_t len = VU_HEADER_SIZE + msg->hdr.size;

	if (len > sizeof(ch->out) - ch->out_len && ch->corked && channel_flush(ch))
		return -EPIPE;
	if (len > sizeof(ch->out) - ch->out_len)
		return -ENOBUFS;
	memcpy(ch->out + ch->out_len, msg, len);
	ch->out_len += len;
	return ch->corked ? 0 : channel_flush(ch);
}

int channel_uncork(struct channel *ch)
{
	ch->corked = false;
	return channel_flush(ch);
}
