# SPDX-License-Identifier: BSD-3-Clause
"""test_activation.py - Sockets that a service manager listens on"""

import os
import socket
import sys

from daemon import Daemon
from guest import Guest, expect_good, verify
from outcome import expect, expect_equal, wait_for

ACTIVATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "activate.py")
GUESTS = ("vm1", "vm2")


def listener(path, kind=socket.SOCK_STREAM):
    """Return a socket bound to a path, listening if it can."""
    made = socket.socket(socket.AF_UNIX, kind)
    made.bind(path)
    if kind == socket.SOCK_STREAM:
        made.listen()
    return made


def pass_on(test, daemon, sockets):
    """Have a daemon be started with sockets, {name: socket}."""
    for one in sockets.values():
        test.callback(one.close)
    daemon.pass_fds = [one.fileno() for one in sockets.values()]
    daemon.prefix = [sys.executable, "-B", ACTIVATE,
                     *(f"{name}={one.fileno()}" for name, one in sockets.items()), "--"]


def two_guests(test, **keys):
    """Prepare a daemon of two guests."""
    return Daemon(test, {name: {"wire": f"ring{i}", **keys} for i, name in enumerate(GUESTS)},
                  {f"ring{i}": f"net_ring{i}" for i in range(len(GUESTS))})


def test_named_sockets(test):
    """Each guest is served at the socket that has its name; sockets stay."""
    away = os.path.join(test.directory(), "elsewhere")
    daemon = two_guests(test)
    pass_on(test, daemon, {"vm2": listener(daemon.sockets["vm2"]), "vm1": listener(away)})
    daemon.start()
    expect(not os.path.exists(daemon.sockets["vm1"]), "a socket was made though one was passed")
    for path in (away, daemon.sockets["vm2"]):
        verify(test, path, viommu="4k", count=1000, duration=10)
    daemon.stop()
    expect(os.path.exists(daemon.sockets["vm2"]) and os.path.exists(away),
           "a passed socket was removed")


def test_sockets_by_path(test):
    """A socket of another name goes to the guest at its path; others make their own."""
    daemon = two_guests(test)
    pass_on(test, daemon, {"vunetd.socket": listener(daemon.sockets["vm1"])})
    daemon.start()
    for path in daemon.sockets.values():
        verify(test, path, count=1000, duration=10)
    daemon.stop()
    expect(os.path.exists(daemon.sockets["vm1"]), "a passed socket was removed")
    expect(not os.path.exists(daemon.sockets["vm2"]), "its own socket is left over")


def waits(path):
    """Tell whether a front-end is in the backlog of a socket, which is not accepted yet."""
    with open("/proc/net/unix", encoding="utf-8") as file:
        lines = [line.split() for line in file if line.rstrip().endswith(path)]
    # State 2 is a connection on its way, 1 the listening socket
    return any(line[5] == "02" for line in lines)


def test_front_ends_wait(test):
    """A front-end that connects while no daemon runs is served when one does."""
    daemon = two_guests(test)
    pass_on(test, daemon, {"vm1": listener(daemon.sockets["vm1"])})
    daemon.start()
    daemon.stop()
    guest = Guest(test, daemon.sockets["vm1"], "verify", viommu="4k", count=1000, duration=20,
                  timeout=60000)
    wait_for("the guest to connect", lambda: waits(daemon.sockets["vm1"]))
    daemon.start()
    expect_good(guest.wait())
    daemon.stop()


def refused(test, sockets, *words, **keys):
    """Expect a daemon that is passed something to refuse it in these words."""
    daemon = two_guests(test, **keys)
    pass_on(test, daemon, sockets)
    daemon.spawn()
    expect_equal(daemon.process.wait(20), 1, "exit status")
    for word in words:
        expect(word in daemon.log(), f"the log does not say {word!r}: {daemon.last_line()}")


def test_strange_sockets(test):
    """What is for nobody, or cannot be listened on, is refused by name."""
    folder = test.directory()
    refused(test, {"vm3": listener(os.path.join(folder, "a"))}, "vm3", "no guest")
    refused(test, {"vm1": listener(os.path.join(folder, "b"), socket.SOCK_DGRAM)}, "vm1",
            "not a listening unix stream socket")
    refused(test, {"vm1": socket.socket(socket.AF_INET)}, "vm1", "not a listening")
    refused(test, {"vm1": listener(os.path.join(folder, "c"))}, "vm1", "client mode",
            mode="client")
