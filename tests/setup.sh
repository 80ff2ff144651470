#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# setup.sh - The one place that installs what is missing and reserves hugepages
#
# usage: tests/setup.sh WHAT...
#   build     what `make all` needs
#   demo      what `make demo` needs beyond that
#   test      what `make test` needs beyond that
#   bench     what `make bench-instructions` needs beyond `build`
#   lint      what `make lint` and `make format` need
#   fuzz      what `make fuzz` needs
#   hugepages reserve some, where that is possible; it is no failure where not
#   release   give back the hugepages that `hugepages` reserved
#
# Says in a line what it does, and nothing where there is nothing to do.  For
# Debian 12; elsewhere install what packages_*() name by other means.
set -u
cd "$(dirname "$0")/.." || exit 1

# Enough for the daemon's default of 256 MiB, and for guests of the tests
PAGES_WANTED=256
PAGES=${PAGES_DIR:-/sys/kernel/mm/hugepages}/hugepages-2048kB
REMEMBERED=/run/vunetd-setup.hugepages

say()
{
	echo "setup: $*"
}

# libdpdk-dev brings every driver of DPDK's with it
packages_build()
{
	echo gcc libc6-dev make pkg-config libdpdk-dev libiniparser-dev libsystemd-dev
}

packages_demo()
{
	echo iproute2 iputils-ping procps kmod
}

# dpdk: dpdk-testpmd, the peer.  systemd, mandoc: for what is installed.
packages_test()
{
	echo libcmocka-dev dpdk iputils-arping ethtool tcpdump python3 systemd mandoc
	grep -hv '^#' tests/*/packages.txt 2>/dev/null
}

packages_bench()
{
	echo valgrind python3
}

packages_lint()
{
	echo clang clang-tidy clang-format
}

# libFuzzer is in clang's runtime, which clang only recommends; llvm names the
# lines in what it reports
packages_fuzz()
{
	echo clang libclang-rt-14-dev llvm libcmocka-dev python3
}

# missing PACKAGE... - print those that are not installed
missing()
{
	local package
	for package; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
			echo "$package"
	done
}

# Some minutes of silence would look like a hang
progress()
{
	awk '/^Get:/ && ++got % 50 == 0 { print "setup:   " got " packages downloaded"; fflush() }
	     /^Setting up/ && ++set % 50 == 0 { print "setup:   " set " packages set up"; fflush() }'
}

# apt_get ARGUMENT... - run apt-get, its output into $log, a summary to the terminal
apt_get()
{
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" \
		</dev/null 2>&1 | tee -a "$log" | progress
	return "${PIPESTATUS[0]}"
}

# install_all PACKAGE... - install them all, or say why not
install_all()
{
	if [ "$(id -u)" != 0 ]; then
		say "not root, so as root please: apt-get install --no-install-recommends $*"
		return 1
	fi
	say "installing" "$@"
	log=$(mktemp) || return 1
	# Without package lists, or with old ones, the first attempt fails at once
	apt_get install --no-install-recommends "$@" ||
		{ say "updating apt's package lists" && apt update &&
			apt_get install --no-install-recommends "$@"; } ||
		{ tail -n 20 "$log"; say "FAILED: see above and $log"; return 1; }
	rm -f "$log"
}

# Not more than a quarter of what is free: the rest of the system has to live too
pages_affordable()
{
	awk '/^MemAvailable:/ { print int($2 / 4 / 2048) }' /proc/meminfo
}

reserve_hugepages()
{
	local free total wanted affordable got
	if [ ! -r "$PAGES/nr_hugepages" ]; then
		say "hugepages: this kernel has none of 2 MiB; ordinary pages will do"
		return
	fi
	free=$(<"$PAGES/free_hugepages")
	total=$(<"$PAGES/nr_hugepages")
	[ "$free" -ge $PAGES_WANTED ] && return
	wanted=$((PAGES_WANTED - free))
	affordable=$(pages_affordable)
	[ "$wanted" -gt "$affordable" ] && wanted=$affordable
	# An older note stays: it has the number from before all of this
	[ -e $REMEMBERED ] || echo "$total" 2>/dev/null >$REMEMBERED
	if ! echo $((total + wanted)) 2>/dev/null >"$PAGES/nr_hugepages"; then
		say "hugepages: not allowed to reserve any; ordinary pages will do"
		return
	fi
	got=$(($(<"$PAGES/nr_hugepages") - total))
	if [ $((free + got)) -ge $PAGES_WANTED ]; then
		say "hugepages: reserved $got of 2 MiB (tests/setup.sh release gives them back)"
	else
		say "hugepages: only $((free + got)) of $PAGES_WANTED are free; ordinary pages where they do not suffice"
	fi
}

# vunetd does without a mount; dpdk-testpmd does not
mount_hugetlbfs()
{
	grep -q ' hugetlbfs ' /proc/mounts && return
	grep -q 'hugetlbfs$' /proc/filesystems || return
	if mkdir -p /dev/hugepages 2>/dev/null &&
		mount -t hugetlbfs hugetlbfs /dev/hugepages 2>/dev/null; then
		say "hugepages: mounted hugetlbfs at /dev/hugepages"
	else
		say "hugepages: not allowed to mount hugetlbfs; ordinary pages will do"
	fi
}

release_hugepages()
{
	[ -r $REMEMBERED ] || return
	if echo "$(<$REMEMBERED)" 2>/dev/null >"$PAGES/nr_hugepages"; then
		say "hugepages: back to $(<"$PAGES/nr_hugepages") of 2 MiB"
	fi
	rm -f $REMEMBERED
}

[ $# -gt 0 ] || { sed -n '/^# usage/,/^# *release/s/^# \?//p' "$0"; exit 2; }

packages=
reserve=
release=
for what; do
	case $what in
	build) packages+=" $(packages_build)" ;;
	demo) packages+=" $(packages_build) $(packages_demo)" ;;
	test) packages+=" $(packages_build) $(packages_demo) $(packages_test)" ;;
	bench) packages+=" $(packages_build) $(packages_bench)" ;;
	fuzz) packages+=" $(packages_build) $(packages_fuzz)" ;;
	lint) packages+=" $(packages_build) $(packages_lint)" ;;
	hugepages) reserve=1 ;;
	release) release=1 ;;
	*)
		say "what is \"$what\"? allowed: build, demo, test, bench, lint, fuzz, hugepages, release"
		exit 2
		;;
	esac
done

# shellcheck disable=SC2086 # names have no spaces
lacking=$(missing $packages | sort -u)
# shellcheck disable=SC2086
[ -z "$lacking" ] || install_all $lacking || exit 1
[ -z "$reserve" ] || { mount_hugetlbfs; reserve_hugepages; }
[ -z "$release" ] || release_hugepages
exit 0
