# SPDX-License-Identifier: BSD-3-Clause
"""seeds.py - Scripts for the fuzzers to begin with

Each target reads its input as a script (input.h); these are the ways through it
that chance would take long to find: sessions up to running rings, frames that
are all right, ranges that meet.  Numbers are little endian.
"""

import glob
import os
import struct

# tests/fuzz/fuzz_gate.c: records that are no message
SESSION, SERVE, RAW, OFFER, KICK, SCRIBBLE, TRUNCATE, HANG_UP, CLOSE_BACKEND = range(32, 41)

# tests/fuzz/rings.c: what the low four bits of an operation say
O_OFFER, O_DESC, O_SHOW, O_POKE, O_EVENT, O_FILL, O_MAP, O_ANSWER, O_RESTART, O_POLL = (
    0, 3, 5, 6, 7, 8, 9, 10, 11, 12)
LATER = 16
RECEIVE, MERGE, INDIRECT, EVENT_IDX, LEGACY, OFFLOADS, NO_CALL, IN_ORDER = (
    1 << n for n in range(8))
CALLS_APART, LOGGED = 128, 64


def words(*numbers):
    """16-bit numbers."""
    return struct.pack(f"<{len(numbers)}H", *numbers)


def gate():
    """Sessions of all features, with traffic, and each message by itself."""
    for what in range(16):
        yield bytes([SESSION, what, OFFER, 0, 16, OFFER, 1, 16, SERVE, 200, KICK, SERVE, 50])
        yield bytes([SESSION, what | 64, OFFER, 1, 8, SERVE, 100, 11, 1, 8, SERVE, 0, SESSION, what])
    for request in range(32):
        yield bytes([request, 0, 8])
        yield bytes([SESSION, 0, request, 1, 8, request, 0, 0])
        yield bytes([SESSION, 1, request, 0, 16 | 8]) + words(7)
        yield bytes([request, 0, 32]) + words(11)
        yield bytes([request, 0, 4 | 8, 3, 0, 1, 4])
    # Memory that is truncated under running rings, and a table of other files
    yield (bytes([SESSION, 1, 5, 0, 4 | 8, 2, 2, 2, SERVE, 10, OFFER, 1, 20, TRUNCATE]) + words(0) +
           bytes([SERVE, 200, SERVE, 200]))
    # A log before the rings and after them, replaced, and truncated
    for what in (128, 129, 130, 131):
        log, offer = bytes([6, 0, 0]), bytes([OFFER, 0, 30, OFFER, 1, 30, SERVE, 200])
        yield bytes([SESSION, what]) + log + offer + bytes([2, what & 3, 8, SERVE, 9]) + offer
        yield (log + bytes([SESSION, what & 3]) + log + bytes([2, what, 8]) + offer +
               bytes([6, 7, 0]) + offer + bytes([TRUNCATE]) + words(0) + offer + offer)
    # Rings without translations: misses, answered late and not at all
    yield bytes([SESSION, 16, SERVE, 100, 22, 0, 8, SERVE, 100, 22, 1, 8, SERVE, 100, OFFER, 1, 30,
                 SERVE, 100, 22, 1 | 4, 8, SERVE, 200])
    yield bytes([SESSION, 16, CLOSE_BACKEND, SERVE, 200, 21, 0, 8, SERVE, 100, HANG_UP, SESSION, 0])
    # More at once than a turn takes, and answers that nobody reads
    yield bytes([3, 0, 64]) * 100 + bytes([3, 0, 0, SERVE, 1, SERVE, 1])
    yield bytes([SESSION, 0]) + bytes([1, 0, 128]) * 100 + bytes([1, 0, 0, SERVE, 9])
    yield bytes([RAW, 12]) + struct.pack("<III", 1, 1, 0)
    yield bytes([RAW, 20]) + struct.pack("<IIIQ", 2, 9, 8, 1 << 32)


def iotlb():
    """Maps and unmaps at each size, and lookups across what they leave."""
    for kind in range(14):
        for size in (4, 64, 2, 6, 34, 7):
            script = bytes([0, 0, kind]) + words(0) + bytes([size, 3])
            script += bytes([0, 14, size, 3 | 4, 0, 16]) + words(5) + bytes([1]) + words(100)
            script += bytes([3 | 8, 6, kind]) + words(1) + bytes([4, 3, kind]) + words(2) + bytes([4])
            script += bytes([6, kind]) + words(0) + bytes([7, 13, 248 | 5])
            yield script
    # Far apart, so that nodes run short
    for bound in (1, 3):
        yield bytes([bound]) + b"".join(
            bytes([0, 255]) + struct.pack("<Q", n << 42 | n << 12) + bytes([4, 3])
            for n in range(60))
    for bound in (1, 2, 100):
        yield bytes([bound]) + b"".join(
            bytes([0, n % 14]) + words(n * 7) + bytes([8, 3 | 8, 0]) for n in range(40))


def rings():
    """Good chains of each shape, one poll each; then each kind of trouble."""
    heads = []
    for memory in range(4):
        for what in (0, RECEIVE, INDIRECT | EVENT_IDX, RECEIVE | MERGE, RECEIVE | MERGE | INDIRECT,
                     OFFLOADS, RECEIVE | MERGE | OFFLOADS | EVENT_IDX, LEGACY, LEGACY | RECEIVE):
            heads.append(bytes([memory, what, 4, 0]) + words(0))
    for what in (IN_ORDER, IN_ORDER | RECEIVE | MERGE):
        heads.append(bytes([CALLS_APART, what, 4, 0]) + words(0))
    for what in (RECEIVE, RECEIVE | MERGE | INDIRECT | EVENT_IDX, IN_ORDER, IN_ORDER | RECEIVE):
        for memory in range(4):
            heads.append(bytes([LOGGED | memory, what, 40, 0]) + words(0))
    heads.append(bytes([0, MERGE | RECEIVE, 3, 0x35]) + words(0xfffd))
    heads.append(bytes([0, 0, 9, 0x11]) + words(0x8007))
    poll = bytes([O_POLL, 7])
    later = bytes([O_POLL | LATER, 7])
    one = bytes([O_OFFER, 0]) + words(0, 200)
    two = bytes([O_OFFER, 1]) + words(4090, 12, 1500)
    frame = bytes([O_OFFER, 0x80]) + words(64) + bytes([0]) + words(1000, 1066)
    cut = bytes([O_OFFER, 0x80 | 0x01]) + words(64) + bytes([4]) + words(4000, 500, 2000, 2066)
    table = bytes([O_OFFER, 8 | 3]) + words(100, 12, 50, 60, 700)
    for head in heads:
        yield head + one * 3 + poll + two * 2 + poll + table + frame + later
        yield head + two + bytes([O_MAP, 0]) + words(0x5fff) + poll + bytes([O_ANSWER, 9]) + later
        yield head + cut + table + bytes([O_MAP, 1]) + words(0x2000) + poll + bytes(
            [O_ANSWER, 1]) + later + bytes([O_RESTART]) + words(0) + one + poll
        yield head + one * 2 + bytes([O_EVENT, 3, 8]) + words(8) + b"\xff" * 8 + bytes(
            [O_EVENT, 5, 0]) + words(0x5000) + poll + later
        yield head + bytes([O_DESC, 0, 4]) + words(0x5000, 100, 1, 0) + bytes(
            [O_DESC, 1, 1]) + words(50, 100, 0, 0) + bytes([O_SHOW, 0]) + poll
        # A table as large as may be, and a chain of itself
        yield head + bytes([O_FILL]) + words(0x3000, 3300) + bytes([4]) + words(
            0x9000, 40, 0, 0) + bytes([O_DESC, 0, 3]) + words(3300 * 16, 4, 4) + bytes(
                [O_SHOW, 0]) + poll
        yield head + bytes([O_FILL]) + words(0, 16) + bytes([4]) + words(
            0x9000, 40, 1, 0) + bytes([O_SHOW, 0]) + poll
        yield head + bytes([O_POKE, 1]) + words(0x1002) + b"\x99\x99" + poll


def offload():
    """Honest headers of each kind of frame, and bursts that merge."""
    for what in range(32):
        for gso in (0, 1):
            header = bytes([gso]) + (words(1000) if gso else b"")
            body = bytes([what, 0, 0x10]) + words(3000) + header
            yield bytes([0, 0]) + body
            yield bytes([0, 2]) + body + bytes([100])
            yield bytes([0, 4]) + bytes([what, 0x1a, 0x98]) + words(9000) + header + bytes([33])
    for what in (0, 4, 1):
        part = bytes([0, what, 0, 0x10]) + words(1000)
        yield bytes([1]) + struct.pack("<I", 0xfffffff0) + part * 6
        last = bytes([0, what, 0x18, 0x18]) + words(100)
        yield bytes([1]) + bytes(4) + part * 3 + last + part


def conf():
    """The files that are shipped."""
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../conf")
    for path in [os.path.join(top, "vunetd.conf"), *glob.glob(os.path.join(top, "examples/*"))]:
        with open(path, "rb") as file:
            yield file.read()
    yield (b"[pmd]\ncores = 0\n[port.a]\ndevargs = \"net_null0\"\nqueues = 2\n"
           b"[guest.b]\nsocket = /tmp/b\nwire = a\nqueues = 2\n")


TARGETS = {"gate": gate, "iotlb": iotlb, "split": rings, "packed": rings, "offload": offload,
           "conf": conf}


def write(target, directory):
    """Write a target's seeds into a directory, return how many there are."""
    os.makedirs(directory, exist_ok=True)
    number = 0
    for number, seed in enumerate(TARGETS[target](), 1):
        with open(os.path.join(directory, f"{number:04}"), "wb") as file:
            file.write(seed)
    return number
