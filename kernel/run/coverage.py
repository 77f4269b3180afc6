# SPDX-License-Identifier: BSD-2-Clause
"""Line coverage of a driver: gcc's counters, which its runs accumulate in the folder of the build."""

import json
import os

from places import Stop, run


def of(build, options):
    """{source: {'lines': N, 'run': N}}, or None without --coverage."""
    if not options.coverage:
        return None
    lines = {os.path.realpath(source): {} for source in build.sources}
    for part in build.driver_objects():
        try:
            report = json.loads(run(['gcov', '--json-format', '--stdout', part], cwd=options.coverage).stdout)
        except FileNotFoundError:
            raise Stop('gcov, which --coverage needs, is not installed: it comes with gcc')
        except ValueError:
            continue  # no run came so far that it wrote counters
        for file in report['files']:
            at = lines.get(os.path.realpath(os.path.join(report['current_working_directory'], file['file'])))
            for line in file['lines'] if at is not None else ():
                at[line['line_number']] = at.get(line['line_number'], 0) + line['count']
    return {source: {'lines': len(counts), 'run': sum(count > 0 for count in counts.values())}
            for source, counts in lines.items()}


def tell(covered):
    for source, counts in (covered or {}).items():
        share = f', {100 * counts["run"] / counts["lines"]:.1f} %' if counts['lines'] else ''
        print(f'coverage: {os.path.basename(source)}: {counts["run"]} of {counts["lines"]} lines{share}')
