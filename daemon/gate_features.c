/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_features.c - Negotiation of features, protocol features and queues */
#include <errno.h>

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>

#include "daemon/gate.h"
#include "daemon/guest.h"

#define LOG_ALL (UINT64_C(1) << VHOST_F_LOG_ALL)

/* What the library never hears of: the IOMMU, because the translations are ours,
 * the packed layout, because the rings are, and it would refuse or change what it
 * is told of their size and base in ways of its own; and the log, because it
 * writes nothing.
 */
#define OWN_BITS \
	(UINT64_C(1) << VIRTIO_F_ACCESS_PLATFORM | UINT64_C(1) << VIRTIO_F_RING_PACKED | LOG_ALL)

/* Protocol features that the library does not know, and need not */
#define OWN_PROTOCOL_BITS (UINT64_C(1) << VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS)

/* The library offers the rest */
GATE_HANDLER(gate_get_features)
{
	int err = library_call(&guest->lib, msg, NULL, 0, true);

	(void)fds, (void)n_fds;
	if (!err)
		gate_u64_reply(msg, (msg->payload.u64 & ~OWN_BITS) |
					    (device_offered(guest->conf) & OWN_BITS));
	return err;
}

/*
 * Sent anew when a migration begins and ends, with nothing but LOG_ALL changed:
 * then translations stay, which the front-end would be asked for again.
 */
GATE_HANDLER(gate_set_features)
{
	struct device *dev = &guest->dev;
	uint64_t features = msg->payload.u64, changed = features ^ dev->features;
	struct vu_msg call = *msg;
	int err;

	(void)fds, (void)n_fds;
	if (features & ~device_offered(guest->conf))
		return -EINVAL;
	call.payload.u64 = features & ~OWN_BITS;
	device_pause(dev);
	err = library_call(&guest->lib, &call, NULL, 0, false);
	if (!err)
		dev->features = features;
	if (!err && changed & ~LOG_ALL)
		err = device_map_memory(dev, NULL);
	device_run(dev);
	if (!err && changed & LOG_ALL && log_limit_ok(&dev->limit))
		log_notice("guest %s: dirty pages are %s", guest->conf->name,
			   features & LOG_ALL ? "logged" : "not logged any more");
	return err;
}

GATE_HANDLER(gate_get_protocol_features)
{
	int err = library_call(&guest->lib, msg, NULL, 0, true);

	(void)fds, (void)n_fds;
	if (!err)
		gate_u64_reply(msg, msg->payload.u64 | OWN_PROTOCOL_BITS);
	return err;
}

GATE_HANDLER(gate_set_protocol_features)
{
	struct vu_msg call = *msg;
	int err;

	(void)fds, (void)n_fds;
	if (msg->payload.u64 & ~(GUEST_PROTOCOL_FEATURES | OWN_PROTOCOL_BITS))
		return -EINVAL;
	call.payload.u64 &= ~OWN_PROTOCOL_BITS;
	err = library_call(&guest->lib, &call, NULL, 0, false);
	if (!err)
		guest->dev.protocol_features = msg->payload.u64;
	return err;
}

/* Ours to answer: the library would say its own limit */
GATE_HANDLER(gate_get_queue_num)
{
	(void)fds, (void)n_fds;
	gate_u64_reply(msg, guest->conf->queues);
	return 0;
}
