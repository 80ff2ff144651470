# SPDX-License-Identifier: BSD-3-Clause
"""test_client_mode.py - vunetd connects to a front-end that listens"""

from daemon import Daemon
from guest import Guest, expect_good
from outcome import expect_equal

OPTIONS = {"viommu": "4k", "count": 5000, "duration": 10, "timeout": 20000}


def start(test):
    """Start a daemon that connects."""
    return Daemon(test, {"vm1": {"wire": "ring", "mode": "client"}},
                  {"ring": "net_ring0"}).start()


def test_a_front_end_that_comes_later(test):
    """The daemon finds a front-end that listens after its own start."""
    daemon = start(test)
    expect_good(Guest(test, daemon.sockets["vm1"], "verify", server=True, **OPTIONS).wait())


def test_front_ends_that_come_and_go(test):
    """The daemon connects again when a front-end was replaced by another."""
    daemon = start(test)
    for _ in range(3):
        expect_good(Guest(test, daemon.sockets["vm1"], "verify", server=True, **OPTIONS).wait())
    daemon.stop()
    expect_equal(daemon.total("guest vm1", "connections"), 3, "connections")


def test_a_front_end_that_was_there_first(test):
    """A daemon that starts while a front-end listens connects to it."""
    daemon = Daemon(test, {"vm1": {"wire": "ring", "mode": "client"}}, {"ring": "net_ring0"})
    guest = Guest(test, daemon.sockets["vm1"], "verify", server=True, **OPTIONS)
    daemon.start()
    expect_good(guest.wait())
