#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""run.py - Play what fuzzers found before, then let them look for more

Each target (fuzz_NAME.c) first plays its regressions, tests/fuzz/regressions/NAME/,
then begins with its seeds and what earlier runs have collected, and runs for a
time.  One line each: "ok - ", "not ok - ".  An input that fails is kept in
build/fuzz-artifacts/; fix its cause, then move it to the regressions.
"""

import argparse
import glob
import os
import re
import subprocess
import sys

import seeds

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TAIL_LINES = 60
# An input may take this long; a call that never ends is a finding too
INPUT_SECONDS = 20
START_SECONDS = 120
RSS_MB = 3000
# The gate's threads are not only ours: an end that waits for the library is slow
MAX_LEN = {"gate": 1024, "iotlb": 2048, "split": 2048, "packed": 2048, "offload": 512,
           "conf": 4096}


def parse():
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET",
                        help=f"of {', '.join(seeds.TARGETS)}; default: all")
    parser.add_argument("--build", default=os.path.join(TOP, "build/fuzz"))
    parser.add_argument("--corpus", default=os.path.join(TOP, "build/fuzz-corpus"))
    parser.add_argument("--artifacts", default=os.path.join(TOP, "build/fuzz-artifacts"))
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    options = parser.parse_args()
    for name in options.targets:
        if name not in seeds.TARGETS:
            parser.error(f"no target {name}; there are: {', '.join(seeds.TARGETS)}")
    return options


class Target:
    """One fuzzer and its directories."""

    def __init__(self, name, options):
        self.name = name
        self.seconds = options.seconds
        self.program = os.path.join(options.build, f"tests/fuzz/fuzz_{name}")
        self.corpus = os.path.join(options.corpus, name)
        self.artifacts = os.path.join(options.artifacts, name)
        self.regressions = sorted(glob.glob(os.path.join(HERE, "regressions", name, "*")))
        for directory in (self.corpus, self.artifacts):
            os.makedirs(directory, exist_ok=True)

    def run(self, seconds, *arguments):
        """Run the fuzzer, return (whether all was well, its output)."""
        command = [self.program, f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={RSS_MB}",
                   "-detect_leaks=" + str(int(self.name != "gate")),
                   f"-artifact_prefix={self.artifacts}/", *arguments]
        environment = {**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1"}
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=seconds + START_SECONDS,
                                  env=environment, check=False)
        except subprocess.TimeoutExpired as late:
            return False, (late.stdout or b"").decode(errors="replace") + "\nit did not end"
        return done.returncode == 0, done.stdout.decode(errors="replace")

    def replay(self):
        """Play the regressions."""
        if not self.regressions:
            return True, ""
        return self.run(len(self.regressions) * INPUT_SECONDS, *self.regressions)

    def search(self):
        """Look for more."""
        seeds_directory = os.path.join(os.path.dirname(self.corpus), f"seeds-{self.name}")
        seeds.write(self.name, seeds_directory)
        return self.run(self.seconds, f"-max_total_time={self.seconds}", "-print_final_stats=1",
                        f"-max_len={MAX_LEN[self.name]}", self.corpus, seeds_directory)


def number(pattern, text):
    """Return the last number a pattern finds, or 0."""
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def check(target):
    """Run one target, print its line, return whether all was well."""
    ok, output = target.replay()
    runs = edges = 0
    if ok:
        ok, output = target.search()
        runs = number(r"stat::number_of_executed_units: *(\d+)", output)
        edges = number(r"cov: (\d+)", output)
        # A fuzzer that ran nothing, or is blind, has found nothing either
        ok = ok and runs > 0 and edges > 0
    print(f"{'ok' if ok else 'not ok'} - fuzz {target.name}: "
          f"{len(target.regressions)} regressions, {runs} inputs in {target.seconds} s, "
          f"{edges} edges", flush=True)
    if not ok:
        for line in output.splitlines()[-TAIL_LINES:]:
            print("#", line)
    return ok


def main():
    """Run the targets, return the exit status."""
    options = parse()
    names = options.targets or list(seeds.TARGETS)
    failed = sum(not check(Target(name, options)) for name in names)
    print(f"# fuzz: {len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
