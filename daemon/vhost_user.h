/* SPDX-License-Identifier: BSD-3-Clause */
/* vhost_user.h - The vhost-user messages as they are on the wire
 *
 * From the vhost-user protocol, "Message Specification".  All values are in
 * host byte order, because both ends run on one machine.
 */
#ifndef VUNETD_VHOST_USER_H
#define VUNETD_VHOST_USER_H

#include <stddef.h>
#include <stdint.h>

#define VU_VERSION	0x1u
#define VU_VERSION_MASK 0x3u
#define VU_REPLY	(1u << 2)
#define VU_NEED_REPLY	(1u << 3)

#define VU_MAX_REGIONS 8 /* as many as the library maps */
#define VU_MAX_FDS     8

/* SET_VRING_KICK and its like: ring number, and "no descriptor comes with it" */
#define VU_VRING_INDEX 0xffu
#define VU_VRING_NOFD  (1u << 8)

enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_LOG_BASE = 6,
	VU_SET_LOG_FD = 7,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SEND_RARP = 19,
	VU_NET_SET_MTU = 20,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_IOTLB_MSG = 22,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_REM_MEM_REG = 38,
	VU_REQUEST_MAX
};

enum vu_backend_request {
	VU_BACKEND_IOTLB_MSG = 1,
};

enum vu_protocol_feature {
	VU_PROTOCOL_F_MQ = 0,
	VU_PROTOCOL_F_LOG_SHMFD = 1,
	VU_PROTOCOL_F_RARP = 2,
	VU_PROTOCOL_F_REPLY_ACK = 3,
	VU_PROTOCOL_F_NET_MTU = 4,
	VU_PROTOCOL_F_BACKEND_REQ = 5,
	VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
};

enum vu_iotlb_type {
	VU_IOTLB_MISS = 1,
	VU_IOTLB_UPDATE = 2,
	VU_IOTLB_INVALIDATE = 3,
	VU_IOTLB_ACCESS_FAIL = 4,
};

struct vu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
};

struct vu_vring_state {
	uint32_t index;
	uint32_t num;
};

struct vu_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct vu_region {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr; /* in the front-end's address space */
	uint64_t mmap_offset;
};

struct vu_memory {
	uint32_t n_regions;
	uint32_t padding;
	struct vu_region regions[VU_MAX_REGIONS];
};

struct vu_memory_slot {
	uint64_t padding;
	struct vu_region region;
};

struct vu_iotlb {
	uint64_t iova;
	uint64_t size;
	uint64_t user_addr;
	uint8_t perm; /* IOTLB_READ, IOTLB_WRITE or both */
	uint8_t type; /* enum vu_iotlb_type */
	uint8_t padding[6];
};

struct vu_log {
	uint64_t size;
	uint64_t offset; /* into the file that comes with it */
};

union vu_payload {
	uint64_t u64;
	struct vu_vring_state state;
	struct vu_vring_addr addr;
	struct vu_memory memory;
	struct vu_memory_slot slot;
	struct vu_iotlb iotlb;
	struct vu_log log;
};

/* Packed, because a payload follows 12 bytes of header without a gap */
struct __attribute__((packed, aligned(4))) vu_msg {
	struct vu_header hdr;
	union vu_payload payload;
};

#define VU_HEADER_SIZE sizeof(struct vu_header)

_Static_assert(offsetof(struct vu_msg, payload) == 12, "the payload follows the header");
_Static_assert(sizeof(struct vu_memory) == 264, "eight regions of 32 bytes");
_Static_assert(sizeof(struct vu_memory_slot) == 40, "eight bytes and a region");
_Static_assert(sizeof(struct vu_vring_addr) == 40, "two words and four addresses");
_Static_assert(sizeof(struct vu_log) == 16, "size and offset");
_Static_assert(sizeof(struct vu_iotlb) == 32, "as the kernel's vhost_iotlb_msg");

#endif /* VUNETD_VHOST_USER_H */
