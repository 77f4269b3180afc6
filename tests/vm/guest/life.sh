# SPDX-License-Identifier: BSD-2-Clause
# Devices that disappear, or whose program ends, during DMA.
. /guest/tap.sh

# busy SPEC: a program that keeps the disk busy
busy() {
	dmamap nvme bench --device $1,ram=16M --qd 8 --seconds 60 > /tmp/busy.out 2> /tmp/busy.err &
	busy=$!
	sleep 1
	running $busy || { cat /tmp/busy.err; return 1; }
}

running() {
	[ -e /proc/$1/status ] && ! grep -q '^State:.*Z' /proc/$1/status
}

killed() {
	busy $1 || return 1
	kill -KILL $busy
	wait $busy
	dmamap nvme identify --device $1,ram=16M
}

# The program ends by itself within 20 seconds, with an error message.
ends_by_itself() {
	for tries in $(seq 100); do
		running $busy || break
		sleep 0.2
	done
	if running $busy; then
		kill -KILL $busy
		echo 'it did not end'
		return 1
	fi
	wait $busy
	status=$?
	cat /tmp/busy.err
	[ $status = 1 ] && [ -s /tmp/busy.err ]
}

removed() {
	busy $1 || return 1
	echo 1 > $devices/$disk/remove &
	remover=$!
	ends_by_itself
	got=$?
	wait $remover
	[ ! -e $devices/$disk ] || { echo 'the function is still there'; got=1; }
	echo 1 > /sys/bus/pci/rescan
	sleep 0.2
	bind_all
	return $got
}

was_reset() {
	busy $1 || return 1
	echo 1 > $devices/$disk/reset
	ends_by_itself
}

for kind in vfio iommufd; do
	ok "$kind: killed in the middle of DMA; the next one opens it at once" killed $kind:$disk
	ok "$kind: killed, policy identity" killed $kind:$disk,policy=identity
	ok "$kind: taken out of the machine" removed $kind:$disk
	ok "$kind: back again" dmamap nvme identify --device $kind:$disk,ram=16M
	if [ -e $devices/$disk/reset ]; then
		ok "$kind: reset behind its driver's back" was_reset $kind:$disk
	fi
	ok "$kind: opens after that" dmamap nvme identify --device $kind:$disk,ram=16M
done
done_testing
