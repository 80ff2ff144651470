# SPDX-License-Identifier: BSD-3-Clause
"""test_tap.py - The kernel pings a guest through a TAP uplink"""

import functools

from daemon import Daemon
from guest import Guest
from netns import Namespace
from outcome import expect, expect_equal

GUESTS = {
    "no vIOMMU": {},
    "vIOMMU 4k": {"viommu": "4k"},
    "vIOMMU 4k, mapped per packet": {"viommu": "4k", "map": "dynamic"},
    "vIOMMU 2m, sleeping guest": {"viommu": "2m", "interrupts": True},
    "vIOMMU 4k, small buffers": {"viommu": "4k", "buf_size": 200},
}


def ping(test, options):
    """A guest that answers pings is reached from the TAP's namespace."""
    space = Namespace(test, "uplink")
    daemon = Daemon(test, {"vm1": {"wire": "tap"}}, {"tap": "net_tap0,iface=vunet0"},
                    prefix=space.prefix).start()
    space.up("vunet0", "192.0.2.1/24")
    guest = Guest(test, daemon.sockets["vm1"], "l2fwd", icmpecho=True, **options)
    space.ping("192.0.2.2")
    space.ping("192.0.2.2", size=1400)
    report = guest.stop()
    expect(report["echoed"] >= 10, f"the guest answered {report['echoed']} requests")
    daemon.stop()
    lost = {name: value for name, value in daemon.totals()["port tap queue 0"].items()
            if name.startswith("drop") and name != "drop_guest_down"}
    expect_equal(lost, {}, "drops")


def tests():
    """Yield every kind of guest."""
    for name, options in GUESTS.items():
        yield f"ping through a TAP and back, {name}", functools.partial(ping, options=options)
