# SPDX-License-Identifier: BSD-3-Clause
"""test_sockets.py - The guests' sockets in the file system"""

import os
import signal
import socket
import stat

from daemon import Daemon
from guest import verify
from outcome import Skipped, expect, expect_equal


def daemon_with(test, **keys):
    """Prepare a daemon whose guest has more keys."""
    return Daemon(test, {"vm1": {"wire": "ring", **keys}}, {"ring": "net_ring0"})


def test_stale_sockets_are_replaced(test):
    """A daemon that was killed can be started again as if nothing was."""
    daemon = daemon_with(test).start()
    for _ in range(2):
        daemon.process.signal(signal.SIGKILL)
        daemon.process.wait(10)
        expect(os.path.exists(daemon.sockets["vm1"]), "the test: no socket is left over")
        daemon.start()
        verify(test, daemon.sockets["vm1"], viommu="4k", count=1000, duration=10)
    daemon.stop()


def test_sockets_of_others_stay(test):
    """A path where somebody listens is refused, and left alone."""
    daemon = daemon_with(test)
    path = daemon.sockets["vm1"]
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        daemon.spawn()
        expect_equal(daemon.process.wait(20), 1, "exit status")
        expect(path in daemon.log(), "the log does not name the socket")
        expect(os.path.exists(path), "the socket of another program is gone")


def test_files_of_others_stay(test):
    """A path that is no socket is refused, and left alone."""
    daemon = daemon_with(test)
    path = daemon.sockets["vm1"]
    with open(path, "w", encoding="ascii") as file:
        file.write("precious")
    daemon.spawn()
    expect_equal(daemon.process.wait(20), 1, "exit status")
    expect(path in daemon.log(), "the log does not name the socket")
    with open(path, encoding="ascii") as file:
        expect_equal(file.read(), "precious", "content of the file")


def test_permissions_as_configured(test):
    """Whatever the umask, the socket has the mode that was asked for."""
    for mode in (0o660, 0o600, 0o777):
        old = os.umask(0o077)
        try:
            daemon = daemon_with(test, permissions=f"{mode:04o}").start()
        finally:
            os.umask(old)
        found = stat.S_IMODE(os.stat(daemon.sockets["vm1"]).st_mode)
        expect_equal(oct(found), oct(mode), "mode of the socket")
        daemon.stop()


def test_default_permissions(test):
    """The socket is for its owner and group when nothing is said."""
    daemon = daemon_with(test).start()
    found = stat.S_IMODE(os.stat(daemon.sockets["vm1"]).st_mode)
    expect_equal(oct(found), oct(0o660), "mode of the socket")


def test_owner_and_group_as_configured(test):
    """The socket belongs to whom the configuration says, by name or number."""
    if os.geteuid():
        raise Skipped("only root can give a socket away")
    for owner, group, wanted in (("nobody", "nogroup", (65534, 65534)), ("1234", "5678",
                                                                         (1234, 5678))):
        daemon = daemon_with(test, owner=owner, group=group).start()
        found = os.stat(daemon.sockets["vm1"])
        expect_equal((found.st_uid, found.st_gid), wanted, "owner and group of the socket")
        daemon.stop()
