# SPDX-License-Identifier: BSD-2-Clause
# Sends packets from one card of this machine over its cable to the other; each card has its own program.
. /guest/tap.sh

vm-packets make /tmp/in 300

# Prints the number of interrupts of the receiving card, on both processors; fails if there are none.
interrupts() {
	grep "vfio-.*$net_mate" /proc/interrupts | awk '{ n += $2 + $3 } END { print n + 0; exit !NR }'
}

ready() {
	for tries in $(seq 50); do
		before=$(interrupts) && return
		sleep 0.2
	done
	echo 'the receiver does not come up'
	return 1
}

more_interrupts() {
	now=$(interrupts)
	echo "interrupts: $before, then $now"
	[ "$now" -gt "$before" ]
}

# over SPEC-KIND KEYS MODE: sends the file twice, and counts the interrupts between
over() {
	rm -f /tmp/out
	dmamap net rx $3 --device $1:$net_mate,$2 --packets 600 --out /tmp/out --json > /tmp/rx 2>&1 &
	rx=$!
	ready && dmamap net tx $3 --device $1:$net,$2 --in /tmp/in && more_interrupts &&
		dmamap net tx $3 --device $1:$net,$2 --in /tmp/in
	status=$?
	[ $status = 0 ] || kill -TERM $rx
	wait $rx || status=1
	cat /tmp/rx
	[ $status = 0 ] && grep -q '"total":0,' /tmp/rx && grep -q '"faults":0,' /tmp/rx &&
		vm-packets begins /tmp/out /tmp/in
}

ok 'vfio, strict, copying' over vfio ram=16M --copy
ok 'vfio, pool, zero-copy' over vfio policy=identity,ram=16M --zero-copy
ok 'vfio, MSI' over vfio irq=msi,ram=16M --zero-copy
ok 'vfio, a line' over vfio irq=intx,ram=16M --copy
ok 'iommufd, strict, zero-copy' over iommufd ram=16M --zero-copy
ok 'iommufd, lazy, zero-copy' over iommufd policy=lazy,ram=16M --zero-copy
ok 'iommufd, pool, copying' over iommufd policy=identity,ram=16M --copy
ok 'another device is no card' fails 1 'not an 82574L' dmamap net rx --device vfio:$edu
ok 'the card is back' dmamap net tx --device vfio:$net,ram=16M --packets 1
done_testing
