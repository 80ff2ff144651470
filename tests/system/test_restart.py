# SPDX-License-Identifier: BSD-3-Clause
"""test_restart.py - The daemon ends in mid-traffic, and another takes over

The guest goes on: it holds its rings, and reaches the next daemon as QEMU does
with `reconnect=`.  What comes back must be in order and as it was sent; frames
that were in the daemon's hands when it ended are the only ones that may be
missing.  No buffer may be lost or come back twice, and at the end each ring has
to be exactly where it was used to.

RESTARTS=100 has each of them meet so many, with and without a vIOMMU.
"""

import functools
import os
import random
import shutil
import signal
import time

from daemon import Daemon
from guest import Guest, expect_good
from outcome import expect, expect_equal, wait_for

RESTARTS = int(os.environ.get("RESTARTS", "2"))
SEED = int(os.environ.get("SEED", str(time.time_ns() % 1000000)))
WINDOW = 64
RECONNECT_MS = 20
LAYOUTS = {
    "split": {"event_idx": True},
    "split, in order, interrupts": {"in_order": True, "event_idx": True, "interrupts": True},
    "split, chains": {"chain": 3},
    "packed": {"packed": True},
    "packed, frames in pieces": {"packed": True, "buf_size": 300, "size": 1514,
                                 "sizes": "random", "window": 16},
    "packed, chains": {"packed": True, "chain": 3, "event_idx": True, "window": 32},
    "packed, in order, interrupts": {"packed": True, "in_order": True, "event_idx": True,
                                     "interrupts": True},
}
# What the daemon has in its hands is not in the guest's
VIOMMUS = {"": {"viommu": "off"}, ", vIOMMU": {"viommu": "4k"},
           ", vIOMMU, mapped per frame": {"viommu": "4k", "map": "dynamic"}}


def kill(daemon):
    """End it without its having a say."""
    daemon.process.signal(signal.SIGKILL)
    daemon.process.wait(10)


def stop(daemon):
    """Ask it to end."""
    daemon.stop()


def upgrade(daemon):
    """Ask it to end, and put another program in its place."""
    daemon.stop()
    if daemon.binary != os.path.join(daemon.directory, "vunetd.new"):
        shutil.copy(daemon.binary, os.path.join(daemon.directory, "vunetd.new"))
        daemon.binary = os.path.join(daemon.directory, "vunetd.new")


def times_again(guest):
    """Return when, by our clock, traffic came again after each end of a daemon."""
    return [float(line.partition("=")[2]) for line in guest.process.text().splitlines()
            if line.startswith("again=")]


def restart(daemon, guest, end, number, rng):
    """End the daemon and start another, return the seconds until traffic came again."""
    time.sleep(rng.random() * 0.1)
    end(daemon)
    began = time.monotonic()
    daemon.start()
    wait_for(f"traffic after restart {number + 1}", lambda: len(times_again(guest)) > number)
    return times_again(guest)[number] - began


def survives(test, end, layout, viommu, mode="server", times=RESTARTS):
    """Traffic goes on behind each restart, and each buffer comes back once."""
    rng = random.Random(SEED)
    daemon = Daemon(test, {"vm1": {"wire": "ring", "mode": mode}}, {"ring": "net_ring0"}).start()
    options = {"window": WINDOW, "reconnect": RECONNECT_MS, "seed": SEED,
               "base": 0 if "packed" in layout else rng.randrange(65536), **VIOMMUS[viommu],
               **LAYOUTS[layout]}
    if mode == "client":
        options["server"] = True
    guest = Guest(test, daemon.sockets["vm1"], "verify", **options)
    daemon.wait_total("guest vm1 ring 0", "packets", 1000)
    took = [restart(daemon, guest, end, number, rng) for number in range(times)]
    report = guest.stop()
    print(f"# {test.name}: traffic again after {min(took):.2f} to {max(took):.2f} s, "
          f"{report['rx_frames']} frames verified, {report['cut']} cut off", flush=True)
    expect_good(report)
    expect_equal(report["revivals"], times, "daemons met")
    expect_equal(report["tx_left"], 0, "frames nobody took")
    expect(report["cut"] <= 2 * times * options["window"], f"{report['cut']} frames cut off")
    return daemon


survives.seconds = 60 + 10 * RESTARTS


def two_guests(test):
    """A guest that leaves while there is no daemon harms none that stays."""
    daemon = Daemon(test, {"vm1": {"wire": "a"}, "vm2": {"wire": "b"}},
                    {"a": "net_ring0", "b": "net_ring1"}).start()
    options = {"viommu": "4k", "packed": True, "reconnect": RECONNECT_MS, "window": WINDOW}
    guests = [Guest(test, daemon.sockets[name], "verify", **options) for name in ("vm1", "vm2")]
    for name in ("vm1", "vm2"):
        daemon.wait_total(f"guest {name} ring 0", "packets", 100)
    kill(daemon)
    guests[1].process.close()
    daemon.start()
    # A new one at the same place, whose rings begin anew
    second = Guest(test, daemon.sockets["vm2"], "verify", **options)
    daemon.wait_total("guest vm2 ring 0", "packets", 100)
    wait_for("traffic of the first", lambda: times_again(guests[0]))
    for guest in (guests[0], second):
        report = guest.stop()
        expect_good(report)
        expect_equal(report["tx_left"], 0, "frames nobody took")


def tests():
    """Yield every way to end, and every layout."""
    for number, layout in enumerate(LAYOUTS):
        both = ("", ", vIOMMU")
        for viommu in both if RESTARTS > 2 else (both[number % 2],):
            way = functools.partial(survives, end=kill, layout=layout, viommu=viommu)
            way.seconds = survives.seconds
            yield f"killed, {layout}{viommu}", way
    for name, end, layout, viommu, mode in (
            ("killed, client mode", kill, "split", ", vIOMMU, mapped per frame", "client"),
            ("stopped", stop, "packed", ", vIOMMU", "server"),
            ("stopped, client mode", stop, "split", ", vIOMMU", "client"),
            ("upgraded", upgrade, "packed", ", vIOMMU, mapped per frame", "server")):
        way = functools.partial(survives, end=end, layout=layout, viommu=viommu, mode=mode,
                                times=max(1, RESTARTS // 2))
        way.seconds = survives.seconds
        yield f"{name}, {layout}{viommu}", way
    yield "killed, and one of two guests is another one", two_guests
