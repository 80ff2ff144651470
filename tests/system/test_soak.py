# SPDX-License-Identifier: BSD-3-Clause
"""test_soak.py - Guests of every layout come, verify their traffic, and go or vanish

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
from outcome import expect, wait_for

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
           {"viommu": "4k", "map": "static-push"}, {"viommu": "2m"}]
WAYS = [{}, {}, {"interrupts": True}]
RINGS = [{"ring_size": 64}, {"ring_size": 256}, {"ring_size": 1024}]
# Each layout is met so often before memory is looked at: by then buffers were touched
WARM_ROUNDS = 2
GROWTH_KB = 4096


def rss_kb(pid):
    """Return the memory a process has in use."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def options(rng, layout):
    """Draw what a guest is like."""
    drawn = {"sizes": "random", "base": rng.randrange(65536), "seed": rng.randrange(1 << 32)}
    for choices in (SHAPES, VIOMMUS, WAYS, RINGS):
        drawn.update(rng.choice(choices))
    return {**drawn, **LAYOUTS[layout]}


def vanish(test, path, given, seconds):
    """Have a guest killed in the middle of its traffic."""
    guest = Guest(test, path, "verify", **given)
    time.sleep(seconds)
    expect(guest.process.alive(), f"the guest ended by itself: {guest.process.text()[-300:]}")
    guest.process.signal(signal.SIGKILL)
    guest.process.wait(5)


def announced(daemon):
    """Return how many frames the daemon says it has dropped; nothing is said of nothing."""
    daemon.process.signal(signal.SIGUSR1)
    time.sleep(0.05)
    return sum(value for name, value in daemon.totals().get("port ring queue 0", {}).items()
               if name.startswith("drop"))


def stay(test, daemon, given, seconds):
    """Have a guest verify its traffic, return the frames that came back and those dropped.

    On a busy machine frames are dropped by right, when the guest or its answers are
    too late for them, or not even taken before the guest gives up; whatever is lost
    must be among those.
    """
    before = announced(daemon)
    report = run(test, daemon.sockets["vm1"], "verify", **given, duration=seconds)
    if set(wrong_counters(report)) != {"lost"}:
        expect_good(report)
        return report["rx_frames"], 0
    # Of streams bytes are counted, and a frame on the wire may be many
    lost = 1 if "offloads" in given else report["lost"]
    lost = max(0, lost - report["tx_left"])
    wait_for(f"{lost} frames that the guest lost among those dropped",
             lambda: announced(daemon) - before >= lost)
    return report["rx_frames"], announced(daemon) - before


def visit(test, daemon, rng, layout, seconds):
    """Have one guest come and go, return the frames verified and dropped."""
    given = options(rng, layout)
    if rng.random() < 0.3:
        vanish(test, daemon.sockets["vm1"], given, seconds * rng.random())
        return 0, 0
    return stay(test, daemon, given, seconds)


def tell(visits, frames, dropped):
    """Print what was verified, also if it ended badly."""
    print(f"# soak, seed {SEED}: {visits} visits, {dropped} frames dropped and counted; "
          "frames verified:", flush=True)
    for layout, count in {**frames, "all": sum(frames.values())}.items():
        print(f"# {count:14,} {layout}", flush=True)


def soak(test):
    """Files and memory of the daemon stay what they were."""
    expect(LAYOUTS, f"no layout is called {LAYOUT!r}; there are: {', '.join(ALL_LAYOUTS)}")
    rng = random.Random(SEED)
    daemon = Daemon(test, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"}).start()
    end = time.monotonic() + SECONDS
    visit_seconds = max(0.2, SECONDS / 100)
    frames = dict.fromkeys(LAYOUTS, 0)
    visits, dropped, fds, memory = 0, 0, daemon.fds(), 0
    try:
        while time.monotonic() < end or visits < (WARM_ROUNDS + 1) * len(LAYOUTS):
            layout = list(LAYOUTS)[visits % len(LAYOUTS)]
            good, bad = visit(test, daemon, rng, layout, min(visit_seconds, 5))
            frames[layout] += good
            dropped += bad
            visits += 1
            wait_for(f"{fds} files after {visits} visits, not {daemon.fds()}",
                     lambda: daemon.fds() == fds)
            if visits == WARM_ROUNDS * len(LAYOUTS):
                memory = rss_kb(daemon.pid)
    finally:
        tell(visits, frames, dropped)
    grown = rss_kb(daemon.pid) - memory
    print(f"# soak: {fds} files, {memory} KiB and {grown} more", flush=True)
    expect(grown <= GROWTH_KB, f"the daemon grew by {grown} KiB")
    daemon.stop()


soak.seconds = SECONDS + 60


def tests():
    """Yield the one test."""
    yield f"guests come and go for {SECONDS} seconds", soak
