#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""waits.py - Where the time of a translation message goes

A guest that maps and unmaps a buffer for every frame waits for an acknowledgement
each time.  Printed is how long it waits, how long the control thread was on its
processor for a message, system calls included, and what the same trip takes over
a socket with nobody behind it (wake_bench), which no back-end can avoid.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

from backends import BenchError, Vunetd
from cells import MODES, Cell
from run import hugepages_free, processors

TOTALS = re.compile(r"totals guest bench: (.*)")
SETTLE_SECONDS = 0.5
LINE = "{:<22} {:>10} {:>14} {:>15} {:>12}"


def numbers(words):
    """The numbers among name=value words."""
    pairs = (word.partition("=") for word in words)
    return {name: float(value) for name, _, value in pairs if re.fullmatch(r"[\d.]+", value)}


def output(command, seconds):
    """What a command prints."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          timeout=seconds, check=True)
    return done.stdout


def control_us(backend):
    """How long the control thread has been on a processor."""
    pid = backend.process.pid
    with open(f"/proc/{pid}/task/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1000


def measure(cell, backend, args):
    """Have a guest do a cell's work: (its report, control thread's us a message)."""
    backend.start(cell)
    try:
        time.sleep(SETTLE_SECONDS)
        spent = control_us(backend)
        report = output([os.path.join(args.bin, "vunet-guest"), "--socket", backend.socket,
                         "--quiet", "--cpu", str(backend.main), "--duration", str(args.seconds),
                         *cell.guest("4k")], args.seconds + 30)
        spent = control_us(backend) - spent
    finally:
        backend.stop()
    totals = TOTALS.findall(backend.text())
    return numbers(report.splitlines()), spent / numbers(totals[-1].split())["messages"]


def wait(report, what):
    """How long the guest waited on average, if it did."""
    return f"{report[what + '_us']:.1f}" if what + "_us" in report else "-"


def main():
    """Print a line for each kind of work."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default="build/release")
    parser.add_argument("--seconds", type=float, default=1)
    args = parser.parse_args()
    cpus = processors()
    print(LINE.format("", "update us", "invalidate us", "control thread", "bare socket"))
    with tempfile.TemporaryDirectory(prefix="vunet-bench") as directory:
        backend = Vunetd("vunetd", directory, cpus, hugepages_free(),
                         os.path.join(args.bin, "vunetd"))
        for mode in MODES:
            for maps in ("dynamic", "batched"):
                report, own = measure(Cell(mode, 64, "4k", maps, "split"), backend, args)
                bare = output([os.path.join(args.bin, "tests/bench/wake_bench"), str(cpus[1])],
                              60).split()[-2]
                print(LINE.format(f"{mode} 64 B, {maps}", wait(report, "update"),
                                  wait(report, "invalidate"), f"{own:.1f}", bare),
                      flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(f"waits: {error}")
