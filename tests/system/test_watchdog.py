# SPDX-License-Identifier: BSD-3-Clause
"""test_watchdog.py - No WATCHDOG=1 while a poll-mode thread does not move"""

import time

import ptrace
from daemon import Daemon
from outcome import Skipped, expect, expect_equal, wait_for

WATCHDOG_US = 300000


def test_a_stopped_thread_stops_the_watchdog(test):
    """WATCHDOG=1 ends with the thread's stop, is explained, and returns with it."""
    daemon = Daemon(test, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"},
                    env={"WATCHDOG_USEC": str(WATCHDOG_US)}).start()
    wait_for("WATCHDOG=1", lambda: "WATCHDOG=1" in daemon.heard())
    tid = ptrace.threads(daemon.pid)["vunetd-pmd0"]
    try:
        ptrace.stop(tid)
    except PermissionError:
        raise Skipped("a thread of another process cannot be traced here") from None
    try:
        wait_for("a line about the thread", lambda: "stopped moving" in daemon.log())
        before = daemon.heard().count("WATCHDOG=1")
        time.sleep(4 * WATCHDOG_US / 1e6)
        expect_equal(daemon.heard().count("WATCHDOG=1"), before, "times WATCHDOG=1 was heard")
        expect(daemon.process.alive(), "vunetd ended by itself")
    finally:
        ptrace.resume(tid)
    wait_for("WATCHDOG=1 again", lambda: daemon.heard().count("WATCHDOG=1") > before)
    daemon.stop()
