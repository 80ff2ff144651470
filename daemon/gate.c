/* SPDX-License-Identifier: BSD-3-Clause */
/* gate.c - Every message of a front-end, checked before anything acts on it */
#include "daemon/gate.h"

#include <errno.h>
#include <string.h>

#include "daemon/closer.h"
#include "daemon/guest.h"
#include "datapath/counters.h"

#define U64   sizeof(uint64_t)
#define STATE sizeof(struct vu_vring_state)
#define ADDR  sizeof(struct vu_vring_addr)
#define IOTLB sizeof(struct vu_iotlb)
#define LOG   sizeof(struct vu_log)
#define MEM_0 offsetof(struct vu_memory, regions)
#define MEM_8 sizeof(struct vu_memory)
#define SLOT  sizeof(struct vu_memory_slot)

/* clang-format off */
/* What is not here was not offered: a front-end that sends it is refused */
static const struct gate_request requests[VU_REQUEST_MAX] = {
	/* request                    name                     least  most   fds replies handler */
	[VU_GET_FEATURES]            = {"GET_FEATURES",           0,     0,     0,  true,  gate_get_features},
	[VU_SET_FEATURES]            = {"SET_FEATURES",           U64,   U64,   0,  false, gate_set_features},
	[VU_SET_OWNER]               = {"SET_OWNER",              0,     0,     0,  false, gate_set_owner},
	[VU_RESET_OWNER]             = {"RESET_OWNER",            0,     0,     0,  false, gate_reset_owner},
	[VU_SET_MEM_TABLE]           = {"SET_MEM_TABLE",          MEM_0, MEM_8, 8,  false, gate_set_mem_table},
	[VU_SET_LOG_BASE]            = {"SET_LOG_BASE",           LOG,   LOG,   1,  true,  gate_set_log_base},
	[VU_SET_LOG_FD]              = {"SET_LOG_FD",             0,     U64,   1,  false, gate_set_log_fd},
	[VU_SET_VRING_NUM]           = {"SET_VRING_NUM",          STATE, STATE, 0,  false, gate_set_vring_num},
	[VU_SET_VRING_ADDR]          = {"SET_VRING_ADDR",         ADDR,  ADDR,  0,  false, gate_set_vring_addr},
	[VU_SET_VRING_BASE]          = {"SET_VRING_BASE",         STATE, STATE, 0,  false, gate_set_vring_base},
	[VU_GET_VRING_BASE]          = {"GET_VRING_BASE",         STATE, STATE, 0,  true,  gate_get_vring_base},
	[VU_SET_VRING_KICK]          = {"SET_VRING_KICK",         U64,   U64,   1,  false, gate_set_vring_kick},
	[VU_SET_VRING_CALL]          = {"SET_VRING_CALL",         U64,   U64,   1,  false, gate_set_vring_call},
	[VU_SET_VRING_ERR]           = {"SET_VRING_ERR",          U64,   U64,   1,  false, gate_set_vring_err},
	[VU_GET_PROTOCOL_FEATURES]   = {"GET_PROTOCOL_FEATURES",  0,     0,     0,  true,  gate_get_protocol_features},
	[VU_SET_PROTOCOL_FEATURES]   = {"SET_PROTOCOL_FEATURES",  U64,   U64,   0,  false, gate_set_protocol_features},
	[VU_GET_QUEUE_NUM]           = {"GET_QUEUE_NUM",          0,     0,     0,  true,  gate_get_queue_num},
	[VU_SET_VRING_ENABLE]        = {"SET_VRING_ENABLE",       STATE, STATE, 0,  false, gate_set_vring_enable},
	[VU_SEND_RARP]               = {"SEND_RARP",              U64,   U64,   0,  false, gate_send_rarp},
	[VU_NET_SET_MTU]             = {"NET_SET_MTU",            U64,   U64,   0,  false, gate_net_set_mtu},
	[VU_SET_BACKEND_REQ_FD]      = {"SET_BACKEND_REQ_FD",     0,     U64,   1,  false, gate_set_backend_req_fd},
	[VU_IOTLB_MSG]               = {"IOTLB_MSG",              IOTLB, IOTLB, 0,  false, gate_iotlb_msg},
	[VU_GET_MAX_MEM_SLOTS]       = {"GET_MAX_MEM_SLOTS",      0,     0,     0,  true,  gate_get_max_mem_slots},
	[VU_ADD_MEM_REG]             = {"ADD_MEM_REG",            SLOT,  SLOT,  1,  false, gate_add_mem_reg},
	[VU_REM_MEM_REG]             = {"REM_MEM_REG",            SLOT,  SLOT,  1,  false, gate_rem_mem_reg},
};
/* clang-format on */

/**
 * gate_act() - Check a message against its row, and have it handled
 * @guest:	Guest
 * @row:	Its row
 * @msg:	Message
 * @fds:	Descriptors
 * @n_fds:	How many
 * Return: 0 or -errno
 */
static int gate_act(struct guest *guest, const struct gate_request *row, struct vu_msg *msg,
		    int *fds, unsigned int n_fds)
{
	if (!row->handle)
		return -ENOTSUP;
	if (msg->hdr.size < row->size_min || msg->hdr.size > row->size_max)
		return -EMSGSIZE;
	if (n_fds > row->fds_max)
		return -EBADMSG;
	return row->handle(guest, msg, fds, n_fds);
}

/**
 * gate_reply() - Answer, if an answer is due
 * @guest:	Guest
 * @row:	Row of the message
 * @msg:	The message, or its own reply
 * @err:	What came of it
 * @asked:	Whether an acknowledgement was asked for
 * Return: 0; -errno when the connection has to end
 */
static int gate_reply(struct guest *guest, const struct gate_request *row, struct vu_msg *msg,
		      int err, bool asked) CTL_ONLY
{
	bool own = row->replies && !err;

	if (err && (row->replies || !asked || err == -EPIPE || err == -ETIMEDOUT))
		return err;
	if (!own && !asked)
		return 0;
	msg->hdr.flags = VU_VERSION | VU_REPLY;
	if (!own) {
		msg->hdr.size = U64;
		msg->payload.u64 = err ? 1 : 0;
	}
	return channel_send(&guest->front_chan, msg);
}

int gate_serve(struct guest *guest, struct vu_msg *msg, int *fds, unsigned int n_fds)
{
	static const struct gate_request unknown = {.name = "unknown request"};
	uint32_t request = msg->hdr.request;
	const struct gate_request *row = request < VU_REQUEST_MAX ? &requests[request] : &unknown;
	bool asked = msg->hdr.flags & VU_NEED_REPLY;
	int err;

	COUNTER_ADD(guest->counters.messages, 1);
	log_debug("guest %s: %s, %u bytes, %u descriptors", guest->conf->name,
		  row->name ? row->name : unknown.name, msg->hdr.size, n_fds);
	err = gate_act(guest, row, msg, fds, n_fds);
	closer_close(guest->closer, fds, n_fds);
	if (err) {
		COUNTER_ADD(guest->counters.refused, 1);
		if (log_limit_ok(&guest->dev.limit))
			log_warning("guest %s: refused %s (%u): %s", guest->conf->name,
				    row->name ? row->name : unknown.name, request, strerror(-err));
	}
	return gate_reply(guest, row, msg, err, asked);
}
