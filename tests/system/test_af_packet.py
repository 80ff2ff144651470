# SPDX-License-Identifier: BSD-3-Clause
"""test_af_packet.py - An uplink on one end of a veth pair, by AF_PACKET"""

import functools

from daemon import Daemon
from guest import Guest
from netns import Namespace
from outcome import expect


def ping(test, options):
    """A namespace at the other end of the veth pair reaches the guest."""
    space, peer = Namespace(test, "uplink"), Namespace(test, "peer")
    space.veth("up0", "peer0", peer)
    space.ip("link", "set", "up0", "up")
    # What the kernel leaves to a NIC is for nobody here to do
    peer.offloads_off("peer0")
    peer.up("peer0", "192.0.2.1/24")
    daemon = Daemon(test, {"vm1": {"wire": "packet"}}, {"packet": "eth_af_packet0,iface=up0"},
                    prefix=space.prefix).start()
    guest = Guest(test, daemon.sockets["vm1"], "l2fwd", icmpecho=True, **options)
    peer.ping("192.0.2.2")
    peer.ping("192.0.2.2", size=1400)
    expect(guest.stop()["echoed"] >= 10, "the guest answered less than it was asked")
    daemon.stop()


def tests():
    """Yield it without and with a vIOMMU."""
    for name, options in {"no vIOMMU": {}, "vIOMMU 4k": {"viommu": "4k"}}.items():
        yield f"ping through AF_PACKET and back, {name}", functools.partial(ping, options=options)
