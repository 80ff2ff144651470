# SPDX-License-Identifier: BSD-3-Clause
"""rings.py - The driver's side of a ring, which writes what the test wants

A *good* chain carries a frame, whose bytes are looked at when it comes back.
Everything else the test puts together from descriptors.

Both layouts have:
    put(n, address, length, flags, ...)   write a descriptor
    good(at)                              make a good chain available
    show()                                let the device see what is available
    used(n)                               wait for so many chains, return [(id, length)]
"""

import struct
import time

from outcome import Failed

NEXT, WRITE, TABLE = 1, 2, 4
AVAIL, USED = 1 << 7, 1 << 15  # packed
DESC = struct.Struct("<QIHH")
HEADER_BYTES = 12
FRAME = bytes(range(1, 101))
BUF_BYTES = 2048
SECONDS = 20

# Offsets in a ring's part of the first region, and of the buffers
RING_BYTES, AVAIL_OFF, USED_OFF, TABLE_OFF, BUFFERS = 0x4000, 0x1000, 0x2000, 0x100000, 2 << 20


def wait(what, probe):
    """Call probe() until it is true; quicker than wait_for(), for there are many."""
    end = time.monotonic() + SECONDS
    while not probe():
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {SECONDS} s")
        time.sleep(0.001)


class Ring:
    """What both layouts share."""

    def __init__(self, memory, index, size):
        self.memory = memory
        self.map = memory.map
        self.index = index
        self.size = size
        self.off = RING_BYTES * index
        self.sends = index & 1
        self.dir = 0 if self.sends else WRITE

    @property
    def buf(self):
        """Address of the first buffer, of 64 KiB and more that may be used."""
        return self.memory.in_descriptors(self.buf_off())

    def buf_off(self, n=0):
        """Return where in the file the n-th buffer is; sender and receiver have their own."""
        return BUFFERS + (1 << 19) * (self.index & 1) + BUF_BYTES * n

    @property
    def table(self):
        """Address of the indirect table."""
        return self.memory.in_descriptors(TABLE_OFF)

    def put_table(self, i, *desc):
        """Write a descriptor of the indirect table."""
        DESC.pack_into(self.map, TABLE_OFF + 16 * i, *desc)

    def word(self, off):
        """Read 16 bits."""
        return self.memory.words[off // 2]

    def set_word(self, off, value):
        """Write 16 bits, in one access."""
        self.memory.words[off // 2] = value & 0xffff

    def fill(self, n, header=bytes(HEADER_BYTES), frame=FRAME):
        """Write a frame into the n-th buffer, return (address, length) for a descriptor."""
        off = self.buf_off(n)
        data = header + frame
        if self.sends:
            self.map[off:off + len(data)] = data
            return self.memory.in_descriptors(off), len(data)
        self.map[off:off + BUF_BYTES] = bytes(BUF_BYTES)
        return self.memory.in_descriptors(off), BUF_BYTES

    def frame(self, n, length):
        """Return the frame in the n-th buffer of which so many bytes were written."""
        off = self.buf_off(n)
        return self.map[off + HEADER_BYTES:off + length]


class SplitRing(Ring):
    """Descriptor table, available ring, used ring (virtio 1.2, 2.7)."""

    base = 0

    def __init__(self, memory, index, size):
        super().__init__(memory, index, size)
        self.avail_idx = self.used_idx = self.base

    def put(self, i, address, length, flags, following=0):
        """Write a descriptor."""
        DESC.pack_into(self.map, self.off + 16 * i, address, length, flags, following)

    def avail(self, head):
        """Put a chain into the available ring."""
        off = self.off + AVAIL_OFF + 4 + 2 * (self.avail_idx % self.size)
        self.set_word(off, head)
        self.avail_idx = (self.avail_idx + 1) & 0xffff

    def good(self, at):
        """Make a good chain available, whose descriptor and buffer have this number."""
        address, length = self.fill(at)
        self.put(at, address, length, self.dir)
        self.avail(at)

    def bad(self, head=0):
        """Make available the chain that was put together."""
        self.avail(head)

    def show(self, jump=0):
        """Store the available index, which may lie."""
        self.set_word(self.off + AVAIL_OFF + 2, self.avail_idx + jump)

    def room(self):
        """Tell whether a chain can be made available."""
        used = self.word(self.off + USED_OFF + 2)
        return (self.avail_idx - used) & 0xffff < self.size

    def n_used(self):
        """Return how many chains came back and were not taken yet."""
        return (self.word(self.off + USED_OFF + 2) - self.used_idx) & 0xffff

    def used(self, n):
        """Wait for chains to come back, return [(id, length)]."""
        wait(f"ring {self.index}: {n} used chains", lambda: self.n_used() >= n)
        found = []
        for _ in range(n):
            off = self.off + USED_OFF + 4 + 8 * (self.used_idx % self.size)
            found.append(struct.unpack_from("<II", self.map, off))
            self.used_idx = (self.used_idx + 1) & 0xffff
        return found


class PackedRing(Ring):
    """One ring that both sides write (virtio 1.2, 2.8)."""

    base = 0x8000  # wrap counter 1; the used half is ignored

    def __init__(self, memory, index, size):
        super().__init__(memory, index, size)
        self.at = self.used_at = 0
        self.wrap = self.used_wrap = True
        self.pending = []

    def _marks(self, wrap):
        return AVAIL if wrap else USED

    def put(self, i, address, length, flags, number=0):
        """Write the descriptor i behind the next one; the first one's flags come with show()."""
        at, wrap = self.at + i, self.wrap
        if at >= self.size:
            at, wrap = at - self.size, not wrap
        flags |= self._marks(wrap)
        DESC.pack_into(self.map, self.off + 16 * at, address, length, number, 0)
        self.pending.append((self.off + 16 * at + 14, flags))

    def move(self, n):
        """Go on behind a chain of so many descriptors."""
        self.at += n
        if self.at >= self.size:
            self.at -= self.size
            self.wrap = not self.wrap

    def good(self, at):
        """Make a good chain available, whose ID and buffer have this number."""
        address, length = self.fill(at)
        self.put(0, address, length, self.dir, at)
        self.move(1)

    def bad(self, n=1):
        """Make available the chain that was put together, of so many descriptors."""
        self.move(n)

    def show(self):
        """Store the flags of all that was put, the first descriptor's last."""
        for off, flags in reversed(self.pending):
            self.set_word(off, flags)
        self.pending = []

    def room(self):
        """Tell whether a descriptor can be made available."""
        flags = self.word(self.off + 16 * self.at + 14)
        return (not flags & AVAIL) == (not flags & USED)

    def used(self, n, slots=None):
        """Wait for chains to come back, return [(id, length)]; each took so many slots."""
        found = []
        for took in slots or [1] * n:
            off = self.off + 16 * self.used_at
            want = AVAIL | USED if self.used_wrap else 0
            wait(f"ring {self.index}: {n} used chains",
                 lambda off=off, want=want: self.word(off + 14) & (AVAIL | USED) == want)
            _, length, number, _ = DESC.unpack_from(self.map, off)
            found.append((number, length))
            self.used_at += took
            if self.used_at >= self.size:
                self.used_at -= self.size
                self.used_wrap = not self.used_wrap
        return found
