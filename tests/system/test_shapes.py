# SPDX-License-Identifier: BSD-3-Clause
"""test_shapes.py - Rings and buffers of unusual shapes return frames as they were"""

import functools

from daemon import Daemon
from guest import verify

# What is unusual, and the guest's options
SHAPES = {
    "chains of 3 descriptors": {"chain": 3},
    "chains of 32 descriptors": {"chain": 32, "buf_size": 2100},
    "indirect tables": {"indirect": True},
    "indirect tables of 7": {"indirect": True, "chain": 7},
    "smallest ring": {"ring_size": 8},
    "largest ring": {"ring_size": 32768, "buffers": 65536, "buf_size": 256, "size": 200},
    "indirect tables in the smallest ring": {"ring_size": 8, "indirect": True, "chain": 5},
    "frames over many small buffers": {"buf_size": 128, "size": 1514},
    "frames of any size over buffers of 300": {"buf_size": 300, "sizes": "random"},
    "buffers of an odd size": {"buf_size": 1601, "sizes": "random"},
    "buffers that cross every page": {"buf_size": 4097, "size": 4000, "sizes": "random"},
    "frames of 9000 in buffers of 2048": {"size": 9000},
    "frames of 65000 in buffers of 65600": {"size": 65000, "buf_size": 65600, "ring_size": 64,
                                            "window": 8},
    "rings in one piece": {"rings": "contiguous"},
    "no vIOMMU, buffers scattered": {"viommu": "off", "scatter": "4k", "aligned": True},
    "buffers mapped for reading and writing": {"rw": True},
    "interrupts instead of polling": {"interrupts": True},
    "slow answers": {"answer_delay_us": 2000, "count": 2000},
    "mapped per frame, a burst at a time": {"map": "dynamic", "batch": True, "count": 5000},
    "mappings pushed before each frame": {"map": "dynamic", "push": True, "count": 500},
    "small buffers mapped per frame": {"map": "dynamic", "buf_size": 128, "size": 1514,
                                       "count": 100},
    "a chain and its pieces mapped per frame": {"map": "dynamic", "chain": 4, "count": 300},
}


def set_up(shared):
    """Start a daemon with a wire that returns what is sent."""
    shared.daemon = Daemon(shared, {"vm1": {"wire": "ring"}}, {"ring": "net_ring0"}).start()


def shape(test, options):
    """Frames come back complete, in order and as they were."""
    given = {"viommu": "4k", "count": 5000, "duration": 10, **options}
    verify(test, test.shared.daemon.sockets["vm1"], **given)


def tests():
    """Yield every shape."""
    for name, options in SHAPES.items():
        yield name, functools.partial(shape, options=options)
