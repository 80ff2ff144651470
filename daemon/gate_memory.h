/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_memory.h - The guest's memory table: replaced as a whole, or slot by slot
 *
 * The library knows tables only (SET_MEM_TABLE).  For a front-end that adds and
 * removes single regions (CONFIGURE_MEM_SLOTS) we keep the table, with the
 * descriptors, and give the library another one each time.
 *
 * Threads: control thread only.
 */
#ifndef VUNETD_GATE_MEMORY_H
#define VUNETD_GATE_MEMORY_H

#include <stdbool.h>

#include "daemon/vhost_user.h"
#include "iotlb/thread_role.h"

struct guest;

/**
 * struct memory_slots - A memory table that can be added to
 * @mem:	Regions; none unless CONFIGURE_MEM_SLOTS was negotiated
 * @fds:	Descriptors of those, owned
 */
struct memory_slots {
	struct vu_memory mem;
	int fds[VU_MAX_REGIONS];
};

/**
 * memory_region_wraps() - Whether a region has no bytes, or more than addresses go
 * @r:		Region, copied from the message
 */
bool memory_region_wraps(const struct vu_region *r);

/**
 * memory_regions_overlap() - Whether two regions share an address of either kind
 * @r:		Region that does not wrap
 * @o:		Another one
 */
bool memory_regions_overlap(const struct vu_region *r, const struct vu_region *o);

/**
 * memory_slots_clear() - Forget all regions
 * @slots:	Slots
 */
void memory_slots_clear(struct memory_slots *slots) CTL_ONLY;

/**
 * memory_replace() - Take a memory table in place of the one there is
 * @guest:	Guest
 * @mem:	At most VU_MAX_REGIONS regions, their content untrusted; or none
 * @fds:	One for each; stay the caller's
 *
 * The former table is kept when this one is no good, and is gone when the library
 * fails: guest->dev.mem tells.
 *
 * Return: 0 or -errno
 */
int memory_replace(struct guest *guest, const struct vu_memory *mem, const int *fds) CTL_ONLY;

#endif /* VUNETD_GATE_MEMORY_H */
