# SPDX-License-Identifier: BSD-2-Clause
"""Functions that the tests of kernel/ share: a build, and a runner without the command."""

import argparse
import os

from build import Build
from places import Places, Progress
from runner import Runner

HERE = os.path.dirname(os.path.abspath(__file__))
# The folder of Debian's linux-source packages, and the folder in which they are unpacked once.
TREES = {'6.12': '/usr/src/linux-source-6.12.tar.xz', '6.1': '/usr/src/linux-source-6.1.tar.xz'}


def places(dmamap):
    with open(os.path.join(os.path.dirname(os.path.abspath(dmamap)), '..', 'kernel', 'places.txt')) as file:
        kernel, generated, include, library = file.read().split('\n')[:4]
    return Places(kernel, generated, include, library, 'test')


def options(**given):
    values = dict(files=[], tree=None, config=[], sanitize='address', script=None, coverage=None, json=True, verbose=False,
                  device=None, check=True, tx=30, rx=20, size=None, sg=0, mtu=None, ethtool=False, full=False, param=[],
                  firmware=None, revision=None, override=False, option=[], hang=20, timeout=120, loglevel=0, expect=None, with_sources=[])
    values.update(given)
    return argparse.Namespace(**values)


class Built:
    def __init__(self, program, places_, options_):
        self.program, self.places, self.options = program, places_, options_


def build(dmamap, files, where=None, **given):
    o = options(files=files, **given)
    p = where or places(dmamap)
    # The script's header folder, for cases that use character devices.
    b = Build(p, o, Progress(True))
    b.flags += ['-I', os.path.join(p.kernel, 'char')]
    return Built(b.build(), p, o)


def runner(built, **given):
    o = argparse.Namespace(**{**vars(built.options), **given})
    return Runner(built.program, built.places, o, Progress(True))


def tree(version='6.12'):
    """Returns the folder of the unpacked kernel source, or None."""
    import subprocess
    cache = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'kmod-trees')
    folder = os.path.join(cache, f'linux-source-{version}')
    if os.path.isdir(os.path.join(folder, 'drivers')):
        return folder
    if not os.path.exists(TREES[version]):
        return None
    os.makedirs(cache, exist_ok=True)
    parts = ['drivers/net', 'include/linux', 'include/uapi', 'mm/dmapool_test.c', 'kernel/dma', 'Kbuild', 'MAINTAINERS']
    subprocess.run(['tar', '-xf', TREES[version], '-C', cache] + [f'linux-source-{version}/{p}' for p in parts], check=True)
    return folder
