# SPDX-License-Identifier: BSD-3-Clause
"""test_soak.py - Guests of every layout come, verify their traffic, and go or vanish

Meanwhile the daemon is killed or stopped, and started again; memory is plugged in
and out, rings get other addresses, translations are made and taken back per frame,
dirty pages are logged, guests are migrated to a second daemon and back.
The daemon has to stay as it was: as many files open, and no more memory.  What the
guests do is drawn at random; the seed is printed.  `make soak MINUTES=60` takes
longer over it than the tests do.
"""

import os
import random
import signal
import time

from daemon import Daemon
from guest import Guest, expect_good, run, wrong_counters
from outcome import expect, expect_equal, wait_for

SECONDS = int(os.environ.get("SOAK_SECONDS", "10"))
SEED = int(os.environ.get("SOAK_SEED", str(time.time_ns() % 1000000)))
# Those whose names have it somewhere are met by turns
LAYOUT = os.environ.get("SOAK_LAYOUT", "")
ALL_LAYOUTS = {
    "split": {},
    "split, event index": {"event_idx": True},
    "split, in order": {"in_order": True},
    "packed": {"packed": True},
    "packed, event index": {"packed": True, "event_idx": True},
    "packed, event index, in order": {"packed": True, "event_idx": True, "in_order": True},
}
LAYOUTS = {name: given for name, given in ALL_LAYOUTS.items() if LAYOUT in name}
# Of a guest's visit, one of each is drawn
SHAPES = [{}, {}, {}, {"chain": 3}, {"indirect": True, "chain": 4}, {"buf_size": 500},
          {"mergeable": "off"}, {"size": 9000}, {"offloads": "all"}]
VIOMMUS = [{"viommu": "off"}, {"viommu": "4k"}, {"viommu": "4k"},
           {"viommu": "4k", "map": "static-push"}, {"viommu": "2m"},
           {"viommu": "4k", "map": "dynamic"}]
WAYS = [{}, {}, {"interrupts": True}]
# "migrate" stands for the second daemon's socket
STIRS = [{}, {}, {"hotplug": 50}, {"hotplug": 50, "slots": True}, {"readdress": 30},
         {"log_dirty": 50}, {"migrate": True, "migrate_ms": 50}]
RINGS = [{"ring_size": 64}, {"ring_size": 256}, {"ring_size": 1024}]
# Each layout is met so often before memory is looked at: by then buffers were touched
WARM_ROUNDS = 2
GROWTH_KB = 4096


def rss_kb(pid):
    """Return the memory a process has in use."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def options(rng, layout, other):
    """Draw what a guest is like."""
    drawn = {"sizes": "random", "base": rng.randrange(65536), "seed": rng.randrange(1 << 32)}
    for choices in (SHAPES, VIOMMUS, WAYS, RINGS, STIRS):
        drawn.update(rng.choice(choices))
    if "migrate" in drawn:
        # Of streams it is not known how many frames are on their way
        drawn.pop("offloads", None)
        drawn["migrate"] = other.sockets["vm1"]
    return {**drawn, **LAYOUTS[layout]}


def vanish(test, path, given, seconds):
    """Have a guest killed in the middle of its traffic."""
    guest = Guest(test, path, "verify", **given)
    time.sleep(seconds)
    expect(guest.process.alive(), f"the guest ended by itself: {guest.process.text()[-300:]}")
    guest.process.signal(signal.SIGKILL)
    guest.process.wait(5)


def announced(*daemons):
    """Return how many frames the daemons say they dropped; nothing is said of nothing."""
    return sum(value for daemon in daemons
               for name, value in daemon.totals().get("port ring queue 0", {}).items()
               if name.startswith("drop"))


def carried(*daemons):
    """Return how many frames the daemons have carried to their guest."""
    return sum(daemon.total("guest vm1 ring 0", "packets") for daemon in daemons)


def stay(test, daemon, other, given, seconds):
    """Have a guest verify its traffic, return the frames that came back and those dropped.

    On a busy machine frames are dropped by right, when the guest or its answers are
    too late for them, or not even taken before the guest gives up, or carried to it
    after that; whatever is lost must be among those.
    """
    before, carried_before = announced(daemon, other), carried(daemon, other)
    report = run(test, daemon.sockets["vm1"], "verify", **given, duration=seconds)
    if set(wrong_counters(report)) != {"lost"}:
        expect_good(report)
        return report["rx_frames"], 0
    # Of streams bytes are counted, and a frame on the wire may be many
    lost = 1 if "offloads" in given else report["lost"]
    lost = max(0, lost - report["tx_left"])

    def told():
        late = carried(daemon, other) - carried_before - report["rx_frames"]
        return announced(daemon, other) - before + max(0, late)

    wait_for(f"{lost} frames that the guest lost among those dropped or late",
             lambda: told() >= lost)
    return report["rx_frames"], told()


def outlive(test, daemon, rng, given, seconds):
    """Have a guest outlive the daemon, return frames that came back, were dropped, cut off.

    Only frames that were in the daemon's hands when it ended, or on their way to it,
    may be missing.
    """
    for name in ("offloads", "migrate", "migrate_ms", "log_dirty"):
        given.pop(name, None)
    before = carried(daemon)
    guest = Guest(test, daemon.sockets["vm1"], "verify", **given, reconnect=20)
    wait_for("its first frames", lambda: carried(daemon) > before)
    time.sleep(seconds * rng.random())
    daemon.process.signal(rng.choice((signal.SIGKILL, signal.SIGTERM)))
    daemon.process.wait(10)
    daemon.start()
    wait_for("traffic behind the restart", lambda: "again=" in guest.process.text(), 30)
    time.sleep(seconds * rng.random())
    report = guest.stop()
    expect_equal(report["revivals"], 1, "daemons met")
    expect(report["cut"] <= 2 * 128, f"{report['cut']} frames cut off")
    if set(wrong_counters(report)) != {"lost"}:
        expect_good(report)
        return report["rx_frames"], 0, report["cut"]
    # Drops of the daemon that ended are not known any more
    expect(report["lost"] <= 128, f"{report['lost']} frames lost")
    return report["rx_frames"], report["lost"], report["cut"]


def visit(test, daemon, other, rng, layout, seconds):
    """Have one guest come and go, return the frames verified and dropped."""
    given = options(rng, layout, other)
    if rng.random() < 0.3:
        vanish(test, daemon.sockets["vm1"], given, seconds * rng.random())
        return 0, 0
    return stay(test, daemon, other, given, seconds)


class Totals:
    """What came of it, and what the daemon in its present life takes."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.frames = dict.fromkeys(LAYOUTS, 0)
        self.visits = self.restarts = self.dropped = self.cut = 0
        self.fds = daemon.fds()
        self.life = self.memory = self.most = 0

    def add(self, layout, good, bad, cut=0):
        """Count a visit; every file must be closed again."""
        self.frames[layout] += good
        self.dropped += bad
        self.cut += cut
        self.visits += 1
        self.life += 1
        wait_for(f"{self.fds} files after {self.visits} visits, not {self.daemon.fds()}",
                 lambda: self.daemon.fds() == self.fds)
        if self.life == WARM_ROUNDS * len(LAYOUTS):
            self.memory = rss_kb(self.daemon.pid)

    def old(self):
        """Tell whether the daemon has met every layout since its memory was looked at."""
        return self.life >= (WARM_ROUNDS + 1) * len(LAYOUTS)

    def check(self):
        """Fail if the daemon has grown in its present life."""
        if not self.memory:
            return
        grown = rss_kb(self.daemon.pid) - self.memory
        self.most = max(self.most, grown)
        expect(grown <= GROWTH_KB, f"the daemon grew by {grown} KiB")

    def reborn(self):
        """Count a restart; what it takes is looked at anew."""
        self.restarts += 1
        self.life = self.memory = 0

    def tell(self):
        """Print it all, also if it ended badly."""
        print(f"# soak, seed {SEED}: {self.visits} visits, {self.restarts} restarts, "
              f"{self.dropped} frames dropped or late, {self.cut} cut off; "
              "frames verified:", flush=True)
        for layout, count in {**self.frames, "all": sum(self.frames.values())}.items():
            print(f"# {count:14,} {layout}", flush=True)
        print(f"# soak: {self.fds} files, at most {self.most} KiB more", flush=True)


def soak(test):
    """Files and memory of the daemon stay what they were."""
    expect(LAYOUTS, f"no layout is called {LAYOUT!r}; there are: {', '.join(ALL_LAYOUTS)}")
    rng = random.Random(SEED)
    daemon = Daemon(test, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"}).start()
    # On the same core, and idle most of the time
    other = Daemon(test, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"},
                   pmd={"idle_sleep_us": 1000}).start()
    end = time.monotonic() + SECONDS
    seconds = min(5, max(0.2, SECONDS / 100))
    totals = Totals(daemon)
    try:
        while time.monotonic() < end or not totals.restarts:
            layout = list(LAYOUTS)[totals.visits % len(LAYOUTS)]
            if totals.old() and (time.monotonic() > end or rng.random() < 0.2):
                totals.check()
                totals.reborn()
                given = options(rng, layout, other)
                totals.add(layout, *outlive(test, daemon, rng, given, seconds))
            else:
                totals.add(layout, *visit(test, daemon, other, rng, layout, seconds))
        totals.check()
    finally:
        totals.tell()
    daemon.stop()
    other.stop()


soak.seconds = SECONDS + 60


def tests():
    """Yield the one test."""
    yield f"guests come and go for {SECONDS} seconds", soak
