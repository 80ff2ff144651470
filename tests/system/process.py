# SPDX-License-Identifier: BSD-3-Clause
"""process.py - Child processes with their output in a file

They die with the sandbox, and every wait for one has an end.
"""

import os
import subprocess

from outcome import Failed, expect, wait_for

CLOSE_SECONDS = 10


def cpus():
    """Return (CPU of the poll-mode thread, CPU of the guests).

    With two CPUs each has its own; with one they share it.
    """
    mine = sorted(os.sched_getaffinity(0))
    return mine[-1], mine[0]


class Tail:
    """What is added to a file from now on."""

    def __init__(self, path):
        self.path = path
        self.at = os.path.getsize(path)

    def text(self):
        """Return all that was added."""
        with open(self.path, encoding="utf-8", errors="replace") as file:
            file.seek(self.at)
            return file.read()


class Process:
    """A running command."""

    def __init__(self, name, command, log, env=None, pass_fds=(), cwd=None):
        self.name = name
        self.log = log
        with open(log, "ab") as output:
            output.write(("$ " + " ".join(command).replace("\n", "; ") + "\n").encode())
            output.flush()
            self._said = Tail(log)
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                          stderr=subprocess.STDOUT, env=env,
                                          pass_fds=pass_fds, cwd=cwd)

    @property
    def pid(self):
        """Its process id."""
        return self.popen.pid

    def text(self):
        """What it has written so far."""
        return self._said.text()

    def tail(self):
        """Return what it writes from now on."""
        return Tail(self.log)

    def alive(self):
        """Tell whether it still runs."""
        return self.popen.poll() is None

    def wait_text(self, text, seconds=10):
        """Wait until it has written something."""

        def probe():
            found = text in self.text()
            expect(found or self.alive(), f"{self.name} ended before it said {text!r}")
            return found

        wait_for(f"{text!r} from {self.name}", probe, seconds)

    def wait(self, seconds):
        """Wait for its end, return its exit status."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {seconds} s") from None

    def signal(self, number):
        """Send it a signal."""
        self.popen.send_signal(number)

    def close(self):
        """End it whatever it does."""
        if self.alive():
            self.popen.kill()
        self.wait(CLOSE_SECONDS)


def run(command, seconds=10, check=True):
    """Run a command to its end, return its CompletedProcess with output as text."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=seconds,
                              check=False, errors="replace")
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)}: did not end within {seconds} s") from None
    if check and done.returncode:
        raise Failed(f"{' '.join(command)}: exit status {done.returncode}: "
                     f"{done.stdout.strip()}")
    return done
