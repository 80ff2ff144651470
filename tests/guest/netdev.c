/* SPDX-License-Identifier: BSD-3-Clause */
/* netdev.c - The virtio-net driver: bursts of frames through a device's rings */
#include "tests/guest/netdev.h"

#include <errno.h>

#include <linux/virtio_net.h>

#include "tests/guest/poison.h"

/* Descriptors of the longest chain we make */
#define SEGS_MAX 256

/* How far ahead of the frame in hand memory is fetched */
#define AHEAD 6

/**
 * buf_get() - Take a buffer from the pool
 */
static inline uint32_t buf_get(struct guest *g)
{
	uint32_t id = pool_get(&g->pool);

	if (g->opt->poison)
		poison_check(g, id);
	return id;
}

/**
 * buf_put() - Give a buffer back to the pool
 */
static inline void buf_put(struct guest *g, uint32_t id)
{
	if (g->opt->poison)
		poison_fill(g, id);
	pool_put(&g->pool, id);
}

/**
 * buf_map() - Let the backend reach a buffer
 */
static void buf_map(struct device *d, uint32_t id, enum buf_dir dir, uint32_t len)
{
	const struct options *opt = d->g->opt;
	struct pool *p = &d->g->pool;
	uint8_t perm = dir == DIR_RX ? VHOST_ACCESS_WO : VHOST_ACCESS_RO;
	int err;

	err = viommu_map(&d->iommu, dir == DIR_RX ? WINDOW_RX : WINDOW_TX, p->arena,
			 pool_off(p, id), len, opt->rw ? VHOST_ACCESS_RW : perm,
			 &p->bufs[id].addr[dir]);
	if (err)
		d->g->error = err;
}

/**
 * batch_end() - Wait until the backend has let go of what was unmapped in a batch
 */
static void batch_end(struct device *d)
{
	int err = viommu_batch_end(&d->iommu);

	if (err)
		d->g->error = err;
}

/**
 * buf_unmap() - Take a buffer away from the backend
 */
static void buf_unmap(struct device *d, uint32_t id, enum buf_dir dir)
{
	int err = viommu_unmap(&d->iommu, dir == DIR_RX ? WINDOW_RX : WINDOW_TX,
			       d->g->pool.bufs[id].addr[dir]);

	if (err)
		d->g->error = err;
}

/**
 * buf_segs() - Cut a buffer into as many descriptors as --chain says
 * @d:		Device
 * @addr:	Address of the buffer
 * @len:	Bytes of it
 * @segs:	Filled in
 *
 * The header comes first and alone, as drivers without ANY_LAYOUT had it.
 *
 * Return: Descriptors
 */
static unsigned int buf_segs(const struct device *d, uint64_t addr, uint32_t len, struct seg *segs)
{
	uint32_t chain = d->g->opt->chain, piece, n = 0;

	if (chain > 1 && len > d->hdr) {
		segs[n++] = (struct seg){addr, d->hdr};
		addr += d->hdr;
		len -= d->hdr;
		chain--;
	}
	for (; chain > 1 && len > 1; chain--) {
		piece = (len + chain - 1) / chain;
		segs[n++] = (struct seg){addr, piece};
		addr += piece;
		len -= piece;
	}
	if (len)
		segs[n++] = (struct seg){addr, len};
	return n;
}

void rx_refill(struct device *d, unsigned int pair)
{
	const struct options *opt = d->g->opt;
	struct ring *r = device_rx(d, pair);
	struct pool *p = &d->g->pool;
	bool plain = opt->chain == 1 && !r->chain, dynamic = opt->map == MAP_DYNAMIC;
	struct seg segs[SEGS_MAX];

	while (ring_room(r, opt->chain) && pool_avail(p)) {
		uint32_t id = buf_get(d->g);

		if (dynamic)
			buf_map(d, id, DIR_RX, p->buf_size);
		if (plain)
			ring_add(r, p->bufs[id].addr[DIR_RX], p->buf_size, id);
		else
			ring_add_chain(r, segs,
				       buf_segs(d, p->bufs[id].addr[DIR_RX], p->buf_size, segs),
				       id);
	}
	ring_publish(r);
}

/**
 * rx_take() - Take one used buffer off the ring
 *
 * Return: The buffer with its length, or BUF_NONE
 */
static uint32_t rx_take(struct device *d, struct ring *r)
{
	struct pool *p = &d->g->pool;
	uint32_t len, head = ring_take(r, &len), id;

	if (head == r->size)
		return BUF_NONE;
	id = r->cookie[head];
	ring_release(r, head);
	if (d->g->opt->map == MAP_DYNAMIC)
		buf_unmap(d, id, DIR_RX);
	p->bufs[id].len = len;
	p->bufs[id].next = BUF_NONE;
	if (len && len <= p->buf_size)
		return id;
	d->g->stats.malformed++;
	buf_put(d->g, id);
	return BUF_NONE;
}

/**
 * rx_rest() - Take the further buffers of a mergeable frame
 * @first:	Its first buffer
 * @n:		How many more; that many are there
 */
static void rx_rest(struct device *d, struct ring *r, uint32_t first, unsigned int n)
{
	struct buf *bufs = d->g->pool.bufs;

	while (n--) {
		uint32_t id = rx_take(d, r);

		if (id == BUF_NONE)
			continue;
		bufs[first].next = id;
		first = id;
	}
}

/**
 * rx_prefetch() - Fetch the header of a frame further on
 */
static inline void rx_prefetch(const struct pool *p, const struct ring *r, unsigned int ahead)
{
	uint32_t id = ring_peek(r, ahead);

	if (id != COOKIE_NONE)
		__builtin_prefetch(p->bufs[id].va, 1);
}

/**
 * num_buffers() - How many buffers a frame has (virtio 1.2, 5.1.6.4)
 */
static inline uint16_t num_buffers(const struct device *d, const struct buf *b)
{
	const struct virtio_net_hdr_v1 *h = (const void *)b->va;

	return d->features & (UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF) ? h->num_buffers : 1;
}

unsigned int rx_burst(struct device *d, unsigned int pair, uint32_t *frames, unsigned int n)
{
	struct ring *r = device_rx(d, pair);
	const struct pool *p = &d->g->pool;
	uint32_t there = ring_used_count(r), i = 0;
	unsigned int got = 0;

	if (there > r->size) {
		r->errors++;
		d->g->error = -EPROTO;
		return 0;
	}
	for (; i < there && i < AHEAD; i++)
		rx_prefetch(p, r, i);
	viommu_batch_begin(&d->iommu);
	for (i = 0; got < n && i < there; i++) {
		uint16_t more;
		uint32_t id;

		if (i + AHEAD < there)
			rx_prefetch(p, r, AHEAD);
		id = rx_take(d, r);
		if (id == BUF_NONE)
			continue;
		more = num_buffers(d, &p->bufs[id]) - 1;
		if (p->bufs[id].len < d->hdr + 14 || more >= there - i) {
			d->g->stats.malformed++;
			frame_free(d->g, id);
			continue;
		}
		if (more) {
			rx_rest(d, r, id, more);
			i += more;
			d->g->stats.rx_bytes += frame_len(d, id);
		} else {
			d->g->stats.rx_bytes += p->bufs[id].len - d->hdr;
		}
		frames[got++] = id;
	}
	batch_end(d);
	d->g->stats.rx_frames += got;
	return got;
}

unsigned int rx_discard(struct device *d, unsigned int pair)
{
	struct ring *r = device_rx(d, pair);
	struct stats *s = &d->g->stats;
	uint32_t there = ring_used_count(r), i;

	if (there > r->size) {
		r->errors++;
		d->g->error = -EPROTO;
		return 0;
	}
	for (i = 0; i < there; i++) {
		uint32_t id = rx_take(d, r);

		if (id == BUF_NONE)
			continue;
		s->rx_frames++;
		s->rx_bytes += d->g->pool.bufs[id].len - d->hdr;
		buf_put(d->g, id);
	}
	rx_refill(d, pair);
	return there;
}

/**
 * frame_segs() - Descriptors of all buffers of a frame
 *
 * Return: How many, or 0 when there are too many
 */
static unsigned int frame_segs(struct device *d, uint32_t frame, struct seg *segs)
{
	struct pool *p = &d->g->pool;
	unsigned int n = 0;

	for (; frame != BUF_NONE; frame = p->bufs[frame].next) {
		if (n + d->g->opt->chain > SEGS_MAX)
			return 0;
		n += buf_segs(d, p->bufs[frame].addr[DIR_TX], p->bufs[frame].len, segs + n);
	}
	return n;
}

/**
 * tx_long() - Send a frame that takes more than one plain descriptor
 *
 * Return: false when there is no room
 */
static bool tx_long(struct device *d, struct ring *r, uint32_t frame)
{
	struct seg segs[SEGS_MAX];
	unsigned int n = frame_segs(d, frame, segs);

	if (n && n <= r->size)
		return ring_add_chain(r, segs, n, frame);
	d->g->stats.dropped++;
	frame_free(d->g, frame);
	return true;
}

/**
 * frame_map() - Let the backend read all buffers of a frame
 */
static void frame_map(struct device *d, uint32_t frame)
{
	struct pool *p = &d->g->pool;

	for (; frame != BUF_NONE; frame = p->bufs[frame].next)
		buf_map(d, frame, DIR_TX, p->bufs[frame].len);
}

/**
 * frame_room() - Descriptors a frame takes at most
 */
static unsigned int frame_room(const struct device *d, uint32_t frame)
{
	const struct pool *p = &d->g->pool;
	unsigned int n = 0;

	for (; frame != BUF_NONE; frame = p->bufs[frame].next)
		n += d->g->opt->chain;
	return n;
}

unsigned int tx_burst(struct device *d, unsigned int pair, const uint32_t *frames, unsigned int n)
{
	struct ring *r = device_tx(d, pair);
	struct pool *p = &d->g->pool;
	bool plain = d->g->opt->chain == 1 && !r->chain;
	bool dynamic = d->g->opt->map == MAP_DYNAMIC;
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct buf *b = &p->bufs[frames[i]];
		bool one = b->next == BUF_NONE;

		if (!ring_room(r, one ? d->g->opt->chain : frame_room(d, frames[i])))
			break;
		if (dynamic)
			frame_map(d, frames[i]);
		d->g->stats.tx_bytes += one ? b->len - d->hdr : frame_len(d, frames[i]);
		if (plain && one)
			ring_add(r, b->addr[DIR_TX], b->len, frames[i]);
		else if (!tx_long(d, r, frames[i]))
			break;
	}
	d->g->stats.tx_frames += i;
	ring_publish(r);
	return i;
}

unsigned int tx_reclaim(struct device *d, unsigned int pair)
{
	struct ring *r = device_tx(d, pair);
	struct pool *p = &d->g->pool;
	uint32_t there = ring_used_count(r), len, i;

	viommu_batch_begin(&d->iommu);
	for (i = 0; i < there; i++) {
		uint32_t head = ring_take(r, &len), id, next;

		if (head == r->size)
			continue;
		for (id = r->cookie[head]; id != BUF_NONE; id = next) {
			next = p->bufs[id].next;
			if (d->g->opt->map == MAP_DYNAMIC)
				buf_unmap(d, id, DIR_TX);
			buf_put(d->g, id);
		}
		ring_release(r, head);
	}
	batch_end(d);
	return there;
}

unsigned int tx_left(struct device *d, unsigned int pair)
{
	const struct ring *r = device_tx(d, pair);
	unsigned int n = 0;
	uint32_t i;

	tx_reclaim(d, pair);
	for (i = 0; i < r->size; i++)
		n += r->cookie[i] != COOKIE_NONE;
	return n;
}

void netdev_prepare(struct guest *g)
{
	uint32_t i;

	for (i = 0; g->opt->poison && i < g->pool.n; i++)
		poison_fill(g, i);
}

uint32_t frame_alloc(struct guest *g, uint32_t len)
{
	struct pool *p = &g->pool;
	uint32_t first = BUF_NONE, id, n = (len + p->buf_size - 1) / p->buf_size;

	if (pool_avail(p) < n)
		return BUF_NONE;
	/* From the end, where what is left over goes */
	while (n--) {
		id = buf_get(g);
		p->bufs[id].next = first;
		p->bufs[id].len = len - n * p->buf_size;
		len -= p->bufs[id].len;
		first = id;
	}
	return first;
}

void frame_free(struct guest *g, uint32_t frame)
{
	while (frame != BUF_NONE) {
		uint32_t next = g->pool.bufs[frame].next;

		buf_put(g, frame);
		frame = next;
	}
}

void frame_write(const struct pool *p, uint32_t frame, uint32_t off, const void *src, uint32_t len)
{
	const uint8_t *at = src;

	for (; len && frame != BUF_NONE; frame = p->bufs[frame].next) {
		uint32_t room = p->bufs[frame].len, n;

		if (off >= room) {
			off -= room;
			continue;
		}
		n = room - off < len ? room - off : len;
		arena_write(p->arena, pool_off(p, frame) + off, at, n);
		at += n;
		len -= n;
		off = 0;
	}
}

uint32_t frame_read(const struct pool *p, uint32_t frame, uint8_t *dst)
{
	uint32_t len = 0;

	for (; frame != BUF_NONE; frame = p->bufs[frame].next) {
		if (len + p->bufs[frame].len > FRAME_BYTES)
			return 0;
		arena_read(p->arena, pool_off(p, frame), dst + len, p->bufs[frame].len);
		len += p->bufs[frame].len;
	}
	return len;
}

uint32_t frame_len(const struct device *d, uint32_t frame)
{
	const struct buf *bufs = d->g->pool.bufs;
	uint32_t len = 0;

	for (; frame != BUF_NONE; frame = bufs[frame].next)
		len += bufs[frame].len;
	return len - d->hdr;
}
