#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What clang-format does not see: licence lines, sizes, and the words of C that the house does
without (CONTRIBUTING.md, "Style").

Usage: style.py ROOT
"""

import re
import sys
from pathlib import PurePath

import tree

COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600

SPDX = 'SPDX-License-Identifier: MIT'
TEXT = ('.c', '.h', '.py', '.sh', '.build', '.txt', '.ini', '.map', '.md', '.scd', '.pc', '.in')

WORDS = {
    r'\bgoto\b': 'goto: return early, clean up by attribute',
    r'\btypedef\s+(struct|union|enum)\b': 'typedef of a struct: its name says what it is',
}


def needs_licence(path, text):
    return (tree.is_c(path) or text.startswith('#!')
            or path.endswith(('.py', '.sh', 'meson.build', '.ini')))


def complain_licence(path, text):
    lines = text.splitlines()
    first = lines[1:2] if text.startswith('#!') else lines[:1]
    if needs_licence(path, text) and (not first or SPDX not in first[0]):
        yield f'{path}:1: the first line is no "{SPDX}"'


def complain_text(path, text):
    if text and not text.endswith('\n'):
        yield f'{path}: the last line has no end'
    for number, line in enumerate(text.splitlines(), 1):
        if line != line.rstrip():
            yield f'{path}:{number}: space at the end of the line'


def complain_size(path, text):
    count = len(text.splitlines())
    if count > FILE_LINES_MAX:
        yield f'{path}: {count} lines, {FILE_LINES_MAX} is the end: look for the missing idea'


def complain_c(path, text):
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        columns = len(line.expandtabs(8))
        if columns > COLUMNS_MAX:
            yield f'{path}:{number}: {columns} columns, {COLUMNS_MAX} is the end'
        if line.startswith('{'):
            start = number
        if line.startswith('}') and start:
            if number - start > FUNCTION_LINES_MAX:
                yield f'{path}:{start}: a function of {number - start} lines'
            start = 0
    for number in tree.lines_comments(text):
        yield f'{path}:{number}: a // comment: the house writes /* */'
    code = tree.code_of(text)
    for pattern, why in WORDS.items():
        for match in re.finditer(pattern, code):
            yield f'{path}:{code.count(chr(10), 0, match.start()) + 1}: {why}'


def complaints(root, paths):
    found = []
    for path in paths:
        text = tree.read(root, path)
        if not path.endswith(TEXT) and '.' in PurePath(path).name and not text.startswith('#!'):
            continue
        found += complain_licence(path, text)
        found += complain_text(path, text)
        if tree.is_c(path) or needs_licence(path, text):
            found += complain_size(path, text)
        if tree.is_c(path):
            found += complain_c(path, text)
    return found


if __name__ == '__main__':
    tree.conclude(complaints(sys.argv[1], tree.files(sys.argv[1])))
