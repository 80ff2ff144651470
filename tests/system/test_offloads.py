# SPDX-License-Identifier: BSD-3-Clause
"""test_offloads.py - Checksums and segments that guests leave to the daemon

Streams of TCP and UDP over IPv4 and IPv6, with and without VLAN tags, are sent
in frames of up to 64 KiB.  Whoever receives them knows what each byte must be:
the same guest behind a loop, another behind a memif, a file read by Python, or
the kernel, whose counters tell of wrong checksums.
"""

import functools
import os

from daemon import Daemon
from guest import GOOD, Guest, expect_good, run, verify, wrong_counters
from inet import check_streams
from netns import Namespace, need
from outcome import expect, expect_equal, wait_for
from test_pcap import read

COUNT = 2000
LAYOUTS = {"split": {"in_order": True}, "packed": {"packed": True, "event_idx": True}}
SHAPES = {
    "no vIOMMU": {},
    "vIOMMU 4k": {"viommu": "4k"},
    "vIOMMU 4k, indirect tables": {"viommu": "4k", "indirect": True, "chain": 3},
    "vIOMMU 4k, small buffers": {"viommu": "4k", "buf_size": 600},
    "vIOMMU 4k, one buffer per frame": {"viommu": "4k", "buf_size": 65600, "mergeable": "off",
                                        "ring_size": 64},
    "vIOMMU 4k, mapped per frame": {"viommu": "4k", "map": "dynamic", "batch": True,
                                    "count": 200},
}
MAC = "02:70:65:65:72:00"


def set_up(shared):
    """Start a daemon with two wires that return what is sent, merged and not."""
    shared.daemon = Daemon(shared, {"gro": {"wire": "a"}, "none": {"wire": "b", "gro": "no"}},
                           {"a": "net_ring0", "b": "net_ring1"}).start()


def expect_used(report):
    """Fail unless the guest left every kind of work to the daemon."""
    expect(report["tx_gso"] > 20, f"only {report['tx_gso']} frames were to be cut")
    expect(report["tx_partial"] > report["tx_gso"], "no frame lacked its checksum only")
    expect(report["tx_segments"] > 2 * report["tx_frames"], "hardly a frame was cut")


def loop(test, guest, options):
    """Streams come back byte for byte; merged only if the daemon may."""
    given = {"count": COUNT, "duration": 10, "offloads": "all", **options}
    report = verify(test, test.shared.daemon.sockets[guest], **given)
    expect_used(report)
    if guest == "gro":
        expect(report["rx_gso"] > 0, "nothing was merged")
        expect(report["rx_frames"] < report["tx_segments"], "nothing became fewer")
    else:
        expect_equal(report["rx_gso"], 0, "merged frames")
        expect_equal(report["rx_frames"], report["tx_segments"], "segments that came back")


def checksums_only(test):
    """A guest that negotiated no segmentation is served, too."""
    report = verify(test, test.shared.daemon.sockets["gro"], viommu="4k", count=COUNT,
                    duration=10, offloads="csum")
    expect(report["tx_partial"] > 0, "no frame lacked its checksum")
    expect_equal((report["tx_gso"], report["rx_gso"]), (0, 0), "frames to be cut, and merged")
    expect_equal(report["rx_frames"], report["tx_frames"], "frames that came back")


def not_offered(test):
    """A daemon told to offer none does not, and the guest says so."""
    daemon = Daemon(test, {"vm1": {"wire": "ring", "offloads": "no"}},
                    {"ring": "net_ring0"}).start()
    report = run(test, daemon.sockets["vm1"], "verify", offloads="all", count=10)
    expect(report.complaint.endswith("the backend does not offer CSUM"), report.complaint)


def joined(test):
    """Start a daemon with two guests, joined by a memif."""
    path = os.path.join(test.directory(), "memif.sock")
    return Daemon(test, {"here": {"wire": "server"}, "there": {"wire": "client"}},
                  {"server": f"net_memif0,role=server,id=0,socket={path},socket-abstract=no",
                   "client": f"net_memif1,role=client,id=0,socket={path},socket-abstract=no"}
                  ).start()


def one_way(test):
    """What one guest sends another receives as it should, all of it but what was dropped."""
    daemon = joined(test)
    receiver = Guest(test, daemon.sockets["there"], "rx", viommu="4k", offloads="all",
                     ring_size=1024)
    daemon.wait_total("guest there", "connections")
    report = run(test, daemon.sockets["here"], "tx", viommu="4k", offloads="all", count=500,
                 duration=20)
    expect_equal(report.status, GOOD, "exit status of the sender")
    expect_used(report)
    wait_for("the last of it at the other end", lambda: arrived(daemon) >= report["tx_segments"])
    received = receiver.stop()
    expect(set(wrong_counters(received)) <= {"lost"}, f"wrong: {wrong_counters(received)}")
    expect(received["rx_gso"] > 0, "nothing was merged")
    # The end of a stream may be missing without being missed
    expect(received["rx_payload"] + received["lost"] <= report["tx_payload"], "too much arrived")
    expect(received["rx_payload"] > report["tx_payload"] / 2, "hardly anything arrived")


def arrived(daemon):
    """Return how many frames have reached the second end of the memif, or were dropped before."""
    totals = daemon.totals()
    return (totals.get("port client queue 0", {}).get("port_rx", 0) +
            totals.get("port server queue 0", {}).get("drop_port_full", 0))


def two_guests(test, layout):
    """One guest's frames are cut, merged for another, cut again on the way back."""
    daemon = joined(test)
    options = {"viommu": "4k", "offloads": "all", **LAYOUTS[layout]}
    mirror = Guest(test, daemon.sockets["there"], "l2fwd", **options)
    daemon.wait_total("guest there", "connections")
    # No more than a ring of the memif holds
    report = verify(test, daemon.sockets["here"], count=COUNT, duration=20, window=64, **options)
    expect_used(report)
    mirrored = mirror.stop()
    expect_good(mirrored)
    expect(mirrored["rx_gso"] > 0, "nothing was merged for the other guest")
    expect(mirrored["tx_gso"] > 0, "nothing was to be cut on the way back")
    daemon.stop()


def to_a_file(test, layout):
    """The frames in a file are complete, in order, right, and no longer than the MTU."""
    sink = os.path.join(test.directory(), "out.pcap")
    daemon = Daemon(test, {"vm1": {"wire": "pcap"}},
                    {"pcap": f"net_pcap0,tx_pcap={sink}"}).start()
    report = run(test, daemon.sockets["vm1"], "tx", viommu="4k", count=200, duration=20,
                 offloads="all", **LAYOUTS[layout])
    expect_equal(report.status, GOOD, "exit status of the guest")
    daemon.wait_total("port pcap queue 0", "port_tx", report["tx_segments"])
    daemon.stop()
    segments, streams = check_streams(read(sink))
    expect_used(report)
    expect_equal(len(segments), report["tx_segments"], "segments in the file")
    expect_equal(sum(stream.bytes for stream in streams.values()), report["tx_payload"],
                 "bytes in the file")


def to_the_kernel(test):
    """The kernel takes every segment as right, and what it saw is what was sent."""
    need("tcpdump")
    space = Namespace(test, "uplink")
    capture = os.path.join(test.directory(), "tap.pcap")
    daemon = Daemon(test, {"vm1": {"wire": "tap"}}, {"tap": "net_tap0,iface=vunet0"},
                    prefix=space.prefix).start()
    space.up("vunet0", "192.0.2.1/24", MAC)
    space.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/vunet0/disable_ipv6")
    space.ip("addr", "add", "2001:db8::1/64", "dev", "vunet0", "nodad")
    dump = space.start("tcpdump", "-Z", "root", "-i", "vunet0", "-B", "65536", "-U", "-s", "0",
                       "-w", capture, "ether", "src", "02:76:75:6e:65:74")
    dump.wait_text("listening on")
    report = run(test, daemon.sockets["vm1"], "tx", viommu="4k", count=200, duration=20,
                 offloads="all")
    expect_equal(report.status, GOOD, "exit status of the guest")
    daemon.wait_total("port tap queue 0", "port_tx", report["tx_segments"])
    wait_for("all of it in the capture file",
             lambda: len(read(capture)) >= report["tx_segments"])
    dump.signal(2)
    dump.wait(10)
    segments, _ = check_streams(read(capture))
    expect_equal(len(segments), report["tx_segments"], "segments the kernel received")
    plain = [segment for segment in segments if not segment.tagged]
    space.expect_checksums()
    seen = space.counters()
    # Nobody listens there: each that is right is answered with a reset
    expect_equal(seen["TcpInSegs"], sum(segment.tcp for segment in plain), "TCP segments")
    expect_equal(seen["UdpNoPorts"] + seen["Udp6NoPorts"],
                 sum(not segment.tcp for segment in plain), "UDP datagrams")
    daemon.stop()


def contradictions(test, offloads, layout):
    """No frame with a contradictory header gets through, every other one does."""
    daemon = Daemon(test, {"bad": {"wire": "a"}, "good": {"wire": "b"}},
                    {"a": "net_ring0", "b": "net_ring1"}).start()
    bad = Guest(test, daemon.sockets["bad"], "verify", viommu="4k", count=4000, duration=20,
                offloads=offloads, bad_offloads=True, **LAYOUTS[layout])
    verify(test, daemon.sockets["good"], viommu="4k", count=20000, duration=10)
    report = bad.wait()
    expect_good(report)
    expect_equal(report["rx_payload"], report["tx_payload"], "bytes between them")
    expect(report["tx_bad"] > 1000, f"only {report['tx_bad']} bad headers")
    daemon.stop()
    expect_equal(daemon.total("guest bad ring 1", "err_offload"), report["tx_bad"],
                 "contradictory headers counted")
    expect_equal(daemon.total("port a queue 0", "drop_port_size"), report["tx_too_big"],
                 "frames to be cut into too large segments")


def tests():
    """Yield what leaves work, and to whom it goes."""
    for layout, given in LAYOUTS.items():
        for shape, options in SHAPES.items():
            yield (f"streams through a loop, {layout}, {shape}",
                   functools.partial(loop, guest="gro", options={**options, **given}))
        yield (f"streams through a loop, {layout}, not merged",
               functools.partial(loop, guest="none", options={"viommu": "4k", **given}))
        yield (f"streams from guest to guest and back, {layout}",
               functools.partial(two_guests, layout=layout))
        yield f"streams into a file, {layout}", functools.partial(to_a_file, layout=layout)
        for offloads in ("all", "csum"):
            yield (f"contradictory headers, {offloads} negotiated, {layout}",
                   functools.partial(contradictions, offloads=offloads, layout=layout))
    yield "streams from guest to guest, one way", one_way
    yield "checksums only", checksums_only
    yield "not offered", not_offered
    yield "streams to the kernel behind a TAP", to_the_kernel
