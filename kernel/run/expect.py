# SPDX-License-Identifier: BSD-2-Clause
"""Known findings. A line of the file is DRIVER KIND FUNCTION, each a shell pattern, then a
description as a comment:
    e100  skb-not-owned  e100_tx_clean  # TX_BUSY with the skb kept"""

import fnmatch

from places import Stop, USAGE


def read(path):
    try:
        with open(path) as file:
            lines = [line.split('#')[0].split() for line in file]
    except OSError as error:
        raise Stop(f'{path}: {error.strerror}', USAGE)
    for number, line in enumerate(lines, 1):
        if line and len(line) != 3:
            raise Stop(f'{path}:{number}: a line has three words: DRIVER KIND FUNCTION', USAGE)
    return [line for line in lines if line]


def unknown(findings, driver, path):
    if not path:
        return findings
    rules = read(path)
    return [f for f in findings if not any(
        fnmatch.fnmatch(driver, d) and fnmatch.fnmatch(f.kind, k) and
        any(fnmatch.fnmatch(frame.function, fn) for frame in f.stack + f.other) for d, k, fn in rules)]
