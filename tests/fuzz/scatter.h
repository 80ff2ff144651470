/* SPDX-License-Identifier: BSD-3-Clause */
/* scatter.h - Guest memory in scattered pieces, each with a fence behind it
 *
 * Theory of operation
 * ===================
 * A window of IOVA space is cut into granules, in one of several ways: pages,
 * parts of pages, pieces of an odd size.  Granule i lives in a slot of host memory
 * that is no neighbour of its neighbours', and between two slots is as much memory
 * again that AddressSanitizer has poisoned.  A granule that the IOTLB does not
 * have is poisoned too.  So an access that runs past what was translated, or uses
 * a translation that is gone, is reported at once.
 *
 * The two pages at the ends of the address space are granules as well, for ranges
 * that wrap.
 *
 * The guest that writes meanwhile
 * -------------------------------
 * datapath/ is compiled so that each load it makes calls a function here first
 * (loads.h).  It counts those from guest memory, and when the script says so,
 * writes guest memory or takes a granule out of the IOTLB before the load happens:
 * what a second thread would do at that moment, but the same in each run.
 *
 * After each call memory is compared with a copy, into which the guest wrote as
 * well: what a device has no permission for must not have been written, and what
 * was, where it logs, is marked in the log of dirty pages.
 */
#ifndef VUNETD_FUZZ_SCATTER_H
#define VUNETD_FUZZ_SCATTER_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/dirty_log.h"
#include "iotlb/iotlb.h"

#define SCATTER_BYTES  0x10000u
#define SCATTER_KINDS  4
#define SCATTER_EVENTS 8

/**
 * struct scatter_event - What happens before a load
 * @at:		Which load, counted from the start of a call
 * @off:	Where in the window
 * @n:		Bytes to write there; 0 to unmap the granule
 * @bytes:	What
 */
struct scatter_event {
	uint32_t at;
	uint32_t off;
	uint8_t n;
	uint8_t bytes[8];
};

/**
 * scatter_init() - Make the memory of each kind, once
 */
void scatter_init(void);

/**
 * scatter_use() - Begin anew with zeros, all of it mapped for reading and writing
 * @kind:	Below SCATTER_KINDS
 */
void scatter_use(unsigned int kind);

/**
 * scatter_tlb() - The IOTLB of a kind
 * @kind:	Below SCATTER_KINDS
 */
struct iotlb *scatter_tlb(unsigned int kind);

/**
 * scatter_log() - Expect dirty pages to be logged until scatter_use()
 *
 * Return: Log of the memory that is used
 */
const struct dirty_log *scatter_log(void);

/**
 * scatter_iova() - The address of a place in the window
 * @off:	Offset
 */
uint64_t scatter_iova(uint32_t off);

/**
 * scatter_write() - The guest writes its memory
 * @off:	Offset in the window; what is beyond its end is left out
 * @src:	Bytes
 * @n:		How many
 */
void scatter_write(uint32_t off, const void *src, uint32_t n);

/**
 * scatter_read() - The guest reads its memory
 * @off:	Offset, the range is in the window
 * @dst:	Where to
 * @n:		How many
 */
void scatter_read(uint32_t off, void *dst, uint32_t n);

/**
 * scatter_set() - Map a granule, or unmap it
 * @off:	Offset of a byte in it; beyond the window: of the pages at the ends
 * @perm:	IOTLB_READ, IOTLB_WRITE, both or none
 */
void scatter_set(uint32_t off, uint8_t perm) CTL_ONLY;

/**
 * scatter_answer() - Map the granule of an address for all access
 * @iova:	Address that missed
 */
void scatter_answer(uint64_t iova) CTL_ONLY;

/**
 * scatter_arm() - Have something happen during the next call
 * @event:	Copied; dropped when there are SCATTER_EVENTS already
 */
void scatter_arm(const struct scatter_event *event);

/**
 * scatter_begin() - A call begins: loads count from here
 */
void scatter_begin(void);

/**
 * scatter_end() - It has ended: nothing of what was unmapped may be used from
 *		   here on, and nothing may have been written without permission, or
 *		   without being logged where that is expected
 *
 * Return: Loads from guest memory it made
 */
uint32_t scatter_end(void) CTL_ONLY;

#endif /* VUNETD_FUZZ_SCATTER_H */
