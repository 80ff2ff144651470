# SPDX-License-Identifier: BSD-3-Clause
"""test_pcap.py - Frames from a file through the guest into a file

Real bytes on both sides: what the guest sends back must be what was in the
file, in order, with its MAC addresses swapped.
"""

import functools
import os
import struct

from daemon import Daemon
from guest import Guest
from outcome import expect, expect_equal

MAGIC = 0xA1B2C3D4
HEADER = struct.Struct("<IHHiIII")
RECORD = struct.Struct("<IIII")
SIZES = [60, 61, 64, 100, 128, 511, 512, 1000, 1513, 1514]


def frame(number, size):
    """Return a frame that differs from every other."""
    payload = bytes((number * 7 + at * 13 + at // 256) & 255 for at in range(size - 14))
    return (b"\x02\x00\x00\x00\x00\x01" + b"\x02\x00\x00\x00\x00\x02" +
            b"\x88\xb5" + payload)


def swapped(data):
    """Return a frame with its MAC addresses swapped."""
    return data[6:12] + data[:6] + data[12:]


def write(path, frames):
    """Write a capture file."""
    with open(path, "wb") as file:
        file.write(HEADER.pack(MAGIC, 2, 4, 0, 0, 65535, 1))
        for data in frames:
            file.write(RECORD.pack(0, 0, len(data), len(data)) + data)


def read(path):
    """Return the frames of a capture file, as far as it is written."""
    with open(path, "rb") as file:
        data = file.read()
    frames, at = [], HEADER.size
    while at + RECORD.size <= len(data):
        size = RECORD.unpack_from(data, at)[2]
        at += RECORD.size
        if at + size > len(data):
            break
        frames.append(data[at:at + size])
        at += size
    return frames


def through(test, options):
    """What is in the first file reaches the second as it should."""
    directory = test.directory()
    source, sink = os.path.join(directory, "in.pcap"), os.path.join(directory, "out.pcap")
    frames = [frame(number, SIZES[number % len(SIZES)]) for number in range(300)]
    write(source, frames)
    # Over and over: the guest is not there yet when the daemon begins
    daemon = Daemon(test, {"vm1": {"wire": "pcap"}},
                    {"pcap": f"net_pcap0,rx_pcap={source},infinite_rx=1,tx_pcap={sink}"}).start()
    guest = Guest(test, daemon.sockets["vm1"], "l2fwd", count=len(frames) * 2, duration=20,
                  **options)
    report = guest.wait()
    expect_equal(report.status, 0, "exit status of the guest")
    daemon.stop()
    check(read(sink), [swapped(data) for data in frames])


def check(found, wanted):
    """Fail unless frames are among the wanted ones, and in the order of those.

    The file is read faster than the guest takes it, so there may be gaps.
    """
    number = {data: at for at, data in enumerate(wanted)}
    expect(len(found) >= len(wanted), f"only {len(found)} frames reached the second file")
    for at, data in enumerate(found):
        expect(data in number, f"frame {at}, {len(data)} bytes, was changed: {data[:64].hex()}")
    steps = [(number[after] - number[before]) % len(wanted)
             for before, after in zip(found, found[1:])]
    expect(all(steps), "a frame came twice")
    # Going back looks like going forward by nearly a whole round
    expect(sum(steps) < len(wanted) * len(found) / 4, f"frames are out of order: {steps}")


def tests():
    """Yield several shapes of buffers."""
    for name, options in {"no vIOMMU": {}, "vIOMMU 4k": {"viommu": "4k"},
                          "vIOMMU 4k, buffers of 300": {"viommu": "4k", "buf_size": 300},
                          "vIOMMU 4k, mapped per frame": {"viommu": "4k", "map": "dynamic"},
                          }.items():
        yield f"from file to file, {name}", functools.partial(through, options=options)
