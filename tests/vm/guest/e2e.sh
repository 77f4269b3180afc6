# SPDX-License-Identifier: BSD-2-Clause
# Runs the command on real functions. What runs on the models runs here unchanged.
. /guest/tap.sh

bytes=3146240 # a multiple of the block size only
dd if=/dev/urandom of=/tmp/file bs=512 count=$((bytes / 512)) 2> /dev/null

copy() {
	rm -f /tmp/back
	ok "$1: nvme write" dmamap nvme write --device $1 --file /tmp/file
	ok "$1: nvme verify" dmamap nvme verify --device $1 --file /tmp/file
	ok "$1: nvme read" dmamap nvme read --device $1 --length $bytes --file /tmp/back
	ok "$1: the same comes back" cmp /tmp/file /tmp/back
	# so that the next test does not find what this one wrote
	dd if=/dev/urandom of=/tmp/file bs=512 count=$((bytes / 512)) 2> /dev/null
}

seen_by_the_kernel() {
	bind $disk nvme
	for tries in 1 2 3 4 5 6 7 8 9 10; do
		for at in $devices/$disk/nvme/nvme*/nvme*n1; do
			[ ! -b /dev/${at##*/} ] || break 2
		done
		sleep 0.2
	done
	cmp -n $bytes /tmp/kept /dev/${at##*/}
	status=$?
	bind $disk vfio-pci
	return $status
}

# The rows are named after the device's policy.
measured() {
	dmamap bench map --device $1 --threads 1 --seconds 0.4 > /tmp/rows 2> /tmp/rows.err
	cat /tmp/rows /tmp/rows.err
	[ $(grep -c "4K $2, .* live" /tmp/rows) = 2 ] && grep -q "sg+unmap 64 pages $2" /tmp/rows &&
		grep -q "$2, 10000 live.: RAM has no 10000 contiguous pages" /tmp/rows.err
}

# RAM's file is completely in pages of 2 MiB if all of RAM is mapped for a device.
large_pages() {
	dmamap nvme bench --device vfio:$disk,policy=$1,ram=32M --seconds 30 > /dev/null 2>&1 &
	bench=$!
	for tries in $(seq 50); do
		sleep 0.2
		got=$(awk '/memfd:dmamap-ram/ { in_ram = 1 } /VmFlags/ { in_ram = 0 }
			in_ram && /ShmemPmdMapped/ { n += $2 } END { print n + 0 }' /proc/$bench/smaps)
		[ "$got" != $2 ] || break
	done
	kill -KILL $bench
	wait $bench
	echo "$got KiB"
	[ "$got" = $2 ]
}

for kind in vfio iommufd; do
	for policy in strict lazy pool; do
		copy $kind:$disk,policy=$policy,ram=16M
	done
	ok "$kind: edu" dmamap edu selftest --device $kind:$edu
	# with the default size of RAM, all of it pinned
	ok "$kind: edu, policy identity" dmamap edu selftest --device $kind:$edu,policy=identity
done
ok 'pool: RAM is in pages of 2 MiB' large_pages pool 32768
ok 'bench map, strict' measured iommufd:$edu,ram=64M strict
ok 'bench map, pool' measured vfio:$edu,ram=64M,policy=identity identity
cp /tmp/file /tmp/kept
ok 'what is written by us' dmamap nvme write --device vfio:$disk --file /tmp/kept
ok "is there for the kernel's own driver" seen_by_the_kernel
ok 'list' sh -c "dmamap list > /tmp/list && grep -q $disk /tmp/list && grep -q vfio-pci /tmp/list"
done_testing
