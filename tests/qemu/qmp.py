# SPDX-License-Identifier: BSD-3-Clause
"""qmp.py - QEMU's own control socket: a line of JSON each way"""

import json

from process import Died, wait_for

ANSWER_SECONDS = 60


class Refused(Died):
    """QEMU did not do what it was asked; the message is its own."""


class Qmp:
    """A connection to a QEMU's control socket."""

    def __init__(self, sock):
        """sock: connected, nothing read from it yet."""
        sock.settimeout(ANSWER_SECONDS)
        self.sock = sock
        self.lines = sock.makefile("r", encoding="utf-8")
        self._read("QMP")
        self.do("qmp_capabilities")

    def _read(self, wanted):
        """Return the next message of a kind, past events."""
        while True:
            line = self.lines.readline()
            if not line:
                raise Died("QEMU closed its control socket")
            message = json.loads(line)
            if "error" in message:
                raise Refused(message["error"]["desc"])
            if wanted in message:
                return message[wanted]

    def do(self, command, **arguments):
        """Run a command, return its result; an argument's _ stands for -."""
        request = {"execute": command,
                   "arguments": {key.replace("_", "-"): value
                                 for key, value in arguments.items()}}
        self.sock.sendall(json.dumps(request).encode() + b"\n")
        return self._read("return")

    def migrated(self, seconds):
        """Wait for the migration that was begun, return what QEMU says of it."""

        def ended():
            state = self.do("query-migrate")
            if state.get("status") in ("failed", "cancelled"):
                raise Died(f"migration: {state.get('error-desc', state['status'])}")
            return state.get("status") == "completed" and state

        return wait_for("the migration", ended, seconds)

    def close(self):
        """Close the connection."""
        self.lines.close()
        self.sock.close()
