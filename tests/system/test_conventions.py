# SPDX-License-Identifier: BSD-3-Clause
"""test_conventions.py - Started as vhost-user back-end programs are, by option"""

import json
import os
import socket

from daemon import Daemon
from guest import Guest, expect_good, verify
from netns import Namespace
from outcome import expect, expect_equal
from process import run


def one_guest(test, *arguments):
    """Prepare a daemon of one guest with more arguments."""
    daemon = Daemon(test, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"})
    daemon.arguments += arguments
    return daemon


def test_capabilities(test):
    """--print-capabilities prints what we are and does nothing else."""
    for more in ([], ["--fd=99", "--nonsense", "argument"]):
        done = run([test.binary("vunetd"), *more, "--print-capabilities"])
        expect_equal(json.loads(done.stdout), {"type": "net"}, "capabilities")


def test_socket_path(test):
    """--socket-path serves the only guest of a file there, and nowhere else."""
    path = os.path.join(test.directory(), "other")
    daemon = one_guest(test, f"--socket-path={path}").start()
    expect(not os.path.exists(daemon.sockets["vm1"]), "the file's socket was made")
    verify(test, path, viommu="4k", count=1000, duration=10)
    daemon.stop()
    expect(not os.path.exists(path), "the socket is left over")


def test_builtin(test):
    """Without a file two daemons serve a guest each, at a TAP device of their own."""
    space = Namespace(test, "convention")
    daemons = []
    for name in ("a", "b"):
        daemon = Daemon(test, {}, {}, prefix=space.prefix)
        path = os.path.join(daemon.directory, name)
        daemon.arguments = [f"--socket-path={path}"]
        daemons.append((daemon.start(), path))
    for i, (daemon, path) in enumerate(daemons):
        name = f"vunet{i}"
        space.up(name, f"192.0.{i + 2}.1/24")
        guest = Guest(test, path, "l2fwd", viommu="4k", icmpecho=True)
        space.ping(f"192.0.{i + 2}.2")
        expect_good(guest.stop())
    for daemon, _ in daemons:
        daemon.stop()


def test_listening_fd(test):
    """--fd with a listening socket serves one front-end after the other."""
    path = os.path.join(test.directory(), "given")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)
        made.listen()
        daemon = one_guest(test, f"--fd={made.fileno()}")
        daemon.pass_fds = [made.fileno()]
        daemon.start()
    for _ in range(2):
        verify(test, path, viommu="4k", count=1000, duration=10)
    daemon.stop()
    expect(os.path.exists(path), "a passed socket was removed")


def test_connected_fd(test):
    """--fd with a front-end at its other end serves that one, and ends with it."""
    path = os.path.join(test.directory(), "accepted")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)
        made.listen()
        guest = Guest(test, path, "verify", viommu="4k", count=1000, duration=20, timeout=60000)
        front, _ = made.accept()
    with front:
        daemon = one_guest(test, f"--fd={front.fileno()}")
        daemon.pass_fds = [front.fileno()]
        daemon.start()
    expect_good(guest.wait())
    expect_equal(daemon.process.wait(20), 0, "exit status")
    expect("totals guest vm1:" in daemon.log(), "no totals at the end")


def test_refusals(test):
    """What cannot be meant is refused with what is allowed."""
    two = Daemon(test, {"vm1": {"wire": "a"}, "vm2": {"wire": "b"}},
                 {"a": "net_ring0", "b": "net_ring1"}).config
    one = one_guest(test).config
    for arguments, status, words in (
            (["-c", two, "--socket-path=/tmp/x"], 2, ("2 [guest.NAME]", "allowed", ": 1")),
            (["-c", one, "--socket-path=/" + 200 * "x"], 2, ("--socket-path=", "100 bytes")),
            (["-c", one, "--socket-path="], 2, ("--socket-path=", "allowed")),
            (["-c", one, "--socket-path=/tmp/x", "--fd=3"], 2, ("--socket-path", "not allowed")),
            (["-c", one, "--fd=2"], 2, ("--fd=2", "from 3 on")),
            (["-c", one, "--fd=three"], 2, ("--fd=three", "from 3 on")),
            (["-c", one, "--fd=99"], 1, ("--fd=99", "not a unix stream socket"))):
        done = run([test.binary("vunetd"), *arguments], check=False)
        expect_equal(done.returncode, status, f"exit status of {' '.join(arguments)}")
        for word in words:
            expect(word in done.stdout, f"{' '.join(arguments)} does not say {word!r}: "
                                        f"{done.stdout}")
