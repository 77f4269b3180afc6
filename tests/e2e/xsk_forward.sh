#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# An ordinary AF_XDP program, relinked: a capture file passes through two network cards and is unchanged.
# usage: xsk_forward.sh DMAMAP XSK_FORWARD
. "$(dirname "$0")/lib.sh"
forward=$(cd "$OLDPWD" && realpath "$2") || exit 99

cat > pcap.py <<'P'
import random, struct, sys
random.seed(4711)
data = struct.pack('<IHHIIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
for i in range(1500):
    frame = random.randbytes(random.randint(60, 1514))
    frame = bytes([2]) + frame[1:6] + bytes([2]) + frame[7:]
    data += struct.pack('<IIII', i // 1000, i % 1000, len(frame), len(frame)) + frame
open('in', 'wb').write(data)
P
cat > same.py <<'P'
import struct
def load(name):
    data, at, frames = open(name, 'rb').read(), 24, []
    while at < len(data):
        kept = struct.unpack_from('<I', data, at + 8)[0]
        frames.append(data[at + 16:at + 16 + kept])
        at += 16 + kept
    return frames
a, b = load('in'), load('out')
raise SystemExit(0 if a == b else f'{len(a)} and {len(b)} packets, not the same')
P
python3 pcap.py || exit 99

for keys in '' ,iommu=0 ,policy=lazy ,coherent=0 ,untrusted=1; do
	for mode in '-z' '-z -w' '-c' '-c -w'; do
		rm -f out
		# shellcheck disable=SC2086
		ok "forward $mode$keys" "$forward" $mode -i sim:e1000e,pcap-in=in$keys \
			-o sim:e1000e,pcap-out=out$keys -n 1500
		ok "forward $mode$keys: the same packets" python3 same.py
	done
done
rm -f out
card=sim:e1000e,pcap-in=in,pcap-out=out
ok 'echo on one card' "$forward" -i $card -o $card -n 1500
ok 'echo on one card: the same packets' python3 same.py
ok 'no such interface' sh -c "! '$forward' -i eth99 -o eth98 2> said && grep -q 'No such device' said"
done_testing
