# SPDX-License-Identifier: BSD-3-Clause
"""test_migration.py - What it takes to migrate a guest: the log of dirty pages, and the rings

Under traffic, logging is switched on and off.  The guest compares its memory with a
copy, and every page the daemon has written to must be in the log: receive buffers,
virtio headers, used rings, packed rings, events; with a vIOMMU or without.

Then the guest is moved between two daemons, again and again, its memory copied by
what the log says while it runs.  No frame may be lost, doubled or changed.
"""

import functools
import itertools

from daemon import Daemon
from guest import expect_good, run, verify
from outcome import expect, expect_equal

LAYOUTS = {
    "split": {},
    "split, event index": {"event_idx": True, "ring_size": 1024},
    "packed": {"packed": True, "ring_size": 1024},
    "packed, event index, in order": {"packed": True, "event_idx": True, "in_order": True},
}
VIOMMUS = ["off", "4k"]
SHAPES = {
    "plain": {"size": 1514, "sizes": "random"},
    "mergeable": {"size": 1514, "sizes": "random", "buf_size": 300},
    "jumbo": {"size": 9000, "sizes": "random"},
}
# Beside the matrix, with two layouts and one vIOMMU
MORE = {
    "one buffer": {"mergeable": "off", "size": 1514},
    "chains": {"chain": 3, "size": 1514, "sizes": "random"},
    "indirect tables": {"indirect": True, "chain": 4, "size": 1514, "sizes": "random"},
    "interrupts": {"interrupts": True},
    "two pairs": {"pairs": 2},
    "mapped per frame": {"map": "dynamic"},
    "offloads": {"offloads": "all", "size": 1514},
}
# At most; a round takes some 70 ms
SECONDS = 20
ROUNDS = 4
EVERY_MS = 40

# What is moved between two daemons
MOVED = {
    "split": {"sizes": "random", "size": 1514},
    "split, mergeable, event index": {"event_idx": True, "buf_size": 300, "sizes": "random",
                                      "size": 1514},
    "packed": {"packed": True, "sizes": "random", "size": 1514},
    "packed, in order, jumbo": {"packed": True, "in_order": True, "size": 9000,
                                "sizes": "random"},
    "packed, indexes that wrap": {"packed": True, "base": 65500, "ring_size": 32},
    "two pairs, interrupts": {"pairs": 2, "interrupts": True},
}
MOVES = 4


def set_up(shared):
    """Start a daemon with a wire that returns what is sent, and one that floods."""
    loop = {"wire": "ring", "queues": 2, "offloads": "yes"}
    ring = {"devargs": "net_ring0", "queues": 2, "mtu": 9216}
    shared.daemon = Daemon(shared, {"loop": loop, "flood": {"wire": "null"}},
                           {"ring": ring, "null": "net_null0"}).start()
    # It shares a core with the first, and is idle most of the time
    shared.other = Daemon(shared, {"loop": loop}, {"ring": ring},
                          pmd={"idle_sleep_us": 1000}).start()


def check_log(report):
    """Fail unless memory was held against the log and nothing was missed."""
    expect_equal(report["log_rounds"], ROUNDS, "times that memory was held against the log")
    expect(report["log_changed"] >= report["log_rounds"], "hardly a page was written to")
    expect_equal((report["log_missed"], report["log_stray"]), (0, 0), "pages missed, stray marks")


def cell(test, options):
    """Each page the daemon writes to is logged, and no frame is lost."""
    report = verify(test, test.shared.daemon.sockets["loop"], log_dirty=EVERY_MS, rounds=ROUNDS,
                    duration=SECONDS, **options)
    check_log(report)
    # What is written between the beginning of the log and the copy of memory is
    # marked and not changed, and so is a page that was given the bytes it had
    expect(report["log_unchanged"] <= report["log_changed"],
           f"{report['log_unchanged']} pages of {report['log_marked']} were marked in vain")


def flooded(test, options):
    """The same where frames come faster than they are taken, and are sent back.

    Nearly all of the receive ring is used before memory is copied.
    """
    report = run(test, test.shared.daemon.sockets["flood"], "l2fwd", log_dirty=EVERY_MS,
                 rounds=ROUNDS, duration=SECONDS, **options)
    expect_good(report)
    check_log(report)


def moved(test, options):
    """The guest is moved to and fro under its traffic, and does not notice."""
    report = verify(test, test.shared.daemon.sockets["loop"], duration=SECONDS, rounds=MOVES,
                    migrate=test.shared.other.sockets["loop"], migrate_ms=20, **options)
    expect_equal(report["migrations"], MOVES, "migrations")
    expect_equal(report["log_missed"], 0, "pages that were not copied again")


def tests():
    """Yield every cell."""
    for layout, viommu, shape in itertools.product(LAYOUTS, VIOMMUS, SHAPES):
        options = {**LAYOUTS[layout], **SHAPES[shape], "viommu": viommu}
        yield (f"dirty log, {layout}, vIOMMU {viommu}, {shape}",
               functools.partial(cell, options=options))
    for layout, shape in itertools.product(("split", "packed"), MORE):
        options = {**LAYOUTS[layout], **MORE[shape], "viommu": "4k"}
        yield (f"dirty log, {layout}, {shape}", functools.partial(cell, options=options))
    for shape, viommu in itertools.product(MOVED, ("off", "4k")):
        # All that is mapped has to be asked for again at the other daemon, and frames
        # wait a bounded time for answers: that is not what this is about
        options = {**MOVED[shape], "viommu": viommu,
                   "map": "static-demand" if viommu == "off" else "static-push"}
        yield (f"moved between daemons, {shape}, vIOMMU {viommu}",
               functools.partial(moved, options=options))
    for layout, viommu in itertools.product(("split", "packed"), ("off", "4k")):
        yield (f"dirty log, flooded, {layout}, vIOMMU {viommu}",
               functools.partial(flooded, options={**LAYOUTS[layout], "viommu": viommu}))
