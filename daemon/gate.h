/* SPDX-License-Identifier: BSD-3-Clause */
/* gate.h - Every message of a front-end, checked before anything acts on it
 *
 * Theory of operation
 * ===================
 * One table names each request with its payload sizes, descriptors, whether it
 * has a reply of its own, and its handler.  A message that does not fit its row
 * is refused before a handler sees it; a handler checks the values, acts, and
 * forwards to librte_vhost what the library has to know (library.h).
 *
 * A refused message gets an error reply where it asked for a reply; where it
 * did not, the connection ends, because the front-end takes silence for
 * success.
 *
 *   front-end ---> gate_serve() ---> handler ---> library_call()
 *                        |              |
 *                        |              +-------> device.h, resolver.h
 *                        +---> reply
 *
 * Threads: control thread only.
 */
#ifndef VUNETD_GATE_H
#define VUNETD_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/vhost_user.h"
#include "iotlb/thread_role.h"

struct guest;

/**
 * struct gate_request - A row of the table
 * @name:	As the protocol calls it, for logs
 * @size_min:	Least bytes of payload
 * @size_max:	Most bytes of payload
 * @fds_max:	Most descriptors; how many exactly is the handler's to check
 * @replies:	It has a reply of its own: the handler puts it in place of @msg
 * @handle:	Acts.  Takes a descriptor over by setting it to -1; the others are
 *		closed after it.  0 or -errno; -EPIPE and -ETIMEDOUT mean that
 *		the library has failed
 */
struct gate_request {
	const char *name;
	uint32_t size_min, size_max;
	uint8_t fds_max;
	bool replies;
	int (*handle)(struct guest *guest, struct vu_msg *msg, int *fds, unsigned int n_fds);
};

/**
 * gate_serve() - Act on one message and answer it
 * @guest:	Served guest
 * @msg:	Complete message, its content untrusted; overwritten
 * @fds:	Descriptors that came with it; all are taken over or closed
 * @n_fds:	How many
 *
 * Return: 0; -errno when the connection has to end
 */
int gate_serve(struct guest *guest, struct vu_msg *msg, int *fds, unsigned int n_fds) CTL_ONLY;

/**
 * gate_u64_reply() - Put a reply of one value in place of a message
 * @msg:	Message
 * @value:	Value
 */
static inline void gate_u64_reply(struct vu_msg *msg, uint64_t value)
{
	msg->hdr.size = sizeof(value);
	msg->payload.u64 = value;
}

/* Handlers, one file for each kind of message; see struct gate_request */
#define GATE_HANDLER(name) \
	int name(struct guest *guest, struct vu_msg *msg, int *fds, unsigned int n_fds)

/* gate_features.c */
GATE_HANDLER(gate_get_features) CTL_ONLY;
GATE_HANDLER(gate_set_features) CTL_ONLY;
GATE_HANDLER(gate_get_protocol_features) CTL_ONLY;
GATE_HANDLER(gate_set_protocol_features) CTL_ONLY;
GATE_HANDLER(gate_get_queue_num) CTL_ONLY;
/* gate_memory.c */
GATE_HANDLER(gate_set_owner) CTL_ONLY;
GATE_HANDLER(gate_reset_owner) CTL_ONLY;
GATE_HANDLER(gate_set_mem_table) CTL_ONLY;
/* gate_slots.c */
GATE_HANDLER(gate_get_max_mem_slots) CTL_ONLY;
GATE_HANDLER(gate_add_mem_reg) CTL_ONLY;
GATE_HANDLER(gate_rem_mem_reg) CTL_ONLY;
/* gate_vring.c */
GATE_HANDLER(gate_set_vring_num) CTL_ONLY;
GATE_HANDLER(gate_set_vring_addr) CTL_ONLY;
GATE_HANDLER(gate_set_vring_base) CTL_ONLY;
GATE_HANDLER(gate_get_vring_base) CTL_ONLY;
GATE_HANDLER(gate_set_vring_kick) CTL_ONLY;
GATE_HANDLER(gate_set_vring_call) CTL_ONLY;
GATE_HANDLER(gate_set_vring_err) CTL_ONLY;
GATE_HANDLER(gate_set_vring_enable) CTL_ONLY;
/* gate_net.c */
GATE_HANDLER(gate_send_rarp) CTL_ONLY;
GATE_HANDLER(gate_net_set_mtu) CTL_ONLY;
/* gate_log.c */
GATE_HANDLER(gate_set_log_base) CTL_ONLY;
GATE_HANDLER(gate_set_log_fd) CTL_ONLY;
/* gate_iotlb.c */
GATE_HANDLER(gate_set_backend_req_fd) CTL_ONLY;
GATE_HANDLER(gate_iotlb_msg) CTL_ONLY;

#endif /* VUNETD_GATE_H */
