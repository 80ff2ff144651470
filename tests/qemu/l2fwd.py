#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""l2fwd.py - Measure DPDK's forwarding in a guest, by size of its pages

    guest (testpmd, macswap) - QEMU - vunetd - net_null, more frames than it takes

The uplink makes frames as fast as they are taken and swallows what comes back,
so the guest, or vunetd on its behalf, is what limits.  All figures are vunetd's
own counters, over a time that begins when the guest has forwarded for a while;
what it missed before that is in a column of its own.
"""

import argparse
import collections
import os
import shutil
import sys
import tempfile
import time

import backend
import dpdk
import matrix
import process
import run
import vm

WARM_SECONDS = 3
START_SECONDS = 30
FRAME_BYTES = 64
HEAD = ("| vIOMMU | rings | driver, pages | to guest, kpps | back, kpps | translations per s | "
        "hit rate, % | misses per s | invalidations per s | misses before |")


def parse():
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5, help="how long each row is measured")
    parser.add_argument("--vunetd", default=os.path.join(run.TOP, "build/release/vunetd"))
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    parser.add_argument("--image", default=os.path.join(run.TOP, "build/qemu-cache"))
    parser.add_argument("--output", default=os.path.join(run.TOP, "build/l2fwd.md"))
    return parser.parse_args()


def guests():
    """Return the boots: every vIOMMU and layout, and all DPDK can do there."""
    return [matrix.Boot(viommu, ring, 1, tuple(driver for driver in matrix.possible(viommu)
                                               if matrix.DRIVERS[driver].pages))
            for viommu in matrix.VIOMMUS for ring in matrix.RINGS]


def totals(serving):
    """Return the counters that are needed, and when they were read."""
    found = collections.Counter()
    for what, counters in serving.totals().items():
        for name, value in counters.items():
            found[name] += value
            if what.startswith("guest vm1 ring") and name == "packets":
                found["to" if int(what.split()[-1]) % 2 == 0 else "back"] += value
    return found, time.monotonic()


def row(guest, seconds):
    """Measure one driver, return its line of the table."""
    dpdk.take(guest)
    cold, _ = totals(guest.backend)
    with dpdk.testpmd(guest, lossy=True):
        process.wait_for("the guest to forward",
                         lambda: totals(guest.backend)[0]["back"] > cold["back"], START_SECONDS)
        time.sleep(WARM_SECONDS)
        before, begin = totals(guest.backend)
        time.sleep(seconds)
        after, end = totals(guest.backend)
    moved, took = after - before, end - begin
    looked = moved["hits"] + moved["misses"]
    rate = f"{moved['hits'] / looked * 100:.4f}" if looked else "-"
    cells = [guest.boot.viommu, guest.boot.ring, guest.driver,
             f"{moved['to'] / took / 1e3:.1f}", f"{moved['back'] / took / 1e3:.1f}",
             f"{looked / took:.0f}", rate,
             f"{moved['misses'] / took:.1f}", f"{moved['invalidations'] / took:.1f}",
             f"{before['misses'] - cold['misses']}"]
    return "| " + " | ".join(cells) + " |"


def rows(boot, options, kvm):
    """Boot a guest and measure each driver, yield the lines."""
    directory = tempfile.mkdtemp(prefix="vunet-l2fwd-")
    place = vm.Place(options.image, directory, directory)
    serving = backend.Backend(backend.vunetd_command, options.vunetd, boot, place,
                              devargs=f"net_null0,size={FRAME_BYTES}")
    guest = None
    try:
        serving.start()
        guest = vm.Guest(vm.qemu_command(options.qemu, kvm, boot, place, ""), place,
                         run.GUEST_SECONDS[kvm])
        guest.boot, guest.backend = boot, serving
        guest.booted()
        for guest.driver in boot.drivers:
            yield row(guest, options.seconds)
    finally:
        if guest:
            guest.stop()
        serving.kill()
        shutil.rmtree(directory)


def main():
    """Measure, print the table and write it."""
    options = parse()
    if not run.in_namespace():
        return run.prepare(options)
    kvm = vm.kvm_usable(options.qemu, options.image)
    lines = [f"Guests by {'KVM' if kvm else 'TCG'}, frames of {FRAME_BYTES} bytes, "
             f"{options.seconds} s each, load average {os.getloadavg()[0]:.1f}.", "", HEAD, "|---|---|---|" + "---:|" * 7]
    print("\n".join(lines), flush=True)
    for boot in guests():
        for line in rows(boot, options, kvm):
            print(line, flush=True)
            lines.append(line)
    with open(options.output, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
