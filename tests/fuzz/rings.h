/* SPDX-License-Identifier: BSD-3-Clause */
/* rings.h - A guest that does what a script says, and a ring that must bear it
 *
 * Theory of operation
 * ===================
 * The script lays out a ring in scattered memory (scatter.h), starts a virtqueue
 * on it, and then is the guest: it offers good chains, writes descriptors, ring
 * elements and indexes of any value, unmaps granules and answers misses.  In
 * between the virtqueue is polled.  Also during a poll, at any load it makes, the
 * guest may write, and the vIOMMU may take a translation back.
 *
 *   0x0000  descriptor table or ring
 *   0x1000  available ring, or driver's events
 *   0x2000  used ring, or device's events
 *   0x3000  indirect tables, of TABLE_BYTES each
 *   0x5000  buffers
 *
 * Whatever the guest does: nothing is read or written but what is mapped for it
 * (AddressSanitizer and scatter.h see to that), frames are whole, every mbuf comes
 * back, and a call ends.
 */
#ifndef VUNETD_FUZZ_RINGS_H
#define VUNETD_FUZZ_RINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * rings_init() - Once, before the first input
 */
void rings_init(void);

/**
 * rings_run() - Play one script
 * @data:	Script
 * @size:	Bytes
 * @packed:	The layout
 */
void rings_run(const uint8_t *data, size_t size, bool packed);

#endif /* VUNETD_FUZZ_RINGS_H */
