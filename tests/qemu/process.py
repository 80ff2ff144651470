# SPDX-License-Identifier: BSD-3-Clause
"""process.py - Child processes that cannot outlive the test

Every wait has an end: Timeout says what did not happen in time.
"""

import ctypes
import os
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Timeout(Exception):
    """Something did not happen in time; the message says what."""


class Died(Exception):
    """A process ended that should not have."""


def wait_for(what, probe, seconds, process=None):
    """Call probe() until it returns something true, and return that.

    A process that is given must stay alive meanwhile.
    """
    end = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if process is not None and process.poll() is not None:
            raise Died(f"{process.args[0]} ended with {process.returncode} before {what}")
        if time.monotonic() > end:
            raise Timeout(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def connect(path, seconds, process):
    """Connect to a unix socket that a process is about to make."""

    def attempt():
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(path)
            return sock
        except OSError:
            sock.close()
            return None

    return wait_for(f"a connection to {path}", attempt, seconds, process)


def cpus():
    """Return (CPU for the poll-mode thread, CPUs for the rest).

    The poll-mode thread never sleeps, so a vCPU beside it would get half the
    time.  With a single CPU they have to share.
    """
    mine = sorted(os.sched_getaffinity(0))
    return mine[-1], set(mine[:-1] or mine)


def spawn(command, log, affinity=None):
    """Start a command with its output in a file; it dies with this process."""

    def prepare():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if affinity:
            os.sched_setaffinity(0, affinity)

    with open(log, "ab") as output:
        output.write(("$ " + " ".join(command) + "\n").encode())
        output.flush()
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output,
                                stderr=subprocess.STDOUT, preexec_fn=prepare)


def stop(process, seconds=10):
    """Ask a process to end, and make it.

    Return its exit status, or None when it had to be killed.
    """
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
    finally:
        process.stdin.close()
