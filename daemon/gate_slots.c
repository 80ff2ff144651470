/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_slots.c - Regions of memory that come and go one by one (CONFIGURE_MEM_SLOTS)
 *
 * As with a whole table, rings stand still for as long as the library takes, and
 * with a vIOMMU every translation is asked for anew: what was in a region that
 * went must not be found any more, and the others are mapped elsewhere.
 *
 * QEMU 7.2 adds and removes each region once for every queue pair, though the
 * table is the device's: what says again what is so already changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/gate.h"
#include "daemon/gate_memory.h"
#include "daemon/guest.h"

/* The same as there is without asking: the library maps no more */
GATE_HANDLER(gate_get_max_mem_slots)
{
	(void)fds, (void)n_fds;
	if (!guest_negotiated(guest, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS))
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

/**
 * slot_find() - The region of a name
 * @slots:	Table
 * @r:		Region, untrusted; where it is in its file does not count
 * Return: Index, or the number of regions when there is none
 */
static unsigned int slot_find(const struct memory_slots *slots, const struct vu_region *r)
{
	unsigned int i = 0;

	while (i < slots->mem.n_regions && (slots->mem.regions[i].guest_addr != r->guest_addr ||
					    slots->mem.regions[i].user_addr != r->user_addr ||
					    slots->mem.regions[i].size != r->size))
		i++;
	return i;
}

/**
 * same_file() - Whether two descriptors are of one file
 * @a:	Descriptor
 * @b:	Descriptor, of anything: its file system's server is not asked, for it need
 *	not answer
 */
static bool same_file(int a, int b)
{
	const int flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
	struct statx sa, sb;

	return !statx(a, "", flags, STATX_INO, &sa) && !statx(b, "", flags, STATX_INO, &sb) &&
	       sa.stx_dev_major == sb.stx_dev_major && sa.stx_dev_minor == sb.stx_dev_minor &&
	       sa.stx_ino == sb.stx_ino;
}

/**
 * slot_is() - Whether a region is just what there is
 * @slots:	Table
 * @i:		From slot_find()
 * @r:		Region, untrusted
 * @fd:		Its file
 */
static bool slot_is(const struct memory_slots *slots, unsigned int i, const struct vu_region *r,
		    int fd)
{
	return i < slots->mem.n_regions && slots->mem.regions[i].mmap_offset == r->mmap_offset &&
	       same_file(slots->fds[i], fd);
}

/**
 * slot_absent() - Whether nothing of a region is there
 * @slots:	Table
 * @r:		Region, untrusted
 */
static bool slot_absent(const struct memory_slots *slots, const struct vu_region *r)
{
	if (memory_region_wraps(r))
		return false;
	for (unsigned int i = 0; i < slots->mem.n_regions; i++)
		if (memory_regions_overlap(r, &slots->mem.regions[i]))
			return false;
	return true;
}

GATE_HANDLER(gate_add_mem_reg)
{
	struct memory_slots *slots = &guest->slots, next = *slots;
	struct vu_region asked = msg->payload.slot.region;
	unsigned int n = slots->mem.n_regions;
	int err;

	if (!guest_negotiated(guest, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS) || n_fds != 1)
		return -EPROTO;
	if (slot_is(slots, slot_find(slots, &asked), &asked, fds[0]))
		return 0;
	if (n == VU_MAX_REGIONS)
		return -ENOSPC;
	next.mem.regions[n] = asked;
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
	unsigned int i = slot_find(slots, &gone), last;
	int err, fd;

	(void)fds, (void)n_fds;
	if (!guest_negotiated(guest, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS))
		return -EPROTO;
	if (i == slots->mem.n_regions)
		return slot_absent(slots, &gone) ? 0 : -ENOENT;
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
