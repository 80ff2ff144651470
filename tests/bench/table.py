# SPDX-License-Identifier: BSD-3-Clause
"""table.py - Results as the Markdown that docs/performance.md takes"""

import os
import platform
import subprocess
from statistics import median


def _head(ours, theirs):
    return ["ring", "mode", "bytes", "vIOMMU", "maps", f"{ours} Mpps", f"{theirs} Mpps", "ratio",
            "near", "far", f"{ours} vs off", f"{theirs} vs off", "round trip ns"]


def _percent(ratio):
    return f"{100 * (ratio - 1):+.1f} %" if ratio else "-"


def mpps(rates):
    """The median of rates, to three digits."""
    if not rates:
        return "-"
    rate = median(rates)
    return f"{rate:.3f}" if rate < 10 else f"{rate:.2f}"


def span(trips):
    """Least and largest of some numbers, or the one they agree on."""
    low, high = round(min(trips)), round(max(trips))
    return f"{low}-{high}" if high > low else str(low)


def times(ratio):
    """A ratio, or that there is none."""
    return f"{ratio:.2f}" if ratio else "-"


def _part(ratio, rounds):
    """A ratio of some rounds, and of how many."""
    return f"{ratio:.2f} ({rounds})" if ratio else "-"


def _row(cell, results):
    return [cell.ring, cell.mode, str(cell.size), cell.viommu, cell.maps,
            mpps(results.rates(cell, results.ours)), mpps(results.rates(cell, results.theirs)),
            times(results.ratio(cell)),
            *(_part(*results.ratio_where(cell, place)) for place in ("near", "far")),
            _percent(results.cost(cell, results.ours)),
            _percent(results.cost(cell, results.theirs)), span(sum(results.trips, []))]


def layout(head, rows):
    """Turn rows of words into a table in Markdown."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(word.ljust(width) for word, width in zip(line, widths))
                     + " |" for line in lines)


def markdown(groups):
    """Turn {cell: Results} into a table."""
    if not groups:
        return ""
    results = next(iter(groups.values()))
    head = _head(results.ours, results.theirs)
    rows = [_row(cell, results) for cell, results in groups.items()
            if results.rates(cell, results.ours) or results.rates(cell, results.theirs)]
    return layout(head, rows)


def _first(path, key):
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith(key):
                return line.partition(":")[2].strip()
    return "unknown"


def _dpdk():
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "dpdk"], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout or "unknown"


def machine(settings):
    """Describe what was measured on, and how."""
    lines = [f"processor: {_first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} online",
             f"kernel: {platform.release()}, DPDK {_dpdk()}"]
    lines += [f"{name}: {value}" for name, value in settings.items()]
    return "\n".join(f"* {line}" for line in lines)
