# SPDX-License-Identifier: BSD-2-Clause
"""Locations: the kernel folder of dmamap, the user's tree of Linux, the cache; and the exception
for failures."""

import os
import re
import subprocess
import sys

FOUND, USAGE, FAILED = 1, 2, 3


class Stop(Exception):
    """Ends the command with a message and an exit status."""

    def __init__(self, message, status=FAILED):
        super().__init__(message)
        self.status = status


class Places:
    """The parts of dmamap that a build needs, as passed by the command."""

    def __init__(self, kernel, generated, include, library, version):
        self.kernel = kernel          # sources of the runtime
        self.generated = generated    # output of kernel/gen-headers
        self.include = include        # dmamap's public headers
        self.library = library        # the directory of libdmamap.so
        self.version = version
        base = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
        self.cache = os.path.join(base, 'dmamap', 'kmod')

    def runtime_sources(self):
        for folder in ('core', 'pci', 'net', 'char', 'run'):
            path = os.path.join(self.kernel, folder)
            for name in sorted(os.listdir(path)):
                if name.endswith('.c'):
                    yield os.path.join(path, name)

    def list(self, name):
        """Returns the lines of a list, without comments."""
        with open(os.path.join(self.kernel, name)) as file:
            return [line.split('#')[0].strip() for line in file if line.split('#')[0].strip()]


def tree_of(path, given):
    """Returns the kernel tree: --tree, or the folder above the sources that has the files of
    one."""
    if given:
        if not is_tree(given):
            raise Stop(f'{given} is not a kernel tree: it needs Kbuild, MAINTAINERS and include/linux. Give --tree the '
                       'top folder of an unpacked Linux source, as /usr/src/linux-source-6.12.tar.xz has it')
        return os.path.abspath(given)
    folder = os.path.dirname(os.path.abspath(path))
    while folder != '/':
        if is_tree(folder):
            return folder
        folder = os.path.dirname(folder)
    return None


def is_tree(folder):
    return all(os.path.exists(os.path.join(folder, name)) for name in ('Kbuild', 'MAINTAINERS', 'include/linux'))


def kbuild_sources(folder, config):
    """Returns (module, [sources], [flags]) of a folder's Makefile, for the modules that `config`
    enables."""
    path = next((p for p in (os.path.join(folder, n) for n in ('Kbuild', 'Makefile')) if os.path.exists(p)), None)
    if not path:
        raise Stop(f'{folder} has no Kbuild or Makefile', USAGE)
    with open(path) as file:
        text = re.sub(r'\\\n', ' ', file.read())
    text = re.sub(r'#.*', '', text)
    values = {}
    for name, op, value in re.findall(r'^\s*([\w\-$().]+)\s*(:=|\+=|=)\s*(.*?)\s*$', text, flags=re.M):
        name = re.sub(r'\$\((CONFIG_\w+)\)', lambda m: 'm' if config_has(config, m.group(1)) else 'n', name)
        value = value.replace('$(src)', folder).replace('$(srctree)/', '')
        values[name] = (values.get(name, '') + ' ' + value) if op == '+=' else value
    modules = [m[:-2] for m in values.get('obj-m', '').split() if m.endswith('.o')]
    if not modules:
        names = sorted(set(re.findall(r'obj-\$\((CONFIG_\w+)\)', text)))
        raise Stop(f'{path} builds nothing as a module: choose one by --config: '
                   + ', '.join(n[len('CONFIG_'):] + '=m' for n in names), USAGE)
    module = modules[0]
    parts = []
    for kind in ('objs', 'y', 'm'):
        parts += values.get(f'{module}-{kind}', '').split()
    sources = [os.path.join(folder, p[:-2] + '.c') for p in parts if p.endswith('.o')]
    return module, sources or [os.path.join(folder, module + '.c')], values.get('ccflags-y', '').split()


def config_has(config, name):
    return config.get(name[len('CONFIG_'):]) in ('m', 'y')


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors='replace', **options)


class Progress:
    """A status line on a terminal; no output elsewhere."""

    def __init__(self, quiet):
        self.on = sys.stderr.isatty() and not quiet

    def show(self, text):
        if self.on:
            sys.stderr.write('\r\x1b[K' + text[:100])
            sys.stderr.flush()

    def bar(self, what, done, total):
        if total:
            filled = min(30, 30 * done // total)
            self.show(f'{what} [{"#" * filled}{"." * (30 - filled)}] {done}/{total}')

    def end(self):
        if self.on:
            sys.stderr.write('\r\x1b[K')
            sys.stderr.flush()
