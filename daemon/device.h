/* SPDX-License-Identifier: BSD-3-Clause */
/* device.h - One virtio-net device as its front-end has set it up so far
 *
 * Theory of operation
 * ===================
 * The gate notes here what the messages say; this file turns it into running
 * rings.  A ring is started when it has a size, addresses, a kick descriptor
 * and memory behind it; then it runs if it is enabled (vhost-user, "Ring
 * states").  A transmit ring that is started but disabled runs as well, only
 * that its frames go nowhere: its driver gets the buffers back.  What may change
 * under a running ring is changed by device_stop(), the change, device_run(): in
 * between no PMD thread knows the device.  Where the front-end does not mean to
 * stop it, that is device_pause().
 *
 * With a vIOMMU ring addresses are IOVAs and go to the ring as they are.
 * Without one they are addresses in the front-end's memory (as the protocol
 * has it); they become guest-physical here, and the memory table is mapped into
 * the IOTLB, so that rings work alike in both cases.
 *
 * Threads: control thread only.
 *
 * Invariants
 * ----------
 *   I1  a ring is in a poll list if and only if @running; and where its frames
 *       go to nowhere, if and only if it is not @enabled
 *   I2  @session moves when the device ends, so a miss of an earlier life
 *       resolves nothing
 *   I3  the library unmaps guest memory only while no ring runs and the IOTLB
 *       is empty and synchronized
 */
#ifndef VUNETD_DEVICE_H
#define VUNETD_DEVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "daemon/device_log.h"
#include "daemon/log.h"
#include "daemon/vhost_user.h"
#include "iotlb/thread_role.h"

#define DEVICE_RINGS_MAX (2 * CONF_QUEUES_MAX)

struct iotlb;
struct journal;
struct miss_queue;
struct rte_rcu_qsbr;
struct rte_vhost_memory;
struct topology;
struct vq;

/**
 * struct ring - One virtqueue as the messages described it
 * @vq:		The datapath's side, made when first needed
 * @desc:	Descriptor table or packed ring, as the front-end names it
 * @avail:	Available ring or driver's events, likewise
 * @used:	Used ring or device's events, likewise
 * @size:	Entries, 0 when not known yet
 * @base:	Where to start, as struct vq_config has it
 * @uncertain:	@base is not where we stopped, but what the front-end says
 * @kick:	eventfd the guest kicks, owned, or -1; stays while the ring runs
 * @call:	eventfd to interrupt the guest, owned, or -1
 * @addressed:	Addresses are known
 * @kicked:	Started by SET_VRING_KICK
 * @enabled:	By SET_VRING_ENABLE
 * @running:	In a poll list
 * @told:	That the ring is broken has been logged
 * @logged:	VHOST_VRING_F_LOG: what is written to it is to be logged (device_log.h)
 */
struct ring {
	struct vq *vq;
	uint64_t desc, avail, used;
	uint32_t base;
	uint16_t size;
	int kick, call;
	bool addressed, kicked, enabled, running, told, logged, uncertain;
};

/**
 * struct device - One guest's device
 * @conf:	Its section
 * @topo:	Where its rings are wired in
 * @misses:	Where its rings post misses
 * @tlb:	Its translations, for the daemon's whole life
 * @journal:	Where positions of packed rings are noted; NULL without
 * @mem:	Memory table as the library mapped it, owned; NULL without
 * @log:	Where dirty pages are logged
 * @features:	Negotiated virtio feature bits
 * @protocol_features:	Negotiated protocol feature bits
 * @index:	Of the guest
 * @session:	Which life (invariant I2)
 * @n_rings:	Rings it may have
 * @paused:	Between device_pause() and device_run()
 * @limit:	For what a guest can provoke
 * @call_blocks: One of its call eventfds was made to block, once; PMD threads
 *		write and read it, and it stays
 * @rings:	By virtqueue index
 */
struct device {
	const struct conf_guest *conf;
	struct topology *topo;
	struct miss_queue *misses;
	struct iotlb *tlb;
	struct journal *journal;
	struct rte_vhost_memory *mem;
	struct device_log log;
	uint64_t features;
	uint64_t protocol_features;
	unsigned int index;
	uint32_t session;
	unsigned int n_rings;
	bool paused;
	struct log_limit limit;
	atomic_bool call_blocks;
	struct ring rings[DEVICE_RINGS_MAX];
};

/**
 * device_offered() - Virtio features a guest's device offers by itself
 * @conf:	Guest's section
 *
 * The IOMMU bit is among them when the section says so; the library is never
 * told of that one.
 */
uint64_t device_offered(const struct conf_guest *conf);

/**
 * device_init() - Make an empty device
 * @dev:		Zeroed; conf, topo, misses and index set
 * @max_entries:	Bound of its IOTLB
 * @qsbr:		Grace periods of the PMD threads
 * Return: 0 or -errno
 */
int device_init(struct device *dev, uint32_t max_entries, struct rte_rcu_qsbr *qsbr) CTL_ONLY;

/**
 * device_fini() - Free it
 * @dev:	After device_reset()
 */
void device_fini(struct device *dev) CTL_ONLY;

/**
 * device_packed() - Whether the guest's rings are packed
 * @dev:	Device
 */
bool device_packed(const struct device *dev);

/**
 * device_viommu() - Whether the guest is behind a vIOMMU
 * @dev:	Device
 */
bool device_viommu(const struct device *dev);

/**
 * device_stop() - Take all rings from the PMD threads and note where they are
 * @dev:	Device
 */
void device_stop(struct device *dev) CTL_ONLY;

/**
 * device_pause() - device_stop() for a moment, until device_run()
 * @dev:	Device
 *
 * Frames for the guest wait meanwhile; they are not dropped as if it were away.
 */
void device_pause(struct device *dev) CTL_ONLY;

/**
 * device_stop_ring() - Take one ring from the PMD threads and note where it is
 * @dev:	Device
 * @ring:	One of its rings
 */
void device_stop_ring(struct device *dev, struct ring *ring) CTL_ONLY;

/**
 * device_run() - Give the PMD threads every ring that can run
 * @dev:	Device
 */
void device_run(struct device *dev) CTL_ONLY;

/**
 * device_forget_memory() - Drop the memory table and every translation
 * @dev:	Stopped
 */
void device_forget_memory(struct device *dev) CTL_ONLY;

/**
 * device_map_memory() - Take a memory table, or take the present one anew
 * @dev:	Stopped
 * @mem:	New table, owned by the device from now on, which has forgotten the
 *		former one; NULL for the present
 *
 * Return: 0, or -ENOSPC when it does not fit the IOTLB (logged)
 */
int device_map_memory(struct device *dev, struct rte_vhost_memory *mem) CTL_ONLY;

/**
 * device_user_to_host() - Where the front-end's memory is in ours
 * @dev:	Device
 * @user:	Address in the front-end's address space, untrusted
 * @size:	Bytes, untrusted
 *
 * Return: Host address, or NULL when the range is not within one region
 */
void *device_user_to_host(const struct device *dev, uint64_t user, uint64_t size);

/**
 * device_set_call() - Change the eventfd that interrupts the guest
 * @dev:	Device
 * @ring:	One of its rings
 * @fd:		Owned by the ring from now on, or -1
 */
void device_set_call(struct device *dev, struct ring *ring, int fd) CTL_ONLY;

/**
 * device_check() - Tell, once, of rings that broke the rules
 * @dev:	Device
 */
void device_check(struct device *dev) CTL_ONLY;

/**
 * device_reset() - End the device's life: rings, memory, translations
 * @dev:	Device
 */
void device_reset(struct device *dev) CTL_ONLY;

#endif /* VUNETD_DEVICE_H */
