#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""run.py - Real guests, with a vIOMMU and without, through vunetd, to a namespace

    guest (Linux 6.12 or DPDK, virtio-net) - QEMU - vunetd - TAP - this process

The test runs in a network namespace of its own, in which the backend makes its
TAP interface; the namespace ends with the test.  Each boot of matrix.py is a
guest that goes through some cells of the matrix and has some things done to it,
one line for each check: "ok - ", "not ok - ".
"""

import argparse
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import actions
import backend
import cells
import checks
import docs
import matrix
import process
import vm
from outcome import Failed, Skipped, expect

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TAIL_LINES = 40
IMAGE_SECONDS = 300
GUEST_SECONDS = {True: 60, False: 180}
# A boot that takes longer is ended: so much for itself, each cell and action
BOOT_SECONDS = 240
CELL_SECONDS = 120


def parse():
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", metavar="CELL",
                        help="do only cells and actions whose name has this in it, such as "
                        "intel-vfio2m, packed-4 or reboot")
    parser.add_argument("--full", action="store_true", help="the whole matrix")
    parser.add_argument("--list", action="store_true", help="say what would be done")
    parser.add_argument("--vunetd", default=os.path.join(TOP, "build/release/vunetd"))
    parser.add_argument("--reference", action="store_true",
                        help="run dpdk-testpmd with net_vhost instead, for comparison")
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    parser.add_argument("--accel", choices=["auto", "kvm", "tcg"], default="auto")
    parser.add_argument("--image", default=os.path.join(TOP, "build/qemu-cache"))
    parser.add_argument("--artifacts", default=os.path.join(TOP, "build/qemu-artifacts"))
    return parser.parse_args()


def boots(options):
    """Return what is to be booted, with what is to be done there."""
    every = matrix.full(tuple(actions.ACTIONS)) if options.full else matrix.DEFAULT
    if not options.only:
        return every
    found = []
    for boot in every:
        drivers = [driver for driver in boot.drivers
                   if any(word in boot.cell(driver) for word in options.only)]
        named = [action for action in boot.actions
                 if any(word in f"{boot.name}-{action}" for word in options.only)]
        if drivers or named:
            found.append(dataclasses.replace(boot, drivers=tuple(drivers or boot.drivers[:1]),
                                             actions=tuple(named), bare=not drivers))
    return found


def in_namespace():
    """Return whether enter_namespace() has run this program."""
    return os.environ.get("VUNET_NAMESPACE") == str(os.getpid())


def enter_namespace():
    """Run this program again in a network namespace of its own."""
    os.environ["VUNET_NAMESPACE"] = str(os.getpid())
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    os.execvp("unshare", ["unshare", *root, "--net", "--", sys.executable, "-B", *sys.argv])


def show_tail(path):
    """Print the end of a log."""
    print(f"# --- {path}")
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file.readlines()[-TAIL_LINES:]:
                print("#", line.rstrip())
    except OSError as error:
        print(f"# {error}")


def _late(_number, _frame):
    raise process.Timeout("the whole boot took too long")


class Report:
    """The lines of checks, and how many of each kind there were."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, name, title, function, *args):
        """Run one check, print its line, return whether the next makes sense."""
        try:
            print(f"ok - qemu {name}: {title}{function(*args) or ''}", flush=True)
            self.passed += 1
            return True
        except Skipped as reason:
            print(f"skip - qemu {name}: {title}: {reason}", flush=True)
            self.skipped += 1
            return True
        except (Failed, process.Timeout, process.Died,
                OSError, subprocess.SubprocessError) as error:
            print(f"not ok - qemu {name}: {title}: {error}", flush=True)
            self.failed += 1
            return isinstance(error, Failed)


def title(check):
    """Return what a check says it checks."""
    return check.__doc__.split("\n", maxsplit=1)[0]


class Run:
    """One boot: a directory for its logs, and what it started."""

    def __init__(self, boot, options, kvm, report):
        self.boot = boot
        self.options = options
        self.kvm = kvm
        self.report = report
        self.directory = os.path.join(options.artifacts, boot.name)
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        # unix socket paths are short, the tree's may be long
        self.sockets = tempfile.mkdtemp(prefix="vunet-qemu-")
        self.started = []
        self.guest = None
        self.began = 0

    def run(self):
        """Start the backend, boot the guest, check, and end both."""
        signal.signal(signal.SIGALRM, _late)
        signal.alarm(BOOT_SECONDS + CELL_SECONDS *
                     (len(self.boot.drivers) + len(self.boot.actions)))
        check, failed = self.report.check, self.report.failed
        try:
            name = self.boot.name
            if (check(name, "vunetd starts and the guest boots", self.begin) and
                    self.drivers() and self.actions()):
                check(name, "vunetd ends cleanly", self.end)
        finally:
            signal.alarm(0)
            for ending in reversed(self.started):
                ending()
            if self.guest:
                self.guest.backend.leave()
            shutil.rmtree(self.sockets, ignore_errors=True)
        if self.report.failed > failed:
            for name in sorted(os.listdir(self.directory)):
                if name.endswith(".log"):
                    show_tail(os.path.join(self.directory, name))
        else:
            shutil.rmtree(self.directory)

    def begin(self):
        """Start the backend, boot the guest."""
        self.began = time.monotonic()
        self.guest = self.launch(vm.Place(self.options.image, self.sockets, self.directory))
        self.guest.driver = self.boot.drivers[0]
        self.guest.elsewhere = self.elsewhere
        self.guest.booted()
        return f" ({time.monotonic() - self.began:.0f} s)"

    def end(self):
        """End the backend, say how long all of it took."""
        self.guest.backend.stop()
        return f" ({time.monotonic() - self.began:.0f} s in all)"

    def launch(self, place, number=0, bridge=None, incoming=None):
        """Start a backend and a QEMU, return the guest."""
        make = backend.testpmd_command if self.options.reference else backend.vunetd_command
        serving = backend.Backend(make, self.options.vunetd, self.boot, place, number)
        serving.bridge = bridge
        self.started.append(serving.kill)
        command = vm.qemu_command(self.options.qemu, self.kvm, self.boot, place,
                                  checks.GUEST_CIDR, incoming)
        serving.start()
        guest = vm.Guest(command, place, GUEST_SECONDS[self.kvm])
        self.started.append(guest.stop)
        guest.boot, guest.backend = self.boot, serving
        return guest

    def elsewhere(self):
        """Start what the guest can move to, return it and where it listens."""
        place = vm.Place(self.options.image, self.sockets, self.directory, "-2")
        incoming = f"unix:{place.socket('migration')}"
        return self.launch(place, 1, self.guest.backend.bridge, incoming), incoming

    def checks(self, driver):
        """Return what is checked in a cell."""
        if self.boot.bare:
            return []
        todo = cells.of(self.boot, driver, self.options.full)
        if self.options.reference:
            # What it negotiates is its own affair, and it counts nothing
            todo = [check for check in todo
                    if check not in (checks.negotiated, checks.pairs_carry)]
        return todo

    def drivers(self):
        """Go through the cells, return whether the guest is still of use."""
        for driver in self.boot.drivers:
            self.guest.driver = driver
            for check in self.checks(driver):
                if not self.one(self.boot.cell(driver), check):
                    return False
        if matrix.DRIVERS[self.guest.driver].pages:
            return self.one(self.boot.cell(self.guest.driver), actions.give_back)
        return True

    def actions(self):
        """Do what is to be done, return whether the guest is still of use."""
        return all(self.one(f"{self.boot.name}-{name}", actions.ACTIONS[name])
                   for name in actions.ACTIONS if name in self.boot.actions)

    def one(self, name, check):
        """Run a check on the guest, return whether it is still of use."""
        done = self.report.check(name, title(check), check, self.guest)
        if not done:
            self.late()
        return done

    def late(self):
        """Say how a guest is that did not do something in time."""
        print(f"# the guest's network answers: {'yes' if checks.answers() else 'no'}", flush=True)
        try:
            print(f"# its shell wrote: {self.guest.confess()!r}", flush=True)
        except (process.Died, OSError) as error:
            print(f"# {error}", flush=True)


def covering():
    """every two values of two axes come together in a guest that is booted"""
    left = matrix.uncovered(matrix.DEFAULT)
    expect(not left, f"these do not: {sorted(left)}")


def without_a_guest(report):
    """Check what needs no guest: the matrix and the documentation."""
    report.check("matrix", title(covering), covering)
    for check in (docs.command_lines, docs.domains):
        report.check("docs", title(check), check, os.path.join(TOP, "docs/guests.md"))


def prepare(options):
    """Make the guest's image, and come back in a namespace; or say what was amiss."""
    # Outside: its packages are downloaded, and the namespace has no network
    image = subprocess.run([os.path.join(HERE, "image.sh"), options.image],
                           timeout=IMAGE_SECONDS, check=False)
    if image.returncode:
        print("not ok - qemu: guest image cannot be made")
        return 1
    return enter_namespace()


def main():
    """Boot what is to be booted, return the exit status."""
    options = parse()
    todo = boots(options)
    if options.list:
        for boot in todo:
            print(boot.name + ":", *boot.cells, *boot.actions)
        return 0
    if not in_namespace():
        return prepare(options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kvm = options.accel == "kvm" or (options.accel == "auto" and
                                      vm.kvm_usable(options.qemu, options.image))
    accelerator = "KVM" if kvm else "TCG"
    print(f"# qemu: accelerator {accelerator}, backend "
          f"{'dpdk-testpmd' if options.reference else options.vunetd}", flush=True)
    begin = time.monotonic()
    report = Report()
    if not options.only:
        without_a_guest(report)
    for boot in todo:
        Run(boot, options, kvm, report).run()
    print(f"# qemu: {sum(len(boot.drivers) for boot in todo)} cells in {len(todo)} guests by "
          f"{accelerator}, {report.passed} passed, {report.failed} failed, "
          f"{report.skipped} skipped, {time.monotonic() - begin:.0f} s")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
