/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_user.h - vhost-user messages, the front-end's side
 *
 * Theory of operation
 * ===================
 * Two sockets: the main one, where each message is a call of ours that may have
 * a reply; and, with a vIOMMU, the backend channel, where the backend tells us
 * of its misses.  A call waits for its answer no longer than the timeout, and
 * what goes wrong is complained about here, naming the message.
 */
#ifndef GUEST_VHOST_USER_H
#define GUEST_VHOST_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vhost.h>

#define VU_FDS_MAX 8

enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_SET_MEM_TABLE = 5,
	VU_SET_LOG_BASE = 6,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_IOTLB_MSG = 22,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_REM_MEM_REG = 38,
	VU_SET_STATUS = 39,
};

enum vu_protocol_feature {
	VU_PROTO_MQ = 0,
	VU_PROTO_LOG_SHMFD = 1,
	VU_PROTO_REPLY_ACK = 3,
	VU_PROTO_BACKEND_REQ = 5,
	VU_PROTO_CONFIGURE_MEM_SLOTS = 15,
	VU_PROTO_STATUS = 16,
};

/* Requests on the backend channel */
enum vu_backend_request { VU_BACKEND_IOTLB_MSG = 1 };

/**
 * struct vu_header - Before each payload
 */
struct vu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
};

#define VU_FLAG_VERSION	   0x1u
#define VU_FLAG_REPLY	   0x4u
#define VU_FLAG_NEED_REPLY 0x8u

/**
 * struct vu_mem_region - A region as SET_MEM_TABLE tells it
 */
struct vu_mem_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t user_addr;
	uint64_t mmap_offset;
};

/**
 * struct vu_mem_table - Payload of SET_MEM_TABLE
 */
struct vu_mem_table {
	uint32_t n_regions;
	uint32_t padding;
	struct vu_mem_region regions[VU_FDS_MAX];
};

/**
 * struct vu_mem_slot - Payload of ADD_MEM_REG and REM_MEM_REG
 */
struct vu_mem_slot {
	uint64_t padding;
	struct vu_mem_region region;
};

/* IOTLB messages sent in one piece */
#define VU_BATCH_MAX 64

/**
 * struct vu_iotlb - A whole VU_IOTLB_MSG as it is sent
 */
struct vu_iotlb {
	struct vu_header h;
	struct vhost_iotlb_msg msg;
} __attribute__((packed));

/**
 * struct vu - A connection to a backend
 * @path:	Socket, for complaints
 * @fd:		Main socket
 * @backend_fd:	Our end of the backend channel, or -1
 * @reply_ack:	VU_PROTO_REPLY_ACK was negotiated
 * @trace:	Print every message
 * @retrying:	Say nothing of a backend that is not there
 * @timeout_ms:	Bound on each step
 * @batch:	IOTLB messages that are not sent yet
 * @n_batch:	How many
 */
struct vu {
	const char *path;
	int fd;
	int backend_fd;
	bool reply_ack;
	bool trace;
	bool retrying;
	uint32_t timeout_ms;
	struct vu_iotlb batch[VU_BATCH_MAX];
	unsigned int n_batch;
};

/**
 * vu_open() - Connect to a backend, or wait for it to connect
 * @vu:		With path, trace and timeout_ms set
 * @server:	Listen instead; a stale socket is replaced
 *
 * Return: 0 or -errno after a complaint
 */
int vu_open(struct vu *vu, bool server);

/**
 * vu_close() - Hang up
 * @vu:	Connection, may be closed already
 */
void vu_close(struct vu *vu);

/**
 * vu_set() - Send a message; with REPLY_ACK wait until it was carried out
 * @vu:		Connection
 * @request:	Message
 * @payload:	Its payload
 * @size:	Bytes of it
 * @fds:	Descriptors to pass, or NULL
 * @n_fds:	How many
 *
 * Return: 0 or -errno after a complaint
 */
int vu_set(struct vu *vu, uint32_t request, const void *payload, uint32_t size, const int *fds,
	   unsigned int n_fds);

/**
 * vu_set_u64() - vu_set() of one number
 */
int vu_set_u64(struct vu *vu, uint32_t request, uint64_t value);

/**
 * vu_get() - Send a message that has a reply of its own
 * @vu:		Connection
 * @request:	Message
 * @payload:	Payload of the request, overwritten by that of the reply
 * @send_size:	Bytes to send of it
 * @size:	Bytes expected
 *
 * Return: 0 or -errno after a complaint
 */
int vu_get(struct vu *vu, uint32_t request, void *payload, uint32_t send_size, uint32_t size);

/**
 * vu_set_log() - Say where dirty pages are to be logged, and wait until they are
 * @vu:		Connection
 * @fd:		File
 * @size:	Bytes of it
 *
 * Return: 0 or -errno after a complaint
 */
int vu_set_log(struct vu *vu, int fd, uint64_t size);

/**
 * vu_batch_add() - Put an IOTLB message with others, to be sent together
 * @vu:		Connection
 * @msg:	Message
 *
 * A full batch is sent and waited for.  No other message may be sent before
 * vu_batch_end().
 *
 * Return: 0 or -errno after a complaint
 */
int vu_batch_add(struct vu *vu, const struct vhost_iotlb_msg *msg);

/**
 * vu_batch_end() - Send what is left, and with REPLY_ACK wait until it is done
 * @vu:	Connection
 *
 * Return: 0 or -errno after a complaint
 */
int vu_batch_end(struct vu *vu);

/**
 * vu_backend_open() - Make the backend channel and pass its other end
 * @vu:	Connection
 *
 * Return: 0 or -errno after a complaint
 */
int vu_backend_open(struct vu *vu);

/**
 * vu_backend_poll() - Take one message from the backend channel, if there is one
 * @vu:		Connection
 * @ret_msg:	Set to the IOTLB message
 *
 * Return: 1 for an IOTLB message, 0 for none, -errno after a complaint
 */
int vu_backend_poll(struct vu *vu, struct vhost_iotlb_msg *ret_msg);

/**
 * vu_alive() - Whether the backend still holds the connection
 * @vu:	Connection
 */
bool vu_alive(const struct vu *vu);

#endif /* GUEST_VHOST_USER_H */
