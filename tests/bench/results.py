# SPDX-License-Identifier: BSD-3-Clause
"""results.py - What is compared with what

A round is what was measured in turns: each backend with and without a vIOMMU.
Only rates of the same round are compared, and the median of those ratios counts.
"""

from statistics import median

# Round trips of a cache line, in ns: between cores that share a cache, or not
NEAR_BELOW = 150


def where(trips):
    """Say how far apart the processors were during a round: near, far, or None if they moved."""
    if max(trips) < NEAR_BELOW:
        return "near"
    return "far" if min(trips) >= NEAR_BELOW else None


class Results:
    """All rounds of one kind of work.

    rounds: [{(cell, backend): Run}]
    trips:  Round trips of a cache line before and after each, in ns: [(before, after)]
    """

    def __init__(self, ours, theirs):
        self.ours = ours
        self.theirs = theirs
        self.rounds = []
        self.trips = []

    def add(self, runs, trips):
        """Take in a round."""
        self.rounds.append(runs)
        self.trips.append(trips)

    def rates(self, cell, backend):
        """Every rate measured."""
        return [runs[cell, backend].rate for runs in self.rounds if (cell, backend) in runs]

    def _compare(self, what, with_what):
        ratios = [runs[what].rate / runs[with_what].rate for runs in self.rounds
                  if what in runs and with_what in runs and runs[with_what].rate]
        return median(ratios) if ratios else None

    def ratio(self, cell):
        """Median ratio of our rate to theirs, or None."""
        return self._compare((cell, self.ours), (cell, self.theirs))

    def ratio_where(self, cell, place):
        """The same of the rounds whose processors were near, or far: (ratio or None, rounds)."""
        part = Results(self.ours, self.theirs)
        part.rounds = [runs for runs, trips in zip(self.rounds, self.trips)
                       if where(trips) == place and (cell, self.ours) in runs]
        return part.ratio(cell), len(part.rounds)

    def cost(self, cell, backend):
        """Median ratio of a rate to that without a vIOMMU, or None."""
        if cell == cell.baseline:
            return None
        return self._compare((cell, backend), (cell.baseline, backend))
