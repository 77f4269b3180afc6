#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Compiles the programs of docs/write-a-model.md, makes each mistake of its last part in them, and compares what is printed with
the text: write_a_model.py PATH-OF-DMAMAP PATH-OF-LIBDMAMAP.SO
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import tap

COMMAND, LIBRARY = (os.path.abspath(path) for path in sys.argv[1:3])
TEXT = tap.read('docs/write-a-model.md')
CC = os.environ.get('CC', 'cc')


def blocks(text, kind):
    """The fenced blocks of a kind, in order; '' is one without a name."""
    found, inside, lines = [], None, []
    for line in text.splitlines():
        if not line.startswith('```'):
            lines.append(line)
        elif inside is None:
            inside, lines = line[3:], []
        else:
            if inside == kind:
                found.append(''.join(line + '\n' for line in lines))
            inside = None
    return found


def change(sources, diff):
    """Replaces the lines with `-` of a diff by those with `+`."""
    old, new = ('\n'.join(line[1:] for line in diff.splitlines() if line.startswith(sign)) for sign in '-+')
    name = next((name for name, text in sources.items() if old in text), None)
    if not name:
        raise ValueError(f'no program contains {old!r}')
    sources[name] = sources[name].replace(old, new, 1)


def run(command, folder, more=None):
    env = dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(LIBRARY), **(more or {}))
    done = subprocess.run(command, cwd=folder, env=env, text=True, errors='replace', stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, timeout=60)
    return done.stdout


def build(folder, sources):
    # a compiler that refuses an undeclared function would hide the message of the loader
    flags = ['-w', '-std=gnu11', '-Wno-error=implicit-function-declaration', '-I', os.path.join(tap.ROOT, 'include')]
    for name, text in sources.items():
        with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
            file.write(text)
    said = run([CC, '-shared', '-fPIC', '-o', 'first.so', 'first.c'] + flags, folder)
    said += run([CC, '-o', 'driver', 'driver.c', LIBRARY, '-lpthread'] + flags, folder)
    return said


def try_it(sources, line):
    folder = tempfile.mkdtemp(prefix='dmamap-write-')
    try:
        said = build(folder, sources)
        arguments = shlex.split(line)
        env = dict(item.split('=', 1) for item in arguments if re.match(r'^[A-Z_]+=', item))
        command = [COMMAND if item == 'dmamap' else item for item in arguments[len(env):]]
        return said + run(command, folder, env)
    finally:
        shutil.rmtree(folder)


def check(sources, line, wanted):
    said = try_it(sources, line)
    if said != wanted:
        yield f'{line} prints\n{said}\nand the document says\n{wanted}'


def main():
    programs = blocks(TEXT, 'c')
    sources = dict(zip(('first.c', 'driver.c'), programs))
    tap.result('the first interrupt', check(sources, './driver', '1 interrupt\n'))
    for title, body in re.findall(r'^### ([^\n]*)\n(.*?)(?=^### |\Z)', TEXT, re.S | re.M):
        changed = dict(sources)
        for diff in blocks(body, 'diff'):
            change(changed, diff)
        said = blocks(body, '')[-1]
        line, wanted = said.split('\n', 1)
        tap.result(title, check(changed, line[2:], wanted))
    tap.finish()


main()
