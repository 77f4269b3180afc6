#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""test_input.py DMAMAP: the messages of `dmamap kmod` for wrong usage and for modules that do not run."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DMAMAP = sys.argv[1]
number = bad = 0


def kmod(*words, timeout=120):
    return subprocess.run([DMAMAP, 'kmod', *words], capture_output=True, text=True, errors='replace', timeout=timeout)


def source(name):
    return os.path.join(HERE, 'input', name + '.c')


def check(name, done, status, *patterns):
    global number, bad
    number += 1
    text = done.stdout + done.stderr
    missing = [p for p in patterns if not re.search(p, text, re.S)]
    good = done.returncode == status and not missing
    bad += not good
    print(f'{"ok" if good else "not ok"} {number} - {name}', flush=True)
    if not good:
        print(f'# status {done.returncode}, wanted {status}; missing {missing}')
        print('# ' + text.replace('\n', '\n# '))


def main():
    check('no command', kmod(), 2, 'usage')
    check('no such file', kmod('build', '/nonexistent.c'), 2, 'no such file')
    check('an unknown option', kmod('run', source('plain'), '--nonsense'), 2, 'nonsense')
    check('an unknown fault site', kmod('fail', source('plain'), '--site', 'nonsense'), 2, 'no site nonsense')
    with tempfile.TemporaryDirectory() as empty:
        check('a tree that is none', kmod('run', source('plain'), '--tree', empty), 3, 'is not a kernel tree', 'MAINTAINERS')
        check('a folder without a Makefile', kmod('build', empty), 2, 'no Kbuild or Makefile')
        with open(os.path.join(empty, 'Makefile'), 'w') as file:
            file.write('obj-$(CONFIG_ONE) += one.o\n')
        check('a folder that builds nothing', kmod('build', empty), 2, 'builds nothing as a module', 'ONE=m')
    check('a file that does not compile', kmod('run', source('broken')), 3, 'error: .NO_SUCH_NAME', 'missing names: NO_SUCH_NAME')
    check('a name that is missing', kmod('run', source('missing')), 3, r'no_such_function  \S*missing.c:\d+')
    check('names of it', kmod('names', source('missing')), 1, r'missing  no_such_function', 'config .*CONFIG_PCI_MSI')
    check('a device that cannot be opened', kmod('run', source('plain'), '--device', 'sim:nonsense'), 3, 'nonsense')
    check('a driver for another device', kmod('run', source('other_device'), '--device', 'sim:edu'), 3,
          'does not match', '1234:5678', '1234:11e8')
    check('init fails', kmod('run', source('init_fails')), 3, 'module_init failed: No such device')
    check('init never returns', kmod('run', source('init_hangs'), '--hang', '1'), 1, 'hang: input_init', 'no progress')
    check('an oops', kmod('run', source('init_oops')), 1, 'oops: input_init .*null pointer', r'leak-memory: input_init')
    check('nothing wrong', kmod('run', source('plain'), '--device', 'sim:edu'), 0, '0 findings')
    check('nothing to fail', kmod('fail', source('plain'), '--device', 'sim:edu', '--site', 'skb'), 0, 'nothing failed')
    with tempfile.NamedTemporaryFile('w', suffix='.expect') as rules:
        rules.write('init_oops  oops  input_init  # known\n')
        rules.flush()
        check('an expected finding', kmod('run', source('init_oops'), '--expect', rules.name), 0, '0 findings')
        done = kmod('expect', rules.name, source('init_oops'))
        check('expect', done, 0, '0 findings.*expected: init_oops oops input_init')
        check('expect nothing else', kmod('expect', rules.name, source('init_hangs'), '--hang', '1'), 1, 'hang: input_init',
              'not seen: init_oops')
        check('expect with failures', kmod('expect', rules.name, source('plain'), '--device', 'sim:edu', '--site', 'kmalloc'), 0,
              'not seen: init_oops')
        rules.write('two words\n')
        rules.flush()
        check('a bad file of expectations', kmod('run', source('init_oops'), '--expect', rules.name), 2, ':2: a line has three words')
    check('expect without a list', kmod('expect', '/nonexistent', source('plain')), 2, 'No such file')
    check('coverage', kmod('run', source('plain'), '--device', 'sim:edu', '--coverage'), 0,
          r'coverage: plain.c: (\d+) of \1 lines, 100.0 %')
    check('coverage of an oops', kmod('run', source('init_oops'), '--coverage'), 1, r'coverage: init_oops.c: [1-9]\d* of \d+ lines')
    done = kmod('run', source('init_oops'), '--json')
    try:
        report = json.loads(done.stdout)
        words = f'{report["driver"]} {report["findings"][0]["kind"]} {report["findings"][0]["function"]}'
    except (ValueError, LookupError) as error:
        words = str(error)
    done.stdout = words
    check('JSON', done, 1, '^init_oops oops input_init')
    stop = subprocess.Popen([DMAMAP, 'kmod', 'run', source('init_hangs')], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)
    time.sleep(4)
    stop.send_signal(signal.SIGINT)
    text = stop.communicate(timeout=60)[0]
    check('SIGINT', subprocess.CompletedProcess([], stop.returncode if stop.returncode in (0, 1, 3) else 99, text, ''),
          stop.returncode, 'stopped')
    print(f'1..{number}')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
