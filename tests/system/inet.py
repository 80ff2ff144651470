# SPDX-License-Identifier: BSD-3-Clause
"""inet.py - The test guest's streams on a wire, looked at by code other than its own

What a frame of --offloads consists of says tests/guest/stream.h.
"""

import struct

from outcome import expect, expect_equal

SOURCE, DESTINATION, KINDS = 1024, 2048, 8
OWN_MAC = bytes.fromhex("0276756e6574")
# In frames without FCS, a VLAN tag not counted
FRAME_MAX = 1514
WORDS = (1 << 64) - 1
TCP, UDP = 6, 17
PSH, CWR = 0x08, 0x80
# Kinds whose frames end with PSH, and begin with CWR
PUSHES, REDUCES = {2, 3, 4, 5}, {4, 5}


def ones_sum(data):
    """Return the ones' complement sum of the 16-bit words of some bytes."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def content(kind, pair, pos, size):
    """Return a piece of a stream."""
    mark = (pair * KINDS + kind) * 0x0101010101010101
    first, last = pos // 8, (pos + size + 7) // 8
    words = [(index + 1) * 0x9E3779B97F4A7C15 & WORDS ^ mark for index in range(first, last)]
    return struct.pack(f"<{len(words)}Q", *words)[pos - first * 8:][:size]


def start_seq(kind, pair):
    """Return the TCP sequence number of a stream's first byte."""
    return (0xFFFFFFFF - 0x1FFFF * (kind + 1) + pair) & 0xFFFFFFFF


class Segment:
    """A TCP segment or UDP datagram of a stream."""

    def __init__(self, frame):
        """Parse a frame, fail if a length or a checksum is wrong."""
        at = 12
        self.tagged = frame[12:14] == b"\x81\x00"
        at += 4 if self.tagged else 0
        ether_type, at = frame[at:at + 2], at + 2
        self.ipv6 = ether_type == b"\x86\xdd"
        expect(self.ipv6 or ether_type == b"\x08\x00", f"no IP: {frame[:40].hex()}")
        protocol, body, pseudo = self._ipv6(frame[at:]) if self.ipv6 else self._ipv4(frame[at:])
        self.tcp = protocol == TCP
        expect(self.tcp or protocol == UDP, f"protocol {protocol}")
        pseudo += struct.pack(">II", len(body), protocol)
        expect_equal(ones_sum(pseudo + body), 0xFFFF, "checksum with its sum")
        source, destination = struct.unpack_from(">HH", body)
        self.kind, self.pair = source - SOURCE, destination - DESTINATION
        expect(0 <= self.kind < KINDS and 0 <= self.pair < 256,
               f"ports {source} and {destination}: a frame that must not have been sent")
        self.flags = body[13] if self.tcp else 0
        if self.tcp:
            self.seq = struct.unpack_from(">I", body, 4)[0]
            self.payload = body[(body[12] >> 4) * 4:]
        else:
            expect_equal(struct.unpack_from(">H", body, 4)[0], len(body), "length in UDP")
            expect(body[6:8] != b"\0\0", "no UDP checksum")
            self.seq = struct.unpack_from("<Q", body, 8)[0]
            self.payload = body[16:]

    def _ipv4(self, packet):
        header = packet[:(packet[0] & 15) * 4]
        expect_equal(ones_sum(header), 0xFFFF, "IPv4 header checksum with its sum")
        total, self.ident, fragment = struct.unpack_from(">HHH", header, 2)
        expect_equal(fragment & 0xBFFF, 0, "fragment")
        expect(total == len(packet) or len(packet) < total + 46, "length in IPv4")
        return header[9], packet[len(header):total], header[12:20]

    def _ipv6(self, packet):
        size, self.ident = struct.unpack_from(">H", packet, 4)[0], None
        expect(40 + size == len(packet) or len(packet) < 46, "length in IPv6")
        return packet[6], packet[40:40 + size], packet[8:40]

    @property
    def key(self):
        """Its stream."""
        return self.kind, self.pair


class Stream:
    """What has come of a stream so far."""

    def __init__(self):
        self.bytes = 0
        self.segments = 0
        self.ident = 0
        self.inside = False

    def take(self, segment):
        """Fail unless a segment is the next one."""
        kind, pair = segment.key
        wanted = self.bytes
        if segment.tcp:
            wanted = (wanted + start_seq(kind, pair)) & 0xFFFFFFFF
        expect_equal(segment.seq, wanted, f"position in stream {segment.key}")
        expect(segment.payload == content(kind, pair, self.bytes, len(segment.payload)),
               f"the payload at {self.bytes} of stream {segment.key} was changed")
        if segment.ident is not None:
            expect_equal(segment.ident, self.ident, f"IPv4 ID in stream {segment.key}")
        expect_equal(bool(segment.flags & CWR), kind in REDUCES and not self.inside,
                     f"CWR at {self.bytes} of stream {segment.key}")
        self.inside = kind in PUSHES and not segment.flags & PSH
        self.bytes += len(segment.payload)
        self.segments += 1
        self.ident = (self.ident + 1) & 0xFFFF


def check_streams(frames):
    """Fail unless frames are all that was sent of some streams, from their beginnings.

    Return the segments and {stream: Stream}.
    """
    segments, streams = [], {}
    for frame in frames:
        if frame[6:12] != OWN_MAC:
            continue
        segment = Segment(frame)
        expect(len(frame) <= FRAME_MAX + 4 * segment.tagged, f"a frame of {len(frame)} bytes")
        streams.setdefault(segment.key, Stream()).take(segment)
        segments.append(segment)
    expect(not any(stream.inside for stream in streams.values()), "the end of a frame is missing")
    return segments, streams
