# SPDX-License-Identifier: BSD-2-Clause
# contract.sh CONFIG [0|1]: runs the contract's tests on functions of this machine. The first one plays the device.
. /guest/lib.sh
# A reset takes 100 ms and would run four times for each device that is opened; the player stops its controller itself.
for f in $disk $pair_mate $edu $net; do
	[ ! -e $devices/$f/reset_method ] || echo > $devices/$f/reset_method
done
export CONTRACT_FUNCTIONS="$disk $pair_mate $edu $net"
contract-nvme "$@"
status=$?
for f in $disk $pair_mate $edu $net; do
	[ ! -e $devices/$f/reset_method ] || echo default > $devices/$f/reset_method
done
exit $status
