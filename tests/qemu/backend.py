# SPDX-License-Identifier: BSD-3-Clause
"""backend.py - The vhost-user backend under test: vunetd, or the peer

Both get a TAP uplink, which they make in the namespace they run in, and one
guest's socket.
"""

import os
import socket
import subprocess

from process import Died, Timeout, cpus, spawn, stop, wait_for

UPLINK = "vunet0"
HOST_CIDR = "10.99.0.1/24"
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
    """A backend whose uplink and socket are there once it runs."""

    uplink = UPLINK

    def __init__(self, command, path, log):
        self.command = command
        self.path = path
        self.log = log
        self.process = None

    def start(self):
        """Start it and give this side of its uplink an address."""
        self.process = spawn(self.command, self.log)
        try:
            wait_for(f"interface {UPLINK}", lambda: _exists(UPLINK), START_SECONDS,
                     self.process)
            wait_for(f"socket {self.path}", lambda: os.path.exists(self.path),
                     START_SECONDS, self.process)
            for arguments in (["address", "add", HOST_CIDR, "dev", UPLINK],
                              ["link", "set", UPLINK, "up"]):
                subprocess.run(["busybox", "ip", *arguments], check=True, timeout=10)
        except BaseException:
            self.kill()
            raise

    def stop(self):
        """End it, and raise unless it does so by itself and with success."""
        if self.process.poll() is not None:
            raise Died(f"backend ended by itself with {self.process.returncode}")
        status = stop(self.process)
        if status is None:
            raise Timeout("backend did not end within 10 s of SIGTERM")
        if status:
            raise Died(f"backend ended with {status}")

    def kill(self):
        """End it, whatever it says to that."""
        stop(self.process, 1)
