/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_slots.c - Regions of memory that come and go one by one (CONFIGURE_MEM_SLOTS)
 *
 * As with a whole table, rings stand still for as long as the library takes, and
 * with a vIOMMU every translation is asked for anew: what was in a region that
 * went must not be found any more, and the others are mapped elsewhere.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "daemon/gate.h"
#include "daemon/gate_memory.h"
#include "daemon/guest.h"

bool memory_slots_wanted(const struct guest *guest)
{
	return guest->dev.protocol_features & (UINT64_C(1) << VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
}

/* The same as there is without asking: the library maps no more */
GATE_HANDLER(gate_get_max_mem_slots)
{
	(void)fds, (void)n_fds;
	if (!memory_slots_wanted(guest))
		return -EPROTO;
	gate_u64_reply(msg, VU_MAX_REGIONS);
	return 0;
}

/**
 * slots_replace() - Have a table with one region more or less
 * @guest:	Guest
 * @next:	It, its descriptors borrowed
 * Return: 0 or -errno
 */
static int slots_replace(struct guest *guest, const struct memory_slots *next) CTL_ONLY
{
	int err = memory_replace(guest, &next->mem, next->fds);

	/* Without a table nothing can be added to it; the front-end is told so */
	if (err && !guest->dev.mem)
		memory_slots_clear(&guest->slots);
	return err;
}

GATE_HANDLER(gate_add_mem_reg)
{
	struct memory_slots *slots = &guest->slots, next = *slots;
	unsigned int n = slots->mem.n_regions;
	int err;

	if (!memory_slots_wanted(guest) || n_fds != 1)
		return -EPROTO;
	if (n == VU_MAX_REGIONS)
		return -ENOSPC;
	next.mem.regions[n] = msg->payload.slot.region;
	next.fds[n] = fds[0];
	next.mem.n_regions = n + 1;
	err = slots_replace(guest, &next);
	if (err)
		return err;
	*slots = next;
	fds[0] = -1;
	return 0;
}

/*
 * Named by guest address, user address and size; where it is in its file does not
 * count.  A descriptor that comes along is of no use, and closed (vhost-user,
 * REM_MEM_REG).
 */
GATE_HANDLER(gate_rem_mem_reg)
{
	struct memory_slots *slots = &guest->slots, next = *slots;
	struct vu_region gone = msg->payload.slot.region;
	unsigned int i = 0, last;
	int err, fd;

	(void)fds, (void)n_fds;
	if (!memory_slots_wanted(guest))
		return -EPROTO;
	while (i < slots->mem.n_regions && (slots->mem.regions[i].guest_addr != gone.guest_addr ||
					    slots->mem.regions[i].user_addr != gone.user_addr ||
					    slots->mem.regions[i].size != gone.size))
		i++;
	if (i == slots->mem.n_regions)
		return -ENOENT;
	fd = slots->fds[i];
	last = --next.mem.n_regions;
	next.mem.regions[i] = next.mem.regions[last];
	next.fds[i] = next.fds[last];
	err = slots_replace(guest, &next);
	if (err)
		return err;
	*slots = next;
	close(fd);
	return 0;
}
