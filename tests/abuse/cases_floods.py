# SPDX-License-Identifier: BSD-3-Clause
"""cases_floods.py - Front-ends that never stop, and lines of the log that do

A flood lasts until the innocent guest has had its frames.  What it may make the
daemon say is five lines a second of each of three kinds, and the number of those
left out.
"""

import contextlib
import os
import threading
import time
from functools import partial

import front
from case import Case
from front import BOTH, INVALIDATE, IOTLB, STATE, U64, UPDATE, Ended, Front, message, table
from outcome import expect
from rings import NEXT, TABLE, WRITE
from session import EVENT_IDX, GUEST, INDIRECT, REGION, TX, USER, Session

FRAMES = 100
LINES_A_SECOND = 20
SECONDS_MIN = 0.5
TOP = 1 << 64


@contextlib.contextmanager
def flood(step):
    """Have step() done over and over in a thread; what it raises is raised at the end."""
    stop, errors, rounds = threading.Event(), [], [0]

    def run():
        try:
            while not stop.is_set():
                step()
                rounds[0] += 1
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield rounds, errors
    finally:
        stop.set()
        thread.join(30)
    if errors:
        raise errors[0]


def last(stage, step, enough=10):
    """Have a flood last until the innocent guest has its frames; return its rounds and rate."""
    log, begin, first = stage.log(), time.monotonic(), stage.so_far()[0]
    now = first
    with flood(step) as (rounds, errors):
        while not errors and (rounds[0] < enough or time.monotonic() < begin + SECONDS_MIN):
            now = stage.goes_on(FRAMES)
    seconds = time.monotonic() - begin
    lines = [line for line in log.text().splitlines() if ": totals " not in line]
    expect(len(lines) <= LINES_A_SECOND * (seconds + 2),
           f"{len(lines)} lines in {seconds:.1f} s: {lines[:3]}")
    return f"{rounds[0] / seconds:.0f} a second, {(now - first) / seconds:.0f} innocent frames " \
        f"a second, {len(lines)} lines"


def connections(stage):
    """Connect and leave."""

    def step():
        Front(stage.bad).close()

    return last(stage, step)


def sessions(stage):
    """Come up to running rings, and leave."""

    def step():
        Session(stage.bad).close()

    return last(stage, step)


def messages(stage, request, payload, viommu=True, files=0, refused=True, batch=1):
    """Send a message over and over, as fast as it is answered."""
    fd = os.memfd_create("flood")
    os.ftruncate(fd, 64 << 30)
    with Session(stage.bad, viommu=viommu) as s:

        def step():
            if batch > 1:
                s.send_bytes(message(request, payload, front.NEED_REPLY) * batch)
                for _ in range(batch):
                    s.receive()
                return
            expect(bool(s.ask(request, payload, [fd] * files)) == refused,
                   "it was accepted" if refused else "it was refused")

        said = last(stage, step)
        s.alive()
    os.close(fd)
    return said


def large_updates(stage):
    """Map as many pages as one may at once, of which no two are one entry, and unmap them."""
    fd = os.memfd_create("large")
    os.ftruncate(fd, 9 << 30)
    with Session(stage.bad) as s:
        s.do(front.SET_MEM_TABLE, table((0, 8 << 30, USER[0], 0)), [fd])
        os.close(fd)

        def step():
            s.send_bytes(b"".join(message(front.IOTLB_MSG, IOTLB.pack(*what), front.NEED_REPLY)
                                  for what in [(1, (256 << 20) - 8192, USER[0], BOTH, UPDATE),
                                               (1, (256 << 20) - 8192, 0, 0, INVALIDATE)] * 8))
            for _ in range(16):
                s.receive()

        return last(stage, step, 2)


def misses(stage):
    """Have sixteen rings full of addresses that nobody translates."""
    with Session(stage.bad) as s:
        s.backend.setblocking(False)
        for pair in range(8):
            for ring in s.rings:
                ring = type(ring)(s.memory, 2 * pair + (ring.index & 1), ring.size)
                if pair:
                    s.start(ring)
                for i in range(ring.size):
                    ring.put(i, 0xdead0000 + ((pair * 64 + i) << 17), 65000, ring.dir)
                    ring.avail(i)
                ring.show()

        def step():
            try:
                s.backend.recv(1 << 16)
            except BlockingIOError:
                time.sleep(0.0001)

        return last(stage, step)


def kicks(stage):
    """Kick without a reason."""
    with Session(stage.bad, EVENT_IDX) as s:
        fd = s.event()
        s.do(front.SET_VRING_KICK, U64.pack(TX), [fd])

        def step():
            for _ in range(100):
                os.eventfd_write(fd, 1)

        return last(stage, step)


def broken_rings(stage):
    """Start a ring and have it stopped, over and over."""
    with Session(stage.bad) as s:

        def step():
            s.tx.avail_idx = 0
            s.tx.show()
            s.do(front.SET_VRING_BASE, STATE.pack(TX, 0))
            s.do(front.SET_VRING_KICK, U64.pack(TX), [s.events[0]])
            s.tx.show(1000)
            s.alive()

        return last(stage, step)


def bad_chains(stage):
    """Keep a ring full of bad chains."""
    with Session(stage.bad) as s:
        for i in range(s.tx.size):
            s.tx.put(i, s.tx.buf, 200, WRITE)

        def step():
            while s.tx.room():
                s.tx.avail(s.tx.avail_idx % s.tx.size)
            s.tx.show()

        return last(stage, step)


def long_chains(stage, packed):
    """Keep rings full of the longest chains there may be, of which none is a frame."""
    with Session(stage.bad, INDIRECT, packed=packed) as s:
        for i in range(1024):
            if packed:
                s.tx.put_table(i, s.tx.buf, 0, 0, 0)
            else:
                s.tx.put_table(i, s.tx.buf, 0, NEXT if i < 1023 else 0, i + 1)

        def step():
            for _ in range(s.tx.size):
                if not s.tx.room():
                    break
                i = s.tx.avail_idx % s.tx.size if not packed else 0
                s.tx.put(i, s.tx.table, 16 * 1024, TABLE)
                s.tx.bad(1 if packed else i)
                s.tx.show()

        return last(stage, step)


def reconnects_in_the_middle(stage):
    """Leave while messages are being served."""

    def step():
        with Front(stage.bad) as peer:
            try:
                peer.send_bytes(message(front.GET_FEATURES) * 300)
            except Ended:
                pass

    return last(stage, step)


def cases():
    """Yield all of them."""
    refused = (("guest bad", "refused", None),)
    yield Case("connections", "connects and leaves", connections)
    yield Case("sessions", "comes up to running rings and leaves", sessions)
    yield Case("leaving in the middle", "sends 300 requests and leaves", reconnects_in_the_middle)
    yield Case("refused messages", "an unknown request over and over",
               partial(messages, request=40, payload=b""), refused)
    yield Case("protocol features not offered", "which librte_vhost would complain of each time",
               partial(messages, request=front.SET_PROTOCOL_FEATURES, payload=U64.pack(TOP - 1)),
               refused)
    yield Case("memory that does not fit", "8 GiB a byte off the page, without a vIOMMU",
               partial(messages, request=front.SET_MEM_TABLE, viommu=False, files=1,
                       payload=table((GUEST[1] + 1, 8 << 30, USER[0], 0))), refused)
    yield Case("memory tables", "a new table over and over",
               partial(messages, request=front.SET_MEM_TABLE, refused=False, files=8,
                       payload=table(*((i << 33, 8 << 30, USER[0] + (i << 33), i << 32)
                                       for i in range(7)), (7 << 33, REGION, 0, 0))))
    yield Case("bad translations", "updates outside the memory table",
               partial(messages, request=front.IOTLB_MSG,
                       payload=IOTLB.pack(0, 4096, 1, BOTH, UPDATE)), refused)
    yield Case("translations", "updates and answers by the fifty",
               partial(messages, request=front.IOTLB_MSG, batch=50,
                       payload=IOTLB.pack(0, 4096, USER[0], BOTH, UPDATE)))
    yield Case("invalidations", "of everything, by the fifty",
               partial(messages, request=front.IOTLB_MSG, batch=50,
                       payload=IOTLB.pack(0, 0, 0, 0, INVALIDATE)))
    yield Case("RARP frames", "as many as are taken",
               partial(messages, request=front.SEND_RARP, batch=50, payload=U64.pack(0x563412005452)))
    yield Case("features", "rings stopped and started over and over",
               partial(messages, request=front.SET_VRING_ENABLE, batch=50,
                       payload=STATE.pack(0, 1)))
    yield Case("65535 pages at once", "mapped and unmapped, an entry for each", large_updates)
    yield Case("misses", "sixteen rings full of addresses nobody translates", misses,
               (("guest bad", "asked", None),))
    yield Case("kicks", "without a reason", kicks)
    yield Case("rings that are broken", "started and broken over and over", broken_rings,
               (("guest bad ring 1", "err_ring", None),))
    yield Case("bad chains", "a ring that is always full of them", bad_chains,
               (("guest bad ring 1", "err_direction", None),))
    for packed in (False, True):
        yield Case(f"longest chains, {'packed' if packed else 'split'}",
                   "tables of 1024 empty descriptors", partial(long_chains, packed=packed),
                   (("guest bad ring 1", "err_length", None),))
