# SPDX-License-Identifier: BSD-3-Clause
"""test_jumbo.py - Frames of up to 9,216 bytes of payload, both directions

A driver that knows chains gets small mbufs and several of them per frame; one
that does not gets mbufs as large as a frame.  The guest's buffers may be of any
size all the same.
"""

import functools
import os

from daemon import Daemon
from guest import Guest, verify
from outcome import expect_equal
from test_pcap import check, frame, read, swapped, write

# MTU, Ethernet header
LONGEST = 9216 + 14
BUFFERS = {
    "small buffers": {"buf_size": 2048},
    "odd buffers": {"buf_size": 1601},
    "a buffer per frame": {"buf_size": LONGEST + 12, "mergeable": "off"},
    "chains": {"buf_size": LONGEST + 12, "chain": 6},
    "indirect tables": {"buf_size": LONGEST + 12, "chain": 3, "indirect": True},
}
VIOMMUS = {"no vIOMMU": {}, "vIOMMU 4k": {"viommu": "4k"},
           "vIOMMU 4k, mapped per frame": {"viommu": "4k", "map": "dynamic", "count": 300}}


def set_up(shared):
    """Start a daemon with a wire that returns what is sent, in chains of mbufs."""
    shared.daemon = Daemon(shared, {"vm1": {"wire": "ring"}},
                           {"ring": {"devargs": "net_ring0", "mtu": 9216}}).start()


def intact(test, options):
    """Frames of every length up to the longest come back as they were."""
    given = {"size": LONGEST, "sizes": "random", "count": 5000, "duration": 10, **options}
    verify(test, test.shared.daemon.sockets["vm1"], **given)


def longest(test, options):
    """So do those that are all of the greatest length."""
    given = {"size": LONGEST, "count": 5000, "duration": 10, **options}
    verify(test, test.shared.daemon.sockets["vm1"], **given)


def in_one_piece(test, mtu, frame_max):
    """What a driver without chains receives and sends lies in one mbuf."""
    directory = test.directory()
    source, sink = os.path.join(directory, "in.pcap"), os.path.join(directory, "out.pcap")
    sizes = [60, 1514, 2047, 2048, 2049, 4096, 9000, frame_max - 1, frame_max]
    frames = [frame(number, sizes[number % len(sizes)]) for number in range(9 * len(sizes))]
    write(source, frames)
    devargs = f"net_pcap0,rx_pcap={source},infinite_rx=1,tx_pcap={sink}"
    daemon = Daemon(test, {"vm1": {"wire": "pcap"}},
                    {"pcap": {"devargs": devargs, "mtu": mtu}}).start()
    guest = Guest(test, daemon.sockets["vm1"], "l2fwd", count=len(frames) * 2, duration=20,
                  viommu="4k")
    expect_equal(guest.wait().status, 0, "exit status of the guest")
    daemon.stop()
    check(read(sink), [swapped(data) for data in frames])


def tests():
    """Yield both kinds of drivers, and the guest's buffers."""
    for buffers, options in BUFFERS.items():
        for viommu, more in VIOMMUS.items():
            yield (f"jumbo frames in chained mbufs, {buffers}, {viommu}",
                   functools.partial(intact, options={**options, **more}))
    for buffers in ("small buffers", "a buffer per frame"):
        yield (f"longest frames in chained mbufs, {buffers}",
               functools.partial(longest, options={**BUFFERS[buffers], "viommu": "4k"}))
    yield ("jumbo frames in one mbuf each",
           functools.partial(in_one_piece, mtu=9216, frame_max=LONGEST))
