# SPDX-License-Identifier: BSD-3-Clause
"""snmp.py - What the kernels at both ends count as bad

Each end's kernel is a judge of the frames the other's left to vunetd to finish:
a wrong checksum or length is dropped there, TCP sends the data again, and what
arrives in the end is intact.  Only these counters tell.
"""

PATHS = ("/proc/net/snmp", "/proc/net/netstat")
BAD = {
    "Ip": {"InHdrErrors"},
    "Icmp": {"InCsumErrors"},
    "Tcp": {"InErrs", "InCsumErrors"},
    "Udp": {"InErrors", "InCsumErrors"},
}
# A SYN that was answered too late comes again, and counts as an error as well
NOT_BAD = {"Tcp.InErrs": "TcpExt.TCPSYNChallenge"}


def counters(text):
    """Return {"Tcp.InSegs": number, ...}: pairs of lines, names and numbers."""
    lines = [line.split() for line in text.splitlines() if ":" in line]
    return {f"{names[0][:-1]}.{name}": int(number)
            for names, numbers in zip(lines[::2], lines[1::2])
            for name, number in zip(names[1:], numbers[1:])}


def host():
    """Return the counters of this process's network namespace."""
    text = ""
    for path in PATHS:
        with open(path, encoding="ascii") as file:
            text += file.read()
    return counters(text)


def worse(before, after):
    """Name the counters of bad packets that moved."""

    def moved(name):
        return after.get(name, 0) - before.get(name, 0)

    names = (f"{group}.{name}" for group, members in BAD.items() for name in sorted(members))
    found = {name: moved(name) - moved(NOT_BAD.get(name, "")) for name in names}
    return [f"{name} {number:+}" for name, number in found.items() if number]
