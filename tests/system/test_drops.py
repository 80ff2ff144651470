# SPDX-License-Identifier: BSD-3-Clause
"""test_drops.py - Frames that are dropped are counted, by their reason"""

import guest
from daemon import Daemon
from outcome import expect, expect_equal

FLOOD = "port flood queue 0"


def start(test, devargs="net_null0", **sections):
    """Start a daemon that floods its guest."""
    return Daemon(test, {"vm1": {"wire": "flood"}}, {"flood": devargs}, **sections).start()


def test_no_guest(test):
    """Frames for a guest that is not there: drop_guest_down."""
    daemon = start(test)
    daemon.wait_total(FLOOD, "drop_guest_down")
    daemon.stop()
    totals = daemon.totals()[FLOOD]
    # Both are read while they grow
    expect(0.9 < totals["drop_guest_down"] / totals["port_rx"] < 1.1, f"not all: {totals}")


def test_frames_larger_than_the_buffers(test):
    """Without mergeable buffers a larger frame is dropped, the rest goes on: drop_too_big."""
    daemon = start(test, "net_null0,size=1000")
    report = guest.run(test, daemon.sockets["vm1"], "rx", viommu="4k", buf_size=512,
                       mergeable="off", duration=1)
    expect_equal((report["rx_frames"], report["malformed"]), (0, 0), "frames in the guest")
    daemon.wait_total("guest vm1 ring 0", "drop_too_big")
    report = guest.run(test, daemon.sockets["vm1"], "rx", viommu="4k", buf_size=512,
                       mergeable="on", duration=1)
    guest.expect_good(report)


def test_a_guest_without_buffers(test):
    """A guest that takes nothing for long: drop_guest_full, and all is well later."""
    daemon = start(test)
    lazy = guest.Guest(test, daemon.sockets["vm1"], "tx", viommu="4k")
    daemon.wait_total(FLOOD, "drop_guest_full")
    lazy.stop()
    guest.expect_good(guest.run(test, daemon.sockets["vm1"], "rx", viommu="4k", duration=1))


def test_a_guest_whose_buffers_are_not_translated(test):
    """Misses that stay open for long: drop_guest_miss."""
    daemon = start(test, iotlb={"miss_timeout_ms": 50})
    deaf = guest.Guest(test, daemon.sockets["vm1"], "rx", viommu="4k", no_answer=True)
    daemon.wait_total(FLOOD, "drop_guest_miss")
    expect_equal(daemon.total("guest vm1 ring 0", "packets"), 0, "frames for the deaf guest")
    deaf.stop()
    guest.expect_good(guest.run(test, daemon.sockets["vm1"], "rx", viommu="4k", duration=1))


def test_a_port_that_takes_nothing(test):
    """A memif without a peer takes no frames: drop_port_full, and the guest goes on."""
    path = f"{test.directory()}/memif.sock"
    daemon = Daemon(test, {"vm1": {"wire": "lonely"}},
                    {"lonely": f"net_memif0,role=server,socket={path},socket-abstract=no"}
                    ).start()
    sender = guest.Guest(test, daemon.sockets["vm1"], "tx", viommu="4k")
    daemon.wait_total("port lonely queue 0", "drop_port_full", 100)
    report = sender.stop()
    expect(report["tx_frames"] > 256, "the guest's ring stayed full")
