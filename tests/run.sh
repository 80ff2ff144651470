#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# run.sh - Run groups of tests and add them up
#
# usage: tests/run.sh GROUP...
#   unit asan tsan nograce fuzz system abuse install qemu bench lint
#
# Prints a line for each test program or scenario, and the output of those that
# fail; closes with "N passed, N failed" (", N skipped" where some could not run).
# Everything is built already, or is built by the group that needs it.
set -u
cd "$(dirname "$0")/.." || exit 1

passed=0
failed=0
skipped=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# number FILE PATTERN - the number that stands where \([0-9]*\) does, or 0
number()
{
	local n
	n=$(sed -n "s/.*$2.*/\1/p" "$1" | head -n 1)
	echo "${n:-0}"
}

# cmocka_result NAME PROGRAM - add what a test program that ran has counted
cmocka_result()
{
	local name=$1 output=$2.out status p f s
	status=$(cat "$2.status")
	p=$(number "$output" '\[  PASSED  \] \([0-9]*\) test')
	f=$(number "$output" '\[  FAILED  \] \([0-9]*\) test')
	s=$(number "$output" '\[  SKIPPED \] \([0-9]*\) test')
	# A crash, a time-out or a sanitizer's report fails the program as such
	[ "$status" != 0 ] && [ "$f" = 0 ] && f=1
	[ "$status" = 0 ] && [ $((p + s)) = 0 ] && f=1
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	if [ "$f" = 0 ]; then
		echo "ok - $name: $p passed$([ "$s" = 0 ] || echo ", $s skipped")"
	else
		tail -n 60 "$output"
		echo "not ok - $name: $f failed, exit status $status"
	fi
}

# listed COMMAND... - a runner that prints "ok - ", "not ok - " or "skip - " a test
listed()
{
	local status f
	timeout 1500 "$@" 2>&1 | tee "$out"
	status=${PIPESTATUS[0]}
	f=$(grep -c '^not ok - ' "$out")
	[ "$status" != 0 ] && [ "$f" = 0 ] && { f=1; echo "not ok - $*: exit status $status"; }
	[ "$(grep -c '^\(ok\|not ok\|skip\) - ' "$out")" = 0 ] && { f=1; echo "not ok - $*: ran nothing"; }
	passed=$((passed + $(grep -c '^ok - ' "$out")))
	failed=$((failed + f))
	skipped=$((skipped + $(grep -c '^skip - ' "$out")))
}

# step NAME COMMAND... - one command that passes or fails
step()
{
	local name=$1
	shift
	if timeout 900 "$@" >"$out" 2>&1; then
		echo "ok - $name"
		passed=$((passed + 1))
	else
		tail -n 60 "$out"
		echo "not ok - $name"
		failed=$((failed + 1))
	fi
}

# Test programs whose threads want the processors for themselves
THREADS='race|threads|miss|pmd'

# run_programs N - run the test programs of standard input, N at a time
#
# What one printed is in PROGRAM.out then, its exit status in PROGRAM.status.
run_programs()
{
	xargs -r -P "$1" -I{} sh -c 'timeout 300 {} >{}.out 2>&1; echo $? >{}.status'
}

# unit_tests BUILD PATTERN - build and run the unit tests that match
unit_tests()
{
	local program programs
	programs=$(ls tests/unit/*/test_*.c | grep -E "$2" | sed "s,\(.*\)\.c,build/$1/\1,")
	# shellcheck disable=SC2086 # names have no spaces
	if ! make -s -j"$(nproc)" BUILD="$1" $programs >"$out" 2>&1; then
		tail -n 40 "$out"
		echo "not ok - unit tests do not build with BUILD=$1"
		failed=$((failed + 1))
		return
	fi
	grep -vE "$THREADS" <<<"$programs" | run_programs "$(nproc)"
	grep -E "$THREADS" <<<"$programs" | run_programs 1
	for program in $programs; do
		cmocka_result "$1 ${program#build/"$1"/tests/unit/}" "$program"
	done
}

for group; do
	echo "# $group"
	began=$SECONDS
	case $group in
	unit) unit_tests release . ;;
	asan) unit_tests asan . ;;
	# What threads share: the IOTLB, the poll lists, the misses; and all of it together
	tsan)
		unit_tests tsan "$THREADS"
		step "vunetd builds with BUILD=tsan" make -s -j"$(nproc)" BUILD=tsan build/tsan/vunetd
		step "vunet-guest builds" make -s -j"$(nproc)" build/release/vunet-guest
		listed tests/system/run.py --build build/tsan "threads:"
		;;
	# Without the grace period the race test must find what it looks for
	nograce) unit_tests nograce iotlb_race ;;
	# What was found before, and a short look for more
	fuzz)
		step "the fuzzers build" make -s -j"$(nproc)" BUILD=fuzz fuzzers
		listed tests/fuzz/run.py --seconds 8
		;;
	system) listed tests/system/run.py ;;
	# All of it under AddressSanitizer, and some as it is shipped
	abuse)
		for build in asan release; do
			step "vunetd and vunet-guest build with BUILD=$build" make -s -j"$(nproc)" \
				BUILD=$build build/$build/vunetd build/$build/vunet-guest
		done
		listed tests/abuse/run.py --brief
		;;
	install) listed tests/system/test_install.sh ;;
	qemu) listed make -s test-qemu ;;
	# What they measure is for a quiet machine
	bench) step "the benchmarks build" make -s -j"$(nproc)" benches ;;
	lint)
		step "clang-format finds nothing to change" make -s format-check
		step "clang -Wthread-safety and clang-tidy find nothing" make -s lint
		;;
	*)
		echo "run.sh: what is \"$group\"?"
		exit 2
		;;
	esac
	echo "# $group: $((SECONDS - began)) s"
done

summary="$passed passed, $failed failed"
[ "$skipped" = 0 ] || summary+=", $skipped skipped"
echo "$summary"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
