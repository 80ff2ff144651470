# SPDX-License-Identifier: BSD-3-Clause
"""matrix.py - Which guests are booted, and what drives the card in each

Four axes: the vIOMMU, what drives the card, how the rings are laid out, how many
pairs of them there are.  A cell is one of each, and named after them:
intel-strict-packed-4.  What drives the card can change while a guest runs, the
rest cannot, so a boot is a vIOMMU, a layout and a number of pairs, and goes
through the cells of several drivers.
"""

import dataclasses
import itertools

VIOMMUS = ("none", "intel", "virtio")
RINGS = ("split", "packed")
PAIRS = (1, 4)


@dataclasses.dataclass(frozen=True)
class Driver:
    """What drives the card.

    module: the kernel's driver that has it
    domain: type of its IOMMU group, as the kernel calls it
    append: what asks for that on the kernel's command line
    pages:  size in KiB of the pages that DPDK has, if it is DPDK
    """

    module: str
    domain: str = ""
    append: str = ""
    pages: int = 0


# Linux calls a group's domain "DMA" when each unmap is flushed at once, and
# "DMA-FQ" when they are collected.
DRIVERS = {
    "strict": Driver("virtio-pci", "DMA", "iommu=nopt iommu.strict=1"),
    "lazy": Driver("virtio-pci", "DMA-FQ", "iommu=nopt iommu.strict=0"),
    "pt": Driver("virtio-pci", "identity", "iommu=pt"),
    "kernel": Driver("virtio-pci"),
    # Largest first: a page of 1 GiB is to be had at boot, and given up after that
    "vfio1g": Driver("vfio-pci", pages=1 << 20),
    "vfio2m": Driver("vfio-pci", pages=2 << 10),
    "vfio4k": Driver("vfio-pci", pages=4),
    "uio1g": Driver("uio_pci_generic", pages=1 << 20),
    "uio2m": Driver("uio_pci_generic", pages=2 << 10),
}
TRANSLATED = ("strict", "lazy", "pt", "vfio2m", "vfio4k", "vfio1g")
UNTRANSLATED = ("kernel", "uio1g", "uio2m")


def impossible(viommu, driver):
    """Say why a vIOMMU and a driver cannot go together, or nothing."""
    if viommu == "none" and driver in ("strict", "lazy", "pt"):
        return "without a vIOMMU there is no mode for it to be in: kernel stands for all three"
    if viommu == "none" and driver == "vfio4k":
        return "DPDK then needs physical addresses, which it knows of huge pages only"
    if viommu == "none" and driver in TRANSLATED:
        return "Debian's kernel has no VFIO_NOIOMMU: uio_pci_generic stands for vfio"
    if viommu != "none" and driver in UNTRANSLATED:
        return "its place behind a vIOMMU is taken by strict, lazy and pt, and by vfio"
    return None


def possible(viommu):
    """Return the drivers that go with a vIOMMU."""
    return tuple(driver for driver in DRIVERS if not impossible(viommu, driver))


@dataclasses.dataclass(frozen=True)
class Boot:
    """A guest from its start to its end.

    drivers: in their order; the first is what its kernel's command line asks for
    actions: what is done to it after that, see actions.py
    plain:   its kernel may receive nothing but complete frames of ordinary size,
             so that it looks at each checksum itself
    client:  vunetd connects to QEMU, not QEMU to vunetd
    mtu:     of the card and the uplink
    bare:    its cells are not looked at, it is there for its actions
    """

    viommu: str
    ring: str
    pairs: int
    drivers: tuple
    actions: tuple = ()
    plain: bool = False
    client: bool = False
    mtu: int = 1500
    bare: bool = False

    @property
    def name(self):
        """What its lines and its folder are called."""
        return f"{self.viommu}-{self.ring}-{self.pairs}"

    def cell(self, driver):
        """Return the name of one of its cells."""
        return f"{self.viommu}-{driver}-{self.ring}-{self.pairs}"

    @property
    def cells(self):
        """The names of all of its cells."""
        return [self.cell(driver) for driver in self.drivers]

    @property
    def packed(self):
        """Whether its rings are packed."""
        return self.ring == "packed"

    @property
    def translated(self):
        """Whether its card is behind a vIOMMU."""
        return self.viommu != "none"

    @property
    def largest_kb(self):
        """Size of the largest pages that DPDK has in it."""
        return max(DRIVERS[driver].pages for driver in self.drivers)

    @property
    def memory_mb(self):
        """How much memory it has: DPDK's pages need room beside the kernel's."""
        return 4096 if self.largest_kb >= 1 << 20 else 768 if self.largest_kb else 384


# What each vIOMMU, layout, number of pairs and driver is done with at least once;
# uncovered() holds it to that.
DEFAULT = [
    Boot("intel", "split", 1, ("strict", "vfio2m", "vfio4k"),
         ("rebind", "reboot", "set_link", "restart", "kill", "migrate")),
    Boot("intel", "packed", 4, ("lazy", "strict", "pt", "vfio1g", "vfio4k"), ("kill",)),
    Boot("intel", "split", 4, ("pt", "lazy", "vfio1g", "vfio2m"), mtu=1400),
    Boot("virtio", "split", 4, ("strict", "lazy", "vfio1g", "vfio4k"), plain=True),
    Boot("virtio", "packed", 1, ("lazy", "pt", "strict", "vfio1g", "vfio2m", "vfio4k"),
         ("restart", "reboot")),
    Boot("none", "split", 1, ("kernel", "uio1g", "uio2m"), ("hotplug", "restart_qemu")),
    Boot("none", "packed", 4, ("kernel", "uio1g", "uio2m"), ("rebind", "kill"), client=True),
]


def full(actions):
    """Return the whole cross, with every action on each."""
    return [Boot(viommu, ring, pairs, possible(viommu), actions)
            for viommu, ring, pairs in itertools.product(VIOMMUS, RINGS, PAIRS)]


def _values(boot, driver):
    return (("viommu", boot.viommu), ("driver", driver), ("ring", boot.ring),
            ("pairs", boot.pairs))


def covered(boots):
    """Return every two values of two axes that come together in a cell."""
    return {pair for boot in boots for driver in boot.drivers
            for pair in itertools.combinations(_values(boot, driver), 2)}


def uncovered(boots):
    """Return those that the whole cross has and these boots have not."""
    return covered(full(())) - covered(boots)
