#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A signal in the middle of a copy, and two programs on one disk.
. "$(dirname "$0")/lib.sh"

truncate -s 64M disk
head -c 1M /dev/urandom > part
spec=sim:nvme,image=disk

# A writer that has copied 1 MiB and waits for more: standard input is a FIFO that stays open.
start_writer() {
	rm -f pipe status
	mkfifo pipe
	head -c 64M /dev/zero | cat > disk
	{
		"$dmamap" nvme write --device $spec --json < pipe > out.json 2> said &
		writer=$!
		echo $writer > writer
		wait $writer
		echo $? > status
	} &
	pids="$pids $!"
	exec 3> pipe
	cat part >&3
	wait_for cmp -s -n 1048576 part disk
	pids="$pids $(cat writer)"
}

end_writer() { # SIGNAL
	kill "-$1" "$(cat writer)"
	wait_for test -s status
	exec 3>&-
}

for signal in INT TERM; do
	ok "$signal: a copy is under way" start_writer
	ok "$signal: another program on the same disk is refused" \
		fails 1 disk "$dmamap" nvme identify --device $spec
	ok "$signal: it ends" end_writer $signal
	ok "$signal: with status 1" test "$(cat status)" = 1
	ok "$signal: says how far it got" grep -q 'interrupted after 1048576 bytes' said
	ok "$signal: in one line" test "$(wc -l < said)" = 1
	ok "$signal: nothing was left mapped" \
		json out.json "d['bytes'] == 1048576 and d['dma']['leaks'] == 0"
	ok "$signal: the disk is free again" "$dmamap" nvme verify --device $spec --file part
done

# The image shrinks while the disk is in use.
shrink() {
	truncate -s 512K disk
	cat part >&3
	exec 3>&-
	wait_for test -s status
}
ok 'shrinking image: a copy is under way' start_writer
ok 'shrinking image: it ends' shrink
ok 'shrinking image: with status 1' test "$(cat status)" = 1
ok 'shrinking image: says where' grep -q 'writing .* blocks at block' said
ok 'shrinking image: nothing was left mapped' json out.json "d['dma']['leaks'] == 0 and d['error']"
truncate -s 64M disk

# A reader whose output is not read.
rm -f pipe status
mkfifo pipe
{
	"$dmamap" nvme read --device $spec > pipe 2> said &
	echo $! > reader
	wait $!
	echo $? > status
} &
pids="$pids $!"
exec 3< pipe
wait_for test -s reader
pids="$pids $(cat reader)"
head -c 4096 <&3 > taken
ok 'a reader is under way' cmp -n 4096 part taken
ok 'it receives SIGINT' kill -INT "$(cat reader)"
ok 'it ends' wait_for test -s status
ok 'with status 1' test "$(cat status)" = 1
ok 'and says so' grep -q 'interrupted after' said
exec 3<&-

# While nothing can be mapped, the driver retries for half a minute; a signal ends this earlier.
stuck() { # PLAN COMMAND…
	rm -f status said
	{
		DMAMAP_FAIL=$1
		export DMAMAP_FAIL
		shift
		"$dmamap" "$@" --device $spec > said 2>&1 < /dev/null &
		echo $! > stuck
		wait $!
		echo $? > status
	} &
	pids="$pids $!"
	wait_for test -s stuck
	pids="$pids $(cat stuck)"
	sleep 0.5
	kill -INT "$(cat stuck)"
	wait_for test -s status && cat said && [ "$(cat status)" = 1 ] && grep -q interrupted said
	got=$?
	rm -f stuck
	return $got
}
for plan in map:every=1 pool:every=1; do
	ok "$plan: write" stuck $plan nvme write --data sg --file part
	ok "$plan: verify" stuck $plan nvme verify --data sg --file part
	ok "$plan: bench" stuck $plan nvme bench --data sg --seconds 86400
done
ok 'link:every=1: write' stuck link:every=1 nvme write --data twostep --file part
ok 'identify' stuck map:every=1 nvme identify
ok 'faults' stuck map:every=1 faults
spec=sim:e1000e,pcap-out=/dev/null
ok 'net' stuck map:every=1 net tx
bench() {
	"$dmamap" bench "$1" --seconds 86400 > said 2>&1 &
	writer=$!
	pids="$pids $writer"
	sleep 0.5
	kill -INT $writer
	rm -f status
	{ while kill -0 $writer 2> /dev/null; do sleep 0.05; done; echo gone > status; } &
	pids="$pids $!"
	wait_for test -s status
	wait $writer
	[ $? = 1 ] && grep -q 'interrupted after 0 rows' said
}
ok 'bench map' bench map
ok 'bench translate' bench translate
done_testing
