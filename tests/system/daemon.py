# SPDX-License-Identifier: BSD-3-Clause
"""daemon.py - A vunetd with a generated configuration

It runs in a directory of its own and speaks to us over $NOTIFY_SOCKET as it
would to systemd; the counters are read from the lines of totals it logs.
"""

import os
import re
import signal
import socket
import threading
import time

from outcome import Failed, expect, expect_equal, wait_for
from process import Process, cpus

# Of libraries, for builds with a leak checker, or one for races
HERE = os.path.dirname(os.path.abspath(__file__))
SUPPRESSIONS = os.path.join(HERE, "lsan.supp")
TSAN = f"halt_on_error=1:suppressions={os.path.join(HERE, 'tsan.supp')}"
START_SECONDS = 30
STOP_SECONDS = 10
TOTALS = re.compile(r"totals (\S.*?):((?: \w+=\d+)+)$", re.MULTILINE)
TOTALS_END = "totals end\n"
TOTALS_SECONDS = 20


def ini(sections):
    """Return the text of a configuration, {section: {key: value}}."""
    lines = []
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


class Daemon:
    """A vunetd, from its configuration to its end."""

    def __init__(self, test, guests, ports, build=None, prefix=(), env=None, **sections):
        """Prepare one; nothing is started yet.

        guests:   {name: {key: value}}, "socket" is added, "viommu" is yes
        ports:    {name: devargs} or {name: {key: value}}
        build:    Which build, default the one under test
        prefix:   Words before the command, such as ip netns exec
        env:      More environment
        sections: Other sections
        """
        self.directory = test.directory()
        self.binary = test.binary("vunetd", build)
        self.prefix = list(prefix)
        self.runtime = os.path.join(self.directory, "run")
        os.mkdir(self.runtime, 0o755)
        self.env = dict(os.environ, RUNTIME_DIRECTORY=self.runtime,
                        LSAN_OPTIONS=f"suppressions={SUPPRESSIONS}:print_suppressions=0",
                        TSAN_OPTIONS=TSAN,
                        **(env or {}))
        self.sockets = {name: os.path.join(self.directory, f"{name}.sock") for name in guests}
        self.config = os.path.join(self.directory, "vunetd.conf")
        self.arguments = ["-c", self.config]
        self.pass_fds = ()
        self.cwd = None
        self.process = None
        self.notify = None
        self.notes = []
        self._write(guests, ports, sections)
        test.callback(self.close)
        test.show(os.path.join(self.directory, "vunetd.log"))

    def _write(self, guests, ports, sections):
        text = {"dpdk": {"hugepages": "none", "memory_mb": 128},
                "pmd": {"cores": cpus()[0]}}
        for name, keys in sections.items():
            text.setdefault(name, {}).update(keys)
        for name, port in ports.items():
            keys = dict(port) if isinstance(port, dict) else {"devargs": port}
            keys["devargs"] = f'"{keys["devargs"]}"'
            text[f"port.{name}"] = keys
        for name, keys in guests.items():
            text[f"guest.{name}"] = {"socket": self.sockets[name], "viommu": "yes", **keys}
        with open(self.config, "w", encoding="ascii") as file:
            file.write(ini(text))

    def spawn(self):
        """Start it without waiting for anything."""
        path = os.path.join(self.directory, "notify")
        self.close()
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(path)
        self.notes = []
        # Whoever notifies waits for a reader once the socket's queue is full
        threading.Thread(target=self._listen, args=(self.notify, self.notes),
                         daemon=True).start()
        self.process = Process("vunetd", [*self.prefix, self.binary, *self.arguments],
                               os.path.join(self.directory, "vunetd.log"),
                               dict(self.env, NOTIFY_SOCKET=path), self.pass_fds, self.cwd)

    def start(self):
        """Start it and wait until it says that it serves."""
        self.spawn()
        wait_for("READY=1 from vunetd", self._ready, START_SECONDS)
        return self

    def _ready(self):
        if not self.process.alive():
            raise Failed(f"vunetd ended at start with {self.process.popen.returncode}: "
                         f"{self.last_line()}")
        return "READY=1" in self.heard()

    @staticmethod
    def _listen(notify, notes):
        while True:
            datagram = notify.recv(4096)
            if not datagram:
                break
            notes.append((time.monotonic(), datagram.decode()))

    def heard(self):
        """Return every line it sent on its notify socket so far."""
        return [line for _, text in list(self.notes) for line in text.splitlines()]

    def last_line(self):
        """Return the last line it logged."""
        return (self.process.text().splitlines() or [""])[-1]

    @property
    def pid(self):
        """Process id."""
        return self.process.pid

    def log(self):
        """Return what it has logged."""
        return self.process.text()

    def stop(self, number=signal.SIGTERM):
        """Ask it to end, expect that it does well, return the seconds it took."""
        expect(self.process.alive(),
               f"vunetd had ended with {self.process.popen.returncode}: {self.last_line()}")
        begin = time.monotonic()
        self.process.signal(number)
        status = self.process.wait(STOP_SECONDS)
        took = time.monotonic() - begin
        expect_equal(status, 0, "exit status of vunetd")
        return took

    def totals(self):
        """Return what it has counted, {object: {counter: value}}; after its end, the last."""
        if self.process.alive():
            log = self.process.tail()
            self.process.signal(signal.SIGUSR1)
            wait_for("the end of its totals",
                     lambda: TOTALS_END in log.text() or not self.process.alive(), TOTALS_SECONDS)
            text = log.text()
        else:
            text = self.log()
        return {what: {name: int(value) for name, value in
                       (pair.split("=") for pair in counters.split())}
                for what, counters in TOTALS.findall(text)}

    def total(self, what, counter):
        """Return one of its counters, 0 when it is not there."""
        return self.totals().get(what, {}).get(counter, 0)

    def wait_total(self, what, counter, least=1, seconds=10):
        """Wait until one of its counters reaches a value."""

        def probe():
            found = self.total(what, counter) >= least
            expect(found or self.process.alive(), f"vunetd has ended: {self.last_line()}")
            return found

        wait_for(f"totals {what}: {counter}={least}", probe, seconds)

    def fds(self):
        """Return how many files it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def close(self):
        """End it whatever it does."""
        if self.process:
            self.process.close()
        if self.notify:
            path = self.notify.getsockname()
            self.notify.shutdown(socket.SHUT_RDWR)
            self.notify.close()
            os.unlink(path)
            self.notify = None
