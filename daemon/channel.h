/* SPDX-License-Identifier: BSD-3-Clause */
/* channel.h - A vhost-user stream: whole messages in, whole messages out
 *
 * Theory of operation
 * ===================
 * Never blocks in either direction.  Bytes are collected until a message is
 * whole; a header whose payload never comes waits here and costs nothing else.
 * What the peer does not read waits in a bounded buffer, in order.
 *
 * Descriptors come with the last byte that a recvmsg() returns, because the
 * kernel ends a read at bytes that carry any (unix(7), SCM_RIGHTS).  So they
 * belong to the message that holds this byte, and messages before it in the
 * buffer have none.
 *
 * Threads: control thread only.
 */
#ifndef VUNETD_CHANNEL_H
#define VUNETD_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/vhost_user.h"
#include "iotlb/thread_role.h"

struct closer;

#define CHANNEL_IN_BYTES  4096
#define CHANNEL_OUT_BYTES 16384

/**
 * struct channel - One end of a vhost-user connection
 * @fd:		Stream socket, owned; -1 when closed
 * @in:		Bytes received, from @in_pos to @in_len
 * @fds:	Descriptors received and not yet handed out
 * @fds_at:	Offset in @in of the byte they came with
 * @out:	Bytes to be sent, @out_len of them
 * @closer:	Counts descriptors that are being closed; NULL: none ever waits
 * @corked:	Messages are collected, to be sent with one call
 * @drained:	The last receive took all there was
 */
struct channel {
	int fd;
	unsigned int n_fds;
	size_t in_pos, in_len, fds_at, out_len;
	int fds[VU_MAX_FDS];
	uint8_t in[CHANNEL_IN_BYTES];
	uint8_t out[CHANNEL_OUT_BYTES];
	struct closer *closer;
	bool corked, drained;
};

/**
 * channel_open() - Take over a socket
 * @ch:		Channel, closed
 * @fd:		Stream socket, owned by the channel from now on, made non-blocking
 */
void channel_open(struct channel *ch, int fd) CTL_ONLY;

/**
 * channel_close() - Close the socket and every descriptor not handed out
 * @ch:	Channel, open or not
 */
void channel_close(struct channel *ch) CTL_ONLY;

/**
 * channel_receive() - Read what has arrived, up to the buffer's size
 * @ch:	Channel whose messages have all been taken with channel_next()
 *
 * Return: 0 when something was read; -EAGAIN; -ECONNRESET at the end of the
 *	stream; -EPROTO when the peer sent more descriptors than any message
 *	may carry
 */
int channel_receive(struct channel *ch) CTL_ONLY;

/**
 * channel_next() - Take the next whole message
 * @ch:		Channel
 * @ret_msg:	Filled in; the payload past hdr.size is zero
 * @ret_fds:	Filled with VU_MAX_FDS descriptors at most, the caller's to close
 * @ret_n_fds:	How many
 *
 * Return: 1; 0 when none is whole yet; -EPROTO for a version other than ours
 *	or a payload larger than any known message's: the stream has no next
 *	message then
 */
int channel_next(struct channel *ch, struct vu_msg *ret_msg, int *ret_fds, unsigned int *ret_n_fds)
	CTL_ONLY;

/**
 * channel_send() - Send a message, or queue what the socket does not take now
 * @ch:		Channel
 * @msg:	Header and hdr.size bytes of payload, copied
 *
 * Return: 0; -ENOBUFS when the queue is full and nothing was sent; -EPIPE
 */
int channel_send(struct channel *ch, const struct vu_msg *msg) CTL_ONLY;

/**
 * channel_cork() - Collect the messages of the next channel_send() calls
 * @ch:	Channel
 *
 * Each system call wakes the peer, who may take this very processor: several
 * messages in one call cost little more than one.  Until channel_uncork() only
 * a full queue is sent.
 */
static inline void channel_cork(struct channel *ch) CTL_ONLY
{
	ch->corked = true;
}

/**
 * channel_uncork() - Send what was collected
 * @ch:	Channel
 *
 * Return: As channel_flush()
 */
int channel_uncork(struct channel *ch) CTL_ONLY;

/**
 * channel_flush() - Send what is queued, as far as the socket takes it
 * @ch:	Channel
 *
 * Return: 0, or -EPIPE when the peer has gone
 */
int channel_flush(struct channel *ch) CTL_ONLY;

/**
 * channel_pending() - Whether bytes wait for the socket to take them
 * @ch:	Channel
 */
static inline bool channel_pending(const struct channel *ch)
{
	return ch->out_len > 0;
}

/**
 * vu_receive() - recvmsg() with descriptors, none of them inherited
 * @fd:		Stream socket
 * @buf:	Room for @len bytes
 * @len:	Bytes wanted
 * @ret_fds:	Room for VU_MAX_FDS descriptors
 * @ret_n_fds:	How many came
 *
 * Return: Bytes read; 0 at the end of the stream; -errno; -EPROTO when more
 *	descriptors came than fit: those in @ret_fds are the caller's all the same
 */
ssize_t vu_receive(int fd, void *buf, size_t len, int *ret_fds, unsigned int *ret_n_fds);

/**
 * vu_close_fd() - Close a descriptor that a front-end passed, without waiting
 * @fd:	Descriptor
 */
void vu_close_fd(int fd);

/**
 * vu_close_fds() - Close descriptors and mark them closed
 * @fds:	Descriptors, those below 0 are skipped
 * @n:		How many
 */
void vu_close_fds(int *fds, unsigned int n);

#endif /* VUNETD_CHANNEL_H */
