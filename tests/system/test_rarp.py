# SPDX-License-Identifier: BSD-3-Clause
"""test_rarp.py - A front-end has the daemon announce its guest's address

As after a migration of a guest that cannot do so itself: one RARP request,
broadcast, is to be on the wire of that guest's port, and of no other.
"""

import os
import socket
import struct

from daemon import Daemon
from outcome import expect_equal, wait_for
from front import HEADER, NEED_REPLY, message
from test_pcap import read

SET_PROTOCOL_FEATURES, SEND_RARP = 16, 19
PROTOCOL = 1 << 2 | 1 << 3  # RARP, REPLY_ACK
MAC = bytes.fromhex("525400a1b2c3")


def ask(peer, request, payload):
    """Send a message, return the number its acknowledgement carries."""
    peer.send(message(request, payload, NEED_REPLY))
    return struct.unpack("<Q", peer.recv(HEADER.size + 8, socket.MSG_WAITALL)[HEADER.size:])[0]


def rarp(mac):
    """Return the frame of RFC 903: who has this address asks for its own."""
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 3) + 2 * (mac + bytes(4))
    return (b"\xff" * 6 + mac + b"\x80\x35" + body).ljust(64, b"\0")


def test_one_frame_on_the_guests_port(test):
    """It is complete, without a byte of any other frame, and sent once."""
    sinks = {name: os.path.join(test.directory(), f"{name}.pcap") for name in ("a", "b")}
    daemon = Daemon(test, {"vm1": {"wire": "a"}, "vm2": {"wire": "b"}},
                    {name: f"net_pcap{at},tx_pcap={sink}"
                     for at, (name, sink) in enumerate(sinks.items())}).start()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(daemon.sockets["vm1"])
        expect_equal(ask(peer, SET_PROTOCOL_FEATURES, struct.pack("<Q", PROTOCOL)), 0,
                     "answer to SET_PROTOCOL_FEATURES")
        expect_equal(ask(peer, SEND_RARP, MAC + b"\0\0"), 0, "answer to SEND_RARP")
        daemon.wait_total("port a queue 0", "port_tx")
    daemon.stop()
    wait_for("a frame in the file", lambda: read(sinks["a"]))
    expect_equal(read(sinks["a"]), [rarp(MAC)], "frames sent by the guest's port")
    expect_equal(read(sinks["b"]), [], "frames sent by the other port")
    expect_equal(daemon.total("guest vm1", "rarps"), 1, "RARP frames counted")
