#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Copies a file onto an NVMe disk by DMA and back, in each of the four ways that a mapping can go,
# and compares every byte. usage: demo.sh DMAMAP [MIB]
set -euo pipefail

dmamap=$1
mib=${2:-64}
size=$((mib * 1024 * 1024))
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

field() { # FILE NAME: a number out of the command's JSON
	grep -oE "\"$2\" *: *[0-9]+" "$1" | head -n 1 | grep -oE '[0-9]+$'
}

fail() {
	echo "demo: $*" >&2
	exit 1
}

# WHAT KEYS MASK direct|bounces: the disk is new each time, so nothing can be left of an earlier way.
way() {
	local what=$1 device=(--device "sim:nvme,image=$dir/disk,$2" --mask "$3" --json) bounced rate

	rm -f "$dir/disk" "$dir/back"
	truncate -s "$size" "$dir/disk"
	"$dmamap" nvme write "${device[@]}" --file "$dir/file" > "$dir/write"
	cmp -s "$dir/file" "$dir/disk" || fail "$what: the disk does not hold the file"
	"$dmamap" nvme verify "${device[@]}" --file "$dir/file" > "$dir/verify"
	"$dmamap" nvme read "${device[@]}" --length "$size" --file "$dir/back" > "$dir/read"
	cmp -s "$dir/file" "$dir/back" || fail "$what: the file came back different"

	bounced=$(($(field "$dir/write" bounced_bytes) + $(field "$dir/read" bounced_bytes)))
	case $4 in
	bounces) ((bounced >= 2 * size)) || fail "$what: only $bounced bytes bounced" ;;
	*) ((bounced == 0)) || fail "$what: $bounced bytes bounced" ;;
	esac
	[ "$(field "$dir/read" leaks)" = 0 ] || fail "$what: mappings were left"
	rate="$(field "$dir/write" mib_per_s) MiB/s on, $(field "$dir/read" mib_per_s) MiB/s off"
	printf '%-34s ok: %d MiB each way, %5s MiB bounced, %s\n' \
		"$what" "$mib" "$((bounced >> 20))" "$rate"
}

head -c "$size" /dev/urandom > "$dir/file"
echo "A random file of $mib MiB goes onto an NVMe disk by DMA, is verified there, and comes back:"
way 'direct' iommu=0 64 direct
way 'direct, 32-bit device: bounced' iommu=0,addr-bits=32 32 bounces
way 'IOMMU, policy strict' policy=strict 64 direct
way 'IOMMU, policy lazy' policy=lazy 64 direct
