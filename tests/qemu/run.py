#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
"""run.py - A real guest behind a vIOMMU, through vunetd, to a namespace

    guest (Linux 6.12, virtio-net) - QEMU - vunetd - TAP - this process

The test runs in a network namespace of its own, in which the backend makes its
TAP interface; the namespace ends with the test.  Each scenario boots a guest
and runs checks on it, one line each: "ok - ", "not ok - ".
"""

import argparse
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import backend
import checks
import features
import process
import vm

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TAIL_LINES = 40
IMAGE_SECONDS = 300
BOOT_SECONDS = {True: 60, False: 180}


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A guest and what is checked on it, in order.

    plain: its driver may receive nothing but complete frames of ordinary size,
    so that its kernel looks at each checksum itself.
    """

    viommu: str
    checks: list
    packed: bool = False
    plain: bool = False

    def translated(self):
        """Return whether its device is behind a vIOMMU."""
        return self.viommu != "off"

    def card(self):
        """Return what its network card has besides."""
        return ((",packed=on" if self.packed else "") +
                (",guest_csum=off,guest_tso4=off,guest_tso6=off" if self.plain else ""))

    def wanted(self):
        """Return the features that are to be negotiated."""
        return features.expected(self.translated(), self.packed, not self.plain)


SCENARIOS = {
    "strict": Scenario("intel-strict", [
        checks.behind_strict_iommu, checks.ats_on, *checks.TRAFFIC, checks.rebind, checks.reboot,
        checks.restart]),
    "off": Scenario("off", [
        checks.not_behind_iommu, *checks.TRAFFIC, *checks.TRAFFIC6, checks.restart]),
    "virtio": Scenario("virtio-strict", [
        checks.behind_strict_iommu, *checks.TRAFFIC], plain=True),
    "lazy": Scenario("intel-lazy", [
        checks.behind_lazy_iommu, checks.ats_on, *checks.TRAFFIC]),
    "packed-strict": Scenario("intel-strict", [
        checks.behind_strict_iommu, checks.ats_on, *checks.TRAFFIC, *checks.TRAFFIC6,
        checks.rebind, checks.reboot], packed=True),
    "packed-off": Scenario("off", [
        checks.not_behind_iommu, *checks.TRAFFIC, checks.rebind], packed=True),
}


def parse():
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO",
                        help=f"of {', '.join(SCENARIOS)}; default: all")
    parser.add_argument("--vunetd", default=os.path.join(TOP, "build/release/vunetd"))
    parser.add_argument("--reference", action="store_true",
                        help="run dpdk-testpmd with net_vhost instead, for comparison")
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    parser.add_argument("--accel", choices=["auto", "kvm", "tcg"], default="auto")
    parser.add_argument("--image", default=os.path.join(TOP, "build/qemu-cache"))
    parser.add_argument("--artifacts", default=os.path.join(TOP, "build/qemu-artifacts"))
    options = parser.parse_args()
    for name in options.scenarios:
        if name not in SCENARIOS:
            parser.error(f"no scenario {name}; there are: {', '.join(SCENARIOS)}")
    return options


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


class Run:
    """One scenario: a directory for its logs, and what it started."""

    def __init__(self, name, options):
        self.name = name
        self.options = options
        self.directory = os.path.join(options.artifacts, name)
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        # unix socket paths are short, the tree's may be long
        self.sockets = tempfile.mkdtemp(prefix="vunet-qemu-")
        self.backend = self.guest = None
        self.passed = self.failed = self.skipped = 0

    def log(self, name):
        """Return the path of one of the logs."""
        return os.path.join(self.directory, name)

    def check(self, title, function, *args):
        """Run one check, print its line, return whether the next makes sense."""
        try:
            print(f"ok - qemu {self.name}: {title}{function(*args) or ''}", flush=True)
            self.passed += 1
            return True
        except checks.Skipped as reason:
            print(f"skip - qemu {self.name}: {title}: {reason}", flush=True)
            self.skipped += 1
            return True
        except (checks.Failed, process.Timeout, process.Died,
                OSError, subprocess.SubprocessError) as error:
            print(f"not ok - qemu {self.name}: {title}: {error}", flush=True)
            self.failed += 1
            return isinstance(error, checks.Failed)

    def run(self, kvm):
        """Start the backend, boot the guest, check, and end both."""
        scenario = SCENARIOS[self.name]
        try:
            if self.check("backend starts", self.start_backend, scenario.translated()):
                self.with_backend(kvm, scenario)
        finally:
            shutil.rmtree(self.sockets, ignore_errors=True)
        if self.failed:
            for name in sorted(os.listdir(self.directory)):
                if name.endswith(".log"):
                    show_tail(self.log(name))
        else:
            shutil.rmtree(self.directory)

    def start_backend(self, viommu):
        """Start vunetd or the peer."""
        path = os.path.join(self.sockets, "vhost")
        make = backend.testpmd_command if self.options.reference else backend.vunetd_command
        command = make(self.options.vunetd, self.directory, path, viommu)
        self.backend = backend.Backend(command, path, self.log("backend.log"))
        self.backend.start()

    def with_backend(self, kvm, scenario):
        """Boot a guest and check it, then end the backend."""
        try:
            if self.check("guest boots", self.start_guest, kvm, scenario):
                self.with_guest(scenario.checks)
            self.check("backend ends cleanly", self.backend.stop)
        finally:
            self.backend.kill()

    def start_guest(self, kvm, scenario):
        """Boot the guest."""
        shell = os.path.join(self.sockets, "shell")
        command = vm.qemu_command(self.options.qemu, kvm, scenario.viommu, scenario.card(),
                                  self.options.image, os.path.join(self.sockets, "vhost"), shell,
                                  self.log("console.log"), checks.GUEST_CIDR)
        self.guest = vm.Guest(command, shell, self.log("qemu.log"), BOOT_SECONDS[kvm],
                              self.backend)
        self.guest.wanted = scenario.wanted()

    def with_guest(self, todo):
        """Run the checks until one leaves the guest unusable."""
        if self.options.reference:
            # What it negotiates is its own affair
            todo = [check for check in todo if check is not checks.negotiated]
        try:
            for check in todo:
                if not self.check(check.__doc__.split("\n")[0], check, self.guest):
                    break
        finally:
            self.guest.stop()


def main():
    """Run the scenarios, return the exit status."""
    options = parse()
    if not in_namespace():
        # Outside: its packages are downloaded, and the namespace has no network
        image = subprocess.run([os.path.join(HERE, "image.sh"), options.image],
                               timeout=IMAGE_SECONDS, check=False)
        if image.returncode:
            print("not ok - qemu: guest image cannot be made")
            return 1
        enter_namespace()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kvm = options.accel == "kvm" or (options.accel == "auto" and
                                      vm.kvm_usable(options.qemu, options.image))
    print(f"# qemu: accelerator {'KVM' if kvm else 'TCG'}, backend "
          f"{'dpdk-testpmd' if options.reference else options.vunetd}", flush=True)
    passed = failed = skipped = 0
    for name in options.scenarios or SCENARIOS:
        run = Run(name, options)
        run.run(kvm)
        passed += run.passed
        failed += run.failed
        skipped += run.skipped
    print(f"# qemu: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
