#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Bad input: the exit status and the error message of each kind.
. "$(dirname "$0")/lib.sh"

truncate -s 1M disk
truncate -s 1000 crooked
: > empty
head -c 2M /dev/urandom > large
spec=sim:nvme,image=disk
nvme() {
	action=$1
	shift
	"$dmamap" nvme "$action" --device $spec "$@"
}

ok 'no command' fails 2 Usage "$dmamap"
ok 'unknown command' fails 2 "no command 'fly'" "$dmamap" fly
ok 'help' sh -c "'$dmamap' help | grep -q 'Exit status'"
for c in list info nvme net edu bench check faults; do
	ok "help $c" sh -c "'$dmamap' help $c | grep -q -- --json"
done
ok 'version' sh -c "'$dmamap' --version | grep -q '^dmamap [0-9]'"

ok 'no action' fails 2 'give an action' "$dmamap" nvme --device $spec
ok 'unknown action' fails 2 'actions are' nvme melt
ok 'no device' fails 2 'give --device' "$dmamap" nvme identify
ok 'unknown option' fails 2 nonsense nvme read --nonsense
ok 'length 0' fails 2 '--length 0' nvme read --length 0 --file out
ok 'negative length' fails 2 'not a size' nvme read --length -5 --file out
ok 'negative offset' fails 2 'not a size' nvme read --offset -512 --file out
ok 'length that wraps' fails 2 'not a size' nvme read --length 99999999999999999999 --file out
ok 'length that wraps by its unit' fails 2 'not a size' nvme read --length 99999999T --file out
ok 'a size with rubbish' fails 2 'not a size' nvme read --length 4KB --file out
ok 'offset of no block' fails 2 'multiple of 512' nvme read --offset 100 --file out
ok 'request of no block' fails 2 'multiple of 512' nvme bench --bs 100
ok 'mask of no device' fails 2 '--mask' nvme read --mask 65 --file out
ok 'mask that cannot be served' fails 1 'mask' nvme read --mask 12 --file out
ok 'a time below 0' fails 2 'not a time' nvme bench --seconds -1
ok 'document and data on one output' fails 2 'needs --file' nvme read --json
ok 'verify with nothing' fails 2 'needs --file' nvme verify

ok 'offset at the end' fails 1 'past the end' nvme read --offset 1M --file out
ok 'offset far past the end' fails 1 'past the end' nvme read --offset 15000000T --file out
ok 'length past the end' fails 1 'past the end' nvme read --offset 512 --length 1M --file out
ok 'offset + length that wraps' \
	fails 1 'past the end' nvme read --offset 512 --length 18446744073709551104 --file out
ok 'nothing was created' test ! -e out
ok 'file too large' fails 1 'do not fit' nvme write --file large
ok 'nothing was written' sh -c 'cmp -n 1048576 disk /dev/zero'
ok 'input too large' fails 1 'the disk ended' sh -c "cat large | '$dmamap' nvme write --device $spec"
ok 'empty file' fails 1 'is empty' nvme write --file empty
ok 'no input' fails 1 'is empty' sh -c ": | '$dmamap' nvme write --device $spec"
ok 'short file' fails 1 'asks for' nvme write --file crooked --length 4096
ok 'short input' fails 1 'ended after 1000 of 4096' \
	sh -c "cat crooked | '$dmamap' nvme write --device $spec --length 4096"
ok 'no file' fails 1 'cannot be opened' nvme write --file missing
ok 'a directory' fails 1 'directory' nvme write --file .
ok 'no place for the file' fails 1 'cannot be opened' nvme read --file missing/out
ok 'a full file system' fails 1 'cannot be written' nvme read --file /dev/full
ok 'a pipe that nobody reads' sh -c \
	"{ '$dmamap' nvme read --device $spec; echo \$? > status; } 2> said | true; [ \$(cat status) = 1 ]"
ok 'the image itself as output' fails 1 'image of the disk' nvme read --file disk
ok 'the image itself as input' fails 1 'image of the disk' nvme write --offset 512 --file disk
ok 'the image itself as standard input' sh -c "! '$dmamap' nvme write --offset 512 --device $spec < disk 2> said && grep -q 'image of the disk' said"
ok 'the image itself as standard output' sh -c "! '$dmamap' nvme read --device $spec >> disk 2> said && grep -q 'image of the disk' said"
ok 'the image itself to compare with' nvme verify --file disk
ok 'and it is whole' test "$(stat -c %s disk)" = 1048576

ok 'image missing' fails 1 missing "$dmamap" nvme identify --device sim:nvme,image=missing
ok 'image of no blocks' fails 1 512 "$dmamap" nvme identify --device sim:nvme,image=crooked
ok 'image empty' fails 1 empty "$dmamap" nvme identify --device sim:nvme,image=empty
ok 'no image' fails 1 image "$dmamap" nvme identify --device sim:nvme
ok 'unknown key' fails 1 colour "$dmamap" info --device sim,colour=red
ok 'a key twice' fails 1 iommu "$dmamap" info --device sim,iommu=0,iommu=1
ok 'bad value' fails 1 policy "$dmamap" info --device sim,policy=loose
ok 'unknown back end' fails 1 warp "$dmamap" info --device warp:drive
ok 'unknown model' fails 1 floppy "$dmamap" info --device sim:floppy
ok 'a device that is no disk' fails 1 NVMe "$dmamap" nvme identify --device sim:edu
ok 'a device that is no edu' fails 1 edu "$dmamap" edu selftest --device sim
ok 'info without a device' fails 2 'give --device' "$dmamap" info
ok 'unknown benchmark' fails 2 "'warp'" "$dmamap" bench warp
ok 'no benchmark' fails 2 'give a benchmark' "$dmamap" bench
ok 'too many threads' fails 2 '--threads' "$dmamap" bench iova --threads 0
done_testing
