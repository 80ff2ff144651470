# SPDX-License-Identifier: BSD-3-Clause
"""turns.py - Measure several guests and backends at once, in turns

The processors of a virtual machine drift by a factor of two within seconds, so
what is measured one after the other cannot be compared.  Here all contenders are
there at once, each a guest with a backend of its own, and run in turns far
shorter than that, the others stopped by a signal meanwhile.  What the machine
does, it does to all of them.
"""

import random
import signal
import subprocess
import time
from dataclasses import dataclass

from backends import BenchError

# One turn: much longer than it takes to stop and go on, much shorter than a drift
TURN_SECONDS = 0.04
# What a guest does alone at first is not counted
WARMUP_SECONDS = 0.25
END_SECONDS = 30


@dataclass
class Run:
    """What came of one contender.

    rate:  Mpps
    share: Part of its processor the backend's or the guest's thread had, the lesser
    """

    rate: float
    share: float


def _summary(text):
    """The key=value lines of a guest."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, equals, value in pairs if equals}


class Contender:
    """A guest doing the work of a cell, at a backend."""

    def __init__(self, cell, backend, command, layout):
        self.cell = cell
        self.backend = backend
        self.seconds = 0.0
        backend.resume()
        command = [*command, "--socket", backend.socket, "--quiet", "--cpu", str(backend.main),
                   "--warmup", str(WARMUP_SECONDS), "--duration", "0", *cell.guest(layout)]
        self.began = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(WARMUP_SECONDS)
        self._stop()
        self.cpu = backend.cpu_seconds()

    def _stop(self):
        self.process.send_signal(signal.SIGSTOP)
        self.backend.pause()

    def turn(self, seconds):
        """Run for some time."""
        began = time.monotonic()
        self.backend.resume()
        self.process.send_signal(signal.SIGCONT)
        time.sleep(seconds)
        self._stop()
        self.seconds += time.monotonic() - began

    def _mpps(self, report):
        """Frames by the guest's time.

        That is processor time, so what others take of it does not count; with
        dynamic maps the guest sleeps until it is answered, and all time counts.
        """
        cpu = float(report["seconds"]) * float(report["cpu_share"])
        seconds = self.seconds if self.cell.maps != "static" else cpu
        return int(report[self.cell.frames]) / seconds / 1e6, cpu / self.seconds

    def finish(self):
        """End the guest, return the Run."""
        self.cpu = self.backend.cpu_seconds() - self.cpu
        self.backend.resume()
        self.process.terminate()
        self.process.send_signal(signal.SIGCONT)
        try:
            out, errors = self.process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise BenchError(f"the guest does not end: {' '.join(self.process.args)}") from None
        finally:
            self.backend.let_go()
        if self.process.returncode > 1 or self.process.returncode < 0:
            raise BenchError(f"the guest failed: {errors.strip()}")
        rate, share = self._mpps(_summary(out))
        return Run(rate, min(share, self.cpu / self.seconds))

    def abandon(self):
        """End the guest if it is still there, come what may."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def take_turns(work, command, layout, seconds):
    """Measure the contenders, some seconds each.

    work:    [(cell, backend)], a backend in each that no other one has
    command: How to start a guest
    layout:  How its memory lies, Cell.guest()

    Return {(cell, name of the backend): Run}; those that failed are left out.
    """
    contenders = []
    runs = {}
    try:
        for cell, backend in work:
            contenders.append(Contender(cell, backend, command, layout))
        # Warmed up and stopped: let that time be over for the last one as well
        time.sleep(WARMUP_SECONDS / 2)
        order = list(contenders)
        for _ in range(max(1, round(seconds / TURN_SECONDS))):
            # Nobody always goes first, or always behind the same other one
            random.shuffle(order)
            for contender in order:
                contender.turn(TURN_SECONDS)
        for contender in contenders:
            key = contender.cell, contender.backend.name
            try:
                runs[key] = contender.finish()
            except BenchError as error:
                print(f"{contender.cell}: {contender.backend.name}: {error}", flush=True)
    finally:
        for contender in contenders:
            contender.abandon()
    return runs
