#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""run.py - Measure vunetd against dpdk-testpmd with net_vhost

The test guest loads both with the same work, in turns, in one run; a cell of
the table is the median of its repeats.  Nothing is asserted: it is a table.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

from backends import BenchError, Testpmd, Vunetd
from cells import all_cells, matching
from table import machine, markdown

HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
HUGEPAGES_WANTED = 256

# A measurement in which a poller had less of its processor is disturbed
SHARE_WANTED = 0.95


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="*", help="only cells with all these words, such as "
                        "`l2fwd 64 4k` or `dynamic` (default: all)")
    parser.add_argument("--bin", default="build/release", help="where vunetd and vunet-guest are")
    parser.add_argument("--seconds", type=int, default=2, help="each measurement takes (2)")
    parser.add_argument("--warmup", type=int, default=1, help="seconds before it (1)")
    parser.add_argument("--repeats", type=int, default=3, help="measurements per cell (3)")
    parser.add_argument("--pages", default="4k", choices=("4k", "2m", "1g"),
                        help="pages behind the guest's buffers (4k)")
    parser.add_argument("--hugepages", default="auto", choices=("auto", "none"),
                        help="whether the backends use them (auto)")
    parser.add_argument("--patience", type=int, default=3,
                        help="measure again so often if others took processor time (3)")
    parser.add_argument("--output", help="write the table to this file, too")
    parser.add_argument("--list", action="store_true", help="list the cells and exit")
    return parser.parse_args()


def processors():
    """The poll-mode thread's, and the guest's."""
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        raise BenchError("two processors are needed: one to poll and one for the guest")
    return mine[1], mine[0]


def hugepages_free():
    """Whether there are enough for a backend."""
    try:
        with open(HUGEPAGES, encoding="ascii") as file:
            return int(file.read()) >= HUGEPAGES_WANTED
    except OSError:
        return False


def summary(text):
    """The key=value lines of a guest."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, equals, value in pairs if equals}


def shares(backend, report, before, began):
    """How much of their processors backend and guest had, at least."""
    polled = (backend.cpu_seconds() - before) / (time.monotonic() - began)
    return min(polled, float(report["cpu_share"]))


def measure(backend, cell, args):
    """Run one guest at one backend, return its rate and their share of processors."""
    command = [os.path.join(args.bin, "vunet-guest"), "--socket", backend.socket, "--quiet",
               "--cpu", str(backend.main), "--pages", args.pages,
               "--warmup", str(args.warmup), "--duration", str(args.seconds), *cell.guest()]
    backend.start(cell)
    try:
        before, began = backend.cpu_seconds(), time.monotonic()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False,
                              timeout=args.seconds + args.warmup + 60)
        if done.returncode > 1:
            raise BenchError(f"the guest failed: {done.stderr.strip()}: {' '.join(command)}")
        report = summary(done.stdout)
        return float(report[cell.rate]), shares(backend, report, before, began)
    except subprocess.TimeoutExpired:
        raise BenchError(f"the guest does not end: {' '.join(command)}") from None
    finally:
        backend.stop()


def measure_calm(progress, cell, backend, args):
    """Measure until nobody else took the processors, or patience ends.

    With dynamic maps the guest waits for acknowledgements and sleeps then, so
    its share says nothing.
    """
    for attempt in range(args.patience + 1):
        rate, share = measure(backend, cell, args)
        if share >= SHARE_WANTED or cell.maps == "dynamic" or attempt == args.patience:
            break
        print(f"{progress} {cell}: {backend.name}: disturbed, with {100 * share:.0f} % of a "
              f"processor {rate:.4f} Mpps; once more", flush=True)
    return rate, share


def measure_cell(progress, cell, backends, args, results):
    """Measure one cell, both backends in turns."""
    for repeat in range(args.repeats):
        # Who goes first changes, too
        for backend in backends if repeat % 2 == 0 else backends[::-1]:
            try:
                rate, share = measure_calm(progress, cell, backend, args)
            except BenchError as error:
                print(f"{progress} {cell}: {backend.name}: {error}", flush=True)
                continue
            results[cell].setdefault(backend.name, []).append(rate)
            print(f"{progress} {cell}, {repeat + 1} of {args.repeats}: {backend.name:8}"
                  f"{rate:9.4f} Mpps{'' if share >= SHARE_WANTED else ' (shared processor)'}",
                  flush=True)


def with_baselines(cells):
    """Put the case without a vIOMMU in front of what is compared with it."""
    ordered = {}
    for cell in cells:
        ordered.setdefault(cell.baseline)
        ordered.setdefault(cell)
    return [cell for cell in all_cells() if cell in ordered]


def report(results, args, settings):
    """Print the table, and write it where asked to."""
    text = f"{machine(settings)}\n\n{markdown(results)}\n"
    print(f"\n{text}")
    if args.output:
        with open(args.output, "w", encoding="utf-8") as file:
            file.write(text)


def run(args):
    """Measure everything asked for; an interrupt prints what there is."""
    cells = with_baselines(matching(args.cells))
    if args.list:
        print("\n".join(map(str, cells)))
        return 0
    if not cells:
        raise BenchError(f"no cell has all of: {' '.join(args.cells)}")
    cpus = processors()
    huge = args.hugepages == "auto" and hugepages_free()
    settings = {"backends": f"one thread on CPU {cpus[0]}, "
                            f"{'hugepages of 2 MiB' if huge else 'no hugepages'}",
                "guest": f"on CPU {cpus[1]}, buffers in pages of {args.pages}",
                "measurements": f"median of {args.repeats}, {args.seconds} s each "
                                f"after {args.warmup} s"}
    results = {cell: {} for cell in cells}
    if os.getloadavg()[0] > 0.5:
        print(f"bench: the load average is {os.getloadavg()[0]:.1f}: something else runs here, "
              "and the numbers will show it", flush=True)
    with tempfile.TemporaryDirectory(prefix="vunet-bench") as directory:
        backends = [Vunetd(directory, cpus, huge, os.path.join(args.bin, "vunetd")),
                    Testpmd(directory, cpus, huge)]
        try:
            for i, cell in enumerate(cells):
                measure_cell(f"[{i + 1:2}/{len(cells)}]", cell, backends, args, results)
        except KeyboardInterrupt:
            print("\nbench: interrupted, so this is a part")
    report(results, args, settings)
    return 0 if all(len(rates) == 2 for rates in results.values()) else 1


def main():
    """Complain in one line about what cannot be done."""
    try:
        return run(parse())
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
