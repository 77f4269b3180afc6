# SPDX-License-Identifier: BSD-2-Clause
# Functions that the tests of the command share. Each is run as SCRIPT PATH-OF-DMAMAP, prints TAP, and works in
# a directory of its own that is removed at its end.
set -u
dmamap=$(realpath "$1") || exit 99
count=0
bad=0
dir=$(mktemp -d "${TMPDIR:-/tmp}/dmamap-e2e-XXXXXX") || exit 99
pids=
# Ends only what this script started.
cleanup() {
	for pid in $pids; do kill -KILL "$pid" 2> /dev/null; done
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
cd "$dir" || exit 99

# ok NAME COMMAND…: the command must succeed.
ok() {
	name=$1
	shift
	count=$((count + 1))
	if "$@" > log 2>&1; then
		echo "ok $count - $name"
	else
		bad=$((bad + 1))
		echo "not ok $count - $name"
		sed 's/^/#   /' log
	fi
}

# fails STATUS TEXT COMMAND…: the command ends with the status, writes the text in one line of standard error
# (a usage error may add where help is), and writes nothing to standard output.
fails() {
	want=$1
	text=$2
	shift 2
	"$@" > fails.out 2> fails.err < /dev/null
	got=$?
	cat fails.out fails.err
	[ "$got" = "$want" ] || { echo "status $got, not $want"; return 1; }
	grep -qF -- "$text" fails.err || { echo "no '$text' in what it said"; return 1; }
	[ "$want" = 2 ] || [ "$(wc -l < fails.err)" = 1 ] || { echo 'more than one line'; return 1; }
	[ ! -s fails.out ] || { echo 'something on standard output'; return 1; }
}

# json FILE EXPRESSION: the file is one JSON document, and the Python expression on it (d) is true.
json() {
	python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
sys.exit(0 if eval("(" + sys.argv[2] + ")") else f"{sys.argv[2]}: not so in {d}")' "$1" "$2"
}

# wait_for COMMAND…: repeats the command until it succeeds, for at most 20 seconds.
wait_for() {
	tries=0
	until "$@" 2> /dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 1000 ] || return 1
		sleep 0.02
	done
}

done_testing() {
	echo "1..$count"
	[ $bad = 0 ]
	exit
}
