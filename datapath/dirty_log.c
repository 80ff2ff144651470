/* SPDX-License-Identifier: BSD-3-Clause */
/* dirty_log.c - The pages of a guest that were written to, for live migration
 *
 * See dirty_log.h.
 */
#include "datapath/dirty_log.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

int dirty_log_init(struct dirty_log *log, void *bits, uint64_t n_bytes,
		   const struct dirty_region *regions, unsigned int n)
{
	struct dirty_log made = {.bits = bits, .n_regions = n};

	assert(n <= DIRTY_REGIONS_MAX);
	/* More bits than pages a guest can have are as good as all of them */
	made.n_pages = n_bytes > UINT64_MAX / 8 ? UINT64_MAX : n_bytes * 8;
	for (unsigned int i = 0; i < n; i++) {
		uint64_t last = regions[i].gpa + (regions[i].size - 1);

		if (last >> DIRTY_PAGE_SHIFT >= made.n_pages)
			return -ERANGE;
		made.regions[i] = regions[i];
	}
	*log = made;
	return 0;
}

const struct dirty_region *dirty_log_find(const struct dirty_log *log, uintptr_t host)
{
	for (unsigned int i = 0; i < log->n_regions; i++) {
		const struct dirty_region *r = &log->regions[i];

		/* Below it the difference wraps, to more than any size */
		if (host - r->host < r->size)
			return r;
	}
	return NULL;
}
