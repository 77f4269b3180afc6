#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The stacks of reports begin in the program, also when the library has no symbols: check_border.sh
# DMAMAP PROGRAM LIBRARY.
program=$(realpath "$2") || exit 99
library=$(realpath "$3") || exit 99
. "$(dirname "$0")/lib.sh"

# begins_in_main FILE: each stack of each report, one JSON document a line, begins with main.
begins_in_main() {
	python3 -c '
import json, sys
reports = [json.loads(line) for line in open(sys.argv[1])]
stacks = [s for r in reports for s in r["stacks"]]
bad = [s for s in stacks if not s["calls"][0].startswith("main (")]
inside = [c for s in stacks for c in s["calls"] if "libdmamap" in c]
sys.exit(f"{bad} {inside}" if bad or inside or len(reports) < 9 or len(stacks) < 12 else 0)' "$1"
}

cp "$library" full.so
strip --strip-all -o stripped.so "$library"
for kind in full stripped; do
	mkdir $kind
	cp $kind.so $kind/"$(basename "$library")"
	ln -s "$(basename "$library")" $kind/libdmamap.so.0
	ok "$kind library: it runs" sh -c \
		"LD_LIBRARY_PATH=\$PWD/$kind DMAMAP_CHECK=json=\$PWD/$kind.json '$program' > $kind.count"
	ok "$kind library: its frames are not shown" begins_in_main $kind.json
	ok "$kind library: every report is there" sh -c "test -s $kind.count && [ \$(wc -l < $kind.json) = \$(cat $kind.count) ]"
done
done_testing
