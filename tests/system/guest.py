# SPDX-License-Identifier: BSD-3-Clause
"""guest.py - The test guest, and what it reports"""

import os
import signal

from outcome import Failed, expect, expect_equal
from process import Process, cpus

# Exit statuses of vunet-guest
GOOD, BAD, USAGE, BACKEND = range(4)

MUST_BE_ZERO = ("lost", "reordered", "corrupt", "malformed", "ring_errors", "poison_violations",
                "calls_missed", "hdr_errors", "csum_errors", "leaked")


class Report(dict):
    """The guest's summary; numbers are numbers."""

    def __init__(self, text, status):
        super().__init__()
        self.status = status
        self.complaint = ""
        for line in text.splitlines():
            name, equals, value = line.partition("=")
            if equals and name.isidentifier():
                self[name] = _number(value)
            elif line.startswith("vunet-guest: "):
                self.complaint = line

    def __missing__(self, name):
        raise Failed(f"the guest reported no {name}")


def _number(word):
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            pass
    return word


def words(options):
    """Turn keyword arguments into options: buf_size=64 is --buf-size 64."""
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            yield option
        elif value is not False and value is not None:
            yield from (option, str(value))


class Guest:
    """A test guest that runs beside the test."""

    def __init__(self, test, sockets, mode, **options):
        sockets = [sockets] if isinstance(sockets, str) else sockets
        options.setdefault("cpu", cpus()[1])
        command = [test.binary("vunet-guest"), "--mode", mode, "--quiet"]
        for path in sockets:
            command += ["--socket", path]
        self.limit = options.get("duration", 0) + 20
        log = os.path.join(test.directory(), "guest.log")
        self.process = Process("vunet-guest", [*command, *words(options)], log)
        test.callback(self.process.close)
        test.show(log)

    def wait(self):
        """Wait for its end, return its report."""
        status = self.process.wait(self.limit)
        return Report(self.process.text(), status)

    def stop(self):
        """Ask it to end, return its report."""
        if self.process.alive():
            self.process.signal(signal.SIGTERM)
        return self.wait()


def run(test, sockets, mode, **options):
    """Run a test guest to its end, return its report."""
    return Guest(test, sockets, mode, **options).wait()


def wrong_counters(report):
    """Return what a guest counted that must not happen."""
    return {name: report[name] for name in MUST_BE_ZERO if report[name]}


def expect_good(report):
    """Fail unless the guest finished, with frames and nothing wrong with them."""
    expect(report.status != BACKEND, f"the guest gave up: {report.complaint}")
    wrong = wrong_counters(report)
    expect(not wrong, f"the guest counted {wrong}")
    expect_equal(report.status, GOOD, "exit status of the guest")
    expect(report["rx_frames"] > 0, "no frame reached the guest")


def verify(test, path, attempts=3, **options):
    """Run a verifying guest, fail unless every frame came back as it was.

    A daemon waits a bounded time for buffers and for translations.  On a machine
    so busy that the guest does not run for that long frames are dropped by right,
    so lost ones, or what came after it was given up, are given another chance.
    """
    options.setdefault("duration", 1)
    for attempt in range(attempts):
        report = run(test, path, "verify", **options)
        wrong = set(wrong_counters(report))
        if report.status == BACKEND or "lost" not in wrong or wrong - {"lost", "reordered"}:
            break
        print(f"# {test.name}, attempt {attempt + 1} of {attempts}: lost {report['lost']} of "
              f"{report['tx_frames']} frames", flush=True)
    expect_good(report)
    if "offloads" in options:
        # Frames are cut and merged on their way; bytes are not
        expect_equal(report["rx_payload"], report["tx_payload"], "bytes that came back")
    else:
        expect_equal(report["rx_frames"], report["tx_frames"] - report["tx_doomed"],
                     "frames that came back")
    return report
