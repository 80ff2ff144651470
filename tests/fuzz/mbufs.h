/* SPDX-License-Identifier: BSD-3-Clause */
/* mbufs.h - mbufs that AddressSanitizer looks after
 *
 * A pool's memory is DPDK's, of which AddressSanitizer knows nothing.  Here the
 * few bytes between a pool's objects, which belong to nobody while the pool lives,
 * are poisoned; and a frame is put at the end of its mbufs' data rooms, so that
 * the first byte behind it is such a byte.
 */
#ifndef VUNETD_FUZZ_MBUFS_H
#define VUNETD_FUZZ_MBUFS_H

#include <stdint.h>

#include <rte_mbuf.h>

/**
 * mbufs_new() - Start EAL if it is not up, and make a pool
 * @name:	Of the pool
 * @n:		mbufs
 * @room:	Bytes of data in each, a multiple of 64
 */
struct rte_mempool *mbufs_new(const char *name, unsigned int n, uint16_t room);

/**
 * mbufs_frame() - A frame, with nothing behind it
 * @pool:	From mbufs_new(); it has enough
 * @bytes:	Frame
 * @len:	Bytes
 * @cut:	Bytes in each mbuf; 0 for as many as fit
 */
struct rte_mbuf *mbufs_frame(struct rte_mempool *pool, const uint8_t *bytes, uint32_t len,
			     uint32_t cut);

/**
 * mbufs_check() - See that a frame is what it says
 * @m:	Frame, stays the caller's
 */
void mbufs_check(const struct rte_mbuf *m);

#endif /* VUNETD_FUZZ_MBUFS_H */
