# SPDX-License-Identifier: BSD-3-Clause
"""front.py - A front-end that speaks vhost-user as the test wants it to

It sends bytes and descriptors, and sees what comes of them.  Nothing is checked
or made up: sizes, versions and descriptors may lie.
"""

import os
import socket
import struct

from outcome import Failed, expect

HEADER = struct.Struct("<III")
U64 = struct.Struct("<Q")
STATE = struct.Struct("<II")
ADDR = struct.Struct("<IIQQQQ")  # ring, flags, desc, used, avail, log
REGION = struct.Struct("<QQQQ")  # guest address, size, front-end's address, offset
LOG = struct.Struct("<QQ")  # size, offset
IOTLB = struct.Struct("<QQQBB6x")  # iova, size, front-end's address, access, type

VERSION, REPLY, NEED_REPLY = 1, 4, 8
PAYLOAD_MAX = 264  # of the largest message, a table of eight regions
FDS_MAX = 8
NO_FD = 0x100
SECONDS = 20

(GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE, SET_LOG_BASE, SET_LOG_FD,
 SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL,
 SET_VRING_ERR, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE,
 SEND_RARP, NET_SET_MTU, SET_BACKEND_REQ_FD, IOTLB_MSG) = range(1, 23)
GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG = range(36, 39)

READ, WRITE, BOTH = 1, 2, 3
MISS, UPDATE, INVALIDATE, ACCESS_FAIL = 1, 2, 3, 4


class Ended(Exception):
    """The daemon has closed the connection."""


def message(request, payload=b"", flags=0, size=None):
    """Return the bytes of a message; its size may lie."""
    return HEADER.pack(request, VERSION | flags, len(payload) if size is None else size) + payload


def table(*regions):
    """Return the payload of a memory table."""
    return struct.pack("<II", len(regions), 0) + b"".join(REGION.pack(*r) for r in regions)


class Front:
    """A connection to a guest's socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        # Without a timeout, with which a full backlog would be an error
        self.socket.connect(path)
        self.socket.settimeout(SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Leave."""
        self.socket.close()

    def send_bytes(self, data, fds=()):
        """Send bytes with descriptors."""
        try:
            socket.send_fds(self.socket, [data], list(fds))
        except (BrokenPipeError, ConnectionResetError):
            raise Ended from None

    def send(self, request, payload=b"", flags=0, fds=(), size=None):
        """Send a message."""
        self.send_bytes(message(request, payload, flags, size), fds)

    def _take(self, n):
        data = b""
        while len(data) < n:
            try:
                more = self.socket.recv(n - len(data))
            except ConnectionResetError:
                raise Ended from None
            except TimeoutError:
                raise Failed(f"the daemon said nothing for {SECONDS} s") from None
            if not more:
                raise Ended
            data += more
        return data

    def receive(self):
        """Take a message, return its request and payload."""
        request, flags, size = HEADER.unpack(self._take(HEADER.size))
        expect(flags == VERSION | REPLY and size <= PAYLOAD_MAX,
               f"an answer with flags {flags:#x} and {size} bytes")
        return request, self._take(size)

    def get(self, request, payload=b"", fds=()):
        """Send a request that has an answer of its own, return that."""
        self.send(request, payload, fds=fds)
        answer, data = self.receive()
        expect(answer == request, f"an answer to {answer}, not to {request}")
        return data

    def ask(self, request, payload=b"", fds=()):
        """Send a message that is to be acknowledged, return what that says."""
        self.send(request, payload, NEED_REPLY, fds)
        answer, data = self.receive()
        expect(answer == request and len(data) == 8, f"not an acknowledgement: {answer} {data}")
        return U64.unpack(data)[0]

    def do(self, request, payload=b"", fds=()):
        """Send a message that has to be accepted."""
        expect(self.ask(request, payload, fds) == 0, f"request {request} was refused")

    def alive(self):
        """Fail unless the next thing to come is the answer to a new request."""
        try:
            self.get(GET_QUEUE_NUM)
        except Ended:
            raise Failed("the connection was closed") from None

    def ended(self, seconds=SECONDS):
        """Fail unless the daemon closes the connection, whatever it says before."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(4096):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            raise Failed(f"the connection was not closed for {seconds} s") from None
        finally:
            self.socket.settimeout(SECONDS)

    def state(self, request, ring, number):
        """Send a ring's number, return what the acknowledgement says."""
        return self.ask(request, STATE.pack(ring, number))

    def iotlb(self, kind, iova, size, user=0, access=0):
        """Send a translation message, return what the acknowledgement says."""
        return self.ask(IOTLB_MSG, IOTLB.pack(iova, size, user, access, kind))


def eventfd(value=0, flags=os.EFD_NONBLOCK | os.EFD_CLOEXEC):
    """Return a new eventfd."""
    return os.eventfd(value, flags)
