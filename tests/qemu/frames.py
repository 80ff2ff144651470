# SPDX-License-Identifier: BSD-3-Clause
"""frames.py - Frames to a guest that sends each one back with its addresses swapped

They are UDP datagrams, so that a TAP with several queues spreads them, and carry
their number and bytes that follow from it: what comes back is compared whole.
There are never more under way than the smallest queue between here and the guest
holds, so that each has to come back.
"""

import random
import select
import socket
import struct
import time

from outcome import Failed

WINDOW = 64
LATE_SECONDS = 15
SIZES = (60, 61, 64, 128, 256, 590, 1024, 1280, 1513, 1514)
FLOWS = 64
HEADERS = 14 + 20 + 8
ETH_P_IP = 0x0800
FIRST_PORT = 20000
MAGIC = b"vunet"

_noise = random.Random(1).randbytes(1 << 16)


def _mac(text):
    return bytes.fromhex(text.replace(":", ""))


def _checksum(header):
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Stream:
    """Frames between an interface and the guest behind it."""

    def __init__(self, interface, here, there, mtu):
        """here, there: MAC addresses of this side and the guest."""
        self.sizes = [size for size in SIZES if size <= mtu + 14]
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self.sock.bind((interface, ETH_P_IP))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sock.setblocking(False)
        self.out = _mac(there) + _mac(here) + struct.pack(">H", ETH_P_IP)
        self.back = _mac(here) + _mac(there) + struct.pack(">H", ETH_P_IP)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def _packet(self, number):
        """Return a frame's content behind its Ethernet header."""
        size = self.sizes[number % len(self.sizes)]
        # The kernel's stack takes them too, and must not find anyone to answer
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size - 14, number & 0xffff, 0, 64, 17, 0,
                         bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)))
        ip = ip[:10] + struct.pack(">H", _checksum(ip)) + ip[12:]
        port = FIRST_PORT + number // len(self.sizes) % FLOWS
        udp = struct.pack(">HHHH", port, port, size - 34, 0)
        body = MAGIC + struct.pack(">I", number)
        left = size - HEADERS - len(body)
        at = number * 7919 % (len(_noise) - 2048)
        return ip + udp + body + _noise[at:at + left]

    def _number(self, frame):
        """Return the number of a frame that is one of ours, or None."""
        if frame[HEADERS:HEADERS + len(MAGIC)] != MAGIC:
            return None
        return struct.unpack_from(">I", frame, HEADERS + len(MAGIC))[0]

    def _receive(self, waiting, seconds):
        """Take what came back off the numbers that are waited for."""
        select.select([self.sock], [], [], seconds)
        while True:
            try:
                frame = self.sock.recv(2048)
            except BlockingIOError:
                return
            number = self._number(frame)
            if number is None:
                continue
            if number not in waiting:
                raise Failed(f"frame {number} came back twice, or was never sent")
            if frame != self.back + self._packet(number):
                raise Failed(f"frame {number} of {len(frame)} bytes came back altered")
            waiting.remove(number)

    def first(self, seconds):
        """Send one frame again and again until one comes back: the guest forwards."""
        end = time.monotonic() + seconds
        waiting = set()
        for number in range(1 << 31, 1 << 32):
            waiting.add(number)
            self.sock.send(self.out + self._packet(number))
            before = len(waiting)
            self._receive(waiting, 0.2)
            if len(waiting) < before:
                break
            if time.monotonic() > end:
                raise Failed(f"no frame came back within {seconds} s")
        # Those that were only late; none comes after a second without one
        while waiting:
            before = len(waiting)
            self._receive(waiting, 1)
            if len(waiting) == before:
                break

    def exchange(self, count):
        """Send frames and have each come back, return the seconds that took."""
        begin = moved = time.monotonic()
        waiting = set()
        number = 0
        while number < count or waiting:
            while number < count and len(waiting) < WINDOW:
                waiting.add(number)
                self.sock.send(self.out + self._packet(number))
                number += 1
            before = len(waiting)
            self._receive(waiting, 0.5)
            now = time.monotonic()
            if len(waiting) < before:
                moved = now
            elif now - moved > LATE_SECONDS:
                raise Failed(f"{len(waiting)} of {number} frames did not come back, "
                             f"the first is {min(waiting)}")
        return time.monotonic() - begin
