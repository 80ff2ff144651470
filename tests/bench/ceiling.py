#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""ceiling.py - How fast any back-end could be, here and with this guest

Beside vunetd and dpdk-testpmd a bare device does a cell's work, in turns with them:
one that checks nothing and only copies (bare_device.c).  What it does not reach,
the guest's processor and the way of cache lines to it do not allow.
"""

import argparse
import os
import sys
import tempfile

from backends import BareDevice, BenchError, Testpmd, Vunetd
from cells import matching
from results import Results
from run import complaining, hugepages_free, processors, round_trip
from table import layout, machine, mpps, span, times
from turns import take_turns

HEAD = ["ring", "mode", "bytes", "vunetd Mpps", "testpmd Mpps", "bare Mpps", "vunetd / testpmd",
        "bare / testpmd", "round trip ns"]
VUNETD, TESTPMD, BARE = "vunetd", "testpmd", "bare"


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="*", help="only cells with all these words, such as "
                        "`packed tx` (default: all)")
    parser.add_argument("--bin", default="build/release")
    parser.add_argument("--seconds", type=float, default=1, help="each runs in a repeat (1)")
    parser.add_argument("--repeats", type=int, default=3, help="measurements per cell (3)")
    return parser.parse_args()


def contenders(args, directory, cpus):
    """Those who do the work."""
    huge = hugepages_free()
    return [Vunetd(VUNETD, directory, cpus, huge, os.path.join(args.bin, "vunetd")),
            Testpmd(TESTPMD, directory, cpus, huge),
            BareDevice(BARE, directory, cpus, huge,
                       os.path.join(args.bin, "tests/bench/bare_device"))]


def measure(cell, backends, args, cpus):
    """Have all do a cell's work, return the Results of vunetd and of the bare device."""
    command = [os.path.join(args.bin, "vunet-guest"), "--pages", "4k"]
    both = [Results(name, TESTPMD) for name in (VUNETD, BARE)]
    try:
        for backend in backends:
            backend.start(cell)
            backend.pause()
        for _ in range(args.repeats):
            before = round_trip(args, cpus)
            runs = take_turns([(cell, backend) for backend in backends], command, "4k",
                              args.seconds)
            trips = [before, round_trip(args, cpus)]
            for results in both:
                results.add(runs, trips)
    finally:
        for backend in backends:
            backend.stop()
    return both


def row(cell, vunetd, bare):
    """A line of the table."""
    return [cell.ring, cell.mode, str(cell.size),
            *(mpps(vunetd.rates(cell, name)) for name in (VUNETD, TESTPMD, BARE)),
            times(vunetd.ratio(cell)), times(bare.ratio(cell)), span(sum(vunetd.trips, []))]


def run(args):
    """Measure everything asked for, print the table, return the exit status."""
    cells = [cell for cell in matching(args.cells) if cell == cell.baseline]
    if not cells:
        raise BenchError(f"no cell without a vIOMMU has all of: {' '.join(args.cells)}")
    cpus = processors()
    rows = []
    with tempfile.TemporaryDirectory(prefix="vunet-bench") as directory:
        backends = contenders(args, directory, cpus)
        for cell in cells:
            rows.append(row(cell, *measure(cell, backends, args, cpus)))
            print(" ".join(rows[-1]), flush=True)
    print(f"\n{machine({})}\n\n{layout(HEAD, rows)}")
    return 1 if any("-" in words for words in rows) else 0


if __name__ == "__main__":
    sys.exit(complaining(lambda: run(parse())))
