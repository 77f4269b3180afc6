# SPDX-License-Identifier: BSD-2-Clause
# dmamap bind and unbind on real functions: from the kernel's driver to vfio-pci and back, and the refusals.
. /guest/tap.sh

has_driver() {
	[ "$(driver_of $1)" = "$2" ] || { echo "$1 has the driver '$(driver_of $1)', not '$2'"; return 1; }
}

# refused FUNCTION DRIVER MESSAGE REMEDY: bind fails, and the function keeps its driver
refused() {
	fails 1 "$3" dmamap bind $1 && fails 1 "$4" dmamap bind $1 && has_driver $1 $2
}

# dmamap list shows the same reason before.
listed() {
	dmamap list > /tmp/list
	grep -A3 "^$1" /tmp/list
	grep -A3 "^$1" /tmp/list | grep -qF -- "$2"
}

# to_vfio FUNCTION DRIVER COMMAND…: binds the function to vfio-pci, runs the command, and unbinds it
there_and_back() {
	function=$1
	driver=$2
	shift 2
	has_driver $function $driver && dmamap bind $function && has_driver $function vfio-pci && "$@" &&
		dmamap bind $function && dmamap unbind $function && has_driver $function $driver
}

interface() {
	basename $devices/$net/net/*
}

# The interface's flags in sysfs: bit 0 is "up".
set_up() {
	echo $1 > $devices/$net/net/$(interface)/flags
}

while_open() {
	dmamap nvme bench --device vfio:$disk,ram=16M --seconds 30 > /dev/null 2>&1 &
	other=$!
	sleep 1
	fails 1 "process $other has it open" dmamap unbind $disk && has_driver $disk vfio-pci
	got=$?
	kill -KILL $other
	wait $other
	return $got
}

block=$(kernel_block)
mkdir -p /tmp/mount
dd if=/dev/urandom of=$block bs=64k count=1 2> /dev/null
ok 'nvme: there and back' there_and_back $kernel_disk nvme \
	dmamap nvme read --device vfio:$kernel_disk,ram=16M --length 64K --file /tmp/first
block=$(kernel_block)
ok "nvme: what the kernel's driver wrote was read, and is there again" cmp -n 65536 /tmp/first $block
mke2fs -q $block > /dev/null 2>&1 || mke2fs $block > /dev/null 2>&1
mount -t ext2 $block /tmp/mount
ok 'nvme: mounted' refused $kernel_disk nvme 'mounted at /tmp/mount' 'umount it first'
ok 'nvme: mounted, in the list' listed $kernel_disk '/tmp/mount'
echo here > /tmp/mount/file
umount /tmp/mount
mount -t ext2 $block /tmp/mount
ok 'nvme: the file system has not suffered' grep -q here /tmp/mount/file
umount /tmp/mount
mkswap $block > /dev/null
swapon $block
ok 'nvme: swap space' refused $kernel_disk nvme 'swap space' 'swapoff it first'
swapoff $block
ok 'nvme: there and back, when nothing uses it' there_and_back $kernel_disk nvme \
	dmamap nvme identify --device iommufd:$kernel_disk,ram=16M

bind $net e1000e
set_up 0x1003
ok 'network: up' refused $net e1000e "interface $(interface) is up" "ip link set $(interface) down"
set_up 0x1002
ok 'network: there and back, when it is down' there_and_back $net e1000e \
	dmamap net tx --device vfio:$net,ram=16M --packets 1
bind $net vfio-pci

ok 'open in a program' while_open
ok 'no such function' fails 1 'there is no PCI function' dmamap bind 0000:00:1e.5
ok 'a bridge' fails 1 'is a bridge' dmamap bind 0000:00:1f.0
ok 'not with vfio-pci' fails 1 'nothing to unbind' dmamap unbind $kernel_disk
ok 'no right' sh -c "! vm-nobody 64 dmamap bind $kernel_disk 2> /tmp/err && grep -q root /tmp/err"
ok 'which changed nothing' has_driver $kernel_disk nvme
ok 'the list names the command' listed $kernel_disk "dmamap bind $kernel_disk"
done_testing
