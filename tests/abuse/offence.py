# SPDX-License-Identifier: BSD-3-Clause
"""offence.py - One bad chain between two good ones

The bad one goes back unused and is counted under its name, and no other; the
good ones are carried.  Frames that are sent come back into the receive ring, so
an offence there is found when a frame is to be put into it.
"""

import dataclasses
import os
import random
import struct
import time
import typing
from functools import partial

from case import Case, grown
from outcome import expect, expect_equal
from rings import FRAME, HEADER_BYTES
from session import INDIRECT, Session

ERRORS = ("drop_too_big", "drop_runt", "err_index", "err_chain", "err_indirect", "err_direction",
          "err_length", "err_offload", "err_call", "err_ring")
BOTH_WAYS, RECEIVING, SENDING = (0, 1), (0,), (1,)
RUN_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Offence:
    """One way to be bad."""

    name: str
    done: str
    build: typing.Callable  # build(ring) makes the chain whose head is 0; packed: returns its slots
    counter: str
    features: tuple = ()
    head: int = 0  # what is made available, split only
    ways: tuple = BOTH_WAYS


def check_carried(ring, chains):
    """Fail unless the good chains carried what was sent."""
    for number, length in chains:
        if ring.sends:
            expect_equal(length, 0, "bytes written to a chain that is sent")
        else:
            expect_equal(length, HEADER_BYTES + len(FRAME), "bytes written")
            expect(ring.frame(number, length) == FRAME, "the frame is not what was sent")


def send(s, n):
    """Send frames, which come back into the receive ring."""
    for i in range(n):
        s.tx.good(40 + i)
    s.tx.show()


def only(stage, before, ring, counter, n=1):
    """Fail unless this error was counted, and no other."""
    after = stage.totals()
    what = f"guest bad ring {ring.index}"
    found = {name: grown(before, after, what, name) for name in ERRORS}
    expect_equal({name: count for name, count in found.items() if count}, {counter: n},
                 f"errors of {what}")


def commit(stage, offence, way, packed):
    """Good, bad, good."""
    before = stage.totals()
    with Session(stage.bad, *offence.features, packed=packed) as s:
        ring = s.rings[way]
        ring.good(20)
        slots = offence.build(ring)
        ring.bad(slots if packed else offence.head)
        ring.good(21)
        ring.show()
        if not way:
            send(s, 2)
        used = ring.used(3, [1, slots, 1]) if packed else ring.used(3)
        expect_equal(used[1][1], 0, "bytes written to the bad chain")
        if not packed:
            expect_equal(used[1][0], offence.head, "the bad chain's head")
        expect_equal((used[0][0], used[2][0]), (20, 21), "chains that came back")
        check_carried(ring, (used[0], used[2]))
        only(stage, before, ring, offence.counter)
        s.alive()
    return "returns it unused; carries the chains around it"


def stops(stage, spoil, way, packed):
    """Something after which a ring cannot go on: it is stopped until it is started anew."""
    before = stage.totals()
    with Session(stage.bad, packed=packed) as s:
        ring = s.rings[way]
        if way:
            ring.good(20)
            ring.show()
            ring.used(1)
        spoil(ring)
        if not way:
            # It is looked at when there are frames for it; the other one goes on
            send(s, 2)
            s.tx.used(2)
        stage.wait_counter(f"guest bad ring {ring.index}", "err_ring", 1, before)
        only(stage, before, ring, "err_ring")
        stage.goes_on(30)
        s.alive()
    return "stops the ring, logged"


def scribble(memory, rings, seed):
    """In a process of its own, write into descriptors and tables whatever comes to mind."""
    pid = os.fork()
    if pid:
        return pid
    dice = random.Random(seed)
    end = time.monotonic() + 2 * RUN_SECONDS + 10
    try:
        while time.monotonic() < end:
            for _ in range(500):
                off = dice.choice(rings) + dice.randrange(64 * 16)
                memory[off] = dice.randrange(256)
                struct.pack_into("I", memory, 0x100000 + 8 + 16 * dice.randrange(32),
                                 dice.randrange(1 << 18))
    finally:
        os._exit(0)


def offer(s, packed):
    """Make chains available wherever there is room."""
    for i in range(2000):
        for ring in s.rings:
            if not ring.room():
                continue
            ring.put(0 if packed else i % ring.size, ring.buf, 200, ring.dir)
            ring.bad(1 if packed else i % ring.size)
            ring.show()


def changing(stage, packed, seed):
    """Rewrite descriptors, tables and indexes while the daemon reads them."""
    before = stage.totals()
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        with Session(stage.bad, INDIRECT, packed=packed) as s:
            pid = scribble(s.memory.map, [ring.off for ring in s.rings], seed)
            try:
                offer(s, packed)
                s.alive()
            finally:
                os.kill(pid, 9)
                os.waitpid(pid, 0)
        seed += 1
    after = stage.totals()
    n = sum(grown(before, after, f"guest bad ring {ring}", name)
            for ring in (0, 1) for name in ERRORS)
    expect(n > 0, "the test: nothing was found wrong")
    return "counts errors, stops rings"


def offences(table, packed):
    """Yield the cases of a table."""
    for offence in table:
        for way in offence.ways:
            name = f"{offence.name}, {'sending' if way else 'receiving'}"
            yield Case(name, offence.done,
                       partial(commit, offence=offence, way=way, packed=packed),
                       ((f"guest bad ring {way}", offence.counter, 1),))


def endings(table, packed):
    """Yield what stops a ring, [(name, what is done, spoil(ring))]."""
    for name, done, spoil in table:
        for way in BOTH_WAYS:
            yield Case(f"{name}, {'sending' if way else 'receiving'}", done,
                       partial(stops, spoil=spoil, way=way, packed=packed),
                       ((f"guest bad ring {way}", "err_ring", 1),))


def changes(packed):
    """Yield memory that changes between two reads."""
    for seed in (1, 2):
        yield Case(f"memory that changes {seed}", "another process rewrites descriptors and "
                   "tables while they are read", partial(changing, packed=packed, seed=seed))
