/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_memory.c - Ownership and the guest's memory table */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_vhost.h>

#include "daemon/gate.h"
#include "daemon/gate_memory.h"
#include "daemon/guest.h"
#include "daemon/shared_file.h"

GATE_HANDLER(gate_set_owner)
{
	(void)fds, (void)n_fds;
	return library_call(&guest->lib, msg, NULL, 0, false);
}

/* Deprecated by the protocol; the library then unmaps memory, so do we first */
GATE_HANDLER(gate_reset_owner)
{
	(void)fds, (void)n_fds;
	resolver_clear(&guest->resolver);
	device_reset(&guest->dev);
	memory_slots_clear(&guest->slots);
	return library_call(&guest->lib, msg, NULL, 0, false);
}

/**
 * ranges_overlap() - Whether two ranges share a byte; neither wraps
 * @a:		Start of the one
 * @a_size:	Its bytes
 * @b:		Start of the other
 * @b_size:	Its bytes
 */
static bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b ? b - a < a_size : a - b < b_size;
}

bool memory_regions_overlap(const struct vu_region *r, const struct vu_region *o)
{
	return ranges_overlap(r->guest_addr, r->size, o->guest_addr, o->size) ||
	       ranges_overlap(r->user_addr, r->size, o->user_addr, o->size);
}

bool memory_region_wraps(const struct vu_region *r)
{
	return !r->size || r->guest_addr + (r->size - 1) < r->guest_addr ||
	       r->user_addr + (r->size - 1) < r->user_addr;
}

/**
 * region_check() - Whether a region can be what it says
 * @r:		Region, copied from the message
 * @fd:		File it is to be mapped from
 * Return: 0, -EINVAL, or as shared_file_check()
 */
static int region_check(const struct vu_region *r, int fd) CTL_ONLY
{
	if (memory_region_wraps(r) || r->mmap_offset + r->size < r->mmap_offset)
		return -EINVAL;
	return shared_file_check(fd, r->mmap_offset + r->size);
}

/**
 * memory_check() - Check a memory table before the library maps it
 * @mem:	Table, copied from the message
 * @fds:	Descriptors
 * Return: 0 or -errno
 */
static int memory_check(const struct vu_memory *mem, const int *fds) CTL_ONLY
{
	for (unsigned int i = 0; i < mem->n_regions; i++) {
		const struct vu_region *r = &mem->regions[i];
		int err = region_check(r, fds[i]);

		if (err)
			return err;
		for (unsigned int j = 0; j < i; j++) {
			if (memory_regions_overlap(r, &mem->regions[j]))
				return -EINVAL;
		}
	}
	return 0;
}

/**
 * region_map() - Map a region as the library does: from the file's start
 * @r:		Checked region
 * @fd:		File
 * @ret_size:	Bytes mapped, whole pages of the file's own size
 * Return: Address, or MAP_FAILED
 */
static void *region_map(const struct vu_region *r, int fd, size_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st) || st.st_blksize <= 0)
		return MAP_FAILED;
	*ret_size = RTE_ALIGN_CEIL(r->mmap_offset + r->size, (uint64_t)st.st_blksize);
	return mmap(NULL, *ret_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/**
 * memory_rehearse() - See whether a table can be mapped, all of it at once
 * @mem:	Checked table
 * @fds:	Descriptors
 * Return: 0, or -ENOMEM when a region cannot be mapped
 *
 * Where one cannot, for want of address space, of hugepages or of the right to
 * write, the library forgets to close its descriptor (22.11.11): a front-end
 * that kept sending such tables would use up ours.
 */
static int memory_rehearse(const struct vu_memory *mem, const int *fds)
{
	void *addr[VU_MAX_REGIONS];
	size_t size[VU_MAX_REGIONS];
	unsigned int n = 0;
	int err = 0;

	for (; !err && n < mem->n_regions; n++) {
		addr[n] = region_map(&mem->regions[n], fds[n], &size[n]);
		if (addr[n] == MAP_FAILED)
			err = -ENOMEM;
	}
	while (n--)
		if (addr[n] != MAP_FAILED)
			munmap(addr[n], size[n]);
	return err;
}

/**
 * library_table() - Have the library map a table
 * @guest:	Guest
 * @mem:	Table
 * @fds:	Descriptors
 * Return: 0 or -errno
 */
static int library_table(struct guest *guest, const struct vu_memory *mem, const int *fds) CTL_ONLY
{
	struct vu_msg call = {
		.hdr = {.request = VU_SET_MEM_TABLE,
			.size = offsetof(struct vu_memory, regions[mem->n_regions])},
		.payload.memory = *mem,
	};

	return library_call(&guest->lib, &call, fds, mem->n_regions, false);
}

/**
 * memory_release() - Have the library let go of the table it has
 * @guest:	Guest with a table
 * @mem:	The next one, checked
 * @fds:	Its descriptors
 * Return: 0 or -errno
 *
 * The library keeps a table when the next one has the same addresses and sizes,
 * whatever file and offset that is of.  So it is given another one in between: a
 * byte less of the first region, and none of the others.
 */
static int memory_release(struct guest *guest, const struct vu_memory *mem, const int *fds) CTL_ONLY
{
	struct vu_memory less = *mem;

	/* One without regions is like no other that has any */
	if (!mem->n_regions)
		return 0;
	less.n_regions = 1;
	if (less.regions[0].size > 1)
		less.regions[0].size--;
	return library_table(guest, &less, fds);
}

/*
 * The library unmaps the old table and maps the new one, so for that long the
 * device has neither rings that run nor translations (device.h, I3).
 */
int memory_replace(struct guest *guest, const struct vu_memory *mem, const int *fds)
{
	bool replaces = guest->dev.mem;
	struct rte_vhost_memory *mapped;
	int err = memory_check(mem, fds);

	if (!err)
		err = memory_rehearse(mem, fds);
	if (err)
		return err;
	device_pause(&guest->dev);
	device_forget_memory(&guest->dev);
	if (replaces)
		err = memory_release(guest, mem, fds);
	if (!err)
		err = library_table(guest, mem, fds);
	if (!err)
		err = library_memory(&guest->lib, &mapped);
	if (!err)
		err = device_map_memory(&guest->dev, mapped);
	device_run(&guest->dev);
	return err;
}

void memory_slots_clear(struct memory_slots *slots)
{
	for (unsigned int i = 0; i < slots->mem.n_regions; i++)
		close(slots->fds[i]);
	slots->mem.n_regions = 0;
}

GATE_HANDLER(gate_set_mem_table)
{
	struct memory_slots *slots = &guest->slots;
	struct vu_memory mem = msg->payload.memory;
	int err;

	if (!mem.n_regions || mem.n_regions > VU_MAX_REGIONS || mem.n_regions != n_fds ||
	    msg->hdr.size < offsetof(struct vu_memory, regions[mem.n_regions]))
		return -EINVAL;
	err = memory_replace(guest, &mem, fds);
	if (err && guest->dev.mem)
		return err; /* the former one is as it was */
	memory_slots_clear(slots);
	if (err || !guest_negotiated(guest, VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS))
		return err;
	/* What is added and removed later is this table with one more or less */
	slots->mem = mem;
	for (unsigned int i = 0; i < n_fds; i++) {
		slots->fds[i] = fds[i];
		fds[i] = -1;
	}
	return 0;
}
