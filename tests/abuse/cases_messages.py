# SPDX-License-Identifier: BSD-3-Clause
"""cases_messages.py - Messages that fit no row of the gate's table

Refused is refused with an error where an acknowledgement was asked for, and by
the end of the connection where silence would mean success.
"""

import os
import random
from functools import partial

import front
import protocol
from case import Case
from front import FDS_MAX, PAYLOAD_MAX, Ended, Front, message
from outcome import Failed, expect
from protocol import REQUESTS

REFUSED = (("guest bad", "refused", 2),)
RIGHTS_MAX = 253  # descriptors that one sendmsg() passes at most


def refused(stage, request, payload=b"", n_fds=0):
    """Send it twice, once asking for an acknowledgement, and have it refused."""
    fd = os.memfd_create("surplus")
    try:
        with Front(stage.bad) as peer:
            if request.replies:
                peer.send(request.number, payload, front.NEED_REPLY, [fd] * n_fds)
                peer.ended()
            else:
                answer = peer.ask(request.number, payload, [fd] * n_fds)
                expect(answer, "it was accepted")
                peer.alive()
        with Front(stage.bad) as peer:
            peer.send(request.number, payload, fds=[fd] * n_fds)
            peer.ended()
    except Ended:
        raise Failed("the connection was closed instead of an error reply") from None
    finally:
        os.close(fd)
    return "closes the connection" if request.replies else \
        "error reply; closes the connection where none was asked for"


def payload_of(request, size):
    """Return its honest payload, cut or filled up to a size."""
    return request.payload[:size] + bytes(max(0, size - len(request.payload)))


def sizes():
    """Yield payloads too short and too long."""
    for request in REQUESTS:
        for size in sorted({request.least - 1, 0} if request.least else ()):
            yield Case(f"{request.name}, {size} bytes", f"payload of {size} bytes",
                       partial(refused, request=request, payload=payload_of(request, size)),
                       REFUSED)
        for size in sorted({request.most + 1, PAYLOAD_MAX} if request.most < PAYLOAD_MAX else ()):
            yield Case(f"{request.name}, {size} bytes", f"payload of {size} bytes",
                       partial(refused, request=request, payload=payload_of(request, size)),
                       REFUSED)


def descriptors():
    """Yield surplus descriptors, and none where one is due."""
    for request in REQUESTS:
        for n in sorted({request.fds_max + 1, FDS_MAX} if request.fds_max < FDS_MAX else ()):
            yield Case(f"{request.name}, {n} descriptors", f"{n} descriptors passed",
                       partial(refused, request=request, payload=request.payload, n_fds=n),
                       REFUSED)
        if request.passes:
            yield Case(f"{request.name}, no descriptor", "no descriptor passed",
                       partial(refused, request=request, payload=request.payload), REFUSED)
        if request.passes in (protocol.EVENT, protocol.CHANNEL):
            yield Case(f"{request.name}, a file", "a file in place of the descriptor",
                       partial(refused, request=request, payload=request.payload, n_fds=1),
                       REFUSED)


def more_than_comes(stage, request):
    """Announce more than is sent, and leave in the middle of it."""
    size = max(request.most, 1)
    with Front(stage.bad) as peer:
        peer.send(request.number, bytes(size - 1), front.NEED_REPLY, size=size)
        # While the rest is awaited
        stage.goes_on(30)
    return "waits for the rest, without waiting"


def larger_than_any(stage, request, size):
    """Announce more than any message has."""
    with Front(stage.bad) as peer:
        peer.send(request.number, b"\0" * 64, front.NEED_REPLY, size=size)
        peer.ended()
    return "closes the connection"


def lies():
    """Yield sizes that are not what is sent."""
    for request in REQUESTS:
        size = max(request.most, 1)
        yield Case(f"{request.name}, a byte short of what it says",
                   f"{size} bytes announced, {size - 1} sent, then it leaves",
                   partial(more_than_comes, request=request))
        yield Case(f"{request.name}, 4 GiB announced", "4 GiB of payload announced",
                   partial(larger_than_any, request=request, size=0xffffffff))


def raw(stage, data, n_fds=0):
    """Send bytes that are no message."""
    fd = os.memfd_create("raw")
    with Front(stage.bad) as peer:
        try:
            peer.send_bytes(data, [fd] * n_fds)
            peer.ended()
        finally:
            os.close(fd)
    return "closes the connection"


def waits(stage, data):
    """Send what is no whole message, and nothing more."""
    with Front(stage.bad) as peer:
        if data:
            peer.send_bytes(data)
        stage.goes_on(30)
    return "waits for the rest, without waiting"


def noise(stage, seed):
    """Send whatever comes to mind, descriptors included."""
    dice = random.Random(seed)
    fd = os.memfd_create("noise")
    for _ in range(20):
        with Front(stage.bad) as peer:
            try:
                for _ in range(100):
                    data = message(dice.randrange(45), dice.randbytes(dice.randrange(80)),
                                   dice.choice((0, front.NEED_REPLY)))
                    peer.send_bytes(data, [fd] * dice.randrange(9))
            except Ended:
                pass
    os.close(fd)
    return "refuses, closes the connection"


def unknown(stage, request):
    """Send a request that was not offered, or that there is not."""
    return refused(stage, protocol.Request("", request, 0, 0), bytes(request % 9), request % 3)


def complete(_):
    """Every row of the gate's table is abused here."""
    protocol.check_complete()
    return "every request of the gate's table is here"


def cases():
    """Yield all of them."""
    yield Case("the table is complete", "the gate's table is read", complete)
    yield from sizes()
    yield from descriptors()
    yield from lies()
    known = {request.number for request in REQUESTS}
    for number in [*range(48), 255, 256, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff]:
        if number not in known:
            yield Case(f"request {number:#x}", "a request that was not offered",
                       partial(unknown, request=number), REFUSED)
    yield Case("nothing", "connects and says nothing", partial(waits, data=b""))
    yield Case("half a header", "7 bytes of a header, and no more",
               partial(waits, data=message(front.GET_FEATURES)[:7]))
    yield Case("version 0", "a header of version 0",
               partial(raw, data=front.HEADER.pack(front.GET_FEATURES, 0, 0)))
    yield Case("version 3", "a header of version 3",
               partial(raw, data=front.HEADER.pack(front.GET_FEATURES, 3, 0)))
    yield Case("nine descriptors", "more descriptors than any message has",
               partial(raw, data=message(front.SET_OWNER), n_fds=9))
    yield Case("253 descriptors", "as many descriptors as the kernel passes at once",
               partial(raw, data=message(front.SET_OWNER), n_fds=RIGHTS_MAX))
    for seed in range(3):
        yield Case(f"noise {seed}", "random messages with random descriptors",
                   partial(noise, seed=seed))
