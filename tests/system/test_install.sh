#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# test_install.sh - `make install` puts everything in its place, `uninstall` takes it away
#
# Installs into a temporary directory and looks at what is there: the files, the
# man pages, the unit as systemd reads it, the configuration as vunetd does.
# Prints "ok - ..." and "not ok - ..." lines; fails if there is one of the latter.
set -u
cd "$(dirname "$0")/../.." || exit 1

# Above this, systemd-analyze's score of what the unit may do is too high
EXPOSURE_MAX=2.5

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
dest=$dir/dest
failed=0

# check TEXT COMMAND... - run a command, one line about how it went
check()
{
	text=$1
	shift
	if "$@" >"$dir/out" 2>&1; then
		echo "ok - $text"
	else
		echo "not ok - $text"
		sed 's/^/#   /' "$dir/out"
		failed=1
	fi
}

installed()
{
	test -f "$dest/$2" || { echo "missing: $2"; return 1; }
	mode=$(stat -c %a "$dest/$2")
	test "$mode" = "$1" || { echo "mode $mode, not $1: $2"; return 1; }
}

# As installed, but where the unit's own paths point
verify_unit()
{
	sed "s,/usr/sbin/vunetd,$dest&," "$dest/usr/lib/systemd/system/vunetd.service" \
		>"$dir/vunetd.service"
	cp "$dest/usr/lib/systemd/system/vunetd-guest@.socket" "$dir/vunetd-guest@vm1.socket"
	systemd-analyze verify --man=no "$dir/vunetd.service" "$dir/vunetd-guest@vm1.socket" 2>&1 |
		grep -F vunetd >"$dir/verify"
	cat "$dir/verify"
	test ! -s "$dir/verify"
}

unit_exposure()
{
	systemd-analyze security --offline=true --threshold=100 --no-pager "$dir/vunetd.service" |
		sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p'
}

low_exposure()
{
	echo "exposure: $exposure, allowed $EXPOSURE_MAX"
	awk -v e="$exposure" -v max="$EXPOSURE_MAX" 'BEGIN { exit !(e > 0 && e <= max) }'
}

lint_page()
{
	# By its own name: mandoc looks at the ending
	page=$dir/$(basename "$1" .gz)
	zcat "$dest/$1" >"$page" && mandoc -T lint -W style "$page" >"$dir/lint" 2>&1
	# The other page is not where mandoc looks for it
	grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' "$dir/lint" && return 1
	mandoc -T markdown "$page" | grep -qx '# SYNOPSIS'
}

names_every_key()
{
	"$dest/usr/sbin/vunetd" --help-conf | sed -n 's/^    \([a-z_0-9]*\) = .*/\1/p' >"$dir/keys"
	test -s "$dir/keys" || return 1
	zcat "$dest/usr/share/man/man5/vunetd.conf.5.gz" >"$dir/page"
	while read -r key; do
		grep -q "^\.It Ic $key\$" "$dir/page" || { echo "not in the man page: $key"; return 1; }
	done <"$dir/keys"
}

# The binary it names, and the type that one says it is
same_capabilities()
{
	python3 - "$dest" "$dest/usr/share/qemu/vhost-user/50-vunetd.json" <<-'EOF'
		import json, subprocess, sys
		with open(sys.argv[2], encoding="ascii") as file:
		    shipped = json.load(file)
		said = json.loads(subprocess.check_output([sys.argv[1] + shipped["binary"],
		                                           "--print-capabilities"]))
		sys.exit(0 if shipped["type"] == said["type"] and shipped["description"] else 1)
	EOF
}

accepts_shipped()
{
	"$dest/usr/sbin/vunetd" --check -c "$dest/etc/vunetd/vunetd.conf"
}

refuses_bad()
{
	echo '[pmd]' >"$dir/bad.conf"
	"$dest/usr/sbin/vunetd" --check -c "$dir/bad.conf"
	test $? = 2
}

keeps_changed()
{
	echo '# mine' >>"$dest/etc/vunetd/vunetd.conf"
	make -s install DESTDIR="$dest" PREFIX=/usr && grep -q '^# mine' "$dest/etc/vunetd/vunetd.conf" &&
		make -s uninstall DESTDIR="$dest" PREFIX=/usr &&
		grep -q '^# mine' "$dest/etc/vunetd/vunetd.conf"
}

leaves_nothing()
{
	cp conf/vunetd.conf "$dest/etc/vunetd/vunetd.conf"
	make -s uninstall DESTDIR="$dest" PREFIX=/usr || return 1
	find "$dest" ! -type d
	test -z "$(find "$dest" ! -type d)" && test ! -e "$dest/etc/vunetd"
}

follows_prefix()
{
	make -s install DESTDIR="$dir/other" PREFIX=/usr/local &&
		grep -q '^ExecStart=/usr/local/sbin/vunetd' \
			"$dir/other/usr/local/lib/systemd/system/vunetd.service" &&
		test -x "$dir/other/usr/local/sbin/vunetd" &&
		make -s uninstall DESTDIR="$dir/other" PREFIX=/usr/local &&
		test -z "$(find "$dir/other" ! -type d)"
}

check "make install" make -s install DESTDIR="$dest" PREFIX=/usr
check "the daemon is in sbin" installed 755 usr/sbin/vunetd
check "the test guest is in bin" installed 755 usr/bin/vunet-guest
check "vunetd(8) is there" installed 644 usr/share/man/man8/vunetd.8.gz
check "vunetd.conf(5) is there" installed 644 usr/share/man/man5/vunetd.conf.5.gz
check "vunet-guest(1) is there" installed 644 usr/share/man/man1/vunet-guest.1.gz
check "the unit is there" installed 644 usr/lib/systemd/system/vunetd.service
check "the sockets' unit is there" installed 644 usr/lib/systemd/system/vunetd-guest@.socket
check "QEMU and libvirt can find it" installed 644 usr/share/qemu/vhost-user/50-vunetd.json
check "50-vunetd.json says what --print-capabilities does" same_capabilities
check "sysusers.d is there" installed 644 usr/lib/sysusers.d/vunetd.conf
check "tmpfiles.d is there" installed 644 usr/lib/tmpfiles.d/vunetd.conf
check "the configuration is there" installed 644 etc/vunetd/vunetd.conf
for example in conf/examples/*.conf; do
	check "example $(basename "$example") is there" \
		installed 644 "usr/share/doc/vunetd/examples/$(basename "$example")"
done
check "the shipped configuration is accepted" accepts_shipped
check "a wrong configuration is refused with 2" refuses_bad
check "mandoc finds no fault with vunetd(8)" lint_page usr/share/man/man8/vunetd.8.gz
check "mandoc finds no fault with vunetd.conf(5)" lint_page usr/share/man/man5/vunetd.conf.5.gz
check "mandoc finds no fault with vunet-guest(1)" lint_page usr/share/man/man1/vunet-guest.1.gz
check "vunetd.conf(5) names every key of --help-conf" names_every_key
check "systemd-analyze verify finds no fault" verify_unit
exposure=$(unit_exposure)
check "systemd-analyze security says $exposure, at most $EXPOSURE_MAX" low_exposure
check "sysusers.d can be read" systemd-sysusers --dry-run "$dest/usr/lib/sysusers.d/vunetd.conf"
check "a changed configuration is kept" keeps_changed
check "make uninstall leaves nothing" leaves_nothing
check "PREFIX moves it all" follows_prefix
exit $failed
