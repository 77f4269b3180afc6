# SPDX-License-Identifier: BSD-2-Clause
"""Runs a built program once: its arguments, its events, its end."""

import json
import os
import re
import select
import signal
import subprocess
import time

from findings import Finding, Frame, Reader

ASAN = 'detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:abort_on_error=0:exitcode=99'


class Result:
    def __init__(self):
        self.events, self.findings, self.injected, self.ledger = [], [], None, []
        self.status, self.killed, self.messages = None, False, ''

    def value(self, name, otherwise=None):
        """Returns the last event that has this member."""
        return next((e[name] for e in reversed(self.events) if name in e), otherwise)

    def total(self, name):
        return sum(e[name] for e in self.events if name in e)


class Runner:
    def __init__(self, program, places, options, progress):
        self.program, self.places, self.options, self.progress = program, places, options, progress
        self.reader = Reader(program, places)
        self.stopped = False

    def arguments(self, more):
        o = self.options
        args = [f'hang={o.hang}', f'tx={o.tx}', f'rx={o.rx}', f'sg={o.sg}', f'loglevel={7 if o.verbose else o.loglevel}']
        if o.device:
            device = o.device
            if o.check and 'check=' not in device:
                device += ',check=1'
            if device.startswith('qemu:') and 'writes=' not in device:
                device += ',writes=sync'
            args += [f'device={device}', f'wire={1 if self.has_wire(device) else 0}']
        for name in ('size', 'mtu', 'firmware', 'revision'):
            if getattr(o, name):
                args.append(f'{name}={getattr(o, name)}')
        args += [f'{name}=1' for name in ('ethtool', 'full', 'override') if getattr(o, name)]
        args += [f'param={p}' for p in o.param] + list(o.option) + more
        return args

    @staticmethod
    def has_wire(device):
        kind = device.split(',')[0]
        return kind.startswith(('qemu:', 'sim:e1000e')) and not any(
            word in device for word in ('pcap-', 'wire=')) and not kind.startswith(('qemu:edu', 'qemu:nvme'))

    def run(self, more=(), name=''):
        """One run. SIGINT ends it in an orderly way."""
        result = Result()
        read, write = os.pipe()
        env = dict(os.environ, KMOD_EVENTS=str(write), ASAN_OPTIONS=ASAN, TSAN_OPTIONS='exitcode=99:detect_deadlocks=0')
        env.pop('DMAMAP_CHECK', None)
        child = subprocess.Popen([self.program] + self.arguments(list(more)), env=env, pass_fds=(write,),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 start_new_session=True)
        os.close(write)
        try:
            self.collect(child, read, result, name)
        finally:
            os.close(read)
            if child.poll() is None:
                child.kill()
            child.wait()
            child.stdout.close()
        result.status = child.returncode
        result.findings, result.injected, result.ledger = self.reader.read(result.events)
        self.explain_end(result)
        return result

    def collect(self, child, read, result, name):
        limit = time.monotonic() + self.options.timeout
        pending, messages, asked = b'', b'', None
        sources = {read, child.stdout.fileno()}
        while sources:
            try:
                ready = select.select(list(sources), [], [], 0.1)[0]
            except KeyboardInterrupt:
                self.stopped, asked = True, time.monotonic()
                child.send_signal(signal.SIGINT)
                continue
            for fd in ready:
                data = os.read(fd, 65536)
                if not data:
                    sources.discard(fd)
                elif fd == read:
                    pending += data
                    *lines, pending = pending.split(b'\n')
                    for line in lines:
                        self.event(line, result, name)
                else:
                    messages = (messages + data)[-200000:]
                    if self.options.verbose and not self.options.json:
                        os.write(2, data)
            if time.monotonic() > limit or asked and time.monotonic() - asked > 5:
                result.killed = True
                child.kill()
                break
        result.messages = messages.decode(errors='replace')

    def event(self, line, result, name):
        try:
            result.events.append(json.loads(line, strict=False))
        except ValueError:
            result.events.append({'finding': 'bad-event', 'text': line[:200].decode(errors='replace')})
        if not name:
            self.progress.show(f'run: {len(result.events)} events, {sum("finding" in e for e in result.events)} findings')

    def explain_end(self, result):
        """A run that did not finish is a finding of its own."""
        for report in re.findall(r'WARNING: ThreadSanitizer: ([^\n(]*).*?(?=\n={10})', result.messages, re.S)[:8]:
            result.findings.append(Finding('data-race', report.strip() + ' (the message has the stacks)', [], [], ''))
        if result.value('end') or result.value('error') or self.stopped:
            return
        text = ('it was killed after %d seconds' % self.options.timeout if result.killed else
                f'the program ended with status {result.status}: ' + ' '.join(result.messages.split()[-40:]))
        result.findings.append(Finding('died', text, [], [], ''))
