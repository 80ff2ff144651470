/* SPDX-License-Identifier: BSD-3-Clause */
/* guest.h - One guest: its sockets and the life of its connection
 *
 * Theory of operation
 * ===================
 *              front-end connects            front-end leaves, breaks the
 *   WAITING  ----------------------> SERVED  protocol, or the library fails
 *      ^                                |
 *      +--------------------------------+
 *
 * In server mode WAITING listens on the socket, in client mode it tries to
 * connect every GUEST_RETRY_NS.  There is one front-end at a time; another one
 * that connects meanwhile waits in the socket's backlog until the first has
 * left.  When the one front-end that was passed with --fd leaves, nobody else can
 * come, and the daemon ends.  Each connection is a new life of the device and of its counterpart in
 * the library; whatever ends it releases everything the front-end passed.
 *
 * Threads: control thread only.
 */
#ifndef VUNETD_GUEST_H
#define VUNETD_GUEST_H

#include "daemon/channel.h"
#include "daemon/daemon.h"
#include "daemon/device.h"
#include "daemon/gate_memory.h"
#include "daemon/library.h"
#include "daemon/loop.h"
#include "daemon/resolver.h"

#define GUEST_RETRY_NS UINT64_C(200000000)

/* Protocol features offered, as far as the library has them */
#define GUEST_PROTOCOL_FEATURE(bit) (UINT64_C(1) << VU_PROTOCOL_F_##bit)
#define GUEST_PROTOCOL_FEATURES                                             \
	(GUEST_PROTOCOL_FEATURE(MQ) | GUEST_PROTOCOL_FEATURE(LOG_SHMFD) |   \
	 GUEST_PROTOCOL_FEATURE(RARP) | GUEST_PROTOCOL_FEATURE(REPLY_ACK) | \
	 GUEST_PROTOCOL_FEATURE(NET_MTU) | GUEST_PROTOCOL_FEATURE(BACKEND_REQ))

/* Counters of the control side: X(name, sentence) */
#define GUEST_COUNTERS(X)                                                                  \
	X(connections, "front-ends that connected")                                        \
	X(messages, "messages received")                                                   \
	X(refused, "messages refused")                                                     \
	X(updates, "translations received")                                                \
	X(invalidations, "invalidations received and acknowledged")                        \
	X(rarps, "RARP frames sent for the guest, for a front-end that has moved it")      \
	X(bad_iotlb, "translation messages refused: outside the guest's memory, empty or " \
		     "wrapping")                                                           \
	X(waiting, "files passed whose close() may wait, closed by threads of their own")  \
	X(outside, "misses of a guest without a vIOMMU, whose memory is all there is")

struct guest_counters {
#define GUEST_MEMBER(name, help) uint64_t name;
	GUEST_COUNTERS(GUEST_MEMBER)
#undef GUEST_MEMBER
};

/**
 * struct guest - One guest
 * @daemon:	What it shares with the others
 * @conf:	Its section
 * @listener:	Listening socket, or the one being connected
 * @front:	Connection to the front-end
 * @backend:	Backend channel, on which misses are sent
 * @front_chan:	Messages of @front
 * @backend_chan:	Messages of @backend
 * @retry:	When to try to connect again, in client mode; in server mode to accept
 * @again:	For messages that are left when the guest's turn is over
 * @lib:	Counterpart in librte_vhost
 * @dev:	Device
 * @slots:	Its memory, if it comes and goes region by region
 * @resolver:	Its misses
 * @closer:	Files its front-ends passed that are being closed
 * @counters:	Since start
 * @limit:	For lines about its connections
 * @told:	That it connected was logged, so that it leaves is, too
 * @made:	The socket's file is ours to remove
 * @sole:	The connection was passed to us (passed.h): there will be no other
 * @lone:	The front-end closed the backend channel, perhaps because it leaves
 */
struct guest {
	struct daemon *daemon;
	const struct conf_guest *conf;
	struct loop_source listener;
	struct loop_source front;
	struct loop_source backend;
	struct channel front_chan;
	struct channel backend_chan;
	struct loop_timer retry;
	struct loop_timer again;
	struct library lib;
	struct device dev;
	struct memory_slots slots;
	struct resolver resolver;
	struct closer *closer;
	struct guest_counters counters;
	struct log_limit limit;
	bool told;
	bool made;
	bool sole;
	bool lone;
};

/**
 * guest_open() - Prepare a guest and begin to wait for its front-end
 * @guest:	Zeroed
 * @daemon:	With everything but guests set up
 * @index:	Of its section
 *
 * Logs what went wrong.
 *
 * Return: 0 or -errno, and then guest_close() is still owed
 */
int guest_open(struct guest *guest, struct daemon *daemon, unsigned int index) CTL_ONLY;

/**
 * guest_close() - Drop the front-end, remove the socket, free the guest's parts
 * @guest:	Guest
 */
void guest_close(struct guest *guest) CTL_ONLY;

/**
 * guest_drop() - End the connection to the front-end, and wait for the next
 * @guest:	Served, or not
 */
void guest_drop(struct guest *guest) CTL_ONLY;

/**
 * guest_check() - Look at what the PMD threads found wrong with a guest
 * @guest:	Guest; dropped when its memory is gone
 */
void guest_check(struct guest *guest) CTL_ONLY;

/**
 * guest_take_backend() - Take over the backend channel
 * @guest:	Guest
 * @fd:		Stream socket, owned by the guest from now on
 *
 * Not the other end of @guest's own connection: as long as that is open here, the
 * connection never ends, whoever leaves.
 *
 * Return: 0 or -errno
 */
int guest_take_backend(struct guest *guest, int fd) CTL_ONLY;

/**
 * guest_ask_begin() - Misses of this guest follow: send their questions together
 * @guest:	Guest
 */
void guest_ask_begin(struct guest *guest) CTL_ONLY;

/**
 * guest_ask_end() - Send the questions since guest_ask_begin()
 * @guest:	Guest
 */
void guest_ask_end(struct guest *guest) CTL_ONLY;

/**
 * guest_negotiated() - Whether a protocol feature was agreed on
 * @guest:	Guest
 * @bit:	enum vu_protocol_feature
 */
static inline bool guest_negotiated(const struct guest *guest, enum vu_protocol_feature bit)
{
	return guest->dev.protocol_features & (UINT64_C(1) << bit);
}

#endif /* VUNETD_GUEST_H */
