# SPDX-License-Identifier: BSD-2-Clause
# Measures this machine and prints a JSON document, in lines that begin with "#> data".
. /guest/tap.sh

# Prints hundredths of a second since the machine was started.
now() {
	tr -d . < /proc/uptime | cut -d ' ' -f 1
}

# Prints MiB/s of the kernel's own driver: DISK. This includes the start of dd, a twentieth of the time.
kernel_rate() {
	mib=$(($(cat /sys/class/block/${1#/dev/}/size) / 2048))
	start=$(now)
	dd if=$1 of=/dev/null bs=128k iflag=direct 2> /dev/null || return 1
	echo $((mib * 100 / ($(now) - start)))
}

# Prints MiB/s of the library's driver: SPEC REQUESTS-IN-FLIGHT. It reads as many bytes of a disk of the same size.
our_rate() {
	dmamap nvme read --device $1 --bs 128K --qd $2 --json --file /dev/null > /tmp/rate.json || return 1
	sed -n 's/.*"mib_per_s": *\([0-9.]*\).*/\1/p' /tmp/rate.json
}

median() {
	sort -n $1 | sed -n "$((($(wc -l < $1) + 1) / 2))p"
}

data() {
	sed 's/^/#> data /'
}

mappings() {
	for kind in vfio iommufd; do
		for policy in pool lazy strict; do
			vm-bench sim,iommu=0 $kind:$edu,policy=$policy > /tmp/line || return 1
			[ $kind$policy = vfiopool ] || echo ','
			cat /tmp/line
		done
	done
}

# Medians of sequential reads of the whole disk, in turns, so that other load of the machine affects all alike.
rates() {
	block=$(kernel_block) || return 1
	rm -f /tmp/rate-*
	for round in 1 2 3 4 5; do
		kernel_rate $block >> /tmp/rate-kernel || return 1
		for kind in vfio iommufd; do
			for policy in pool strict; do
				for qd in 1 8; do
					our_rate $kind:$disk,policy=$policy $qd >> /tmp/rate-$kind-$policy-$qd ||
						return 1
				done
			done
		done
	done
	echo "\"kernel, dd iflag=direct\": $(median /tmp/rate-kernel)"
	for kind in vfio iommufd; do
		for policy in pool strict; do
			for qd in 1 8; do
				echo ", \"$kind, $policy, $qd in flight\": $(median /tmp/rate-$kind-$policy-$qd)"
			done
		done
	done
}

{
	echo '{"mappings": {' && mappings && echo '}, "nvme_128k_mib_per_s": {' && rates && echo '}}'
} > /tmp/figures 2> /tmp/errors
status=$?
sed 's/^/# /' /tmp/errors
data < /tmp/figures
ok 'figures' [ $status = 0 ]
done_testing
