/* SPDX-License-Identifier: BSD-3-Clause */
/* grace.c - Memory that readers may still see, and the wait until they do not
 *
 * What is unlinked from the tree is retired, not freed.  A grace period that
 * begins after it was unlinked ends when every thread that might have found it
 * has reported quiescence; then it is freed.
 *
 * Built with IOTLB_TEST_NO_GRACE the wait is left out, to show that the tests
 * which look for its absence find it.  What would have waited is then kept until
 * iotlb_free(): the IOTLB's own memory stays sound, and what a test sees go
 * wrong is the promise about guest pages alone.
 */
#include <stdlib.h>

#include "iotlb/iotlb_ctl.h"
#include "iotlb/quiesce.h"

void retire(struct iotlb_ctl *ctl, struct retiree *r, void *mem, uint32_t bytes, bool is_node)
{
	*r = (struct retiree){.next = ctl->retired, .mem = mem, .bytes = bytes, .is_node = is_node};
	ctl->retired = r;
	ctl->retired_bytes += bytes;
	ctl->n_retired_nodes += is_node;
}

#ifdef IOTLB_TEST_NO_GRACE
/**
 * retired_free() - Put what was retired aside, unfreed
 * @ctl:	IOTLB
 */
void retired_free(struct iotlb_ctl *ctl)
{
	struct retiree *r;

	while ((r = ctl->retired)) {
		ctl->retired = r->next;
		r->next = ctl->leaked;
		ctl->leaked = r;
	}
	stat_add(&ctl->stats.nodes, -ctl->n_retired_nodes);
	ctl->n_retired_nodes = 0;
	ctl->retired_bytes = 0;
}

void grace_wait(struct iotlb_ctl *ctl)
{
	retired_free(ctl);
}
#else
/**
 * retired_free() - Free what was retired; no reader may see it any more
 * @ctl:	IOTLB
 */
void retired_free(struct iotlb_ctl *ctl)
{
	struct retiree *r = ctl->retired, *next;

	for (; r; r = next) {
		next = r->next;
		free(r->mem);
	}
	ctl->retired = NULL;
	stat_add(&ctl->stats.nodes, -ctl->n_retired_nodes);
	ctl->n_retired_nodes = 0;
	ctl->retired_bytes = 0;
}

/**
 * grace_wait() - Wait one grace period and free what was retired before it
 * @ctl:	IOTLB
 */
void grace_wait(struct iotlb_ctl *ctl)
{
	if (ctl->qsbr)
		quiesce(ctl->qsbr);
	retired_free(ctl);
}
#endif
