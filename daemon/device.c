/* SPDX-License-Identifier: BSD-3-Clause */
/* device.c - One virtio-net device as its front-end has set it up so far */
#include "daemon/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_vhost.h>

#include "daemon/backing.h"
#include "daemon/journal.h"
#include "daemon/topology.h"
#include "datapath/vq.h"
#include "iotlb/iotlb.h"

#define BIT(n) (UINT64_C(1) << (n))

/* What the rings can do; the rest of the library's offer is withdrawn */
#define DEVICE_FEATURES                                                                           \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ANY_LAYOUT) | BIT(VIRTIO_F_RING_PACKED) |         \
	 BIT(VIRTIO_F_IN_ORDER) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |                              \
	 BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_CTRL_VQ) | \
	 BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) | BIT(VIRTIO_NET_F_MTU) |   \
	 BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(VHOST_F_LOG_ALL))

/* Checksums and TCP segments, finished by the port or by software (datapath/
 * offload.h).  Not UFO, for which IP would have to be fragmented, nor USO, which
 * the library and front-ends of its age do not know.
 */
#define DEVICE_OFFLOADS                                                                       \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | \
	 BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_GUEST_CSUM))
#define DEVICE_GRO (BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6))

/* Bytes of a split ring's areas (virtio 1.2, 2.7) */
#define DESC_BYTES(n)  (UINT64_C(16) * (n))
#define AVAIL_BYTES(n) (UINT64_C(6) + UINT64_C(2) * (n))
#define USED_BYTES(n)  (UINT64_C(6) + UINT64_C(8) * (n))
/* and of a packed one's in place of the last two (virtio 1.2, 2.8.10.1) */
#define EVENT_BYTES UINT64_C(4)

uint64_t device_offered(const struct conf_guest *conf)
{
	return DEVICE_FEATURES | (conf->queues > 1 ? BIT(VIRTIO_NET_F_MQ) : 0) |
	       (conf->offloads ? DEVICE_OFFLOADS : 0) |
	       (conf->offloads && conf->gro ? DEVICE_GRO : 0) |
	       (conf->viommu ? BIT(VIRTIO_F_ACCESS_PLATFORM) : 0);
}

bool device_packed(const struct device *dev)
{
	return dev->features & BIT(VIRTIO_F_RING_PACKED);
}

bool device_viommu(const struct device *dev)
{
	return dev->features & BIT(VIRTIO_F_ACCESS_PLATFORM);
}

int device_init(struct device *dev, uint32_t max_entries, struct rte_rcu_qsbr *qsbr)
{
	dev->n_rings = 2u * dev->conf->queues;
	for (unsigned int i = 0; i < DEVICE_RINGS_MAX; i++)
		dev->rings[i] = (struct ring){.kick = -1, .call = -1, .uncertain = true};
	/* Should it not be there, that is told when it is needed */
	(void)journal_open(dev->conf->name, dev->n_rings, &dev->journal);
	return iotlb_new(max_entries, qsbr, &dev->tlb);
}

void device_fini(struct device *dev)
{
	for (unsigned int i = 0; i < dev->n_rings; i++)
		vq_free(dev->rings[i].vq);
	journal_close(dev->journal);
	dev->journal = NULL;
	iotlb_free(dev->tlb);
	dev->tlb = NULL;
}

/**
 * is_transmit() - Whether the guest sends through a ring (virtio 1.2, 5.1.2)
 * @dev:	Device
 * @ring:	One of its rings
 */
static bool is_transmit(const struct device *dev, const struct ring *ring)
{
	return (ring - dev->rings) & 1;
}

/**
 * device_publish() - Tell the topology which rings run, and wait
 * @dev:	Device
 */
static void device_publish(struct device *dev) CTL_ONLY
{
	for (unsigned int q = 0; q < dev->n_rings / 2; q++) {
		const struct ring *rx = &dev->rings[2 * q], *tx = &dev->rings[2 * q + 1];
		struct topology_rings rings = {
			.to_guest = rx->running ? rx->vq : NULL,
			.from_guest = tx->running && tx->enabled ? tx->vq : NULL,
			.discard = tx->running && !tx->enabled ? tx->vq : NULL,
			.kick = tx->kick,
		};

		if (dev->paused)
			topology_pause(dev->topo, dev->conf->wire, q);
		else
			topology_set(dev->topo, dev->conf->wire, q, &rings);
	}
	if (topology_publish(dev->topo))
		log_err("guest %s: no memory for a poll list: some rings are not polled",
			dev->conf->name);
}

/**
 * ring_left() - Note where a ring is that nobody polls any more
 * @dev:	Device
 * @ring:	One of its rings
 *
 * The guest is not left waiting for a call: there may never be another burst.  One
 * that waits since the start is made behind the next start.
 */
static void ring_left(struct device *dev, struct ring *ring) CTL_ONLY
{
	ring->base = vq_base(ring->vq);
	ring->uncertain = vq_uncertain(ring->vq);
	if (vq_call_waits(ring->vq) && !ring->uncertain)
		topology_call(dev->topo, ring->vq);
}

/**
 * rings_leave() - Take all rings from the PMD threads
 * @dev:	Device
 * @any:	Publish also if none runs
 * @pause:	Do it for a moment only
 */
static void rings_leave(struct device *dev, bool any, bool pause) CTL_ONLY
{
	bool was_running[DEVICE_RINGS_MAX];

	for (unsigned int i = 0; i < dev->n_rings; i++) {
		any |= was_running[i] = dev->rings[i].running;
		dev->rings[i].running = false;
	}
	dev->paused = pause && any;
	if (!any)
		return;
	device_publish(dev);
	for (unsigned int i = 0; i < dev->n_rings; i++)
		if (was_running[i])
			ring_left(dev, &dev->rings[i]);
}

void device_stop(struct device *dev)
{
	rings_leave(dev, dev->paused, false);
}

void device_pause(struct device *dev)
{
	rings_leave(dev, false, true);
}

void device_stop_ring(struct device *dev, struct ring *ring)
{
	if (!ring->running)
		return;
	ring->running = false;
	device_publish(dev);
	ring_left(dev, ring);
}

/**
 * find_region() - The region of the front-end's memory that holds a range
 * @dev:	Device
 * @user:	Address in the front-end's address space, untrusted
 * @size:	Bytes, untrusted
 * Return: Region, or NULL when no single one holds it all
 */
static const struct rte_vhost_mem_region *find_region(const struct device *dev, uint64_t user,
						      uint64_t size)
{
	for (uint32_t i = 0; dev->mem && i < dev->mem->nregions; i++) {
		const struct rte_vhost_mem_region *r = &dev->mem->regions[i];
		uint64_t offset = user - r->guest_user_addr;

		if (user >= r->guest_user_addr && offset < r->size && size <= r->size - offset)
			return r;
	}
	return NULL;
}

/**
 * user_to_guest() - From the front-end's address to the guest's physical one
 * @dev:	Device
 * @addr:	Address in the front-end's address space; translated in place
 * @size:	Bytes
 * Return: 0, or -EFAULT when the range is not within one region
 */
static int user_to_guest(const struct device *dev, uint64_t *addr, uint64_t size)
{
	const struct rte_vhost_mem_region *r = find_region(dev, *addr, size);

	if (!r)
		return -EFAULT;
	*addr = r->guest_phys_addr + (*addr - r->guest_user_addr);
	return 0;
}

/**
 * ring_journal() - Where a packed ring's position is noted
 * @dev:	Device
 * @ring:	One of its rings
 * Return: Its part of the journal, or NULL
 *
 * One that cannot be had is tried again with the next ring.
 */
static struct vq_journal *ring_journal(struct device *dev, const struct ring *ring) CTL_ONLY
{
	int err = 0;

	if (!device_packed(dev))
		return NULL;
	if (!dev->journal)
		err = journal_open(dev->conf->name, dev->n_rings, &dev->journal);
	if (err && log_limit_ok(&dev->limit))
		log_warning("guest %s: positions of its packed rings are not noted: %s",
			    dev->conf->name, strerror(-err));
	return journal_ring(dev->journal, (unsigned int)(ring - dev->rings));
}

/**
 * ring_config() - A ring's messages as the datapath takes them
 * @dev:	Device
 * @ring:	Ring that has all it needs
 * @ret_cfg:	Filled in
 * Return: 0 or -EFAULT
 */
static int ring_config(struct device *dev, const struct ring *ring, struct vq_config *ret_cfg)
	CTL_ONLY
{
	bool packed = device_packed(dev);
	struct vq_config cfg = {
		.desc = ring->desc,
		.avail = ring->avail,
		.used = ring->used,
		.features = dev->features,
		.call_fd = ring->call,
		.call_interval_us = dev->conf->call_interval_us,
		.call_blocks = &dev->call_blocks,
		.session = dev->session,
		.guest = (uint16_t)dev->index,
		.size = ring->size,
		.base = ring->base,
		.index = (uint8_t)(ring - dev->rings),
		.log = device_log_due(dev, ring) ? &dev->log.dirty : NULL,
		.uncertain = ring->uncertain,
		.journal = ring_journal(dev, ring),
	};

	if (!device_viommu(dev) &&
	    (user_to_guest(dev, &cfg.desc, DESC_BYTES(cfg.size)) ||
	     user_to_guest(dev, &cfg.avail, packed ? EVENT_BYTES : AVAIL_BYTES(cfg.size)) ||
	     user_to_guest(dev, &cfg.used, packed ? EVENT_BYTES : USED_BYTES(cfg.size))))
		return -EFAULT;
	*ret_cfg = cfg;
	return 0;
}

/**
 * ring_run() - Start a ring if it has all it needs
 * @dev:	Device
 * @ring:	One of its rings
 * Return: Whether it runs now and did not before
 */
static bool ring_run(struct device *dev, struct ring *ring) CTL_ONLY
{
	struct vq_config cfg;
	int err = 0;

	if (ring->running || !dev->mem || !ring->size || !ring->addressed || !ring->kicked)
		return false;
	if (!ring->enabled && !is_transmit(dev, ring))
		return false;
	if (device_log_due(dev, ring) && !dev->log.covers) {
		device_log_wait(dev);
		return false;
	}
	if (!ring->vq)
		err = vq_new(dev->tlb, dev->misses, &ring->vq);
	if (!err)
		err = ring_config(dev, ring, &cfg);
	if (!err)
		err = vq_start(ring->vq, &cfg);
	if (!err) {
		ring->running = true;
		ring->told = false;
	} else if (log_limit_ok(&dev->limit)) {
		log_warning("guest %s: ring %ld cannot start: %s", dev->conf->name,
			    (long)(ring - dev->rings), strerror(-err));
	}
	return !err;
}

void device_run(struct device *dev)
{
	bool any = dev->paused;

	dev->paused = false;
	/* A grace period is not free where PMD threads share their core */
	for (unsigned int i = 0; i < dev->n_rings; i++)
		any |= ring_run(dev, &dev->rings[i]);
	if (any)
		device_publish(dev);
}

void device_forget_memory(struct device *dev)
{
	backing_watch(dev->index, NULL);
	iotlb_clear(dev->tlb);
	iotlb_synchronize(dev->tlb);
	free(dev->mem);
	dev->mem = NULL;
	device_log_renew(dev);
}

int device_map_memory(struct device *dev, struct rte_vhost_memory *mem)
{
	struct iotlb_stats before, after;
	int err = 0;

	iotlb_clear(dev->tlb);
	iotlb_synchronize(dev->tlb);
	iotlb_stats(dev->tlb, &before);
	if (mem) {
		dev->mem = mem;
		backing_watch(dev->index, mem);
		device_log_renew(dev);
	}
	for (uint32_t i = 0; dev->mem && i < dev->mem->nregions; i++) {
		const struct rte_vhost_mem_region *r = &dev->mem->regions[i];

		/* A core dump of ours must not hold the guest's memory */
		(void)madvise(r->mmap_addr, r->mmap_size, MADV_DONTDUMP);
		if (!device_viommu(dev) && err >= 0)
			err = iotlb_map(dev->tlb, r->guest_phys_addr, r->size,
					(void *)(uintptr_t)r->host_user_addr,
					IOTLB_READ | IOTLB_WRITE);
	}
	/* Without a vIOMMU nobody can be asked for what a later region evicted;
	 * regions that share a page give way to both */
	iotlb_stats(dev->tlb, &after);
	if (err >= 0)
		err = after.evicted != before.evicted ? -ENOSPC : 0;
	if (err && log_limit_ok(&dev->limit))
		log_err("guest %s: its memory does not fit its IOTLB: %s "
			"(raise [iotlb] max_entries)",
			dev->conf->name, strerror(-err));
	return err;
}

void *device_user_to_host(const struct device *dev, uint64_t user, uint64_t size)
{
	const struct rte_vhost_mem_region *r = find_region(dev, user, size);

	return r ? (void *)(uintptr_t)(r->host_user_addr + (user - r->guest_user_addr)) : NULL;
}

void device_set_call(struct device *dev, struct ring *ring, int fd)
{
	int old = ring->call;

	ring->call = fd;
	if (ring->running) {
		vq_set_call(ring->vq, fd);
		iotlb_synchronize(dev->tlb); /* a grace period: nobody writes to @old now */
	}
	if (old >= 0)
		close(old);
}

void device_check(struct device *dev)
{
	for (unsigned int i = 0; i < dev->n_rings; i++) {
		struct ring *ring = &dev->rings[i];

		if (!ring->running || ring->told || !vq_broken(ring->vq))
			continue;
		ring->told = true;
		if (!log_limit_ok(&dev->limit))
			continue;
		log_warning("guest %s: ring %u is stopped: its available index jumped beyond "
			    "the ring, a chain has no end, its call eventfd was made to block, "
			    "or it was used already where the front-end said it was",
			    dev->conf->name, i);
	}
}

/**
 * ring_reset() - Forget what the messages said of a ring
 * @ring:	Stopped; keeps its vq, for its counters
 */
static void ring_reset(struct ring *ring)
{
	struct vq *vq = ring->vq;

	if (ring->kick >= 0)
		close(ring->kick);
	if (ring->call >= 0)
		close(ring->call);
	*ring = (struct ring){.vq = vq, .kick = -1, .call = -1, .uncertain = true};
}

void device_reset(struct device *dev)
{
	device_stop(dev);
	device_forget_memory(dev);
	device_log_drop(dev);
	for (unsigned int i = 0; i < dev->n_rings; i++)
		ring_reset(&dev->rings[i]);
	dev->features = 0;
	dev->protocol_features = 0;
	dev->session++;
}
