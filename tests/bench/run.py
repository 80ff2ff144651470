#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""run.py - Measure vunetd against dpdk-testpmd with net_vhost

Guests load both with the same work, at the same time, in short turns (turns.py).  A
rate in the table is the median of its repeats, a ratio the median of theirs.
Nothing is asserted: it is a table.
"""

import argparse
import os
import subprocess
import sys
import tempfile

from backends import BenchError, Testpmd, Vunetd
from cells import matching
from results import Results
from table import machine, markdown
from turns import TURN_SECONDS, take_turns

HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
HUGEPAGES_WANTED = 256 # for two of each backend

# Of the processor, for the poller and the guest; with less a note is made
SHARE_WANTED = 0.9


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="*", help="only cells with all these words, such as "
                        "`packed l2fwd 64 4k` or `dynamic` (default: all)")
    parser.add_argument("--bin", default="build/release", help="where vunetd and vunet-guest are")
    parser.add_argument("--seconds", type=float, default=1, help="each contender runs in a repeat (1)")
    parser.add_argument("--repeats", type=int, default=3, help="measurements per cell (3)")
    parser.add_argument("--pages", default="4k", choices=("4k", "2m", "1g"),
                        help="pages behind the guest's buffers (4k)")
    parser.add_argument("--hugepages", default="auto", choices=("auto", "none"),
                        help="whether the backends use them (auto)")
    parser.add_argument("--against", metavar="VUNETD", help="another build of the daemon, to be "
                        "compared with in place of dpdk-testpmd")
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


def round_trip(args, cpus):
    """Round trip of a cache line between the processors, in ns."""
    binary = os.path.join(args.bin, "tests/bench/line_bench")
    done = subprocess.run([binary, *map(str, cpus)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, timeout=60)
    if done.returncode:
        raise BenchError(f"{binary}: {done.stdout.strip()}")
    return float(done.stdout.split()[-2])


def measure_round(cell, backends, args):
    """Have all backends do a cell's work and that without a vIOMMU, in turns.

    Return {(cell, name of the backend): Run} and the round trips before and after.
    """
    command = [os.path.join(args.bin, "vunet-guest"), "--pages", args.pages]
    cells = [cell.baseline, cell] if cell != cell.baseline else [cell]
    work = [(one, backend) for one, both in zip(cells, backends) for backend in both]
    cpus = backends[0][0].main, backends[0][0].pmd
    before = round_trip(args, cpus)
    runs = take_turns(work, command, cell.viommu, args.seconds)
    return runs, [before, round_trip(args, cpus)]


def note(run):
    """A rate, and how much of its processor somebody lacked for it."""
    return f"{run.rate:.4f}" + (f" ({100 * run.share:.0f} %)" if run.share < SHARE_WANTED else "")


def measure_group(cells, farm, args, results):
    """Measure the cells of a group, in repeats."""
    for repeat in range(args.repeats):
        for cell in cells:
            prefix = f"[{repeat + 1}/{args.repeats}] {cell}:"
            try:
                runs, trips = measure_round(cell, farm.serve(cell), args)
            except BenchError as error:
                print(prefix, error, flush=True)
                farm.stop()
                continue
            results.add(runs, trips)
            rates = (f"{name}{'' if one == cell else ' without'} {note(run)}"
                     for (one, name), run in runs.items())
            print(prefix, ", ".join(rates), "Mpps", flush=True)


def contenders(args, directory, cpus, huge):
    """Us, and who we are compared with."""
    ours = Vunetd("vunetd", directory, cpus, huge, os.path.join(args.bin, "vunetd"))
    if args.against:
        return [ours, Vunetd("other", directory, cpus, huge, args.against)]
    return [ours, Testpmd("testpmd", directory, cpus, huge)]


class Farm:
    """Two of each backend, with the port a cell wants: without a vIOMMU and with one."""

    def __init__(self, backends):
        self.backends = backends
        self.port = None

    def serve(self, cell):
        """Start them anew if the port is another, return them: [[one of each], [...]]."""
        if cell.port != self.port:
            self.stop()
            for backend in sum(self.backends, []):
                backend.start(cell)
                backend.pause()
            self.port = cell.port
        return self.backends

    def stop(self):
        """End them."""
        self.port = None
        for backend in sum(self.backends, []):
            backend.stop()


def groups_of(cells):
    """Cells that are compared with one another: {group: [cell]}.

    The cell without a vIOMMU is measured with each other one, and alone only where
    there is no other.
    """
    groups = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    return {group: [cell for cell in found if cell != cell.baseline] or found
            for group, found in groups.items()}


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
                "measurements": f"medians of {args.repeats} repeats, {args.seconds:g} s each in "
                                f"turns of {1000 * TURN_SECONDS:g} ms"}
    results = {}
    if os.getloadavg()[0] > 0.5:
        print(f"bench: the load average is {os.getloadavg()[0]:.1f}: something else runs here, "
              "and the numbers will show it", flush=True)
    with tempfile.TemporaryDirectory(prefix="vunet-bench") as directory:
        farm = Farm([contenders(args, os.path.join(directory, viommu), cpus, huge)
                     for viommu in ("off", "on")])
        try:
            for cells in groups.values():
                group = Results(*(backend.name for backend in farm.backends[0]))
                results.update({cell: group for cell in [cells[0].baseline, *cells]})
                try:
                    measure_group(cells, farm, args, group)
                except BenchError as error:
                    print(f"{' '.join(map(str, cells[0].group))}: {error}", flush=True)
        except KeyboardInterrupt:
            print("\nbench: interrupted, so this is a part")
        finally:
            farm.stop()
    report(results, args, settings)
    return 0 if all(group.ratio(cell) for cell, group in results.items()) else 1


def complaining(work):
    """Do what returns an exit status; complain in one line about what cannot be done."""
    try:
        return work()
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(complaining(lambda: run(parse())))
