#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
test_dmaengine.py DMAMAP: the module of examples/kmod for sim:dmaengine. The unchanged module causes no report on
any kind of machine, whichever call fails. Mistakes are inserted one at a time, and each must be reported.
"""

import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, '..', '..', 'examples', 'kmod')
sys.path.insert(0, os.path.join(HERE, '..', '..', 'kernel', 'run'))
sys.path.insert(0, HERE)
import rig  # noqa: E402
from mutants import CALL, mutate  # noqa: E402

FILES = ('dmaengine.c', 'dmaengine_file.c')
MACHINES = ('', ',coherent=0', ',iommu=0,coherent=0', ',policy=lazy', ',untrusted=1', ',iommu=0,addr-bits=40,swiotlb=2M')
SITES = ('kmalloc', 'page', 'coherent', 'map', 'irq', 'register', 'ioremap')
FAILED = None  # in place of kinds: no rule is broken, but the script sees that the driver does not work

# name, file, function, pattern, replacement, kinds of which one must be reported
MUTANTS = [
    # in a program with AddressSanitizer no two pages are neighbours, so an entry of the list has one page
    ('segment-limit', 0, 'dmaeng_probe', r'PAGES_AT_ONCE \* PAGE_SIZE', 'PAGE_SIZE / 2', {'segment-size'}),
    ('no-unmap', 1, 'dmaeng_move', CALL % 'dma_unmap_sgtable', ';', {'leak', 'map-overlap', 'leak-memory', 'free-mapped'}),
    ('direction', 1, 'dmaeng_direction', r'== DMAENG_TO_CARD', '!= DMAENG_TO_CARD', {'device-direction'}),
    ('unmap-direction', 1, 'dmaeng_move', r'(dma_unmap_sgtable\([^;]*?)dmaeng_direction\(c\)', r'\1 DMA_BIDIRECTIONAL',
     {'unmap-direction'}),
    ('use-after-free', 1, 'dmaeng_transfer', r'err = dmaeng_move', 'dmaeng_pages_free(p); err = dmaeng_move',
     {'use-after-free', 'heap-use-after-free', 'double-free'}),
    ('page-leak', 1, 'dmaeng_pages_free', r'i < p->n', 'i + 1 < p->n', {'leak-pages'}),
    ('table-leak', 1, 'dmaeng_transfer', CALL % 'sg_free_table', ';', {'leak-memory'}),
    ('sleep-in-interrupt', 0, 'dmaeng_interrupt', CALL % 'complete', r'\g<0> msleep(1);', {'sleep-in-atomic'}),
    ('sleep-under-lock', 1, 'dmaeng_fop_poll', CALL % 'spin_lock_irq', r'\g<0> kfree(kmalloc(8, GFP_KERNEL));',
     {'sleep-in-atomic'}),
    ('lock-kept', 1, 'dmaeng_ioc_wait', CALL % 'mutex_unlock', ';', {'lock-held-at-return'}),
    ('lock-twice', 1, 'dmaeng_settle', r'\{', '{ mutex_lock(&d->channel[c].lock);', {'lock-twice'}),
    ('lock-not-initialised', 0, 'dmaeng_memory', CALL % 'mutex_init', ';', {'lock-not-initialised'}),
    ('irq-kept', 0, 'dmaeng_free_irqs', CALL % 'free_irq', ';', {'leak-irq', 'irq-vectors-in-use'}),
    ('device-kept', 0, 'dmaeng_remove', CALL % 'misc_deregister', ';', {'leak-chardev'}),
    ('past-the-registers', 0, 'dmaeng_setup', r'REG_ID\)', '0x1000)', {'register-past-end'}),
    ('no-bus-mastering', 0, 'dmaeng_setup', CALL % 'pci_set_master', ';', {'device-fault'}),
    ('descriptor-beyond-buffer', 1, 'dmaeng_ioc_transfer', r't->length\);', 't->length + 4096);',
     {'device-past-end', 'device-fault'}),
    ('sync-missing', 0, 'dmaeng_memory', r'dmam_alloc_coherent\(dev, DMAENG_BUFFER_BYTES, &d->buffer_addr,\s*GFP_KERNEL\)',
     '(d->buffer_addr = 0, kzalloc(DMAENG_BUFFER_BYTES, GFP_KERNEL))', {'device-fault', 'leak-memory'}),
    ('wrong-offset', 1, 'dmaeng_ioc_transfer', r't->offset, t->length\)', 't->offset + (t->direction ? 0 : 4), t->length)', FAILED),
    ('no-doorbell', 0, 'dmaeng_go', r'dmaeng_write\([^;]*;', ';', FAILED),
]

number = bad = 0


def ok(good, name, result=None):
    global number, bad
    number += 1
    bad += not good
    print(f'{"ok" if good else "not ok"} {number} - {name}', flush=True)
    if not good and result:
        print(f'# end {result.value("end")}, script {result.value("script")}')
        for finding in result.findings:
            print('# ' + finding.line())


def build(dmamap, folder):
    return rig.build(dmamap, [os.path.join(folder, name) for name in FILES],
                     script=os.path.join(folder, 'use_dmaengine.c'))


def clean(result):
    return not result.findings and result.value('end') == 'done' and result.value('script') == 0


def unchanged(dmamap):
    built = build(dmamap, EXAMPLES)
    for keys in MACHINES:
        result = rig.runner(built, device='sim:dmaengine' + keys).run(name='unchanged')
        ok(clean(result), f'unchanged, sim:dmaengine{keys}: no report', result)
    for site in SITES:
        n, injected, found = 0, True, None
        while injected and not found:
            n += 1
            result = rig.runner(built, device='sim:dmaengine').run([f'fail={site}', f'nth={n}'], site)
            injected = result.injected is not None or result.value('injected') is not None
            found = result if result.findings or result.value('end') != 'done' else None
        ok(n > 1 and not found, f'each call of {site} fails once: no report', found)


def mutant(dmamap, name, file, function, pattern, replacement, kinds):
    with tempfile.TemporaryDirectory(prefix='kmod-mutant-') as folder:
        for each in os.listdir(EXAMPLES):
            if 'dmaengine' in each:
                shutil.copy(os.path.join(EXAMPLES, each), folder)
        path = os.path.join(folder, FILES[file])
        with open(path) as source:
            text = mutate(source.read(), function, pattern, 0, replacement)
        with open(path, 'w') as source:
            source.write(text)
        built = build(dmamap, folder)
        result = rig.runner(built, device='sim:dmaengine').run(name=name)
        os.unlink(built.program)
    reported = result.value('script') if kinds is FAILED else any(f.kind in kinds for f in result.findings)
    ok(reported, f'mutant {name} in {function}', result)


def main():
    quick = '--quick' in sys.argv
    unchanged(sys.argv[1])
    for each in MUTANTS[:4] if quick else MUTANTS:
        mutant(sys.argv[1], *each)
    print(f'1..{number}')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
