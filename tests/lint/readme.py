#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The README's example is examples/fetch.c, which is built and run: so it stays true.

Usage: readme.py ROOT
"""

import re
import sys

import tree

EXAMPLE = 'examples/fetch.c'


def complaints(root):
    block = re.search(r'^```c\n(.*?)^```$', tree.read(root, 'README.md'), re.DOTALL | re.MULTILINE)
    if not block:
        return ['README.md: no example in C']
    example = tree.read(root, EXAMPLE)
    example = example[example.index('#include'):]
    if block.group(1) != example:
        return [f'README.md: the example differs from {EXAMPLE} (from its first #include on)']
    return []


if __name__ == '__main__':
    tree.conclude(complaints(sys.argv[1]))
