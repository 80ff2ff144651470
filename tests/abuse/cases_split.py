# SPDX-License-Identifier: BSD-3-Clause
"""cases_split.py - Split rings that a driver would not make (virtio 1.2, 2.7)"""

from offence import SENDING, Offence, changes, endings, offences
from rings import NEXT, TABLE, WRITE
from session import INDIRECT

TOP = 1 << 64
HUGE = 0xfffffff0


def nothing(_):
    """The head alone is bad."""


def chain(*descs):
    """Return what writes a chain: each is (length, flags, next), all in the first buffer."""

    def build(ring):
        for i, (length, flags, following) in enumerate(descs):
            ring.put(i, ring.buf, length, ring.dir ^ flags, following)

    return build


def at(address, length):
    """Return what writes one descriptor at an address."""
    return lambda ring: ring.put(0, address, length, ring.dir)


def table(length, *descs, flags=TABLE):
    """Return what writes a table and the descriptor that names it."""

    def build(ring):
        for i, (size, more, following) in enumerate(descs):
            ring.put_table(i, ring.buf, size, ring.dir ^ more, following)
        ring.put(0, ring.table, length, flags, 1)
        ring.put(1, ring.buf, 100, ring.dir)

    return build


def nested(ring):
    """A table within a table."""
    ring.put_table(0, ring.buf, 20, ring.dir | NEXT, 1)
    ring.put_table(1, ring.table, 16, TABLE, 0)
    ring.put(0, ring.table, 32, TABLE)


def table_of_itself(ring):
    """A table whose only entry is the table."""
    ring.put_table(0, ring.table, 16, TABLE, 0)
    ring.put(0, ring.table, 16, TABLE)


def wraps_later(ring):
    """A good header, and a buffer over the end of the address space."""
    ring.put(0, ring.buf, 12, ring.dir | NEXT, 1)
    ring.put(1, TOP - 1, 0xffffffff, ring.dir)


def long_table(ring):
    """More descriptors than any driver uses."""
    for i in range(1500):
        ring.put_table(i, ring.buf, 1, ring.dir | NEXT, i + 1)
    ring.put_table(1500, ring.buf, 1, ring.dir, 0)
    ring.put(0, ring.table, 1501 * 16, TABLE)


OFFENCES = [
    Offence("head beyond the ring", "a head of 64 in a ring of 64", nothing, "err_index", head=64),
    Offence("head far beyond the ring", "a head of 65535", nothing, "err_index", head=65535),
    Offence("next beyond the ring", "a next of 64", chain((20, NEXT, 64)), "err_index"),
    Offence("next far beyond the ring", "behind the header, a next of 65535",
            chain((12, NEXT, 65535)), "err_index"),
    Offence("descriptor that is its own next", "a loop of one", chain((12, NEXT, 0)), "err_chain"),
    Offence("loop", "a loop of five descriptors",
            chain(*((10, NEXT, (i + 1) % 5) for i in range(5))), "err_chain"),
    Offence("loop of nothing", "a loop of empty descriptors", chain((0, NEXT, 1), (0, NEXT, 0)),
            "err_chain"),
    Offence("chain longer than the ring", "a chain through all descriptors and around again",
            lambda ring: [ring.put(i, ring.buf, 1, ring.dir | NEXT, (i + 1) % 20)
                          for i in range(20)], "err_chain"),
    Offence("table not negotiated", "an indirect table without INDIRECT_DESC",
            table(16, (200, 0, 0)), "err_indirect"),
    Offence("table in a table", "an indirect descriptor within a table", nested, "err_indirect",
            (INDIRECT,)),
    Offence("table of itself", "a table whose entry is the table", table_of_itself, "err_indirect",
            (INDIRECT,)),
    Offence("table with a next", "INDIRECT and NEXT together",
            table(16, (200, 0, 0), flags=TABLE | NEXT), "err_indirect", (INDIRECT,)),
    Offence("table of no bytes", "a table of length 0", table(0), "err_indirect", (INDIRECT,)),
    Offence("table of odd length", "a table of 24 bytes", table(24, (200, 0, 0)), "err_indirect",
            (INDIRECT,)),
    Offence("table of huge odd length", "a table of 2^32-1 bytes", table(0xffffffff, (200, 0, 0)),
            "err_indirect", (INDIRECT,)),
    Offence("table of huge length", "a table of 4 GiB with a loop in it",
            table(HUGE, (20, NEXT, 1), (20, NEXT, 0)), "err_chain", (INDIRECT,)),
    Offence("table that wraps", "over the end of the address space",
            lambda ring: ring.put(0, TOP - 16, 32, TABLE), "err_length", (INDIRECT,)),
    Offence("next beyond the table", "a next of 2 in a table of two",
            table(32, (20, NEXT, 2)), "err_index", (INDIRECT,)),
    Offence("loop in a table", "two entries that follow each other",
            table(32, (20, NEXT, 1), (20, NEXT, 0)), "err_chain", (INDIRECT,)),
    Offence("table too long", "a chain of 1501 descriptors", long_table, "err_chain",
            (INDIRECT,)),
    Offence("wrong direction", "writable to be sent, or the reverse", chain((200, WRITE, 0)),
            "err_direction"),
    Offence("wrong direction later", "the second descriptor is the other way",
            chain((12, NEXT, 1), (100, WRITE, 0)), "err_direction"),
    Offence("wrong direction in a table", "an entry is the other way",
            table(32, (12, NEXT, 1), (100, WRITE, 0)), "err_direction", (INDIRECT,)),
    Offence("shorter than the header", "11 bytes in two descriptors",
            chain((6, NEXT, 1), (5, 0, 0)), "err_length"),
    Offence("no bytes", "one descriptor of length 0", chain((0, 0, 0)), "err_length"),
    Offence("buffer that wraps", "over the end of the address space", at(TOP - 50, 200),
            "err_length"),
    Offence("buffer that wraps later", "behind a good header", wraps_later, "err_length"),
    Offence("header alone", "a header and no frame", chain((12, 0, 0)), "drop_runt", ways=SENDING),
    Offence("frame too short", "13 bytes of frame", chain((25, 0, 0)), "drop_runt", ways=SENDING),
    Offence("frame too long", "65536 bytes of frame", chain((12 + 65536, 0, 0)), "drop_too_big",
            ways=SENDING),
    Offence("huge length", "one descriptor of 4 GiB", chain((HUGE, 0, 0)), "drop_too_big",
            ways=SENDING),
    Offence("huge lengths", "ten descriptors of 4 GiB each",
            chain(*((HUGE, NEXT if i < 9 else 0, i + 1) for i in range(10))), "drop_too_big",
            ways=SENDING),
]


def jump(by):
    """Return what makes the available index jump."""
    return lambda ring: ring.show(by)


def backwards(ring):
    """Take back what was available."""
    ring.show(-5)


ENDINGS = [
    ("index one too far", "an available index of a ring and one more", jump(65)),
    ("index far too far", "an available index half way round", jump(32768)),
    ("index backwards", "an available index that goes back", backwards),
]


def cases():
    """Yield all of them."""
    yield from offences(OFFENCES, packed=False)
    yield from endings(ENDINGS, packed=False)
    yield from changes(packed=False)
