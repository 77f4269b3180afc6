# SPDX-License-Identifier: BSD-2-Clause
# The figures of this machine: a JSON document, in lines that begin with "#> data".
. /guest/tap.sh

# Hundredths of a second since the machine began
now() {
	tr -d . < /proc/uptime | cut -d ' ' -f 1
}

# MiB/s of the kernel's own driver, the best of three, with the start of dd in it
kernel_rate() {
	mib=$(($(cat /sys/class/block/${1#/dev/}/size) / 2048))
	for i in 1 2 3; do
		start=$(now)
		dd if=$1 of=/dev/null bs=128k iflag=direct 2> /dev/null || return 1
		echo $((mib * 100 / ($(now) - start)))
	done | sort -n | tail -n 1
}

# MiB/s of ours: SPEC REQUESTS-IN-FLIGHT
our_rate() {
	for i in 1 2 3; do
		dmamap nvme read --device $1 --bs 128K --qd $2 --json > /tmp/rate.json 2> /tmp/rate.err --file /dev/null
		sed -n 's/.*"mib_per_s": *\([0-9.]*\).*/\1/p' /tmp/rate.json
	done | sort -n | tail -n 1
}

data() {
	sed 's/^/#> data /'
}

figures() {
	echo '{"mappings": {'
	specs="sim,iommu=0"
	for kind in vfio iommufd; do
		for policy in pool lazy strict; do
			specs="$specs $kind:$edu,policy=$policy"
		done
	done
	for spec in $specs; do
		vm-bench $spec > /tmp/line || return 1
		[ $spec = 'sim,iommu=0' ] || echo ','
		cat /tmp/line
	done
	block=$(kernel_block) || return 1
	echo '}, "nvme_128k_mib_per_s": {'
	echo "\"kernel, dd iflag=direct\": $(kernel_rate $block)"
	for kind in vfio iommufd; do
		for policy in pool strict; do
			for qd in 1 8; do
				echo ", \"$kind, $policy, $qd in flight\": $(our_rate $kind:$disk,policy=$policy $qd)"
			done
		done
	done
	echo '}}'
}

figures > /tmp/figures
status=$?
data < /tmp/figures
ok 'figures' [ $status = 0 ]
done_testing
