# SPDX-License-Identifier: BSD-3-Clause
"""checks.py - What is checked on a running guest

A check takes the guest, returns a remark for its line or nothing, and raises
Failed.  The first line of its docstring is its title.
"""

import hashlib
import random
import re
import socket
import struct
import threading
import time

HOST = "10.99.0.1"
GUEST = "10.99.0.2"
GUEST_CIDR = GUEST + "/24"
PINGS = 200
PING_SECONDS = 90
LATE_SECONDS = 5
RECONNECT_SECONDS = 60
TRANSFER_BYTES = 8 << 20
TRANSFER_SECONDS = 60
TRANSFER_SEED = 20210

VIRTIO_F_ACCESS_PLATFORM = 33

# PCI Express extended capabilities, and the one of ATS
PCI_EXTENDED = 0x100
PCI_CAPABILITY_ATS = 0x0f
PCI_ATS_ENABLE = 1 << 15


class Failed(Exception):
    """The check's answer is no; the guest can be asked further."""


def _ask(guest, command, seconds=15):
    """Run a command that must succeed in the guest, return its output."""
    status, output = guest.run(command, seconds)
    if status:
        raise Failed(f"'{command}' ended with {status}: {output.strip()}")
    return output.strip()


def _platform_bit(guest):
    features = _ask(guest, "cat /sys/class/net/eth0/device/features")
    return features[VIRTIO_F_ACCESS_PLATFORM] == "1"


def _behind_iommu(guest, expected):
    """Check that the device is translated, and how it is flushed.

    Linux calls a group's domain "DMA" when each unmap is flushed at once, and
    "DMA-FQ" when they are collected.
    """
    if not _platform_bit(guest):
        raise Failed("VIRTIO_F_ACCESS_PLATFORM was not negotiated")
    kind = _ask(guest, "cat /sys/class/net/eth0/device/../iommu_group/type")
    if kind != expected:
        raise Failed(f"the guest's IOMMU group is of type {kind}, not {expected}")


def _ats_enabled(guest):
    """Tell whether the guest turned ATS on: look for the capability's bit."""
    dump = _ask(guest, "od -An -v -tx1 /sys/class/net/eth0/device/../config")
    config = bytes.fromhex(dump)
    at = PCI_EXTENDED if len(config) > PCI_EXTENDED else 0
    while at:
        header, = struct.unpack_from("<I", config, at)
        if header & 0xffff == PCI_CAPABILITY_ATS:
            return bool(struct.unpack_from("<H", config, at + 6)[0] & PCI_ATS_ENABLE)
        at = header >> 20
    return False


def behind_strict_iommu(guest):
    """the device is behind a vIOMMU in strict mode"""
    _behind_iommu(guest, "DMA")


def behind_lazy_iommu(guest):
    """the device is behind a vIOMMU in lazy mode"""
    _behind_iommu(guest, "DMA-FQ")


def ats_on(guest):
    """the device's own translations are under the guest's control (ATS)"""
    if not _ats_enabled(guest):
        raise Failed("the guest did not enable ATS")


def not_behind_iommu(guest):
    """the device is not behind a vIOMMU"""
    if _platform_bit(guest):
        raise Failed("VIRTIO_F_ACCESS_PLATFORM was negotiated")


def _icmp(guest):
    """Return how many echo replies the guest's kernel took in so far."""
    names, values = _ask(guest, "grep ^Icmp: /proc/net/snmp").splitlines()
    return int(values.split()[names.split().index("InEchoReps")])


def _ping(guest, size):
    """Check that every ping of a size is answered.

    The next one goes out when the reply to the last is in (-A), or after 0.2 s:
    busybox gives its socket room for two or three large replies, and more than
    that would come at once after a pause of a busy machine.  It ends with the
    last reply it waits for and may have sent more by then, so the kernel counts.
    """
    before = _icmp(guest)
    _, output = guest.run(f"ping -A -i 0.2 -q -c {PINGS} -s {size} {HOST}", PING_SECONDS)
    match = re.search(r"(\d+) packets transmitted, (\d+) packets received", output)
    if not match:
        raise Failed(f"ping said: {output.strip()}")
    sent, received = map(int, match.groups())
    late = time.monotonic() + LATE_SECONDS
    while (arrived := _icmp(guest) - before) < sent and time.monotonic() < late:
        time.sleep(0.1)
    if received != PINGS or arrived != sent or "duplicates" in output:
        raise Failed(f"{sent} sent, {arrived} answered, {received} of them in time")
    times = re.search(r"= ([\d./]+) ms", output)
    return f" (min/avg/max {times.group(1)} ms)" if times else None


def ping_small(guest):
    """200 pings of 56 bytes, none lost"""
    return _ping(guest, 56)


def ping_large(guest):
    """200 pings of 8000 bytes, none lost"""
    return _ping(guest, 8000)


class _Peer(threading.Thread):
    """This side of a TCP transfer: sends its data, or receives to the end."""

    def __init__(self, sock, data=None):
        super().__init__(daemon=True)
        self.sock = sock
        self.data = data
        self.received = hashlib.sha256()
        self.error = None
        self.start()

    def run(self):
        try:
            with self.sock:
                self.sock.settimeout(TRANSFER_SECONDS)
                if self.data is not None:
                    self.sock.sendall(self.data)
                    return
                while piece := self.sock.recv(1 << 16):
                    self.received.update(piece)
        except OSError as error:
            self.error = error

    def result(self):
        """Wait for the end, return the hash of what was received."""
        self.join(TRANSFER_SECONDS)
        if self.error or self.is_alive():
            raise Failed(f"this side's end of the connection: {self.error or 'stuck'}")
        return self.received.hexdigest()


def _rate(start):
    seconds = time.monotonic() - start
    return f" ({TRANSFER_BYTES >> 20} MiB, {TRANSFER_BYTES * 8e-6 / seconds:.1f} Mbit/s)"


def _accept(server, guest):
    """Return the connection the guest makes."""
    server.settimeout(TRANSFER_SECONDS)
    try:
        return server.accept()[0]
    except OSError as error:
        _, output = guest.finish(TRANSFER_SECONDS, "the guest's connection")
        raise Failed(f"the guest did not connect: {output.strip() or error}") from error


def tcp_to_guest(guest):
    """TCP to the guest arrives intact"""
    data = random.Random(TRANSFER_SEED).randbytes(TRANSFER_BYTES)
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        guest.start(f"timeout {TRANSFER_SECONDS} nc {HOST} {port} > /tmp/data")
        start = time.monotonic()
        peer = _Peer(_accept(server, guest), data)
        guest.finish(TRANSFER_SECONDS + 10, "the transfer to the guest")
        remark = _rate(start)
        peer.result()
    if _ask(guest, "sha256sum < /tmp/data", 60).split()[0] != hashlib.sha256(data).hexdigest():
        raise Failed("what arrived differs: " + _ask(guest, "wc -c /tmp/data"))
    return remark


def tcp_from_guest(guest):
    """TCP from the guest arrives intact"""
    _ask(guest, f"head -c {TRANSFER_BYTES} /dev/urandom > /tmp/data", 60)
    expected = _ask(guest, "sha256sum < /tmp/data", 60).split()[0]
    with socket.create_server((HOST, 0)) as server:
        guest.start(f"timeout {TRANSFER_SECONDS} nc {HOST} {server.getsockname()[1]} < /tmp/data")
        start = time.monotonic()
        peer = _Peer(_accept(server, guest))
        arrived = peer.result()
        remark = _rate(start)
        guest.finish(TRANSFER_SECONDS + 10, "the transfer from the guest")
    if arrived != expected:
        raise Failed("what arrived differs")
    return remark


def rebind(guest):
    """the guest's driver lets go of the device and takes it again"""
    _ask(guest, "d=$(basename $(readlink -f /sys/class/net/eth0/device)); "
                "cd /sys/bus/virtio/drivers/virtio_net && echo $d > unbind && echo $d > bind")
    _ask(guest, "net_up", 20)
    return _ping(guest, 56)


def reboot(guest):
    """the guest reboots"""
    guest.start("reboot -f")
    guest.booted()
    return _ping(guest, 8000)


def restart(guest):
    """the backend restarts under the running guest"""
    guest.backend.stop()
    guest.backend.start()
    _ask(guest, f"for _ in $(seq 30); do ping -q -c 1 -W 1 {HOST} && break; done >/dev/null",
         RECONNECT_SECONDS)
    return _ping(guest, 56)


TRAFFIC = [ping_small, ping_large, tcp_to_guest, tcp_from_guest]
