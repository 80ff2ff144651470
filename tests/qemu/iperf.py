# SPDX-License-Identifier: BSD-3-Clause
"""iperf.py - iperf3 between this side and the guest, either way

The guest is the client and this side the server, whoever of them sends: so it is
the guest that says when it is done.
"""

import json
import subprocess
import tempfile

import checks
from outcome import Failed, expect
from process import spawn, stop

PORT = 5201
SECONDS = 1
LATE_SECONDS = 40
OFFLOADS = ("tx", "sg", "tso", "gso", "gro")


class Server:
    """iperf3 on this side, for one client."""

    def __init__(self):
        self.log = tempfile.NamedTemporaryFile(prefix="vunet-iperf-", suffix=".log")
        self.process = spawn(["iperf3", "-s", "-1", "-p", str(PORT)], self.log.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        stop(self.process, 1)
        self.log.close()


def client(seconds, reverse, streams):
    """Return the guest's command: wait for the server, and be its client."""
    # Until the server listens the connection is refused at once
    return (f"for _ in $(seq 50); do iperf3 -J -c {checks.HOST} -p {PORT} -t {seconds} "
            f"-P {streams}{' -R' if reverse else ''} > /tmp/iperf && break; sleep 0.1; done; "
            "cat /tmp/iperf")


def report(output):
    """Return what the client said in JSON."""
    try:
        found = json.loads(output)
    except ValueError as error:
        raise Failed(f"iperf3 said: {output.strip()[-300:]}") from error
    expect("error" not in found, f"iperf3: {found.get('error')}")
    return found


def _run(guest, reverse):
    """Run it for a second, return a remark."""
    streams = 2 * guest.boot.pairs if guest.boot.pairs > 1 else 1
    with checks.judged(guest), Server():
        output = guest.ask(client(SECONDS, reverse, streams), LATE_SECONDS)
    end = report(output)["end"]
    received, sent = end["sum_received"], end["sum_sent"]
    expect(received["bytes"] > 0, "nothing arrived")
    return (f" ({received['bits_per_second'] * 1e-6:.1f} Mbit/s, "
            f"{sent.get('retransmits', 0)} segments sent again)")


def to_guest(guest):
    """iperf3 to the guest"""
    return _run(guest, True)


def from_guest(guest):
    """iperf3 from the guest"""
    return _run(guest, False)


def _offloads(guest, state):
    """Have the guest's kernel leave work to the device, or not, and this side's."""
    words = " ".join(f"{name} {state}" for name in OFFLOADS)
    guest.ask(f"ethtool -K eth0 {words} > /dev/null 2>&1 || true")
    subprocess.run(["ethtool", "-K", guest.backend.uplink, *words.split()], check=False,
                   timeout=10, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _without_offloads(guest, reverse):
    try:
        _offloads(guest, "off")
        return _run(guest, reverse)
    finally:
        _offloads(guest, "on")


def to_guest_plain(guest):
    """iperf3 to the guest, offloads off"""
    return _without_offloads(guest, True)


def from_guest_plain(guest):
    """iperf3 from the guest, offloads off"""
    return _without_offloads(guest, False)


BOTH_WAYS = (to_guest, from_guest)
WITHOUT_OFFLOADS = (to_guest_plain, from_guest_plain)
