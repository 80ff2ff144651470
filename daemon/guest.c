/* SPDX-License-Identifier: BSD-3-Clause */
/* guest.c - One guest: its sockets and the life of its connection */
#include "daemon/guest.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/backing.h"
#include "daemon/closer.h"
#include "daemon/container_of.h"
#include "daemon/gate.h"
#include "daemon/listen.h"
#include "daemon/passed.h"
#include "datapath/counters.h"
#include "datapath/pmd.h"
#include "iotlb/iotlb.h"

/* Messages served before other guests get their turn, and nanoseconds: most take
 * microseconds, but one that maps a million pages takes many milliseconds */
#define GUEST_BUDGET  64
#define GUEST_TURN_NS UINT64_C(1000000)

/**
 * guest_await() - Wait for the next front-end
 * @guest:	Not served
 *
 * Not yet where too much of what the former ones passed cannot be closed.
 */
static void guest_await(struct guest *guest) CTL_ONLY
{
	if (guest->sole)
		guest->daemon->over = true;
	else if (guest->conf->mode == CONF_SOCKET_CLIENT || closer_stuck(guest->closer))
		loop_timer_set(guest->daemon->loop, &guest->retry, GUEST_RETRY_NS);
	else
		loop_want(guest->daemon->loop, &guest->listener, EPOLLIN);
}

/**
 * backend_drop() - Close the backend channel
 * @guest:	Guest
 */
static void backend_drop(struct guest *guest) CTL_ONLY
{
	loop_del(guest->daemon->loop, &guest->backend);
	channel_close(&guest->backend_chan);
}

void guest_drop(struct guest *guest)
{
	if (guest->front.fd < 0)
		return;
	loop_del(guest->daemon->loop, &guest->front);
	loop_timer_stop(&guest->again);
	channel_close(&guest->front_chan);
	backend_drop(guest);
	resolver_clear(&guest->resolver);
	device_reset(&guest->dev);
	memory_slots_clear(&guest->slots);
	library_disconnect(&guest->lib);
	guest->lone = false;
	if (guest->told)
		log_notice("guest %s: disconnected", guest->conf->name);
	guest_await(guest);
}

void guest_check(struct guest *guest)
{
	device_check(&guest->dev);
	/* One that leaves closes everything; the rest of it was heard by now */
	if (guest->lone)
		log_warning("guest %s: the front-end closed the backend channel: no translation "
			    "can be asked for",
			    guest->conf->name);
	guest->lone = false;
	if (!backing_lost(guest->dev.index))
		return;
	log_warning("guest %s: its memory, or its log, has lost its file (truncated, or hugepages "
		    "ran out): "
		    "closing the connection",
		    guest->conf->name);
	guest_drop(guest);
}

/**
 * channel_wait() - Wait for a channel's input, and output if some is queued
 * @guest:	Guest
 * @src:	Its source
 * @ch:		Channel
 */
static void channel_wait(struct guest *guest, struct loop_source *src, const struct channel *ch)
	CTL_ONLY
{
	loop_want(guest->daemon->loop, src, EPOLLIN | (channel_pending(ch) ? EPOLLOUT : 0));
}

/**
 * front_messages() - Serve the messages that have arrived
 * @guest:	Guest
 * @budget:	How many at most; counted down, to 0 at once when time is over
 * @end_ns:	When that is
 * Return: 0; -errno when the connection has to end
 */
static int front_messages(struct guest *guest, unsigned int *budget, uint64_t end_ns) CTL_ONLY
{
	int fds[VU_MAX_FDS];
	unsigned int n_fds;
	struct vu_msg msg;
	int ret = 0;

	while (*budget && (ret = channel_next(&guest->front_chan, &msg, fds, &n_fds)) > 0) {
		(*budget)--;
		ret = gate_serve(guest, &msg, fds, n_fds);
		if (ret)
			return ret;
		if (loop_now_ns() >= end_ns)
			*budget = 0;
	}
	return ret;
}

/**
 * front_serve() - Serve what is left of the last turn, then read and serve more
 * @guest:	Guest
 * @events:	EPOLL* bits
 * Return: 0; -errno when the connection has to end
 *
 * Messages that are left in the channel when the turn is over make no event of
 * their own: the timer comes back for them, after the others.  Answers to messages
 * that arrived together leave together.
 */
static int front_serve(struct guest *guest, uint32_t events) CTL_ONLY
{
	struct channel *ch = &guest->front_chan;
	int err = events & EPOLLOUT ? channel_flush(ch) : 0;
	uint64_t end_ns = loop_now_ns() + GUEST_TURN_NS;
	unsigned int budget = GUEST_BUDGET;

	ch->drained = false;
	while (!err) {
		channel_cork(ch);
		err = front_messages(guest, &budget, end_ns);
		if (channel_uncork(ch) && !err)
			err = -EPIPE;
		if (!err && !budget)
			loop_timer_set(guest->daemon->loop, &guest->again, 0);
		if (err || !budget || ch->drained)
			return err;
		err = channel_receive(ch);
	}
	return err == -EAGAIN ? 0 : err;
}

/**
 * front_ready() - The front-end sent something, or reads again, or left
 * @src:	Its source
 * @events:	EPOLL* bits
 */
static void front_ready(struct loop_source *src, uint32_t events)
{
	struct guest *guest = container_of(src, struct guest, front);
	bool pended = channel_pending(&guest->front_chan);
	int err;

	thread_role_assume(&ctl_role);
	err = front_serve(guest, events);
	if (!err && closer_stuck(guest->closer))
		err = -EMFILE;
	if (err) {
		if (err != -ECONNRESET && log_limit_ok(&guest->dev.limit))
			log_warning("guest %s: closing the connection: %s", guest->conf->name,
				    strerror(-err));
		guest_drop(guest);
		return;
	}
	if (pended || channel_pending(&guest->front_chan))
		channel_wait(guest, src, &guest->front_chan);
}

/**
 * again_expired() - The next turn, for messages left of the last one
 * @timer:	Of the guest
 */
static void again_expired(struct loop_timer *timer)
{
	front_ready(&container_of(timer, struct guest, again)->front, 0);
}

/**
 * backend_ready() - The backend channel takes bytes again, or was closed
 * @src:	Its source
 * @events:	EPOLL* bits
 *
 * We ask for no replies there, so what comes in is read and forgotten.
 */
static void backend_ready(struct loop_source *src, uint32_t events)
{
	struct guest *guest = container_of(src, struct guest, backend);
	uint8_t unread[256];
	ssize_t n = 1;

	thread_role_assume(&ctl_role);
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		n = recv(src->fd, unread, sizeof(unread), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN) || channel_flush(&guest->backend_chan)) {
		guest->lone = true;
		backend_drop(guest);
		return;
	}
	channel_wait(guest, src, &guest->backend_chan);
}

/**
 * same_name() - Whether two sockets' names are one
 * @a:		Name
 * @a_len:	Bytes of it
 * @b:		Name
 * @b_len:	Bytes of it
 */
static bool same_name(const struct sockaddr_un *a, socklen_t a_len, const struct sockaddr_un *b,
		      socklen_t b_len)
{
	return a_len == b_len && a_len <= sizeof(*a) && !memcmp(a, b, a_len);
}

/**
 * is_own_peer() - Whether a socket may be the other end of one of ours
 * @ours:	Our end
 * @fd:		Socket of any kind
 *
 * One end has the name that was bound, which the other calls its peer's.
 */
static bool is_own_peer(int ours, int fd)
{
	struct sockaddr_un ours_name, ours_peer, name, peer;
	socklen_t lens[] = {sizeof(name), sizeof(name), sizeof(name), sizeof(name)};

	return !getsockname(ours, (struct sockaddr *)&ours_name, &lens[0]) &&
	       !getpeername(ours, (struct sockaddr *)&ours_peer, &lens[1]) &&
	       !getsockname(fd, (struct sockaddr *)&name, &lens[2]) &&
	       !getpeername(fd, (struct sockaddr *)&peer, &lens[3]) &&
	       same_name(&ours_name, lens[0], &peer, lens[3]) &&
	       same_name(&ours_peer, lens[1], &name, lens[2]);
}

int guest_take_backend(struct guest *guest, int fd)
{
	socklen_t len = sizeof(int);
	int type, err = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_STREAM)
		err = -ENOTSOCK;
	else if (is_own_peer(guest->front_chan.fd, fd))
		err = -ELOOP;
	if (err) {
		closer_close(guest->closer, &fd, 1);
		return err;
	}
	backend_drop(guest);
	channel_open(&guest->backend_chan, fd);
	guest->backend.ready = backend_ready;
	if (!loop_add(guest->daemon->loop, &guest->backend, fd, EPOLLIN))
		return 0;
	channel_close(&guest->backend_chan);
	return -EBADF;
}

/**
 * guest_ask() - Send a miss to the front-end (vhost-user, IOTLB_MSG)
 * @r:		Resolver of the guest
 * @iova:	Address
 * @perm:	Access needed
 * Return: 0, -ENOTCONN without a backend channel, -ENOBUFS when it is full
 */
static int guest_ask(struct resolver *r, uint64_t iova, uint8_t perm)
{
	struct guest *guest = container_of(r, struct guest, resolver);
	struct vu_msg msg = {
		.hdr = {.request = VU_BACKEND_IOTLB_MSG,
			.flags = VU_VERSION,
			.size = sizeof(msg.payload.iotlb)},
		.payload.iotlb = {.iova = iova, .perm = perm, .type = VU_IOTLB_MISS},
	};
	int err;

	thread_role_assume(&ctl_role);
	if (guest->backend.fd < 0)
		return -ENOTCONN;
	err = channel_send(&guest->backend_chan, &msg);
	if (!guest->backend_chan.corked && channel_pending(&guest->backend_chan))
		channel_wait(guest, &guest->backend, &guest->backend_chan);
	return err;
}

void guest_ask_begin(struct guest *guest)
{
	channel_cork(&guest->backend_chan);
}

void guest_ask_end(struct guest *guest)
{
	/* One that has gone is noticed when its end is read */
	(void)channel_uncork(&guest->backend_chan);
	if (channel_pending(&guest->backend_chan))
		channel_wait(guest, &guest->backend, &guest->backend_chan);
}

/**
 * guest_serve() - Begin to serve a front-end
 * @guest:	Waiting
 * @fd:		Connection, owned by the guest from now on
 */
static void guest_serve(struct guest *guest, int fd) CTL_ONLY
{
	int err = library_connect(&guest->lib);

	channel_open(&guest->front_chan, fd);
	guest->front.ready = front_ready;
	if (!err)
		err = loop_add(guest->daemon->loop, &guest->front, fd, EPOLLIN);
	if (err) {
		if (log_limit_ok(&guest->limit))
			log_err("guest %s: cannot serve its front-end: %s", guest->conf->name,
				strerror(-err));
		channel_close(&guest->front_chan);
		library_disconnect(&guest->lib);
		guest_await(guest);
		return;
	}
	loop_want(guest->daemon->loop, &guest->listener, 0);
	COUNTER_ADD(guest->counters.connections, 1);
	guest->told = log_limit_ok(&guest->limit);
	if (guest->told)
		log_notice("guest %s: connected", guest->conf->name);
}

/**
 * listener_rest() - Leave a front-end waiting that cannot be accepted now
 * @guest:	Guest
 * @err:	Why, -errno
 *
 * It stays in the backlog, and the listener ready: looking at that again at once
 * would be all the control thread does.
 */
static void listener_rest(struct guest *guest, int err) CTL_ONLY
{
	if (err == -EAGAIN || err == -ECONNABORTED || err == -EINTR)
		return;
	if (log_limit_ok(&guest->limit))
		log_err("guest %s: cannot accept its front-end: %s", guest->conf->name,
			strerror(-err));
	loop_want(guest->daemon->loop, &guest->listener, 0);
	loop_timer_set(guest->daemon->loop, &guest->retry, GUEST_RETRY_NS);
}

/**
 * listener_ready() - A front-end connects
 * @src:	Its source
 * @events:	EPOLL* bits
 */
static void listener_ready(struct loop_source *src, uint32_t events)
{
	struct guest *guest = container_of(src, struct guest, listener);
	int fd;

	(void)events;
	thread_role_assume(&ctl_role);
	if (guest->front.fd >= 0)
		return;
	fd = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		guest_serve(guest, fd);
	else
		listener_rest(guest, -errno);
}

/**
 * retry_expired() - Try to connect, in client mode, or to accept again
 * @timer:	Of the guest
 */
static void retry_expired(struct loop_timer *timer)
{
	struct guest *guest = container_of(timer, struct guest, retry);
	int fd;

	thread_role_assume(&ctl_role);
	if (guest->conf->mode == CONF_SOCKET_SERVER) {
		if (guest->front.fd < 0)
			guest_await(guest);
		return;
	}
	if (closer_stuck(guest->closer) || listen_connect(guest->conf, &fd))
		guest_await(guest);
	else
		guest_serve(guest, fd);
}

/**
 * guest_listen() - Open the socket if none was passed, or begin to try to connect
 * @guest:	Guest
 * Return: 0 or -errno
 */
static int guest_listen(struct guest *guest) CTL_ONLY
{
	struct passed *passed = &guest->daemon->passed[guest->dev.index];
	int fd = passed->fd, err = 0;

	passed->fd = -1;
	if (fd >= 0 && passed->connected) {
		guest->sole = true;
		guest_serve(guest, fd);
		return 0;
	}
	if (guest->conf->mode == CONF_SOCKET_CLIENT) {
		loop_timer_set(guest->daemon->loop, &guest->retry, 0);
		return 0;
	}
	if (fd < 0) {
		err = listen_open(guest->conf, &fd);
		guest->made = !err;
	}
	if (err)
		return err;
	err = loop_add(guest->daemon->loop, &guest->listener, fd, EPOLLIN);
	if (err)
		close(fd);
	return err;
}

int guest_open(struct guest *guest, struct daemon *daemon, unsigned int index)
{
	const struct conf *conf = daemon->conf;
	const struct conf_guest *gc = &conf->guests[index];
	int err;

	guest->daemon = daemon;
	guest->conf = gc;
	guest->listener = (struct loop_source){.fd = -1, .ready = listener_ready};
	guest->front.fd = guest->backend.fd = guest->lib.fd = -1;
	guest->front_chan.fd = guest->backend_chan.fd = -1;
	guest->retry.expired = retry_expired;
	guest->again.expired = again_expired;
	guest->resolver = (struct resolver){
		.ask = guest_ask,
		.name = gc->name,
		.loop = daemon->loop,
		.timeout_ns = conf->iotlb.miss_timeout_ms * UINT64_C(1000000),
		.retries = conf->iotlb.miss_retries,
	};
	guest->dev.conf = gc;
	guest->dev.topo = daemon->topo;
	guest->dev.misses = daemon->misses;
	guest->dev.index = index;
	guest->closer = closer_new(&guest->counters.waiting);
	guest->front_chan.closer = guest->backend_chan.closer = guest->closer;
	if (!guest->closer)
		return -ENOMEM;
	err = device_init(&guest->dev, conf->iotlb.max_entries, pmd_set_qsbr(daemon->pmds));
	if (!err)
		err = library_init(&guest->lib, daemon->lib_dir, gc->name, device_offered(gc),
				   GUEST_PROTOCOL_FEATURES);
	if (err) {
		log_err("guest %s: cannot be prepared: %s", gc->name, strerror(-err));
		return err;
	}
	err = guest_listen(guest);
	if (err) {
		log_err("guest %s: socket = %s: %s", gc->name, gc->socket, strerror(-err));
		return err;
	}
	log_notice("guest %s: %s %s, %u queue pair%s, vIOMMU %s, wired to port %s", gc->name,
		   gc->mode == CONF_SOCKET_CLIENT ? "connecting to" : "listening on", gc->socket,
		   gc->queues, gc->queues > 1 ? "s" : "", gc->viommu ? "offered" : "not offered",
		   conf->ports[gc->wire].name);
	return 0;
}

void guest_close(struct guest *guest)
{
	int fd = guest->listener.fd;

	if (!guest->daemon)
		return;
	guest_drop(guest);
	loop_timer_stop(&guest->retry);
	if (fd >= 0) {
		loop_del(guest->daemon->loop, &guest->listener);
		close(fd);
	}
	if (guest->made)
		(void)unlink(guest->conf->socket);
	guest->made = false;
	library_fini(&guest->lib);
	device_fini(&guest->dev);
	closer_free(guest->closer);
}
