# SPDX-License-Identifier: BSD-2-Clause
# TAP for scripts in the guest.
. /guest/lib.sh
set -u
count=0
bad=0

# ok NAME COMMAND…: the command must succeed.
ok() {
	name=$1
	shift
	count=$((count + 1))
	if "$@" > /tmp/log 2>&1; then
		echo "ok $count - $name"
	else
		bad=$((bad + 1))
		sed 's/^/# /' /tmp/log
		echo "not ok $count - $name"
	fi
}

skip() {
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

# fails STATUS TEXT COMMAND…: the command ends with the status and writes the text to standard error.
fails() {
	want=$1
	text=$2
	shift 2
	"$@" > /tmp/fails.out 2> /tmp/fails.err
	got=$?
	cat /tmp/fails.out /tmp/fails.err
	[ "$got" = "$want" ] || { echo "status $got, not $want"; return 1; }
	grep -qF -- "$text" /tmp/fails.err || { echo "no '$text' in what it said"; return 1; }
}

done_testing() {
	echo "1..$count"
	[ $bad = 0 ]
	exit
}
