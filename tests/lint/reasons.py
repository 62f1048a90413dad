#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Why something is not in the kernel: every code of enum ktls_reason has its row in the table of
texts, an entry of its own in the manual with the same name and the same remedy ("To do: ..."), and
a test beside those of the table itself that makes it happen.

Usage: reasons.py ROOT
"""

import re
import sys

import tree

HEADER = 'include/ktls/error.h'
TABLE = 'src/base/error.c'
PAGE = 'man/ktls_error.3.scd'
NO_MAKERS = ('tests/test_error.c', 'tests/test_explain.c') # they go through all
ROW = re.compile(r'\[(KTLS_REASON_\w+)\]\s*=\s*\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}')
STRINGS = re.compile(r'(?:"(?:[^"\\]|\\.)*"\s*)+')
ENTRY = re.compile(r'^\*(KTLS_REASON_\w+)\* \("([a-z-]+)"\)\n((?:\t.*\n)+)', re.MULTILINE)


def words(text):
    """As it is read: without what is only layout."""
    return ' '.join(re.sub(r'[\\*]', '', text).split())


def codes(text):
    return re.findall(r'\bKTLS_REASON_\w+', tree.code_of(text))


def table(text):
    """Name and remedy by code."""
    rows = {}
    for code, body in ROW.findall(text):
        strings = [''.join(re.findall(r'"((?:[^"\\]|\\.)*)"', group)) for group in
                   STRINGS.findall(body)]
        rows[code] = (strings[0], strings[-1])
    return rows


def entries(text):
    return {code: (name, words(body)) for code, name, body in ENTRY.findall(text)}


def complaints_of(code, row, entry, tests):
    if not row:
        yield f'{code} is not in {TABLE}'
        return
    name, remedy = row
    if not entry:
        yield f'{code} has no entry of its own in {PAGE}'
    elif entry[0] != name:
        yield f'{code} is called "{entry[0]}" in {PAGE}, "{name}" in {TABLE}'
    elif remedy and f'To do: {words(remedy)}.' not in entry[1]:
        yield f'{code} in {PAGE} does not say "To do: {remedy}."'
    elif not remedy and 'To do:' in entry[1]:
        yield f'{code} has a remedy in {PAGE} alone'
    if not any(re.search(rf'\b{code}\b', text) for text in tests):
        yield f'{code} is made by no test'


def complaints(root, paths):
    rows, described = table(tree.read(root, TABLE)), entries(tree.read(root, PAGE))
    tests = [tree.read(root, path) for path in paths
             if path.startswith('tests/') and path.endswith('.c') and path not in NO_MAKERS]
    return [complaint for code in codes(tree.read(root, HEADER))
            for complaint in complaints_of(code, rows.get(code), described.get(code), tests)]


if __name__ == '__main__':
    tree.conclude(complaints(sys.argv[1], tree.files(sys.argv[1])))
