# SPDX-License-Identifier: BSD-3-Clause
"""test_hostile.py - A front-end that breaks the rules harms nobody else

One speaks to a guest's socket in ways no front-end should; the guest beside it
verifies its frames meanwhile, and the daemon serves proper front-ends at the
same socket afterwards.
"""

import functools
import os
import random
import socket
import struct

from daemon import Daemon
from guest import Guest, verify
from outcome import expect, wait_for

HEADER = struct.Struct("<III")
VERSION = 1
NEED_REPLY = 8
GET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 3, 5
MANY_FDS = 200


def message(request, payload=b"", flags=0, size=None):
    """Return the bytes of a vhost-user message."""
    return HEADER.pack(request, VERSION | flags, len(payload) if size is None else size) + payload


def silent(peer):
    """Connects and says nothing."""
    del peer


def half_a_header(peer):
    """Sends a part of a header and no more."""
    peer.send(message(GET_FEATURES)[:7])


def no_payload(peer):
    """Announces a payload and keeps it."""
    peer.send(message(SET_MEM_TABLE, size=40))


def huge_payload(peer):
    """Announces a payload of 4 GiB."""
    peer.send(message(SET_MEM_TABLE, size=0xffffffff) + b"\0" * 5000)


def wrong_version(peer):
    """Speaks a version there is not."""
    peer.send(HEADER.pack(GET_FEATURES, 3, 0))


def requests_without_end(peer):
    """Asks and asks, and reads no answer."""
    peer.setblocking(False)
    try:
        while True:
            peer.send(message(GET_FEATURES) * 100)
    except (BlockingIOError, ConnectionError):
        pass


def noise(peer):
    """Sends whatever comes to mind, descriptors included."""
    dice = random.Random(1)
    fd = os.memfd_create("noise")
    try:
        for _ in range(2000):
            payload = dice.randbytes(dice.randrange(80))
            data = message(dice.randrange(45), payload, dice.choice((0, NEED_REPLY)))
            socket.send_fds(peer, [data], [fd] * dice.randrange(9))
    except OSError:
        pass
    finally:
        os.close(fd)


def many_descriptors(peer):
    """Passes more descriptors than any message has."""
    fd = os.memfd_create("many")
    try:
        socket.send_fds(peer, [message(SET_OWNER)], [fd] * MANY_FDS)
    except OSError:
        pass
    finally:
        os.close(fd)


def memory_without_a_file(peer):
    """Describes memory far beyond the end of its file."""
    fd = os.memfd_create("empty")
    table = struct.pack("<II4Q", 1, 0, 0, 1 << 40, 0x7f0000000000, 0)
    try:
        peer.send(message(SET_OWNER))
        socket.send_fds(peer, [message(SET_MEM_TABLE, table, NEED_REPLY)], [fd])
    finally:
        os.close(fd)


WAYS = [silent, half_a_header, no_payload, huge_payload, wrong_version, requests_without_end,
        noise, many_descriptors, memory_without_a_file]


def set_up(shared):
    """Start a daemon with a guest to be broken and one to be kept."""
    shared.daemon = Daemon(shared, {"bad": {"wire": "a"}, "good": {"wire": "b"}},
                           {"a": "net_ring0", "b": "net_ring1"}).start()


def breaks_rules(test, way):
    """The other guest loses nothing, and a proper front-end is served next."""
    daemon = test.shared.daemon
    fds = daemon.fds()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(daemon.sockets["bad"])
        way(peer)
        verify(test, daemon.sockets["good"], viommu="4k", map="dynamic", count=300, duration=10)
        verify(test, daemon.sockets["good"], viommu="4k", duration=1)
    verify(test, daemon.sockets["bad"], viommu="4k", count=1000, duration=10)
    expect(daemon.process.alive(), "vunetd ended")
    wait_for(f"{fds} open files again", lambda: daemon.fds() == fds)


def stopped_front_end(test):
    """A front-end that is stopped, deaf on every channel, stalls only its own guest."""
    daemon = test.shared.daemon
    bad = Guest(test, daemon.sockets["bad"], "verify", viommu="4k", map="dynamic", buf_size=3000)
    daemon.wait_total("guest bad ring 0", "packets")
    bad.process.signal(19)
    try:
        verify(test, daemon.sockets["good"], viommu="4k", map="dynamic", count=300, duration=10)
        verify(test, daemon.sockets["good"], viommu="4k", duration=1)
    finally:
        bad.process.signal(18)
    bad.process.close()


def tests():
    """Yield every way to break the rules."""
    for way in WAYS:
        yield way.__name__.replace("_", " "), functools.partial(breaks_rules, way=way)
    yield "stopped in the middle", stopped_front_end
