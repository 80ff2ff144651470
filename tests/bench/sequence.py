# SPDX-License-Identifier: BSD-3-Clause
"""sequence.py - In which order to measure, and what to compare with what

Processors drift, so only measurements right after each other are compared: both
backends at one cell, and one backend with and without a vIOMMU.  For a group of
cells T(x) and V(x), of peer and daemon, a repeat goes

    T(4k) V(4k) V(off) V(2m) T(2m)   T(1g) V(1g) V(off) T(off)

and the next one the other way round.
"""

from dataclasses import dataclass
from statistics import median

# Round trips of a cache line that differ by more say that the processors moved
SAME_DISTANCE = 1.5


@dataclass
class Run:
    """One measurement.

    cell:    What was measured
    backend: Name of who did the work
    rate:    Mpps
    trip:    Round trip of a cache line right before, in ns
    calm:    Nobody else took the processors
    """

    cell: object
    backend: str
    rate: float = 0.0
    trip: float = 0.0
    calm: bool = True


def sequence(base, cells, ours, theirs):
    """Order one repeat of a group: cells are those with a vIOMMU, base is the one without."""
    order = []
    for i in range(0, len(cells), 2):
        first, *second = cells[i:i + 2]
        order += [(first, theirs), (first, ours), (base, ours)]
        order += [(cell, backend) for cell in second for backend in (ours, theirs)]
    if not order or order[-1] != (base, ours):
        order.append((base, ours))
    order.append((base, theirs))
    return order


def _nearest(runs, i, cell, backend):
    """The run of a cell nearest to the one at i, or None."""
    found = [(abs(i - j), j) for j, run in enumerate(runs)
             if run and (run.cell, run.backend) == (cell, backend)]
    return runs[min(found)[1]] if found else None


def _alike(run, other):
    """Tell whether two runs had the same machine."""
    low, high = sorted((run.trip, other.trip))
    return run.calm and other.calm and high <= SAME_DISTANCE * low


def _best(ratios):
    """Leave out those of runs that were not alike, if anything is left then."""
    return [ratio for ratio, alike in ratios if alike] or [ratio for ratio, _ in ratios]


def _compare(repeats, what, with_what):
    """Ratios of (cell, backend) to the nearest other one of the same repeat."""
    ratios = []
    for runs in repeats:
        for i, run in enumerate(runs):
            if not run or (run.cell, run.backend) != what:
                continue
            other = _nearest(runs, i, *with_what)
            if other and other.rate:
                ratios.append((run.rate / other.rate, _alike(run, other)))
    return _best(ratios)


class Results:
    """All repeats of a group; a run that failed is None in its place."""

    def __init__(self, ours, theirs):
        self.ours = ours
        self.theirs = theirs
        self.repeats = []

    def rates(self, cell, backend):
        """Every rate measured."""
        return [run.rate for runs in self.repeats for run in runs
                if run and (run.cell, run.backend) == (cell, backend)]

    def trips(self, cell):
        """Every round trip measured before a run of a cell."""
        return [run.trip for runs in self.repeats for run in runs if run and run.cell == cell]

    def ratio(self, cell):
        """Median ratio of our rate to theirs, or None."""
        ratios = _compare(self.repeats, (cell, self.theirs), (cell, self.ours))
        return 1 / median(ratios) if ratios and min(ratios) else None

    def cost(self, cell, backend):
        """Median ratio of a rate to that without a vIOMMU, or None."""
        if cell == cell.baseline:
            return None
        ratios = _compare(self.repeats, (cell, backend), (cell.baseline, backend))
        return median(ratios) if ratios else None
