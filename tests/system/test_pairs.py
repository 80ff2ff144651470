# SPDX-License-Identifier: BSD-3-Clause
"""test_pairs.py - Queue pairs, each on the queue of the port with its number, on and off"""

import functools

from daemon import Daemon
from guest import expect_good, run, verify
from outcome import expect, expect_equal

PORT = {"devargs": "net_ring0", "queues": 2}


LAYOUTS = {"split": {}, "packed, event index": {"packed": True, "event_idx": True},
           "packed, sleeping guest": {"packed": True, "interrupts": True}}


def two_pairs_carry_frames(test):
    """Queue 0 and 1 of the port each return what their pair sent."""
    daemon = Daemon(test, {"vm1": {"wire": "ring", "queues": 2}}, {"ring": PORT}).start()
    report = verify(test, daemon.sockets["vm1"], pairs=2, viommu="4k", count=10000, duration=10)
    daemon.stop()
    carried = [daemon.total(f"port ring queue {queue}", "port_rx") for queue in range(2)]
    expect(all(carried), f"frames by queue: {carried}")
    expect_equal(sum(carried), report["rx_frames"], "frames received by the port")


def a_guest_may_use_fewer_pairs(test):
    """A front-end with one pair is served by a daemon that offers two."""
    daemon = Daemon(test, {"vm1": {"wire": "ring", "queues": 2}}, {"ring": PORT}).start()
    verify(test, daemon.sockets["vm1"], pairs=1, viommu="4k", count=5000, duration=10)
    verify(test, daemon.sockets["vm1"], pairs=2, viommu="4k", count=5000, duration=10)


def as_many_pairs_as_the_protocol_can_name(test):
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


def switched(test, options):
    """Pairs go off and on under traffic: nothing is lost or late, or sent by one that is off."""
    pairs = 3
    port = {"devargs": "net_ring0", "queues": pairs}
    daemon = Daemon(test, {"vm1": {"wire": "ring", "queues": pairs}}, {"ring": port}).start()
    report = verify(test, daemon.sockets["vm1"], pairs=pairs, viommu="4k", toggle=10, duration=2,
                    **options)
    # A receive ring off and on, a pair off and on
    expect(report["toggles"] >= 4, f"switched only {report['toggles']} times")
    expect(report["tx_doomed"] >= 20, f"only {report['tx_doomed']} frames for rings that are off")
    daemon.stop()
    dropped = [daemon.total(f"port ring queue {queue}", "drop_disabled")
               for queue in range(pairs)]
    # Those of a failed attempt are among them
    expect(sum(dropped) >= report["tx_doomed"], f"only {dropped} of {report['tx_doomed']}")
    carried = [daemon.total(f"guest vm1 ring {ring}", "packets") for ring in range(2 * pairs)]
    expect(all(carried), f"frames by ring: {carried}")


def tests():
    """Yield all of them."""
    for function in (two_pairs_carry_frames, a_guest_may_use_fewer_pairs,
                     as_many_pairs_as_the_protocol_can_name):
        yield function.__name__.replace("_", " "), function
    for name, options in LAYOUTS.items():
        yield (f"pairs switched off and on under traffic, {name}",
               functools.partial(switched, options=options))
