# SPDX-License-Identifier: BSD-3-Clause
"""outcome.py - How a test says what it found, and how it waits"""

import time


class Failed(Exception):
    """What was promised does not hold; the message says what."""


class Skipped(Exception):
    """The test cannot be made here; the message says why."""


def expect(truth, message):
    """Fail the test with a message unless something is true."""
    if not truth:
        raise Failed(message)


def expect_equal(found, wanted, what):
    """Fail the test unless two values are equal."""
    if found != wanted:
        raise Failed(f"{what}: {found!r}, not {wanted!r}")


def wait_for(what, probe, seconds=10):
    """Call probe() until it returns something true, and return that."""
    end = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.02)
