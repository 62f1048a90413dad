#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The laboratory keeps its promises: status, arguments and output arrive exact, a hanging command and
# a crashing kernel end with their own status, and nothing is left behind. TAP on stdout.
# Takes the laboratory's options, as in: tests/test_lab.sh --kernel debian12
set -uo pipefail
lab="$(cd "$(dirname "$0")/../scripts" && pwd)/lab"
options=("$@")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export TMPDIR=$dir/tmp
mkdir "$TMPDIR"
number=0

in_lab() { "$lab" "${options[@]}" "$@" 2>"$dir/err"; }

# check NAME COMMAND...: one test, passed if the command succeeds; what it says is its diagnosis.
check() {
	local name=$1 result=ok
	shift
	number=$((number + 1))
	"$@" >"$dir/diagnosis" 2>&1 || result='not ok'
	printf '%s %d - %s\n' "$result" "$number" "$name"
	[ "$result" = ok ] || sed 's/^/# /' "$dir/diagnosis" "$dir/err"
}

status_is() {
	local expected=$1 status=0
	shift
	in_lab "$@" || status=$?
	echo "status $status, not $expected"
	[ "$status" = "$expected" ]
}

# shellcheck disable=SC2016,SC1003  # they are meant to be as they are
arguments_arrive() {
	local arguments=('a b' '' "it's" '"$HOME"' '*' '\' $'two\nlines' $'\x01\xff' '-n')
	cmp <(printf '<%s>' "${arguments[@]}") <(in_lab printf '<%s>' "${arguments[@]}")
}

# 3 MB with every byte value in them, CR and LF as well.
bytes_arrive() {
	head -c 3000000 /dev/urandom >"$dir/bytes"
	cmp "$dir/bytes" <(in_lab cat "$dir/bytes")
}

streams_stay_apart() {
	[ "$(in_lab sh -c 'echo one; echo two >&2')" = one ] && [ "$(cat "$dir/err")" = two ]
}

# The first line is there while the command still runs; then a signal ends the laboratory.
streams_until_told_to_end() {
	local line='' status=0 lab_pid
	exec {output}< <(exec "$lab" "${options[@]}" sh -c 'echo early; exec sleep 300' 2>"$dir/err")
	lab_pid=$!
	read -r -t 300 -u "$output" line
	kill -TERM "$lab_pid"
	wait "$lab_pid" || status=$?
	echo "'$line' and status $status, not 'early' and 143"
	[ "$line" = early ] && [ "$status" = 143 ]
}

has_ktls() { in_lab cat /proc/sys/net/ipv4/tcp_available_ulp | grep -qw tls; }

has_no_ktls() {
	[ "$(in_lab --no-ktls sh -c 'modprobe tls || cat /proc/sys/net/ipv4/tcp_available_ulp')" = mptcp ]
}

works_in() {
	local place=$1
	mkdir -p "$place"
	cd "$place" && [ "$(in_lab sh -c 'pwd; echo x >written; cat written')" = "$place"$'\nx' ] && [ ! -e written ]
}

brings_files_back() {
	in_lab --out "$dir/out" sh -c "cd '$dir/out' && echo kept >file" && [ "$(cat "$dir/out/file")" = kept ]
}

hang_is_ended() {
	status_is 124 --timeout 15 sleep 300 && grep 'time is up after 15 s' "$dir/err"
}

crash_is_told() {
	status_is 125 sh -c 'echo c >/proc/sysrq-trigger; sleep 60' && grep 'Kernel panic' "$dir/err"
}

nothing_is_left() {
	ls -A "$TMPDIR"
	[ -z "$(ls -A "$TMPDIR")" ] && ! grep -lsF "$TMPDIR" /proc/[0-9]*/cmdline
}

check 'the status is the command'"'"'s, and what it left running does not hold it up' \
	status_is 7 --timeout 300 sh -c 'sleep 300 & exit 7'
check 'death by a signal is 128 and its number' status_is 139 sh -c 'kill -SEGV $$'
check 'a command that does not exist is 127' status_is 127 no-such-command
check 'arguments arrive exact' arguments_arrive
check 'output arrives exact' bytes_arrive
check 'stdout and stderr stay apart' streams_stay_apart
check 'output streams, and a signal ends it all' streams_until_told_to_end
check 'the kernel has kTLS' has_ktls
check 'with --no-ktls it has not, and cannot load it' has_no_ktls
check 'it works in any directory, which stays as it was' works_in "$dir/with, comma and space"
check 'a directory given with --out is written through' brings_files_back
check 'a command that hangs is ended and told so' hang_is_ended
check 'a kernel that crashes is told so, with its last words' crash_is_told
check 'nothing is left behind' nothing_is_left
printf '1..%d\n' "$number"
