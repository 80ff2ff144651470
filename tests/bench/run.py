#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""run.py - Measure vunetd against dpdk-testpmd with net_vhost

The test guest loads both with the same work, in turns, in one run.  A rate in the
table is the median of its repeats, a ratio the median of those of measurements
right after each other.  Nothing is asserted: it is a table.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

from backends import BenchError, Testpmd, Vunetd
from cells import matching
from sequence import Results, Run, sequence
from table import machine, markdown

HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
HUGEPAGES_WANTED = 256

# A measurement in which a poller had less of its processor is disturbed
SHARE_WANTED = 0.95


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="*", help="only cells with all these words, such as "
                        "`packed l2fwd 64 4k` or `dynamic` (default: all)")
    parser.add_argument("--bin", default="build/release", help="where vunetd and vunet-guest are")
    parser.add_argument("--seconds", type=float, default=1, help="each measurement takes (1)")
    parser.add_argument("--warmup", type=float, default=0.4, help="seconds before it (0.4)")
    parser.add_argument("--repeats", type=int, default=3, help="measurements per cell (3)")
    parser.add_argument("--pages", default="4k", choices=("4k", "2m", "1g"),
                        help="pages behind the guest's buffers (4k)")
    parser.add_argument("--hugepages", default="auto", choices=("auto", "none"),
                        help="whether the backends use them (auto)")
    parser.add_argument("--patience", type=int, default=1,
                        help="measure again so often if others took processor time (1)")
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


def round_trip(args, cpus):
    """Round trip of a cache line between the processors, in ns."""
    binary = os.path.join(args.bin, "tests/bench/line_bench")
    done = subprocess.run([binary, *map(str, cpus)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, timeout=60)
    if done.returncode:
        raise BenchError(f"{binary}: {done.stdout.strip()}")
    return float(done.stdout.split()[-2])


def measure(backend, cell, args):
    """Run one guest at one backend, return its rate and their share of processors."""
    command = [os.path.join(args.bin, "vunet-guest"), "--socket", backend.socket, "--quiet",
               "--cpu", str(backend.main), "--pages", args.pages,
               "--warmup", str(args.warmup), "--duration", str(args.seconds), *cell.guest()]
    backend.resume()
    try:
        before, began = backend.cpu_seconds(), time.monotonic()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False,
                              timeout=args.seconds + args.warmup + 60)
        if done.returncode > 1:
            raise BenchError(f"the guest failed: {done.stderr.strip()}")
        report = summary(done.stdout)
        return float(report[cell.rate]), shares(backend, report, before, began)
    except subprocess.TimeoutExpired:
        raise BenchError(f"the guest does not end: {' '.join(command)}") from None
    finally:
        backend.pause()


def measure_calm(progress, run, backend, args):
    """Measure until nobody else took the processors, or patience ends.

    With dynamic maps the guest waits for acknowledgements and sleeps then, so
    its share says nothing.
    """
    for attempt in range(args.patience + 1):
        run.trip = round_trip(args, (backend.main, backend.pmd))
        run.rate, share = measure(backend, run.cell, args)
        run.calm = share >= SHARE_WANTED or run.cell.maps == "dynamic"
        note = "" if run.calm else f" (with {100 * share:.0f} % of a processor)"
        print(f"{progress} {run.cell}: {run.backend:8}{run.rate:9.4f} Mpps, round trip "
              f"{run.trip:.0f} ns{note}", flush=True)
        if run.calm or attempt == args.patience:
            return


def measure_group(cells, backends, args, results):
    """Measure the cells of a group, in repeats."""
    with_viommu = [cell for cell in cells if cell != cell.baseline]
    order = sequence(cells[0].baseline, with_viommu, *backends)
    for repeat in range(args.repeats):
        # Who goes first changes, too
        order = order[::-1] if repeat else order
        runs = []
        results.repeats.append(runs)
        for cell, name in order:
            run = Run(cell, name)
            progress = f"[{repeat + 1}/{args.repeats}]"
            try:
                measure_calm(progress, run, backends[name], args)
                runs.append(run)
            except BenchError as error:
                print(f"{progress} {cell}: {name}: {error}", flush=True)
                runs.append(None)


class Pair:
    """Both backends, with the port a cell wants; one runs at a time."""

    def __init__(self, backends):
        self.backends = {backend.name: backend for backend in backends}
        self.port = None

    def serve(self, cell):
        """Start them anew if the port is another, return them by name."""
        if cell.port != self.port:
            self.stop()
            for backend in self.backends.values():
                backend.start(cell)
                backend.pause()
            self.port = cell.port
        return self.backends

    def stop(self):
        """End them."""
        self.port = None
        for backend in self.backends.values():
            backend.stop()


def groups_of(cells):
    """Cells that are compared with one another, with what they are compared with.

    Return {group: [cell]}, the cell without a vIOMMU first.
    """
    groups = {}
    for cell in cells:
        group = groups.setdefault(cell.group, [cell.baseline])
        if cell not in group:
            group.append(cell)
    return groups


def report(results, args, settings):
    """Print the table, and write it where asked to."""
    text = f"{machine(settings)}\n\n{markdown(results)}\n"
    print(f"\n{text}")
    if args.output:
        with open(args.output, "w", encoding="utf-8") as file:
            file.write(text)


def run(args):
    """Measure everything asked for; an interrupt prints what there is."""
    groups = groups_of(matching(args.cells))
    if args.list:
        print("\n".join(str(cell) for cells in groups.values() for cell in cells))
        return 0
    if not groups:
        raise BenchError(f"no cell has all of: {' '.join(args.cells)}")
    cpus = processors()
    huge = args.hugepages == "auto" and hugepages_free()
    settings = {"backends": f"one thread on CPU {cpus[0]}, "
                            f"{'hugepages of 2 MiB' if huge else 'no hugepages'}",
                "guest": f"on CPU {cpus[1]}, buffers in pages of {args.pages}",
                "measurements": f"medians of {args.repeats} repeats, {args.seconds:g} s each "
                                f"after {args.warmup:g} s"}
    results = {}
    if os.getloadavg()[0] > 0.5:
        print(f"bench: the load average is {os.getloadavg()[0]:.1f}: something else runs here, "
              "and the numbers will show it", flush=True)
    with tempfile.TemporaryDirectory(prefix="vunet-bench") as directory:
        pair = Pair([Vunetd(directory, cpus, huge, os.path.join(args.bin, "vunetd")),
                     Testpmd(directory, cpus, huge)])
        try:
            for cells in groups.values():
                group = Results(*pair.backends)
                results.update({cell: group for cell in cells})
                try:
                    measure_group(cells, pair.serve(cells[0]), args, group)
                except BenchError as error:
                    print(f"{' '.join(map(str, cells[0].group))}: {error}", flush=True)
        except KeyboardInterrupt:
            print("\nbench: interrupted, so this is a part")
        finally:
            pair.stop()
    report(results, args, settings)
    return 0 if all(group.ratio(cell) for cell, group in results.items()) else 1


def main():
    """Complain in one line about what cannot be done."""
    try:
        return run(parse())
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
