/* SPDX-License-Identifier: BSD-3-Clause */
/* offload.h - Between the virtio-net header and an mbuf's offload flags
 *
 * Theory of operation
 * ===================
 * A guest that negotiated VIRTIO_NET_F_CSUM may leave checksums to us, and one
 * that negotiated VIRTIO_NET_F_HOST_TSO* may leave segmentation (virtio 1.2,
 * 5.1.6.2).  The ten bytes in which it says so are as untrusted as the rest:
 * offload_from_guest() compares every one that counts with the frame and with
 * what was negotiated, and only then sets the mbuf's flags.  What is left to do
 * is done by the port or by software (offload_finish.h).
 *
 * Two kinds of checksum are distinguished.  That of a TCP or UDP header where
 * the frame has one becomes a flag.  Any other place behind the network header,
 * such as the inner header of a tunnel, is legal too, but no port could be told
 * of it: it is summed up at once.
 *
 *   field		what it must be
 *   -----		---------------
 *   flags		NEEDS_CSUM only with CSUM negotiated; the other bits mean
 *			nothing from a guest and are ignored, as virtio says
 *   gso_type		NONE, or TCPV4 or TCPV6 if negotiated and the frame is
 *			that; with ECN if negotiated; always with NEEDS_CSUM
 *   gso_size		OFFLOAD_GSO_MIN or more when @gso_type says so
 *   csum_start		the transport header, or behind it
 *   csum_offset	the transport header's checksum; within the frame
 *   hdr_len		a hint, never read
 *
 * Threads: the PMD thread that polls the ring.
 */
#ifndef VUNETD_OFFLOAD_H
#define VUNETD_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <linux/virtio_net.h>

#include "iotlb/thread_role.h"

struct rte_mbuf;

/* Smallest segment a guest may ask for: what remains of Linux's least TCP segment
 * size, 48, when all 40 bytes of options are in use.  However many segments that
 * makes of a frame, no more of them exist at a time than a burst (offload_finish.h).
 */
#define OFFLOAD_GSO_MIN 8

/* With one of these the header of what a guest transmits is read */
#define OFFLOAD_PULL_FEATURES                                                       \
	(UINT64_C(1) << VIRTIO_NET_F_CSUM | UINT64_C(1) << VIRTIO_NET_F_HOST_TSO4 | \
	 UINT64_C(1) << VIRTIO_NET_F_HOST_TSO6 | UINT64_C(1) << VIRTIO_NET_F_HOST_ECN)
/* With one of these the header of what it receives is more than zeros */
#define OFFLOAD_PUSH_FEATURES (UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM)

/**
 * offload_from_guest() - Check what a guest leaves to us, and note it in the mbuf
 * @m:		Frame of any number of segments, ol_flags zero; of the second
 *		cache line nothing is expected, tx_offload is set with the flags
 * @hdr:	Private copy of its header, untrusted
 * @features:	Negotiated
 *
 * Return: 0; -EINVAL when the header contradicts the frame or what was
 *	negotiated, and the frame is to be dropped
 */
int offload_from_guest(struct rte_mbuf *m, const struct virtio_net_hdr *hdr, uint64_t features)
	PMD_ONLY;

/**
 * offload_idle() - Whether a header leaves us nothing to do
 * @hdr:	Private copy
 */
static inline bool offload_idle(const struct virtio_net_hdr *hdr)
{
	return !(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
	       hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE;
}

/**
 * offload_to_guest() - Tell the guest what is known of a frame it receives
 * @m:		Frame.  One with RTE_MBUF_F_RX_LRO was merged: tso_segsz is the
 *		size of its parts, its checksum is the pseudo header's
 * @features:	Negotiated
 * @hdr:	Filled in, zeroed by the caller
 */
void offload_to_guest(const struct rte_mbuf *m, uint64_t features, struct virtio_net_hdr *hdr)
	PMD_ONLY;

#endif /* VUNETD_OFFLOAD_H */
