#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""instructions.py - Count the instructions a packet costs in vq_pull() and vq_push()

Runs vq_bench under valgrind's callgrind, which counts only inside those two
functions and writes a file for each cell of the table.  Unlike cycles, the
counts are the same on every run and every machine with the same compiler.
"""

import argparse
import os
import subprocess
import sys
import tempfile

# Enough that what happens once per ring does not show
ROUNDS = 200
BURST = 32


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", default="build/release/tests/bench/vq_bench")
    return parser.parse_args()


def count(bench, directory):
    """Run the benchmark, return its own table and the total of each cell, in order."""
    output = os.path.join(directory, "out")
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}",
         "--toggle-collect=vq_pull", "--toggle-collect=vq_push",
         # Called once at the end of each cell
         "--dump-after=vq_free", bench, str(ROUNDS)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        check=False)
    if done.returncode:
        raise RuntimeError(f"{bench} under valgrind: {done.stderr.strip()[-500:]}")
    totals = []
    while os.path.exists(f"{output}.{len(totals) + 1}"):
        with open(f"{output}.{len(totals) + 1}", encoding="ascii") as file:
            totals.append(next(int(line.split()[1]) for line in file
                               if line.startswith("summary:")))
    return done.stdout.splitlines(), totals


def main():
    """Print vq_bench's table with instructions in place of cycles."""
    args = parse()
    try:
        with tempfile.TemporaryDirectory(prefix="vunet-instructions") as directory:
            (header, *rows), totals = count(args.bench, directory)
    except (OSError, RuntimeError) as error:
        print(f"instructions: {error}", file=sys.stderr)
        return 2
    columns = len(totals) // len(rows)
    if not columns or len(totals) != columns * len(rows):
        print(f"instructions: {len(totals)} counts for {len(rows)} rows", file=sys.stderr)
        return 2
    print(header.replace("cycles per packet", "instructions per packet"))
    for i, row in enumerate(rows):
        cells = totals[i * columns:(i + 1) * columns]
        print(row[:32] + "".join(f" {total / ROUNDS / BURST:9.1f}" for total in cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
