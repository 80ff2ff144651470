# SPDX-License-Identifier: BSD-3-Clause
"""case.py - One hostile case: what is done, what the daemon does, who pays

A case's function gets the stage and returns what the daemon did, in words, or
fails.  Whatever it is, the counters named must have moved by as much, the
innocent guest must go on and have lost nothing, and all files must be closed.
"""

import dataclasses
import typing

from outcome import expect, expect_equal, wait_for

DROPS = ("port b queue 0", "guest good ring 0", "guest good ring 1", "guest good")
FRAMES = 30


@dataclasses.dataclass(frozen=True)
class Case:
    """A case of the table."""

    name: str
    done: str  # what is done
    act: typing.Callable  # act(stage) -> what the daemon did
    counts: tuple = ()  # (object, counter, how much or None for "some")


@dataclasses.dataclass(frozen=True)
class Row:
    """What came of a case."""

    name: str
    done: str
    did: str
    counted: str
    frames: int


def grown(before, after, what, counter):
    """Return by how much a counter has grown."""
    return after.get(what, {}).get(counter, 0) - before.get(what, {}).get(counter, 0)


def counted(case, before, after):
    """Fail unless the counters that the case names have moved; return them in words."""
    words = []
    for what, counter, wanted in case.counts:
        n = grown(before, after, what, counter)
        if wanted is None:
            expect(n > 0, f"{what}: {counter} has not moved")
        else:
            expect_equal(n, wanted, f"{what}: {counter}")
        words.append(f"{what.removeprefix('guest bad').strip() or 'guest'}: {counter} +{n}")
    return ", ".join(words)


def nothing_lost(before, after):
    """Fail if the daemon has dropped a frame of the innocent guest, or refused anything of it."""
    for what in DROPS:
        for counter in after.get(what, {}):
            if counter.startswith(("drop_", "err_", "refused", "bad_", "faults")):
                expect_equal(grown(before, after, what, counter), 0, f"{what}: {counter}")


def commit(case, stage):
    """Do it, and see what it did to whom; return a row of the table."""
    before, frames, fds = stage.before()
    did = case.act(stage)
    after, now = stage.after(FRAMES)
    nothing_lost(before, after)
    words = counted(case, before, after)
    wait_for(f"{fds} open files again (there are {stage.daemon.fds()})",
             lambda: stage.daemon.fds() == fds)
    return Row(case.name, case.done, did, words, now - frames)
