# SPDX-License-Identifier: BSD-3-Clause
"""outcome.py - How a check says what it found"""


class Failed(Exception):
    """The check's answer is no; the guest can be asked further."""


class Skipped(Exception):
    """This host cannot do what the check needs; the message says what."""


def expect(truth, message):
    """Fail the check with a message unless something is true."""
    if not truth:
        raise Failed(message)
