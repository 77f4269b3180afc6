# SPDX-License-Identifier: BSD-2-Clause
"""Converts a program's events to findings: finds the lines of addresses, removes frames of the
runtime, merges equal findings."""

import os
import re

from places import run

# Kinds whose first address is that of the instruction itself, not a return address.
EXACT = {'oops', 'hang'}
# A report that the checker makes for every PCI function; its default mask is documented.
DOCUMENTED = {'map-no-mask'}


class Frame:
    def __init__(self, function, file, line):
        self.function, self.file, self.line = function, file, line

    def json(self):
        return {'function': self.function, 'file': self.file, 'line': self.line}

    def __str__(self):
        return f'{self.function} ({os.path.basename(self.file)}:{self.line})'


class Symbols:
    """Lines of a program's addresses, from addr2line, which is called once for each address."""

    def __init__(self, program):
        self.program, self.known = program, {}

    def load(self, addresses):
        wanted = sorted(set(a for a in addresses if a not in self.known))
        for at in range(0, len(wanted), 500):
            part = wanted[at:at + 500]
            text = run(['addr2line', '-afie', self.program] + [hex(a) for a in part]).stdout
            address, lines = None, []
            for line in text.splitlines() + ['0x0']:
                if re.fullmatch(r'0x[0-9a-f]+', line):
                    if address is not None:
                        self.known[address] = [Frame(lines[i], *self.place(lines[i + 1]))
                                               for i in range(0, len(lines) - 1, 2)]
                    address, lines = int(line, 16), []
                else:
                    lines.append(line)

    @staticmethod
    def place(text):
        found = re.match(r'(.*?):(\d+|\?)', text)
        line = found.group(2) if found else '0'
        return (os.path.normpath(found.group(1)) if found else '??'), int(line) if line.isdigit() else 0

    def frames(self, address):
        return self.known.get(address, [])


class Finding:
    def __init__(self, kind, text, stack, other, label):
        self.kind, self.text, self.stack, self.other, self.label = kind, text, stack, other, label
        self.count, self.runs = 1, []

    @property
    def top(self):
        return self.stack[0] if self.stack else self.other[0] if self.other else Frame('?', '?', 0)

    def key(self):
        return (self.kind, tuple((f.function, f.line) for f in self.stack[:3]) or self.text)

    def line(self):
        top = self.top
        return f'{self.kind}: {top.function} ({os.path.basename(top.file)}:{top.line}): {self.text}'

    def full(self):
        lines = [self.line()] + [f'    {frame}' for frame in self.stack]
        if self.other:
            lines += [f'  {self.label}:'] + [f'    {frame}' for frame in self.other]
        if self.runs:
            lines.append('  injected: ' + ', '.join(self.runs[:4]) + (' ...' if len(self.runs) > 4 else ''))
        return '\n'.join(lines)

    def json(self):
        return {'kind': self.kind, 'function': self.top.function, 'file': self.top.file, 'line': self.top.line,
                'text': self.text, 'stack': [f.json() for f in self.stack], 'other': [f.json() for f in self.other],
                'label': self.label, 'count': self.count, 'injected': self.runs}


class Reader:
    def __init__(self, program, places):
        self.symbols = Symbols(program)
        self.own = [os.path.normpath(p) + '/' for p in (places.kernel, places.generated, places.include)]
        self.skip = ('main', '__libc_start_call_main', '__libc_start_main', '_start', 'host_thread_main', '__clone3', 'start_thread', 'clone')

    def mine(self, frame):
        return any(os.path.normpath(frame.file).startswith(p) for p in self.own) or frame.file == '??' or \
            frame.function.startswith(('kmod_', '__kmod_', '__asan', '__interceptor', '__libc', '_start', 'start_thread',
                                       'clone')) or re.search(r'(^|/)\.\./(src|models)/', frame.file) is not None

    def driver(self, frames):
        kept = [f for f in frames if not self.mine(f) and f.function not in self.skip]
        return kept or [f for f in frames if f.file != '??' and f.function not in self.skip and
                        not f.function.startswith(('kmod_stack_take', 'kmod_finding', 'finding_args'))][:4]

    def stack(self, addresses, exact):
        frames = []
        for number, address in enumerate(addresses):
            frames += self.symbols.frames(address if exact and not number else address - 1)
        return self.driver(frames)

    def read(self, events):
        """Returns the findings of one run in order, with equal ones merged; the injected call,
        if any; and, for a run that did not finish, the ledger: the objects that the driver
        owned then, which are not leaks."""
        raw = [e for e in events if 'finding' in e]
        cut = next((e['end'] for e in events if 'end' in e), 'died') != 'done'
        ledger = {}
        self.symbols.load([a - 1 for e in raw for a in e.get('stack', []) + e.get('other', [])] +
                          [e['stack'][0] for e in raw if e.get('stack') and e['finding'] in EXACT])
        found, injected = {}, None
        for event in raw:
            finding = self.one(event)
            if event['finding'] == 'injected':
                injected = finding
            elif finding.kind not in DOCUMENTED:
                into = ledger if cut and finding.kind.startswith('leak-') else found
                old = into.setdefault(finding.key(), finding)
                old.count += old is not finding
        return list(found.values()), injected, list(ledger.values())

    def one(self, event):
        if 'checker' in event:
            return self.checker(event)
        exact = event['finding'] in EXACT
        return Finding(event['finding'], event.get('text', ''), self.stack(event.get('stack', []), exact),
                       self.stack(event.get('other', []), False), event.get('label', ''))

    def checker(self, event):
        """Parses a report of dmamap's checker: a message, then stacks, each under a heading with
        a colon."""
        lines = event['checker'].splitlines()
        stacks, label = {}, None
        for line in lines[1:]:
            word = re.fullmatch(r'\s*([^()]+):', line)
            frame = re.match(r'\s+(\S+) \((.*?)(?::(\d+))?\)$', line)
            if word:
                label = word.group(1).strip()
                stacks[label] = []
            elif frame and label is not None:
                stacks[label].append(Frame(frame.group(1), frame.group(2), int(frame.group(3) or 0)))
        text = re.sub(r'^dmamap: check: [^:]+: [^:]+: ', '', lines[0]) if lines else ''
        labels = list(stacks)
        first = self.driver(stacks[labels[0]]) if labels else self.stack(event.get('stack', []), False)
        other = self.driver(stacks[labels[1]]) if len(labels) > 1 else []
        return Finding(event['finding'], text, first, other, labels[1] if len(labels) > 1 else '')


def merge(into, findings, run_name):
    """Adds the findings of one run to {key: finding}. Returns the new ones."""
    new = []
    for finding in findings:
        old = into.get(finding.key())
        if old:
            old.count += 1
        else:
            old = into[finding.key()] = finding
            new.append(finding)
        if run_name:
            old.runs.append(run_name)
    return new
