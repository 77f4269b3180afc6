#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Packets through the network card: the output file equals the capture file, and lost packets are counted.
. "$(dirname "$0")/lib.sh"

if "$dmamap" net tx --device sim:e1000e --in missing 2>&1 | grep -q 'without libpcap'; then
	echo '1..0 # SKIP dmamap was built without libpcap'
	exit 0
fi

# pcap FILE COUNT LEAST MOST [CUT]: a capture file of generated frames; CUT bytes are missing at its end.
cat > pcap.py <<'P'
import random, struct, sys
name, count, least, most = sys.argv[1], *map(int, sys.argv[2:5])
random.seed(name)
data = struct.pack('<IHHIIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
for i in range(count):
    frame = bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]) + random.randbytes(random.randint(least, most) - 12)
    data += struct.pack('<IIII', i // 1000, i % 1000, len(frame), len(frame)) + frame
open(name, 'wb').write(data[:len(data) - int((sys.argv[5:] + ['0'])[0])])
P
pcap() { python3 pcap.py "$@"; }

# same A B [echo]: both have the same packets in the same order; echo: with the addresses exchanged.
cat > same.py <<'P'
import struct, sys
def load(name):
    data, at, frames = open(name, 'rb').read(), 24, []
    while at < len(data):
        kept = struct.unpack_from('<I', data, at + 8)[0]
        frames.append(data[at + 16:at + 16 + kept])
        at += 16 + kept
    return frames
a, b = load(sys.argv[1]), load(sys.argv[2])
if sys.argv[3:]:
    a = [f[6:12] + f[:6] + f[12:] for f in a]
sys.exit(0 if a == b else f'{len(a)} and {len(b)} packets, not the same')
P
same() { python3 same.py "$@"; }

pcap mixed 3000 14 1514
pcap small 500 60 60
pcap jumbo 200 14 9000

for mode in --zero-copy --copy; do
	rm -f out
	ok "$mode: rx to a file" "$dmamap" net rx $mode --device sim:e1000e,pcap-in=mixed --out out
	ok "$mode: the same packets" same mixed out
	ok "$mode: tx of a file" "$dmamap" net tx $mode --device sim:e1000e,pcap-out=out --in mixed
	ok "$mode: the same packets" same mixed out
	for keys in '' ,iommu=0 ,policy=lazy ,policy=identity ,untrusted=1 ,coherent=0; do
		ok "$mode: forward$keys" sh -c "'$dmamap' net forward $mode \
			--device sim:e1000e,pcap-in=mixed,pcap-out=out$keys --json > f.json"
		ok "$mode: forward$keys: the same packets" same mixed out
		ok "$mode: forward$keys: the document" json f.json "d['packets'] == 3000 and
			d['drops']['total'] == 0 and d['bytes'] > 0 and d['mpps'] > 0 and
			d['mode'] == '${mode#--}' and d['dma']['faults'] == 0 and d['dma']['leaks'] == 0"
	done
	ok "$mode: forward to another card" "$dmamap" net forward $mode \
		--device sim:e1000e,pcap-in=mixed --peer sim:e1000e,pcap-out=out
	ok "$mode: the same packets" same mixed out
	ok "$mode: echo" "$dmamap" net echo $mode --device sim:e1000e,pcap-in=mixed,pcap-out=out
	ok "$mode: the same packets, sent back" same mixed out echo
	ok "$mode: long packets" "$dmamap" net forward $mode --jumbo \
		--device sim:e1000e,pcap-in=jumbo,pcap-out=out
	ok "$mode: the same packets" same jumbo out
	ok "$mode: long packets to a file" "$dmamap" net rx $mode --jumbo \
		--device sim:e1000e,pcap-in=jumbo --out out
	ok "$mode: the same packets" same jumbo out
	ok "$mode: long packets of a file" "$dmamap" net tx $mode --jumbo \
		--device sim:e1000e,pcap-out=out --in jumbo
	ok "$mode: the same packets" same jumbo out
done

ok 'a number of packets' sh -c "'$dmamap' net rx --device sim:e1000e,pcap-in=small,loop=0 --packets 1234 \
	--json > doc.json"
ok 'a number of packets: that many' json doc.json "d['packets'] == 1234 and d['bytes'] == 1234 * 60"
ok 'a number of packets sent on' sh -c "'$dmamap' net forward --device sim:e1000e,pcap-in=small,loop=0,pcap-out=out \
	--packets 777 --json > doc.json"
ok 'a number of packets sent on: that many' json doc.json "d['packets'] == 777"
ok 'a number of packets sent on: in the file' test "$(stat -c %s out)" = $((24 + 777 * 76))
ok 'a file twice over' sh -c "'$dmamap' net rx --device sim:e1000e,pcap-in=small,loop=2 --json > doc.json"
ok 'a file twice over: both' json doc.json "d['packets'] == 1000"
ok 'a time' sh -c "'$dmamap' net tx --device sim:e1000e,pcap-out=/dev/null --seconds 0.2 --json > doc.json"
ok 'a time: that long' json doc.json "d['seconds'] >= 0.2 and d['packets'] > 0"
ok 'by the clock' sh -c "'$dmamap' net rx --device sim:e1000e,pcap-in=small,rate=100000 --json > doc.json"
ok 'by the clock: all counted' json doc.json "d['packets'] + d['drops']['total'] == 500"
ok 'too long without --jumbo' sh -c "'$dmamap' net rx --device sim:e1000e,pcap-in=jumbo --json > doc.json"
ok 'too long without --jumbo: counted' json doc.json "d['drops']['card_long'] == d['drops']['total'] > 0 and
	d['packets'] + d['drops']['card_long'] == 200"
ok 'as text' sh -c "'$dmamap' net rx --device sim:e1000e,pcap-in=small | grep -q '^rx .* 500 packets.*0 lost'"

# the card accepts damaged packets; for a file that the command reads, the error message names the position
pcap cut 100 60 60 20
ok 'a cut file' fails 1 'truncated' "$dmamap" net rx --device sim:e1000e,pcap-in=cut
ok 'a cut file, by number' sh -c "'$dmamap' net rx --device sim:e1000e,pcap-in=cut --seconds 1 --json > doc.json"
ok 'a cut file, by number: the rest is counted' json doc.json \
	"d['packets'] == 99 and d['drops']['card_rx_errors'] == 1"
ok 'a cut file to send' fails 1 'after packet 99' \
	"$dmamap" net tx --device sim:e1000e,pcap-out=/dev/null --in cut
head -c 10 small > stub
ok 'no header' fails 1 'shorter' "$dmamap" net rx --device sim:e1000e,pcap-in=stub
ok 'no capture file' fails 1 'not a pcap file' "$dmamap" net rx --device sim:e1000e,pcap-in=pcap.py
ok 'no capture file to send' fails 1 'pcap.py' "$dmamap" net tx --device sim:e1000e --in pcap.py
ok 'no such file' fails 1 'missing' "$dmamap" net rx --device sim:e1000e,pcap-in=missing
ok 'no place for the file' fails 1 'none/out' "$dmamap" net rx --device sim:e1000e,pcap-in=small --out none/out
ok 'a full file system' fails 1 'to its end' "$dmamap" net rx --device sim:e1000e,pcap-in=mixed --out /dev/full

# No file is written while it is read, or by two options: it is unchanged, whatever its name is.
cp small before
ln -s small soft
ln small hard
for path in small ./small soft hard "$dir/small"; do
	ok "rx onto its input, $path" fails 1 'one file' "$dmamap" net rx --device sim:e1000e,pcap-in=small --out "$path"
	ok "tx onto its input, $path" fails 1 'one file' "$dmamap" net tx --in small --device "sim:e1000e,pcap-out=$path"
	ok "echo onto its input, $path" fails 1 'one file' "$dmamap" net echo --device "sim:e1000e,pcap-in=small,pcap-out=$path"
	ok "forward onto its input, $path" fails 1 'one file' "$dmamap" net forward \
		--device sim:e1000e,pcap-in=small --peer "sim:e1000e,pcap-out=$path"
done
ok 'the input is as it was' cmp small before
ok 'two outputs' fails 1 'one file' "$dmamap" net forward --device sim:e1000e,pcap-in=small,pcap-out=new \
	--peer sim:e1000e,pcap-out=./new
ok 'two outputs: none was made' test ! -e new
ok 'two outputs of rx' fails 1 'one file' "$dmamap" net rx --out hard --device sim:e1000e,pcap-out=small
ok 'nowhere is no file' "$dmamap" net rx --out /dev/null --device sim:e1000e,pcap-in=small,pcap-out=/dev/null
ok 'a device that is refused leaves --out alone' fails 1 missing "$dmamap" net rx --out hard --device sim:e1000e,pcap-in=missing
ok 'it is as it was' cmp hard before

# A disk that fills up only when the last packets are written.
mkdir tiny
if unshare -rm mount -t tmpfs -o size=32k none tiny 2> /dev/null; then
	tiny() { unshare -rm sh -c 'mount -t tmpfs -o size=32k none tiny && exec "$@"' sh "$@"; }
	ok 'a full file system: pcap-out' fails 1 'is the disk full' tiny \
		"$dmamap" net tx --packets 40 --size 1000 --device sim:e1000e,pcap-out=tiny/out
	ok 'a full file system: pcap-out of the peer' fails 1 'is the disk full' tiny \
		"$dmamap" net forward --device sim:e1000e,pcap-in=small --peer sim:e1000e,pcap-out=tiny/out
	ok 'a full file system: --out' fails 1 'to its end' tiny \
		"$dmamap" net rx --device sim:e1000e,pcap-in=small --out tiny/out
	ok 'one that is not' tiny "$dmamap" net tx --packets 30 --size 1000 --device sim:e1000e,pcap-out=tiny/out
fi
ok 'no link' fails 1 'link is down' "$dmamap" net tx --device sim:e1000e --packets 1

ok 'unplugged' fails 1 'it was removed' "$dmamap" net rx --device sim:e1000e,pcap-in=small,loop=0,unplug=10000
ok 'unplugged while copying' fails 1 'it was removed' \
	"$dmamap" net forward --copy --device sim:e1000e,pcap-in=small,loop=0,unplug=10000

ok 'no action' fails 2 'give an action' "$dmamap" net --device sim:e1000e
ok 'unknown action' fails 2 'actions are' "$dmamap" net fly --device sim:e1000e
ok 'no device' fails 2 'give --device' "$dmamap" net rx
ok 'another device' fails 1 'no network card' "$dmamap" net rx --device sim:edu
ok 'a peer for nothing' fails 2 '--peer' "$dmamap" net rx --device sim:e1000e --peer sim:e1000e
ok 'two modes' fails 2 'contradict' "$dmamap" net rx --device sim:e1000e --copy --zero-copy
ok 'a crooked chunk' fails 2 '--chunk' "$dmamap" net rx --device sim:e1000e --chunk 3000
ok 'no packets' fails 2 'not a number' "$dmamap" net rx --device sim:e1000e --packets 0
ok 'help' sh -c "'$dmamap' help net | grep -q -- --peer"

# A signal ends the command in an orderly way.
interrupt() {
	"$dmamap" net forward --device sim:e1000e,pcap-in=small,loop=0 --json > doc.json 2> said &
	pid=$!
	pids="$pids $pid"
	sleep 0.3
	kill -INT $pid
	wait $pid
	[ $? = 1 ] && grep -q 'interrupted after' said
}
ok 'a signal' interrupt
ok 'a signal: nothing was left mapped' json doc.json "d['dma']['leaks'] == 0 and d['packets'] > 0"
done_testing
