#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Counts the instructions of each fast path under valgrind and compares with the limit that pins.c
# states. Instructions, unlike time, are the same on a busy machine.
program=$1
command -v valgrind > /dev/null || { echo "1..0 # SKIP valgrind is not installed"; exit 0; }

count() {
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
		sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

"$program" --list | {
	n=0 status=0
	while read -r path most; do
		n=$((n + 1))
		a=$(count "$path" 2000) b=$(count "$path" 4000)
		each=$((($b - $a) / 2000))
		if [ -n "$a" ] && [ "$each" -gt 0 ] && [ "$each" -le "$most" ]; then
			echo "ok $n - $path: $each instructions, at most $most"
		else
			echo "not ok $n - $path: ${each:-no} instructions, more than $most"
			status=1
		fi
	done
	echo "1..$n"
	exit $status
}
