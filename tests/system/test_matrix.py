# SPDX-License-Identifier: BSD-3-Clause
"""test_matrix.py - Every kind of vIOMMU with every kind of mapping

vIOMMU x traffic x mapping x receive buffers, each with frames of random size.
All cells are served by one daemon, one front-end after the other.
"""

import functools
import itertools

from daemon import Daemon
from guest import expect_good, run, verify
from outcome import expect, expect_equal

VIOMMUS = ["off", "4k", "2m", "1g"]
MAPS = ["static-demand", "static-push", "dynamic"]
MERGEABLE = ["on", "off"]
# A dynamic guest makes some thousand maps a second, and waits for each
COUNT = {"static-demand": 20000, "static-push": 20000, "dynamic": 500}


def set_up(shared):
    """Start a daemon with a wire that returns what is sent, and one that floods."""
    shared.daemon = Daemon(shared, {"loop": {"wire": "ring"}, "flood": {"wire": "null"}},
                           {"ring": "net_ring0", "null": "net_null0"},
                           # Whatever waits for a question to be repeated is lost
                           iotlb={"miss_timeout_ms": 60000}).start()


def check_translated(report, viommu, mapping):
    """Fail unless the vIOMMU was as much in the way as it should be."""
    misses, updates, gone = (report[name] for name in ("misses", "updates", "invalidations"))
    if viommu == "off":
        expect_equal((misses, updates, gone), (0, 0, 0), "traffic of a vIOMMU that is off")
        return
    expect(updates > 0, "nothing was translated")
    if mapping != "static-push":
        expect(misses > 0, "nothing was asked for")
    if mapping == "dynamic":
        expect(gone >= report["tx_frames"], "frames were sent without unmapping them")


def cell_verify(test, viommu, mapping, mergeable):
    """Frames come back complete, in order and as they were."""
    count = COUNT[mapping]
    report = verify(test, test.shared.daemon.sockets["loop"], viommu=viommu, map=mapping,
                    mergeable=mergeable, sizes="random", size=1514, count=count, duration=10)
    expect_equal(report["tx_frames"], count, "frames sent")
    check_translated(report, viommu, mapping)


def cell_l2fwd(test, viommu, mapping, mergeable):
    """Frames keep coming, and are sent back."""
    count = COUNT[mapping]
    report = run(test, test.shared.daemon.sockets["flood"], "l2fwd", viommu=viommu, map=mapping,
                 mergeable=mergeable, count=count, duration=10)
    expect_good(report)
    expect(report["tx_frames"] >= count, f"only {report['tx_frames']} frames were forwarded")
    check_translated(report, viommu, mapping)


def tests():
    """Yield every cell that makes sense."""
    for viommu, mapping, mergeable, cell in itertools.product(
            VIOMMUS, MAPS, MERGEABLE, (cell_verify, cell_l2fwd)):
        if viommu == "off" and mapping != "static-demand":
            continue
        mode = cell.__name__.removeprefix("cell_")
        yield (f"{mode}, vIOMMU {viommu}, {mapping}, mergeable {mergeable}",
               functools.partial(cell, viommu=viommu, mapping=mapping, mergeable=mergeable))
