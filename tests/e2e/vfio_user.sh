#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copies a random file to a disk that `dmamap serve` serves, and back, under each policy; and a server that is killed.
. "$(dirname "$0")/lib.sh"

bytes=$((3 * 1024 * 1024 + 512))
head -c $bytes /dev/urandom > file
truncate -s 4M disk
"$dmamap" serve sim:nvme,image=disk --socket s > serve.log 2>&1 &
server=$!
wait_for grep -q serves serve.log

# way NAME KEYS
way() {
	spec="vfio-user:s$2"
	rm -f back
	ok "$1: write" sh -c "'$dmamap' nvme write --device $spec --file file --json > w.json"
	ok "$1: the image holds it" cmp -n $bytes file disk
	ok "$1: verify" "$dmamap" nvme verify --device "$spec" --file file
	ok "$1: read" "$dmamap" nvme read --device "$spec" --length $bytes --file back
	ok "$1: the same comes back" cmp file back
	ok "$1: nothing is left" json w.json "d['dma']['faults'] == 0 and d['dma']['leaks'] == 0 and
		d['dma']['maps'] == d['dma']['unmaps'] > 0"
	head -c $bytes /dev/urandom > file
}

way 'strict' ''
way 'lazy' ,policy=lazy
way 'identity' ,policy=identity
way 'persistent' ,policy=persistent
way 'untrusted' ,untrusted=1
way 'by message' ,dma=message

kill -9 $server
wait $server 2> /dev/null
ok 'a server that has ended is an error' sh -c "! '$dmamap' nvme identify --device vfio-user:s 2> said"
ok 'the error says what to do' grep -q 'is the server running' said
done_testing
