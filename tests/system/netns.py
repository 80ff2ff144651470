# SPDX-License-Identifier: BSD-3-Clause
"""netns.py - Network namespaces and the interfaces in them"""

import os
import shutil

from outcome import Skipped, expect, expect_equal, wait_for
from process import Process, run


class Namespace:
    """A named network namespace."""

    def __init__(self, test, name):
        self.test = test
        self.name = name
        run(["ip", "netns", "add", name])
        test.callback(run, ["ip", "netns", "del", name], check=False)
        self.ip("link", "set", "lo", "up")

    @property
    def prefix(self):
        """Words that run a command inside."""
        return ["ip", "netns", "exec", self.name]

    def run(self, *command, seconds=20, check=True):
        """Run a command inside to its end."""
        return run([*self.prefix, *command], seconds, check)

    def start(self, *command):
        """Run a command inside beside the test, return its Process."""
        log = os.path.join(self.test.directory(), "command.log")
        process = Process(command[0], [*self.prefix, *command], log)
        self.test.callback(process.close)
        self.test.show(log)
        return process

    def ip(self, *args):
        """Run ip inside."""
        return run(["ip", "-n", self.name, *args])

    def up(self, interface, address, mac=None):
        """Give an interface an address and set it up.

        Without IPv6 the kernel says nothing on it unasked.
        """
        self.run("sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{interface}/disable_ipv6",
                 check=False)
        if mac:
            self.ip("link", "set", interface, "address", mac)
        self.ip("addr", "add", address, "dev", interface)
        self.ip("link", "set", interface, "up")

    def veth(self, here, peer, other=None):
        """Make a pair of interfaces, one here, the peer here or in another."""
        there = ["netns", other.name] if other else []
        self.ip("link", "add", here, "type", "veth", "peer", "name", peer, *there)

    def offloads_off(self, interface):
        """Have frames leave an interface complete, with checksums, and not merged."""
        need("ethtool")
        self.run("ethtool", "-K", interface, "tx", "off", "gso", "off", "tso", "off",
                 "gro", "off", check=False)

    def counters(self):
        """Return what its network stack has counted, {name: value}."""
        found = {}
        for name in ("snmp", "netstat"):
            lines = self.run("cat", f"/proc/net/{name}").stdout.splitlines()
            for names, values in zip(lines[::2], lines[1::2]):
                what = names.split(":")[0]
                found.update((what + key, int(value)) for key, value in
                             zip(names.split()[1:], values.split()[1:]))
        for line in self.run("cat", "/proc/net/snmp6").stdout.splitlines():
            found[line.split()[0]] = int(line.split()[1])
        return found

    def expect_checksums(self):
        """Fail if its network stack has seen a wrong checksum or header."""
        seen = self.counters()
        wrong = {name: seen[name] for name in
                 ("TcpInCsumErrors", "TcpInErrs", "UdpInCsumErrors", "Udp6InCsumErrors",
                  "IpInHdrErrors", "Ip6InHdrErrors") if seen[name]}
        expect_equal(wrong, {}, f"what {self.name} counted")

    def ping(self, address, count=5, size=56):
        """Ping an address until the first answer, then expect every answer.

        The first may be lost while a wire is being set up.
        """
        need("ping")
        wait_for(f"an answer from {address}",
                 lambda: self.run("ping", "-c1", "-W1", address, check=False).returncode == 0)
        done = self.run("ping", "-q", f"-c{count}", "-i0.1", "-W5", f"-s{size}", address,
                        check=False)
        expect(f"{count} received" in done.stdout, f"ping {address}: {done.stdout.strip()}")


def need(program):
    """Skip the test unless a program is installed."""
    if not shutil.which(program):
        raise Skipped(f"{program} is not installed")
