# SPDX-License-Identifier: BSD-2-Clause
"""`dmamap kmod`: names, build, run, fail and expect. The command `dmamap` starts it and passes
the locations of its files."""

import argparse
import json
import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import coverage  # noqa: E402
import expect  # noqa: E402
from build import Build, SANITIZERS  # noqa: E402
from findings import merge  # noqa: E402
from places import Places, Progress, Stop, FAILED, FOUND, USAGE  # noqa: E402
from runner import Runner  # noqa: E402

OWN_SITES = ['kmalloc', 'skb', 'irq', 'ioremap', 'register']
DMA_SITES = ['map', 'coherent', 'pool', 'page', 'iova', 'bounce', 'link', 'backend', 'memory']
# `all`: failures that a driver can meet in a kernel. The other sites are internal to dmamap.
ALL_SITES = OWN_SITES + ['map', 'coherent', 'pool', 'page']


def parser():
    top = argparse.ArgumentParser(prog='dmamap kmod', description='Unmodified Linux kernel drivers, run in dmamap.')
    commands = top.add_subparsers(dest='command', metavar='COMMAND', required=True)
    helps = {'names': 'kernel names that a driver needs and that are absent or do nothing',
             'build': 'build a driver into a program',
             'run': 'probe, open, send and receive, close, unload; report misuse and leaks',
             'fail': 'the same with each allocation, mapping and registration failing in turn',
             'expect': 'run, and with --site fail, compared with a list of known findings: any other makes the status 1'}
    for name, text in helps.items():
        sub = commands.add_parser(name, help=text, description=text)
        if name == 'expect':
            sub.add_argument('expect', metavar='KNOWN', help='the known findings: lines of DRIVER KIND FUNCTION')
        sub.add_argument('files', nargs='+', metavar='FILE', help="a module's sources, or a folder with a Makefile")
        common(sub)
        if name in ('run', 'fail', 'expect'):
            running(sub)
        if name in ('run', 'fail'):
            sub.add_argument('--expect', metavar='KNOWN', help='known findings, which do not count')
        if name in ('fail', 'expect'):
            sub.add_argument('--site', action='append', default=[], metavar='SITE',
                             help='what fails: ' + ' '.join(OWN_SITES + DMA_SITES) + ' all (default all)')
            sub.add_argument('--every', type=int, default=1, metavar='K', help='try every K-th call only')
            sub.add_argument('--max', type=int, default=100000, metavar='N', help='at most N runs for each site')
    return top


def common(sub):
    sub.add_argument('--tree', metavar='DIR', help='the kernel tree (default: the one around FILE)')
    sub.add_argument('--config', action='append', default=[], metavar='X=m', help='a CONFIG_ option of the Makefile')
    sub.add_argument('--sanitize', choices=sorted(SANITIZERS), default='address')
    sub.add_argument('--script', metavar='FILE', help='a script in C in place of the standard one')
    sub.add_argument('--json', action='store_true', help='one JSON object on standard output')
    sub.add_argument('-v', '--verbose', action='store_true', help="show the kernel's messages of all levels")


def running(sub):
    sub.add_argument('--device', metavar='SPEC', help='the device, as dmamap(7) describes, as qemu:rtl8139')
    sub.add_argument('--check', action=argparse.BooleanOptionalAction, default=True, help="dmamap's checker (on)")
    sub.add_argument('--tx', type=int, default=30, metavar='N', help='frames to send (30)')
    sub.add_argument('--rx', type=int, default=20, metavar='N', help='frames to receive (20)')
    sub.add_argument('--size', type=int, metavar='BYTES', help='of each frame (default: different ones)')
    sub.add_argument('--sg', type=int, default=0, metavar='N', help='up to N fragments in each packet')
    sub.add_argument('--mtu', type=int, metavar='BYTES')
    sub.add_argument('--ethtool', action='store_true', help="call the driver's ethtool operations")
    sub.add_argument('--full', action='store_true', help='also modes, features, time-out, suspend and resume, jumbo frames')
    sub.add_argument('--param', action='append', default=[], metavar='NAME=VALUE', help='a parameter of the module')
    sub.add_argument('--firmware', metavar='DIR', help='where request_firmware() looks')
    sub.add_argument('--override', action='store_true', help='bind whatever the IDs say, as driver_override of sysfs')
    sub.add_argument('--revision', metavar='N', help='a quirk: the PCI revision that the driver sees')
    sub.add_argument('--option', action='append', default=[], metavar='KEY=VALUE', help='of the script')
    sub.add_argument('--hang', type=int, default=20, metavar='SECONDS', help='no progress for so long is a hang (20)')
    sub.add_argument('--timeout', type=int, default=600, metavar='SECONDS', help='the longest run (600)')
    sub.add_argument('--loglevel', type=int, default=0, help=argparse.SUPPRESS)
    sub.add_argument('--coverage', action='store_true', help='print which share of the lines of each source was run')


def prepare(options, places, progress):
    options.with_sources = []
    options.coverage = tempfile.mkdtemp(prefix='kmod-coverage-') if getattr(options, 'coverage', False) else None
    return Build(places, options, progress)


def cmd_names(options, places, progress):
    build = prepare(options, places, progress)
    missing, inert, failures = build.names()
    config = [line.split()[1] for line in open(os.path.join(places.kernel, 'include/kmod/config.h'))
              if line.startswith('#define CONFIG_')]
    if options.json:
        print(json.dumps({'driver': build.module, 'missing': missing,
                          'inert': {n: {'why': w, 'places': p} for n, (w, p) in inert.items()}, 'config': config,
                          'does_not_compile': [s for s, _ in failures]}))
    else:
        for source, text in failures:
            print(text, end='')
        if failures:
            print(build.explain(failures))
        for name, where in sorted(missing.items()):
            print(f'missing  {name}  {", ".join(where[:4])}')
        for name, (why, where) in sorted(inert.items()):
            print(f'inert    {name}: {why}  {", ".join(short(w) for w in where[:4])}')
        print('config   ' + ' '.join(config))
    if failures:
        return FAILED
    return FOUND if missing else 0


def short(place):
    return os.path.basename(place)


def cmd_build(options, places, progress):
    build = prepare(options, places, progress)
    program = build.build()
    print(json.dumps({'driver': build.module, 'program': program}) if options.json else program)
    return 0


def check_run(result, options):
    """Raises Stop if the program could not begin."""
    error = result.value('error')
    if error:
        raise Stop(f'dmamap kmod: {error}')
    if result.value('no_match'):
        raise Stop(f'dmamap kmod: the driver does not match the device: the driver has {result.value("driver_ids").strip()}, '
                   f'the device {result.value("device_id")}')
    if result.value('module_init'):
        print(f'dmamap kmod: module_init failed: {os.strerror(-result.value("module_init"))}', file=sys.stderr)
    elif result.value('probe'):
        print(f'dmamap kmod: probe failed: {os.strerror(abs(result.value("probe")))}', file=sys.stderr)


def summary(build, options, result, findings, covered):
    return {'driver': build.module, 'device': options.device, 'frames_sent': result.total('frames_sent'),
            'frames_received': result.total('frames_received'), 'first_frame_ms': first_frame(result),
            'reports': len(findings), 'leaks': sum(f.kind.startswith('leak') for f in findings),
            'probe': result.value('probe'), 'script': result.value('script'), 'open': result.value('open'), 'end': result.value('end', 'died'),
            'findings': [f.json() for f in findings], **({'coverage': covered} if covered else {})}


def first_frame(result):
    ns = next((e['first_frame_ns'] for e in result.events if e.get('first_frame_ns', -1) >= 0), None)
    return None if ns is None else round((ns + result.value('opened_ns', 0)) / 1e6)


def lost(result, options):
    """Describes lost or wrong frames, and a failed user script."""
    words = []
    if result.value('script'):
        words.append(f'the script ended with {result.value("script")}')
    for event in result.events:
        if not event.get('traffic'):
            continue
        if event['queued'] > event['frames_sent']:
            words.append(f'{event["queued"] - event["frames_sent"]} of {event["queued"]} sent frames did not arrive')
        if event['peer_sent'] > event['frames_received']:
            words.append(f'{event["peer_sent"] - event["frames_received"]} of {event["peer_sent"]} frames were not received')
        if event['sent_wrong'] or event['received_wrong']:
            words.append(f'{event["sent_wrong"] + event["received_wrong"]} frames differ')
        if event['stuck']:
            words.append('the transmit queue stopped and was never woken')
        if not event['carrier']:
            words.append('no carrier')
    return words


def cmd_run(options, places, progress):
    build = prepare(options, places, progress)
    runner = Runner(build.build(), places, options, progress)
    result = runner.run()
    progress.end()
    check_run(result, options)
    known = expect.Known(options.expect)
    findings = known.others(result.findings, build.module)
    covered = coverage.of(build, options)
    s = summary(build, options, result, findings, covered)
    if options.json:
        print(json.dumps(s))
    else:
        print(f'{s["driver"]} on {s["device"]}: {s["frames_sent"]} frames sent, {s["frames_received"]} received, '
              f'{s["reports"]} findings, {s["leaks"]} of them leaks')
        for words in lost(result, options):
            print(f'  {words}')
        for finding in findings:
            print(finding.full())
        if result.ledger:
            print(f'the run did not finish; the driver then owned {len(result.ledger)} objects:')
        for finding in result.ledger:
            print(f'  {finding.line()}')
        known.tell()
        coverage.tell(covered)
    if runner.stopped:
        print('dmamap kmod: stopped', file=sys.stderr)
    if findings or (lost(result, options) and not runner.stopped):
        return FOUND
    return FAILED if not result.findings and (result.value('module_init') or result.value('probe')) else 0


def cmd_expect(options, places, progress):
    return (cmd_fail if options.site else cmd_run)(options, places, progress)


def cmd_fail(options, places, progress):
    build = prepare(options, places, progress)
    sites = []
    for site in options.site or ['all']:
        sites += ALL_SITES if site == 'all' else [site]
    for site in sites:
        if site not in OWN_SITES + DMA_SITES:
            raise Stop(f'no site {site}: ' + ' '.join(OWN_SITES + DMA_SITES) + ' all', USAGE)
    runner = Runner(build.build(), places, options, progress)
    base = runner.run(['patience_ms=500'])
    check_run(base, options)
    known, runs, injected = {}, 0, {}
    rules = expect.Known(options.expect)
    merge(known, base.findings, 'nothing')
    announce(base.findings, build, options, rules)
    for site in sites:
        n = 1
        while n <= options.max * options.every and not runner.stopped:
            result = runner.run([f'fail={site}', f'nth={n}', 'patience_ms=100', 'carrier_ms=3000'], f'{site} {n}')
            runs += 1
            happened = result.injected is not None or result.value('injected') is not None
            if happened or any(f.kind == 'died' for f in result.findings):
                new = merge(known, result.findings, f'{site} nth={n}')
                announce(new, build, options, rules)
            if happened:
                injected[site] = injected.get(site, 0) + 1
            progress.show(f'fail: {site} call {n}, {len(known)} findings')
            if not happened:
                break
            n += options.every
    progress.end()
    findings = rules.others(list(known.values()), build.module)
    covered = coverage.of(build, options)
    if options.json:
        s = summary(build, options, base, findings, covered)
        s.update({'runs': runs, 'injected': injected})
        print(json.dumps(s))
    else:
        print(f'{build.module}: {runs} runs, {sum(injected.values())} injected failures, {len(findings)} findings')
        for site in sites:
            if not injected.get(site):
                print(f'  {site}: nothing failed: the driver makes no such call')
        for finding in findings:
            print(finding.full())
        rules.tell()
        coverage.tell(covered)
    if not injected and not runner.stopped:
        print('dmamap kmod: no call was made to fail', file=sys.stderr)
    return FOUND if findings else 0


def announce(findings, build, options, rules):
    for finding in rules.others(findings, build.module):
        print(finding.line(), file=sys.stderr if options.json else sys.stdout, flush=True)


def main():
    kernel, generated, include, library, version = sys.argv[1:6]
    options = parser().parse_args(sys.argv[6:])
    places = Places(kernel, generated, include, library, version)
    progress = Progress(options.json and not sys.stderr.isatty())
    commands = {'names': cmd_names, 'build': cmd_build, 'run': cmd_run, 'fail': cmd_fail, 'expect': cmd_expect}
    try:
        return commands[options.command](options, places, progress)
    except Stop as stop:
        progress.end()
        print(stop, file=sys.stderr)
        return stop.status
    except KeyboardInterrupt:
        progress.end()
        print('dmamap kmod: stopped', file=sys.stderr)
        return FAILED
    finally:
        if isinstance(getattr(options, 'coverage', None), str):
            shutil.rmtree(options.coverage, ignore_errors=True)


if __name__ == '__main__':
    sys.exit(main())
