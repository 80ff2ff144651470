# SPDX-License-Identifier: BSD-3-Clause
"""vm.py - A QEMU guest of the test image, and the shell inside it"""

import os
import re
import socket
import tempfile
import time

from process import Died, Timeout, connect, cpus, spawn, stop

MEMORY = "384M"
KVM_TRIAL_SECONDS = 20

# What the vIOMMU is: QEMU's device, and the guest kernel's command line
VIOMMU = {
    "intel-strict": (["-device", "intel-iommu,intremap=on,device-iotlb=on"],
                     "intel_iommu=on iommu=nopt iommu.strict=1"),
    "intel-lazy": (["-device", "intel-iommu,intremap=on,device-iotlb=on"],
                   "intel_iommu=on iommu=nopt iommu.strict=0"),
    "virtio-strict": (["-device", "virtio-iommu-pci"], "iommu=nopt iommu.strict=1"),
    "off": ([], ""),
}


def _machine(qemu, kvm, image, console, shell, append):
    """Return the command line of a guest without a network device."""
    return [qemu, "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "q35,memory-backend=mem" + (",kernel-irqchip=split" if kvm else ""),
            "-accel", "kvm" if kvm else "tcg",
            "-cpu", "host" if kvm else "max,la57=off",
            "-m", MEMORY, "-object", f"memory-backend-memfd,id=mem,size={MEMORY},share=on",
            "-serial", f"file:{console}",
            "-serial", f"unix:{shell},server=on,wait=off",
            "-kernel", os.path.join(image, "vmlinuz"),
            "-initrd", os.path.join(image, "initrd.gz"),
            "-append", "console=ttyS0 no_timer_check " + append]


def qemu_command(qemu, kvm, viommu, card, image, vhost, shell, console, address):
    """Return the command line; docs/guests.md explains each part.

    card is what the network card has besides, such as ",packed=on".
    """
    device, append = VIOMMU[viommu]
    # Straight on pcie.0 the device would not be a PCI Express one, and ats=on
    # would silently do nothing
    net = ("virtio-net-pci,bus=port0,netdev=net0,mac=52:54:00:12:34:56,"
           "disable-legacy=on,romfile=" + card)
    if device:
        net += ",iommu_platform=on,ats=on"
    if not kvm:
        # QEMU 7.2 crashes when a vhost-user device takes an MSI-X vector
        # without KVM's irqfd
        net += ",vectors=0"
    return [*_machine(qemu, kvm, image, console, shell, f"{append} vunet.ip={address}"),
            *device,
            "-chardev", f"socket,id=vhost0,path={vhost},reconnect=1",
            "-netdev", "vhost-user,id=net0,chardev=vhost0",
            "-device", "pcie-root-port,id=port0,chassis=1",
            "-device", net]


class Guest:
    """A booted guest.  run() gives its shell one command at a time.

    wanted: the features its driver has to negotiate (features.py).
    """

    def __init__(self, command, shell, log, boot_seconds, backend=None):
        _, others = cpus()
        self.backend = backend
        self.wanted = {}
        self.boot_seconds = boot_seconds
        self.number = 0
        self.pending = b""
        self.process = spawn(command, log, others)
        try:
            self.sock = connect(shell, 10, self.process)
            self.booted()
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

    def stop(self):
        """End QEMU."""
        self.sock.close()
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
        shell = os.path.join(directory, "shell")
        command = _machine(qemu, True, image, os.devnull, shell, "")
        try:
            Guest(command, shell, os.devnull, KVM_TRIAL_SECONDS).stop()
            return True
        except (Timeout, Died, OSError):
            return False
