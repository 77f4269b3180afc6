# SPDX-License-Identifier: BSD-2-Clause
# The kernel's own drivers on devices that `dmamap serve` serves: a disk and a card.
. /guest/tap.sh
block=/dev/nvme0n1

removed() {
	echo 1 > "$(readlink -f /sys/block/${block#/dev/}/device/device)/remove" && disappears
}

back() {
	echo 1 > /sys/bus/pci/rescan && appears
}

appears() {
	for tries in $(seq 300); do
		[ -b $block ] && return
		sleep 0.1
	done
	dmesg | tail -n 20
	return 1
}

disappears() {
	for tries in $(seq 300); do
		[ -b $block ] || return 0
		sleep 0.1
	done
	return 1
}

# 256 MiB that do not repeat: a random piece with a number before each copy of it.
content() {
	for i in $(seq 32); do
		echo "piece $i"
		cat /tmp/piece
	done
}

fill() {
	dd if=/dev/urandom of=/tmp/piece bs=1M count=8 2> /dev/null
	content | md5sum > /tmp/sum
}

mounted() {
	mount -t ext4 $block /mnt && grep -q " /mnt ext4 " /proc/mounts
}

copied() {
	content > /mnt/file && sync && [ "$(stat -c %s /mnt/file)" -gt 268435456 ]
}

same() {
	md5sum < /mnt/file > /tmp/sum.now && cat /tmp/sum /tmp/sum.now && cmp /tmp/sum /tmp/sum.now
}

pings() {
	ip addr add 10.0.0.1/24 dev eth0 && ip link set eth0 up || return 1
	for tries in $(seq 90); do
		ping -c 1 -W 1 10.0.0.2 > /dev/null && break
	done
	ping -c 20 -i 0.2 -W 5 -s 1400 10.0.0.2
}

[ -e /sys/bus/pci/drivers/nvme ] || { echo '1..0 # SKIP the kernel has no nvme driver'; exit; }
mkdir -p /mnt
fill
ok 'the nvme driver finds the disk' appears
ok 'an ext4 file system is made' make-ext4 -q -t ext4 $block
ok 'it is mounted' mounted
ok '256 MiB are copied' copied
ok 'unmounted' umount /mnt
ok 'fsck reports a clean file system' check-ext4 -f -n $block
ok 'mounted again' mounted
ok 'the content is the same' same
ok 'unmounted again' umount /mnt
ok 'random reads and writes, verified' vm-random $block 20
ok 'the function is removed' removed
ok 'the function is found again' back
ok 'the file system is made again' make-ext4 -q -F -t ext4 $block
ok 'it is mounted after that' mounted
ok '256 MiB are copied after that' copied
ok 'the content is the same after that' same
ok 'unmounted after that' umount /mnt
ok 'the e1000e driver pings across the cable' pings
done_testing
