# SPDX-License-Identifier: BSD-3-Clause
"""requests.py - Every request of the gate's table, as an honest front-end sends it

The numbers are the protocol's own words, so that the gate's table is compared
with something; that no request is forgotten is checked against its text.
"""

import dataclasses
import os
import re

import front
from front import ADDR, IOTLB, LOG, STATE, U64
from front import REGION as REGION_AT
from outcome import expect_equal
from session import IOMMU, MRG, PROTOCOL, REGION, USER, VERSION_1, bits

GATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../daemon/gate.c")
NONE, EVENT, MEMORY, CHANNEL, ANY = range(5)  # what kind of descriptor is passed


@dataclasses.dataclass(frozen=True)
class Request:
    """One row."""

    name: str
    number: int
    least: int  # bytes of payload
    most: int
    fds_max: int = 0
    replies: bool = False  # it has an answer of its own
    payload: bytes = b""  # honest
    passes: int = NONE


FEATURES = bits(VERSION_1, MRG, PROTOCOL, IOMMU)
RING = STATE.pack(0, 0)
SLOT = bytes(8) + REGION_AT.pack(0, REGION, USER[0], 0)
TABLE = front.table((0, REGION, USER[0], 0))


def fixed(name, number, payload=b"", **more):
    """Return the row of a request whose payload has one size."""
    return Request(name, number, len(payload), len(payload), payload=payload, **more)


REQUESTS = [
    fixed("GET_FEATURES", front.GET_FEATURES, replies=True),
    fixed("SET_FEATURES", front.SET_FEATURES, U64.pack(FEATURES)),
    fixed("SET_OWNER", front.SET_OWNER),
    fixed("RESET_OWNER", front.RESET_OWNER),
    Request("SET_MEM_TABLE", front.SET_MEM_TABLE, 8, front.PAYLOAD_MAX, 8, payload=TABLE,
            passes=MEMORY),
    fixed("SET_LOG_BASE", front.SET_LOG_BASE, LOG.pack(REGION, 0), fds_max=1, replies=True,
          passes=MEMORY),
    Request("SET_LOG_FD", front.SET_LOG_FD, 0, 8, 1, passes=ANY),
    fixed("SET_VRING_NUM", front.SET_VRING_NUM, STATE.pack(0, 256)),
    fixed("SET_VRING_ADDR", front.SET_VRING_ADDR, ADDR.pack(0, 0, 0, 0x2000, 0x1000, 0)),
    fixed("SET_VRING_BASE", front.SET_VRING_BASE, RING),
    fixed("GET_VRING_BASE", front.GET_VRING_BASE, RING, replies=True),
    fixed("SET_VRING_KICK", front.SET_VRING_KICK, U64.pack(0), fds_max=1, passes=EVENT),
    fixed("SET_VRING_CALL", front.SET_VRING_CALL, U64.pack(0), fds_max=1, passes=EVENT),
    fixed("SET_VRING_ERR", front.SET_VRING_ERR, U64.pack(0), fds_max=1, passes=EVENT),
    fixed("GET_PROTOCOL_FEATURES", front.GET_PROTOCOL_FEATURES, replies=True),
    fixed("SET_PROTOCOL_FEATURES", front.SET_PROTOCOL_FEATURES, U64.pack(bits(0, 3, 5))),
    fixed("GET_QUEUE_NUM", front.GET_QUEUE_NUM, replies=True),
    fixed("SET_VRING_ENABLE", front.SET_VRING_ENABLE, STATE.pack(0, 1)),
    fixed("SEND_RARP", front.SEND_RARP, U64.pack(0x563412005452)),
    fixed("NET_SET_MTU", front.NET_SET_MTU, U64.pack(1500)),
    Request("SET_BACKEND_REQ_FD", front.SET_BACKEND_REQ_FD, 0, 8, 1, passes=CHANNEL),
    fixed("GET_MAX_MEM_SLOTS", front.GET_MAX_MEM_SLOTS, replies=True),
    fixed("ADD_MEM_REG", front.ADD_MEM_REG, SLOT, fds_max=1, passes=MEMORY),
    fixed("REM_MEM_REG", front.REM_MEM_REG, SLOT, fds_max=1),
    fixed("IOTLB_MSG", front.IOTLB_MSG,
          IOTLB.pack(0x10000, 0x1000, USER[0], front.BOTH, front.UPDATE)),
]


def check_complete():
    """Fail unless the gate's table has the same requests."""
    with open(GATE, encoding="utf-8") as file:
        table = set(re.findall(r"^\t\[VU_\w+\] *= \{\"(\w+)\"", file.read(), re.MULTILINE))
    expect_equal({request.name for request in REQUESTS}, table, "requests of the gate's table")
