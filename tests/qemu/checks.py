# SPDX-License-Identifier: BSD-3-Clause
"""checks.py - What is checked on a running guest

A check takes the guest, returns a remark for its line or nothing, and raises
Failed.  The first line of its docstring is its title.  The guest has its
backend, its boot and the driver that has the card with it.
"""

import contextlib
import hashlib
import os
import random
import re
import socket
import struct
import threading
import time

import features
import snmp
from backend import ip
from matrix import DRIVERS
from outcome import Failed, Skipped
from process import wait_for

HOST = "10.99.0.1"
GUEST = "10.99.0.2"
GUEST_CIDR = GUEST + "/24"
HOST6 = "fd99::1"
GUEST6 = "fd99::2"
PINGS = 200
PING_SECONDS = 90
LATE_SECONDS = 30
TRANSFER_BYTES = 8 << 20
TRANSFER_SECONDS = 60
TRANSFER_SEED = 20210
ADDRESS_SECONDS = 10
IFA_F_TENTATIVE = 0x40

# PCI Express extended capabilities, and the one of ATS
PCI_EXTENDED = 0x100
PCI_CAPABILITY_ATS = 0x0f
PCI_ATS_ENABLE = 1 << 15


def _features(guest):
    """Return what was negotiated, a 0 or 1 for each bit."""
    return guest.ask("cat /sys/class/net/eth0/device/features")


def _has(guest, name):
    return _features(guest)[features.BITS[name]] == "1"


def negotiated(guest):
    """device and driver negotiated what both know, and nothing else"""
    wrong = features.differences(_features(guest), features.expected(guest.boot))
    if wrong:
        raise Failed(", ".join(wrong))


def mode(guest):
    """the device is translated, or not, as it should be"""
    platform = _has(guest, "VIRTIO_F_ACCESS_PLATFORM")
    if platform != guest.boot.translated:
        raise Failed("VIRTIO_F_ACCESS_PLATFORM was " + ("" if platform else "not ") + "negotiated")
    if not platform:
        return " (no vIOMMU)"
    expected = DRIVERS[guest.driver].domain
    kind = guest.ask("cat /sys/class/net/eth0/device/../iommu_group/type")
    if kind != expected:
        raise Failed(f"the guest's IOMMU group is of type {kind}, not {expected}")
    return f" ({guest.boot.viommu}, domain of type {kind})"


def _ats_enabled(guest):
    """Tell whether the guest turned ATS on: look for the capability's bit."""
    dump = guest.ask("od -An -v -tx1 /sys/class/net/eth0/device/../config")
    config = bytes.fromhex(dump)
    at = PCI_EXTENDED if len(config) > PCI_EXTENDED else 0
    while at:
        header, = struct.unpack_from("<I", config, at)
        if header & 0xffff == PCI_CAPABILITY_ATS:
            return bool(struct.unpack_from("<H", config, at + 6)[0] & PCI_ATS_ENABLE)
        at = header >> 20
    return False


def ats_on(guest):
    """the device's own translations are under the guest's control (ATS)"""
    if not _ats_enabled(guest):
        raise Failed("the guest did not enable ATS")


def _counters(guest):
    """Return what the kernels at both ends count."""
    return {"host": snmp.host(), "guest": snmp.counters(guest.ask("cat " + " ".join(snmp.PATHS)))}


@contextlib.contextmanager
def judged(guest):
    """Check that meanwhile neither kernel counts a packet as bad."""
    before = _counters(guest)
    yield
    after = _counters(guest)
    bad = [f"{end} {name}" for end in before for name in snmp.worse(before[end], after[end])]
    if bad:
        raise Failed("packets arrived damaged: " + ", ".join(bad))


def answers():
    """Tell whether the guest's kernel answers still, to a datagram nobody there wants."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((GUEST, 9))
        sock.settimeout(2)
        for _ in range(3):
            try:
                sock.send(b"?")
                sock.recv(1)
            except ConnectionRefusedError:
                return True
            except OSError:
                continue
    return False


def _icmp(guest):
    """Return how many echo replies the guest's kernel took in so far."""
    names, values = guest.ask("grep ^Icmp: /proc/net/snmp").splitlines()
    return int(values.split()[names.split().index("InEchoReps")])


def ping(guest, size):
    """Check that every ping of a size is answered.

    The next one goes out when the reply to the last is in (-A), or after 0.2 s:
    busybox gives its socket room for two or three large replies, and more than
    that would come at once after a pause of a busy machine.  It ends with the
    last reply it waits for and may have sent more by then, so the kernel counts.
    """
    before = _icmp(guest)
    with judged(guest):
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
    return ping(guest, 56)


def ping_large(guest):
    """200 pings of 8000 bytes, none lost"""
    return ping(guest, 8000)


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


def _frames(guest, direction):
    """Return how many frames the guest's card carried: large ones count once."""
    return int(guest.ask(f"cat /sys/class/net/eth0/statistics/{direction}_packets"))


class _Transfer:
    """The frames the guest's card carried, and the segments the sender made of them.

    A sender counts each segment of a large frame, whoever cuts it.
    """

    def __init__(self, guest, direction, sender):
        self.guest = guest
        self.direction = direction
        self.sender = sender
        self.before = self.look()

    def look(self):
        """Return (frames, segments) so far."""
        return (_frames(self.guest, self.direction),
                _counters(self.guest)[self.sender]["Tcp.OutSegs"])

    def result(self, seconds, large):
        """Check that frames were large where that was negotiated; return a remark."""
        frames, segments = (now - was for now, was in zip(self.look(), self.before))
        if _has(self.guest, large) and frames >= segments:
            raise Failed(f"{large} was negotiated, and no frame was large: "
                         f"{frames} of them, {segments} segments")
        return (f" ({TRANSFER_BYTES >> 20} MiB, {segments} segments in {frames} frames, "
                f"{TRANSFER_BYTES * 8e-6 / seconds:.1f} Mbit/s)")


def _serve(host):
    return socket.create_server(
        (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


def _accept(server, guest):
    """Return the connection the guest makes."""
    server.settimeout(TRANSFER_SECONDS)
    try:
        return server.accept()[0]
    except OSError as error:
        _, output = guest.finish(TRANSFER_SECONDS, "the guest's connection")
        raise Failed(f"the guest did not connect: {output.strip() or error}") from error


def _to_guest(guest, host):
    data = random.Random(TRANSFER_SEED).randbytes(TRANSFER_BYTES)
    with judged(guest), _serve(host) as server:
        transfer = _Transfer(guest, "rx", "host")
        guest.start(f"timeout {TRANSFER_SECONDS} nc {host} {server.getsockname()[1]} > /tmp/data")
        start = time.monotonic()
        peer = _Peer(_accept(server, guest), data)
        guest.finish(TRANSFER_SECONDS + 10, "the transfer to the guest")
        seconds = time.monotonic() - start
        peer.result()
        remark = transfer.result(seconds, f"VIRTIO_NET_F_GUEST_TSO{6 if ':' in host else 4}")
    if guest.ask("sha256sum < /tmp/data", 60).split()[0] != hashlib.sha256(data).hexdigest():
        raise Failed("what arrived differs: " + guest.ask("wc -c /tmp/data"))
    return remark


def _from_guest(guest, host):
    guest.ask(f"head -c {TRANSFER_BYTES} /dev/urandom > /tmp/data", 60)
    expected = guest.ask("sha256sum < /tmp/data", 60).split()[0]
    with judged(guest), _serve(host) as server:
        transfer = _Transfer(guest, "tx", "guest")
        guest.start(f"timeout {TRANSFER_SECONDS} nc {host} {server.getsockname()[1]} < /tmp/data")
        start = time.monotonic()
        peer = _Peer(_accept(server, guest))
        arrived = peer.result()
        seconds = time.monotonic() - start
        guest.finish(TRANSFER_SECONDS + 10, "the transfer from the guest")
        remark = transfer.result(seconds, f"VIRTIO_NET_F_HOST_TSO{6 if ':' in host else 4}")
    if arrived != expected:
        raise Failed("what arrived differs")
    return remark


def tcp_to_guest(guest):
    """TCP to the guest arrives intact"""
    return _to_guest(guest, HOST)


def tcp_from_guest(guest):
    """TCP from the guest arrives intact"""
    return _from_guest(guest, HOST)


def _usable(table, address):
    """Tell whether an if_inet6 has an address that nobody else turned out to have."""
    packed = socket.inet_pton(socket.AF_INET6, address).hex()
    flags = [int(line.split()[4], 16) for line in table.splitlines() if line.startswith(packed)]
    return bool(flags) and not flags[0] & IFA_F_TENTATIVE


def _ipv6(guest):
    """Give both ends an IPv6 address; again does no harm."""
    path = "/proc/net/if_inet6"
    if not os.path.exists(path):
        raise Skipped("this kernel has no IPv6")
    ip("address", "replace", HOST6 + "/64", "dev", guest.backend.uplink)
    guest.ask(f"ip address replace {GUEST6}/64 dev eth0")

    def both():
        with open(path, encoding="ascii") as file:
            return (_usable(file.read(), HOST6) and
                    _usable(guest.ask(f"cat {path}"), GUEST6))

    wait_for("IPv6 addresses at both ends", both, ADDRESS_SECONDS)


def tcp6_to_guest(guest):
    """TCP over IPv6 to the guest arrives intact"""
    _ipv6(guest)
    return _to_guest(guest, HOST6)


def tcp6_from_guest(guest):
    """TCP over IPv6 from the guest arrives intact"""
    _ipv6(guest)
    return _from_guest(guest, HOST6)


def _rings(guest):
    """Return how many frames each ring has carried: 2i to the guest, 2i+1 from it."""
    totals = guest.backend.totals()
    return [totals.get(f"guest vm1 ring {ring}", {}).get("packets", 0)
            for ring in range(2 * guest.boot.pairs)]


def pairs_on(guest):
    """the guest takes all of its queue pairs into use"""
    guest.ask(f"ethtool -L eth0 combined {guest.boot.pairs}")
    guest.rings = _rings(guest)


def pairs_carry(guest):
    """each queue pair has carried frames both ways"""
    moved = [now - was for now, was in zip(_rings(guest), guest.rings)]
    if not all(moved):
        raise Failed(f"frames by ring: {moved}")
    return f" ({min(moved)} at least)"


def large_frames(guest):
    """the guest took its MTU from the device, and fills it"""
    size = int(guest.ask("cat /sys/class/net/eth0/mtu"))
    if size != guest.boot.mtu:
        raise Failed(f"the guest's MTU is {size}, not {guest.boot.mtu}")
    before = _frames(guest, "tx")
    remark = ping(guest, guest.boot.mtu - 28)
    sent = _frames(guest, "tx") - before
    # Fragments would be six times as many
    if sent > 2 * PINGS:
        raise Failed(f"{sent} frames for {PINGS} pings")
    return remark


PINGS_BOTH = (ping_small, ping_large)
TRAFFIC = (tcp_to_guest, tcp_from_guest)
TRAFFIC6 = (tcp6_to_guest, tcp6_from_guest)
