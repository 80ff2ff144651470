# SPDX-License-Identifier: BSD-3-Clause
"""test_placement.py - Which thread polls which queue pair"""

from daemon import Daemon
from guest import Guest, run
from outcome import Skipped, expect, expect_equal
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
