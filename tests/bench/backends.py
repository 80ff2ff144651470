# SPDX-License-Identifier: BSD-3-Clause
"""backends.py - vunetd, its peer, and the least one could be, set up alike

Each gets one poll-mode thread on the same processor and a burst of 32; vunetd and
its peer the same port and the same amount of the same kind of memory.  The control threads share
the guest's processor.  Whoever's turn it is not is stopped by a signal.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import time

START_SECONDS = 30
STOP_SECONDS = 20
LET_GO_SECONDS = 0.05
MEMORY_MB = 128
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """What cannot be measured, and why."""


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Backend:
    """One run of a backend in a directory of its own."""

    def __init__(self, name, directory, cpus, hugepages, binary=None):
        self.name = name
        self.directory = os.path.join(directory, name)
        os.makedirs(self.directory, exist_ok=True)
        self.socket = os.path.join(self.directory, "vhost.sock")
        self.log = os.path.join(self.directory, "log")
        self.pmd, self.main = cpus
        self.hugepages = hugepages
        self.binary = binary
        self.process = None

    def command(self, cell):
        """The command line for a cell."""
        raise NotImplementedError

    def ready(self):
        """Whether a guest may connect."""
        return os.path.exists(self.socket)

    def start(self, cell):
        """Start it and wait until it is ready."""
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        command = self.command(cell)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
                env=dict(os.environ, RUNTIME_DIRECTORY=self.directory),
                preexec_fn=_die_with_parent)
        end = time.monotonic() + START_SECONDS
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise BenchError(f"{self.name} does not start: {self.last_lines()}")
            time.sleep(0.05)

    def pause(self):
        """Take it off its processor."""
        self.process.send_signal(signal.SIGSTOP)

    def let_go(self):
        """The same, once it has let go of a guest that has ended."""
        time.sleep(LET_GO_SECONDS)
        self.pause()

    def resume(self):
        """Let it poll again."""
        if self.process.poll() is not None:
            raise BenchError(f"it ended: {self.last_lines()}")
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """End it."""
        if not self.process:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process = None

    def cpu_seconds(self):
        """Processor time its threads have used."""
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def last_lines(self):
        """The end of what it has written."""
        return " | ".join(self.text().splitlines()[-3:])

    def text(self):
        """What it has written."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()


class Vunetd(Backend):
    """Our daemon."""

    def command(self, cell):
        path = os.path.join(self.directory, "vunetd.conf")
        with open(path, "w", encoding="ascii") as conf:
            conf.write(f"[dpdk]\nhugepages = {'require' if self.hugepages else 'none'}\n"
                       f"memory_mb = {MEMORY_MB}\n"
                       f"[pmd]\ncores = {self.pmd}\n"
                       f'[port.null]\ndevargs = "{cell.port}"\n'
                       f"[guest.bench]\nsocket = {self.socket}\nwire = null\nviommu = yes\n")
        return [self.binary, "-c", path]


class Testpmd(Backend):
    """dpdk-testpmd with net_vhost, what one would use instead."""

    def command(self, cell):
        binary = shutil.which("dpdk-testpmd")
        if not binary:
            raise BenchError("dpdk-testpmd is not installed (Debian package dpdk)")
        memory = ["--huge-unlink"] if self.hugepages else ["--no-huge"]
        # It says that it is ready on stdout, which must not wait in a buffer
        return ["stdbuf", "-oL", binary, "-l", f"{self.main},{self.pmd}",
                "--main-lcore", str(self.main), *memory, "-m", str(MEMORY_MB),
                "--no-pci", "--no-telemetry", "--file-prefix", f"bench{os.getpid()}{os.path.basename(os.path.dirname(self.directory))}",
                "--vdev", f"net_vhost0,iface={self.socket},queues=1,iommu-support=1",
                "--vdev", cell.port, "--",
                "--forward-mode=io", "--nb-cores=1", "--burst=32", "--no-mlockall",
                # Else it waits ten seconds for the guest's
                "--disable-link-check",
                "--total-num-mbufs=16384"]

    def ready(self):
        return super().ready() and "Press enter to exit" in self.text()


class BareDevice(Backend):
    """A device that does nothing but copy: what any back-end could reach at most."""

    def command(self, cell):
        return [self.binary, self.socket, str(cell.size), cell.mode, str(self.pmd)]
