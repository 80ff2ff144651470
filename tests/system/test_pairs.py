# SPDX-License-Identifier: BSD-3-Clause
"""test_pairs.py - Two queue pairs, each on the queue of the port with its number"""

from daemon import Daemon
from guest import expect_good, run, verify
from outcome import expect, expect_equal

PORT = {"devargs": "net_ring0", "queues": 2}


def test_two_pairs_carry_frames(test):
    """Queue 0 and 1 of the port each return what their pair sent."""
    daemon = Daemon(test, {"vm1": {"wire": "ring", "queues": 2}}, {"ring": PORT}).start()
    report = verify(test, daemon.sockets["vm1"], pairs=2, viommu="4k", count=10000, duration=10)
    daemon.stop()
    carried = [daemon.total(f"port ring queue {queue}", "port_rx") for queue in range(2)]
    expect(all(carried), f"frames by queue: {carried}")
    expect_equal(sum(carried), report["rx_frames"], "frames received by the port")


def test_a_guest_may_use_fewer_pairs(test):
    """A front-end with one pair is served by a daemon that offers two."""
    daemon = Daemon(test, {"vm1": {"wire": "ring", "queues": 2}}, {"ring": PORT}).start()
    verify(test, daemon.sockets["vm1"], pairs=1, viommu="4k", count=5000, duration=10)
    verify(test, daemon.sockets["vm1"], pairs=2, viommu="4k", count=5000, duration=10)


def test_as_many_pairs_as_the_protocol_can_name(test):
    """With 128 pairs, more than anything has threads for, each pair gets frames back and forth."""
    pairs = 128
    daemon = Daemon(test, {"vm1": {"wire": "null", "queues": pairs}},
                    {"null": {"devargs": "net_null0", "queues": pairs, "descriptors": 64}},
                    dpdk={"memory_mb": 512}).start()
    report = run(test, daemon.sockets["vm1"], "l2fwd", pairs=pairs, viommu="4k", ring_size=32,
                 burst=8, count=pairs * 1000, duration=20)
    expect_good(report)
    daemon.stop()
    # Even rings are the guest's receive rings
    idle = [ring for ring in range(2 * pairs)
            if not daemon.total(f"guest vm1 ring {ring}", "packets")]
    expect(not idle, f"rings without a frame: {idle}")
