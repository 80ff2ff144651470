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
from statistics import median

from backends import BareDevice, BenchError, Testpmd, Vunetd
from cells import matching
from run import complaining, hugepages_free, processors, round_trip
from table import layout, machine, mpps
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
    """Have all do a cell's work, return [{name: rate}] and the round trips beside."""
    command = [os.path.join(args.bin, "vunet-guest"), "--pages", "4k"]
    rounds, trips = [], [round_trip(args, cpus)]
    try:
        for backend in backends:
            backend.start(cell)
            backend.pause()
        for _ in range(args.repeats):
            runs = take_turns([(cell, backend) for backend in backends], command, "4k",
                              args.seconds)
            rounds.append({name: run.rate for (_, name), run in runs.items()})
            trips.append(round_trip(args, cpus))
    finally:
        for backend in backends:
            backend.stop()
    return rounds, trips


def ratio(rounds, what):
    """Median of a rate against the peer's, of the rounds that have both."""
    ratios = [rates[what] / rates[TESTPMD] for rates in rounds
              if what in rates and rates.get(TESTPMD)]
    return f"{median(ratios):.2f}" if ratios else "-"


def row(cell, rounds, trips):
    """A line of the table."""
    rates = [mpps([rates[name] for rates in rounds if name in rates])
             for name in (VUNETD, TESTPMD, BARE)]
    return [cell.ring, cell.mode, str(cell.size), *rates, ratio(rounds, VUNETD),
            ratio(rounds, BARE), f"{min(trips):.0f}-{max(trips):.0f}"]


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
