#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_drivers.py DMAMAP: drivers of Debian's linux-source-6.12, unchanged; skipped where that is not installed."""

import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..', 'kernel', 'run'))
sys.path.insert(0, HERE)
import rig  # noqa: E402

NET = [
    ('8139cp', ['drivers/net/ethernet/realtek/8139cp.c'], [], dict(device='qemu:rtl8139', sg=3, ethtool=True)),
    ('e1000e', ['drivers/net/ethernet/intel/e1000e'], ['E1000E=m'], dict(device='qemu:e1000e', sg=3, ethtool=True)),
]
number = bad = 0


def ok(good, name, findings=()):
    global number, bad
    number += 1
    bad += not good
    print(f'{"ok" if good else "not ok"} {number} - {name}', flush=True)
    for finding in findings:
        print('# ' + finding.full().replace('\n', '\n# '))


def net(tree, dmamap):
    for name, files, config, how in NET:
        built = rig.build(dmamap, [os.path.join(tree, f) for f in files], config=config, tree=tree)
        result = rig.runner(built, tx=300, rx=300, **how).run(name=name)
        ok(not result.findings and result.value('end') == 'done', f'{name}: no report', result.findings)
        events = [e for e in result.events if e.get('traffic')]
        ok(events and all(e['queued'] == e['frames_sent'] and e['peer_sent'] == e['frames_received'] for e in events) and
           result.total('frames_received') >= 300, f'{name}: every frame arrives')


def others(tree, dmamap):
    built = rig.build(dmamap, [os.path.join(tree, 'mm/dmapool_test.c')], tree=tree)
    result = rig.runner(built, device='sim', check=False, hang=60).run(name='dmapool_test')
    ok(not result.findings and result.value('module_init') == 0, 'dmapool_test: no report', result.findings)
    built = rig.build(dmamap, [os.path.join(tree, 'kernel/dma/map_benchmark.c')], tree=tree,
                      script=os.path.join(HERE, 'script_map_benchmark.c'))
    result = rig.runner(built, device='sim:e1000e,pcap-out=/dev/null', override=True, hang=60).run(name='map_benchmark')
    ok(not result.findings and result.value('script') == 0 and result.value('map_ns', 0) > 0, 'map_benchmark: no report',
       result.findings)


def main():
    tree = rig.tree()
    if not tree:
        print('1..0 # SKIP linux-source-6.12 is not installed')
        return 0
    if shutil.which('qemu-system-x86_64'):
        net(tree, sys.argv[1])
    else:
        print('ok 1 - network drivers # SKIP no qemu-system-x86_64')
    others(tree, sys.argv[1])
    print(f'1..{number}')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
