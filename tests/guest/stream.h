/* SPDX-License-Identifier: BSD-3-Clause */
/* stream.h - TCP and UDP streams with known content, sent with --offloads
 *
 * Theory of operation
 * ===================
 * Each queue pair has one stream of each kind.  A stream is an endless row of
 * bytes, every eight of which follow from their position and the stream; frames
 * carry pieces of it.  The position is TCP's sequence number, or the first eight
 * bytes of a UDP datagram.  Frames are made whole, with partial checksums, or as
 * large as many segments; however they were cut, merged and finished on their
 * way, the receiver knows what each byte must be.  It need not be the sender.
 *
 *	sender		receiver checks in each frame
 *	------		-----------------------------
 *	content		every byte of payload
 *	position	that it goes on where the last one of its stream ended
 *	IPv4 ID, one	that it goes on by one a segment, merged ones included
 *	  a segment
 *	PSH (some	that it is in the last segment of a large frame only, that the
 *	  kinds)	  others were of one size,
 *	CWR (some)	and that this is in the first only
 *	checksums	that they are right; or, where the header says that they are
 *			  still to be made, that they have the pseudo header's sum
 *	virtio header	that it describes the frame, and says nothing that was not
 *			  negotiated
 */
#ifndef GUEST_STREAM_H
#define GUEST_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_net.h>

#include "tests/guest/inet.h"

#define STREAM_KINDS 8

/* Ports: the kind, and the pair; frames that must not arrive have others */
#define STREAM_SOURCE	   1024
#define STREAM_DESTINATION 2048
#define STREAM_FORBIDDEN   4096

/* Longest frame, and what a driver must expect (virtio 1.2, 5.1.6.3.1) */
#define STREAM_FRAME_MAX 65535

/**
 * struct stream - One stream, seen from its two ends
 * @kind:	Index of the table of kinds
 * @pair:	Queue pair
 * @sent:	Bytes sent
 * @id_sent:	IPv4 ID of the next segment to send
 * @expected:	Position of the next byte to come
 * @id_expected: IPv4 ID of the next segment to come
 * @begun:	Something has come
 * @inside:	The last segment was not the last one of its large frame
 * @segment:	Size of the segments of that frame
 */
struct stream {
	uint8_t kind;
	uint8_t pair;
	uint64_t sent;
	uint16_t id_sent;
	uint64_t expected;
	uint16_t id_expected;
	bool begun;
	bool inside;
	uint32_t segment;
};

/**
 * struct stream_frame - A frame to send
 * @payload:	Bytes of the stream
 * @gso_size:	Size of the segments it is to be cut into, or 0
 * @partial:	Leave the checksum to the backend
 * @hdr:	Filled in
 * @inet:	Filled in
 * @len:	Filled in: bytes of the frame
 * @segments:	Filled in: frames it becomes
 */
struct stream_frame {
	uint32_t payload;
	uint16_t gso_size;
	bool partial;
	struct virtio_net_hdr_v1 hdr;
	struct inet inet;
	uint32_t len;
	uint32_t segments;
};

/**
 * enum stream_verdict - What is to be said of a frame that came
 * @STREAM_GOOD:	All is as it should be
 * @STREAM_FOREIGN:	It is none of ours
 * @STREAM_HEADER:	Its virtio header is wrong
 * @STREAM_CHECKSUM:	A checksum is wrong
 * @STREAM_CORRUPT:	Something else is
 * @STREAM_LEAKED:	It must not have come at all
 */
enum stream_verdict {
	STREAM_GOOD,
	STREAM_FOREIGN,
	STREAM_HEADER,
	STREAM_CHECKSUM,
	STREAM_CORRUPT,
	STREAM_LEAKED
};

/**
 * struct stream_seen - A frame that came
 * @kind:	Its stream
 * @pair:	and pair
 * @pos:	Position of its first byte of the stream
 * @payload:	How many there are
 * @segments:	How many segments were merged, or 1
 * @segment:	Size of those
 * @id:		IPv4 ID
 * @push:	PSH is set
 * @why:	What is wrong, if it is
 */
struct stream_seen {
	uint8_t kind;
	uint8_t pair;
	uint64_t pos;
	uint32_t payload;
	uint32_t segments;
	uint32_t segment;
	uint16_t id;
	bool push;
	const char *why;
};

/**
 * stream_headers() - Bytes of headers in each frame of a kind
 * @kind:	Kind
 */
uint32_t stream_headers(unsigned int kind);

/**
 * stream_tcp() - Whether a kind is TCP
 * @kind:	Kind
 */
bool stream_tcp(unsigned int kind);

/**
 * stream_ipv6() - Whether a kind is IPv6
 * @kind:	Kind
 */
bool stream_ipv6(unsigned int kind);

/**
 * stream_pushes() - Whether PSH marks the end of each frame sent, in a kind
 * @kind:	Kind
 */
bool stream_pushes(unsigned int kind);

/**
 * stream_reduces() - Whether each frame sent begins with CWR, in a kind
 * @kind:	Kind
 */
bool stream_reduces(unsigned int kind);

/**
 * stream_seq() - TCP sequence number of a position
 * @kind:	Kind
 * @pair:	Pair
 * @pos:	Position
 */
uint32_t stream_seq(unsigned int kind, unsigned int pair, uint64_t pos);

/**
 * stream_fill() - Write a piece of a stream
 * @kind:	Kind
 * @pair:	Pair
 * @pos:	Position of the first byte
 * @at:		Where to
 * @len:	Bytes
 */
void stream_fill(unsigned int kind, unsigned int pair, uint64_t pos, uint8_t *at, uint32_t len);

/**
 * stream_make() - Make the next frame of a stream
 * @s:	Stream, not moved on
 * @sf:	What it is to be like; filled in
 * @f:	Ethernet header and all behind it
 */
void stream_make(const struct stream *s, struct stream_frame *sf, uint8_t *f);

/**
 * stream_sent() - Move a stream on behind a frame
 * @s:	Stream
 * @sf:	From stream_make(), now sent
 */
void stream_sent(struct stream *s, const struct stream_frame *sf);

/**
 * stream_header_ok() - Whether a virtio header describes a frame
 * @f:		Ethernet header
 * @len:	Bytes of the frame
 * @hdr:	Virtio header
 * @features:	Negotiated
 * @ret_why:	Set to what is wrong, if it is
 */
bool stream_header_ok(const uint8_t *f, uint32_t len, const struct virtio_net_hdr *hdr,
		      uint64_t features, const char **ret_why);

/**
 * stream_check() - Look at a frame that came
 * @streams:	All of them, STREAM_KINDS for each pair
 * @pairs:	How many there are
 * @f:		Ethernet header
 * @len:	Bytes
 * @hdr:	Virtio header
 * @features:	Negotiated
 * @ret:	Filled in
 *
 * The stream is not moved on.
 *
 * Return: enum stream_verdict
 */
enum stream_verdict stream_check(const struct stream *streams, unsigned int pairs, const uint8_t *f,
				 uint32_t len, const struct virtio_net_hdr *hdr, uint64_t features,
				 struct stream_seen *ret);

/**
 * stream_seen() - Move a stream on behind a frame that was good
 * @s:		Its stream
 * @seen:	From stream_check()
 */
void stream_seen(struct stream *s, const struct stream_seen *seen);

#endif /* GUEST_STREAM_H */
