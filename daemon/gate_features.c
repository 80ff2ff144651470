/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_features.c - Negotiation of features, protocol features and queues */
#include <errno.h>

#include <linux/virtio_config.h>

#include "daemon/gate.h"
#include "daemon/guest.h"

/* What the library never hears of: the IOMMU, because the translations are ours,
 * and the packed layout, because the rings are, and it would refuse or change
 * what it is told of their size and base in ways of its own.
 */
#define OWN_BITS (UINT64_C(1) << VIRTIO_F_ACCESS_PLATFORM | UINT64_C(1) << VIRTIO_F_RING_PACKED)

/**
 * u64_reply() - Put a reply of one value in place of a message
 * @msg:	Message
 * @value:	Value
 */
static void u64_reply(struct vu_msg *msg, uint64_t value)
{
	msg->hdr.size = sizeof(value);
	msg->payload.u64 = value;
}

/* The library offers the rest */
GATE_HANDLER(gate_get_features)
{
	int err = library_call(&guest->lib, msg, NULL, 0, true);

	(void)fds, (void)n_fds;
	if (!err)
		u64_reply(msg, (msg->payload.u64 & ~OWN_BITS) |
				       (device_offered(guest->conf) & OWN_BITS));
	return err;
}

GATE_HANDLER(gate_set_features)
{
	struct device *dev = &guest->dev;
	uint64_t features = msg->payload.u64;
	struct vu_msg call = *msg;
	int err;

	(void)fds, (void)n_fds;
	if (features & ~device_offered(guest->conf))
		return -EINVAL;
	call.payload.u64 = features & ~OWN_BITS;
	device_pause(dev);
	err = library_call(&guest->lib, &call, NULL, 0, false);
	if (!err && features != dev->features) {
		dev->features = features;
		err = device_map_memory(dev, NULL);
	}
	device_run(dev);
	return err;
}

GATE_HANDLER(gate_get_protocol_features)
{
	(void)fds, (void)n_fds;
	return library_call(&guest->lib, msg, NULL, 0, true);
}

GATE_HANDLER(gate_set_protocol_features)
{
	int err = library_call(&guest->lib, msg, NULL, 0, false);

	(void)fds, (void)n_fds;
	if (!err)
		guest->dev.protocol_features = msg->payload.u64;
	return err;
}

/* Ours to answer: the library would say its own limit */
GATE_HANDLER(gate_get_queue_num)
{
	(void)fds, (void)n_fds;
	u64_reply(msg, guest->conf->queues);
	return 0;
}
