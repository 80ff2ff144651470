# SPDX-License-Identifier: BSD-3-Clause
"""test_port_errors.py - A port that cannot be opened ends the start, and says why"""

import functools
import os

from daemon import Daemon
from outcome import expect, expect_equal

# name: (port, words the log must have)
WRONG = {
    "no such driver": ("net_nosuch0", ["net_nosuch0"]),
    "no such interface": ("eth_af_packet0,iface=nosuch0", ["nosuch0"]),
    "no such capture file": ("net_pcap0,rx_pcap=/nonexistent/x.pcap", ["/nonexistent/x.pcap"]),
    "more queues than it has": ({"devargs": "eth_af_packet0,iface=lo", "queues": 2},
                                ["queues = 2"]),
    "a frame size it has not": ({"devargs": "eth_af_packet0,iface=lo", "mtu": 9000},
                                ["mtu = 9000", "to 1500"]),
    "more frames than memory": ({"devargs": "net_null0", "queues": 128}, ["memory_mb", "need about 1092 MiB"]),
    "no such PCI device": ("0000:ff:1f.7", ["0000:ff:1f.7"]),
}


def refused(test, port, words):
    """The daemon ends with 1, names the port, and leaves no socket."""
    daemon = Daemon(test, {"vm1": {"wire": "uplink"}}, {"uplink": port})
    daemon.spawn()
    expect_equal(daemon.process.wait(20), 1, "exit status")
    errors = [line for line in daemon.log().splitlines() if "error: " in line]
    missing = [word for word in ["port uplink", *words] if word not in "\n".join(errors)]
    expect(not missing, f"no error says {missing}: {errors}")
    expect("READY=1" not in daemon.heard(), "it said READY=1")
    expect(not os.path.lexists(daemon.sockets["vm1"]), "the socket is still there")


def second_port(test):
    """What was opened before the one that cannot be is closed again."""
    daemon = Daemon(test, {"vm1": {"wire": "good"}}, {"good": "net_null0", "bad": "net_nosuch0"})
    daemon.spawn()
    expect_equal(daemon.process.wait(20), 1, "exit status")
    expect("port bad" in daemon.log(), "the log does not name the port")


def tests():
    """Yield every kind of port that cannot be opened."""
    for name, (port, words) in WRONG.items():
        yield name, functools.partial(refused, port=port, words=words)
    yield "the second port", second_port
