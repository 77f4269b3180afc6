# SPDX-License-Identifier: BSD-2-Clause
"""Builds a driver, together with the runtime, into a program in the cache. An object's name
contains a hash of all its inputs, so nothing is built twice and nothing stale is used."""

import concurrent.futures
import hashlib
import os
import re
import shlex
import shutil

from places import Stop, kbuild_sources, run, tree_of, USAGE, FAILED

SANITIZERS = {'address': ['-fsanitize=address'], 'thread': ['-fsanitize=thread'], 'none': []}
BASE = ['-std=gnu11', '-O1', '-g', '-fno-omit-frame-pointer', '-fno-optimize-sibling-calls', '-fno-inline-functions-called-once', '-fno-strict-aliasing',
        '-fno-delete-null-pointer-checks', '-fno-common', '-ffreestanding', '-nostdinc']
QUIET = ['-w']
# The kernel compiles all code with these options.
SIGNS = ['-fno-strict-overflow']
# Most of the time of a run is compilation. So AddressSanitizer checks are calls, and gdb gets no locations of variables.
FAST = ['-fno-var-tracking']
FAST_ADDRESS = ['--param', 'asan-instrumentation-with-call-threshold=0']  # gcc
# The runtime's own frames are left out of reports. No driver's name is in its objects: all drivers share them.
RUNTIME = ['-O0', '-g1']


class Build:
    def __init__(self, places, options, progress):
        self.places, self.options, self.progress = places, options, progress
        self.compiler = shlex.split(os.environ.get('CC') or 'gcc')
        if not shutil.which(self.compiler[0]):
            raise Stop(f'the compiler {self.compiler[0]} is not installed: install gcc, or name another in CC')
        self.gcc = 'clang' not in run(self.compiler + ['--version']).stdout
        self.module, self.sources, self.flags = self.find_sources()
        self.tree = tree_of(self.sources[0], options.tree)
        self.sanitize = SANITIZERS[options.sanitize]
        self.gcc_include = run(self.compiler + ['-print-file-name=include']).stdout.strip()
        self.links = self.tree_headers()
        self.runtime_hash = None
        self.messages = []

    def find_sources(self):
        files = self.options.files
        config = dict(c.split('=', 1) if '=' in c else (c, 'm') for c in self.options.config)
        config = {name.replace('CONFIG_', ''): value for name, value in config.items()}
        for path in files:
            if not os.path.exists(path):
                raise Stop(f'{path}: no such file', USAGE)
        if len(files) == 1 and os.path.isdir(files[0]):
            module, sources, flags = kbuild_sources(os.path.abspath(files[0]), config)
        else:
            sources, flags = [os.path.abspath(f) for f in files], []
            module = os.path.splitext(os.path.basename(files[0]))[0]
        flags += [f'-DCONFIG_{n}{"_MODULE" if v == "m" else ""}=1' for n, v in config.items()]
        return module.replace('-', '_'), sources, flags

    def tree_headers(self):
        """Returns a folder of links to the few headers that come from the user's tree, with UAPI
        headers under uapi/."""
        key = hashlib.sha256((self.tree or '').encode()).hexdigest()[:12]
        folder = os.path.join(self.places.cache, 'tree-' + key)
        os.makedirs(os.path.join(folder, 'uapi', 'linux'), exist_ok=True)
        for name in self.places.list('tree-headers.txt'):
            link = os.path.join(folder, name)
            target = self.tree and os.path.join(self.tree, 'include', name)
            if not target or not os.path.exists(target) or os.path.islink(link):
                continue
            os.makedirs(os.path.dirname(link), exist_ok=True)
            try:
                os.symlink(target, link)
            except FileExistsError:
                pass
            with open(target, errors='replace') as file:
                for wanted in re.findall(r'#\s*include\s*<uapi/(linux/\w+\.h)>', file.read()):
                    self.uapi_copy(folder, wanted)
        return folder

    def uapi_copy(self, folder, name):
        """Returns the installed UAPI header with the include guard that it has in a kernel tree."""
        try:
            with open(os.path.join('/usr/include', name)) as file:
                text = file.read()
        except OSError:
            raise Stop(f'/usr/include/{name} is missing: install linux-libc-dev')
        guard = re.search(r'#ifndef (\w+)', text)
        if guard:
            text = re.sub(r'\b%s\b' % guard.group(1), '_UAPI' + guard.group(1), text)
        with open(os.path.join(folder, 'uapi', name), 'w') as file:
            file.write(text)

    def command(self, module, extra):
        """Returns the compiler and its options for a source of the driver, or, without a module's name, of the runtime."""
        p = self.places
        if module:
            own = [f'-DKBUILD_MODNAME="{module}"', f'-DKBUILD_BASENAME="{module}"', '-I', self.links]
        else:
            own = RUNTIME
        fast = FAST + (FAST_ADDRESS if self.gcc and '-fsanitize=address' in self.sanitize else [])
        return (self.compiler + BASE + fast + SIGNS + QUIET + self.sanitize + ['-isystem', self.gcc_include, '-D__KERNEL__',
                '-DMODULE', '-include', os.path.join(p.kernel, 'include', 'linux', 'compiler.h'),
                '-I', os.path.join(p.kernel, 'include'), '-I', p.generated] + own + extra +
                ['-idirafter', p.include, '-idirafter', '/usr/include/x86_64-linux-gnu', '-idirafter', '/usr/include'])

    def hash_runtime(self):
        """Returns the hash of the runtime's and dmamap's sources and headers."""
        if self.runtime_hash:
            return self.runtime_hash
        h = hashlib.sha256()
        for top in (self.places.kernel, self.places.generated, os.path.join(self.places.include, 'dmamap')):
            for folder, _, names in sorted(os.walk(top)):
                for name in sorted(names):
                    if name.endswith('.h'):
                        with open(os.path.join(folder, name), 'rb') as file:
                            h.update(name.encode() + file.read())
        self.runtime_hash = h.hexdigest()
        return self.runtime_hash

    def object_path(self, source, command, siblings):
        h = hashlib.sha256((self.hash_runtime() + '\0'.join(command) + source).encode())
        for path in [source] + siblings:
            with open(path, 'rb') as file:
                h.update(file.read())
        name = os.path.splitext(os.path.basename(source))[0]
        return os.path.join(self.places.cache, 'objects', f'{name}-{h.hexdigest()[:20]}.o')

    def compile(self, source, module, extra, siblings=()):
        command = self.command(module, extra)
        if source.endswith('/host/host.c'):
            command = self.compiler + ['-std=gnu11', '-O2', '-g', '-fno-omit-frame-pointer', '-pthread'] + \
                [s for s in self.sanitize if 'thread' in s]
        out = self.object_path(source, command, list(siblings))
        if '--coverage' in extra:  # its counters lie beside it, so it is of this run alone
            out = os.path.join(self.options.coverage, os.path.basename(out))
            made = run(command + ['-c', source, '-o', out])
            return source, out, made.returncode, made.stderr
        if os.path.exists(out):
            return source, out, 0, ''
        os.makedirs(os.path.dirname(out), exist_ok=True)
        part = f'{out}.{os.getpid()}.part'
        made = run(command + ['-c', source, '-o', part])
        if made.returncode == 0:
            os.rename(part, out)
        elif os.path.exists(part):
            os.unlink(part)
        return source, out, made.returncode, made.stderr

    def jobs(self):
        runtime = list(self.places.runtime_sources()) + [os.path.join(self.places.kernel, 'host', 'host.c')]
        for source in runtime:
            yield source, None, ['-I', os.path.dirname(source)], ()
        for source in self.sources + list(self.options.with_sources):
            yield self.driver_job(source)
        if self.options.script:
            yield (os.path.abspath(self.options.script), self.module,
                   ['-I', os.path.join(self.places.kernel, 'run'), '-I', os.path.join(self.places.kernel, 'char')], ())

    def driver_job(self, source):
        folder = os.path.dirname(source)
        headers = sorted(os.path.join(folder, n) for n in os.listdir(folder) if n.endswith('.h'))
        coverage = ['--coverage'] if self.options.coverage else []
        extra = ['-I', folder] + self.flags + coverage
        return source, self.module, extra, headers

    def compile_all(self):
        jobs = list(self.jobs())
        objects, failures = [], []
        workers = max(2, len(os.sched_getaffinity(0)))
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(self.compile, *job) for job in jobs]
            for number, future in enumerate(concurrent.futures.as_completed(futures), 1):
                source, out, status, text = future.result()
                self.progress.bar('build', number, len(jobs))
                if status:
                    failures.append((source, text))
            objects = [future.result()[1] for future in futures]
        return objects, failures

    def link(self, objects, warn_only=False):
        h = hashlib.sha256('\0'.join(objects + self.sanitize).encode())
        folder = self.options.coverage or os.path.join(self.places.cache, 'programs')
        out = os.path.join(folder, f'{self.module}-{h.hexdigest()[:20]}')
        os.makedirs(os.path.dirname(out), exist_ok=True)
        extra = ['--coverage', '-Wl,-u,__gcov_dump'] if self.options.coverage else []
        if warn_only:
            extra += ['-Wl,--warn-unresolved-symbols']
        elif os.path.exists(out):
            return out, ''
        part = f'{out}.{os.getpid()}.part'
        made = run(self.compiler + self.sanitize + extra + ['-no-pie', '-pthread', '-o', part] + objects +
                   ['-L', self.places.library, f'-Wl,-rpath,{self.places.library}', '-ldmamap'])
        if made.returncode == 0 and not warn_only:
            os.rename(part, out)
        elif os.path.exists(part):
            os.unlink(part)
        return out if made.returncode == 0 else None, made.stderr

    def driver_objects(self):
        """Returns the object of each source, after build()."""
        return [self.object_files[source] for source in self.sources]

    def missing(self, text):
        """Returns {name: [place, ...]} from a linker's messages."""
        names = {}
        for line in text.splitlines():
            found = re.search(r"undefined reference to [`']([^`']+)'", line)
            if not found:
                continue
            where = re.match(r'(?:\S*ld: )?(?:warning: )?(\S+?:\d+):', line)
            places = names.setdefault(found.group(1), [])
            if where and where.group(1) not in places:
                places.append(where.group(1))
        return names

    def add_midlayers(self, missing):
        """Adds the sources of the user's tree that contain functions which the drivers call."""
        added = False
        for line in self.places.list('tree-sources.txt'):
            pattern, name = line.split()
            path = self.tree and os.path.join(self.tree, name)
            if path and os.path.exists(path) and path not in self.options.with_sources and \
                    any(re.match(pattern, symbol) for symbol in missing):
                self.options.with_sources.append(path)
                added = True
        return added

    def objects(self):
        """Returns all objects; raises Stop if a file does not compile."""
        objects, failures = self.compile_all()
        self.progress.end()
        if failures:
            raise Stop(''.join(text for _, text in failures) + self.explain(failures))
        return objects

    def explain(self, failures):
        text = ''.join(t for _, t in failures)
        headers = sorted(set(re.findall(r'fatal error: (\S+): No such file', text)))
        names = sorted(set(re.findall(r"error: [‘'](\w+)[’'] undeclared", text)) |
                       set(re.findall(r"has no member named [‘'](\w+)[’']", text)) |
                       set(re.findall(r"unknown type name [‘'](\w+)[’']", text)))
        said = f'dmamap kmod: {", ".join(os.path.basename(s) for s, _ in failures)} does not compile'
        if headers:
            said += '\nmissing headers: ' + ' '.join(headers)
        if names:
            said += '\nmissing names: ' + ' '.join(names)
        if not self.tree:
            said += '\nno kernel tree was found above the sources: --tree names it (pci_ids.h and mii.h come from it)'
        return said + '\ndocs/kernel-drivers.md says how to add a name'

    def build(self):
        """Builds the program and returns its path."""
        for _ in range(3):
            objects = self.objects()
            program, text = self.link(objects)
            if program:
                self.object_files = dict(zip((job[0] for job in self.jobs()), objects))
                return program
            missing = self.missing(text)
            if not self.add_midlayers(missing):
                break
        if not missing:
            raise Stop(text)
        lines = [f'  {name}  {", ".join(where[:3])}' for name, where in sorted(missing.items())]
        raise Stop(f'dmamap kmod: {self.module} needs names that are not implemented:\n' + '\n'.join(lines) +
                   '\ndocs/kernel-drivers.md says how to add a name')

    def names(self):
        """Returns (missing, inert, failures): names that the driver needs and that are absent,
        or have no effect."""
        objects, failures = self.compile_all()
        missing = {}
        if not failures:
            for _ in range(2):
                _, text = self.link(objects, warn_only=True)
                missing = self.missing(text)
                if not self.add_midlayers(missing):
                    break
                objects, failures = self.compile_all()
        self.progress.end()
        inert = {}
        known = {line.split()[0]: ' '.join(line.split()[1:]) for line in self.places.list('inert.txt')}
        for source in self.sources:
            with open(source, errors='replace') as file:
                for number, line in enumerate(file, 1):
                    for name in re.findall(r'\b([a-z_]\w+)\s*\(', line):
                        if name in known:
                            inert.setdefault(name, (known[name], []))[1].append(f'{source}:{number}')
        return missing, inert, failures
