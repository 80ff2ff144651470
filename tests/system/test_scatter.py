# SPDX-License-Identifier: BSD-3-Clause
"""test_scatter.py - A buffer over two scattered pages arrives intact

A buffer of 3,000 bytes has two neighbouring 4 KiB pages of I/O addresses under
it three times in four, and those are no neighbours in host memory.  Whoever
adds up the lengths of translations and takes the first one's address writes a
part of the frame to memory that is somebody else's.
"""

import functools

from daemon import Daemon
from guest import verify

SIZES = {"2900": {"size": 2900}, "any size": {"size": 2988, "sizes": "random"}}


def set_up(shared):
    """Start a daemon with a wire that returns what is sent."""
    shared.daemon = Daemon(shared, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"}).start()


def intact(test, size, mergeable, mapping):
    """Frames in such buffers come back as they were."""
    count = 500 if mapping == "dynamic" else 20000
    verify(test, test.shared.daemon.sockets["vm1"], viommu="4k", buf_size=3000, count=count,
           duration=10, mergeable=mergeable, map=mapping, **SIZES[size])


def tests():
    """Yield both ways in which such buffers are filled and mapped."""
    for size in SIZES:
        for mergeable in ("on", "off"):
            for mapping in ("static-demand", "dynamic"):
                yield (f"frames of {size} in buffers of 3000, {mapping}, mergeable {mergeable}",
                       functools.partial(intact, size=size, mergeable=mergeable,
                                         mapping=mapping))
