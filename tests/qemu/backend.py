# SPDX-License-Identifier: BSD-3-Clause
"""backend.py - The vhost-user backend under test: vunetd, or the peer

Both get a TAP uplink, which they make in the namespace they run in, and one
guest's socket.
"""

import os
import socket

from process import Timeout, cpus, spawn, stop, wait_for

UPLINK = "vunet0"
START_SECONDS = 30

CONFIG = """\
[dpdk]
hugepages = none
[pmd]
cores = {core}
[log]
level = debug
[port.uplink]
devargs = "net_tap0,iface={uplink}"
[guest.vm1]
socket = {socket}
viommu = {viommu}
wire = uplink
"""


def vunetd_command(binary, directory, path, viommu):
    """Write the configuration of one guest, return the command line."""
    config = os.path.join(directory, "vunetd.ini")
    core, _ = cpus()
    with open(config, "w", encoding="ascii") as file:
        file.write(CONFIG.format(core=core, uplink=UPLINK, socket=path,
                                 viommu="yes" if viommu else "no"))
    return [binary, "-c", config]


def testpmd_command(_binary, _directory, path, viommu):
    """Return the command line of the peer, for comparison."""
    core, others = cpus()
    return ["dpdk-testpmd", "-l", f"{min(others)},{core}", "--no-huge", "-m", "512",
            "--no-pci", "--no-telemetry", "--no-shconf",
            "--vdev", f"net_tap0,iface={UPLINK}",
            "--vdev", f"net_vhost0,iface={path},iommu-support={int(viommu)}",
            "--", "--auto-start", "--forward-mode=io", "--total-num-mbufs=8192"]


def _exists(interface):
    return interface in (name for _, name in socket.if_nameindex())


class Backend:
    """A running backend whose uplink and socket are there."""

    def __init__(self, make_command, binary, directory, path, viommu):
        self.log = os.path.join(directory, "backend.log")
        command = make_command(binary, directory, path, viommu)
        self.process = spawn(command, self.log)
        try:
            wait_for(f"interface {UPLINK}", lambda: _exists(UPLINK), START_SECONDS,
                     self.process)
            wait_for(f"socket {path}", lambda: os.path.exists(path), START_SECONDS,
                     self.process)
        except Exception:
            stop(self.process)
            raise

    def alive(self):
        """Tell whether it still runs."""
        return self.process.poll() is None

    def stop(self):
        """End it, and raise unless it ends by itself and says so."""
        if not self.alive():
            raise Timeout(f"backend ended by itself with {self.process.returncode}")
        status = stop(self.process)
        if status is None:
            raise Timeout("backend did not end within 10 s of SIGTERM")
        return status
