# SPDX-License-Identifier: BSD-3-Clause
"""dpdk.py - DPDK's testpmd in the guest, which sends each frame back (macswap)"""

import collections
import contextlib
import re

from frames import Stream
from matrix import DRIVERS
from outcome import Failed, expect
from vm import MAC

FRAMES = 5000
PROBE_SECONDS = 30
STOP_SECONDS = 30

# By size of the guest's pages in KiB: how many it reserves, and testpmd's part
PAGES = {
    4: (0, "--no-huge -m 96"),
    2 << 10: (96, "--in-memory -m 128"),
    1 << 20: (1, "--in-memory -m 512"),
}


def take(guest):
    """the card goes from the kernel's driver to the one for DPDK"""
    driver = DRIVERS[guest.driver]
    guest.ask(f"card_to {driver.module}", 30)
    count, _ = PAGES[driver.pages]
    guest.ask(f"hugepages {driver.pages} {count}", 60)


def give_back(guest):
    """the kernel's driver takes the card back"""
    guest.ask("hugepages 0 0")
    guest.ask("card_to virtio-pci", 30)
    guest.ask("net_up", 20)


def arguments(boot, driver):
    """Return testpmd's arguments; main and forwarding thread share the one CPU."""
    _, memory = PAGES[DRIVERS[driver].pages]
    queues = f" --rxq={boot.pairs} --txq={boot.pairs}" if boot.pairs > 1 else ""
    return (f"--lcores 0@0,1@0 {memory} --no-telemetry --no-shconf -a $(card) -- "
            "--auto-start --forward-mode=macswap --nb-cores=1 "
            f"--total-num-mbufs=8192{queues}")


@contextlib.contextmanager
def testpmd(guest, lossy=False):
    """Have testpmd forward meanwhile; it has to end well, and lose nothing but if told."""
    guest.ask(f"pmd_start {arguments(guest.boot, guest.driver)}")
    try:
        yield
    except Failed as reason:
        _, said = guest.run("pmd_stop", STOP_SECONDS)
        raise Failed(f"{reason}; testpmd said: ... {said[-500:]}") from reason
    said = guest.ask("pmd_stop", STOP_SECONDS)
    for what, number in re.findall(r"(RX-dropped|TX-dropped|RX-error|RX-nombuf): *(\d+)", said):
        expect(lossy or number == "0", f"testpmd counted {what}: {number}")


def _pages_used(guest):
    """Check that testpmd has the pages it is to have."""
    pages = DRIVERS[guest.driver].pages
    if pages == 4:
        return
    free = guest.ask(f"cat /sys/kernel/mm/hugepages/hugepages-{pages}kB/free_hugepages")
    expect(int(free) < PAGES[pages][0], "testpmd uses none of the huge pages")


def _totals(guest):
    """Return vunetd's counters, added up by name; the peer has none."""
    found = collections.Counter()
    for counters in guest.backend.totals().values():
        found.update(counters)
    return found


def macswap(guest):
    """DPDK in the guest sends 5000 frames back, none lost, none altered"""
    cold = _totals(guest)
    with testpmd(guest), Stream(guest.backend.uplink, guest.backend.mac, MAC,
                                guest.boot.mtu) as stream:
        stream.first(PROBE_SECONDS)
        _pages_used(guest)
        before = _totals(guest)
        seconds = stream.exchange(FRAMES)
        after = _totals(guest)
    bad = {name: n for name, n in (after - before).items() if name.startswith(("drop_", "err_"))}
    expect(not bad, f"vunetd counted {bad}")
    moved = after - cold
    return (f" ({FRAMES / seconds / 1e3:.1f} kpps, {moved['misses']} misses, "
            f"{moved['invalidations']} invalidations)")
