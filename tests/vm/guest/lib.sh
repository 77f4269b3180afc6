# SPDX-License-Identifier: BSD-2-Clause
# Functions that init and the tests in the guest share. The runner defines where the PCI functions are (tests/vm/run).
disk=0000:00:03.0	# NVMe, for the library
kernel_disk=0000:00:04.0 # NVMe, stays with the kernel's driver
edu=0000:00:05.0
pair=0000:00:06.0	# edu, in one group with pair_mate
pair_mate=0000:00:06.1	# NVMe
net=0000:00:07.0	# e1000e, on one cable
net_mate=0000:00:08.0
devices=/sys/bus/pci/devices

driver_of() {
	[ ! -e $devices/$1/driver ] || basename "$(readlink $devices/$1/driver)"
}

group_of() {
	basename "$(readlink $devices/$1/iommu_group)"
}

# bind FUNCTION DRIVER; an empty DRIVER: none
bind() {
	[ "$(driver_of $1)" != "$2" ] || return 0
	[ ! -e $devices/$1/driver ] || echo $1 > $devices/$1/driver/unbind
	echo "$2" > $devices/$1/driver_override
	[ -z "$2" ] || echo $1 > /sys/bus/pci/drivers_probe
}

bind_all() {
	for f in $disk $edu $pair $pair_mate $net $net_mate; do
		bind $f vfio-pci
	done
	bind $kernel_disk nvme
}

# Prints the kernel's block device of kernel_disk, which appears some time after binding.
kernel_block() {
	for tries in 1 2 3 4 5 6 7 8 9 10; do
		for at in $devices/$kernel_disk/nvme/nvme*/nvme*n1; do
			[ -b /dev/${at##*/} ] && echo /dev/${at##*/} && return
		done
		sleep 0.2
	done
	return 1
}
