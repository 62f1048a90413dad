#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Counts what the runs of scripts/check gave, from meson's logs (testlog.json): every test point of a
TAP test, and every other test once. Failures are named, each with its run; the last line is
"N passed, N failed, N skipped", and the exit status is 0 only if nothing failed.

A test may be skipped where a kernel lacks what it needs. One that was skipped on every kernel was
never run at all, and counts as failed. So does a run that gave no results.

Usage: tally.py [--failed TEXT]... [--run LABEL FILE]... [--kernel-run LABEL FILE]...
"""

import argparse
import json
import re
import sys
from pathlib import Path

PLAN = re.compile(r'^1\.\.\d+', re.MULTILINE)
POINT = re.compile(r'^(not )?ok\b[ \d]*-?[ ]*([^#\n]*?)[ ]*(#[ ]*SKIP\b.*)?$',
                   re.MULTILINE | re.IGNORECASE)
HOW = re.compile(r'( timed out| unexpected signal.*)? *(\(\d+\.\d+s\))?$')

PASSED, FAILED, SKIPPED = 'passed', 'failed', 'skipped'
OF_MESON = {'OK': PASSED, 'EXPECTEDFAIL': PASSED, 'SKIP': SKIPPED}


def points_of(test):
    """(name, result) for each point of one test, as meson logged it."""
    name, output = test['name'], test.get('stdout') or ''
    result = OF_MESON.get(test['result'], FAILED)
    points = []
    if PLAN.search(output):
        for match in POINT.finditer(output):
            point = FAILED if match.group(1) else SKIPPED if match.group(3) else PASSED
            points.append((f'{name}: {HOW.sub("", match.group(2))}', point))
    if not points:
        points.append((name, result))
    elif result == FAILED and FAILED not in (point for _, point in points):
        points.append((f'{name} ({test["result"].lower()})', FAILED))
    return points


def results_of(path):
    lines = Path(path).read_text(encoding='utf-8').splitlines() if Path(path).exists() else []
    return [point for line in lines for point in points_of(json.loads(line))]


def never_run(kernel_runs):
    """The names that every kernel's run skipped."""
    seen = {}
    for results in kernel_runs:
        for name, result in results:
            seen.setdefault(name, set()).add(result)
    return sorted(name for name, results in seen.items() if results == {SKIPPED})


def tally(runs, kernel_runs, failures):
    """runs: {label: [(name, result)]}. Returns the failures and the three numbers."""
    failures = list(failures)
    for label, results in {**runs, **kernel_runs}.items():
        if not results:
            failures.append(f'{label}: no results')
        failures += [f'{label}: {name}' for name, result in results if result == FAILED]
    idle = never_run(kernel_runs.values())
    failures += [f'{name}: skipped on every kernel' for name in idle]
    everything = [point for results in {**runs, **kernel_runs}.values() for point in results]
    passed = sum(result == PASSED for _, result in everything)
    skipped = sum(result == SKIPPED and name not in idle for name, result in everything)
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
