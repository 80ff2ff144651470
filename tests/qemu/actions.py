# SPDX-License-Identifier: BSD-3-Clause
"""actions.py - What is done to a running guest, its QEMU and its vunetd

Each is a check like those of checks.py, and leaves a guest that can be asked
further.
"""

import re
import time

import checks
import dpdk
import iperf
from outcome import Failed, expect
from process import wait_for

SETTLE_SECONDS = 60
IPERF_SECONDS = 12
PINGS_MEANWHILE = 60
DIMM_BYTES = 512 << 20
MIGRATION_SECONDS = 120
MIGRATION_BYTES = 1 << 30  # a second
AROUND_SECONDS = 4
BRIDGE = "br0"


def _connected(guest):
    """Wait until the guest's pings are answered again."""
    guest.ask(f"for _ in $(seq 60); do ping -q -c 1 -W 1 {checks.HOST} && break; done > /dev/null",
              SETTLE_SECONDS + 15)


def rebind(guest):
    """the driver lets go of the device and takes it again"""
    guest.ask("d=$(basename $(readlink -f /sys/class/net/eth0/device)); "
              "cd /sys/bus/virtio/drivers/virtio_net && echo $d > unbind && echo $d > bind")
    guest.ask("net_up", 20)
    return checks.ping_small(guest)


def give_back(guest):
    """the kernel's driver takes the card back from DPDK's"""
    dpdk.give_back(guest)
    return checks.ping_small(guest)


def reboot(guest):
    """the guest reboots"""
    guest.start("reboot -f")
    guest.booted()
    return checks.ping_large(guest)


def restart_qemu(guest):
    """QEMU is killed and started again"""
    guest.stop()
    guest.launch()
    guest.booted()
    return checks.ping_large(guest)


def restart(guest):
    """vunetd restarts under the running guest"""
    guest.backend.stop()
    guest.backend.start()
    _connected(guest)
    return checks.ping_small(guest)


def _carried(guest):
    """Return how many frames the uplink got from the guest since it was made."""
    # Not below /sys, which shows the namespace it was mounted in
    with open("/proc/net/dev", encoding="ascii") as file:
        for line in file:
            name, _, counters = line.partition(":")
            if name.strip() == guest.backend.uplink:
                return int(counters.split()[1])
    return 0


def kill(guest):
    """vunetd is killed under iperf3, a new one takes over, and iperf3 goes on"""
    with iperf.Server():
        guest.start(iperf.client(IPERF_SECONDS, False, 1))
        wait_for("iperf3 to send", lambda: _carried(guest) > 200, SETTLE_SECONDS)
        begin = time.monotonic()
        guest.backend.crash()
        guest.backend.start()
        wait_for("traffic from the guest", lambda: _carried(guest) > 200, SETTLE_SECONDS,
                 guest.backend.process)
        pause = time.monotonic() - begin
        _, output = guest.finish(IPERF_SECONDS + SETTLE_SECONDS, "iperf3")
    end = iperf.report(output)["end"]["sum_received"]
    expect(end["bytes"] > 0, "iperf3 transferred nothing")
    checks.ping_small(guest)
    return f" (200 frames after {pause:.1f} s, {end['bits_per_second'] * 1e-6:.1f} Mbit/s in all)"


def set_link(guest):
    """the link goes down and up"""

    def carrier():
        return guest.run("cat /sys/class/net/eth0/carrier", 15)[1].strip()

    guest.qmp.do("set_link", name="net0", up=False)
    wait_for("the guest's link to go down", lambda: carrier() == "0", SETTLE_SECONDS)
    status, _ = guest.run(f"ping -q -c 1 -W 1 {checks.HOST}", 15)
    guest.qmp.do("set_link", name="net0", up=True)
    expect(status, "a ping was answered while the link was down")
    wait_for("the guest's link to come up", lambda: carrier() == "1", SETTLE_SECONDS)
    _connected(guest)
    return checks.ping_small(guest)


def _lost(output):
    """Return how many of a ping's requests were not answered, of how many."""
    match = re.search(r"(\d+) packets transmitted, (\d+) packets received", output)
    if not match:
        raise Failed(f"ping said: {output.strip()}")
    sent, received = map(int, match.groups())
    expect("duplicates" not in output, f"ping saw duplicates: {output.strip()}")
    return sent - received, sent


def hotplug(guest):
    """memory is plugged in under a running ping, and used"""
    # All but a little of what there is, so that what follows needs the new one.
    # Pages nobody touches cost this side nothing.
    guest.ask("hugepages 2048 $(awk '/^MemFree/ { print int($2 / 2048) - 64 }' /proc/meminfo)"
              " || true", 60)
    before = int(guest.ask("awk '/^MemTotal/ { print $2 }' /proc/meminfo"))
    guest.start(f"ping -q -i 0.1 -c {PINGS_MEANWHILE} {checks.HOST}")
    guest.qmp.do("object-add", qom_type="memory-backend-memfd", id="more", size=DIMM_BYTES,
                 share=True)
    guest.qmp.do("device_add", driver="pc-dimm", id="dimm0", memdev="more")
    _, output = guest.finish(SETTLE_SECONDS, "the ping")
    lost, sent = _lost(output)
    expect(not lost, f"{lost} of {sent} pings lost")
    guest.ask("for state in /sys/devices/system/memory/memory*/state; do "
              "! grep -q offline $state || echo online_kernel > $state || exit; done", 30)
    grown = int(guest.ask("awk '/^MemTotal/ { print $2 }' /proc/meminfo")) - before
    expect(grown > DIMM_BYTES // 2048, f"the guest's memory grew by {grown} KiB")
    guest.ask("head -c 200000000 /dev/zero > /tmp/fill", 60)
    checks.tcp_to_guest(guest)
    remark = checks.tcp_from_guest(guest)
    guest.ask("rm /tmp/fill; hugepages 0 0")
    return remark


def migrate(guest):
    """the guest moves to another QEMU and vunetd under a running ping"""
    if not guest.backend.bridge:
        guest.backend.join(BRIDGE)
        _connected(guest)
    there, incoming = guest.elsewhere()
    # For as long as its memory takes; what it says to that is to be said there
    guest.ask(f"ping -q -i 0.1 {checks.HOST} > /tmp/ping & echo $! > /tmp/ping.pid")
    time.sleep(AROUND_SECONDS)
    guest.qmp.do("migrate-set-parameters", max_bandwidth=MIGRATION_BYTES)
    guest.qmp.do("migrate", uri=incoming)
    state = guest.qmp.migrated(MIGRATION_SECONDS)
    guest.moved(there)
    _connected(guest)
    lost, sent = _lost(guest.ask(f"sleep {AROUND_SECONDS}; kill -INT $(cat /tmp/ping.pid); "
                                 "sleep 1; cat /tmp/ping"))
    expect(sent > PINGS_MEANWHILE, f"only {sent} pings meanwhile")
    expect(lost < sent // 4, f"{lost} of {sent} pings lost")
    checks.ping_small(guest)
    return f" (down for {state['downtime']} ms, {lost} of {sent} pings lost)"


# By name, in the order in which they are done
ACTIONS = {action.__name__: action for action in
           (rebind, set_link, restart, kill, reboot, hotplug, restart_qemu, migrate)}
