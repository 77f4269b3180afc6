# SPDX-License-Identifier: BSD-2-Clause
# Checks that the machine has what the other tests need.
. /guest/tap.sh

drivers() {
	for f in $disk $edu $pair $pair_mate $net $net_mate; do
		[ "$(driver_of $f)" = vfio-pci ] || { echo "$f has the driver '$(driver_of $f)'"; return 1; }
	done
	[ "$(driver_of $kernel_disk)" = nvme ]
}

nodes() {
	ls -l /dev/vfio /dev/vfio/devices /dev/iommu
	[ -c /dev/vfio/vfio ] && [ -c /dev/vfio/$(group_of $disk) ] && [ -c /dev/iommu ]
}

groups() {
	[ "$(group_of $pair)" = "$(group_of $pair_mate)" ] && [ "$(group_of $disk)" != "$(group_of $edu)" ]
}

ok 'an IOMMU' [ -e /sys/class/iommu/dmar0 ]
ok 'functions and their drivers' drivers
ok '/dev/vfio and /dev/iommu' nodes
ok 'groups' groups
ok "the kernel's own disk" kernel_block
ok 'large pages' grep -q 'HugePages_Total: *[1-9]' /proc/meminfo
ok 'the command runs' dmamap list
done_testing
