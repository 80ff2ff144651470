# SPDX-License-Identifier: BSD-3-Clause
"""test_notify.py - What systemd hears"""

import time

from daemon import Daemon
from guest import Guest
from outcome import expect, expect_equal, wait_for

WATCHDOG_US = 600000


def start(test, **env):
    """Start a daemon with a more or less supervised environment."""
    return Daemon(test, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"}, env=env).start()


def test_ready_status_stopping(test):
    """READY=1 comes once the socket is there, STOPPING=1 before the end, each once."""
    daemon = start(test)
    with_guest = Guest(test, daemon.sockets["vm1"], "verify", viommu="4k")
    wait_for("a STATUS= of one guest connected",
             lambda: any(line.startswith("STATUS=1 of 1 guests connected")
                         for line in daemon.heard()))
    with_guest.stop()
    wait_for("a STATUS= of none",
             lambda: [line for line in daemon.heard() if line.startswith("STATUS=")][-1]
             .startswith("STATUS=0 of 1 "))
    daemon.stop()
    heard = daemon.heard()
    expect_equal((heard.count("READY=1"), heard.count("STOPPING=1")), (1, 1),
                 "READY=1 and STOPPING=1 heard")
    expect(heard.index("READY=1") < heard.index("STOPPING=1"), f"out of order: {heard}")
    expect(not any(line.startswith("WATCHDOG") for line in heard),
           "WATCHDOG=1 without a watchdog")


def test_watchdog(test):
    """WATCHDOG=1 comes several times in the time systemd allows."""
    daemon = start(test, WATCHDOG_USEC=str(WATCHDOG_US))
    wait_for("ten WATCHDOG=1", lambda: daemon.heard().count("WATCHDOG=1") >= 10)
    told = [line for line in daemon.heard() if line.startswith("STATUS=")]
    expect_equal(len(told), 1, "times STATUS= was told while nothing changed")


def test_watchdog_of_another(test):
    """A watchdog that is for another process is not answered."""
    daemon = start(test, WATCHDOG_USEC=str(WATCHDOG_US), WATCHDOG_PID="1")
    time.sleep(2 * WATCHDOG_US / 1e6)
    expect_equal(daemon.heard().count("WATCHDOG=1"), 0, "times WATCHDOG=1 was heard")
