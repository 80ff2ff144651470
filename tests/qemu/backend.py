# SPDX-License-Identifier: BSD-3-Clause
"""backend.py - The vhost-user backend under test: vunetd, or the peer

Both get a TAP uplink, which they make in the namespace they run in, and one
guest's socket.
"""

import os
import re
import signal
import socket
import subprocess

from process import Died, Timeout, cpus, spawn, stop, wait_for

HOST_CIDR = "10.99.0.1/24"
START_SECONDS = 30
TOTALS_SECONDS = 20
TOTALS = re.compile(r"totals (\S.*?):((?: \w+=\d+)+)$", re.MULTILINE)
TOTALS_END = "totals end\n"

CONFIG = """\
[dpdk]
hugepages = none
[pmd]
cores = {core}
[port.uplink]
devargs = "{devargs}"
queues = {pairs}
mtu = {mtu}
[guest.vm1]
socket = {socket}
mode = {mode}
queues = {pairs}
viommu = {viommu}
wire = uplink
"""


def ip(*arguments):
    """Run ip in this namespace."""
    subprocess.run(["ip", *arguments], check=True, timeout=10,
                   stdout=subprocess.DEVNULL)


def vunetd_command(binary, backend):
    """Write the configuration of one guest, return the command line."""
    core, _ = cpus()
    boot = backend.boot
    with open(backend.config, "w", encoding="ascii") as file:
        file.write(CONFIG.format(core=core, socket=backend.path,
                                 devargs=backend.devargs, pairs=boot.pairs, mtu=boot.mtu,
                                 mode="client" if boot.client else "server",
                                 viommu="yes" if boot.translated else "no"))
    return [binary, "-c", backend.config]


def testpmd_command(_binary, backend):
    """Return the command line of the peer, for comparison."""
    core, others = cpus()
    boot = backend.boot
    return ["dpdk-testpmd", "-l", f"{min(others)},{core}", "--no-huge", "-m", "768",
            "--no-pci", "--no-telemetry", "--no-shconf", "--vdev", backend.devargs,
            "--vdev", f"net_vhost0,iface={backend.path},iommu-support={int(boot.translated)}"
            f",queues={boot.pairs}" + (",client=1" if boot.client else ""),
            "--", "--auto-start", "--forward-mode=io", "--total-num-mbufs=16384",
            f"--rxq={boot.pairs}", f"--txq={boot.pairs}",
            *([f"--max-pkt-len={boot.mtu + 18}"] if boot.mtu > 1500 else [])]


def _exists(interface):
    return interface in (name for _, name in socket.if_nameindex())


class Backend:
    """A backend whose uplink and socket are there once it runs.

    A second one beside it, which a guest moves to, is a port of a bridge: the
    address is the bridge's.
    """

    def __init__(self, make, binary, boot, place, number=0, devargs=None):
        """Prepare it; nothing is started yet.

        make:    one of the functions above
        number:  0, or which one beside it
        devargs: another uplink than a TAP
        """
        self.boot = boot
        self.config = os.path.join(place.logs, f"vunetd{place.suffix}.ini")
        self.path = place.socket("vhost")
        self.log = place.log("backend")
        self.uplink = None if devargs else f"vunet{number}"
        self.mac = f"02:64:74:61:70:{number + 1:02x}"
        # The same after a restart: the guest goes on asking for it
        self.devargs = devargs or f"net_tap0,iface={self.uplink},mac={self.mac}"
        self.bridge = None
        self.counts = make is vunetd_command
        self.command = make(binary, self)
        self.process = None

    def start(self):
        """Start it and set its uplink up."""
        self.process = spawn(self.command, self.log)
        try:
            if self.uplink:
                wait_for(f"interface {self.uplink}", lambda: _exists(self.uplink),
                         START_SECONDS, self.process)
            if not self.boot.client:
                wait_for(f"socket {self.path}", lambda: os.path.exists(self.path),
                         START_SECONDS, self.process)
            if self.uplink:
                self._uplink_up()
        except BaseException:
            self.kill()
            raise

    def _uplink_up(self):
        """Give this side of the uplink an address, or have the bridge that has it take it."""
        if self.bridge:
            ip("link", "set", self.uplink, "master", self.bridge)
        else:
            ip("address", "add", HOST_CIDR, "dev", self.uplink)
        ip("link", "set", self.uplink, "mtu", str(self.boot.mtu), "up")

    def join(self, bridge):
        """Be a port of a bridge from now on; the bridge takes over the address."""
        self.bridge = bridge
        ip("link", "add", bridge, "address", self.mac, "type", "bridge")
        ip("address", "flush", "dev", self.uplink)
        ip("link", "set", self.uplink, "master", bridge)
        ip("address", "add", HOST_CIDR, "dev", bridge)
        ip("link", "set", bridge, "up")

    def leave(self):
        """Remove the bridge, whose address the next backend's uplink is to have."""
        if self.bridge and _exists(self.bridge):
            ip("link", "del", self.bridge)

    def totals(self):
        """Return what vunetd has counted so far, {object: {counter: value}}.

        The peer has no counters.
        """
        if not self.counts:
            return {}
        before = os.path.getsize(self.log)
        self.process.send_signal(signal.SIGUSR1)

        def fresh():
            with open(self.log, encoding="utf-8", errors="replace") as file:
                file.seek(before)
                text = file.read()
            return text if TOTALS_END in text else None

        text = wait_for("vunetd's totals", fresh, TOTALS_SECONDS, self.process)
        return {what: {name: int(value) for name, value in
                       (pair.split("=") for pair in counters.split())}
                for what, counters in TOTALS.findall(text)}

    def crash(self):
        """End it without a warning."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()

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
        if self.process:
            stop(self.process, 1)
