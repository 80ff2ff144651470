# SPDX-License-Identifier: BSD-3-Clause
"""cases_order.py - Messages at the wrong time, about rings there are not, or with absurd numbers"""

import os
import socket
from functools import partial

import front
import protocol
from case import Case
from front import ADDR, STATE, U64, Ended, Front
from outcome import expect
from protocol import REQUESTS
from session import IOMMU, PACKED, PROTOCOL, REGION, RING_IOVA, VERSION_1
from session import Session, bits

REFUSED = (("guest bad", "refused", None),)
RING_REQUESTS = [(front.SET_VRING_NUM, "SET_VRING_NUM"), (front.SET_VRING_BASE, "SET_VRING_BASE"),
                 (front.SET_VRING_ENABLE, "SET_VRING_ENABLE")]


def honest_fds(request):
    """Return descriptors as the request is to have them, to be closed."""
    if request.passes in (protocol.EVENT, protocol.ANY):
        return [front.eventfd()]
    if request.passes == protocol.MEMORY:
        fd = os.memfd_create("first")
        os.ftruncate(fd, REGION)
        return [fd]
    if request.passes == protocol.CHANNEL:
        ours, other = socket.socketpair()
        ours.close()
        return [other.detach()]
    return []


def first(stage, request):
    """Send it before anything else."""
    fds = honest_fds(request)
    try:
        with Front(stage.bad) as peer:
            if request.replies:
                peer.get(request.number, request.payload, fds)
                did = "answers"
            else:
                did = "error reply" if peer.ask(request.number, request.payload, fds) else "accepts"
            peer.alive()
    except Ended:
        # An answer of its own could not say what is wrong
        expect(request.replies, "the connection was closed instead of an error reply")
        did = "closes the connection"
    finally:
        for fd in fds:
            os.close(fd)
    return did


def twice(stage, request):
    """Send it again and again while rings run."""
    with Session(stage.bad) as s:
        did = "accepts"
        for _ in range(10):
            fds = honest_fds(request)
            try:
                if request.replies:
                    s.get(request.number, request.payload, fds)
                    did = "answers"
                elif s.ask(request.number, request.payload, fds):
                    did = "error reply"
            except Ended:
                expect(request.replies, "the connection was closed instead of an error reply")
                return "closes the connection"
            finally:
                for fd in fds:
                    os.close(fd)
        s.alive()
    return did


def bad_ring(stage, send):
    """Name a ring that the device does not have."""
    with Session(stage.bad) as s:
        for ring in (16, 17, 255, 256, 0x10000, 0x7fffffff, 0xffffffff):
            expect(send(s, ring), f"ring {ring} was accepted")
        s.alive()
    return "error reply"


def bad_get_base(stage):
    """Ask for the base of rings that the device does not have."""
    for ring in (16, 255, 0xffffffff):
        with Session(stage.bad) as s:
            s.send(front.GET_VRING_BASE, STATE.pack(ring, 0))
            s.ended()
    return "closes the connection"


def bad_value(stage, send, values):
    """Send numbers that cannot be."""
    with Session(stage.bad) as s:
        for value in values:
            expect(send(s, value), f"{value:#x} was accepted")
        s.alive()
    return "error reply"


def ring_event(s, request, value):
    """Pass an eventfd with a ring number that may be anything."""
    fd = front.eventfd()
    try:
        return s.ask(request, U64.pack(value), [fd])
    finally:
        os.close(fd)


def bad_addresses(stage, addresses, packed=False):
    """Give a ring addresses where it cannot be: it does not start."""
    with Session(stage.bad, packed=packed) as s:
        for desc, used, avail in addresses:
            s.ask(front.SET_VRING_ADDR, ADDR.pack(0, 0, desc, used, avail, 0))
            s.alive()
        s.tx.good(0)
        s.tx.show()
        s.tx.used(1)
    return "the ring does not start, logged; the other one runs"


def features(stage, values, protocol_features=False):
    """Accept what was not offered."""
    request = front.SET_PROTOCOL_FEATURES if protocol_features else front.SET_FEATURES
    with Front(stage.bad) as peer:
        for value in values:
            expect(peer.ask(request, U64.pack(value)), f"{value:#x} was accepted")
        peer.alive()
    return "error reply"


def layout_changes(stage):
    """Change between split and packed rings while they run."""
    with Session(stage.bad) as s:
        for i in range(20):
            value = bits(*s.features) | (0 if i % 2 else bits(PACKED))
            s.do(front.SET_FEATURES, U64.pack(value))
            if IOMMU in s.features:
                s.map()
    return "stops the rings, starts them as they now are, or not"


def bad_rarp(stage, mac):
    """Have a RARP frame sent from an address that cannot be."""
    with Session(stage.bad) as s:
        expect(s.ask(front.SEND_RARP, U64.pack(mac)), "it was accepted")
        s.alive()
    return "error reply"


def owner_gone(stage):
    """RESET_OWNER under traffic, and go on as if nothing was."""
    with Session(stage.bad) as s:
        s.tx.good(0)
        s.tx.show()
        s.do(front.RESET_OWNER)
        for request in (front.SET_VRING_NUM, front.SET_VRING_BASE, front.SET_VRING_ENABLE):
            try:
                s.state(request, 1, 64 if request == front.SET_VRING_NUM else 1)
            except Ended:
                return "closes the connection"
        s.alive()
    return "forgets the device; goes on"


def own_end(stage):
    """Pass its own end of the connection as backend channel, and leave."""
    with Session(stage.bad) as s:
        answer = s.ask(front.SET_BACKEND_REQ_FD, fds=[s.socket.fileno()])
        s.alive()
    # Were it kept, nobody would ever know that the front-end has left
    with Front(stage.bad) as peer:
        peer.alive()
    return "error reply" if answer else "accepts"


def cases():
    """Yield all of them."""
    for request in REQUESTS:
        yield Case(f"{request.name} first", "sent before anything else",
                   partial(first, request=request))
    for request in REQUESTS:
        yield Case(f"{request.name} while rings run", "sent ten times while rings run",
                   partial(twice, request=request))
    for number, name in RING_REQUESTS:
        yield Case(f"{name} of no ring", "ring numbers from 16 to 2^32-1",
                   partial(bad_ring, send=lambda s, ring, number=number:
                           s.state(number, ring, 1)), REFUSED)
    yield Case("SET_VRING_ADDR of no ring", "ring numbers from 16 to 2^32-1",
               partial(bad_ring, send=lambda s, ring:
                       s.ask(front.SET_VRING_ADDR, ADDR.pack(ring, 0, 0, 0, 0, 0))), REFUSED)
    yield Case("GET_VRING_BASE of no ring", "ring numbers from 16 to 2^32-1", bad_get_base,
               REFUSED)
    for number, name in ((front.SET_VRING_KICK, "KICK"), (front.SET_VRING_CALL, "CALL"),
                         (front.SET_VRING_ERR, "ERR")):
        yield Case(f"SET_VRING_{name} of no ring", "ring numbers from 16 to 2^64-1",
                   partial(bad_value, send=lambda s, v, number=number: ring_event(s, number, v),
                           values=(16, 255, 0x200, 1 << 32, (1 << 64) - 1)), REFUSED)
        yield Case(f"SET_VRING_{name}, none and one", "says that none comes, and passes one",
                   partial(bad_value, send=lambda s, v, number=number: ring_event(s, number, v),
                           values=(front.NO_FD,)), REFUSED)
    yield Case("absurd ring sizes", "0, 3, 65535, 65536, 2^31, 2^32-1 entries",
               partial(bad_value, send=lambda s, v: s.state(front.SET_VRING_NUM, 0, v),
                       values=(0, 3, 65535, 65536, 1 << 31, 0xffffffff)), REFUSED)
    yield Case("absurd bases", "an index of more than 16 bits",
               partial(bad_value, send=lambda s, v: s.state(front.SET_VRING_BASE, 0, v),
                       values=(65536, 1 << 31, 0xffffffff)), REFUSED)
    yield Case("absurd enables", "neither on nor off",
               partial(bad_value, send=lambda s, v: s.state(front.SET_VRING_ENABLE, 0, v),
                       values=(2, 255, 0xffffffff)), REFUSED)
    top = (1 << 64) - 1
    yield Case("rings that wrap", "areas over the end of the address space",
               partial(bad_addresses, addresses=[(top & ~15, RING_IOVA, RING_IOVA),
                                                 (RING_IOVA, top & ~3, RING_IOVA),
                                                 (RING_IOVA, RING_IOVA, top & ~1)]))
    yield Case("rings misaligned", "areas at odd addresses",
               partial(bad_addresses, addresses=[(RING_IOVA + 8, RING_IOVA, RING_IOVA),
                                                 (RING_IOVA, RING_IOVA + 2, RING_IOVA),
                                                 (RING_IOVA, RING_IOVA, RING_IOVA + 1)]))
    yield Case("packed ring that wraps", "areas over the end of the address space",
               partial(bad_addresses, packed=True,
                       addresses=[(top & ~15, RING_IOVA, RING_IOVA),
                                  (RING_IOVA, top & ~1, RING_IOVA)]))
    yield Case("features not offered", "all bits, reserved bits, bits of other devices",
               partial(features, values=[top, 1 << 63, bits(VERSION_1, PROTOCOL, 40), 1 << 57]),
               REFUSED)
    yield Case("protocol features not offered", "all bits, bits we withhold",
               partial(features, values=[top, 1 << 63, 1 << 12, 1 << 7, 1 << 10],
                       protocol_features=True), REFUSED)
    yield Case("layout changes while rings run", "SET_FEATURES with and without RING_PACKED",
               layout_changes)
    yield Case("RARP of nobody", "address 0", partial(bad_rarp, mac=0), REFUSED)
    yield Case("RARP of a group", "a multicast address", partial(bad_rarp, mac=1), REFUSED)
    yield Case("absurd MTUs", "0, 67, 1501, 2^64-1",
               partial(bad_value, send=lambda s, v: s.ask(front.NET_SET_MTU, U64.pack(v)),
                       values=(0, 67, 1501, top)), REFUSED)
    yield Case("owner reset under traffic", "RESET_OWNER, then ring messages", owner_gone)
    yield Case("its own end as backend channel", "the connection's own socket is passed; it "
               "leaves", own_end)
