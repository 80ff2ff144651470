/* SPDX-License-Identifier: BSD-3-Clause */
/* offload_merge.h - TCP segments on their way to a guest, made fewer
 *
 * Theory of operation
 * ===================
 * A guest that negotiated VIRTIO_NET_F_GUEST_TSO4 or 6 takes a frame of up to
 * 64 KiB as readily as one of 1,500 bytes, and handles it at nearly the same
 * cost.  So the segments of a TCP connection that arrive in one burst, in order
 * and next to each other in the stream, become one frame (generic receive
 * offload).  Nothing waits for a later burst.
 *
 * Merging loses nothing: whoever cuts the frame again gets the segments that
 * came.  Each has right checksums, as the port or a sum of ours says; headers
 * differ in nothing but lengths, sequence numbers, checksums, IPv4 IDs that
 * count up or mean nothing, and PSH in the last one; all parts but the last have
 * the size of the first.
 *
 * Why not rte_gro: that of DPDK 22.11 knows only IPv4, and merges across VLAN
 * tags, traffic classes and TTLs, so that a congestion mark could get lost.
 *
 * Threads: the PMD thread that polls the wire.  No state between calls.
 */
#ifndef VUNETD_OFFLOAD_MERGE_H
#define VUNETD_OFFLOAD_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_net.h>

#include "iotlb/thread_role.h"

struct rte_mbuf;

#define OFFLOAD_MERGE_TSO \
	(UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO4 | UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO6)

/**
 * offload_merge_wanted() - Whether a guest takes merged frames
 * @features:	Negotiated
 */
static inline bool offload_merge_wanted(uint64_t features)
{
	return features >> VIRTIO_NET_F_GUEST_CSUM & 1 && features & OFFLOAD_MERGE_TSO;
}

/**
 * offload_merge() - Merge what belongs together in a burst
 * @pkts:	Frames, owned by the caller; those left move to the front, in order
 * @n:		How many
 * @features:	Negotiated; offload_merge_wanted()
 *
 * A merged frame is a chain of mbufs, with what offload_to_guest() goes by:
 * RTE_MBUF_F_RX_LRO, tso_segsz, and the pseudo-header's sum as its checksum.
 *
 * Return: How many frames are left
 */
uint16_t offload_merge(struct rte_mbuf **pkts, uint16_t n, uint64_t features) PMD_ONLY;

#endif /* VUNETD_OFFLOAD_MERGE_H */
