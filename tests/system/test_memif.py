# SPDX-License-Identifier: BSD-3-Clause
"""test_memif.py - Two ports joined by shared memory (memif)

A daemon holds both ends of a memif; one guest sends, and another, which swaps
MAC addresses, returns what arrives at the other end.
"""

import os

from daemon import Daemon
from guest import Guest, expect_good, verify
from outcome import expect

def test_frames_cross_a_memif_and_come_back(test):
    """What one guest sends is returned by the other complete and as it was."""
    path = os.path.join(test.directory(), "memif.sock")
    daemon = Daemon(test, {"here": {"wire": "server"}, "there": {"wire": "client"}},
                    {"server": f"net_memif0,role=server,id=0,socket={path},"
                               "socket-abstract=no",
                     "client": f"net_memif1,role=client,id=0,socket={path},"
                               "socket-abstract=no"}).start()
    mirror = Guest(test, daemon.sockets["there"], "l2fwd", viommu="4k")
    daemon.wait_total("guest there", "connections")
    verify(test, daemon.sockets["here"], viommu="4k", count=5000, duration=20, sizes="random")
    report = mirror.stop()
    expect_good(report)
    expect(report["rx_frames"] >= 5000, "the other guest saw fewer frames")
    daemon.stop()
