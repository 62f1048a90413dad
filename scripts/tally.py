#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Counts what the runs of scripts/check gave, from meson's logs (testlog.json): every test point of a
TAP test, and every other test once. Failures are named, each with its run and what it said; the
last line is "N passed, N failed, N skipped", and the exit status is 0 only if nothing failed.

A test may be skipped where a kernel lacks what it needs. One that was skipped on every kernel was
never run at all, and counts as failed. So does a run that gave no results.

Usage: tally.py [--failed TEXT]... [--run LABEL FILE]... [--kernel-run LABEL FILE]...
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

PLAN = re.compile(r'^1\.\.\d+', re.MULTILINE)
POINT = re.compile(r'^(not )?ok\b[ \d]*-?[ ]*([^#\n]*?)[ ]*(#[ ]*SKIP\b.*)?$',
                   re.MULTILINE | re.IGNORECASE)
HOW = re.compile(r'( timed out| unexpected signal.*)? *(\(\d+\.\d+s\))?$')

SAID_LINES_MAX = 60

PASSED, FAILED, SKIPPED = 'passed', 'failed', 'skipped'
OF_MESON = {'OK': PASSED, 'EXPECTEDFAIL': PASSED, 'SKIP': SKIPPED}


class Point(NamedTuple):
    name: str
    result: str
    said: str = ''


def points_of(test):
    """The points of one test, as meson logged it."""
    name, output = test['name'], test.get('stdout') or ''
    result = OF_MESON.get(test['result'], FAILED)
    points = []
    if PLAN.search(output):
        matches = list(POINT.finditer(output))
        ends = [match.start() for match in matches[1:]] + [len(output)]
        for match, end in zip(matches, ends):
            point = FAILED if match.group(1) else SKIPPED if match.group(3) else PASSED
            points.append(Point(f'{name}: {HOW.sub("", match.group(2))}', point,
                                output[match.start():end]))
    if not points:
        points.append(Point(name, result, output + (test.get('stderr') or '')))
    elif result == FAILED and FAILED not in (point.result for point in points):
        points.append(Point(f'{name} ({test["result"].lower()})', FAILED, test.get('stderr') or ''))
    return points


def results_of(path):
    lines = Path(path).read_text(encoding='utf-8').splitlines() if Path(path).exists() else []
    return [point for line in lines for point in points_of(json.loads(line))]


def never_run(kernel_runs):
    """The names that every kernel's run skipped."""
    seen = {}
    for points in kernel_runs:
        for point in points:
            seen.setdefault(point.name, set()).add(point.result)
    return sorted(name for name, results in seen.items() if results == {SKIPPED})


def show(label, point):
    """A failure with the end of what it said; a sanitizer's report is long."""
    said = [f'    {line}' for line in point.said.rstrip().splitlines()]
    return '\n'.join([f'{label}: {point.name}'] + said[-SAID_LINES_MAX:])


def tally(runs, kernel_runs, failures):
    """runs: {label: [Point]}. Returns the failures, and how many passed and were skipped."""
    failures = list(failures)
    everything = {**runs, **kernel_runs}
    for label, points in everything.items():
        if not points:
            failures.append(f'{label}: no results')
        failures += [show(label, point) for point in points if point.result == FAILED]
    idle = never_run(kernel_runs.values())
    failures += [f'{name}: skipped on every kernel' for name in idle]
    points = [point for points in everything.values() for point in points]
    passed = sum(point.result == PASSED for point in points)
    skipped = sum(point.result == SKIPPED and point.name not in idle for point in points)
    return failures, passed, skipped


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--failed', action='append', default=[])
    parser.add_argument('--run', nargs=2, action='append', default=[])
    parser.add_argument('--kernel-run', nargs=2, action='append', default=[])
    arguments = parser.parse_args()
    failures, passed, skipped = tally(
        {label: results_of(path) for label, path in arguments.run},
        {label: results_of(path) for label, path in arguments.kernel_run}, arguments.failed)
    for failure in failures:
        print(f'FAILED {failure}')
    print(f'{passed} passed, {len(failures)} failed, {skipped} skipped')
    sys.exit(1 if failures or not passed else 0)


if __name__ == '__main__':
    main()
