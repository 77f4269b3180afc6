#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
mutants.py DMAMAP [--quick] [NAME...]: inserts one mistake at a time into a copy of a driver, and requires that it is
reported at the function that contains it. The unchanged driver must have no report. A mutant is a function, the n-th
match of a pattern in it, and the replacement; no line of a driver is stored here.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', '..', 'kernel', 'run'))
sys.path.insert(0, HERE)
import rig  # noqa: E402

REALTEK = dict(folder='drivers/net/ethernet/realtek', file='8139cp.c', files=['8139cp.c'], device='qemu:rtl8139', config=[])
E1000E = dict(folder='drivers/net/ethernet/intel/e1000e', file='netdev.c', files=None, device='qemu:e1000e',
              config=['E1000E=m'])
CALL = r'\b%s\s*\([^;]*;'

# Arms a timer that nothing deletes.
ARM = (r'\g<0> { static struct timer_list left; timer_setup(&left, NULL, 0); left.function = (void *)kfree_skb; '
       'mod_timer(&left, jiffies + 1000000); }')

# driver, name, function, pattern, which match, replacement, kinds of which one must be reported, options
MUTANTS = [
    (REALTEK, 'leak', 'cp_tx', CALL % 'dev_consume_skb_irq', 0, ';', {'leak-skb'}, {}),
    (REALTEK, 'leak-coherent', 'cp_free_rings', CALL % 'dma_free_coherent', 0, ';', {'leak'}, {}),
    (REALTEK, 'use-after-free', 'cp_tx', r'dma_unmap_single', 0, 'dev_kfree_skb_irq(skb); dma_unmap_single',
     {'use-after-free', 'skb-double-free', 'heap-use-after-free'}, {}),
    (REALTEK, 'double-unmap', 'cp_tx', CALL % 'dma_unmap_single', 0, r'\g<0> \g<0>', {'unmap-twice', 'unmap-not-mapped'}, {}),
    (REALTEK, 'wrong-size', 'cp_rx_poll', r'(dma_unmap_single\([^;]*?)buflen', 0, r'\1 buflen + 4', {'unmap-size'}, {}),
    (REALTEK, 'wrong-direction', 'cp_rx_poll', r'(dma_unmap_single\([^;]*?)DMA_FROM_DEVICE', 0, r'\1 DMA_TO_DEVICE',
     {'unmap-direction'}, {}),
    (REALTEK, 'sleep-in-atomic', 'cp_start_xmit', CALL % 'spin_lock_irqsave', 0, r'\g<0> msleep(1);', {'sleep-in-atomic'}, {}),
    (REALTEK, 'sleep-in-interrupt', 'cp_interrupt', CALL % 'spin_lock', 0, r'\g<0> kfree(kmalloc(8, GFP_KERNEL));',
     {'sleep-in-atomic'}, {}),
    (REALTEK, 'lock-inversion', 'cp_set_rx_mode', CALL % 'spin_lock_irqsave', 0,
     'static DEFINE_SPINLOCK(second); spin_lock(&second); spin_lock(&cp->lock); spin_unlock(&cp->lock); spin_unlock(&second);'
     r' \g<0> spin_lock(&second); spin_unlock(&second);', {'lock-order'}, {}),
    (REALTEK, 'missing-error-check', 'cp_rx_poll', r'dma_mapping_error\([^)]*\)', 0, '0', {'map-unchecked'}, {}),
    (REALTEK, 'skb-overrun', 'cp_rx_poll', r'skb_put\(skb, len\)', 0, 'skb_put(skb, len + 4096)', {'skb-over'}, {}),
    (REALTEK, 'irq-not-freed', 'cp_close', CALL % 'free_irq', 0, ';', {'leak-irq'}, {}),
    (REALTEK, 'timer-left', 'cp_open', CALL % 'napi_enable', 0, ARM, {'leak-timer', 'init-active'}, {}),
    (E1000E, 'leak', 'e1000_put_txbuf', CALL % 'dev_consume_skb_any', 0, ';', {'leak-skb'}, {}),
    (E1000E, 'use-after-free', 'e1000_put_txbuf', CALL % 'dev_consume_skb_any', 0,
     r'\g<0> buffer_info->skb->len = 0;', {'use-after-free'}, {}),
    (E1000E, 'double-unmap', 'e1000_put_txbuf', CALL % 'dma_unmap_single', 0, r'{ \g<0> \g<0> }',
     {'unmap-twice', 'unmap-not-mapped'}, {}),
    (E1000E, 'wrong-size', 'e1000_put_txbuf', r'(dma_unmap_single\([^;]*?)buffer_info->length', 0,
     r'\1 buffer_info->length + 1', {'unmap-size'}, {}),
    (E1000E, 'wrong-direction', 'e1000_clean_rx_irq', r'(dma_unmap_single\([^;]*?)DMA_FROM_DEVICE', 0, r'\1 DMA_TO_DEVICE',
     {'unmap-direction'}, {}),
    (E1000E, 'missing-sync', 'e1000_tx_map', r'return count;', 0,
     'skb->data[20] ^= 0xff; return count;', {'sync-missing'}, {'device': 'sim:e1000e,coherent=0'}),
    (E1000E, 'sleep-in-atomic', 'e1000e_poll', r'struct net_device \*poll_dev', 0, r'int slept = (msleep(1), 0); \g<0>',
     {'sleep-in-atomic'}, {}),
    (E1000E, 'lock-inversion', 'e1000e_update_stats', r'\{', 0,
     '{ static DEFINE_SPINLOCK(one); static DEFINE_SPINLOCK(two); spin_lock(&one); spin_lock(&two); spin_unlock(&two);'
     'spin_unlock(&one); spin_lock(&two); spin_lock(&one); spin_unlock(&one); spin_unlock(&two);', {'lock-order'}, {}),
    (E1000E, 'missing-error-check', 'e1000_alloc_rx_buffers', r'dma_mapping_error\([^)]*\)', 0, '0', {'map-unchecked'}, {}),
    (E1000E, 'skb-overrun', 'e1000_clean_rx_irq', r'skb_put\(skb, length\)', 0, 'skb_put(skb, length + 4096)',
     {'skb-over'}, {}),
    (E1000E, 'irq-not-freed', 'e1000e_close', CALL % 'e1000_free_irq', 0, ';', {'leak-irq'}, {}),
    (E1000E, 'timer-left', 'e1000e_open', CALL % 'netif_carrier_off', 0, ARM, {'leak-timer', 'init-active'}, {}),
]
QUICK = {('8139cp.c', 'wrong-size'), ('netdev.c', 'use-after-free')}


def function_span(text, name):
    """Returns the beginning and the end of a function's body: its name is at the beginning of a line or after a type, braces are in column 0."""
    for found in re.finditer(r'^[a-z][^;{}]*?\b%s\s*\([^;{}]*\)\s*\{' % name, text, flags=re.M):
        end = text.find('\n}', found.end())
        return found.end() - 1, end
    raise SystemExit(f'no function {name}')


def mutate(text, function, pattern, which, replacement):
    begin, end = function_span(text, function)
    body = text[begin:end]
    matches = list(re.finditer(pattern, body))
    if len(matches) <= which:
        raise SystemExit(f'{function}: no match {which} of {pattern}')
    match = matches[which]
    changed = body[:match.start()] + match.expand(replacement) + body[match.end():]
    return text[:begin] + changed + text[end:]


def run(dmamap, tree, driver, change, more):
    """Returns the findings of a copy of the driver after `change` was made to its main file."""
    with tempfile.TemporaryDirectory(prefix='kmod-mutant-') as folder:
        source = os.path.join(tree, driver['folder'])
        for name in os.listdir(source):
            if name.endswith(('.c', '.h')) or name == 'Makefile':
                shutil.copy(os.path.join(source, name), folder)
        path = os.path.join(folder, driver['file'])
        with open(path) as file:
            text = file.read()
        with open(path, 'w') as file:
            file.write(change(text))
        files = [os.path.join(folder, n) for n in driver['files']] if driver['files'] else [folder]
        built = rig.build(dmamap, files, tree=tree, config=driver['config'])
        result = rig.runner(built, device=more.get('device', driver['device']), ethtool=True).run(name='mutant')
        os.unlink(built.program)
        return result


def main():
    p = argparse.ArgumentParser()
    p.add_argument('dmamap')
    p.add_argument('names', nargs='*')
    p.add_argument('--quick', action='store_true', help='one mutant of each driver')
    args = p.parse_args()
    tree = rig.tree()
    if not tree:
        print('1..0 # SKIP linux-source-6.12 is not installed')
        return 0
    mutants = [m for m in MUTANTS if (not args.quick or (m[0]['file'], m[1]) in QUICK) and
               (not args.names or m[1] in args.names)]
    print(f'1..{len(mutants) + 2}')
    bad = number = 0
    for driver in (REALTEK, E1000E):
        result = run(args.dmamap, tree, driver, lambda text: text, {})
        good = not result.findings and result.value('end') == 'done' and result.total('frames_received') == 28
        number += 1
        bad += not good
        print(f'{"ok" if good else "not ok"} {number} - {driver["file"]} unchanged: no report', flush=True)
        for finding in result.findings:
            print(f'# {finding.line()}')
    for driver, name, function, pattern, which, replacement, kinds, more in mutants:
        result = run(args.dmamap, tree, driver, lambda text: mutate(text, function, pattern, which, replacement), more)
        hits = [f for f in result.findings if f.kind in kinds]
        at = [f for f in hits if any(frame.function == function for frame in f.stack + f.other)]
        number += 1
        bad += not hits
        where = 'at the function' if at else 'elsewhere' if hits else 'not reported'
        print(f'{"ok" if hits else "not ok"} {number} - {driver["file"]} {name} in {function}: {where}', flush=True)
        for finding in hits[:1] if hits else result.findings:
            print(f'# {finding.line()[:200]}')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
