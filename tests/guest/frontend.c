/* SPDX-License-Identifier: BSD-3-Clause */
/* frontend.c - Starting and stopping a device over vhost-user, as QEMU does
 *
 * The order of messages is that of QEMU 7.2: features and protocol features,
 * owner and backend channel at once; features, memory and rings, enabled before
 * they are started, when the driver says DRIVER_OK; then the translation of the used rings, which the guest's
 * IOMMU would never be asked for by a backend that has not begun to run.
 */
#include "tests/guest/frontend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "tests/guest/guest.h"

#define BIT(n) (UINT64_C(1) << (n))

/* Not in the kernel's headers: bit 30 is the protocol's own (vhost-user) */
#define VHOST_USER_F_PROTOCOL_FEATURES 30

/* The driver is ready: ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK */
#define STATUS_READY UINT64_C(0x0f)

/* What --offloads asks for.  A driver that takes merged frames has buffers for
 * them (virtio 1.2, 5.1.6.3.1); what a backend does not offer is done without.
 */
#define CSUM_FEATURES (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM))
#define TSO_FEATURES \
	(BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN))
#define GRO_FEATURES \
	(BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN))
#define GRO_BUF_MIN 65562

/**
 * wants_log() - Whether dirty pages are to be logged
 */
static bool wants_log(const struct options *opt)
{
	return opt->log_dirty_ms || opt->migrate;
}

/**
 * wanted_offloads() - What --offloads asks for
 */
static uint64_t wanted_offloads(const struct options *opt)
{
	uint64_t f = opt->offloads == OFFLOADS_OFF ? 0 : CSUM_FEATURES;

	if (opt->offloads == OFFLOADS_ALL)
		f |= TSO_FEATURES;
	if (opt->offloads == OFFLOADS_ALL && (opt->mergeable || opt->buf_size >= GRO_BUF_MIN))
		f |= GRO_FEATURES;
	return f;
}

/**
 * wanted_features() - What the options ask for
 */
static uint64_t wanted_features(const struct options *opt)
{
	uint64_t f = BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES);

	if (opt->mergeable)
		f |= BIT(VIRTIO_NET_F_MRG_RXBUF);
	if (opt->indirect)
		f |= BIT(VIRTIO_RING_F_INDIRECT_DESC);
	if (opt->packed)
		f |= BIT(VIRTIO_F_RING_PACKED);
	if (opt->event_idx)
		f |= BIT(VIRTIO_RING_F_EVENT_IDX);
	if (opt->in_order)
		f |= BIT(VIRTIO_F_IN_ORDER);
	if (opt->viommu)
		f |= BIT(VIRTIO_F_ACCESS_PLATFORM);
	if (opt->pairs > 1)
		f |= BIT(VIRTIO_NET_F_MQ);
	return f | wanted_offloads(opt);
}

/**
 * features_check() - Refuse a backend that lacks what was asked for
 *
 * VERSION_1 is not insisted on without a vIOMMU: the header shrinks then.
 * Packed rings came with it.
 */
static int features_check(const struct device *d, uint64_t offered)
{
	/* Whatever wanted_features() can want */
	static const struct {
		unsigned int bit;
		const char *name;
	} names[] = {
		{VIRTIO_F_VERSION_1, "VERSION_1"},
		{VHOST_USER_F_PROTOCOL_FEATURES, "PROTOCOL_FEATURES"},
		{VIRTIO_NET_F_MRG_RXBUF, "MRG_RXBUF"},
		{VIRTIO_RING_F_INDIRECT_DESC, "INDIRECT_DESC"},
		{VIRTIO_F_RING_PACKED, "RING_PACKED"},
		{VIRTIO_RING_F_EVENT_IDX, "EVENT_IDX"},
		{VIRTIO_F_IN_ORDER, "IN_ORDER"},
		{VIRTIO_NET_F_CSUM, "CSUM"},
		{VIRTIO_F_ACCESS_PLATFORM, "ACCESS_PLATFORM (its vIOMMU support is off)"},
		{VHOST_F_LOG_ALL, "LOG_ALL"},
	};
	uint64_t log = wants_log(d->g->opt) ? BIT(VHOST_F_LOG_ALL) : 0;
	uint64_t missing = (wanted_features(d->g->opt) | log) & ~offered;
	unsigned int i;

	if (!d->g->opt->viommu && !d->g->opt->packed)
		missing &= ~BIT(VIRTIO_F_VERSION_1);
	missing &= ~(BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_GUEST_CSUM) | TSO_FEATURES |
		     GRO_FEATURES);
	if (!missing)
		return 0;
	fprintf(stderr, "vunet-guest: %s: the backend does not offer", d->vu.path);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (missing & BIT(names[i].bit))
			fprintf(stderr, " %s", names[i].name);
	fputc('\n', stderr);
	return -ENOTSUP;
}

/**
 * negotiate_protocol() - Agree on protocol features
 */
static int negotiate_protocol(struct device *d)
{
	uint64_t wanted = BIT(VU_PROTO_MQ) | BIT(VU_PROTO_REPLY_ACK) | BIT(VU_PROTO_BACKEND_REQ) |
			  BIT(VU_PROTO_STATUS);
	uint64_t need = d->g->opt->viommu ? BIT(VU_PROTO_BACKEND_REQ) | BIT(VU_PROTO_REPLY_ACK) : 0;
	uint64_t log = wants_log(d->g->opt) ? BIT(VU_PROTO_LOG_SHMFD) | BIT(VU_PROTO_REPLY_ACK) : 0;
	uint64_t offered, queues;
	int err;

	if (d->g->opt->slots)
		wanted |= BIT(VU_PROTO_CONFIGURE_MEM_SLOTS);

	err = vu_get(&d->vu, VU_GET_PROTOCOL_FEATURES, &offered, 0, sizeof(offered));
	if (err)
		return err;
	if (need & ~offered) {
		fprintf(stderr, "vunet-guest: %s: no REPLY_ACK and backend channel for a vIOMMU\n",
			d->vu.path);
		return -ENOTSUP;
	}
	if (log & ~offered) {
		fprintf(stderr, "vunet-guest: %s: no REPLY_ACK and LOG_SHMFD for a log\n",
			d->vu.path);
		return -ENOTSUP;
	}
	if (d->g->opt->slots && !(offered & BIT(VU_PROTO_CONFIGURE_MEM_SLOTS))) {
		fprintf(stderr, "vunet-guest: %s: no CONFIGURE_MEM_SLOTS\n", d->vu.path);
		return -ENOTSUP;
	}
	d->protocol = (wanted | log) & offered;
	err = vu_set_u64(&d->vu, VU_SET_PROTOCOL_FEATURES, d->protocol);
	if (err)
		return err;
	d->vu.reply_ack = d->protocol & BIT(VU_PROTO_REPLY_ACK);
	if (!(d->protocol & BIT(VU_PROTO_MQ)))
		return 0;
	err = vu_get(&d->vu, VU_GET_QUEUE_NUM, &queues, 0, sizeof(queues));
	if (!err && queues < d->g->opt->pairs) {
		fprintf(stderr, "vunet-guest: %s: only %llu queue pairs\n", d->vu.path,
			(unsigned long long)queues);
		err = -ENOTSUP;
	}
	return err;
}

int frontend_connect(struct device *d)
{
	uint64_t offered;
	int err;

	err = vu_open(&d->vu, d->g->opt->server);
	if (!err)
		err = vu_get(&d->vu, VU_GET_FEATURES, &offered, 0, sizeof(offered));
	if (!err)
		err = features_check(d, offered);
	if (err)
		return err;
	d->features = wanted_features(d->g->opt) & offered;
	/* virtio 1.2, 5.1.6: num_buffers is there with either feature */
	d->hdr = d->features & (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF)) ? 12 : 10;
	err = negotiate_protocol(d);
	if (!err)
		err = vu_set(&d->vu, VU_SET_OWNER, NULL, 0, NULL, 0);
	if (!err && d->g->opt->viommu)
		err = vu_backend_open(&d->vu);
	return err;
}

/**
 * region_of() - A region as messages have it
 */
static struct vu_mem_region region_of(const struct region *r)
{
	return (struct vu_mem_region){
		.gpa = r->gpa,
		.size = r->size,
		.user_addr = (uintptr_t)r->va,
		.mmap_offset = r->offset,
	};
}

/**
 * pass_table() - SET_MEM_TABLE
 * @spare:	With the spare region
 */
static int pass_table(struct device *d, bool spare)
{
	const struct memory *m = &d->g->mem;
	struct vu_mem_table t = {.n_regions = m->n_regions};
	int fds[REGIONS_MAX];
	unsigned int i;

	for (i = 0; i < m->n_regions; i++) {
		t.regions[i] = region_of(&m->regions[i]);
		fds[i] = m->regions[i].fd;
	}
	if (spare) {
		t.regions[t.n_regions] = region_of(&m->spare);
		fds[t.n_regions++] = m->spare.fd;
	}
	return vu_set(&d->vu, VU_SET_MEM_TABLE, &t,
		      (uint32_t)(offsetof(struct vu_mem_table, regions) +
				 t.n_regions * sizeof(t.regions[0])),
		      fds, t.n_regions);
}

/**
 * pass_slot() - ADD_MEM_REG or REM_MEM_REG
 */
static int pass_slot(struct device *d, const struct region *r, bool on)
{
	struct vu_mem_slot slot = {.region = region_of(r)};

	return vu_set(&d->vu, on ? VU_ADD_MEM_REG : VU_REM_MEM_REG, &slot, sizeof(slot), &r->fd,
		      on);
}

/**
 * pass_memory() - All of it, as a table or region by region
 */
static int pass_memory(struct device *d)
{
	const struct memory *m = &d->g->mem;
	uint64_t slots;
	unsigned int i;
	int err;

	if (!d->g->opt->slots)
		return pass_table(d, false);
	err = vu_get(&d->vu, VU_GET_MAX_MEM_SLOTS, &slots, 0, sizeof(slots));
	if (!err && slots <= m->n_regions) {
		fprintf(stderr, "vunet-guest: %s: only %llu memory slots\n", d->vu.path,
			(unsigned long long)slots);
		err = -ENOTSUP;
	}
	for (i = 0; !err && i < m->n_regions; i++)
		err = pass_slot(d, &m->regions[i], true);
	return err;
}

int frontend_plug(struct device *d, bool on)
{
	d->plugged = on;
	return d->g->opt->slots ? pass_slot(d, &d->g->mem.spare, on) : pass_table(d, on);
}

/**
 * ring_addr() - Address of a piece of a ring as SET_VRING_ADDR wants it
 *
 * An IOVA with a vIOMMU, else the front-end's own address of the memory.
 */
static uint64_t ring_addr(const struct device *d, uint64_t off)
{
	const struct memory *m = &d->g->mem;
	uint64_t there = (uintptr_t)arena_ptr(&m->rings, off, NULL);

	if (d->iommu.shift)
		return d->iommu.windows[d->aliased ? WINDOW_ALIAS : WINDOW_RINGS].base + off;
	if (d->aliased)
		there += (uintptr_t)m->regions[m->alias].va - (uintptr_t)m->regions[0].va;
	return there;
}

/**
 * pass_addr() - SET_VRING_ADDR
 *
 * QEMU says the used ring's address as the guest knows it for the log, be that an
 * IOVA.
 */
static int pass_addr(struct device *d, unsigned int index)
{
	const struct ring *r = &d->rings[index];
	struct vhost_vring_addr addr = {
		.index = index,
		.flags = d->logged ? 1 << VHOST_VRING_F_LOG : 0,
		.desc_user_addr = ring_addr(d, r->desc_off),
		.avail_user_addr = ring_addr(d, r->avail_off),
		.used_user_addr = ring_addr(d, r->used_off),
		.log_guest_addr = d->iommu.shift ? ring_addr(d, r->used_off)
						 : arena_gpa(&d->g->mem.rings, r->used_off),
	};

	return vu_set(&d->vu, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

int frontend_readdress(struct device *d)
{
	unsigned int i;
	int err = 0;

	d->aliased = !d->aliased;
	for (i = 0; !err && i < 2 * d->g->opt->pairs; i++)
		err = pass_addr(d, i);
	return err;
}

int frontend_start_ring(struct device *d, unsigned int index)
{
	struct ring *r = &d->rings[index];
	struct vhost_vring_state num = {.index = index, .num = r->size};
	struct vhost_vring_state base = {.index = index, .num = d->base[index]};
	uint64_t u64 = index;
	int err;

	/* Tables are in descriptors, so theirs is an address of the guest */
	r->table_addr = d->iommu.shift ? ring_addr(d, r->table_off)
				       : arena_gpa(&d->g->mem.rings, r->table_off);
	err = vu_set(&d->vu, VU_SET_VRING_NUM, &num, sizeof(num), NULL, 0);
	if (!err)
		err = vu_set(&d->vu, VU_SET_VRING_BASE, &base, sizeof(base), NULL, 0);
	if (!err)
		err = pass_addr(d, index);
	if (!err)
		err = vu_set(&d->vu, VU_SET_VRING_KICK, &u64, sizeof(u64), &r->kick_fd, 1);
	if (!err)
		err = vu_set(&d->vu, VU_SET_VRING_CALL, &u64, sizeof(u64), &r->call_fd, 1);
	return err;
}

int frontend_enable(struct device *d, unsigned int index, bool on)
{
	struct vhost_vring_state s = {.index = index, .num = on};

	return vu_set(&d->vu, VU_SET_VRING_ENABLE, &s, sizeof(s), NULL, 0);
}

/**
 * push_used() - Translations of the used rings, which QEMU sends unasked
 */
static int push_used(struct device *d)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < 2 * d->g->opt->pairs; i++)
		err = viommu_push(&d->iommu, ring_addr(d, d->rings[i].used_off), 1);
	return err;
}

int frontend_start(struct device *d)
{
	const struct options *opt = d->g->opt;
	unsigned int i;
	int err;

	d->aliased = false;
	d->plugged = false;
	err = vu_set_u64(&d->vu, VU_SET_FEATURES, d->features);
	if (!err)
		err = pass_memory(d);
	/* Enabled first: a ring that is moved here may have frames in it */
	for (i = 0; !err && i < 2 * opt->pairs; i++)
		err = frontend_enable(d, i, true);
	for (i = 0; !err && i < 2 * opt->pairs; i++)
		err = frontend_start_ring(d, i);
	if (!err && d->iommu.shift && !opt->no_answer)
		err = opt->map == MAP_STATIC_PUSH ? viommu_push_all(&d->iommu) : push_used(d);
	if (!err && d->protocol & BIT(VU_PROTO_STATUS))
		err = vu_set_u64(&d->vu, VU_SET_STATUS, STATUS_READY);
	return err;
}

int frontend_set_log(struct device *d, int fd, uint64_t size)
{
	return vu_set_log(&d->vu, fd, size);
}

int frontend_log_all(struct device *d, bool on)
{
	unsigned int i;
	int err;

	d->logged = on;
	err = vu_set_u64(&d->vu, VU_SET_FEATURES, d->features | (on ? BIT(VHOST_F_LOG_ALL) : 0));
	for (i = 0; !err && i < 2 * d->g->opt->pairs; i++)
		err = pass_addr(d, i);
	return err;
}

int frontend_stop_ring(struct device *d, unsigned int index)
{
	struct ring *r = &d->rings[index];
	struct vhost_vring_state s = {.index = index};
	int err = vu_get(&d->vu, VU_GET_VRING_BASE, &s, sizeof(s), sizeof(s));

	if (err)
		return err;
	d->base[index] = s.num;
	if (d->g->opt->reconnect_ms && !ring_all_used(r, s.num)) {
		fprintf(stderr, "vunet-guest: %s: ring %u stopped at 0x%x, but used up to 0x%x\n",
			d->vu.path, index, s.num, r->packed ? r->last_used : r->used->idx);
		return -EPROTO;
	}
	/* Whether that makes sense */
	if (ring_stopped_well(r, s.num))
		return 0;
	fprintf(stderr,
		"vunet-guest: %s: ring %u of %u entries stopped at 0x%x, but %u was the last "
		"available\n",
		d->vu.path, index, r->size, s.num, r->published);
	return -EPROTO;
}

int frontend_stop(struct device *d)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < 2 * d->g->opt->pairs; i++)
		err = frontend_enable(d, i, false);
	for (i = 0; !err && i < 2 * d->g->opt->pairs; i++)
		err = frontend_stop_ring(d, i);
	if (!err && d->protocol & BIT(VU_PROTO_STATUS))
		err = vu_set_u64(&d->vu, VU_SET_STATUS, 0);
	vu_close(&d->vu);
	return err;
}
