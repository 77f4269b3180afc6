#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Programs that are linked with libxdp run with libdmamap-xsk preloaded. Their calls return what the same
# calls return on a pair of the system's interfaces, where the system permits AF_XDP; the expected results in
# *.expected were recorded there (Linux 6.18).
# usage: xsk_preload.sh DMAMAP LIBRARY XSK_CALLS XSK_RAW XSK_PRELOADED
. "$(dirname "$0")/lib.sh"
here=$(cd "$OLDPWD" && cd "$(dirname "$0")" && pwd) || exit 99
library=$(cd "$OLDPWD" && realpath "$2") || exit 99
calls=$(cd "$OLDPWD" && realpath "$3") || exit 99
raw=$(cd "$OLDPWD" && realpath "$4") || exit 99
preloaded=$(cd "$OLDPWD" && realpath "$5") || exit 99

# on NAMES COMMAND…: runs the command with the library preloaded for these names.
on() {
	names=$1
	shift
	DMAMAP_XSK=$names LD_PRELOAD=$library "$@"
}

# same EXPECTED COMMAND…: the output of the command must equal the file.
same() {
	expected=$1
	shift
	"$@" > same.out 2> same.err || { cat same.err; return 1; }
	diff "$expected" same.out
}

# skip NAME WHY
skip() {
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

# says TEXT COMMAND…: a line of the output of the command must be TEXT.
says() {
	text=$1
	shift
	"$@" > says.out 2>&1
	cat says.out
	grep -qF -- "$text" says.out
}

cat > pcap.py <<'P'
import struct, sys
n, size = int(sys.argv[2]), int(sys.argv[3])
data = struct.pack('<IHHIIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
frame = b'\xff' * 12 + b'\x88\x88' + b'x' * (size - 14)
for i in range(n):
    data += struct.pack('<IIII', 0, i, size, size) + frame
open(sys.argv[1], 'wb').write(data)
P
python3 pcap.py in 1500 60 && python3 pcap.py middle 40 3800 && python3 pcap.py jumbo 40 9000 || exit 99

pair='pv0=sim:e1000e,wire=pair:w;pv1=sim:e1000e,wire=pair:w'
ok 'calls on cards' same "$here/xsk_calls.expected" on "$pair" "$calls" pv0 pv1
ok 'system calls on a card' same "$here/xsk_raw.expected" on 'pv0=sim:e1000e,pcap-out=/dev/null' "$raw" pv0

# The same on the system's interfaces, in a namespace that is removed when the program in it ends.
cat > veth.sh <<'V'
ip link add dmamap0 type veth peer name dmamap1 &&
	echo 1 > /proc/sys/net/ipv6/conf/dmamap0/disable_ipv6 && echo 1 > /proc/sys/net/ipv6/conf/dmamap1/disable_ipv6 &&
	ip link set dmamap0 up && ip link set dmamap1 up && "$@"
V
if unshare -n sh veth.sh "$raw" dmamap0 > /dev/null 2>&1; then
	ok 'system calls on a virtual interface' same "$here/xsk_raw.expected" unshare -n sh veth.sh "$raw" dmamap0
	ok 'system calls on a virtual interface, preloaded' same "$here/xsk_raw.expected" \
		on 'other=sim:e1000e' unshare -n sh veth.sh "$raw" dmamap0
	unshare -n sh veth.sh "$calls" dmamap0 dmamap1 > /dev/null 2>&1
	if [ $? = 77 ]; then
		skip 'calls on virtual interfaces' 'the system does not permit XDP programs'
	else
		ok 'calls on virtual interfaces' same "$here/xsk_calls.expected" \
			unshare -n sh veth.sh "$calls" dmamap0 dmamap1
	fi
else
	skip 'system calls on a virtual interface' 'the system does not permit AF_XDP sockets here'
fi

one='eth0=sim:e1000e,pcap-in=in'
for mode in zc zc-nw copy copy-nw; do
	ok "every packet: $mode" says '1500 frames, longest 60, dropped 0' on "$one" "$preloaded" receive eth0 $mode 30
	ok "every packet, paced: $mode" says '1500 frames, longest 60, dropped 0' \
		on "$one,rate=50000" "$preloaded" receive eth0 $mode 10
	rm -f out
	ok "all is sent that was completed: $mode" says 'completed 1000' \
		on 'eth0=sim:e1000e,pcap-out=out' "$preloaded" send eth0 $mode 1000
	ok "all is sent that was completed: $mode: in the file" test "$(stat -c %s out)" = $((24 + 1000 * 76))
done
ok 'drop=1 loses packets' sh -c "DMAMAP_XSK='$one,drop=1' LD_PRELOAD=$library $preloaded receive eth0 zc 50 > text &&
	grep -q ' frames' text && ! grep -q '^1500 frames' text"
ok 'a frame that fills a chunk: zc' says '40 frames, longest 3800' on "eth0=sim:e1000e,pcap-in=middle" "$preloaded" receive eth0 zc
ok 'a frame that fills a chunk: copy' says '40 frames, longest 3800' \
	on "eth0=sim:e1000e,pcap-in=middle" "$preloaded" receive eth0 copy
ok 'jumbo frames: zc' says '40 frames, longest 9000' on "eth0=sim:e1000e,pcap-in=jumbo" "$preloaded" receive eth0 zc-sg
ok 'jumbo frames: copy' says '40 frames, longest 9000' on "eth0=sim:e1000e,pcap-in=jumbo" "$preloaded" receive eth0 copy-sg
ok 'two sockets in turn' says '750 and 750' on "$one" "$preloaded" share eth0
ok 'one socket in the map' says '1500 and 0' on "$one" "$preloaded" share eth0 zc 1
ok 'rings belong to the program' says 'written 0, first 0, next 64' on "$one" "$preloaded" rings eth0
ok 'a queue in use' says 'in use: -16' on "$one" "$preloaded" refused eth0
ok 'a child cannot use the UMEM' says 'child: EBADF' on "$one" "$preloaded" fork eth0
ok 'a child changes nothing' says 'parent: 1500 frames' on "$one" "$preloaded" fork eth0
ok 'two programs with the same mapping have a card each' sh -c "
	DMAMAP_XSK='$one' LD_PRELOAD=$library $preloaded receive eth0 > first & pid=\$!
	DMAMAP_XSK='$one' LD_PRELOAD=$library $preloaded receive eth0 > second; wait \$pid
	grep -q '^1500 frames' first && grep -q '^1500 frames' second"
ok 'no such queue' says 'no queue: -22' on "$one" "$preloaded" refused eth0
ok 'no such device' says 'socket: ENODEV' on 'eth0=nothing' "$preloaded" receive eth0
ok 'no such device: the reason' says 'DMAMAP_XSK: cannot open eth0=nothing' on 'eth0=nothing' "$preloaded" receive eth0
ok 'a bad spec' says 'socket: EINVAL' on 'eth0=sim:e1000e,bad=1' "$preloaded" receive eth0
ok 'no such name' says 'socket: ENODEV' on "$one" "$preloaded" receive eth7
ok 'a bad mapping' says 'is left out: write IFNAME=SPEC' on 'eth0' "$preloaded" names eth0
cat > names.expected <<'N'
address: 0
file: 1
no file: 1
channels: 0 1
driver: 0 dmamap
mtu: 0
mtu: 0 9000
mtu: -1
program: 0 0
attach: 0
program: 0 1
detach: 0
multiprog: 0
N
ok 'what is asked about a name' same names.expected on "$one" "$preloaded" names eth0
cat > link.expected <<'N'
sent: 1
received: 1
type 16, seq 4711
index: 1
name: eth0
mtu: 1500
lo: 1
N
ok 'RTM_GETLINK' same link.expected on "$one" "$preloaded" link eth0
done_testing
