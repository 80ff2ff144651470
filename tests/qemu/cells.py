# SPDX-License-Identifier: BSD-3-Clause
"""cells.py - What is checked in each cell of the matrix"""

import checks
import dpdk
import iperf
from matrix import DRIVERS


def domain(guest):
    """the kernel's driver lets go of the card and takes it again in another mode"""
    guest.ask(f"card_to virtio-pci {DRIVERS[guest.driver].domain}", 30)
    guest.ask("net_up", 20)


def _of_kernel(boot, driver, first, thorough):
    """Return the checks where the kernel's driver has the card."""
    todo = [] if first else [domain]
    todo += [checks.mode, checks.negotiated]
    if boot.viommu == "intel" and driver != "pt":
        todo.append(checks.ats_on)
    if boot.pairs > 1:
        todo.append(checks.pairs_on)
    if boot.mtu > 1500:
        todo.append(checks.large_frames)
    todo += checks.PINGS_BOTH
    if first or thorough:
        todo += [*checks.TRAFFIC, *iperf.WITHOUT_OFFLOADS]
    if thorough or (first and boot.viommu == "none"):
        todo += checks.TRAFFIC6
    todo += iperf.BOTH_WAYS
    if boot.pairs > 1:
        todo.append(checks.pairs_carry)
    return todo


def of(boot, driver, thorough):
    """Return what is checked in a cell.

    The first one of a boot, whose driver has the card since the start, is looked
    at more closely, and with thorough each is.
    """
    if DRIVERS[driver].pages:
        return [dpdk.take, dpdk.macswap]
    return _of_kernel(boot, driver, driver == boot.drivers[0], thorough)
