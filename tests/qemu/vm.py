# SPDX-License-Identifier: BSD-3-Clause
"""vm.py - A QEMU guest of the test image, and the shell inside it"""

import dataclasses
import os
import re
import socket
import tempfile
import time

from matrix import DRIVERS
from outcome import Failed
from process import Died, Timeout, connect, cpus, spawn, stop
from qmp import Qmp

MAC = "52:54:00:12:34:56"
BARE_MB = 384
KVM_TRIAL_SECONDS = 20
CONFESS_SECONDS = 3

VIOMMU = {
    "none": [],
    "intel": ["-device", "intel-iommu,intremap=on,device-iotlb=on,aw-bits=48"],
    "virtio": ["-device", "virtio-iommu-pci"],
}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a guest's files are.

    A guest that another one moves to has sockets of its own beside it.
    """

    image: str
    sockets: str
    logs: str
    suffix: str = ""

    def socket(self, name):
        """Return the path of a socket: vhost, shell or qmp."""
        return os.path.join(self.sockets, name + self.suffix)

    def log(self, name):
        """Return the path of a log: console or qemu."""
        return os.path.join(self.logs, f"{name}{self.suffix}.log")


def _machine(qemu, kvm, place, memory, append):
    """Return the command line of a guest without a network device."""
    megabytes = memory.split(",")[0]
    return [qemu, "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "q35,memory-backend=mem" + (",kernel-irqchip=split" if kvm else ""),
            "-accel", "kvm" if kvm else "tcg",
            "-cpu", "host" if kvm else "max,la57=off",
            "-m", memory, "-object", f"memory-backend-memfd,id=mem,size={megabytes},share=on",
            "-serial", f"file:{place.log('console')}",
            "-serial", f"unix:{place.socket('shell')},server=on,wait=off",
            "-qmp", f"unix:{place.socket('qmp')},server=on,wait=off",
            "-kernel", os.path.join(place.image, "vmlinuz"),
            "-initrd", os.path.join(place.image, "initrd"),
            "-append", "console=ttyS0 no_timer_check" + append]


def kernel_arguments(boot):
    """Return what the guest's kernel is told about the vIOMMU and its pages."""
    pages = " hugepagesz=1G hugepages=1" if boot.largest_kb >= 1 << 20 else ""
    if not boot.translated:
        return pages
    own = " intel_iommu=on" if boot.viommu == "intel" else ""
    return f"{own} {DRIVERS[boot.drivers[0]].append or 'iommu=nopt'}{pages}"


def network(boot, kvm, socket_path):
    """Return the part of the command line that is about the network card."""
    who = "server=on,wait=off" if boot.client else "reconnect=1"
    queues = f",queues={boot.pairs}" if boot.pairs > 1 else ""
    # Straight on pcie.0 the device would not be a PCI Express one, and ats=on
    # would silently do nothing
    card = f"virtio-net-pci,bus=port0,netdev=net0,mac={MAC},disable-legacy=on,romfile="
    if boot.translated:
        card += ",iommu_platform=on,ats=on"
    if boot.pairs > 1:
        card += ",mq=on"
    if boot.packed:
        card += ",packed=on"
    if boot.plain:
        card += ",guest_csum=off,guest_tso4=off,guest_tso6=off"
    if boot.mtu != 1500:
        card += f",host_mtu={boot.mtu}"
    if not kvm:
        # QEMU 7.2 crashes when a vhost-user device takes an MSI-X vector
        # without KVM's irqfd
        card += ",vectors=0"
    return ["-chardev", f"socket,id=vhost0,path={socket_path},{who}",
            "-netdev", f"vhost-user,id=net0,chardev=vhost0{queues}",
            "-device", "pcie-root-port,id=port0,chassis=1",
            "-device", card]


def qemu_command(qemu, kvm, boot, place, address, incoming=None):
    """Return the command line of a boot; docs/guests.md explains each part.

    incoming: where the guest comes from, if it does not start but moves here
    """
    memory = f"{boot.memory_mb}M"
    if "hotplug" in boot.actions:
        memory += ",slots=1,maxmem=8G"
    return [*_machine(qemu, kvm, place, memory,
                      f"{kernel_arguments(boot)} vunet.ip={address}"),
            *VIOMMU[boot.viommu], *network(boot, kvm, place.socket("vhost")),
            *(["-incoming", incoming] if incoming else [])]


class Guest:
    """A guest of QEMU's.  run() gives its shell one command at a time.

    boot:      what it is
    driver:    which of the boot's drivers has the card
    backend:   which serves it
    elsewhere: makes a second one, which it can move to
    rings:     what each ring had carried when it took them all into use
    """

    def __init__(self, command, place, boot_seconds):
        """Start QEMU; the guest is of use once booted() has returned."""
        self.boot = self.driver = self.backend = self.elsewhere = None
        self.rings = []
        self.boot_seconds = boot_seconds
        self.number = 0
        self.pending = b""
        self.place = place
        self.command = command
        self.process = self.sock = self.qmp = None
        self.launch()

    def launch(self):
        """Start QEMU and connect to it."""
        _, others = cpus()
        self.pending = b""
        for name in ("shell", "qmp"):
            if os.path.exists(self.place.socket(name)):
                os.unlink(self.place.socket(name))
        self.process = spawn(self.command, self.place.log("qemu"), others)
        try:
            self.sock = connect(self.place.socket("shell"), 10, self.process)
            self.qmp = Qmp(connect(self.place.socket("qmp"), 10, self.process))
        except Exception:
            stop(self.process)
            raise

    def booted(self):
        """Wait until the shell answers, after a start or a reboot."""
        self._read_until(rb"@ready\r?\n", self.boot_seconds, "the guest to boot")

    def start(self, command):
        """Give the shell a command; finish() waits for it."""
        self.number += 1
        self.sock.sendall(f"{self.number} {command}\n".encode())

    def finish(self, seconds, what):
        """Wait for the command of the last start().

        Return (its exit status, its output).
        """
        mark = rb"@done %d (\d+)\r?\n" % self.number
        output, match = self._read_until(mark, seconds, what)
        return int(match.group(1)), output.decode(errors="replace").replace("\r", "")

    def run(self, command, seconds):
        """Run a command, return (its exit status, its output)."""
        self.start(command)
        return self.finish(seconds, f"'{command}' in the guest")

    def ask(self, command, seconds=15):
        """Run a command that must succeed, return its output."""
        status, output = self.run(command, seconds)
        if status:
            raise Failed(f"'{command}' ended with {status}: {output.strip()}")
        return output.strip()

    def confess(self):
        """Have its kernel write to the console what each of its tasks waits for.

        Its timers, too.  Return what the shell wrote since the last command that
        was done.
        """
        for key in "qt":
            self.qmp.do("send-key", keys=[{"type": "qcode", "data": code}
                                          for code in ("alt", "sysrq", key)])
            time.sleep(CONFESS_SECONDS)
        return self.pending.decode(errors="replace")

    def moved(self, other):
        """Take over another's QEMU: this guest has moved there."""
        self.stop()
        self.backend.stop()
        self.place, self.command, self.process = other.place, other.command, other.process
        self.sock, self.qmp, self.backend = other.sock, other.qmp, other.backend

    def stop(self):
        """End QEMU."""
        self.sock.close()
        self.qmp.close()
        stop(self.process)

    def _read_until(self, mark, seconds, what):
        """Return what the guest wrote before a mark, and the mark's match."""
        limit = time.monotonic() + seconds
        while True:
            match = re.search(mark, self.pending)
            if match:
                output = self.pending[:match.start()]
                self.pending = self.pending[match.end():]
                return output, match
            self._receive(limit - time.monotonic(), f"{what}: not within {seconds} s")

    def _receive(self, left, late):
        """Take what the guest wrote since, or raise when no time is left."""
        if left <= 0:
            raise Timeout(late)
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(65536)
        except socket.timeout:
            return
        except ConnectionError:
            data = b""
        if not data:
            raise Died(f"QEMU ended with {self.process.poll()}")
        self.pending += data


def kvm_usable(qemu, image):
    """Tell whether KVM works, by booting on it.

    Nothing less will do: there are hosts where /dev/kvm opens, makes a virtual
    machine, and then cannot run a kernel.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with tempfile.TemporaryDirectory(prefix="vunet-kvm-") as directory:
        place = Place(image, directory, directory)
        try:
            guest = Guest(_machine(qemu, True, place, f"{BARE_MB}M", ""), place,
                          KVM_TRIAL_SECONDS)
        except (Timeout, Died, OSError):
            return False
        try:
            guest.booted()
            return True
        except (Timeout, Died, OSError):
            return False
        finally:
            guest.stop()
