#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The output of the command is complete, or its status is 1; a document is valid JSON whatever names it contains.
. "$(dirname "$0")/lib.sh"

head -c 300000 /dev/urandom > data
truncate -s 1M disk

# Every command that prints. Arguments have no blanks.
commands() {
	cat <<-C
		list
		info --device sim
		nvme identify --device sim:nvme,image=disk
		nvme write --file data --device sim:nvme,image=disk
		nvme verify --file data --device sim:nvme,image=disk
		nvme bench --seconds 0.05 --device sim:nvme,image=disk
		edu selftest --device sim:edu
		bench iova --seconds 0.05
		faults --device sim:nvme,image=disk
		check list
		net tx --packets 5 --device sim:e1000e,pcap-out=/dev/null
		help
		help nvme
		--version
	C
}

full() { "$@" > /dev/full; }
no_output() { "$@" >&-; }
# The reader ends before anything is written.
no_reader() {
	{ sleep 0.1; "$@" 2> said; echo $? > status; } | true
	wait_for test -s status
	cat said >&2
	status=$(cat status)
	rm status
	return "$status"
}

commands > list
while read -r line; do
	ok "$line" "$dmamap" $line
	ok "$line: a full disk" fails 1 'standard output' full "$dmamap" $line
	ok "$line: a pipe that nobody reads" fails 1 'standard output' no_reader "$dmamap" $line
	ok "$line: no standard output" fails 1 'standard output' no_output "$dmamap" $line
	case $line in help* | --*) continue ;; esac
	ok "$line: a document, a full disk" fails 1 'standard output' full "$dmamap" $line --json
	ok "$line: a document, no standard output" fails 1 'standard output' no_output "$dmamap" $line --json
done < list
ok 'the report of a demo cannot be written' sh -c "! '$dmamap' check demo leak 2> /dev/full"
ok 'read: a full disk' fails 1 'standard output' full "$dmamap" nvme read --device sim:nvme,image=disk
ok 'read: no standard output' fails 1 'standard output' no_output "$dmamap" nvme read --device sim:nvme,image=disk

# The image of the disk does not get the number of a closed descriptor.
ok 'all descriptors closed' sh -c "'$dmamap' nvme write --file data --device sim:nvme,image=disk <&- >&- 2>&-; [ \$? = 1 ]"
ok 'all descriptors closed: the disk is right' cmp -n 300000 data disk

# valid FILE: a JSON document in UTF-8, with finite numbers.
valid() {
	python3 -c '
import json, sys
def no(name):
    raise ValueError(name)
json.loads(open(sys.argv[1], "rb").read().decode("utf-8"), parse_constant=no)' "$1"
}

# Files and folders have any names.
odd=$(printf 'odd\377\303\244\355\240\200')
mkdir "$odd"
cp disk data "$odd"
python3 - "$odd" <<'P'
import os, struct, sys
folder = os.fsencode(sys.argv[1])
frame = bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]) + bytes(48)
data = struct.pack('<IHHIIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
data += (struct.pack('<IIII', 0, 0, 60, 60) + frame) * 3
open(folder + b'/in', 'wb').write(data)
P
document() { # WHAT COMMAND…
	what=$1
	shift
	ok "$what: its document" sh -c '"$@" --json > doc.json' sh "$@"
	ok "$what: is valid" valid doc.json
}
disk=sim:nvme,image=$odd/disk
document 'odd names: identify' "$dmamap" nvme identify --device "$disk"
document 'odd names: verify' "$dmamap" nvme verify --file "$odd/data" --device "$disk"
document 'odd names: faults' "$dmamap" faults --device "$disk"
document 'odd names: info' "$dmamap" info --device "$disk"
document 'odd names: net' "$dmamap" net forward --device "sim:e1000e,pcap-in=$odd/in" --peer "sim:e1000e,pcap-out=$odd/out"
ok 'odd names: an error' sh -c "! '$dmamap' nvme verify --file '$odd/in' --length 1M --device '$disk' --json > doc.json"
ok 'odd names: an error in a document' valid doc.json
DMAMAP_SYSFS=$dir/sys DMAMAP_PROC=$dir/proc
export DMAMAP_SYSFS DMAMAP_PROC
f=sys/bus/pci/devices/0000:00:03.0
mkdir -p "$f" "sys/$odd/vfio-pci" "sys/groups/$odd" proc
ln -s "../../../../groups/$odd" $f/iommu_group
ln -s "../../../../$odd/$odd" $f/driver
printf "0x0 0xfff $odd\n" > "sys/groups/$odd/reserved_regions"
document 'odd names: list' "$dmamap" list
ln -sf "../../../../$odd/vfio-pci" $f/driver
document 'odd names: bind' "$dmamap" bind 00:03.0
unset DMAMAP_SYSFS DMAMAP_PROC

# Rows of other programs: numbers that are invalid, and names that are not text.
cat > peers <<P
#!/bin/sh
printf '{"name":"peer:inf","mean_ns":1e999}\n{"name":"peer:nan","mean_ns":NaN}\n{"name":"peer:less","mean_ns":-1}\n'
printf '{"name":"peer:$odd","mean_ns":1,"ops":1e999,"threads":-5,"max_ns":1e400,"p99_ns":"x"}\nrubbish\n[]\n'
P
chmod +x peers
document 'odd peers' env DMAMAP_PEERS=./peers "$dmamap" bench iova --seconds 0.05
ok 'odd peers: one row is good' json doc.json "len([r for r in d['results'] if r['name'].startswith('peer:')]) == 1 and
	[r for r in d['results'] if r['name'].startswith('peer:')][0]['max_ns'] == 1 and
	[r for r in d['results'] if r['name'].startswith('peer:')][0]['threads'] == 1"

# The demos print one document each, which contains what is otherwise written to standard error.
demo() {
	"$dmamap" check demo "$@" --json > doc.json 2> said && [ ! -s said ] && valid doc.json
}
ok 'check demo' demo xsk-twice
ok 'check demo: document' json doc.json "d['kind'] == 'xsk-twice' and d['ok'] and not d['legal'] and d['raised'] == 1 and
	d['others'] == 0 and [r['kind'] for r in d['reports']] == ['xsk-twice'] and 'freed or given on' in d['reports'][0]['text']"
ok 'check demo, legal' demo --legal leak
ok 'check demo, legal: document' json doc.json "d['ok'] and d['legal'] and d['raised'] == 0 and d['reports'] == []"
ok 'check demo, unknown' fails 2 'unknown kind' "$dmamap" check demo nothing --json

# A device with fewer address lines than its driver's mask.
lines() { # COMMAND…: says the address, the lines, the mask
	"$@" > said 2>&1
	[ $? = 1 ] && cat said && grep -q 'cannot reach address 0x[0-9a-f]*: it has 20 address lines' said &&
		grep -q "mask has $bits bits; $remedy" said
}
bits=64 remedy='give --mask 20'
ok 'address lines: identify' lines "$dmamap" nvme identify --device sim:nvme,image=disk,addr-bits=20
ok 'address lines: no word of a status' sh -c '! grep -q "status 0x000" said'
ok 'address lines: it helps' "$dmamap" nvme identify --mask 20 --device sim:nvme,image=disk,addr-bits=20
ok 'address lines: rx' lines "$dmamap" net rx --device "sim:e1000e,pcap-in=$odd/in,addr-bits=20"
ok 'address lines: tx' lines "$dmamap" net tx --packets 1 --device sim:e1000e,pcap-out=/dev/null,addr-bits=20
ok 'address lines: it helps' "$dmamap" net rx --mask 20 --ring 32 --device "sim:e1000e,pcap-in=$odd/in,addr-bits=20"
bits=28 remedy='open it with addr-bits=28 or more'
ok 'address lines: edu' lines "$dmamap" edu selftest --device sim:edu,addr-bits=20
done_testing
