/* SPDX-License-Identifier: BSD-3-Clause */
/* iotlb.c - What the control thread asks of an IOTLB
 *
 * The contract is iotlb.h, the structure behind it iotlb_ctl.h, the argument why
 * readers are safe iotlb_inline.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iotlb/iotlb_ctl.h"

/**
 * range_last() - Check a range and find its last byte
 * @iova:	First address
 * @size:	Bytes
 * @ret_last:	Last address
 *
 * Return: true when it is not empty and does not wrap
 */
static bool range_last(uint64_t iova, uint64_t size, uint64_t *ret_last)
{
	*ret_last = iova + size - 1;
	return size && *ret_last >= iova;
}

/**
 * retired_limit() - Do not let retired memory grow over several calls
 * @ctl:	IOTLB
 *
 * For a caller that replaces mappings for long without iotlb_synchronize().
 */
static void retired_limit(struct iotlb_ctl *ctl)
{
	if (ctl->retired_bytes > RETIRED_BYTES_MAX)
		grace_wait(ctl);
}

int iotlb_new(uint32_t max_entries, struct rte_rcu_qsbr *qsbr, struct iotlb **ret_tlb)
{
	struct iotlb_ctl *ctl;

	if (max_entries < MAX_ENTRIES_MIN)
		return -EINVAL;
	ctl = aligned_alloc(_Alignof(struct iotlb_ctl), sizeof(*ctl));
	if (!ctl)
		return -ENOMEM;
	memset(ctl, 0, sizeof(*ctl));
	ctl->qsbr = qsbr;
	ctl->max_entries = max_entries;
	ctl->max_nodes = 64 + (uint64_t)max_entries / 64;
	/* hints begin at 0 */
	ctl->tlb.gen = 1;
	ctl->tlb.drops = 1;
	TAILQ_INIT(&ctl->leafy);
	TAILQ_INIT(&ctl->idle);
	ctl->tlb.root = node_new(ctl, ROOT_LEVEL, 0);
	if (!ctl->tlb.root) {
		free(ctl);
		return -ENOMEM;
	}
	*ret_tlb = &ctl->tlb;
	return 0;
}

void iotlb_free(struct iotlb *tlb)
{
	struct iotlb_ctl *ctl = ctl_of(tlb);

	if (!tlb)
		return;
	iotlb_clear(tlb);
	retired_free(ctl);
	for (struct retiree *r = ctl->leaked, *next; r; r = next) {
		next = r->next;
		free(r->mem);
	}
	free(tlb->root);
	free(ctl);
}

int iotlb_map(struct iotlb *tlb, uint64_t iova, uint64_t size, void *host, uint8_t perm)
{
	struct iotlb_ctl *ctl = ctl_of(tlb);
	uint64_t last, n_wanted, drops = tlb->drops;
	int err;

	if (!range_last(iova, size, &last) || !perm || (perm & ~IOTLB_SLOT_PERMS) ||
	    (uintptr_t)host + (size - 1) < (uintptr_t)host)
		return -EINVAL;
	n_wanted = range_entries(iova, last, (uintptr_t)host);
	if (n_wanted > ctl->max_entries || n_wanted > IOTLB_MAP_ENTRIES_MAX)
		return -ENOSPC;
	retired_limit(ctl);
	ctl->spare = ctl->max_entries - n_wanted;
	err = range_map(ctl, iova, last, (uintptr_t)host, perm);
	if (err) /* leave no part that says what was replaced */
		range_unmap(ctl, iova, last);
	stat_add(&ctl->stats.maps, 1);
	/* pairs with the acquire in iotlb_fills() */
	__atomic_store_n(&tlb->fills, tlb->fills + 1, __ATOMIC_RELEASE);
	return err ? err : tlb->drops != drops;
}

int iotlb_unmap(struct iotlb *tlb, uint64_t iova, uint64_t size)
{
	struct iotlb_ctl *ctl = ctl_of(tlb);
	uint64_t last;

	if (!range_last(iova, size, &last))
		return -EINVAL;
	retired_limit(ctl);
	stat_add(&ctl->stats.unmaps, 1);
	return range_unmap(ctl, iova, last);
}

void iotlb_clear(struct iotlb *tlb)
{
	struct iotlb_ctl *ctl = ctl_of(tlb);

	for (unsigned int i = 0; i < NODE_SLOTS; i++)
		if (tlb->root->slot[i])
			slot_put(ctl, tlb->root, i, 0);
}

void iotlb_synchronize(struct iotlb *tlb)
{
	grace_wait(ctl_of(tlb));
}

void iotlb_stats(const struct iotlb *tlb, struct iotlb_stats *ret_stats)
{
	const struct iotlb_stats *s = &((const struct iotlb_ctl *)tlb)->stats;

	*ret_stats = (struct iotlb_stats){
		.maps = __atomic_load_n(&s->maps, __ATOMIC_RELAXED),
		.unmaps = __atomic_load_n(&s->unmaps, __ATOMIC_RELAXED),
		.entries = __atomic_load_n(&s->entries, __ATOMIC_RELAXED),
		.nodes = __atomic_load_n(&s->nodes, __ATOMIC_RELAXED),
		.evicted = __atomic_load_n(&s->evicted, __ATOMIC_RELAXED),
	};
}
