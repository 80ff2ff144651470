# SPDX-License-Identifier: BSD-3-Clause
"""frontend.py - A front-end that speaks vhost-user and has no guest behind it

For what no proper front-end does, or not so often: it sets up rings that nobody
uses, as far as it is asked to, and leaves.
"""

import mmap
import os
import socket
import struct

from outcome import Failed

HEADER = struct.Struct("<III")
VERSION, REPLY, NEED_REPLY = 1, 4, 8
GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL = 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 15, 16, 18
SET_BACKEND_REQ_FD, IOTLB_MSG = 21, 22
ADD_MEM_REG, REM_MEM_REG = 37, 38
F_PROTOCOL, F_VERSION_1, F_IOMMU, F_PACKED = 1 << 30, 1 << 32, 1 << 33, 1 << 34
P_REPLY_ACK, P_BACKEND_REQ, P_MEM_SLOTS = 1 << 3, 1 << 5, 1 << 15
USER, GPA, BYTES = 0x7f0000000000, 0x100000000, 1 << 20
RING_SIZE = 256


class FrontEnd:
    """A connection, its memory and descriptors."""

    def __init__(self, path):
        self.peer = socket.socket(socket.AF_UNIX)
        self.peer.settimeout(10)
        self.peer.connect(path)
        self.memfd = os.memfd_create("frontend")
        os.ftruncate(self.memfd, BYTES)
        self.memory = mmap.mmap(self.memfd, BYTES)
        self.channel = None
        self.acks = False

    def close(self):
        """Leave."""
        self.peer.close()
        if self.channel:
            self.channel.close()
        self.memory.close()
        os.close(self.memfd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def receive(self, request):
        """Return the payload of the answer to a request."""
        data = self.peer.recv(HEADER.size, socket.MSG_WAITALL)
        if len(data) < HEADER.size:
            raise Failed("the daemon closed the connection")
        found, flags, size = HEADER.unpack(data)
        if found != request or not flags & REPLY:
            raise Failed(f"an answer to {found}, flags {flags}, not to {request}")
        return self.peer.recv(size, socket.MSG_WAITALL)

    def get(self, request, payload=b""):
        """Return the number a request asks for."""
        self.peer.send(HEADER.pack(request, VERSION, len(payload)) + payload)
        return struct.unpack("<Q", self.receive(request))[0]

    def set(self, request, payload=b"", fds=()):
        """Send a message, return what is acknowledged (0: done)."""
        flags = VERSION | (NEED_REPLY if self.acks else 0)
        data = HEADER.pack(request, flags, len(payload)) + payload
        if fds:
            socket.send_fds(self.peer, [data], list(fds))
        else:
            self.peer.send(data)
        return struct.unpack("<Q", self.receive(request))[0] if self.acks else 0

    def set_u64(self, request, value):
        """Send a number."""
        return self.set(request, struct.pack("<Q", value))

    def negotiate(self, features=F_PROTOCOL | F_VERSION_1, protocol=P_REPLY_ACK):
        """Agree on features."""
        self.get(GET_FEATURES)
        self.get(GET_PROTOCOL_FEATURES)
        self.set_u64(SET_PROTOCOL_FEATURES, protocol)
        self.acks = bool(protocol & P_REPLY_ACK)
        self.set(SET_OWNER)
        if protocol & P_BACKEND_REQ:
            self.channel, theirs = socket.socketpair()
            with theirs:
                self.set(SET_BACKEND_REQ_FD, fds=[theirs.fileno()])
        self.set_u64(SET_FEATURES, features)

    def give_memory(self):
        """Pass all memory as one region."""
        table = struct.pack("<II4Q", 1, 0, GPA, BYTES, USER, 0)
        return self.set(SET_MEM_TABLE, table, [self.memfd])

    def ring(self, index, base=0):
        """Have a ring run."""
        at = USER + index * 0x10000
        self.set(SET_VRING_NUM, struct.pack("<II", index, RING_SIZE))
        self.set(SET_VRING_BASE, struct.pack("<II", index, base))
        self.set(SET_VRING_ADDR, struct.pack("<II4Q", index, 0, at, at + 0x8000, at + 0x4000, 0))
        for request in (SET_VRING_CALL, SET_VRING_KICK):
            event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            self.set(request, struct.pack("<Q", index), [event])
            os.close(event)
        self.set(SET_VRING_ENABLE, struct.pack("<II", index, 1))
