#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The other commands, as text and as one JSON document each.
. "$(dirname "$0")/lib.sh"

run_json() { # NAME EXPRESSION COMMAND…
	name=$1
	expression=$2
	shift 2
	ok "$name" sh -c '"$@" --json > doc.json 2> said && [ ! -s said ]' sh "$@"
	ok "$name: document" json doc.json "$expression"
}

run_json 'edu selftest' "d['ok'] and len(d['tests']) == 5 and d['leaks'] == 0 and d['faults'] == 0" \
	"$dmamap" edu selftest --device sim:edu
for keys in iommu=0 policy=lazy untrusted=1 iommu=0,coherent=0; do
	ok "edu selftest, $keys" "$dmamap" edu selftest --device sim:edu,$keys
done
run_json 'info' "d['mask'] == 0xffffffff and d['iommu'] and d['policy'] == 'strict' and
	d['ram']['bytes'] == 8 << 30 and d['ram']['swiotlb_bytes'] == 64 << 20 and
	d['page_sizes'] == [4096, 2 << 20, 1 << 30]" "$dmamap" info --device sim
run_json 'info, no IOMMU' "not d['iommu'] and d['policy'] == 'direct' and
	d['max_mapping_size'] > 0 and d['ram']['bytes'] == 1 << 30" \
	"$dmamap" info --device sim,iommu=0,ram=1G
run_json 'info of a model' "d['model'] == 'nvme' and d['reset'] and d['steps'] and d['regions'][0]['size'] == 16384 and
	{k['name']: k.get('default') for k in d['keys']} == {'image': None, 'queues': '16', 'readonly': '0', 'serial': 'dmamap-1'}" \
	"$dmamap" info sim:nvme
ok 'info of a model as text' sh -c "'$dmamap' info sim:nvme | grep -q '^queues .*number, 1 to 16; default 16;'"
ok 'info of an unknown model' sh -c "'$dmamap' info sim:nothing 2>&1 | grep -q 'there are sim'"
ok 'info with a spec that is no model' sh -c "'$dmamap' info sim,iommu=0 | grep -q '^policy .*direct'"
ok 'info as text' sh -c "'$dmamap' info --device sim | grep -q '^policy .*strict'"
run_json 'check list' "'unmap-not-mapped' in [k['name'] for k in d['kinds']]" \
	"$dmamap" check list
truncate -s 1M disk
run_json 'faults, nvme' "d['faults'] == [] and d['lost'] == 0" "$dmamap" faults --device sim:nvme,image=disk
run_json 'faults, edu' "d['faults'] == []" "$dmamap" faults --device sim:edu
run_json 'faults, bare' "d['faults'] == []" "$dmamap" faults --device sim

# list: the functions of this machine, of an empty machine, and of a sysfs tree of the test.
run_json 'list' "len(d['simulated']) == 4" "$dmamap" list
DMAMAP_SYSFS=$dir/none
export DMAMAP_SYSFS
run_json 'list, no PCI' "d['functions'] == []" "$dmamap" list
ok 'list, no PCI, says so' sh -c "'$dmamap' list | grep -q 'no PCI'"
DMAMAP_SYSFS=$dir/sys
f=sys/bus/pci/devices/0000:00:03.0
mkdir -p $f sys/groups/7 sys/drivers/vfio-pci
echo 0x010802 > $f/class
echo 0x1b36 > $f/vendor
echo 0x0010 > $f/device
ln -s ../../../../groups/7 $f/iommu_group
ln -s ../../../../drivers/vfio-pci $f/driver
printf '0x00000000fee00000 0x00000000feefffff msi\nrubbish\n' > sys/groups/7/reserved_regions
mkdir -p sys/bus/pci/devices/0000:00:02.0
run_json 'list, made up' "len(d['functions']) == 2 and d['functions'][1] == {
	'address': '0000:00:03.0', 'class': '010802', 'class_name': 'NVMe controller', 'vendor': '1b36',
	'device': '0010', 'driver': 'vfio-pci', 'iommu_group': '7', 'can_open': True,
	'reserved': [{'first': 0xfee00000, 'last': 0xfeefffff, 'type': 'msi'}],
	'missing': None, 'remedy': None} and d['functions'][0]['driver'] is None and
	not d['functions'][0]['can_open'] and 'no IOMMU group' in d['functions'][0]['missing']" "$dmamap" list

# bind and unbind, in a sysfs tree of the test: a refusal changes nothing. No kernel binds the function, so
# bind reports that vfio-pci did not bind it, and restores what it wrote.
DMAMAP_PROC=$dir/proc
export DMAMAP_PROC
mkdir -p proc/self proc/42/fd sys/bus/pci/drivers/vfio-pci sys/bus/pci/drivers/nvme
ln -s /dev/vfio/7 proc/42/fd/3
: > sys/bus/pci/drivers_probe; : > sys/bus/pci/drivers/vfio-pci/unbind; : > sys/bus/pci/drivers/nvme/unbind
: > $f/driver_override
ok 'bind of what is bound' sh -c "'$dmamap' bind 00:03.0 | grep -q 'driver vfio-pci'"
ok 'unbind of what is open' fails 1 'process 42 has it open' "$dmamap" unbind 00:03.0
rm proc/42/fd/3
ok 'unbind' "$dmamap" unbind 00:03.0
ok 'unbind wrote' sh -c 'grep -qx 0000:00:03.0 sys/bus/pci/drivers/vfio-pci/unbind sys/bus/pci/drivers_probe'
rm $f/driver
: > $f/driver_override
ln -s ../../../../drivers/nvme $f/driver
ok 'unbind of what is not bound' fails 1 'bound to nvme, not to vfio-pci' "$dmamap" unbind 00:03.0
disk=sys/class/block/nvme0n1 # of which nvme0c1n1 is a path
mkdir -p $f/nvme/nvme0/nvme0c1n1 $disk/holders $disk/nvme0n1p2/holders sys/class/net
for at in $f/nvme/nvme0/nvme0c1n1 $disk $disk/nvme0n1p2; do ln -s /sys/class/block $at/subsystem; done
echo 259:0 > $disk/dev
echo 259:2 > $disk/nvme0n1p2/dev
: > sys/bus/pci/drivers_probe
ok 'bind without a list of mounts' fails 1 'may be in use: cannot read' "$dmamap" bind 00:03.0
echo '20 1 259:2 / /home rw - ext4 /dev/root rw' > proc/self/mountinfo
ok 'bind of a mounted disk' fails 1 'nvme0n1p2 is mounted at /home: umount' "$dmamap" bind 00:03.0
run_json 'list, mounted' "'mounted at /home' in d['functions'][1]['missing'] and
	d['functions'][1]['remedy'] is None" "$dmamap" list
echo '20 1 0:7 / /home rw - ext4 /dev/nvme0n10 rw' > proc/self/mountinfo
echo '20 1 259:0 / /data rw - ext4 /dev/other rw' > proc/42/mountinfo
ok 'bind of a disk mounted in another namespace' fails 1 'mounted at /data in the mount namespace of process 42' \
	"$dmamap" bind 00:03.0
rm proc/42/mountinfo
echo '/dev/nvme0n1 partition 1 0 -2' > proc/swaps
ok 'bind of swap space' fails 1 'swapoff' "$dmamap" bind 00:03.0
: > proc/swaps
mkdir $disk/holders/md0
ok 'bind of a part of a RAID' fails 1 'part of another' "$dmamap" bind 00:03.0
rmdir $disk/holders/md0
mkdir -p sys/fs/btrfs/1234/devices/nvme0n1p2
ok 'bind of a part of a btrfs' fails 1 'part of a btrfs' "$dmamap" bind 00:03.0
rm -r sys/fs/btrfs
mkdir -p $f/net/eth0
ln -s ../../../../../../../class/net $f/net/eth0/subsystem
echo 0x1003 > $f/net/eth0/flags
ok 'bind of an interface that is up' fails 1 'ip link set eth0 down' "$dmamap" bind 00:03.0
echo 0x1002 > $f/net/eth0/flags
ok 'refusals wrote nothing' sh -c "[ ! -s sys/bus/pci/drivers_probe ] && [ ! -s sys/bus/pci/drivers/nvme/unbind ] &&
	[ ! -s $f/driver_override ]"
run_json 'list, remedy' "'dmamap bind 0000:00:03.0' in d['functions'][1]['remedy'] and
	'driver nvme' in d['functions'][1]['missing']" "$dmamap" list
ok 'bind that fails' fails 1 'vfio-pci did not accept 0000:00:03.0' "$dmamap" bind 00:03.0
ok 'bind gave back' sh -c "[ -z \"\$(head -n 1 $f/driver_override)\" ] && grep -qx 0000:00:03.0 sys/bus/pci/drivers/nvme/unbind"
rm -r sys/bus/pci/drivers/vfio-pci
ok 'bind without vfio-pci' fails 1 'modprobe vfio-pci' "$dmamap" bind 00:03.0
ok 'bind of nothing' fails 1 'no PCI function 0000:00:09.0' "$dmamap" bind 00:09.0
ok 'bind of rubbish' fails 1 'PCI address' "$dmamap" bind eth0
unset DMAMAP_SYSFS DMAMAP_PROC

# bench: every row is complete, names are unique for each number of threads, and the order is always the same.
for what in map iova dmapool translate swiotlb xsk odp check; do
	run_json "bench $what" "len(d['results']) >= 4 and all(set(r) == {'name', 'threads', 'ops',
		'mean_ns', 'p50_ns', 'p99_ns', 'p999_ns', 'max_ns'} and r['ops'] > 0 and
		0 < r['p50_ns'] <= r['p99_ns'] <= r['p999_ns'] <= r['max_ns'] for r in d['results']) and
		len({(r['name'], r['threads']) for r in d['results']}) == len(d['results'])" \
		"$dmamap" bench $what --seconds 0.05
done
# A device that is named is measured once on each path, under the name of its own policy; rows that need more RAM are omitted.
for policy in identity lazy; do
	run_json "bench map of a device, $policy" "[r['name'] for r in d['results']] == [
		*(f'dma_map_single+unmap 4K $policy, {n} live' for n in (1, 1000, 10000, 100000)),
		'dma_map_sg+unmap 64 pages $policy, per page', 'page table map+unmap 4K, random in 64k pages']" \
		"$dmamap" bench map --device sim,policy=$policy,ram=2G --threads 1 --seconds 0.04
done
ok 'rows that RAM is too small for' sh -c "'$dmamap' bench map --device sim,ram=64M --threads 1 --seconds 0.04 2>&1 |
	grep -q '100000 live.: RAM has no 100000 contiguous pages: add ram=2048M'"
ok 'bench as text' sh -c "'$dmamap' bench dmapool --seconds 0.02 --threads 1 | grep -q '16 B'"
cat > peers <<'P'
#!/bin/sh
echo "$@" > peers.args
echo 'no JSON'
echo '{"name":"peer:x y","threads":2,"ops":10,"mean_ns":3.5,"min_ns":1,"median_ns":3,"max_ns":9}'
echo '{"name":"not a peer","mean_ns":1}'
echo '{"mean_ns":1}'
P
chmod +x peers
DMAMAP_PEERS=$dir/peers
export DMAMAP_PEERS
run_json 'bench with peers' "d['results'][-1] == {'name': 'peer:x y', 'threads': 2, 'ops': 10,
	'mean_ns': 3.5, 'p50_ns': 3.0, 'p99_ns': 9.0, 'p999_ns': 9.0, 'max_ns': 9.0} and
	sum(r['name'].startswith('peer:') for r in d['results']) == 1" \
	"$dmamap" bench iova --seconds 0.05
ok 'peers are asked by name' test "$(cat peers.args)" = '--quick iova iova-frag'
DMAMAP_PEERS=$dir/missing
ok 'bench without the peers that should be there' sh -c \
	"'$dmamap' bench dmapool --seconds 0.02 --json > doc.json 2> said && grep -q 'its rows are missing' said"
ok 'and its document' json doc.json "len(d['results']) > 0"
done_testing
