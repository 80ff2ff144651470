# SPDX-License-Identifier: BSD-3-Clause
"""cases_memory.py - Memory tables that cannot be, and memory that goes away

A refused table leaves the one before it alone: the rings run on.
"""

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from functools import partial

import front
import fuse
from case import Case
from front import U64, Front, table
from outcome import expect, wait_for
from session import GUEST, P_BACKEND, P_REPLY_ACK, P_SLOTS, PROTOCOL, REGION, USER, VERSION_1
from session import Session, bits

REFUSED = (("guest bad", "refused", None),)
TOP = 1 << 64
PUNCH_HOLE = 3  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE


@contextlib.contextmanager
def memory_file(size=2 * REGION, seals=0):
    """A file of memory."""
    fd = os.memfd_create("lies", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def opened(path, flags=os.O_RDWR):
    """A file by its name."""
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def event():
    """An eventfd."""
    fd = front.eventfd()
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def read_only():
    """Memory that may not be written."""
    with memory_file() as fd, opened(f"/proc/self/fd/{fd}", os.O_RDONLY) as again:
        yield again


@contextlib.contextmanager
def pipe():
    """The writing end of a pipe."""
    fds = os.pipe()
    try:
        yield fds[1]
    finally:
        for fd in fds:
            os.close(fd)


@contextlib.contextmanager
def stream():
    """A socket."""
    ours, other = socket.socketpair()
    with ours, other:
        yield other.fileno()


@contextlib.contextmanager
def huge_pages():
    """Hugepages, more than there can be."""
    fd = os.memfd_create("huge", os.MFD_HUGETLB)
    os.ftruncate(fd, 1 << 50)
    try:
        yield fd
    finally:
        os.close(fd)


def carries(s, ring):
    """Fail unless a ring carries a frame."""
    ring.good(0)
    ring.show()
    ring.used(1)
    s.alive()


def refused(stage, payload, n_fds=1, kind=memory_file):
    """Have a table refused, and the rings run on."""
    with Session(stage.bad) as s, kind() as fd:
        for _ in range(3):
            expect(s.ask(front.SET_MEM_TABLE, payload, [fd] * n_fds), "it was accepted")
        carries(s, s.tx)
    return "error reply; the former memory stays"


def huge_window(stage, size, guest, user):
    """Without a vIOMMU, memory of which each page is an entry, and too many of them."""
    with Session(stage.bad, viommu=False) as s, memory_file(size + (1 << 20)) as fd:
        # Misaligned by a byte, so that no two pages are one entry
        payload = table((guest + 1, size, user, 0))
        expect(s.ask(front.SET_MEM_TABLE, payload, [fd]), "it was accepted")
        s.alive()
    return "error reply, logged: it does not fit the IOTLB"


def truncated(stage, keep, viommu, packed=False):
    """Truncate the file under rings that run: this connection ends, and nothing else."""
    with Session(stage.bad, viommu=viommu, packed=packed) as s:
        carries(s, s.tx)
        os.ftruncate(s.memory.fd, keep)
        # Without its last page our own mapping would be of no use to us
        kick_off(s, keep)
        s.ended()
    return "puts zeros in its place, closes the connection, logged"


def kick_off(s, keep):
    """Have the daemon touch what is gone, if it does not by itself."""
    if keep >= REGION:
        # Rings are still there
        s.tx.put(0, s.tx.buf, 100, 0)
        s.tx.bad()
        s.tx.show()


def truncated_early(stage):
    """Truncate between the table and the rings."""
    with memory_file() as fd, Session(stage.bad) as s:
        s.do(front.SET_MEM_TABLE, table((GUEST[0], REGION, USER[0], 0),
                                        (GUEST[1], REGION, USER[1], REGION)), [fd] * 2)
        os.ftruncate(fd, 0)
        s.map()
        s.ended()
    return "puts zeros in its place, closes the connection, logged"


def regrown(stage):
    """Truncate the file and make it as long as it was, again and again."""
    with Session(stage.bad) as s:
        carries(s, s.tx)
        for _ in range(1000):
            os.ftruncate(s.memory.fd, 0)
            os.ftruncate(s.memory.fd, 2 * REGION)
    return "finds zeros, or closes the connection"


def punched(stage):
    """Punch holes into the file while rings run."""
    with Session(stage.bad) as s:
        carries(s, s.tx)
        libc = ctypes.CDLL(None, use_errno=True)
        for _ in range(1000):
            expect(not libc.fallocate64(s.memory.fd, PUNCH_HOLE, ctypes.c_int64(0),
                                        ctypes.c_int64(REGION)), "the test: no hole was punched")
    return "finds zeros"


def other_table(stage, viommu):
    """Replace the table by another file's, under traffic, over and over."""
    with Session(stage.bad, viommu=viommu) as s, memory_file() as fd:
        regions = ((GUEST[0], REGION, USER[0], 0), (GUEST[1], REGION, USER[1], REGION))
        for i in range(20):
            s.do(front.SET_MEM_TABLE, table(*regions), [(fd, s.memory.fd)[i % 2]] * 2)
            if viommu:
                s.map()
        s.tx.avail_idx = s.tx.used_idx = 0
    return "maps the other one; rings find zeros there"


def shrinking(stage):
    """Replace the table by one that lacks the rings, without a vIOMMU."""
    with Session(stage.bad, viommu=False) as s:
        s.do(front.SET_MEM_TABLE, table((GUEST[1], REGION, USER[1], REGION)), [s.memory.fd])
        s.alive()
        s.do(front.SET_MEM_TABLE, s.memory.table(), [s.memory.fd] * 2)
        carries(s, s.tx)
    return "stops the rings, logged; they run again with the next table"


def lost_is_told(stage):
    """The log says whose memory it was."""
    log = stage.log()
    truncated(stage, 0, viommu=True)
    wait_for("a line of the log", lambda: "guest bad: its memory, or its log, has lost its file" in log.text())
    return "says so in the log"


def many_regions(n):
    """Return a table of so many regions, whatever fits of it."""
    regions = [(i << 24, 4096, USER[0] + (i << 24), 0) for i in range(min(n, 8))]
    return struct.pack("<II", n & 0xffffffff, 0) + table(*regions)[8:]


def slots(stage):
    """Return a front-end that adds regions one by one, and how it says so."""
    peer = Front(stage.bad)
    peer.do(front.SET_PROTOCOL_FEATURES, U64.pack(bits(P_SLOTS, P_REPLY_ACK, P_BACKEND)))
    peer.do(front.SET_OWNER)
    peer.do(front.SET_FEATURES, U64.pack(bits(VERSION_1, PROTOCOL)))

    def add(fd, *region):
        return peer.ask(front.ADD_MEM_REG, bytes(8) + front.REGION.pack(*region), [fd])

    return peer, add


def one_by_one(stage):
    """Add regions that cannot be, and more than there may be; remove what is not there."""
    peer, add = slots(stage)
    with peer, memory_file() as fd:
        expect(not add(fd, 0, 4096, USER[0], 0), "a region was refused")
        for region in ((4095, 4096, USER[1], 0), (8192, 4096, USER[0] + 4095, 0),
                       (8192, 0, USER[1], 0), (TOP - 4096, 8192, USER[1], 0),
                       (8192, 4096, TOP - 1, 0), (8192, 4096, USER[1], TOP - 1),
                       (8192, 2 * REGION + 1, USER[1], 0)):
            expect(add(fd, *region), f"{region} was accepted")
        for i in range(1, 8):
            expect(not add(fd, i << 20, 4096, USER[0] + (i << 20), 0), "a region was refused")
        expect(add(fd, 8 << 20, 4096, USER[1], 0), "nine regions were accepted")
        for region in ((1, 4096, USER[0], 0), (0, 4097, USER[0], 0), (TOP - 1, 4096, USER[0], 0)):
            expect(peer.ask(front.REM_MEM_REG, bytes(8) + front.REGION.pack(*region)),
                   f"{region} was removed")
        peer.alive()
    return "error reply; the others stay"


def again_of_a_file_that_waits(stage):
    """Add a region once more, of a file that does not even say what it is."""
    peer, add = slots(stage)
    with fuse.file(deaf=True) as (waiting, _), peer, memory_file() as fd:
        expect(not add(fd, 0, 4096, USER[0], 0), "a region was refused")
        expect(add(waiting, 0, 4096, USER[0], 0), "it was accepted")
        stage.goes_on(100)
        peer.alive()
    return "error reply"


def cases():
    """Yield all of them."""
    yield Case("regions one by one", "that lie, overlap, are too many or not there", one_by_one,
               (("guest bad", "refused", 11),))
    yield Case("a region again, of a file that waits", "its server says nothing (FUSE)",
               again_of_a_file_that_waits, (("guest bad", "refused", 1),))
    one = (0, REGION, USER[0], 0)

    def region(name, done, *values, kind=memory_file):
        return Case(name, done, partial(refused, payload=table(values), kind=kind), REFUSED)

    for n, fds in ((0, 0), (0, 1), (1, 2), (2, 1), (8, 7), (9, 8), (1 << 16, 8), (1 << 31, 8),
                   (0xffffffff, 8)):
        yield Case(f"{n} regions with {fds} files", f"a table that says it has {n} regions",
                   partial(refused, payload=many_regions(n), n_fds=fds), REFUSED)
    yield Case("eight regions in the room of one", "the count lies about the payload",
               partial(refused, payload=many_regions(8)[:40], n_fds=8), REFUSED)
    yield region("region of no bytes", "size 0", 0, 0, USER[0], 0)
    yield region("region that wraps, guest's address", "guest address + size over 2^64",
                 TOP - 4096, 8192, USER[0], 0)
    yield region("region that wraps, front-end's address", "its address + size over 2^64",
                 0, 8192, TOP - 4096, 0)
    yield region("region that wraps, offset", "offset + size over 2^64", 0, 8192, USER[0],
                 TOP - 4096)
    yield region("region of all there is", "2^64-1 bytes", 0, TOP - 1, 0, 0)
    yield region("region larger than its file", "a byte more than the file has", 0,
                 2 * REGION + 1, USER[0], 0)
    yield region("region behind its file", "an offset behind the end of the file", 0, 4096,
                 USER[0], 2 * REGION)
    yield region("region of an empty file", "a file without bytes", 0, 4096, USER[0], 0,
                 kind=partial(memory_file, 0))
    yield region("region too large to map", "2^50 bytes of a sparse file", 0, 1 << 50, USER[0], 0,
                 kind=partial(memory_file, 1 << 51))
    yield region("offset too large to map", "an offset of 2^50", 0, 4096, USER[0], 1 << 50,
                 kind=partial(memory_file, 1 << 51))
    yield Case("regions that overlap, guest's addresses", "two regions share a byte",
               partial(refused, payload=table(one, (REGION - 1, REGION, USER[1], 0)), n_fds=2),
               REFUSED)
    yield Case("regions that overlap, front-end's addresses", "two regions share a byte",
               partial(refused, payload=table(one, (GUEST[1], REGION, USER[0] + REGION - 1, 0)),
                       n_fds=2), REFUSED)
    yield Case("the same region twice", "two regions are one",
               partial(refused, payload=table(one, one), n_fds=2), REFUSED)
    for name, kind in (("an eventfd", event), ("a socket", stream), ("a pipe", pipe),
                       ("a directory", partial(opened, "/", os.O_RDONLY | os.O_DIRECTORY)),
                       ("a path only", partial(opened, "/", os.O_PATH)),
                       ("/dev/zero", partial(opened, "/dev/zero")),
                       ("/proc/self/mem", partial(opened, "/proc/self/mem")),
                       ("a file of /proc", partial(opened, "/proc/version", os.O_RDONLY)),
                       ("memory that may not be written", read_only),
                       ("memory sealed against writing",
                        partial(memory_file, seals=fcntl.F_SEAL_WRITE))):
        yield Case(f"memory of {name}", f"{name} in place of memory",
                   partial(refused, payload=table((0, 4096, USER[0], 0)), kind=kind), REFUSED)
    yield region("hugepages there are not", "2^40 bytes of them", 0, 1 << 40, USER[0], 0,
                 kind=huge_pages)
    yield Case("memory beyond the IOTLB's bound", "8 GiB without a vIOMMU, a byte off the page",
               partial(huge_window, size=8 << 30, guest=GUEST[1], user=USER[0]), REFUSED)
    for viommu, packed in ((True, False), (False, False), (True, True)):
        name = f"{'with' if viommu else 'without'} a vIOMMU{', packed' if packed else ''}"
        yield Case(f"file truncated to nothing, {name}", "ftruncate() under running rings",
                   partial(truncated, keep=0, viommu=viommu, packed=packed))
    yield Case("file truncated to the rings", "the buffers' half of the file goes",
               partial(truncated, keep=REGION, viommu=True))
    yield Case("file truncated early", "between the memory table and the rings", truncated_early)
    yield Case("file truncated and regrown", "a thousand times, under running rings", regrown)
    yield Case("holes punched", "fallocate() under running rings, a thousand times", punched)
    yield Case("lost memory is told", "the file is truncated", lost_is_told)
    for viommu in (True, False):
        yield Case(f"tables that alternate, {'with' if viommu else 'without'} a vIOMMU",
                   "two files in turn, under running rings",
                   partial(other_table, viommu=viommu))
    yield Case("a table without the rings", "the rings' region is left out", shrinking)
