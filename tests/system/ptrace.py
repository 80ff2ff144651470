# SPDX-License-Identifier: BSD-3-Clause
"""ptrace.py - Stopping one thread of another process

A signal stops all of a process; only a tracer can stop one thread, as a driver
would that hangs.
"""

import ctypes
import os

PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
WALL = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _call(request, tid):
    if _libc.ptrace(request, tid, None, None) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def stop(tid):
    """Stop a thread."""
    _call(PTRACE_SEIZE, tid)
    _call(PTRACE_INTERRUPT, tid)
    os.waitpid(tid, WALL)


def resume(tid):
    """Let it run again."""
    _call(PTRACE_DETACH, tid)


def threads(pid):
    """Return {name: thread id} of a process."""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as file:
            found[file.read().strip()] = int(tid)
    return found
