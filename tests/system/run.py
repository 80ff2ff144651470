#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""run.py - System tests: the real daemon, the test guest, the kernel

Each file test_*.py is one idea.  Its functions test_*(test) are run in their
order, or what its function tests() yields as (name, function); a file's
set_up(shared) is called before the first of them.
"""

import argparse
import importlib
import os
import sys
import time

import sandbox
from runner import HERE, TEST_SECONDS, Tally, file_of_tests, run_one, time_limit, wanted


def parse():
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("patterns", nargs="*", metavar="PATTERN",
                        help="part of a test's name, * and ? allowed; default: all")
    parser.add_argument("--build", default=os.environ.get("BUILD_DIR", "build/release"),
                        help="directory of vunetd and vunet-guest [%(default)s]")
    parser.add_argument("--list", action="store_true", help="print the names and exit")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    return options


def tests_of(module, stem):
    """Return [(full name, function)] of a file."""
    if hasattr(module, "tests"):
        found = module.tests()
    else:
        found = [(name[len("test_"):].replace("_", " "), function)
                 for name, function in vars(module).items() if name.startswith("test_")]
    return [(f"{stem}: {name}", function) for name, function in found]


def run_file(stem, options, tally):
    """Run the tests of one file."""
    module = importlib.import_module(stem)
    title = stem[len("test_"):].replace("_", " ")
    chosen = [(name, function) for name, function in tests_of(module, title)
              if wanted(name, options.patterns)]
    if options.list:
        print("\n".join(name for name, _ in chosen))
        return
    if not chosen:
        return
    with file_of_tests(title, options, tally) as shared:
        if hasattr(module, "set_up"):
            with time_limit(TEST_SECONDS):
                module.set_up(shared)
        for name, function in chosen:
            run_one(name, function, options, shared, tally)


def main():
    """Run what is asked for, return the exit status."""
    options = parse()
    stems = sorted(name[:-len(".py")] for name in os.listdir(HERE)
                   if name.startswith("test_") and name.endswith(".py"))
    if not options.list:
        sandbox.enter()
    tally = Tally()
    begin = time.monotonic()
    for stem in stems:
        run_file(stem, options, tally)
    if options.list:
        return 0
    print(f"# system tests: {time.monotonic() - begin:.0f} s with {options.build}")
    for name in sorted(tally.seconds, key=tally.seconds.get)[:-6:-1]:
        print(f"#   {tally.seconds[name]:.1f} s {name}")
    print(tally.summary())
    if not any(tally.counts.values()):
        print("no test has such a name", file=sys.stderr)
        return 1
    return 1 if tally.counts["not ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
