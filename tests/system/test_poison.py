# SPDX-License-Identifier: BSD-3-Clause
"""test_poison.py - A page is not touched after its invalidation was acknowledged

The guest is flooded while it takes pages away, fills them with a pattern once
the invalidation is acknowledged, and watches them.  What makes the race likely
is a ring that does not run dry meanwhile, and a poll-mode thread that is
interrupted between translating an address and writing there: something else
runs on its CPU.

The same test is run with a daemon built without the grace period.  There it
must fail, or it tests nothing.
"""

import os
import sys
import time

import guest
from daemon import Daemon
from outcome import expect, expect_equal
from process import Process, cpus, run

BUILD_SECONDS = 240
PATIENCE_SECONDS = 20
LIKELY = {"viommu": "2m", "buf_size": 256, "ring_size": 4096}
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def start(test, build=None):
    """Start a daemon that floods its guest, and something that disturbs it."""
    daemon = Daemon(test, {"vm1": {"wire": "flood"}}, {"flood": "net_null0,size=64"},
                    build=build).start()
    hog = Process("hog", ["taskset", "-c", str(cpus()[0]), sys.executable, "-c",
                          "while True: pass"], os.path.join(test.directory(), "hog.log"))
    test.callback(hog.close)
    return daemon


def take_pages_away(test, daemon, seconds, seed=1, **options):
    """Run the guest, return its report."""
    report = guest.run(test, daemon.sockets["vm1"], "poison", duration=seconds, seed=seed,
                       **{**LIKELY, **options})
    expect(report.status in (guest.GOOD, guest.BAD), "the guest could not finish")
    expect(report["rx_frames"] > 1000, "hardly a frame reached the guest")
    expect(report["poison_checks"] > 50, "hardly a page was taken away")
    return report


def test_pages_under_load_are_let_go(test):
    """No byte changes after an acknowledgement, whatever the page size."""
    daemon = start(test)
    for viommu, layout in (("2m", {}), ("4k", {}), ("1g", {}),
                           ("2m", {"packed": True, "in_order": True})):
        report = take_pages_away(test, daemon, 3, viommu=viommu, **layout)
        expect_equal(report["poison_violations"], 0, f"pages of {viommu} changed, {layout}")
        expect_equal(report.status, guest.GOOD, "exit status of the guest")
    daemon.stop()


def test_pages_mapped_per_frame_are_let_go(test):
    """Buffers that wait between two uses keep their pattern."""
    daemon = Daemon(test, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"}).start()
    for viommu, layout in (("4k", {}), ("2m", {}),
                           ("4k", {"in_order": True, "packed": True}), ("2m", {"in_order": True})):
        report = guest.verify(test, daemon.sockets["vm1"], viommu=viommu, map="dynamic",
                              poison=True, buf_size=3000, count=1500, duration=10, **layout)
        expect(report["poison_checks"] > 1500, "hardly a buffer was looked at")


def test_the_test_fails_without_grace_periods(test):
    """A daemon that acknowledges too early is found out."""
    run(["make", "-s", "-C", TOP, "BUILD=nograce", "build/nograce/vunetd"], BUILD_SECONDS)
    daemon = start(test, "nograce")
    end = time.monotonic() + PATIENCE_SECONDS
    for seed in range(1, 100):
        report = take_pages_away(test, daemon, 2, seed)
        if report["poison_violations"]:
            expect_equal(report.status, guest.BAD, "exit status of the guest")
            return
        expect(time.monotonic() < end, "nothing was touched too late: the test tests nothing")


test_the_test_fails_without_grace_periods.seconds = BUILD_SECONDS + 60
