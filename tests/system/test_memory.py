# SPDX-License-Identifier: BSD-3-Clause
"""test_memory.py - Memory that comes and goes, and rings that move, under traffic

A region is plugged in and out, with a whole table each time or one slot only, and
rings get other addresses for the same memory; nothing of the traffic is lost.
"""

import functools

from daemon import Daemon
from guest import verify
from outcome import expect

EVERY_MS = 40
CHANGES = 3
WAYS = {
    "tables": {"hotplug": EVERY_MS},
    "slots": {"hotplug": EVERY_MS, "slots": True},
    "rings that move": {"readdress": EVERY_MS},
    "all of it": {"hotplug": EVERY_MS, "slots": True, "readdress": 15, "event_idx": True,
                  "interrupts": True},
}
GUESTS = {
    "no vIOMMU": {"viommu": "off"},
    "vIOMMU": {"viommu": "4k"},
    "packed, mapped per frame": {"viommu": "4k", "packed": True, "map": "dynamic"},
}


def set_up(shared):
    """Start a daemon whose wire returns what is sent."""
    shared.daemon = Daemon(shared, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"}).start()


def changes(test, way, guest):
    """Nothing is lost, and everything is where it was after the last change."""
    daemon = test.shared.daemon
    report = verify(test, daemon.sockets["vm1"], **WAYS[way], **GUESTS[guest], duration=1)
    done = {name: report[name] for name in ("plugs", "moves")}
    for option, counter in (("hotplug", "plugs"), ("readdress", "moves")):
        expect(done[counter] >= CHANGES or option not in WAYS[way], f"only {done}")


def tests():
    """Yield every way for every guest."""
    for way in WAYS:
        for guest in GUESTS:
            yield f"{way}, {guest}", functools.partial(changes, way=way, guest=guest)
