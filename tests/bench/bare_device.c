/* SPDX-License-Identifier: BSD-3-Clause */
/* bare_device.c - The least a back-end can do, to see how fast any one could be
 *
 * A device for one trusted guest without a vIOMMU: it checks nothing, has no mbufs,
 * no port and no counters, and never interrupts.  It takes bursts of 32, copies each
 * payload once, and returns the descriptors.  What limits it is the guest's
 * processor and the way of cache lines between the two, which limits every
 * back-end.
 *
 *	bare_device SOCKET BYTES l2fwd|tx|rx CPU
 *
 * BYTES are those of a frame, the mode is the guest's: in tx nothing is sent to it,
 * in rx nothing taken from it.  librte_vhost sets up the rings.
 *
 * Threads: the library's fills in struct device while @running is false, and waits
 * until this one, the main one, is not in a @round before it takes it away.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_prefetch.h>
#include <rte_vhost.h>

#include "tests/bench/batches.h"

#define BURST	   32u
#define N_RINGS	   (uint16_t)2
#define ROUNDS	   64u	/* of bursts, until it looks again whether the guest is there */
#define N_FRAMES   512u /* about as many as a pool's cache has go round */
#define FRAME_ROOM 2048u
#define IDLE_US	   1000

#define HDR_LEN sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define BIT(n)	(UINT64_C(1) << (n))
#define FEATURES                                                                             \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_NET_F_MRG_RXBUF) | \
	 BIT(VHOST_USER_F_PROTOCOL_FEATURES))

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)

/**
 * struct ring - A virtqueue
 * @v:		Where it is
 * @next:	Split: available and used index; packed: slot
 * @avail:	Split: available index when last read
 * @wrap:	Packed: wrap counter at @next
 */
struct ring {
	struct rte_vhost_vring v;
	uint16_t next;
	uint16_t avail;
	bool wrap;
};

/**
 * struct chain - A buffer of the guest's: one descriptor
 * @slot:	Packed: second word of the descriptor
 * @p:		Host address
 * @len:	Bytes
 * @id:		Split: head; packed: buffer ID
 * @wrap:	Packed: wrap counter there
 */
struct chain {
	uint64_t *slot;
	uint8_t *p;
	uint32_t len;
	uint16_t id;
	bool wrap;
};

static struct device {
	struct ring rings[N_RINGS]; /* the guest's receive ring, its transmit ring */
	struct rte_vhost_memory *mem;
	bool packed;
	atomic_bool running;
	atomic_bool round;
} dev;

static uint8_t frames[N_FRAMES][FRAME_ROOM] __rte_cache_aligned;
static uint32_t frame_bytes;

/**
 * host() - Where a guest address is
 */
static inline uint8_t *host(uint64_t gpa)
{
	for (uint32_t i = 0; i < dev.mem->nregions; i++) {
		const struct rte_vhost_mem_region *r = &dev.mem->regions[i];

		if (gpa - r->guest_phys_addr < r->size)
			return (uint8_t *)(uintptr_t)(gpa - r->guest_phys_addr + r->host_user_addr);
	}
	abort();
}

/**
 * take_packed() - Take a burst of buffers out of a packed ring
 * Return: How many
 */
static inline unsigned int take_packed(struct ring *r, struct chain *chains)
{
	unsigned int n;

	for (n = 0; n < BURST; n++) {
		struct vring_packed_desc *d = &r->v.desc_packed[r->next];
		uint64_t *slot = (uint64_t *)(void *)&d->len;
		uint64_t word = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

		if ((word >> 48 & (AVAIL | USED)) != (r->wrap ? AVAIL : USED))
			break;
		chains[n] = (struct chain){slot, host(d->addr), (uint32_t)word,
					   (uint16_t)(word >> 32), r->wrap};
		if (++r->next == r->v.size) {
			r->next = 0;
			r->wrap = !r->wrap;
		}
	}
	return n;
}

/**
 * give_packed() - Return them; the first, written last, publishes all
 * @write:	VRING_DESC_F_WRITE where they were written, 0 where read
 */
static inline void give_packed(const struct chain *chains, unsigned int n, uint16_t write)
{
	while (n--) {
		const struct chain *c = &chains[n];
		uint64_t flags = write | (c->wrap ? AVAIL | USED : 0);

		__atomic_store_n(c->slot,
				 flags << 48 | (uint64_t)c->id << 32 | (write ? c->len : 0),
				 n ? __ATOMIC_RELAXED : __ATOMIC_RELEASE);
	}
}

/**
 * take_split() - Take a burst of buffers out of a split ring
 * Return: How many
 */
static inline unsigned int take_split(struct ring *r, struct chain *chains)
{
	unsigned int n;

	if ((uint16_t)(r->avail - r->next) < BURST)
		r->avail = __atomic_load_n(&r->v.avail->idx, __ATOMIC_ACQUIRE);
	for (n = 0; n < BURST && r->next != r->avail; n++) {
		uint16_t id = r->v.avail->ring[r->next++ % r->v.size];
		const struct vring_desc *d = &r->v.desc[id];

		chains[n] = (struct chain){.p = host(d->addr), .len = d->len, .id = id};
	}
	return n;
}

/**
 * give_split() - Return them
 * @write:	As above
 */
static inline void give_split(struct ring *r, const struct chain *chains, unsigned int n,
			      uint16_t write)
{
	uint16_t at = (uint16_t)(r->next - n);

	for (unsigned int i = 0; i < n; i++)
		r->v.used->ring[at++ % r->v.size] =
			(struct vring_used_elem){chains[i].id, write ? chains[i].len : 0};
	__atomic_store_n(&r->v.used->idx, r->next, __ATOMIC_RELEASE);
}

/**
 * copy() - Copy a frame; those that are compared most without a call
 */
static inline void copy(uint8_t *to, const uint8_t *from, uint32_t n)
{
	if (n == 64)
		memcpy(to, from, 64);
	else
		memcpy(to, from, n);
}

/**
 * burst() - Serve a ring once
 * @r:		Ring
 * @packed:	The layout
 * @write:	VRING_DESC_F_WRITE for the receive ring, 0 for the transmit ring
 */
static __rte_always_inline void burst(struct ring *r, const bool packed, const uint16_t write)
{
	static const struct virtio_net_hdr_mrg_rxbuf hdr = {.num_buffers = 1};
	struct chain chains[BURST];
	unsigned int n = packed ? take_packed(r, chains) : take_split(r, chains);
	static unsigned int at;

	if (!n)
		return;
	for (unsigned int i = 0; i < n; i++)
		rte_prefetch0(chains[i].p + HDR_LEN);
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *frame = frames[at++ % N_FRAMES];
		struct chain *c = &chains[i];

		if (write) {
			memcpy(c->p, &hdr, HDR_LEN);
			copy(c->p + HDR_LEN, frame, frame_bytes);
			c->len = HDR_LEN + frame_bytes;
		} else {
			copy(frame, c->p + HDR_LEN, RTE_MIN(c->len - HDR_LEN, FRAME_ROOM));
		}
	}
	if (packed)
		give_packed(chains, n, write);
	else
		give_split(r, chains, n, write);
}

/**
 * serve() - Serve the rings while the guest is there
 * @rx:	Whether it is sent frames
 * @tx:	Whether its frames are taken
 */
static __rte_always_inline void serve(const bool packed, bool rx, bool tx)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		if (tx)
			burst(&dev.rings[1], packed, 0);
		if (rx)
			burst(&dev.rings[0], packed, VRING_DESC_F_WRITE);
	}
}

/**
 * device_new() - A guest is ready
 */
static int device_new(int vid)
{
	uint64_t features;

	if (rte_vhost_get_negotiated_features(vid, &features) ||
	    rte_vhost_get_mem_table(vid, &dev.mem))
		return -1;
	dev.packed = features & BIT(VIRTIO_F_RING_PACKED);
	for (uint16_t i = 0; i < N_RINGS; i++) {
		struct ring *r = &dev.rings[i];
		uint16_t avail, used;

		if (rte_vhost_get_vhost_vring(vid, i, &r->v) ||
		    rte_vhost_get_vring_base(vid, i, &avail, &used) ||
		    rte_vhost_enable_guest_notification(vid, i, 0))
			return -1;
		r->wrap = avail >> VRING_PACKED_EVENT_F_WRAP_CTR;
		r->next = dev.packed ? avail & (BIT(VRING_PACKED_EVENT_F_WRAP_CTR) - 1) : avail;
		r->avail = r->next;
	}
	atomic_store(&dev.running, true);
	return 0;
}

/**
 * device_gone() - It goes, and is told where we are
 */
static void device_gone(int vid)
{
	atomic_store(&dev.running, false);
	while (atomic_load(&dev.round))
		sched_yield();
	for (uint16_t i = 0; i < N_RINGS; i++) {
		const struct ring *r = &dev.rings[i];
		uint16_t base = r->next;

		if (dev.packed)
			base |= (uint16_t)(r->wrap << VRING_PACKED_EVENT_F_WRAP_CTR);
		rte_vhost_set_vring_base(vid, i, base, base);
	}
	free(dev.mem);
}

/**
 * listen_at() - Let the library listen
 * Return: Negative when it does not
 */
static int listen_at(const char *path)
{
	static const struct rte_vhost_device_ops ops = {
		.new_device = device_new,
		.destroy_device = device_gone,
	};
	char *eal[] = {"bare_device",	 "--no-huge", "--no-pci", "--no-shconf",
		       "--no-telemetry", "-m",	      "64"};

	if (rte_eal_init(RTE_DIM(eal), eal) < 0 || rte_vhost_driver_register(path, 0) ||
	    rte_vhost_driver_set_features(path, FEATURES) ||
	    rte_vhost_driver_callback_register(path, &ops))
		return -1;
	return rte_vhost_driver_start(path);
}

int main(int argc, char **argv)
{
	bool rx, tx;

	if (argc != 5 || atoi(argv[2]) < 1 || atoi(argv[2]) > (int)FRAME_ROOM) {
		fprintf(stderr, "usage: bare_device SOCKET BYTES l2fwd|tx|rx CPU\n");
		return 2;
	}
	frame_bytes = (uint32_t)atoi(argv[2]);
	rx = strcmp(argv[3], "tx") != 0;
	tx = strcmp(argv[3], "rx") != 0;
	memset(frames, 0x5a, sizeof(frames));
	if (listen_at(argv[1]) < 0 || pin(atoi(argv[4]))) {
		fprintf(stderr, "bare_device: cannot listen at %s on CPU %s\n", argv[1], argv[4]);
		return 1;
	}
	for (;;) {
		if (!atomic_load(&dev.running)) {
			usleep(IDLE_US);
			continue;
		}
		atomic_store(&dev.round, true);
		/* It may have gone before it could see that */
		if (atomic_load(&dev.running) && dev.packed)
			serve(true, rx, tx);
		else if (atomic_load(&dev.running))
			serve(false, rx, tx);
		atomic_store(&dev.round, false);
	}
}
