#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
runtime_mutants.py DMAMAP [NUMBER...]: changes one line of the kernel runtime at a time. The case of
test_kernel.py that is named beside the change must fail.
"""

import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import test_kernel  # noqa: E402
from test_kernel import rig  # noqa: E402

# file of kernel/, text that is replaced, replacement, case that must fail
MUTANTS = [
    ('core/context.c', '|| c->softirq || c->rcu;', '|| c->softirq;', 'sleep_rcu'),
    ('core/context.c', 'c->irqs_off = m->irqs_off;\n\tc->bh_off = m->bh_off;\n\tc->preempt', 'c->preempt', 'work_returns_irqs_off'),
    ('core/lock.c', '\t\tl->depth--;\n', '', 'rwlock_reads_nest'),
    ('core/lock.c', '\t\t\t\ttodo[n++] = next;\n', '', 'lock_order_of_three'),
    ('core/timer.c', '\tt->expires = expires;\n', '\tif (!was)\n\t\tt->expires = expires;\n', 'timer_fires_once'),
    ('core/timer.c', 'its own end");\n\twas = timer_remove(&t->entry, t);\n\ttimer_wait(t);',
     'its own end");\n\twas = timer_remove(&t->entry, t);', 'timer_delete_sync_waits'),
    ('core/work.c', '\tw->canceling = 1;\n', '', 'work_cancelled_that_queues_itself'),
    ('core/wait.c', 'else if (c->done != UINT_MAX)\n\t\tc->done++;', 'else\n\t\tc->done = 1;', 'completion_counts'),
    ('core/memory.c', 'memcpy(new, p, min(old, size));', 'memcpy(new, p, size);', 'kmalloc_family'),
    ('core/ledger.c', 'distance ? ledger_find_removed(a) : NULL', 'NULL', 'freed_neighbour_used'),
    ('core/device.c', 'list_add(&r->entry, &dev->devres);', 'list_add_tail(&r->entry, &dev->devres);', 'devres_in_reverse'),
    ('core/lib.c', '(unsigned long)INT_MAX + minus', '(unsigned long)INT_MAX', 'numbers_parsed'),
    ('core/rbtree.c', '\tif (middle)\n\t\tmiddle->parent = parent;\n', '', 'rbtree_keeps_order'),
    ('core/xarray.c', 'bool drop = !entry && !(xa->xa_flags & XA_FLAGS_ALLOC)', 'bool drop = !entry', 'xarray_allocates'),
    ('core/work.c', '\t\tkmod_ledger_del(KMOD_WORK, w);\n\t\twq->running', '\t\twq->running', 'work_runs_once'),
    ('net/skb.c', '\tatomic_inc(&skb->shared->dataref);\n', '', 'skb_clones_share'),
    ('net/skb_data.c', '\tskb->data_len -= n;\n', '', 'skb_fragments'),
    ('net/skb_data.c', 'skb_cloned(skb) ? skb_rehead(', '0 ? skb_rehead(', 'skb_clone_changed'),
    ('net/napi.c', 'NAPI_STATE_MISSED, &n->state) && !disabled;', 'NAPI_STATE_MISSED, &n->state) && 0;', 'napi_scheduled_in_its_poll'),
    ('net/queue.c', 'if (done > sent)', 'if (done >= sent)', 'completed_what_was_sent'),
    ('net/netdev.c', '\t\tkfree(dev->priv);\n', '', '--failnth'),
]


def fails(build, name):
    if name == '--failnth':
        return test_kernel.failnth(build, quiet=True) > 0
    case = next(c for c in test_kernel.cases_of(build) if c['case'] == name)
    return test_kernel.verdict(case, test_kernel.run_case(build, case)) is not None


def main():
    dmamap, chosen = sys.argv[1], [int(n) for n in sys.argv[2:]]
    bad = 0
    print(f'1..{len(chosen or MUTANTS)}')
    with tempfile.TemporaryDirectory(prefix='kmod-runtime-') as folder:
        places = rig.places(dmamap)
        copy = os.path.join(folder, 'kernel')
        shutil.copytree(places.kernel, copy)
        places.kernel = copy
        for number, (file, old, new, case) in enumerate(MUTANTS, 1):
            if chosen and number not in chosen:
                continue
            path = os.path.join(copy, file)
            with open(path) as source:
                text = source.read()
            if text.count(old) != 1:
                raise SystemExit(f'{number}: {file} has {text.count(old)} times: {old}')
            with open(path, 'w') as source:
                source.write(text.replace(old, new))
            build = test_kernel.build(dmamap, 'address', places)
            seen = fails(build, case)
            os.unlink(build.program)
            with open(path, 'w') as source:
                source.write(text)
            bad += not seen
            print(f'{"ok" if seen else "not ok"} {number} - {file}: {" ".join(old.split())[:60]}: {case}', flush=True)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
