/* SPDX-License-Identifier: BSD-3-Clause */
/* netdev.h - The virtio-net driver: bursts of frames through a device's rings
 *
 * Theory of operation
 * ===================
 * A frame is a buffer id; a mergeable frame is a list of buffers.  Whoever holds
 * the id owns the buffers, until tx_burst() takes them or they go back to the
 * pool.  Both directions map a buffer before it is made available and unmap it
 * after it was used; with static maps that is nothing, in dynamic mode it is a
 * slot in the page table and an acknowledged invalidation.
 *
 * Errors of the protocol stick in the guest and end its loop.
 */
#ifndef GUEST_NETDEV_H
#define GUEST_NETDEV_H

#include <stdint.h>

#include "tests/guest/guest.h"

#define BURST_MAX 256

/* Longest frame there is, virtio header included */
#define FRAME_BYTES (12 + 65535)

/**
 * rx_refill() - Make free buffers available for receiving
 * @d:		Device
 * @pair:	Queue pair
 */
void rx_refill(struct device *d, unsigned int pair);

/**
 * rx_burst() - Take received frames
 * @d:		Device
 * @pair:	Queue pair
 * @frames:	Filled with up to @n first buffers; lengths are in the buffers
 * @n:		At most BURST_MAX
 *
 * Return: How many
 */
unsigned int rx_burst(struct device *d, unsigned int pair, uint32_t *frames, unsigned int n);

/**
 * rx_discard() - Take everything received and make it available again, unseen
 * @d:		Device
 * @pair:	Queue pair
 *
 * Return: Buffers taken, which count as frames
 */
unsigned int rx_discard(struct device *d, unsigned int pair);

/**
 * tx_burst() - Send frames
 * @d:		Device
 * @pair:	Queue pair
 * @frames:	First buffers; a virtio header is in the first
 * @n:		How many
 *
 * Return: How many were taken, from the front
 */
unsigned int tx_burst(struct device *d, unsigned int pair, const uint32_t *frames, unsigned int n);

/**
 * tx_reclaim() - Give the buffers of sent frames back to the pool
 * @d:		Device
 * @pair:	Queue pair
 *
 * Return: Frames that were sent
 */
unsigned int tx_reclaim(struct device *d, unsigned int pair);

/**
 * tx_left() - Count the frames that the backend has not taken
 * @d:		Device
 * @pair:	Queue pair
 */
unsigned int tx_left(struct device *d, unsigned int pair);

/**
 * netdev_prepare() - Make free buffers what --poison expects them to be
 * @g:	Guest before its first buffer is used
 */
void netdev_prepare(struct guest *g);

/**
 * frame_alloc() - Take buffers for a frame
 * @g:		Guest
 * @len:	Bytes, virtio header included
 *
 * Return: First buffer, lengths set, or BUF_NONE when there are not enough
 */
uint32_t frame_alloc(struct guest *g, uint32_t len);

/**
 * frame_free() - Give all buffers of a frame back to the pool
 * @g:		Guest
 * @frame:	First buffer
 */
void frame_free(struct guest *g, uint32_t frame);

/**
 * frame_write() - Copy into the buffers of a frame
 * @p:		Pool
 * @frame:	First buffer; the lengths of all are set
 * @off:	Where in the frame, whose first byte is that of the virtio header
 * @src:	From
 * @len:	Bytes, no more than there is room for
 */
void frame_write(const struct pool *p, uint32_t frame, uint32_t off, const void *src, uint32_t len);

/**
 * frame_read() - Copy a frame out of its buffers
 * @p:		Pool
 * @frame:	First buffer
 * @dst:	FRAME_BYTES
 *
 * Return: Its length, virtio header included, or 0 when it is too long
 */
uint32_t frame_read(const struct pool *p, uint32_t frame, uint8_t *dst);

/**
 * frame_len() - Bytes of a frame, without its virtio header
 * @d:		Device it came from
 * @frame:	First buffer
 */
uint32_t frame_len(const struct device *d, uint32_t frame);

#endif /* GUEST_NETDEV_H */
