# SPDX-License-Identifier: BSD-3-Clause
"""test_calls.py - Interrupts that keep a distance: fewer of them, and none missed

The guest sleeps until it is called, and counts it when it should have been and was
not.
"""

import functools

from daemon import Daemon
from guest import run, verify
from outcome import expect

LAYOUTS = {
    "split": {},
    "split, event index": {"event_idx": True},
    "packed": {"packed": True},
    "packed, event index": {"packed": True, "event_idx": True},
}
INTERVAL_US = 2000
COUNT = 3000


def delayed(test, layout):
    """Frames come back complete though most interrupts wait, also the very last one."""
    daemon = Daemon(test, {"vm1": {"wire": "ring", "call_interval_us": INTERVAL_US}},
                    {"ring": "net_ring0"}).start()
    # Few frames under way, so that the guest sleeps often
    report = verify(test, daemon.sockets["vm1"], viommu="4k", interrupts=True, window=4, burst=2,
                    count=COUNT, duration=20, base=65500, **LAYOUTS[layout])
    daemon.stop()
    expect(report["calls"] > 0, "the guest never slept until it was called")
    rings = [f"guest vm1 ring {ring}" for ring in range(2)]
    waited = sum(daemon.total(ring, "calls_delayed") for ring in rings)
    expect(waited > 0, f"no call waited: {daemon.totals()}")


def test_a_guest_that_polls_is_not_called(test):
    """It has said so, and nothing waits for it either."""
    daemon = Daemon(test, {"vm1": {"wire": "ring", "call_interval_us": INTERVAL_US}},
                    {"ring": "net_ring0"}).start()
    run(test, daemon.sockets["vm1"], "verify", viommu="4k", count=COUNT, duration=20)
    daemon.stop()
    rings = daemon.totals()["guest vm1 ring 0"], daemon.totals()["guest vm1 ring 1"]
    expect(not any("calls" in ring or "calls_delayed" in ring for ring in rings),
           f"it was called: {rings}")


def tests():
    """Yield every layout, then the other one."""
    for layout in LAYOUTS:
        yield f"{layout}, sleeping guest", functools.partial(delayed, layout=layout)
    yield "a guest that polls is not called", test_a_guest_that_polls_is_not_called
