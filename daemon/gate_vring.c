/* SPDX-License-Identifier: BSD-3-Clause */
/* gate_vring.c - What the front-end says about a ring */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/vhost_types.h>

#include <rte_common.h>
#include <rte_vhost.h>

#include "daemon/gate.h"
#include "daemon/guest.h"
#include "datapath/vq.h"
#include "iotlb/iotlb.h"

/**
 * ring_at() - The ring a message is about
 * @guest:	Guest
 * @index:	Virtqueue index, untrusted
 * Return: Ring, or NULL when the device has no such ring
 */
static struct ring *ring_at(struct guest *guest, uint32_t index)
{
	return index < guest->dev.n_rings ? &guest->dev.rings[index] : NULL;
}

/**
 * ring_change() - Forward a message about a ring while the ring stands still
 * @guest:	Guest
 * @ring:	Ring, stopped when this returns; gate handlers then change it and
 *		call device_run()
 * @msg:	Message
 * Return: 0 or -errno
 */
static int ring_change(struct guest *guest, struct ring *ring, struct vu_msg *msg) CTL_ONLY
{
	device_stop_ring(&guest->dev, ring);
	return library_call(&guest->lib, msg, NULL, 0, false);
}

GATE_HANDLER(gate_set_vring_num)
{
	struct vu_vring_state state = msg->payload.state;
	struct ring *ring = ring_at(guest, state.index);
	struct vu_msg call = *msg;
	int err;

	(void)fds, (void)n_fds;
	/* A split ring's size is a power of two (virtio 1.2, 2.7); what layout it
	 * will have is known for good when it starts */
	if (!ring || !state.num || state.num > VQ_SIZE_MAX ||
	    (!device_packed(&guest->dev) && !rte_is_power_of_2(state.num)))
		return -EINVAL;
	/* The library, which believes in a split ring, need only know there is one */
	call.payload.state.num = rte_align32prevpow2(state.num);
	err = ring_change(guest, ring, &call);
	if (!err)
		ring->size = (uint16_t)state.num;
	device_run(&guest->dev);
	return err;
}

GATE_HANDLER(gate_set_vring_base)
{
	struct vu_vring_state state = msg->payload.state;
	struct ring *ring = ring_at(guest, state.index);
	struct vu_msg call = *msg;
	int err;

	(void)fds, (void)n_fds;
	/* A packed ring has two, each with its wrap counter */
	if (!ring || (!device_packed(&guest->dev) && state.num > UINT16_MAX))
		return -EINVAL;
	/* All the library does with it is to say it again, 16 bits of it */
	call.payload.state.num = (uint16_t)state.num;
	err = ring_change(guest, ring, &call);
	if (!err) {
		/* Where we stopped, as we said ourselves, or what it believes */
		ring->uncertain |= ring->base != state.num;
		ring->base = state.num;
	}
	device_run(&guest->dev);
	return err;
}

/*
 * Stops the ring (vhost-user, "Ring states").  The library answers with the
 * index it believes in, so it is told ours first, and corrected where it knows
 * half of it.
 */
/**
 * translations_end() - Forget every translation when the last ring has stopped
 * @guest:	Guest
 *
 * QEMU tells of what is unmapped only while a device is started.  What its driver
 * unmaps before it starts the device again nobody hears of, and a memory table,
 * with which translations would go, is not sent anew when nothing was plugged in.
 */
static void translations_end(struct guest *guest) CTL_ONLY
{
	struct device *dev = &guest->dev;

	if (!device_viommu(dev))
		return;
	for (unsigned int i = 0; i < dev->n_rings; i++)
		if (dev->rings[i].kicked)
			return;
	iotlb_clear(dev->tlb);
	iotlb_synchronize(dev->tlb);
	resolver_clear(&guest->resolver);
}

GATE_HANDLER(gate_get_vring_base)
{
	struct vu_vring_state state = msg->payload.state;
	struct ring *ring = ring_at(guest, state.index);
	int err = 0;

	(void)fds, (void)n_fds;
	if (!ring)
		return -EINVAL;
	device_stop_ring(&guest->dev, ring);
	if (ring->kick >= 0)
		close(ring->kick);
	ring->kick = -1;
	ring->kicked = false;
	translations_end(guest);
	/* A library that has not heard of this ring has nothing to stop */
	if (!library_set_base(&guest->lib, (uint16_t)state.index, (uint16_t)ring->base))
		err = library_call(&guest->lib, msg, NULL, 0, true);
	state.num = ring->base;
	if (!err)
		msg->payload.state = state;
	if (!err && ring->vq)
		vq_told(ring->vq);
	return err;
}

/*
 * Kept from the library: with a vIOMMU the addresses are IOVAs, and without one
 * it would look into guest memory that it has no business with.
 */
GATE_HANDLER(gate_set_vring_addr)
{
	struct vu_vring_addr addr = msg->payload.addr;
	struct ring *ring = ring_at(guest, addr.index);

	(void)fds, (void)n_fds;
	if (!ring)
		return -EINVAL;
	device_pause(&guest->dev);
	ring->desc = addr.desc;
	ring->avail = addr.avail;
	ring->used = addr.used;
	ring->logged = addr.flags & (1u << VHOST_VRING_F_LOG);
	ring->addressed = true;
	device_run(&guest->dev);
	return 0;
}

/**
 * is_eventfd() - Whether a descriptor is of an eventfd
 * @fd:	Descriptor
 *
 * Nothing else tells it from an epoll instance or a timer.
 */
static bool is_eventfd(int fd)
{
	static const char name[] = "anon_inode:[eventfd]";
	char path[sizeof("/proc/self/fd/") + 11], target[sizeof(name)];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target));
	return n == sizeof(name) - 1 && !memcmp(target, name, sizeof(name) - 1);
}

/**
 * eventfd_of() - The descriptor of a SET_VRING_KICK, CALL or ERR
 * @guest:	Guest
 * @msg:	Message
 * @fds:	Descriptors
 * @n_fds:	How many
 * @ret_ring:	Ring it is about
 * @ret_fd:	Non-blocking eventfd, taken over, or -1 when none is to be used
 * Return: 0 or -EINVAL
 *
 * A PMD thread writes to it: only an eventfd is known to take 8 bytes at any
 * time, and a blocking one that is full would hold that thread for ever.
 */
static int eventfd_of(struct guest *guest, const struct vu_msg *msg, int *fds, unsigned int n_fds,
		      struct ring **ret_ring, int *ret_fd)
{
	uint64_t value = msg->payload.u64;
	struct ring *ring = ring_at(guest, value & VU_VRING_INDEX);
	bool none = value & VU_VRING_NOFD;

	if (!ring || value & ~(uint64_t)(VU_VRING_INDEX | VU_VRING_NOFD) || n_fds != !none)
		return -EINVAL;
	*ret_ring = ring;
	*ret_fd = -1;
	if (none)
		return 0;
	if (!is_eventfd(fds[0]) || fcntl(fds[0], F_SETFL, O_NONBLOCK | fcntl(fds[0], F_GETFL)))
		return -EINVAL;
	*ret_fd = fds[0];
	fds[0] = -1;
	return 0;
}

/*
 * Starts the ring.  The eventfd ends the sleep of a thread that sleeps; whoever
 * waits for the old one is to have let go of it before it is closed.
 * Without VHOST_USER_F_PROTOCOL_FEATURES a started ring is also enabled.
 */
GATE_HANDLER(gate_set_vring_kick)
{
	struct ring *ring;
	int fd, err = eventfd_of(guest, msg, fds, n_fds, &ring, &fd);

	if (err)
		return err;
	device_stop_ring(&guest->dev, ring);
	if (ring->kick >= 0)
		close(ring->kick);
	ring->kick = fd;
	ring->kicked = true;
	if (!(guest->dev.features & (UINT64_C(1) << VHOST_USER_F_PROTOCOL_FEATURES)))
		ring->enabled = true;
	device_run(&guest->dev);
	return 0;
}

GATE_HANDLER(gate_set_vring_call)
{
	struct ring *ring;
	int fd, err = eventfd_of(guest, msg, fds, n_fds, &ring, &fd);

	if (!err)
		device_set_call(&guest->dev, ring, fd);
	return err;
}

/* Errors are counted and logged; the protocol has the descriptor optional */
GATE_HANDLER(gate_set_vring_err)
{
	struct ring *ring;
	int fd, err = eventfd_of(guest, msg, fds, n_fds, &ring, &fd);

	if (!err && fd >= 0)
		close(fd);
	return err;
}

GATE_HANDLER(gate_set_vring_enable)
{
	struct vu_vring_state state = msg->payload.state;
	struct ring *ring = ring_at(guest, state.index);
	int err;

	(void)fds, (void)n_fds;
	if (!ring || state.num > 1)
		return -EINVAL;
	err = ring_change(guest, ring, msg);
	if (!err)
		ring->enabled = state.num;
	device_run(&guest->dev);
	return err;
}
