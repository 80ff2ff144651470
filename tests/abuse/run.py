#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""run.py - Hostile guests and front-ends against the real daemon, case by case

Each file cases_*.py is one kind of hostility: its cases() are acted out in their
order, beside an innocent guest (stage.py), and each is one line.  --table writes
what was done, what the daemon did, and what the innocent guest had of it.
"""

import argparse
import functools
import importlib
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
# What the system tests are made of
sys.path.insert(0, os.path.join(TOP, "tests", "system"))

# pylint: disable=wrong-import-position
import sandbox
from case import commit
from outcome import Failed
from runner import TEST_SECONDS, Tally, file_of_tests, run_one, time_limit, wanted
from stage import Stage

FILES = ("messages", "order", "memory", "log", "translations", "stalls", "split", "packed",
         "headers", "floods")
# With --brief, of the second build's cases
BRIEF_EVERY = 8


def parse():
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("patterns", nargs="*", metavar="PATTERN",
                        help="part of a case's name, * and ? allowed; default: all")
    parser.add_argument("--builds", default="asan,release",
                        help="builds of vunetd and vunet-guest [%(default)s]")
    parser.add_argument("--brief", action="store_true",
                        help=f"only every {BRIEF_EVERY}th case with all builds but the first")
    parser.add_argument("--table", help="file for the table")
    parser.add_argument("--list", action="store_true", help="print the names and exit")
    return parser.parse_args()


def tell(case, stage, rows, _):
    """Have a case acted out, return what is to be said of it."""
    row = commit(case, stage)
    rows.append(row)
    return "; ".join(word for word in (row.did, row.counted,
                                       f"innocent: {row.frames} frames") if word)


def finish(stage, _):
    """The innocent guest has lost nothing, and the daemon ends as it should."""
    stage.end()
    took = stage.daemon.stop()
    return f"vunetd took {took:.2f} s to end"


def run_file(stem, options, tally, rows):
    """Act out the cases of one file."""
    module = importlib.import_module(f"cases_{stem}")
    chosen = [case for case in module.cases() if wanted(f"{stem}: {case.name}", options.patterns)]
    if options.brief and options.build != options.first:
        chosen = chosen[::BRIEF_EVERY]
    if options.list:
        print("\n".join(f"{stem}: {case.name}" for case in chosen))
    if options.list or not chosen:
        return
    title = f"{os.path.basename(options.build)} {stem}"
    with file_of_tests(title, options, tally) as shared:
        with time_limit(TEST_SECONDS):
            stage = Stage(shared, **getattr(module, "INNOCENT", {}))
        for case in chosen:
            run_one(f"{title}: {case.name}", functools.partial(tell, case, stage, rows), options,
                    shared, tally)
        run_one(f"{title}: nothing lost at the end", functools.partial(finish, stage), options,
                shared, tally)


def markdown(tables):
    """Return {build: rows} as tables."""
    lines = []
    for build, rows in tables.items():
        lines += [f"### {build}", "", "| case | what is done | what the daemon does | counted | "
                  "frames of the innocent guest |", "|---|---|---|---|---:|"]
        lines += [f"| {row.name} | {row.done} | {row.did} | {row.counted} | {row.frames} |"
                  for row in rows] + [""]
    return "\n".join(lines)


def main():
    """Run what is asked for, return the exit status."""
    options = parse()
    if not options.list:
        sandbox.enter()
    tally, tables, begin = Tally(), {}, time.monotonic()
    for build in options.builds.split(","):
        options.build = os.path.join(TOP, "build", build)
        options.first = getattr(options, "first", options.build)
        rows = tables.setdefault(build, [])
        for stem in FILES:
            run_file(stem, options, tally, rows)
        if options.list:
            return 0
    if options.table:
        with open(options.table, "w", encoding="utf-8") as file:
            file.write(markdown(tables))
    print(f"# abuse: {time.monotonic() - begin:.0f} s with {options.builds}")
    for name in sorted(tally.seconds, key=tally.seconds.get)[:-6:-1]:
        print(f"#   {tally.seconds[name]:.1f} s {name}")
    print(tally.summary())
    if not any(tally.counts.values()):
        raise Failed("no case has such a name")
    return 1 if tally.counts["not ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
