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

# A reader whose output nobody takes.
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
ok 'it is told to stop' kill -INT "$(cat reader)"
ok 'it ends' wait_for test -s status
ok 'with status 1' test "$(cat status)" = 1
ok 'and says so' grep -q 'interrupted after' said
exec 3<&-
done_testing
