#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
One list of names, written down in four places: the functions that the public headers declare, the
symbol map, what the built shared library exports, and the man pages, which know the constants, too.
This compares them. What sets something is in a table of a test besides. Public headers must not
name what lies behind them either, or a program would come to depend on it.

Usage: symbols.py ROOT SHARED-LIBRARY NM
"""

import re
import subprocess
import sys

import tree

HEADERS = 'include/ktls/'
SETTERS = 'tests/test_setters.c'
SETTER = re.compile(r'ktls_(config_(add|require|set)|conn_set)_')
MAP = 'src/ktls.map'
LEAKS = re.compile(r'\b(gnutls|io_uring|liburing|ares_|nla?_|nlmsg|tls12_|TLS_(CIPHER|SET|TX|RX)_)\w*',
                   re.IGNORECASE)


def declared(text):
    """The functions that a header declares: a name, a bracket, and no macro."""
    code = re.sub(r'^[ \t]*#(?:[^\n\\]|\\.|\\\n)*', '', tree.code_of(text), flags=re.MULTILINE)
    return set(re.findall(r'\b(ktls_\w+)\s*\(', code))


def constants(text):
    """The enumerators and macros of a header, but for include guards and the counts (_KTLS_..._N)."""
    return {name for name in re.findall(r'\bKTLS_[A-Z0-9_]+', tree.code_of(text))
            if not name.endswith('_H')}


def mapped(text):
    body = re.search(r'global:(.*?)local:', tree.code_of(text), re.DOTALL)
    return set(re.findall(r'(\w+)\s*;', body.group(1))) if body else set()


def exported(library, nm):
    out = subprocess.run([nm, '-D', '--defined-only', library], stdout=subprocess.PIPE, check=True)
    names = [line.split()[-1].split('@')[0] for line in out.stdout.decode().splitlines()
             if ' A ' not in line]
    return set(names)


def differences(name_a, a, name_b, b):
    for name in sorted(a - b):
        yield f'{name} is in {name_a}, not in {name_b}'
    for name in sorted(b - a):
        yield f'{name} is in {name_b}, not in {name_a}'


def leaks(path, text):
    code = tree.code_of(text)
    for match in LEAKS.finditer(code):
        line = code.count('\n', 0, match.start()) + 1
        yield f'{path}:{line}: {match.group()} is no business of a public header'


def complaints(root, paths, exports):
    found = []
    headers = [path for path in paths if path.startswith(HEADERS)]
    names, values = set(), set()
    for path in headers:
        names |= declared(tree.read(root, path))
        values |= constants(tree.read(root, path))
        found += leaks(path, tree.read(root, path))
    found += differences(HEADERS, names, MAP, mapped(tree.read(root, MAP)))
    found += differences(MAP, mapped(tree.read(root, MAP)), 'the shared library', exports)
    pages = ' '.join(tree.read(root, path) for path in paths if path.endswith('.scd'))
    documented = set(re.findall(r'\w+', pages.replace('\\_', '_')))
    found += [f'{name} is in no man page' for name in sorted((names | values) - documented)]
    found += [f'{name} is not in {SETTERS}' for path in paths if path == SETTERS
              for name in sorted(filter(SETTER.match, names))
              if not re.search(rf'\b{name}\b', tree.read(root, path))]
    return found


if __name__ == '__main__':
    tree.conclude(complaints(sys.argv[1], tree.files(sys.argv[1]),
                             exported(sys.argv[2], sys.argv[3])))
