# SPDX-License-Identifier: BSD-3-Clause
"""test_core.py - A core dump of the daemon holds nothing of its guests

Frames of the test guest begin with a mark that is nowhere in the daemon's own
memory: it is looked for in the guest's memory, where it must be, and in a core
file, where it must not.
"""

import mmap
import os
import resource
import signal

from daemon import Daemon
from guest import Guest
from outcome import Skipped, expect, expect_equal, wait_for

# Magic, pair 0, 60 bytes (verify.c)
MARK = bytes.fromhex("746e75760000" "3c00")
NAME = "memfd:vunet-guest"


def guest_maps(pid):
    """Return [(start, flags)] of the mappings of guest memory."""
    found = []
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as file:
        for line in file:
            words = line.split()
            if "-" in words[0] and len(words) >= 5:
                start, ours = int(words[0].partition("-")[0], 16), NAME in line
            elif words[0] == "VmFlags:" and ours:
                found.append((start, words[1:]))
    return found


def core_of(daemon):
    """Have the daemon dump its core, return the file."""
    pid = daemon.pid
    resource.prlimit(pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    daemon.process.signal(signal.SIGABRT)
    daemon.process.wait(30)
    for name in (f"core.{pid}", "core"):
        path = os.path.join(daemon.directory, name)
        if os.path.exists(path):
            return path
    raise Skipped("this kernel puts core files elsewhere")


def holds(path, words):
    """Tell whether a file holds some bytes."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
        return view.find(words) >= 0


def start(test):
    """Start a daemon and a guest, return them with traffic under way."""
    daemon = Daemon(test, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"})
    daemon.cwd = daemon.directory
    daemon.start()
    guest = Guest(test, daemon.sockets["vm1"], "verify", viommu="4k", map="dynamic", hotplug=10)
    daemon.wait_total("guest vm1 ring 0", "packets", 1000)
    return daemon, guest


def test_mappings_are_not_to_be_dumped(test):
    """Each mapping of guest memory is marked, also after the table was replaced."""
    daemon, guest = start(test)
    guest.process.signal(signal.SIGSTOP)
    # In the middle of a table the library has what is not marked yet
    wait_for("mappings, all marked", lambda: guest_maps(daemon.pid) and
             all("dd" in flags for _, flags in guest_maps(daemon.pid)))
    guest.process.close()
    daemon.stop()


def test_core_file(test):
    """Neither guest memory nor frames on their way are in it."""
    daemon, guest = start(test)
    copies = [fd for fd in os.listdir(f"/proc/{guest.process.pid}/fd")
              if NAME in os.readlink(f"/proc/{guest.process.pid}/fd/{fd}")]
    expect(any(holds(f"/proc/{guest.process.pid}/fd/{fd}", MARK) for fd in copies),
           "the mark is not in guest memory")
    path = core_of(daemon)
    guest.process.close()
    expect(os.path.getsize(path) > 1 << 20, "the core file is small")
    # What is in the daemon's own memory is there
    expect(holds(path, daemon.sockets["vm1"].encode()), "its configuration is not in it")
    expect_equal(holds(path, MARK), False, "a frame of the guest's is in it")
