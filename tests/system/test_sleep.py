# SPDX-License-Identifier: BSD-3-Clause
"""test_sleep.py - Poll-mode threads that sleep while nothing is to do

The ports here raise no interrupts, so threads nap.  They nap for as long as they may,
and what a guest does not wake them for is counted as late.
"""

import functools
import os
import time

from daemon import Daemon
from guest import verify
from outcome import expect
from process import cpus

LAYOUTS = {
    "split": {},
    "split, event index": {"event_idx": True},
    "packed": {"packed": True},
    "packed, event index": {"packed": True, "event_idx": True},
}
VIOMMUS = ["off", "4k"]
NAP_US = 50000
# Each frame finds the thread about to sleep, asleep, or awake
PHASES = 3000


def counters(daemon):
    """Return the totals of the one poll-mode thread."""
    return daemon.totals().get(f"pmd core {cpus()[0]}", {})


def phases(test, layout, viommu):
    """Frames one at a time go through, kicked when the thread sleeps."""
    daemon = Daemon(test, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"},
                    pmd={"idle_sleep_us": 1, "nap_us": NAP_US}).start()
    report = verify(test, daemon.sockets["vm1"], viommu=viommu, window=1, burst=1, count=PHASES,
                    duration=30, base=65500, interrupts=True, **LAYOUTS[layout])
    daemon.stop()
    found = counters(daemon)
    expect(report["kicks"] > PHASES / 100, f"the guest kicked {report['kicks']} times")
    expect(found.get("kicks", 0) > PHASES / 100, f"counters of the thread: {found}")
    # Where a kick was missed; a guest that is not run between a frame and its kick is no fault
    expect(found.get("late", 0) < PHASES / 100, f"counters of the thread: {found}")


def test_sleeping_threads_are_not_polled_for(test):
    """After its sleep a thread that is busy tells the guest not to kick."""
    daemon = Daemon(test, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"},
                    pmd={"idle_sleep_us": 100000}).start()
    report = verify(test, daemon.sockets["vm1"], viommu="4k", count=20000, duration=20)
    daemon.stop()
    expect(report["kicks"] < 20000 / 32 / 4, f"the guest kicked {report['kicks']} times")


def ticks(daemon):
    """Return the processor time a daemon has used, in clock ticks."""
    with open(f"/proc/{daemon.pid}/stat", encoding="ascii") as file:
        words = file.read().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def busy(test, **pmd):
    """Return how much of a CPU a daemon takes that has nothing to do, and the daemon."""
    daemon = Daemon(test, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"}, pmd=pmd).start()
    # Until it has been idle for long enough
    time.sleep(0.5)
    before = ticks(daemon)
    time.sleep(1)
    used = (ticks(daemon) - before) / os.sysconf("SC_CLK_TCK")
    daemon.stop()
    return used, daemon


def test_an_idle_daemon_uses_little(test):
    """A fraction of what one takes that polls."""
    polling, _ = busy(test)
    sleeping, daemon = busy(test, idle_sleep_us=50)
    print(f"# {test.name}: {sleeping:.2f} of a CPU while it sleeps, {polling:.2f} while it polls",
          flush=True)
    expect(counters(daemon).get("sleeps", 0) > 100, f"counters of the thread: {counters(daemon)}")
    expect(sleeping < polling / 2, f"{sleeping:.2f} of a CPU while it sleeps, {polling:.2f} "
                                   "while it polls")


def tests():
    """Yield every layout with and without a vIOMMU, then the others."""
    for layout in LAYOUTS:
        for viommu in VIOMMUS:
            yield (f"{layout}, vIOMMU {viommu}, frames one at a time",
                   functools.partial(phases, layout=layout, viommu=viommu))
    yield "a busy thread is not kicked", test_sleeping_threads_are_not_polled_for
    yield "an idle daemon uses little", test_an_idle_daemon_uses_little
