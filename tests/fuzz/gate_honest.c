/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_honest.c - What an honest front-end sends to the gate */
#include "tests/fuzz/gate_honest.h"

#include "iotlb/iotlb.h"

/**
 * honest_memory() - A memory table
 * @table:	Filled in
 * Return: Bytes of payload
 */
static uint32_t honest_memory(struct vu_memory *table)
{
	*table = (struct vu_memory){.n_regions = 2,
				    .regions = {{GPA_0, REGION_SIZE, USER_0, 0},
						{GPA_1, REGION_SIZE, USER_1, REGION_SIZE}}};
	return offsetof(struct vu_memory, regions[2]);
}

/**
 * honest_addr() - A ring's addresses
 * @addr:	Filled in
 * @ring:	Which
 * @viommu:	They are IOVAs
 */
static uint32_t honest_addr(struct vu_vring_addr *addr, uint8_t ring, bool viommu)
{
	uint64_t areas = viommu ? RING_IOVA : USER_0;

	*addr = (struct vu_vring_addr){
		.index = ring,
		.desc = areas + RING_DESC(ring % N_RINGS),
		.avail = areas + RING_AVAIL(ring % N_RINGS),
		.used = areas + RING_USED(ring % N_RINGS),
	};
	return sizeof(*addr);
}

/**
 * honest_iotlb() - An update of the rings or buffers, or an invalidation
 * @m:		Filled in
 * @what:	From the script
 */
static uint32_t honest_iotlb(struct vu_iotlb *m, uint8_t what)
{
	*m = (struct vu_iotlb){
		.iova = what & 1 ? BUF_IOVA : RING_IOVA,
		.size = what & 2   ? 4096
			: what & 1 ? REGION_SIZE
				   : N_RINGS * RING_BYTES,
		.user_addr = what & 1 ? USER_1 : USER_0,
		.perm = IOTLB_READ | IOTLB_WRITE,
		.type = what & 4 ? VU_IOTLB_INVALIDATE : VU_IOTLB_UPDATE,
	};
	return sizeof(*m);
}

/**
 * features_of() - Features a session may have
 * @what:	From the script
 */
static uint64_t features_of(uint8_t what)
{
	return FEATURES | (what & 1 ? 0 : VIOMMU) | (what & 2 ? BIT(VIRTIO_F_RING_PACKED) : 0) |
	       (what & 4 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0) |
	       (what & 8 ? BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0) |
	       (what & 128 ? BIT(VHOST_F_LOG_ALL) : 0);
}

void gate_honest(uint32_t request, uint8_t what, bool *viommu, struct vu_msg *msg)
{
	union vu_payload payload = {.u64 = 0};
	uint32_t size = sizeof(payload.u64);

	switch (request) {
	case VU_SET_FEATURES:
		payload.u64 = features_of(what);
		*viommu = payload.u64 & VIOMMU;
		break;
	case VU_SET_PROTOCOL_FEATURES:
		payload.u64 = PROTOCOL_FEATURES;
		break;
	case VU_SET_MEM_TABLE:
		size = honest_memory(&payload.memory);
		break;
	case VU_SET_VRING_NUM:
		payload.state = (struct vu_vring_state){.index = what, .num = RING_SIZE};
		size = sizeof(payload.state);
		break;
	case VU_SET_VRING_BASE:
	case VU_GET_VRING_BASE:
		payload.state = (struct vu_vring_state){.index = what};
		size = sizeof(payload.state);
		break;
	case VU_SET_VRING_ENABLE:
		payload.state = (struct vu_vring_state){.index = what, .num = 1};
		size = sizeof(payload.state);
		break;
	case VU_SET_VRING_ADDR:
		size = honest_addr(&payload.addr, what, *viommu);
		break;
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
		payload.u64 = what;
		break;
	case VU_SEND_RARP:
		payload.u64 = UINT64_C(0x563412005452);
		break;
	case VU_NET_SET_MTU:
		payload.u64 = 1500;
		break;
	case VU_SET_LOG_BASE:
		payload.log = (struct vu_log){.size = LOG_BYTES, .offset = what};
		size = sizeof(payload.log);
		break;
	case VU_IOTLB_MSG:
		size = honest_iotlb(&payload.iotlb, what);
		break;
	default:
		size = 0;
	}
	msg->payload = payload;
	msg->hdr.size = size;
}
