# SPDX-License-Identifier: BSD-3-Clause
"""sandbox.py - Namespaces that contain whatever the tests leave behind

The runner starts itself anew as the first process of a PID namespace, with a
network and a mount namespace of its own: interfaces, named namespaces and
processes that a test forgets, or that a killed runner cannot clean up, end with
it.  It also makes leftovers easy to find: here every other process is one.
"""

import os
import signal
import subprocess
import sys
import time

_MARK = "VUNET_SANDBOX"


def enter():
    """Run this program again in the sandbox, unless it is there already."""
    if os.environ.get(_MARK) == "inside" and os.getpid() == 1:
        _settle()
        return
    os.environ[_MARK] = "inside"
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    os.execvp("unshare", ["unshare", *root, "--mount", "--net", "--pid", "--fork",
                          "--kill-child", "--mount-proc", "--",
                          sys.executable, "-B", *sys.argv])


def _settle():
    """Give the sandbox its own place for named namespaces, and a loop-back."""
    # The first process of a namespace ignores what it does not handle
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    os.makedirs("/run/netns", exist_ok=True)
    for command in (["mount", "-t", "tmpfs", "netns", "/run/netns"],
                    ["ip", "link", "set", "lo", "up"]):
        subprocess.run(command, check=True, timeout=10)


def others():
    """Return {pid: command line} of every process but this one."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if words:  # a zombie has none
            found[int(name)] = words
    return found


def sweep():
    """End processes that a test left; return their command lines."""
    left = others()
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    end = time.monotonic() + 5
    while others() and time.monotonic() < end:
        time.sleep(0.01)
    return sorted(left.values())
