# SPDX-License-Identifier: BSD-2-Clause
"""
A machine whose devices are served by `dmamap serve`. The drivers are those of the guest's kernel. It needs a QEMU
with vfio-user-pci (10.1 or later): the system's, or one in a folder that debootstrap made (docs/vm.md).
"""

import json
import os
import shutil
import signal
import subprocess
import time

import tap

QEMU = 'qemu-system-x86_64'
FOLDER = os.environ.get('DMAMAP_VM_SYSTEM') or os.path.join(
    os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'dmamap-vm', 'sid')
DMAMAP = os.path.join(tap.ROOT, os.environ.get('DMAMAP_VM_SERVE', 'build-gcc/cli/dmamap'))
DISK_BYTES = 1 << 30  # sparse


def in_folder():
    """The command line of the QEMU in FOLDER, which runs with that folder's libraries."""
    libraries = f'{FOLDER}/usr/lib/x86_64-linux-gnu'
    return ['env', f'QEMU_MODULE_DIR={libraries}/qemu', f'{FOLDER}/lib64/ld-linux-x86-64.so.2', '--library-path',
            libraries, f'{FOLDER}/usr/bin/{QEMU}', '-L', f'{FOLDER}/usr/share/qemu', '-L', f'{FOLDER}/usr/share/seabios']


def find_qemu():
    """The beginning of QEMU's command line; None: no QEMU here has vfio-user-pci."""
    candidates = ([[QEMU]] if shutil.which(QEMU) else []) + (
        [in_folder()] if os.path.exists(f'{FOLDER}/usr/bin/{QEMU}') else [])
    for words in candidates:
        done = subprocess.run([*words, '-machine', 'none', '-device', 'vfio-user-pci,help'], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True, check=False)
        if 'socket=' in done.stdout:
            return words
    return None


WHY_NOT = f'no QEMU with vfio-user-pci is here, neither {QEMU} nor one in {FOLDER} (docs/vm.md)'


def device(name, path, bus, address):
    socket_address = {'type': 'unix', 'path': path}
    return json.dumps({'driver': 'vfio-user-pci', 'id': name, 'bus': bus, 'addr': address, 'socket': socket_address})


class Served:
    """
    The server, the machine with the disk and a card, and the machine with the other card. The places on the bus are
    not those of guest/lib.sh, whose functions are bound to vfio-pci.
    """

    def __init__(self, work):
        self.work, self.qemu, self.mate = work, find_qemu(), None
        with open(f'{work}/disk', 'wb') as f:
            f.truncate(DISK_BYTES)
        specs = {'disk': f'sim:nvme,image={work}/disk', 'card': 'sim:e1000e,wire=pair:vm', 'mate': 'sim:e1000e,wire=pair:vm'}
        self.path = {name: f'{work}/{name}.sock' for name in specs}
        words = [word for name, spec in specs.items() for word in (spec, '--socket', self.path[name])]
        self.log, self.out = f'{work}/serve.log', f'{work}/serve.json'
        with open(self.log, 'wb') as log, open(self.out, 'wb') as out:
            self.server = subprocess.Popen([DMAMAP, 'serve', *words, '--check', '--json'], stdin=subprocess.DEVNULL,
                                           stdout=out, stderr=log, start_new_session=True)
        for _ in range(600):
            if all(os.path.exists(path) for path in self.path.values()) or self.server.poll() is not None:
                break
            time.sleep(0.1)

    def common(self, kernel, root, options, memory):
        return [*self.qemu, '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-accel',
                'tcg,thread=multi', '-cpu', 'max', '-m', memory, '-machine', 'q35,memory-backend=mem',
                '-object', f'memory-backend-memfd,id=mem,size={memory},share=on', '-kernel', kernel, '-initrd', root,
                '-append', f'console=ttyS0 quiet panic=-1 loglevel=5 {options}']

    def command(self, kernel, root, machine):
        self.start_mate(kernel, root)
        return [*self.common(kernel, root, machine.kernel_options, machine.memory), '-smp', '2',
                '-device', 'pcie-root-port,id=rp0,chassis=1,addr=11',
                '-device', device('disk', self.path['disk'], 'rp0', '0'),
                '-device', device('card', self.path['card'], 'pcie.0', '12')]

    def start_mate(self, kernel, root):
        line = [*self.common(kernel, root, 'mate', '128M'), '-serial', f'file:{self.work}/mate.console',
                '-device', device('mate', self.path['mate'], 'pcie.0', '12')]
        with open(f'{self.work}/mate.errors', 'wb') as errors:
            self.mate = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                                         start_new_session=True)

    def end(self):
        """Ends the other machine and the server. Returns what was wrong with the server."""
        if self.mate:
            self.mate.kill()
            self.mate.wait()
        self.server.send_signal(signal.SIGINT)
        try:
            status = self.server.wait(60)
        except subprocess.TimeoutExpired:
            self.server.kill()
            status = 'none: it did not end'
        with open(self.log, encoding='utf-8', errors='replace') as f:
            lines = f.read().splitlines()
        problems = [line for line in lines if ': misuse: ' in line or ': error: ' in line or 'Sanitizer' in line]
        if status:
            problems += [f'status of the server: {status}'] + lines[-40:]
        return problems
