/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_fixture.h - Everything of the daemon but main(), and a front-end for it
 *
 * Theory of operation
 * ===================
 * One process is both ends: the test writes messages to a guest's socket and
 * then runs the control thread's loop itself until the answer is there.  What
 * the loop serves is real: EAL without hugepages, null ports, one poll-mode
 * thread (or more), librte_vhost and guests of a configuration file.
 *
 *   vm1  vIOMMU offered, two queue pairs, on a port that always has frames
 *   vm2  no vIOMMU, one queue pair, on a port that has none
 *   vm3  likewise, in client mode
 *
 * After each test every front-end leaves, and what it passed must be gone.
 */
#ifndef VUNETD_GATE_FIXTURE_H
#define VUNETD_GATE_FIXTURE_H

#include "tests/unit/daemon/daemon_test.h"

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_vhost.h>

#include "daemon/daemon.h"
#include "daemon/guest.h"
#include "daemon/vhost_user.h"

#define VM1	0
#define VM2	1
#define VM3	2
#define N_RINGS 4 /* of vm1 */

#define BIT(n) (UINT64_C(1) << (n))
#define FEATURES                                                 \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF) | \
	 BIT(VHOST_USER_F_PROTOCOL_FEATURES))
#define VIOMMU BIT(VIRTIO_F_ACCESS_PLATFORM)
#define PROTOCOL_FEATURES                                                                 \
	(BIT(VU_PROTOCOL_F_MQ) | BIT(VU_PROTOCOL_F_LOG_SHMFD) | BIT(VU_PROTOCOL_F_RARP) | \
	 BIT(VU_PROTOCOL_F_REPLY_ACK) | BIT(VU_PROTOCOL_F_NET_MTU) |                      \
	 BIT(VU_PROTOCOL_F_BACKEND_REQ) | BIT(VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS))

/* Guest memory: one file in two regions */
#define MEM_NAME    "vunetd-test-mem"
#define REGION_SIZE UINT64_C(0x200000)
#define GPA_0	    UINT64_C(0)
#define GPA_1	    UINT64_C(0x100000000)
#define USER_0	    UINT64_C(0x7e0000000000)
#define USER_1	    UINT64_C(0x7e8000000000)

/* Rings are in region 0, receive buffers in region 1 */
#define RING_SIZE     256
#define RING_BYTES    UINT64_C(0x4000)
#define RING_DESC(i)  (RING_BYTES * (i))
#define RING_AVAIL(i) (RING_DESC(i) + 0x1000)
#define RING_USED(i)  (RING_DESC(i) + 0x2000)
#define RING_IOVA     UINT64_C(0x40000000)
#define BUF_BYTES     UINT64_C(2048)
#define BUF_IOVA      UINT64_C(0x80000000)

#define ERROR_REPLY 1 /* what a refused message's acknowledgement says */

extern struct daemon fixture;
extern unsigned int fixture_threads; /* poll-mode threads wanted, if there are CPUs for them */
extern int mem_fd;
extern uint8_t *mem;

/**
 * fixture_start() - Bring the daemon up, once for a group of tests
 * @state:	cmocka's
 */
int fixture_start(void **state);

/**
 * fixture_stop() - Take it down
 * @state:	cmocka's
 */
int fixture_stop(void **state);

/**
 * fixture_check() - Let every front-end leave, and look for what stayed
 * @state:	cmocka's
 */
int fixture_check(void **state);

#define GATE_TEST(name) cmocka_unit_test_setup_teardown(name, NULL, fixture_check)

/**
 * serve() - One round of the control thread
 */
void serve(void);

/* Serve until something is so; fails when that takes absurdly long */
#define SERVE_UNTIL(condition)                                   \
	do {                                                     \
		uint64_t until_ = loop_now_ns() + 20000000000u;  \
		while (!(condition)) {                           \
			serve();                                 \
			usleep(20);                              \
			if (loop_now_ns() > until_)              \
				fail_msg("not so: " #condition); \
		}                                                \
	} while (0)

/**
 * front_dial() - Connect a front-end
 * @guest:	Index of the guest
 * Return: Socket, closed by fixture_check() unless front_close() was
 */
int front_dial(unsigned int guest);

/**
 * front_open() - Connect a front-end and see it served
 * @guest:	Index of the guest
 */
int front_open(unsigned int guest);

/**
 * front_close() - Leave, and see the guest wait for the next one
 * @fd:		From front_open()
 */
void front_close(int fd);

/**
 * front_send() - Send a message
 * @fd:		Socket
 * @request:	Request
 * @flags:	VU_NEED_REPLY or 0, beside the version
 * @payload:	Payload, or NULL for zeros
 * @size:	Bytes of it
 * @fds:	Descriptors to pass
 * @n_fds:	How many
 */
void front_send(int fd, uint32_t request, uint32_t flags, const void *payload, uint32_t size,
		const int *fds, unsigned int n_fds);

/**
 * front_receive() - Serve until a whole message or the end arrives
 * @fd:		Socket
 * @ret_msg:	Filled in
 * Return: Whether a message came
 */
bool front_receive(int fd, struct vu_msg *ret_msg);

/**
 * front_ask() - Send a message that wants an acknowledgement, and take it
 *
 * Return: What the acknowledgement says, or -ECONNRESET
 */
int front_ask(int fd, uint32_t request, const void *payload, uint32_t size, const int *fds,
	      unsigned int n_fds);

/**
 * front_get() - Send a request that has a reply of its own, and take that
 * @fd:		Socket
 * @request:	Request without a payload whose reply is a number
 */
uint64_t front_get(int fd, uint32_t request);

/**
 * front_ended() - Whether the daemon closed the connection without a word
 * @fd:	Socket
 */
bool front_ended(int fd);

/**
 * front_alive() - Whether the next thing to come is the answer to a new request
 * @fd:	Socket
 */
bool front_alive(int fd);

/* What messages look like, each with acknowledgement: 0, ERROR_REPLY or -ECONNRESET */
int front_u64(int fd, uint32_t request, uint64_t value);
int front_state(int fd, uint32_t request, uint32_t index, uint32_t num);
int front_addr(int fd, uint32_t index, uint64_t desc, uint64_t avail, uint64_t used);
int front_memory(int fd);
int front_backend(int fd, int *ret_fd);
int front_update(int fd, uint64_t iova, uint64_t size, uint64_t user, uint8_t perm);
int front_invalidate(int fd, uint64_t iova, uint64_t size);

/**
 * front_eventfd() - SET_VRING_KICK, CALL or ERR with a descriptor, or without
 * @event:	Descriptor, or -1 to say that there is none
 */
int front_eventfd(int fd, uint32_t request, uint32_t index, int event);

/**
 * front_negotiate() - From GET_FEATURES to the memory table
 * @fd:		Socket
 * @features:	To be accepted
 */
void front_negotiate(int fd, uint64_t features);

/**
 * front_ring() - Set a ring up and enable it; with a vIOMMU it is not mapped yet
 * @fd:		Socket
 * @index:	Virtqueue index
 * @base:	Where it starts
 * @viommu:	Whether its addresses are IOVAs
 * @call:	eventfd or -1
 */
void front_ring(int fd, uint32_t index, uint16_t base, bool viommu, int call);

/**
 * front_map() - Map the rings and buffers of a vIOMMU guest
 * @fd:	Socket
 */
void front_map(int fd);

/**
 * guest_ring() - The guest's side of a ring, its areas in @mem
 * @index:	Virtqueue index
 */
struct vring guest_ring(uint32_t index);

/**
 * guest_offer() - Make receive buffers available, one descriptor each
 * @index:	Virtqueue index
 * @first:	Available index they begin at
 * @n:		How many
 * @viommu:	Whether descriptors have IOVAs
 * @write:	Whether they are for the device to write
 */
void guest_offer(uint32_t index, uint16_t first, uint16_t n, bool viommu, bool write);

/**
 * guest_used() - The used index of a ring
 * @index:	Virtqueue index
 */
uint16_t guest_used(uint32_t index);

#endif /* VUNETD_GATE_FIXTURE_H */
