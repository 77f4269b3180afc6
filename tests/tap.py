# SPDX-License-Identifier: BSD-2-Clause
"""What the scripts among the tests share: results in TAP, and the files of the tree."""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_count = _bad = 0


def result(name, problems=()):
    """One test: passed when the list of problems is empty."""
    global _count, _bad
    try:
        problems = list(problems)
    except Exception as error:  # a check that cannot be made has failed
        problems = [f'{type(error).__name__}: {error}']
    _count += 1
    _bad += bool(problems)
    print(f'{"not ok" if problems else "ok"} {_count} - {name}')
    for problem in problems:
        for line in str(problem).splitlines():
            print('#   ' + line)
    sys.stdout.flush()


def skip(name, why):
    global _count
    _count += 1
    print(f'ok {_count} - {name} # SKIP {why}')


def finish():
    print(f'1..{_count}')
    sys.exit(1 if _bad else 0)


def files(folder, *endings):
    """Paths of the tree's files below a folder, relative to the root."""
    found = []
    for where, folders, names in os.walk(os.path.join(ROOT, folder)):
        folders[:] = sorted(f for f in folders if not f.startswith(('.', 'build', '__')))
        for name in sorted(names):
            if name.endswith(endings):
                found.append(os.path.relpath(os.path.join(where, name), ROOT))
    return found


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as f:
        return f.read()
