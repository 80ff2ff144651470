# SPDX-License-Identifier: BSD-3-Clause
"""test_tap_bridge.py - Two namespaces talk through a guest that bridges two TAPs

Both TAPs are made by one daemon in one namespace; then one of them moves to
another, and a guest with two devices forwards between the two.
"""

import functools

from daemon import Daemon
from guest import Guest, expect_good
from netns import Namespace, need
from outcome import expect, expect_equal

HERE, THERE = "192.0.2.1", "192.0.2.2"
TRANSFER = """
import socket, sys
peer = socket.create_connection(("%s", 5001), 20)
data = bytes(range(256)) * 4096
peer.sendall(data)
peer.shutdown(socket.SHUT_WR)
back = b"".join(iter(lambda: peer.recv(65536), b""))
sys.exit(back != data)
"""
ECHO = """
import socket
listener = socket.create_server(("%s", 5001))
listener.settimeout(20)
print("listening", flush=True)
peer, _ = listener.accept()
data = b"".join(iter(lambda: peer.recv(65536), b""))
peer.sendall(data)
"""


def bridge(test, options):
    """Start everything, return the namespaces and the guest."""
    left, right = Namespace(test, "left"), Namespace(test, "right")
    daemon = Daemon(test, {"vm1": {"wire": "a"}, "vm2": {"wire": "b"}},
                    {"a": "net_tap0,iface=tap0", "b": "net_tap1,iface=tap1"},
                    prefix=left.prefix).start()
    left.ip("link", "set", "tap1", "netns", right.name)
    left.up("tap0", f"{HERE}/24")
    right.up("tap1", f"{THERE}/24")
    guest = Guest(test, [daemon.sockets["vm1"], daemon.sockets["vm2"]], "l2fwd", **options)
    return left, right, guest


def pings(test, options):
    """Pings and ARP requests from either side are answered by the other."""
    left, right, guest = bridge(test, options)
    left.ping(THERE)
    right.ping(HERE, size=1400)
    need("arping")
    done = left.run("arping", "-c1", "-w5", "-I", "tap0", THERE, check=False)
    expect_equal(done.returncode, 0, f"exit status of arping: {done.stdout}")
    report = guest.stop()
    expect(report["tx_frames"] >= 20, "the guest forwarded hardly anything")


def tcp(test, options):
    """A megabyte goes through and comes back as it was."""
    left, right, _ = bridge(test, options)
    left.ping(THERE, count=1)
    server = right.start("python3", "-c", ECHO % THERE)
    server.wait_text("listening")
    left.run("python3", "-c", TRANSFER % THERE, seconds=30)
    expect_equal(server.wait(10), 0, "exit status of the server")


def tcp_merged(test):
    """The same, merged for the guest, which leaves it to be cut again; kernels find no fault."""
    left, right, guest = bridge(test, {"viommu": "4k", "offloads": "all"})
    left.ping(THERE, count=1)
    server = right.start("python3", "-c", ECHO % THERE)
    server.wait_text("listening")
    left.run("python3", "-c", TRANSFER % THERE, seconds=30)
    expect_equal(server.wait(10), 0, "exit status of the server")
    left.expect_checksums()
    right.expect_checksums()
    report = guest.stop()
    expect(report["rx_gso"] > 20, f"only {report['rx_gso']} frames were merged")
    expect(report["tx_gso"] > 20, f"only {report['tx_gso']} frames were left to be cut")
    expect_good(report)


def tests():
    """Yield both, without and with a vIOMMU."""
    for name, options in {"no vIOMMU": {}, "vIOMMU 4k": {"viommu": "4k"},
                          "vIOMMU 4k, mapped per packet":
                          {"viommu": "4k", "map": "dynamic"}}.items():
        yield f"ping and arping both ways, {name}", functools.partial(pings, options=options)
        yield f"TCP both ways, {name}", functools.partial(tcp, options=options)
    yield "TCP both ways, merged and cut again", tcp_merged
