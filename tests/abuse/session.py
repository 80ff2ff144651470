# SPDX-License-Identifier: BSD-3-Clause
"""session.py - A front-end with a guest in it, up to rings that run

Guest memory is one file in two regions: rings and tables in the first, buffers
in the second.  Behind a vIOMMU both are mapped in one piece each, unless the
test wants to do that itself.  Addresses of the front-end are made up: it never
uses them itself.
"""

import mmap
import os
import socket

import front
from front import ADDR, BOTH, STATE, U64, Front
from outcome import expect
from rings import PackedRing, SplitRing

REGION = 2 << 20
GUEST = (0, 1 << 32)
USER = (0x7e0000000000, 0x7e8000000000)
RING_IOVA, BUF_IOVA = 0x40000000, 0x80000000
RING_BYTES, AVAIL_OFF, USED_OFF = 0x4000, 0x1000, 0x2000
TABLE_OFF = 0x100000  # in the first region
SIZE = 64

RX, TX = 0, 1

# Feature bits
CSUM, GUEST_CSUM, TSO4, MRG, MQ, LOG_ALL = 0, 1, 11, 15, 22, 26
INDIRECT, EVENT_IDX, PROTOCOL, VERSION_1, IOMMU, PACKED, IN_ORDER = 28, 29, 30, 32, 33, 34, 35
# Protocol features
P_MQ, P_LOG, P_RARP, P_REPLY_ACK, P_MTU, P_BACKEND = range(6)
P_SLOTS = 15


def bits(*numbers):
    """Return a word with these bits."""
    return sum(1 << number for number in numbers)


class Memory:
    """Guest memory and how it is addressed."""

    def __init__(self, viommu):
        self.fd = os.memfd_create("abuse")
        os.ftruncate(self.fd, 2 * REGION)
        self.map = mmap.mmap(self.fd, 2 * REGION)
        # For what the daemon looks at meanwhile: struct.pack_into() writes zeros first
        self.words = memoryview(self.map).cast("H")
        self.viommu = viommu

    def table(self):
        """Return the payload of its memory table."""
        return front.table((GUEST[0], REGION, USER[0], 0), (GUEST[1], REGION, USER[1], REGION))

    def in_descriptors(self, off):
        """Return the address a descriptor has for an offset in the file."""
        region = off >= REGION
        base = (RING_IOVA, BUF_IOVA)[region] if self.viommu else GUEST[region]
        return base + off - region * REGION

    def in_messages(self, off):
        """Return the address SET_VRING_ADDR has for an offset in the first region."""
        return (RING_IOVA if self.viommu else USER[0]) + off

    def close(self):
        """Let go of it."""
        self.words.release()
        self.map.close()
        os.close(self.fd)


class Session(Front):
    """A front-end whose device has two rings."""

    def __init__(self, path, *features, packed=False, viommu=True, mapped=True, size=SIZE,
                 pair=0):
        super().__init__(path)
        self.features = {PROTOCOL, VERSION_1, MRG, *features}
        self.features |= {PACKED} if packed else set()
        self.features |= {IOMMU} if viommu else set()
        self.memory = Memory(viommu)
        self.backend = None
        self.events = []
        self.negotiate()
        self.rings = [(PackedRing if packed else SplitRing)(self.memory, 2 * pair + i, size)
                      for i in (RX, TX)]
        if viommu and mapped:
            self.map()
        for ring in self.rings:
            self.start(ring)

    @property
    def rx(self):
        """The ring it receives in."""
        return self.rings[RX]

    @property
    def tx(self):
        """The ring it sends in."""
        return self.rings[TX]

    def close(self):
        super().close()
        self.memory.close()
        for fd in self.events:
            os.close(fd)
        if self.backend:
            self.backend.close()

    def negotiate(self):
        """From GET_FEATURES to the memory table."""
        offered = U64.unpack(self.get(front.GET_FEATURES))[0]
        wanted = bits(*self.features)
        expect(not wanted & ~offered, f"not offered: {wanted & ~offered:#x}")
        self.get(front.GET_PROTOCOL_FEATURES)
        self.do(front.SET_PROTOCOL_FEATURES,
                U64.pack(bits(P_MQ, P_LOG, P_RARP, P_REPLY_ACK, P_MTU, P_BACKEND)))
        self.do(front.SET_OWNER)
        if IOMMU in self.features:
            self.pass_backend()
        self.do(front.SET_FEATURES, U64.pack(wanted))
        self.do(front.SET_MEM_TABLE, self.memory.table(), [self.memory.fd] * 2)

    def pass_backend(self):
        """Pass a backend channel, and keep the other end."""
        self.backend, other = socket.socketpair()
        self.backend.settimeout(front.SECONDS)
        self.do(front.SET_BACKEND_REQ_FD, fds=[other.fileno()])
        other.close()

    def map(self):
        """Map both regions."""
        for iova, user in ((RING_IOVA, USER[0]), (BUF_IOVA, USER[1])):
            expect(not self.iotlb(front.UPDATE, iova, REGION, user, BOTH), "an update was refused")

    def event(self, flags=os.EFD_NONBLOCK):
        """Return a new eventfd, closed at the end."""
        self.events.append(os.eventfd(0, flags | os.EFD_CLOEXEC))
        return self.events[-1]

    def addresses(self, ring):
        """Send SET_VRING_ADDR."""
        at = self.memory.in_messages(ring.off)
        self.do(front.SET_VRING_ADDR,
                ADDR.pack(ring.index, 0, at, at + USED_OFF, at + AVAIL_OFF, 0))

    def start(self, ring, call=None):
        """Send all of a ring's messages."""
        self.do(front.SET_VRING_NUM, STATE.pack(ring.index, ring.size))
        self.do(front.SET_VRING_BASE, STATE.pack(ring.index, ring.base))
        self.addresses(ring)
        self.do(front.SET_VRING_CALL, U64.pack(ring.index), [call or self.event()])
        self.do(front.SET_VRING_KICK, U64.pack(ring.index), [self.event()])
        self.do(front.SET_VRING_ENABLE, STATE.pack(ring.index, 1))

    def miss(self):
        """Take a question from the backend channel, return (address, access)."""
        data = b""
        while len(data) < front.HEADER.size + front.IOTLB.size:
            data += self.backend.recv(front.HEADER.size + front.IOTLB.size - len(data))
        iova, _, _, access, kind = front.IOTLB.unpack(data[front.HEADER.size:])
        expect(kind == front.MISS, f"the backend channel carries {kind}")
        return iova, access
