# SPDX-License-Identifier: BSD-3-Clause
"""cases_log.py - Logs of dirty pages that lie about where they are, and go away

SET_LOG_BASE has an answer of its own, which cannot say that anything is wrong: where
it is refused, the connection ends.
"""

import os
from functools import partial

import front
import fuse
from case import Case
from cases_memory import event, memory_file, opened, read_only, stream
from front import ADDR, LOG, U64, Ended, Front, table
from outcome import wait_for
from session import AVAIL_OFF, GUEST, LOG_ALL, P_BACKEND, P_REPLY_ACK, REGION, TX, USED_OFF
from session import USER, Session, bits

TOP = 1 << 64
# A bit for each page: this much is enough for 32 GiB
BYTES = 1 << 20
FILE = 2 << 20
REFUSED = (("guest bad", "refused", 1),)


def refused(stage, size, offset, kind=partial(memory_file, FILE)):
    """Have a log refused."""
    with Session(stage.bad, LOG_ALL) as s, kind() as fd:
        s.send(front.SET_LOG_BASE, LOG.pack(size, offset), fds=[fd])
        s.ended()
    return "closes the connection"


def not_negotiated(stage):
    """Pass a log without LOG_SHMFD."""
    with Front(stage.bad) as peer, memory_file(FILE) as fd:
        peer.do(front.SET_PROTOCOL_FEATURES, U64.pack(bits(P_REPLY_ACK, P_BACKEND)))
        peer.send(front.SET_LOG_BASE, LOG.pack(BYTES, 0), fds=[fd])
        peer.ended()
    return "closes the connection"


def memory_grows(stage):
    """Have a log that covers memory, and then memory that it does not."""
    with Session(stage.bad, LOG_ALL) as s, memory_file(FILE) as fd:
        s.get(front.SET_LOG_BASE, LOG.pack(BYTES, 0), [fd])
        s.ask(front.SET_MEM_TABLE, table((GUEST[0], REGION, USER[0], 0),
                                         (1 << 60, REGION, USER[1], REGION)), [s.memory.fd] * 2)
        s.map()
        for i in range(8):
            s.tx.good(i)
        s.tx.show()
        try:
            s.alive()
        except Ended:
            return "closes the connection"
    return "takes the memory; such pages are not logged"


def ring_logged_outside(stage, log):
    """Have a used ring's writes logged at an address that the log does not cover."""
    with Session(stage.bad, LOG_ALL) as s, memory_file(FILE) as fd:
        s.get(front.SET_LOG_BASE, LOG.pack(BYTES, 0), [fd])
        at = s.memory.in_messages(s.tx.off)
        s.ask(front.SET_VRING_ADDR, ADDR.pack(TX, 1, at, at + USED_OFF, at + AVAIL_OFF, log))
        for i in range(8):
            s.tx.good(i)
        s.tx.show()
        stage.goes_on(30)
        s.alive()
    return "writes nothing outside the log"


def truncated(stage):
    """Truncate the log's file under rings that run."""
    with Session(stage.bad, LOG_ALL) as s, memory_file(FILE) as fd:
        s.get(front.SET_LOG_BASE, LOG.pack(BYTES, 0), [fd])
        os.ftruncate(fd, 0)
        s.rx.good(0)
        s.rx.show()
        for i in range(8):
            s.tx.good(i)
        s.tx.show()
        s.ended()
    return "puts zeros in its place, closes the connection, logged"


def over_and_over(stage):
    """Pass one log after the other under traffic."""
    with Session(stage.bad, LOG_ALL) as s, memory_file(FILE) as one, memory_file(FILE) as two:
        for i in range(50):
            s.get(front.SET_LOG_BASE, LOG.pack(BYTES, 4096 * (i % 8)), [(one, two)[i % 2]])
            s.tx.good(i % 32)
            s.tx.show()
        s.tx.used(50)
    return "takes the last one, forgets the others"


def waiting_file(stage):
    """Pass a log whose file cannot be closed."""
    with fuse.file() as (fd, flushed), Session(stage.bad, LOG_ALL) as s:
        s.send(front.SET_LOG_BASE, LOG.pack(BYTES, 0), fds=[fd])
        s.ended()
        wait_for("the daemon to close it", flushed.is_set)
        stage.goes_on(100)
    return "closes the connection; closes the file where nobody waits"


def cases():
    """Yield all of them."""
    for name, size, offset in (("of no bytes", 0, 0), ("larger than its file", FILE + 1, 0),
                               ("behind its file", 4096, FILE),
                               ("over the end of its file", BYTES, FILE - BYTES + 1),
                               ("that wraps", TOP - 4096, 8192),
                               ("at the end of all", 4096, TOP - 4096),
                               ("of all there is", TOP - 1, 0),
                               ("too small for the memory", 64, 0)):
        yield Case(f"log {name}", f"size {size:#x}, offset {offset:#x}",
                   partial(refused, size=size, offset=offset), REFUSED)
    for name, kind in (("an eventfd", event), ("a socket", stream),
                       ("a directory", partial(opened, "/", os.O_RDONLY | os.O_DIRECTORY)),
                       ("/dev/zero", partial(opened, "/dev/zero")),
                       ("memory that may not be written", read_only)):
        yield Case(f"log in {name}", f"{name} in place of memory",
                   partial(refused, size=BYTES, offset=0, kind=kind), REFUSED)
    yield Case("log not negotiated", "SET_LOG_BASE without LOG_SHMFD", not_negotiated, REFUSED)
    yield Case("memory that grows out of its log", "a region at 2^60 later on", memory_grows)
    for log in (0, BYTES << 15, 1 << 47, TOP - 1):
        yield Case(f"used ring logged at {log:#x}", "an address that the log does not cover",
                   partial(ring_logged_outside, log=log))
    yield Case("log truncated", "ftruncate() under running rings", truncated)
    yield Case("logs in turn", "50 of them under traffic", over_and_over)
    yield Case("log that cannot be closed", "close() of it never ends (FUSE)", waiting_file,
               (("guest bad", "refused", 1), ("guest bad", "waiting", 1)))
