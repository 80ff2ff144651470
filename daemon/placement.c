/* SPDX-License-Identifier: BSD-3-Clause */
/* placement.c - Which thread takes more work */
#include "daemon/placement.h"

#include <stdbool.h>

void share_look(struct share *share, uint64_t busy, uint64_t now)
{
	if (share->at && now > share->at)
		share->load =
			(unsigned int)((busy - share->busy) * PLACEMENT_FULL / (now - share->at));
	share->busy = busy;
	share->at = now;
}

void placement_clear(struct placement *placement, const struct conf_cores *cores)
{
	*placement = (struct placement){.cores = cores};
}

/**
 * allowed() - Whether a pin lets a thread be chosen
 * @placement:	Loads
 * @pin:	As placement_choose()
 * @thread:	Thread
 */
static bool allowed(const struct placement *placement, const struct conf_cores *pin,
		    unsigned int thread)
{
	for (unsigned int i = 0; pin && i < pin->n_cores; i++)
		if (pin->cores[i] == placement->cores->cores[thread])
			return true;
	return !pin;
}

unsigned int placement_choose(const struct placement *placement, const struct conf_cores *pin,
			      unsigned int here)
{
	unsigned int best = here;

	for (unsigned int t = 0; t < placement->cores->n_cores; t++) {
		if (!allowed(placement, pin, t))
			continue;
		if (!allowed(placement, pin, best) || placement->load[t] < placement->load[best])
			best = t;
	}
	return best;
}
