#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
test_kernel.py DMAMAP [--sanitize S] [--failnth] [CASE...]: builds the cases with the runtime and runs each in a process of
its own. A case passes when it raises the kinds of finding that it names, and no other, in its own function. --failnth runs one
case with each call that can fail failing in turn, those of the runtime itself included.
"""

import argparse
import concurrent.futures
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..', 'kernel', 'run'))
sys.path.insert(0, HERE)
import rig  # noqa: E402

SITES = ('runtime', 'kmalloc', 'skb', 'irq', 'ioremap', 'register', 'page', 'map', 'coherent', 'pool')
NO_STACK = 'write_past_coherent'  # the checker has it, the ledger does not


def verdict(case, result):
    if result.value('error'):
        return result.value('error')
    if not result.value('ran'):
        return 'the case did not run'
    kinds = set(f.kind for f in result.findings)
    wanted = set(case['expect'].split())
    if kinds != wanted:
        return f'wanted {sorted(wanted)}, got ' + '; '.join(f.full() for f in result.findings)
    for finding in result.findings:
        if not any(HERE in os.path.abspath(frame.file) for frame in finding.stack + finding.other):
            return f'no frame of the case: {finding.full()}'
        if finding.kind in ('heap-buffer-overflow', 'use-after-free') and not finding.other and case['case'] != NO_STACK:
            return f'no stack of the allocation: {finding.full()}'
    return None


def runner(build, device=True):
    return rig.runner(build, device='sim:e1000e,pcap-out=/dev/null' if device else None, firmware=os.path.join(HERE, 'input'))


def failnth(build):
    print(f'1..{len(SITES)}')
    bad = 0
    for number, site in enumerate(SITES, 1):
        failed, wrong = 0, []
        while len(wrong) < 3:
            result = runner(build).run(['param=run=every_call_may_fail', f'fail={site}', f'nth={failed + 1}'], site)
            if result.findings or result.value('end') != 'done':
                wrong.append(f'call {failed + 1}: end {result.value("end")}: ' + '; '.join(f.full() for f in result.findings))
            if result.injected is None and result.value('injected') is None:
                break
            failed += 1
        good = failed and not wrong
        bad += not good
        print(f'{"ok" if good else "not ok"} {number} - {site}: {failed} calls failed', flush=True)
        for text in wrong:
            print('# ' + text.replace('\n', '\n# '))
    return 1 if bad else 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument('dmamap')
    p.add_argument('cases', nargs='*')
    p.add_argument('--sanitize', default='address')
    p.add_argument('--failnth', action='store_true')
    args = p.parse_args()
    sources = [os.path.join(HERE, name) for name in sorted(os.listdir(HERE)) if name.startswith('case_')]
    build = rig.build(args.dmamap, sources, sanitize=args.sanitize)
    if args.failnth:
        return failnth(build)
    everything = [e for e in rig.runner(build).run(name='list').events if 'case' in e]
    cases = [c for c in everything if not args.cases or c['case'] in args.cases]
    if args.sanitize != 'address':
        cases = [c for c in cases if not c['flags'] & 2]

    def one(case):
        return runner(build, case['flags'] & 1).run([f'param=run={case["case"]}'], case['case'])

    print(f'1..{len(cases)}')
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for number, (case, result) in enumerate(zip(cases, pool.map(one, cases)), 1):
            why = verdict(case, result)
            bad += why is not None
            print(f'{"not ok" if why else "ok"} {number} - {case["case"]}' + ''.join(
                f'\n# {line}' for line in (why or '').splitlines()), flush=True)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
