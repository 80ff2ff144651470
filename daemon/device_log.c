/* SPDX-License-Identifier: BSD-3-Clause */
/* device_log.c - The log of a device's dirty pages, while its guest is migrated */
#include "daemon/device_log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <linux/vhost_types.h>

#include <rte_common.h>
#include <rte_vhost.h>

#include "daemon/backing.h"
#include "daemon/device.h"
#include "iotlb/iotlb.h"

static_assert(DIRTY_REGIONS_MAX == VU_MAX_REGIONS, "any memory table fits");

/**
 * log_map() - Map a log
 * @log:	Zeroed; filled in
 * @fd:		File
 * @offset:	Where it begins
 * @size:	Bytes
 * Return: 0 or -errno
 *
 * Whole pages of the file's own size, as hugepages must be; the log may begin
 * anywhere in them.
 */
static int log_map(struct device_log *log, int fd, uint64_t offset, uint64_t size)
{
	struct backing_area *area;
	uint64_t page, skip;
	struct stat st;
	void *map;

	if (fstat(fd, &st) || st.st_blksize <= 0)
		return -EINVAL;
	page = RTE_MAX((uint64_t)st.st_blksize, UINT64_C(4096));
	skip = offset % page;
	area = malloc(sizeof(*area));
	if (!area)
		return -ENOMEM;
	area->size = RTE_ALIGN_CEIL(skip + size, page);
	map = mmap(NULL, area->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   (off_t)(offset - skip));
	if (map == MAP_FAILED) {
		int err = -errno;

		free(area);
		return err;
	}
	/* It tells of the guest's memory; and may be as large as an address space */
	(void)madvise(map, area->size, MADV_DONTDUMP);
	area->addr = map;
	log->area = area;
	log->bits = (uint8_t *)map + skip;
	log->n_bytes = size;
	return 0;
}

/**
 * log_unmap() - Unmap a log that no ring uses
 * @log:	From log_map(), or zeroed
 */
static void log_unmap(struct device_log *log)
{
	if (log->area)
		munmap(log->area->addr, log->area->size);
	free(log->area);
	*log = (struct device_log){.area = NULL};
}

/**
 * log_cover() - Relate a log to guest memory
 * @log:	Log
 * @mem:	Memory table
 * Return: Whether there is a bit for each page
 */
static bool log_cover(struct device_log *log, const struct rte_vhost_memory *mem) CTL_ONLY
{
	struct dirty_region regions[DIRTY_REGIONS_MAX];

	for (uint32_t i = 0; i < mem->nregions; i++) {
		const struct rte_vhost_mem_region *r = &mem->regions[i];

		regions[i] = (struct dirty_region){
			.host = (uintptr_t)r->host_user_addr,
			.gpa = r->guest_phys_addr,
			.size = r->size,
		};
	}
	return !dirty_log_init(&log->dirty, log->bits, log->n_bytes, regions, mem->nregions);
}

int device_log_set(struct device *dev, int fd, uint64_t offset, uint64_t size)
{
	struct device_log log = {.area = NULL};
	int err = log_map(&log, fd, offset, size);

	if (!err && dev->mem && !log_cover(&log, dev->mem))
		err = -ERANGE;
	if (err) {
		log_unmap(&log);
		return err;
	}
	device_pause(dev);
	device_log_drop(dev);
	dev->log = log;
	backing_watch_log(dev->index, log.area);
	device_log_renew(dev);
	device_run(dev);
	return 0;
}

void device_log_renew(struct device *dev)
{
	dev->log.covers = dev->log.area && dev->mem && log_cover(&dev->log, dev->mem);
}

void device_log_drop(struct device *dev)
{
	if (!dev->log.area)
		return;
	backing_watch_log(dev->index, NULL);
	iotlb_synchronize(dev->tlb); /* a grace period: no handler looks at it now */
	log_unmap(&dev->log);
}

bool device_log_due(const struct device *dev, const struct ring *ring)
{
	return ring->logged || dev->features & UINT64_C(1) << VHOST_F_LOG_ALL;
}

void device_log_wait(struct device *dev)
{
	if (dev->log.told || !log_limit_ok(&dev->limit))
		return;
	dev->log.told = true;
	log_notice("guest %s: its rings wait for a log of dirty pages that covers its memory",
		   dev->conf->name);
}
