# SPDX-License-Identifier: BSD-3-Clause
"""test_rings.py - Layouts of rings and ways to notify, with every shape of buffers

layout x vIOMMU x shape.  The indexes begin shortly before they wrap, and so do
the wrap counters.
"""

import functools
import itertools

from daemon import Daemon
from guest import verify
from outcome import expect, expect_equal

LAYOUTS = {
    "split, event index": {"event_idx": True},
    "split, in order": {"in_order": True},
    "packed": {"packed": True},
    "packed, event index": {"packed": True, "event_idx": True},
    "packed, event index, in order": {"packed": True, "event_idx": True, "in_order": True},
}
VIOMMUS = ["off", "4k"]
SHAPES = {
    "one descriptor": {},
    "one buffer": {"mergeable": "off"},
    "chains": {"chain": 3},
    "indirect tables": {"indirect": True, "chain": 4},
    "mergeable buffers": {"buf_size": 300},
    "mergeable chains in a small ring": {"buf_size": 700, "chain": 2, "ring_size": 32},
    "interrupts": {"interrupts": True},
}
# Only behind a vIOMMU
MAPPED = {"buffers mapped per frame": {"map": "dynamic", "chain": 2, "indirect": True,
                                       "count": 500}}
COUNT = 20000
BASE = 65500
# Without events a burst is a kick, or an interrupt
BURST = 32


def set_up(shared):
    """Start a daemon with a wire that returns what is sent."""
    shared.daemon = Daemon(shared, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"}).start()


def cell(test, layout, viommu, shape):
    """Frames come back complete, in order and as they were, and nobody is woken for nothing."""
    options = {"count": COUNT, **LAYOUTS[layout], **SHAPES.get(shape, MAPPED.get(shape))}
    report = verify(test, test.shared.daemon.sockets["vm1"], viommu=viommu, sizes="random",
                    base=BASE, duration=10, **options)
    expect_equal(report["tx_frames"], options["count"], "frames sent")
    expect_equal(report["ring"], "packed" if options.get("packed") else "split", "layout")
    # It polls, and says so
    expect(report["kicks"] < COUNT / BURST / 4, f"{report['kicks']} kicks for {COUNT} frames")
    if options.get("interrupts"):
        expect(report["calls"] > 0, "the guest never slept until it was called")


def tests():
    """Yield every cell."""
    for layout, viommu, shape in itertools.product(LAYOUTS, VIOMMUS, [*SHAPES, *MAPPED]):
        if shape in MAPPED and viommu == "off":
            continue
        yield (f"{layout}, vIOMMU {viommu}, {shape}",
               functools.partial(cell, layout=layout, viommu=viommu, shape=shape))
