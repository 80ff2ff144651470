/* SPDX-License-Identifier: BSD-3-Clause */
/* features.h - Feature bits by short names, for tables of guests */
#ifndef VUNETD_TESTS_FEATURES_H
#define VUNETD_TESTS_FEATURES_H

#include <stdint.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#define BIT(n) (UINT64_C(1) << (n))

#define V1	 BIT(VIRTIO_F_VERSION_1)
#define MRG	 BIT(VIRTIO_NET_F_MRG_RXBUF)
#define INDIRECT BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT	 BIT(VIRTIO_RING_F_EVENT_IDX)
#define ORDER	 BIT(VIRTIO_F_IN_ORDER)
#define PACKED	 BIT(VIRTIO_F_RING_PACKED)
#define PV1	 (PACKED | V1)

#endif /* VUNETD_TESTS_FEATURES_H */
