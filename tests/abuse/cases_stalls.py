# SPDX-License-Identifier: BSD-3-Clause
"""cases_stalls.py - What would have the daemon wait, if it waited for anyone

While each of these lasts the innocent guest has to go on.
"""

import fcntl
import os
import signal
import socket
import struct
from functools import partial

import front
import fuse
from case import Case
from front import UPDATE, BOTH, U64, Ended, Front, message, table
from guest import Guest
from outcome import Failed, expect, wait_for
from session import EVENT_IDX, TX, USED_OFF, USER, Session

FULL = (1 << 64) - 2
NOWHERE = 0xdead0000
FRAMES = 100


def blocking(fd):
    """Have writers of an eventfd wait, for it is at its limit."""
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)


def stop_on(s, ring, fd):
    """Have a ring call by an eventfd that blocks and is full."""
    os.eventfd_write(fd, FULL)
    blocking(fd)
    ring.good(0)
    ring.show()


def call_at_its_limit(stage, packed):
    """Interrupting this guest would wait for ever: its ring stops."""
    with Session(stage.bad, packed=packed) as s:
        fd = s.event()
        s.do(front.SET_VRING_CALL, U64.pack(TX), [fd])
        stop_on(s, s.tx, fd)
        s.tx.used(1)
        stage.goes_on(FRAMES)
        s.alive()
    return "calls by other means" if packed else "stops the ring; will not wait there again"


def call_at_its_limit_honest(stage):
    """An eventfd at its limit that does not block is an interrupt that is pending."""
    with Session(stage.bad) as s:
        fd = s.event()
        s.do(front.SET_VRING_CALL, U64.pack(TX), [fd])
        os.eventfd_write(fd, FULL)
        for i in range(8):
            s.tx.good(i)
            s.tx.show()
            s.tx.used(1)
        stage.goes_on(FRAMES)
    return "goes on"


def call_again_and_again(stage):
    """The same over and over: each time the ring is started anew."""
    with Session(stage.bad) as s:
        ring = s.tx
        for i in range(100):
            fd = s.event()
            ring.avail_idx = ring.used_idx = 0
            ring.show()
            ring.set_word(ring.off + USED_OFF + 2, 0)
            s.do(front.SET_VRING_BASE, front.STATE.pack(TX, 0))
            s.do(front.SET_VRING_CALL, U64.pack(TX), [fd])
            s.do(front.SET_VRING_KICK, U64.pack(TX), [s.event()])
            stop_on(s, ring, fd)
            ring.used(1)
            if i % 25 == 0:
                stage.goes_on(FRAMES)
        s.alive()
    return "does not wait there again"


def many_calls(stage):
    """All rings of all pairs at once."""
    with Session(stage.bad) as s:
        fd = s.event()
        os.eventfd_write(fd, FULL)
        rings = [s.tx]
        s.do(front.SET_VRING_CALL, U64.pack(TX), [fd])
        for pair in range(1, 8):
            ring = type(s.tx)(s.memory, 2 * pair + 1, s.tx.size)
            s.start(ring, fd)
            rings.append(ring)
        blocking(fd)
        for ring in rings:
            ring.good(0)
            ring.show()
        for ring in rings:
            ring.used(1)
        stage.goes_on(FRAMES)
        s.alive()
    return "does not wait there again"


def odd_events(stage):
    """Semaphores and full kick eventfds, the same one for everything."""
    with Session(stage.bad, EVENT_IDX) as s:
        fd = s.event(os.EFD_SEMAPHORE)
        os.eventfd_write(fd, FULL)
        for ring in (0, 1):
            for request in (front.SET_VRING_CALL, front.SET_VRING_KICK, front.SET_VRING_ERR):
                s.do(request, U64.pack(ring), [fd])
        blocking(fd)
        for i in range(8):
            s.tx.good(i)
        s.tx.show()
        stage.goes_on(FRAMES)
        s.alive()
    return "goes on, or stops the ring"


def other_descriptors(stage):
    """Descriptors on which a write might wait, in place of eventfds."""
    with Session(stage.bad) as s:
        ours, other = socket.socketpair()
        pipes = os.pipe()
        kinds = [other.fileno(), pipes[1], pipes[0], s.memory.fd,
                 os.open("/dev/null", os.O_RDWR), os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)]
        for fd in kinds:
            for request in (front.SET_VRING_CALL, front.SET_VRING_KICK, front.SET_VRING_ERR):
                expect(s.ask(request, U64.pack(0), [fd]), f"a descriptor for {request} was taken")
        s.alive()
        ours.close()
        other.close()
        for fd in (*pipes, *kinds[4:]):
            os.close(fd)
    return "error reply"


def channel_unread(stage):
    """Ask for more than the backend channel holds, and read nothing of it."""
    before = stage.totals()
    with Session(stage.bad) as s:
        s.backend.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for pair in range(8):
            ring = type(s.tx)(s.memory, 2 * pair + 1, s.tx.size)
            if pair:
                s.start(ring)
            for i in range(ring.size):
                # Each chain spans 16 pages
                ring.put(i, NOWHERE + ((pair * 64 + i) << 17), 65000, 0)
                ring.avail(i)
            ring.show()
        stage.wait_counter("guest bad", "unsent", 1, before)
        stage.goes_on(FRAMES)
        s.alive()
    return "leaves the rest unasked, asks again later"


def channel_closed(stage):
    """Close the backend channel and go on."""
    with Session(stage.bad) as s:
        s.backend.close()
        s.tx.put(0, NOWHERE, 200, 0)
        s.tx.bad()
        s.tx.show()
        stage.goes_on(FRAMES)
        s.alive()
        s.pass_backend()
        iova, _ = s.miss()
        expect(iova == NOWHERE, f"asked for {iova:#x}")
    return "cannot ask, logged; asks through the next one"


def channel_changes(stage):
    """Pass one backend channel after the other."""
    with Session(stage.bad) as s:
        s.tx.put(0, NOWHERE, 200, 0)
        s.tx.bad()
        s.tx.show()
        for _ in range(200):
            s.backend.close()
            s.pass_backend()
        stage.goes_on(FRAMES)
        s.miss()
    return "takes the last one, closes the others"


def channel_talks(stage):
    """Send into the backend channel whatever it takes, descriptors included."""
    with Session(stage.bad) as s:
        s.backend.setblocking(False)
        for _ in range(2000):
            try:
                socket.send_fds(s.backend, [b"\x55" * 4096], [s.memory.fd] * 4)
            except BlockingIOError:
                s.alive()
        stage.goes_on(FRAMES)
        s.alive()
    return "reads and forgets"


def no_channel(stage, kind):
    """Pass something else as backend channel."""
    with Session(stage.bad) as s, kind() as other:
        s.ask(front.SET_BACKEND_REQ_FD, fds=[other.fileno()])
        s.tx.put(0, NOWHERE, 200, 0)
        s.tx.bad()
        s.tx.show()
        stage.goes_on(FRAMES)
        s.alive()
    return "error reply, or drops it at the first question"


def listening():
    """A socket that listens."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind("")
    sock.listen()
    return sock


def lingering_pair():
    """A TCP connection whose close() would wait for an hour: (to be passed, its peer)."""
    listener = socket.create_server(("127.0.0.1", 0))
    sock = socket.create_connection(listener.getsockname())
    peer, _ = listener.accept()
    listener.close()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    sock.setblocking(False)
    try:
        while sock.send(b"\0" * 65536):
            pass
    except BlockingIOError:
        pass
    return sock, peer


def lingering(stage, as_channel):
    """Have the daemon close a socket whose close() would wait."""
    with Session(stage.bad) as s:
        sock, peer = lingering_pair()
        if as_channel:
            s.do(front.SET_BACKEND_REQ_FD, fds=[sock.fileno()])
            sock.close()
            s.backend.close()
        else:
            s.send(front.SET_OWNER, fds=[sock.fileno()])
            sock.close()
            s.ended()
    stage.goes_on(FRAMES)
    peer.close()
    return "closes it at once"


def waiting_file(stage, request, payload):
    """Have the daemon close a file whose close() never ends."""
    with fuse.file() as (fd, flushed), Session(stage.bad) as s:
        for _ in range(3):
            expect(s.ask(request, payload, [fd]), "it was accepted")
        wait_for("the daemon to close it", flushed.is_set)
        stage.goes_on(FRAMES)
        s.alive()
    return "error reply; closes it where nobody waits"


def many_waiting_files(stage):
    """The same until the daemon has enough of it; it serves the next one when they are closed."""
    with fuse.file() as (fd, _):
        with Session(stage.bad) as s:
            try:
                for _ in range(100):
                    s.ask(front.SET_OWNER, fds=[fd])
            except Ended:
                pass
        peer = Front(stage.bad)
        stage.goes_on(FRAMES)
        peer.socket.setblocking(False)
        peer.send(front.GET_QUEUE_NUM)
        try:
            raise Failed(f"it is served: {peer.socket.recv(100)}")
        except BlockingIOError:
            pass
    with peer:
        peer.socket.settimeout(front.SECONDS)
        peer.receive()
    return "closes the connection; serves the next one when they are closed"


def never_reads(stage, request, payload=b""):
    """Ask and ask, and read no answer."""
    with Front(stage.bad) as peer:
        peer.socket.setblocking(False)
        data = message(request, payload, front.NEED_REPLY) * 50
        sent = 0
        try:
            while sent < 4 << 20:
                sent += peer.socket.send(data)
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            return "closes the connection"
        stage.goes_on(FRAMES)
        try:
            while sent < 8 << 20:
                sent += peer.socket.send(data)
        except BlockingIOError:
            return "stops reading"
        except (BrokenPipeError, ConnectionResetError):
            pass
    return "closes the connection"


def half_closed(stage, how):
    """Shut one direction down."""
    with Session(stage.bad) as s:
        s.tx.good(0)
        s.tx.show()
        s.socket.shutdown(how)
        try:
            s.send_bytes(message(front.GET_FEATURES) * 3)
        except Ended:
            pass
        s.ended()
    return "closes the connection"


def stopped(stage, options):
    """Stop a front-end in the middle of its traffic: it answers and reads nothing."""
    before = stage.totals()
    guest = Guest(stage.shared, stage.bad, "verify", viommu="4k", **options)
    stage.wait_counter("guest bad ring 0", "packets", 10, before)
    guest.process.signal(signal.SIGSTOP)
    stage.goes_on(FRAMES)
    guest.process.close()
    return "asks, gives up; drops what is for it"


def killed(stage):
    """Kill a front-end in the middle of its traffic."""
    for _ in range(5):
        before = stage.totals()
        guest = Guest(stage.shared, stage.bad, "verify", viommu="4k", map="dynamic")
        stage.wait_counter("guest bad ring 0", "packets", 10, before)
        guest.process.signal(signal.SIGKILL)
        guest.process.wait(10)
    return "forgets it"


def leaves_in_the_middle(stage):
    """Leave after each byte of a message, with descriptors under way."""
    data = message(front.SET_MEM_TABLE, bytes(264), front.NEED_REPLY)
    fd = os.memfd_create("leaves")
    for n in range(1, len(data), 7):
        with Front(stage.bad) as peer:
            peer.send_bytes(data[:n], [fd] * 8)
    os.close(fd)
    return "closes what came"


def byte_by_byte(stage):
    """Send messages a byte at a time."""
    with Front(stage.bad) as peer:
        for _ in range(5):
            for byte in message(front.SET_FEATURES, U64.pack(0), front.NEED_REPLY):
                peer.send_bytes(bytes([byte]))
            peer.receive()
        stage.goes_on(FRAMES)
    return "answers when they are whole"


def never_answers(stage):
    """Leave every question unanswered, of all rings."""
    before = stage.totals()
    with Session(stage.bad, mapped=False) as s:
        stage.wait_counter("guest bad", "faults", 1, before)
        stage.goes_on(FRAMES)
        expect(s.iotlb(UPDATE, NOWHERE, 4096, USER[0], BOTH) == 0, "an update was refused")
    return "asks, gives up, logged"


def cases():
    """Yield all of them."""
    yield Case("call eventfd at its limit", "an eventfd that blocks, and is full",
               partial(call_at_its_limit, packed=False), (("guest bad ring 1", "err_call", 1),))
    yield Case("call eventfd at its limit, packed", "the same once more",
               partial(call_at_its_limit, packed=True), (("guest bad ring 1", "err_call", 0),))
    yield Case("call eventfd at its limit, not blocking", "an eventfd that is full",
               call_at_its_limit_honest)
    yield Case("call eventfd at its limit, again and again", "the ring is started anew each time",
               call_again_and_again, (("guest bad ring 1", "err_call", 0),))
    yield Case("call eventfds of eight pairs at their limit", "one that blocks, for all rings",
               many_calls, (("guest bad ring 1", "err_call", 0),))
    yield Case("odd eventfds", "a full semaphore as kick, call and error of both rings", odd_events)
    yield Case("no eventfds", "sockets, pipes, files, terminals as kick and call",
               other_descriptors, (("guest bad", "refused", 18),))
    yield Case("backend channel full of unread misses", "512 chains of 16 unmapped pages",
               channel_unread, (("guest bad", "unsent", None), ("guest bad", "asked", None)))
    yield Case("backend channel closed", "and misses go on", channel_closed)
    yield Case("backend channels in turn", "200 of them", channel_changes)
    yield Case("backend channel that talks", "8 MiB and 8000 descriptors sent into it",
               channel_talks)
    yield Case("a datagram socket as backend channel", "",
               partial(no_channel, kind=partial(socket.socket, socket.AF_UNIX, socket.SOCK_DGRAM)))
    yield Case("a listening socket as backend channel", "", partial(no_channel, kind=listening))
    yield Case("an unconnected TCP socket as backend channel", "",
               partial(no_channel, kind=socket.socket))
    for as_channel in (False, True):
        yield Case(f"a socket that lingers{', as backend channel' if as_channel else ''}",
                   "close() of it would wait for an hour",
                   partial(lingering, as_channel=as_channel))
    for request, payload, name in (
            (front.SET_MEM_TABLE, table((0, 4096, USER[0], 0)), "memory"),
            (front.SET_VRING_CALL, U64.pack(0), "call eventfd"),
            (front.SET_OWNER, b"", "surplus descriptor")):
        yield Case(f"a file that cannot be closed, as {name}", "close() of it never ends (FUSE)",
                   partial(waiting_file, request=request, payload=payload),
                   (("guest bad", "refused", 3), ("guest bad", "waiting", 3)))
    yield Case("files that cannot be closed, without end", "dozens of them (FUSE)",
               many_waiting_files, (("guest bad", "waiting", 17),))
    yield Case("answers not read", "requests without end",
               partial(never_reads, request=front.GET_FEATURES))
    yield Case("acknowledgements not read", "messages without end",
               partial(never_reads, request=front.SET_VRING_BASE,
                       payload=front.STATE.pack(0, 0)))
    for how, name in ((socket.SHUT_WR, "writing"), (socket.SHUT_RD, "reading"),
                      (socket.SHUT_RDWR, "both")):
        yield Case(f"half closed, {name}", "shutdown() under running rings",
                   partial(half_closed, how=how))
    yield Case("front-end stopped", "SIGSTOP in the middle of its traffic",
               partial(stopped, options={"map": "dynamic", "buf_size": 3000}))
    yield Case("front-end stopped, packed", "SIGSTOP in the middle of its traffic",
               partial(stopped, options={"packed": True}))
    yield Case("front-ends killed", "SIGKILL in the middle of their traffic", killed)
    yield Case("leaves in the middle of a message", "after each seventh byte, with descriptors",
               leaves_in_the_middle)
    yield Case("byte by byte", "messages sent one byte at a time", byte_by_byte)
    yield Case("no question answered", "not even those for the rings' own pages", never_answers,
               (("guest bad", "faults", None),))
