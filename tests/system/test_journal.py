# SPDX-License-Identifier: BSD-3-Clause
"""test_journal.py - Lines carry a priority where the journal reads them"""

import os
import re

from daemon import Daemon
from outcome import expect

PREFIX = re.compile(r"<[0-7]>\S")


def logged(test, stream):
    """Return what a daemon logs whose $JOURNAL_STREAM is made from its log file."""
    daemon = Daemon(test, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"},
                    log={"level": "debug"})
    path = os.path.join(daemon.directory, "vunetd.log")
    open(path, "wb").close()
    status = os.stat(path)
    daemon.env["JOURNAL_STREAM"] = stream(status)
    daemon.start()
    daemon.stop()
    return daemon.log().splitlines()


def test_priorities_for_the_journal(test):
    """Each line begins with its priority, EAL's and the library's too."""
    lines = logged(test, lambda status: f"{status.st_dev}:{status.st_ino}")
    expect(len(lines) > 5, "hardly anything was logged")
    without = [line for line in lines if not PREFIX.match(line)]
    expect(not without, f"lines without a priority: {without}")
    expect(any(line.startswith("<5>guest vm1: listening") for line in lines),
           "a notice does not have the priority of notices")


def test_words_for_people(test):
    """Each line has its level as a word when the journal reads something else."""
    lines = logged(test, lambda status: f"{status.st_dev}:{status.st_ino + 1}")
    without = [line for line in lines if not line.startswith("vunetd: ")]
    expect(not without, f"lines without a level: {without}")
    expect(any(line.startswith("vunetd: notice: ") for line in lines), "there is no notice")
