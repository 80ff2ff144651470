# SPDX-License-Identifier: BSD-3-Clause
"""cells.py - The work that is measured, one cell of the table each"""

import itertools
from dataclasses import dataclass

# A few thousand buffers: what a guest with a mempool cycles through, and more
# pages of 4 KiB than the peer's IOTLB holds entries
BUFFERS = 4096

SIZES = (64, 1518)
MODES = ("l2fwd", "tx", "rx")
RINGS = ("split", "packed")
VIOMMUS = ("off", "4k", "2m", "1g")

# The frames that count in each mode
FRAMES = {"l2fwd": "tx_frames", "tx": "tx_frames", "rx": "rx_frames"}


MAPS = {"static": ["--map", "static-demand"], "dynamic": ["--map", "dynamic"],
        "batched": ["--map", "dynamic", "--batch"]}


@dataclass(frozen=True)
class Cell:
    """What one measurement does.

    mode:   Mode of vunet-guest
    size:   Bytes of a frame in memory
    viommu: Pages of the vIOMMU, or off
    maps:   static; dynamic, one message at a time; batched, a burst of them
    ring:   split or packed
    """

    mode: str
    size: int
    viommu: str
    maps: str
    ring: str

    def __str__(self):
        viommu = "no vIOMMU" if self.viommu == "off" else f"vIOMMU {self.viommu}"
        return f"{self.ring} {self.mode} {self.size} B, {viommu}, {self.maps} maps"

    @property
    def port(self):
        """Device string of the port behind the backend, the same for both."""
        # A port that delivers nothing when the guest only sends
        receives = "no-rx=1" if self.mode == "tx" else f"size={self.size},copy=0"
        return f"net_null0,{receives}"

    @property
    def frames(self):
        """Key of the guest's summary that is compared."""
        return FRAMES[self.mode]

    @property
    def baseline(self):
        """The same work without a vIOMMU."""
        return Cell(self.mode, self.size, "off", "static", self.ring)

    @property
    def group(self):
        """What cells compared with one another have in common."""
        return self.ring, self.mode, self.size

    def guest(self, layout):
        """Options of vunet-guest; layout is what a guest without a vIOMMU does without.

        The peer asks for read and write on receive, and corrupts memory unless
        each ring and each buffer is in one piece, so both get that.  Without a vIOMMU
        the buffers are scattered over memory alike, or the difference would be
        that between near and far memory.  In dynamic mode a buffer is mapped,
        missed, answered, used and invalidated for every frame.
        """
        words = ["--mode", self.mode, "--viommu", self.viommu, "--buffers", str(BUFFERS),
                 "--mergeable", "on", "--rw", "--rings", "contiguous", "--aligned"]
        if self.ring == "packed":
            words += ["--packed"]
        if self.mode == "tx":
            words += ["--size", str(self.size)]
        words += ["--scatter", layout] if self.viommu == "off" else MAPS[self.maps]
        return words


def all_cells():
    """Every cell, in the order of the table."""
    cells = []
    for ring, mode, size in itertools.product(RINGS, MODES, SIZES):
        cells += [Cell(mode, size, viommu, "static", ring) for viommu in VIOMMUS]
        if ring == "split":
            cells += [Cell(mode, size, "4k", maps, ring) for maps in ("dynamic", "batched")]
    return cells


def matching(words):
    """The cells that have all words given, such as `packed l2fwd 64 4k`."""
    return [cell for cell in all_cells()
            if set(words) <= {cell.mode, str(cell.size), cell.viommu, cell.maps, cell.ring}]
