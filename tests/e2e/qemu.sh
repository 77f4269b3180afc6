#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The command on QEMU's devices: the drivers for the models run on them unchanged.
. "$(dirname "$0")/lib.sh"

command -v qemu-system-x86_64 > /dev/null || {
	echo '1..0 # SKIP there is no qemu-system-x86_64 here'
	exit 0
}

bytes=$((3 * 1024 * 1024 + 512))
head -c $bytes /dev/urandom > file

# way NAME KEYS OPTIONS EXPRESSION
way() {
	rm -f disk back
	truncate -s 4M disk
	spec="qemu:nvme,image=disk$2"
	ok "$1: write" sh -c "'$dmamap' nvme write --device $spec $3 --file file --json > w.json"
	ok "$1: the image holds it" cmp -n $bytes file disk
	ok "$1: verify" sh -c "'$dmamap' nvme verify --device $spec $3 --file file --json > v.json"
	ok "$1: read" sh -c "'$dmamap' nvme read --device $spec $3 --length $bytes --file back --json > r.json"
	ok "$1: the same comes back" cmp file back
	for f in w.json v.json r.json; do
		ok "$1: $f" json $f "d['bytes'] == $bytes and d['device'] == '$spec' and
			d['dma']['faults'] == 0 and d['dma']['leaks'] == 0 and
			d['dma']['maps'] == d['dma']['unmaps'] > 0 and $4"
	done
}

way 'strict' '' '' "d['policy'] == 'strict' and d['dma']['bounced_bytes'] == 0"
way 'lazy' ,policy=lazy '' "d['policy'] == 'lazy'"
way 'identity' ,policy=identity '' "d['policy'] == 'identity'"
way 'no IOMMU' ,iommu=off '' "d['policy'] == 'direct'"
way 'no IOMMU, 32-bit device' ,iommu=off '--mask 32' "d['dma']['bounced_bytes'] >= $bytes"
way 'untrusted' ,untrusted=1 '' "d['policy'] == 'strict'"

ok 'edu' "$dmamap" edu selftest --device qemu:edu
ok 'edu: its interrupt line' "$dmamap" edu selftest --device qemu:edu,interrupts=intx
ok 'no such device' fails 1 'not a valid device model name' "$dmamap" edu selftest --device qemu:teapot
ok 'no such property' fails 1 "Property 'edu.colour' not found" \
	"$dmamap" edu selftest --device qemu:edu,colour=red
ok 'no such image' fails 1 'No such file' "$dmamap" nvme identify --device qemu:nvme,image=nowhere
done_testing
