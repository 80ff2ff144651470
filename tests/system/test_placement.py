# SPDX-License-Identifier: BSD-3-Clause
"""test_placement.py - Which thread polls which queue pair"""

import re

from daemon import Daemon
from guest import Guest, run
from outcome import Skipped, expect, expect_equal, wait_for
from process import cpus


def two_cpus():
    """Return two CPUs to poll on, or skip the test."""
    if len(cpus()) < 2 or cpus()[0] == cpus()[1]:
        raise Skipped("there is one CPU only")
    return sorted(cpus()[:2])


def carried(report):
    """Expect frames that came back as they were sent.

    Every CPU is a poller's here, so a guest that waits long for its turn may lose
    some; what is tested is who polls.
    """
    expect(report["rx_frames"] > 0 and not report["corrupt"], "no frames, or bad ones")


def test_a_guest_goes_to_the_least_loaded(test):
    """Ports 0 and 2 begin on one thread; once both have guests, they share no thread."""
    cores = two_cpus()
    names = ["a", "b", "c"]
    daemon = Daemon(test, {f"vm{name}": {"wire": name} for name in names},
                    {name: f"net_ring{at}" for at, name in enumerate(names)},
                    pmd={"cores": "{},{}".format(*cores)}).start()
    first = Guest(test, daemon.sockets["vma"], "verify", duration=4, viommu="4k")
    daemon.wait_total("guest vma ring 1", "packets")
    second = run(test, daemon.sockets["vmc"], "verify", viommu="4k", duration=1)
    carried(first.wait())
    carried(second)
    daemon.stop()
    # The first found both idle and stayed, the second moved to the other
    expect_equal([daemon.total(f"port {name} queue 0", "core") for name in "ac"], cores,
                 "CPUs that polled the guests")


def test_a_busy_thread_is_avoided(test):
    """One guest with traffic weighs more than one with more rings and nothing to do."""
    cores = two_cpus()
    daemon = Daemon(test, {"vma": {"wire": "a"}, "vmb": {"wire": "b", "queues": 2, "cores": cores[1]},
                           "vmc": {"wire": "c"}},
                    {"a": "net_null0", "b": {"devargs": "net_ring1", "queues": 2},
                     "c": "net_ring2"},
                    pmd={"cores": "{},{}".format(*cores)}, log={"stats_s": 1}).start()
    # A large ring, to keep the port busy while the guest waits for a CPU
    busy = Guest(test, daemon.sockets["vma"], "rx", ring_size=16384, duration=6)
    daemon.wait_total("guest vma ring 0", "packets")
    idle = Guest(test, daemon.sockets["vmb"], "rx", pairs=2, duration=6)
    wait_for("the first core alone to be busy", lambda: re.search(
        rf"core {cores[0]}: [1-9]\d* % busy.*\n.*core {cores[1]}: 0 % busy", daemon.log()))
    carried(run(test, daemon.sockets["vmc"], "verify", duration=1))
    busy.wait()
    idle.wait()
    daemon.stop()
    core = {name: daemon.total(f"port {name} queue 0", "core") for name in "ac"}
    expect_equal(core, {"a": cores[0], "c": cores[1]}, "CPUs that polled the guests")


def test_a_pinned_guest_stays_where_it_was_pinned(test):
    """Every pair of it, from the first frame to the last, however loaded that CPU is."""
    cores = two_cpus()
    for pin in cores:
        daemon = Daemon(test, {"vm1": {"wire": "ring", "queues": 3, "cores": pin}},
                        {"ring": {"devargs": "net_ring0", "queues": 3}},
                        pmd={"cores": "{},{}".format(*cores)}).start()
        carried(run(test, daemon.sockets["vm1"], "verify", pairs=3, viommu="4k", duration=1))
        daemon.stop()
        expect_equal([daemon.total(f"port ring queue {queue}", "core") for queue in range(3)],
                     [pin] * 3, "CPUs that polled the pairs")


def test_pairs_of_one_guest_are_spread(test):
    """More pairs than threads, more threads than pairs of one guest: all of them are used."""
    cores = two_cpus()
    daemon = Daemon(test, {"vm1": {"wire": "ring", "queues": 4}},
                    {"ring": {"devargs": "net_ring0", "queues": 4}},
                    pmd={"cores": "{},{}".format(*cores)}).start()
    report = run(test, daemon.sockets["vm1"], "verify", pairs=4, viommu="4k", duration=1)
    carried(report)
    daemon.stop()
    used = [daemon.total(f"port ring queue {queue}", "core") for queue in range(4)]
    expect_equal(sorted(used), sorted(cores * 2), "CPUs that polled the pairs")
