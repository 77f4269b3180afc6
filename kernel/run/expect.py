# SPDX-License-Identifier: BSD-2-Clause
"""Known findings. A line of the file is DRIVER KIND FUNCTION, each a shell pattern, then a
description as a comment:
    e100  skb-not-owned  e100_tx_clean  # TX_BUSY with the skb kept"""

import fnmatch

from places import Stop, USAGE


class Known:
    def __init__(self, path):
        """Without a path there are no known findings."""
        self.seen = set()
        try:
            with open(path or '/dev/null') as file:
                lines = [line.split('#')[0].split() for line in file]
        except (OSError, UnicodeDecodeError) as error:
            raise Stop(f'{path}: {getattr(error, "strerror", None) or error}', USAGE)
        for number, line in enumerate(lines, 1):
            if line and len(line) != 3:
                raise Stop(f'{path}:{number}: a line has three words: DRIVER KIND FUNCTION', USAGE)
        self.rules = [tuple(line) for line in lines if line]

    @staticmethod
    def matches(rule, finding, driver):
        functions = [frame.function for frame in finding.stack + finding.other]
        return fnmatch.fnmatch(driver, rule[0]) and fnmatch.fnmatch(finding.kind, rule[1]) and \
            any(fnmatch.fnmatch(function, rule[2]) for function in functions)

    def others(self, findings, driver):
        """Returns the findings that match no rule."""
        unknown = []
        for finding in findings:
            rules = [rule for rule in self.rules if self.matches(rule, finding, driver)]
            self.seen.update(rules)
            if not rules:
                unknown.append(finding)
        return unknown

    def tell(self):
        for rule in self.rules:
            print(f'{"expected" if rule in self.seen else "not seen"}: {" ".join(rule)}')
