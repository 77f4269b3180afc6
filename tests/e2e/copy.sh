#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copies a random file to a disk and back, on each path of a mapping; and parts of a disk.
. "$(dirname "$0")/lib.sh"

bytes=$((3 * 1024 * 1024 + 512))
head -c $bytes /dev/urandom > file

# way NAME KEYS OPTIONS EXPRESSION
way() {
	rm -f disk back
	truncate -s 4M disk
	spec="sim:nvme,image=disk$2"
	ok "$1: write" sh -c "'$dmamap' nvme write --device $spec $3 --file file --json > w.json"
	ok "$1: the image holds it" cmp -n $bytes file disk
	ok "$1: verify" sh -c "'$dmamap' nvme verify --device $spec $3 --file file --json > v.json"
	ok "$1: read" sh -c "'$dmamap' nvme read --device $spec $3 --length $bytes --file back --json > r.json"
	ok "$1: the same comes back" cmp file back
	for f in w.json v.json r.json; do
		ok "$1: $f: what every document has" json $f "d['bytes'] == $bytes and d['seconds'] > 0 and
			d['mib_per_s'] > 0 and d['device'] == '$spec' and d['dma']['faults'] == 0 and
			d['dma']['leaks'] == 0 and d['dma']['maps'] == d['dma']['unmaps'] > 0 and
			d['dma']['segments'] >= d['dma']['maps']"
		ok "$1: $f: this way" json $f "$4"
	done
}

way 'direct' ,iommu=0 '' \
	"d['policy'] == 'direct' and d['dma']['bounced_bytes'] == 0 and d['dma']['iotlb_misses'] == 0"
way 'direct, 32-bit device' ,iommu=0 '--mask 32' \
	"d['policy'] == 'direct' and d['dma']['bounced_bytes'] >= $bytes"
way 'bounce memory for few at a time' ,iommu=0,swiotlb=256K '--mask 32' \
	"d['policy'] == 'direct' and d['dma']['bounced_bytes'] >= $bytes"
way 'strict' ,policy=strict '' \
	"d['policy'] == 'strict' and d['dma']['bounced_bytes'] == 0 and d['dma']['iotlb_misses'] > 0"
way 'lazy' ,policy=lazy '' \
	"d['policy'] == 'lazy' and d['dma']['bounced_bytes'] == 0 and d['dma']['iotlb_misses'] > 0"
way 'identity' ,policy=identity '' "d['policy'] == 'identity'"
way 'untrusted' ,untrusted=1 '' "d['policy'] == 'strict'"
way 'not coherent' ,iommu=0,coherent=0 '' "d['policy'] == 'direct'"

# A file whose length is no multiple of a block: the data after it on the disk is unchanged.
spec=sim:nvme,image=disk
head -c 4194304 /dev/urandom > disk
cp disk before
head -c 100001 /dev/urandom > odd
ok 'odd length: write' "$dmamap" nvme write --device $spec --file odd --offset 1M
ok 'odd length: verify' "$dmamap" nvme verify --device $spec --file odd --offset 1M
ok 'odd length: read' "$dmamap" nvme read --device $spec --file back --offset 1M --length 100001
ok 'odd length: the same comes back' cmp odd back
cp before want
dd if=odd of=want bs=4096 seek=256 conv=notrunc 2> /dev/null
ok 'odd length: everything else stays' cmp want disk

ok 'standard input' sh -c "cat odd | '$dmamap' nvme write --device $spec"
ok 'standard output' sh -c "'$dmamap' nvme read --device $spec --length 100001 > back 2> said"
ok 'the same through pipes' cmp odd back
ok 'the report goes to standard error then' grep -q '100001 bytes' said
ok 'standard input up to the very end of the disk' \
	sh -c "cat disk file | head -c 4194304 | '$dmamap' nvme write --device $spec"
ok 'small requests' "$dmamap" nvme verify --device $spec --file disk --length 64K --bs 512 --qd 1
ok 'large requests' "$dmamap" nvme verify --device $spec --file disk --bs 1M --qd 32
ok 'one whole block at the end' \
	"$dmamap" nvme read --device $spec --offset $((4194304 - 512)) --length 512 --file back

cp file other
printf x | dd of=other bs=1 seek=2000000 conv=notrunc 2> /dev/null
"$dmamap" nvme write --device $spec --file file > /dev/null 2>&1
if ! cmp -s file other; then
	ok 'verify finds the byte that differs' \
		fails 1 'byte 2000000' "$dmamap" nvme verify --device $spec --file other
fi

ok 'identify' sh -c "'$dmamap' nvme identify --device $spec --json > i.json"
ok 'identify: document' json i.json \
	"d['block_size'] == 512 and d['capacity'] == 4194304 and d['dma']['leaks'] == 0"
ok 'bench' sh -c "'$dmamap' nvme bench --device $spec --seconds 0.1 --qd 4 --bs 4K --json > b.json"
ok 'bench: document' json b.json \
	"d['ops'] > 0 and d['bytes'] == 4096 * d['ops'] and d['dma']['leaks'] == 0"
done_testing
