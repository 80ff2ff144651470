#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# demo.sh - A packet's whole path on one machine, in some seconds
#
# A network namespace of its own gets the kernel's end of a TAP device; vunetd
# holds the other end and serves one vhost-user socket; vunet-guest plays a
# virtual machine behind a vIOMMU that sends every frame back, and answers ARP
# and ping.  Real traffic comes from ping in the namespace.
#
#   ping -- kernel -- TAP == vunetd == virtqueues == vunet-guest
#
# usage: demo.sh BUILD_DIRECTORY
set -u

bin=$1
seconds=${SECONDS_SHOWN:-6}
dir=$(mktemp -d)
ns=vunet-demo-$$
daemon_pid= guest_pid=

finish() {
    local pid
    for pid in $guest_pid $daemon_pid; do
        kill -TERM "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    ip netns del "$ns" 2>/dev/null
    rm -rf "$dir"
}
trap finish EXIT

fail() {
    echo "demo: FAILED: $*"
    [ -s "$dir/daemon.log" ] && { echo "--- vunetd's last lines:"; tail -n 15 "$dir/daemon.log"; }
    [ -s "$dir/guest.log" ] && { echo "--- vunet-guest's last lines:"; tail -n 15 "$dir/guest.log"; }
    exit 1
}

wait_for() { # pattern, file, what
    local i
    for i in $(seq 300); do
        grep -q "$1" "$2" 2>/dev/null && return
        sleep 0.1
    done
    fail "$3 within 30 s"
}

[ "$(id -u)" = 0 ] || fail "it makes a TAP device and a network namespace: run it as root"
ip netns add "$ns" 2>"$dir/ip.log" || fail "cannot make a network namespace: $(cat "$dir/ip.log")"
[ -c /dev/net/tun ] || fail "there is no /dev/net/tun: the kernel lacks TAP devices (modprobe tun)"

# The last processor polls; everything else runs on the first
last=$(($(nproc) - 1))
cat >"$dir/vunetd.conf" <<END
[pmd]
cores = $last
[log]
stats_s = 1
[port.uplink]
devargs = "net_tap0,iface=vunet0"
[guest.vm1]
socket = $dir/vm1.sock
viommu = yes
wire = uplink
END

echo "demo: the configuration"
sed 's/^/    /' "$dir/vunetd.conf"
mkdir "$dir/run"
RUNTIME_DIRECTORY=$dir/run timeout 120 ip netns exec "$ns" "$bin/vunetd" -c "$dir/vunetd.conf" 2>"$dir/daemon.log" &
daemon_pid=$!
wait_for "guest vm1: listening" "$dir/daemon.log" "vunetd did not start"
ip -n "$ns" addr add 192.0.2.1/24 dev vunet0 && ip -n "$ns" link set vunet0 up ||
    fail "cannot set up the kernel's end of the TAP device"

timeout 120 taskset -c 0 "$bin/vunet-guest" --socket "$dir/vm1.sock" --mode l2fwd --icmpecho --viommu 4k \
    --duration $((seconds + 30)) >"$dir/guest.log" 2>&1 &
guest_pid=$!
wait_for "guest vm1: connected" "$dir/daemon.log" "vunet-guest did not connect"

echo "demo: vunetd and a guest behind a vIOMMU of 4 KiB pages are up; traffic for $seconds seconds"
tail -n 0 -f --pid="$daemon_pid" "$dir/daemon.log" | sed -u -n 's/^.*stats vm1: /    /p' &
# On a busy machine ARP may give up before the first misses are answered
for try in $(seq 10); do
    timeout 20 ip netns exec "$ns" ping -q -c 3 -i 0.2 192.0.2.2 >"$dir/ping.log" 2>&1 && break
    [ "$try" -lt 10 ] || fail "the guest does not answer ping: $(tail -n 3 "$dir/ping.log")"
done
timeout $((seconds + 10)) ip netns exec "$ns" ping -q -f -s 1400 -w "$seconds" 192.0.2.2 >"$dir/flood.log" 2>&1
kill -TERM "$guest_pid"
wait "$guest_pid" || fail "vunet-guest found something wrong"
guest_pid=
kill -TERM "$daemon_pid"
wait "$daemon_pid" || fail "vunetd did not end cleanly"
daemon_pid=

received=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$dir/flood.log")
echo "demo: ping says: $(grep transmitted "$dir/flood.log")"
sed -n 's/^.*totals /    /p' "$dir/daemon.log"
[ "${received:-0}" -gt 0 ] || fail "no echo came back"
echo "demo: done: $received frames of 1,442 bytes went to the guest and came back; $(
    sed -n 's/^misses=/misses answered by the guest: /p' "$dir/guest.log")"
