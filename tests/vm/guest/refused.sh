# SPDX-License-Identifier: BSD-2-Clause
# If a function cannot be opened, the error message says why and how to solve it. Afterwards everything opens.
. /guest/tap.sh

# Runs a command as a user without privileges that may lock so many KiB of memory.
nobody() {
	vm-nobody 65536 "$@"
}

no_nodes() {
	mv /dev/vfio /dev/hidden
	mv /dev/iommu /dev/hidden-iommu
	fails 1 "$1" dmamap edu selftest --device $2:$edu
	got=$?
	mv /dev/hidden /dev/vfio
	mv /dev/hidden-iommu /dev/iommu
	return $got
}

# while_open DISK MESSAGE COMMAND…: the command is refused while another process has the disk open.
while_open() {
	dmamap nvme bench --device $1 --seconds 30 > /dev/null 2>&1 &
	other=$!
	sleep 1
	shift
	fails 1 "$@"
	got=$?
	kill -KILL $other
	wait $other
	return $got
}

for kind in vfio iommufd; do
	ok "$kind: no such function" fails 1 'dmamap list' dmamap edu selftest --device $kind:0000:00:1e.5
	ok "$kind: not an address" fails 1 '' dmamap edu selftest --device $kind:teapot
	ok "$kind: another driver" fails 1 'driver nvme' dmamap nvme identify --device $kind:$kernel_disk
	bind $edu ''
	ok "$kind: no driver" fails 1 'dmamap bind' dmamap edu selftest --device $kind:$edu
	bind $edu vfio-pci
	bind $pair_mate nvme
	ok "$kind: a group that is not viable" fails 1 'group' dmamap edu selftest --device $kind:$pair
	bind $pair_mate vfio-pci
	ok "$kind: it is, when all is bound" dmamap edu selftest --device $kind:$pair
	ok "$kind: no device nodes" no_nodes 'there is no /dev/' $kind
	ok "$kind: no permission" fails 1 'docs/hardware.md' nobody dmamap edu selftest --device $kind:$edu
	ok "$kind: open in another process" while_open $kind:$disk 'in use' dmamap nvme identify --device $kind:$disk
	ok "$kind: its group is another process's" while_open $kind:$pair_mate 'in use by another process' \
		dmamap edu selftest --device $kind:$pair
	chmod 666 /dev/vfio/vfio /dev/vfio/[0-9]* /dev/vfio/devices/* /dev/iommu
	ok "$kind: too little memory may be locked" fails 1 'ulimit -l' \
		vm-nobody 64 dmamap edu selftest --device $kind:$edu,policy=identity
	ok "$kind: enough, and no right but those files" nobody dmamap edu selftest --device $kind:$edu
	chmod 600 /dev/vfio/[0-9]* /dev/vfio/devices/*
	ok "$kind: it opens" dmamap edu selftest --device $kind:$edu
done
done_testing
