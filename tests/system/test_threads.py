# SPDX-License-Identifier: BSD-3-Clause
"""test_threads.py - Two poll-mode threads at work while everything changes

Guests map and unmap each buffer, switch their pairs off and on, come, leave and
die, and counters are read meanwhile.  What arrives has to be whole and in order.
The daemon has no configuration to be read anew: that guests come and go, which
moves rings between the threads, is all that changes while it runs.

It is under ThreadSanitizer that this shows most: any access to shared data that
nothing orders ends the daemon (tests/run.sh tsan).
"""

import functools
import signal
import time

from daemon import Daemon
from guest import BACKEND, Guest, run
from outcome import expect, expect_equal
from test_placement import two_cpus

SECONDS = 5
VISITS_LEAST = 3
TIMEOUT_MS = 15000
NEVER = ("corrupt", "malformed", "ring_errors", "poison_violations", "calls_missed", "leaked",
         "hdr_errors", "csum_errors")
# They leave the CPUs to the poll-mode threads when they have nothing to do
STEADY = {
    "mapping": {"viommu": "4k", "map": "dynamic", "batch": True, "pairs": 2, "interrupts": True},
    "toggling": {"viommu": "4k", "map": "static-push", "packed": True, "event_idx": True,
                 "toggle": 100, "pairs": 2, "interrupts": True},
    "streaming": {"offloads": "all", "in_order": True, "interrupts": True},
}
VISITS = [{"viommu": "4k"}, {"viommu": "2m", "packed": True, "map": "dynamic"}, {},
          {"viommu": "4k", "event_idx": True, "map": "dynamic"}]


def alive(daemon):
    """Fail, with what ThreadSanitizer says, if the daemon has ended."""
    said = [line for line in daemon.log().splitlines() if line.startswith("SUMMARY")]
    expect(daemon.process.alive(), f"vunetd has ended: {said or daemon.last_line()}")


def whole(report, name):
    """Fail if frames came that were not sent like that; return how many came.

    Every CPU is a poller's, so a guest that waits long for its turn may lose some,
    or all that it sends in a short visit.
    """
    expect(report.status != BACKEND, f"{name} gave up: {report.complaint}")
    wrong = {counter: report[counter] for counter in NEVER if report[counter]}
    expect(not wrong, f"{name} counted {wrong}")
    return report["rx_frames"]


def visit(test, daemon, number):
    """Have a guest come and go, or be killed; return the frames it is known to have got."""
    options = {**VISITS[number % len(VISITS)], "interrupts": True, "timeout": TIMEOUT_MS}
    frames = 0
    if number % 3:
        report = run(test, daemon.sockets["visited"], "verify", count=100, duration=20, **options)
        alive(daemon)
        frames = whole(report, "a visitor")
    else:
        guest = Guest(test, daemon.sockets["visited"], "verify", **options)
        time.sleep(0.2)
        guest.process.signal(signal.SIGKILL)
        guest.process.wait(10)
    alive(daemon)
    daemon.process.signal(signal.SIGUSR1)
    return frames


def everything_changes(test, pmd):
    """Nothing is torn, and nothing is left behind."""
    names = [*STEADY, "visited"]
    queues = {name: STEADY.get(name, {}).get("pairs", 1) for name in names}
    daemon = Daemon(test, {name: {"wire": name[0], "queues": queues[name]} for name in names},
                    {name[0]: {"devargs": f"net_ring{at}", "queues": queues[name],
                               "descriptors": 256} for at, name in enumerate(names)},
                    pmd={"cores": "{},{}".format(*two_cpus()), **pmd}).start()
    steady = {name: Guest(test, daemon.sockets[name], "verify", duration=SECONDS,
                          timeout=TIMEOUT_MS, **options)
              for name, options in STEADY.items()}
    number = frames = 0
    while number < VISITS_LEAST or any(guest.process.alive() for guest in steady.values()):
        frames += visit(test, daemon, number)
        number += 1
    for name, guest in steady.items():
        frames += whole(guest.wait(), name)
    expect(frames > 100, f"only {frames} frames reached any guest")
    daemon.stop()
    cores = {counters["core"] for what, counters in daemon.totals().items()
             if what.startswith("port ")}
    expect_equal(len(cores), 2, "threads that polled")


def tests():
    """Yield threads that sleep when there is nothing to do for long, and whenever they can.

    Ones that never do would leave no CPU to the guests, where there are but two.
    """
    for name, us in {"rarely": 5000, "often": 50}.items():
        yield (f"everything changes, they sleep {name}",
               functools.partial(everything_changes, pmd={"idle_sleep_us": us}))
