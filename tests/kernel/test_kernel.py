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
FLAG_PCI, FLAG_NO_TSAN = 1, 2


def build(dmamap, sanitize, places=None):
    sources = [os.path.join(HERE, name) for name in sorted(os.listdir(HERE)) if name.startswith('case_')]
    return rig.build(dmamap, sources, places, sanitize=sanitize)


def run(built, words, pci=True):
    device = 'sim:e1000e,pcap-out=/dev/null' if pci else None
    return rig.runner(built, device=device, firmware=os.path.join(HERE, 'input')).run(words, 'case')


def cases_of(built):
    return [e for e in rig.runner(built).run(name='list').events if 'case' in e]


def run_case(built, case):
    return run(built, [f'param=run={case["case"]}'], case['flags'] & FLAG_PCI)


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


def failnth(built, quiet=False):
    """Returns the number of sites whose failure causes a finding, or that no call reaches."""
    bad = 0
    for number, site in enumerate(SITES, 1):
        failed, wrong = 0, []
        while len(wrong) < 3:
            result = run(built, ['param=run=every_call_may_fail', f'fail={site}', f'nth={failed + 1}'])
            if result.findings or result.value('end') != 'done':
                wrong.append(f'call {failed + 1}: end {result.value("end")}: ' + '; '.join(f.full() for f in result.findings))
            if result.injected is None and result.value('injected') is None:
                break
            failed += 1
        good = failed and not wrong
        bad += not good
        if quiet and bad:
            break
        if not quiet:
            print(f'{"ok" if good else "not ok"} {number} - {site}: {failed} calls failed' + ''.join(
                '\n# ' + text.replace('\n', '\n# ') for text in wrong), flush=True)
    return bad


def main():
    p = argparse.ArgumentParser()
    p.add_argument('dmamap')
    p.add_argument('cases', nargs='*')
    p.add_argument('--sanitize', default='address')
    p.add_argument('--failnth', action='store_true')
    args = p.parse_args()
    built = build(args.dmamap, args.sanitize)
    if args.failnth:
        print(f'1..{len(SITES)}')
        return 1 if failnth(built) else 0
    cases = [c for c in cases_of(built) if not args.cases or c['case'] in args.cases]
    if args.sanitize != 'address':
        cases = [c for c in cases if not c['flags'] & FLAG_NO_TSAN]
    print(f'1..{len(cases)}')
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda case: run_case(built, case), cases)
        for number, (case, result) in enumerate(zip(cases, results), 1):
            why = verdict(case, result)
            bad += why is not None
            print(f'{"not ok" if why else "ok"} {number} - {case["case"]}' + ''.join(
                f'\n# {line}' for line in (why or '').splitlines()), flush=True)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
