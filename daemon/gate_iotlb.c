/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_iotlb.c - Translations: the backend channel, updates, invalidations
 *
 * The front-end waits for the acknowledgement of both, often with the guest
 * stopped, so they are answered right here.  The acknowledgement of an
 * invalidation is a promise: nobody touches the old page any more.
 */
#include <errno.h>
#include <inttypes.h>

#include "daemon/gate.h"
#include "daemon/guest.h"
#include "daemon/log.h"
#include "daemon/misses.h"
#include "datapath/counters.h"
#include "datapath/pmd.h"
#include "iotlb/iotlb.h"

GATE_HANDLER(gate_set_backend_req_fd)
{
	int err;

	(void)msg;
	if (n_fds != 1)
		return -EINVAL;
	err = guest_take_backend(guest, fds[0]);
	fds[0] = -1;
	return err;
}

/**
 * iotlb_update() - Map what the front-end translated
 * @guest:	Guest
 * @m:		Message, copied once
 * Return: 0, -EINVAL, -EFAULT outside the memory table, -ENOSPC or -ENOMEM
 */
static int iotlb_update(struct guest *guest, const struct vu_iotlb *m) CTL_ONLY
{
	void *host = device_user_to_host(&guest->dev, m->user_addr, m->size);
	int err;

	log_debug("guest %s: update 0x%" PRIx64 " + 0x%" PRIx64 ", access %u", guest->conf->name,
		  m->iova, m->size, m->perm);
	if (!m->perm || m->perm & ~(IOTLB_READ | IOTLB_WRITE))
		return -EINVAL;
	if (!host)
		return -EFAULT;
	err = iotlb_map(guest->dev.tlb, m->iova, m->size, host, m->perm);
	if (err < 0)
		return err;
	/* What was mapped there before is as good as invalidated by the answer */
	if (err > 0)
		iotlb_synchronize(guest->dev.tlb);
	COUNTER_ADD(guest->counters.updates, 1);
	resolver_answer(&guest->resolver, m->iova, m->size, m->perm);
	pmd_wake(guest->daemon->pmds);
	return 0;
}

/**
 * iotlb_invalidate() - Unmap, and wait until nobody uses the old mapping
 * @guest:	Guest
 * @m:		Message, copied once
 * Return: 0 or -EINVAL
 *
 * A front-end that means the whole address space cannot write 2^64: it says 0
 * from 0, as vhost does.
 *
 * A question about a page that goes will not be answered any more, and guests
 * use the same addresses again at once: the next miss there must be asked anew,
 * not taken for a double.  So misses that wait in the queue, repetitions most
 * of them of what has been answered, are looked at while they still translate,
 * and questions about the range are forgotten.
 */
static int iotlb_invalidate(struct guest *guest, const struct vu_iotlb *m) CTL_ONLY
{
	struct iotlb *tlb = guest->dev.tlb;
	bool all = !m->iova && !m->size;
	int err = 0;

	log_debug("guest %s: invalidate 0x%" PRIx64 " + 0x%" PRIx64, guest->conf->name, m->iova,
		  m->size);
	misses_serve_all(guest->daemon);
	if (all)
		iotlb_clear(tlb);
	else
		err = iotlb_unmap(tlb, m->iova, m->size);
	iotlb_synchronize(tlb);
	if (all)
		resolver_clear(&guest->resolver);
	else if (!err || err == -ENOMEM)
		resolver_forget(&guest->resolver, m->iova, m->size);
	if (err == -ENOMEM)
		err = 0; /* more was removed than asked for: it will miss again */
	if (!err)
		COUNTER_ADD(guest->counters.invalidations, 1);
	return err;
}

GATE_HANDLER(gate_iotlb_msg)
{
	struct vu_iotlb m = msg->payload.iotlb;
	int err;

	(void)fds, (void)n_fds;
	if (!device_viommu(&guest->dev))
		return -EINVAL;
	switch (m.type) {
	case VU_IOTLB_UPDATE:
		err = iotlb_update(guest, &m);
		break;
	case VU_IOTLB_INVALIDATE:
		err = iotlb_invalidate(guest, &m);
		break;
	default:
		err = -EINVAL;
	}
	if (err)
		COUNTER_ADD(guest->counters.bad_iotlb, 1);
	return err;
}
