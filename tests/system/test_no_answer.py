# SPDX-License-Identifier: BSD-3-Clause
"""test_no_answer.py - A miss that is never answered stalls only its own guest"""

from daemon import Daemon
from guest import Guest, verify
from outcome import expect, expect_equal

IOTLB = {"miss_timeout_ms": 20, "miss_retries": 2}


def start(test):
    """Start a daemon with a guest that answers and one that does not."""
    daemon = Daemon(test, {"deaf": {"wire": "a"}, "good": {"wire": "b"}},
                    {"a": "net_ring0", "b": "net_ring1"}, iotlb=IOTLB).start()
    return daemon, Guest(test, daemon.sockets["deaf"], "verify", viommu="4k", no_answer=True)


def test_a_neighbour_loses_nothing(test):
    """Another guest's frames come back while the first one's misses time out."""
    daemon, deaf = start(test)
    daemon.wait_total("guest deaf", "asked")
    verify(test, daemon.sockets["good"], viommu="4k", duration=2)
    verify(test, daemon.sockets["good"], viommu="4k", map="dynamic", count=500, duration=10)
    expect(deaf.process.alive(), "the deaf guest ended by itself")
    expect_equal(daemon.total("guest deaf ring 0", "packets"), 0, "frames for the deaf guest")


def test_the_fault_is_counted_and_logged(test):
    """After its retries the miss is a fault with a name."""
    daemon, _ = start(test)
    daemon.wait_total("guest deaf", "faults")
    expect(daemon.total("guest deaf", "asked_again") > 0, "it was not asked again")
    expect_equal(daemon.total("guest good", "faults"), 0, "faults of the other guest")
    said = [line for line in daemon.log().splitlines() if "deaf" in line and "warning" in line]
    expect(said, "no warning names the guest")


def test_the_daemon_ends_all_the_same(test):
    """Misses without an answer do not delay the end, nor the guest's own."""
    daemon, deaf = start(test)
    daemon.wait_total("guest deaf", "asked")
    deaf.stop()
    took = daemon.stop()
    expect(took < 1, f"vunetd took {took:.2f} s to end")
