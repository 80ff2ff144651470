# SPDX-License-Identifier: BSD-3-Clause
"""cases_packed.py - Packed rings that a driver would not make (virtio 1.2, 2.8)"""

from offence import SENDING, Offence, changes, endings, offences
from rings import NEXT, TABLE, WRITE
from session import INDIRECT

INNOCENT = {"packed": True, "event_idx": True}
TOP = 1 << 64
HUGE = 0xfffffff0


def chain(*descs):
    """Return what writes a chain: each is (length, flags), all in the first buffer."""

    def build(ring):
        for i, (length, flags) in enumerate(descs):
            more = NEXT if i < len(descs) - 1 else 0
            ring.put(i, ring.buf, length, ring.dir ^ flags | more)
        return len(descs)

    return build


def at(*addresses):
    """Return what writes a chain of (address, length)."""

    def build(ring):
        for i, (address, length) in enumerate(addresses):
            more = NEXT if i < len(addresses) - 1 else 0
            ring.put(i, ring.buf if address is None else address, length, ring.dir | more)
        return len(addresses)

    return build


def table(length, *descs, before=0, after=0):
    """Return what writes a table of (length, flags), and a chain that names it."""

    def build(ring):
        for i, (size, more) in enumerate(descs):
            ring.put_table(i, ring.buf, size, 0, ring.dir ^ more)
        for i in range(before):
            ring.put(i, ring.buf, 20, ring.dir | NEXT)
        ring.put(before, ring.table, length, TABLE | (NEXT if after else 0))
        for i in range(after):
            ring.put(before + 1 + i, ring.buf, 20, ring.dir)
        return before + 1 + after

    return build


def nested(ring):
    """A table within a table: of its flags only WRITE means something (2.8.7)."""
    ring.put_table(0, ring.table, 32, 0, TABLE | ring.dir ^ WRITE)
    ring.put(0, ring.table, 16, TABLE)
    return 1


def wraps(ring):
    """A table over the end of the address space."""
    ring.put(0, TOP - 16, 32, TABLE)
    return 1


OFFENCES = [
    Offence("table not negotiated", "an indirect table without INDIRECT_DESC",
            table(16, (200, 0)), "err_indirect"),
    Offence("table with a next", "INDIRECT and NEXT together", table(16, (200, 0), after=1),
            "err_indirect", (INDIRECT,)),
    Offence("table in a list", "descriptors before the table", table(16, (200, 0), before=1),
            "err_indirect", (INDIRECT,)),
    Offence("table in a table", "an entry that says it is a table", nested, "err_direction",
            (INDIRECT,)),
    Offence("table of no bytes", "a table of length 0", table(0), "err_indirect", (INDIRECT,)),
    Offence("table of odd length", "a table of 24 bytes", table(24, (200, 0)), "err_indirect",
            (INDIRECT,)),
    Offence("table of huge odd length", "a table of 2^32-1 bytes", table(0xffffffff, (200, 0)),
            "err_indirect", (INDIRECT,)),
    Offence("table of huge length", "a table of 4 GiB", table(HUGE, (20, 0)), "err_chain",
            (INDIRECT,)),
    Offence("table too long", "1501 descriptors", table(1501 * 16, (1, 0)), "err_chain",
            (INDIRECT,)),
    Offence("table that wraps", "over the end of the address space", wraps, "err_length",
            (INDIRECT,)),
    Offence("wrong direction", "writable to be sent, or the reverse", chain((200, WRITE)),
            "err_direction"),
    Offence("wrong direction later", "the second descriptor is the other way",
            chain((12, 0), (100, WRITE)), "err_direction"),
    Offence("wrong direction in a table", "an entry is the other way",
            table(32, (12, 0), (100, WRITE)), "err_direction", (INDIRECT,)),
    Offence("shorter than the header", "11 bytes in two descriptors", chain((6, 0), (5, 0)),
            "err_length"),
    Offence("no bytes", "one descriptor of length 0", chain((0, 0)), "err_length"),
    Offence("no bytes in many", "a chain of ten empty descriptors", chain(*[(0, 0)] * 10),
            "err_length"),
    Offence("buffer that wraps", "over the end of the address space", at((TOP - 50, 200)),
            "err_length"),
    Offence("buffer that wraps later", "behind a good header", at((None, 12), (TOP - 1, HUGE)),
            "err_length"),
    Offence("header alone", "a header and no frame", chain((12, 0)), "drop_runt", ways=SENDING),
    Offence("frame too short", "13 bytes of frame", chain((25, 0)), "drop_runt", ways=SENDING),
    Offence("frame too long", "65536 bytes of frame", chain((12 + 65536, 0)), "drop_too_big",
            ways=SENDING),
    Offence("huge length", "one descriptor of 4 GiB", chain((HUGE, 0)), "drop_too_big",
            ways=SENDING),
    Offence("huge lengths", "ten descriptors of 4 GiB each", chain(*[(HUGE, 0)] * 10),
            "drop_too_big", ways=SENDING),
]


def endless(n):
    """Return what writes a chain of so many descriptors, each with a next."""

    def spoil(ring):
        for i in range(n):
            ring.put(i, ring.buf, 20, ring.dir | NEXT)
        ring.show()

    return spoil


ENDINGS = [
    ("chain without an end", "NEXT in every descriptor of the ring", endless(64)),
    ("chain longer than the ring", "NEXT once more than the ring has descriptors", endless(80)),
]


def cases():
    """Yield all of them."""
    yield from offences(OFFENCES, packed=True)
    yield from endings(ENDINGS, packed=True)
    yield from changes(packed=True)
