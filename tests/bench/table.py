# SPDX-License-Identifier: BSD-3-Clause
"""table.py - Results as the Markdown that docs/performance.md takes"""

import os
import platform
import subprocess
from statistics import median


def _percent(part, whole):
    return f"{100 * (part / whole - 1):+.1f} %" if whole else "-"


def _rate(mpps):
    return f"{mpps:.3f}" if mpps < 10 else f"{mpps:.2f}"


def _row(cell, ours, theirs, base):
    ratio = f"{ours / theirs:.2f}" if theirs else "-"
    costs = ["-", "-"]
    if cell != cell.baseline and base:
        costs = [_percent(ours, base[0]), _percent(theirs, base[1])]
    return [cell.mode, str(cell.size), cell.viommu, cell.maps, _rate(ours), _rate(theirs),
            ratio, *costs]


def markdown(results):
    """Turn {cell: {backend: [rates]}} into a table of medians."""
    head = ["mode", "bytes", "vIOMMU", "maps", "vunetd Mpps", "testpmd Mpps", "ratio",
            "vunetd vs off", "testpmd vs off"]
    medians = {cell: (median(rates["vunetd"]), median(rates["testpmd"]))
               for cell, rates in results.items()
               if rates.get("vunetd") and rates.get("testpmd")}
    rows = [_row(cell, *pair, medians.get(cell.baseline)) for cell, pair in medians.items()]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(word.ljust(width) for word, width in zip(line, widths))
                     + " |" for line in lines)


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
