# SPDX-License-Identifier: BSD-3-Clause
"""test_af_xdp.py - An uplink on one end of a veth pair, by AF_XDP"""

import socket

from daemon import Daemon
from guest import Guest
from netns import Namespace
from outcome import Skipped, expect

AF_XDP = 44


def test_ping_through_af_xdp_and_back(test):
    """A namespace at the other end of the veth pair reaches the guest."""
    try:
        socket.socket(AF_XDP, socket.SOCK_RAW).close()
    except OSError as error:
        raise Skipped(f"this kernel has no AF_XDP sockets: {error.strerror}") from None
    space, peer = Namespace(test, "uplink"), Namespace(test, "peer")
    space.veth("up0", "peer0", peer)
    space.ip("link", "set", "up0", "up")
    peer.offloads_off("peer0")
    peer.up("peer0", "192.0.2.1/24")
    daemon = Daemon(test, {"vm1": {"wire": "xdp"}}, {"xdp": "net_af_xdp0,iface=up0"},
                    prefix=space.prefix)
    daemon.start()
    guest = Guest(test, daemon.sockets["vm1"], "l2fwd", icmpecho=True, viommu="4k")
    peer.ping("192.0.2.2")
    peer.ping("192.0.2.2", size=1400)
    expect(guest.stop()["echoed"] >= 10, "the guest answered less than it was asked")
    daemon.stop()
