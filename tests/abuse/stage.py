# SPDX-License-Identifier: BSD-3-Clause
"""stage.py - A daemon, an innocent guest whose traffic is verified, and one to be bad

One poll-mode thread serves both guests, which is as bad as it can get.  The
innocent one maps and unmaps each buffer, so that it needs the control thread for
every frame, too; it sends the mappings unasked, so that not one frame may be
dropped for want of a translation, however busy the machine is.
"""

import re
import signal
import time

from daemon import Daemon
from guest import Guest, expect_good
from outcome import Failed, expect, expect_equal

SECONDS = 20
SO_FAR = re.compile(r"^so far rx_frames=(\d+) wrong=(\d+)$", re.MULTILINE)
IOTLB = {"miss_timeout_ms": 50, "miss_retries": 2}
FIRST_FRAMES = 50
# Of the guest that is bad: as many as it takes to be a nuisance
PAIRS = 8
INNOCENT = {"viommu": "4k", "map": "dynamic", "push": True, "sizes": "random", "window": 32,
            "interrupts": True}


class Stage:
    """What all cases of a file share."""

    def __init__(self, shared, **innocent):
        self.daemon = Daemon(
            shared, {"bad": {"wire": "a", "queues": PAIRS}, "good": {"wire": "b"}},
            {"a": {"devargs": "net_ring0", "queues": PAIRS, "descriptors": 256},
             "b": "net_ring1"}, iotlb=IOTLB)
        self.shared = shared
        self.options = {**INNOCENT, **innocent}
        self.innocent = None
        self.seen = None
        self.revive()

    @property
    def bad(self):
        """Socket of the guest that is bad."""
        return self.daemon.sockets["bad"]

    def revive(self):
        """Start the daemon and the innocent guest, if they do not run."""
        if not self.daemon.process or not self.daemon.process.alive():
            self.daemon.start()
        while not self.innocent or not self.innocent.process.alive():
            self._innocent()

    def _innocent(self):
        """Start the innocent guest, which has to ask for its rings' pages: that may take long."""
        log = self.log()
        self.innocent = Guest(self.shared, self.daemon.sockets["good"], "verify", **self.options)
        # From then on it takes signals
        self._soon("the innocent guest", lambda: "guest good: connected" in log.text())
        frames = wrong = 0
        while not wrong and frames < FIRST_FRAMES:
            frames, wrong = self.so_far()
        if wrong:
            self.innocent.process.close()

    def end(self):
        """Stop the innocent guest; fail unless every frame came back as it was."""
        report = self.innocent.stop()
        self.innocent = None
        expect_good(report)
        expect_equal(report["rx_frames"], report["tx_frames"], "frames that came back")

    def before(self):
        """Return (totals, frames of the innocent guest, open files), from after the last case."""
        self.revive()
        seen = self.seen or (*self.look(), self.daemon.fds())
        self.seen = None
        return seen

    def after(self, frames):
        """Wait until the innocent guest has some more frames; return (totals, its frames)."""
        first, _ = self.so_far()
        end = time.monotonic() + SECONDS
        while True:
            totals, now = self.look()
            if now - first >= frames:
                break
            expect(time.monotonic() < end, f"the innocent guest got {now - first} frames in "
                   f"{SECONDS} s")
        self.seen = totals, now, self.daemon.fds()
        return totals, now

    def look(self):
        """Return (totals, frames of the innocent guest); nothing may be wrong with any."""
        frames, wrong = self.so_far()
        expect(not wrong, f"{wrong} frames of the innocent guest are wrong or lost")
        return self.totals(), frames

    def totals(self):
        """Return what the daemon has counted, {object: {counter: value}}."""
        self.alive()
        found = self.daemon.totals()
        self.alive()
        return found

    def so_far(self):
        """Return (frames the innocent guest verified, what was wrong with any)."""
        process = self.innocent.process
        log = process.tail()
        process.signal(signal.SIGUSR1)
        self._soon("word of the innocent guest",
                   lambda: SO_FAR.search(log.text()) or not process.alive())
        found = SO_FAR.search(log.text())
        expect(found, f"the innocent guest has ended: {process.text()[-300:]}")
        return tuple(int(word) for word in found.groups())

    def goes_on(self, frames=100, seconds=SECONDS):
        """Wait until the innocent guest has some more frames, return how many it has."""
        first, _ = self.so_far()
        end = time.monotonic() + seconds
        while True:
            now, wrong = self.so_far()
            expect(not wrong, f"{wrong} frames of the innocent guest are wrong or lost")
            if now - first >= frames:
                return now
            expect(time.monotonic() < end, f"the innocent guest got {now - first} frames "
                   f"in {seconds} s")

    def wait_counter(self, what, counter, least, before):
        """Wait until a counter has grown by so much since the totals before."""
        had = before.get(what, {}).get(counter, 0)
        self._soon(f"{least} more {counter} of {what}",
                   lambda: self.totals().get(what, {}).get(counter, 0) >= had + least)

    def alive(self):
        """Fail unless the daemon runs."""
        expect(self.daemon.process.alive(), f"vunetd has ended: {self.daemon.last_line()}")
        return True

    def log(self):
        """Return what the daemon says from now on."""
        return self.daemon.process.tail()

    @staticmethod
    def _soon(what, probe):
        end = time.monotonic() + SECONDS
        while not probe():
            if time.monotonic() > end:
                raise Failed(f"{what}: not within {SECONDS} s")
            time.sleep(0.002)
