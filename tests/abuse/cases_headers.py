# SPDX-License-Identifier: BSD-3-Clause
"""cases_headers.py - Virtio headers that contradict their frames

A frame of which the header lies is dropped and counted; those around it are
carried.
"""

import struct
from functools import partial

from case import Case
from guest import Guest, wrong_counters
from offence import only
from outcome import expect, expect_equal
from rings import FRAME
from session import CSUM, GUEST_CSUM, TSO4, Session

INNOCENT = {"in_order": True}
HEADER = struct.Struct("<BBHHHHH")  # flags, gso_type, hdr_len, gso_size, start, offset, buffers
NEEDS_CSUM = 1
NONE, TCPV4, UDP, TCPV6, UDP_L4, ECN = 0, 1, 3, 4, 5, 0x80
L3, L4, HEADERS = 14, 34, 54
PAYLOAD = 3000
TCP_CSUM = 16


def tcp_frame(payload=PAYLOAD, version=0x45, fragment=0, protocol=6, data_offset=0x50,
              ether=0x0800, length=None):
    """Return a TCP segment over IPv4, whose headers may lie as well."""
    total = 40 + payload if length is None else length
    return (b"\x02\0\0\0\0\2\x02\0\0\0\0\1" + struct.pack(">H", ether) +
            struct.pack(">BBHHHBBH4s4s", version, 0, total, 1, fragment, 64, protocol, 0,
                        b"\x0a\0\0\1", b"\x0a\0\0\2") +
            struct.pack(">HHIIBBHHH", 1000, 2000, 1, 1, data_offset, 0x10, 1000, 0, 0) +
            bytes(payload))


def header(flags=NEEDS_CSUM, gso=TCPV4, size=1000, start=L4, offset=TCP_CSUM):
    """Return a virtio header, one that is right if nothing is said."""
    return HEADER.pack(flags, gso, HEADERS, size, start, offset, 0)


LIES = [
    ("csum_start 0", {"start": 0}, {}),
    ("csum_start in the IP header", {"start": L4 - 1}, {}),
    ("csum_start at the last byte", {"start": HEADERS + PAYLOAD - 1}, {}),
    ("csum_start outside", {"start": HEADERS + PAYLOAD + 100}, {}),
    ("csum_start 65535", {"start": 65535}, {}),
    ("csum_offset beside the checksum", {"offset": TCP_CSUM + 2}, {}),
    ("csum_offset outside", {"offset": HEADERS + PAYLOAD}, {}),
    ("csum_offset 65535", {"offset": 65535}, {}),
    ("both 65535", {"start": 65535, "offset": 65535}, {}),
    ("segments of no bytes", {"size": 0}, {}),
    ("segments of one byte", {"size": 1}, {}),
    ("gso_type of IPv6", {"gso": TCPV6}, {}),
    ("gso_type of fragments", {"gso": UDP}, {}),
    ("gso_type of UDP segments", {"gso": UDP_L4}, {}),
    ("gso_type unknown", {"gso": 2}, {}),
    ("gso_type 255", {"gso": 255}, {}),
    ("gso_type ECN and nothing else", {"gso": ECN}, {}),
    ("ECN not negotiated", {"gso": TCPV4 | ECN}, {}),
    ("segments without NEEDS_CSUM", {"flags": 0}, {}),
    ("segments of no IP", {}, {"ether": 0x88b5}),
    ("segments of IP version 0", {}, {"version": 0x05}),
    ("segments with an IP header of 0 bytes", {}, {"version": 0x40}),
    ("segments with an IP header beyond the frame", {}, {"payload": 0, "version": 0x4f}),
    ("segments of a fragment", {}, {"fragment": 0x2000}),
    ("segments of no TCP", {}, {"protocol": 253}),
    ("segments with a TCP header of 0 bytes", {}, {"data_offset": 0}),
    ("segments with a TCP header beyond the frame", {}, {"payload": 10, "data_offset": 0xf0}),
    ("IP length beyond the frame", {}, {"length": 60000}),
]


def lie(stage, head, frame, packed):
    """Send it between two good frames."""
    before = stage.totals()
    with Session(stage.bad, CSUM, GUEST_CSUM, TSO4, packed=packed) as s:
        tx = s.tx
        tx.good(0)
        # Longer than one of these buffers
        off = tx.buf_off(8)
        data = header(**head) + tcp_frame(**frame)
        s.memory.map[off:off + len(data)] = data
        tx.put(0 if packed else 1, s.memory.in_descriptors(off), len(data), 0, 1 if packed else 0)
        tx.bad(1)
        tx.good(2)
        tx.show()
        expect_equal([number for number, _ in tx.used(3)], [0, 1, 2], "chains that came back")
        only(stage, before, tx, "err_offload")
        s.alive()
    return "drops the frame, carries those around it"


def not_negotiated(stage):
    """Where no offload was negotiated the header says nothing."""
    before = stage.totals()
    with Session(stage.bad) as s:
        s.rx.good(0)
        s.rx.show()
        address, length = s.tx.fill(0, header=b"\xff" * 12)
        s.tx.put(0, address, length, 0)
        s.tx.bad()
        s.tx.show()
        s.tx.used(1)
        number, length = s.rx.used(1)[0]
        expect(s.rx.frame(number, length) == FRAME, "the frame is not what was sent")
        expect_equal(stage.totals().get("guest bad ring 1", {}).get("err_offload", 0),
                     before.get("guest bad ring 1", {}).get("err_offload", 0), "err_offload")
    return "ignores it, carries the frame"


def every_way(stage, options):
    """Every way the test guest knows, mixed with good frames, by the thousand."""
    guest = Guest(stage.shared, stage.bad, "verify", viommu="4k", offloads="all",
                  bad_offloads=True, count=1000, duration=20, **options)
    report = guest.wait()
    expect(not set(wrong_counters(report)) - {"lost"}, f"wrong: {wrong_counters(report)}")
    expect(report["tx_bad"] > 100, f"the test: only {report['tx_bad']} bad frames")
    return f"drops {report['tx_bad']} frames of {report['tx_bad'] + report['tx_frames']}"


def cases():
    """Yield all of them."""
    for packed in (False, True):
        layout = "packed" if packed else "split"
        for name, head, frame in LIES:
            yield Case(f"{name}, {layout}", "a frame whose header lies, between two good ones",
                       partial(lie, head=head, frame=frame, packed=packed),
                       (("guest bad ring 1", "err_offload", 1),))
        yield Case(f"every way there is, {layout}", "35 ways, mixed with good streams",
                   partial(every_way, options={"packed": packed}),
                   (("guest bad ring 1", "err_offload", None),))
    yield Case("headers of 0xff", "a lying header where no offload was negotiated",
               not_negotiated)
