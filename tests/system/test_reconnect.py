# SPDX-License-Identifier: BSD-3-Clause
"""test_reconnect.py - Front-ends come and go, and leave nothing behind"""

import os
import resource
import signal
import socket
import time

from daemon import Daemon
from frontend import (F_IOMMU, F_PACKED, F_PROTOCOL, F_VERSION_1, P_BACKEND_REQ, P_MEM_SLOTS,
                      P_REPLY_ACK, FrontEnd)
from guest import Guest, run, verify
from outcome import Failed, expect, expect_equal, wait_for

TIMES = 50


def start(test):
    """Start a daemon with a wire that returns what is sent."""
    return Daemon(test, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"}).start()


def wait_idle(daemon):
    """Wait until the last front-end has left."""
    wait_for("the front-end to have left",
             lambda: daemon.log().count(": connected") == daemon.log().count(": disconnected"))


def idle_fds(daemon):
    """Return the number of open files once the last front-end has left.

    The library closes what it had a moment later.
    """
    wait_idle(daemon)
    time.sleep(0.5)
    return daemon.fds()


def expect_fds(daemon, number):
    """Wait until so many files are open."""
    wait_idle(daemon)
    try:
        wait_for("them to be closed", lambda: daemon.fds() == number, 5)
    except Failed:
        expect_equal(daemon.fds(), number, "open files")


def test_no_file_stays_open(test):
    """After fifty front-ends as many files are open as after the first."""
    daemon = start(test)
    run(test, daemon.sockets["vm1"], "verify", viommu="4k", count=10, duration=10)
    before = idle_fds(daemon)
    for number in range(TIMES):
        run(test, daemon.sockets["vm1"], "verify", viommu=("4k", "off", "2m")[number % 3],
            count=10, duration=10)
    expect_fds(daemon, before)
    daemon.stop()
    expect_equal(daemon.total("guest vm1", "connections"), TIMES + 1, "connections")


def footprint(daemon):
    """Return (open files, mappings, KiB of memory) of the daemon."""
    with open(f"/proc/{daemon.pid}/maps", encoding="utf-8") as file:
        maps = len(file.readlines())
    with open(f"/proc/{daemon.pid}/status", encoding="ascii") as file:
        kb = next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
    return daemon.fds(), maps, kb


def come_and_go(daemon, number):
    """Connect a front-end that gets as far as the number says, and leaves."""
    packed = number & 1
    features = F_PROTOCOL | F_VERSION_1 | (F_PACKED if packed else 0)
    protocol = P_REPLY_ACK | (P_MEM_SLOTS if number & 2 else 0)
    with FrontEnd(daemon.sockets["vm1"]) as front:
        if number % 7 == 6:
            return
        front.negotiate(features | (F_IOMMU if number & 4 else 0),
                        protocol | (P_BACKEND_REQ if number & 4 else 0))
        if number % 7 == 5:
            return
        expect_equal(front.give_memory(), 0, "answer to SET_MEM_TABLE")
        for index in range(number % 5):
            front.ring(index % 4, 0x80008000 if packed else 0)


def test_a_thousand_leave_nothing(test):
    """Files, mappings and memory stay what they were, whatever state they leave in."""
    daemon = Daemon(test, {"vm1": {"wire": "ring", "queues": 2}},
                    {"ring": {"devargs": "net_null0", "queues": 2}}).start()
    for number in range(100):
        come_and_go(daemon, number)
    idle_fds(daemon)
    before = footprint(daemon)
    for number in range(1000):
        come_and_go(daemon, number)
    daemon.wait_total("guest vm1", "connections", 1100, 30)
    wait_for("files and mappings as before", lambda: footprint(daemon)[:2] == before[:2])
    after = footprint(daemon)
    print(f"# files, mappings, KiB: {before} after 100 front-ends, {after} after 1100", flush=True)
    expect(after[2] - before[2] <= 512, f"the daemon grew by {after[2] - before[2]} KiB")
    daemon.stop()


def test_front_ends_that_are_killed(test):
    """A front-end that dies under load leaves nothing, and the next one is served."""
    daemon = start(test)
    verify(test, daemon.sockets["vm1"], viommu="4k", count=10, duration=10)
    before = idle_fds(daemon)
    for number in range(10):
        guest = Guest(test, daemon.sockets["vm1"], "verify",
                      viommu="4k", map=("static-demand", "dynamic")[number % 2])
        wait_for("the front-end to be served", lambda: daemon.fds() > before)
        time.sleep(0.03 * number)
        guest.process.signal(signal.SIGKILL)
        guest.process.wait(10)
        expect_fds(daemon, before)
    verify(test, daemon.sockets["vm1"], viommu="4k", count=5000, duration=10)
    expect(daemon.process.alive(), "vunetd ended")


def test_a_second_front_end_waits_its_turn(test):
    """It is served when the first has left, which loses nothing meanwhile."""
    daemon = start(test)
    first = Guest(test, daemon.sockets["vm1"], "verify", viommu="4k", duration=2)
    wait_for("the first front-end to be served", lambda: ": connected" in daemon.log())
    second = Guest(test, daemon.sockets["vm1"], "verify", viommu="4k", count=1000, duration=10,
                   timeout=20000)
    report = first.wait()
    expect_equal((report.status, report["lost"]), (0, 0), "the first one's status and losses")
    expect_equal(daemon.log().count(": connected"), 1 + (": disconnected" in daemon.log()),
                 "front-ends served")
    report = second.wait()
    expect_equal((report.status, report["rx_frames"]), (0, 1000), "the second one's")


def test_a_flood_of_front_ends_is_none_of_lines(test):
    """Those that come and go at once are logged some of the time, and always in pairs."""
    daemon = start(test)
    begin = time.monotonic()
    for _ in range(300):
        with socket.socket(socket.AF_UNIX) as front:
            front.connect(daemon.sockets["vm1"])
    daemon.wait_total("guest vm1", "connections", 300, 30)
    wait_idle(daemon)
    seconds = time.monotonic() - begin
    # Five a second, and the first of each second is one more second's
    lines = daemon.log().count(": connected")
    expect(0 < lines <= 5 * (seconds + 2), f"{lines} lines in {seconds:.1f} s")
    verify(test, daemon.sockets["vm1"], viommu="4k", count=1000, duration=10)
    daemon.stop()


def test_leaving_is_no_loss_of_the_backend_channel(test):
    """Only a front-end that stays without one is warned of."""
    daemon = start(test)
    for _ in range(5):
        run(test, daemon.sockets["vm1"], "verify", viommu="4k", count=10, duration=10)
    # Until the supervisor has looked
    time.sleep(1.5)
    expect("backend channel" not in daemon.log(), "it was warned of a backend channel")
    daemon.stop()


def lowest_free(pid):
    """Return the number a process's next file will have."""
    numbers = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    return next(number for number in range(1 << 20) if number not in numbers)


def control_ticks(pid):
    """Return the processor time of a process's first thread, in clock ticks."""
    with open(f"/proc/{pid}/task/{pid}/stat", encoding="ascii") as file:
        words = file.read().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def test_no_file_left_to_accept_with(test):
    """The front-end waits, the control thread does not spin, and then it is served."""
    daemon = start(test)
    limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (lowest_free(daemon.pid), limits[1]))
    guest = Guest(test, daemon.sockets["vm1"], "verify", viommu="4k", count=1000, duration=20,
                  timeout=20000)
    daemon.process.wait_text("cannot accept its front-end")
    before = control_ticks(daemon.pid)
    time.sleep(1)
    used = control_ticks(daemon.pid) - before
    # Spinning takes all it can get
    expect(used < os.sysconf("SC_CLK_TCK") / 10, f"{used} ticks in a second")
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
    report = guest.wait()
    expect_equal((report.status, report["rx_frames"]), (0, 1000), "its status and frames")
    daemon.stop()
