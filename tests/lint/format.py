#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
clang-format and .clang-format decide how C looks. Another version decides a little differently, so
there the question is not put (exit status 77: skipped).

Usage: format.py ROOT CLANG-FORMAT
"""

import re
import subprocess
import sys

import tree

VERSION = 14


def version_of(program):
    out = subprocess.run([program, '--version'], stdout=subprocess.PIPE, check=True).stdout.decode()
    match = re.search(r'version (\d+)\.', out)
    return int(match.group(1)) if match else None


def main(root, program):
    version = version_of(program)
    if version != VERSION:
        print(f'{program} is version {version}; the format is that of version {VERSION}')
        sys.exit(77)
    paths = [path for path in tree.files(root) if tree.is_c(path)]
    sys.exit(subprocess.run([program, '--dry-run', '-Werror', *paths], cwd=root, check=False)
             .returncode)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2])
