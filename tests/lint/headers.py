#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The public headers as programs meet them: each alone and all together, as C11 and as C++17, with
the compiler at its strictest, needing no library's headers beside; and a program of that language,
which takes every function's address, linked with the shared library.

Usage: headers.py ROOT SHARED-LIBRARY (c|c++) COMPILER...
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

STRICT = ['-pedantic', '-Wall', '-Wextra', '-Werror']
STANDARDS = {'c': '-std=c11', 'c++': '-std=c++17'}

PROGRAM = '''
#include <string.h>
#include <ktls/ktls.h>
void (*const every[])(void) = { %s };
int main(void)
{
	return strcmp(ktls_version(), KTLS_VERSION) == 0 && every[0] ? 0 : 1;
}
'''

# What the library is made of, and its users need not have.
INSIDE = re.compile(r'/(gnutls|liburing|libnl3?|netlink|ares)[/_.]')


def compiles(compiler, root, language, text, arguments):
    command = [*compiler, STANDARDS[language], *STRICT, '-I', str(Path(root) / 'include'),
               '-x', language, '-', *arguments]
    run = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, check=False)
    return run.returncode == 0, run.stdout.decode()


def header_tests(root):
    names = sorted(path.name for path in (Path(root) / 'include/ktls').glob('*.h'))
    lines = [f'#include <ktls/{name}>\n' for name in names]
    for name, line in zip(names, lines):
        yield f'{name} alone', line
    yield 'all together, last first', ''.join(reversed(lines))


def needs_nothing(compiler, root, language):
    done, output = compiles(compiler, root, language, '#include <ktls/ktls.h>\n', ['-M'])
    foreign = [path for path in output.split() if INSIDE.search(path)]
    return done and not foreign, output if not done else '\n'.join(foreign)


def program(root):
    names = re.findall(r'^\t(ktls_\w+);', (Path(root) / 'src/ktls.map').read_text(), re.MULTILINE)
    return PROGRAM % ', '.join(f'(void (*)(void)){name}' for name in names)


def link_and_run(compiler, root, language, library):
    with tempfile.TemporaryDirectory() as place:
        binary = str(Path(place) / 'program')
        done, output = compiles(compiler, root, language, program(root),
                                ['-o', binary, '-x', 'none', library])
        if not done:
            return False, output
        env = dict(os.environ, LD_LIBRARY_PATH=str(Path(library).parent))
        run = subprocess.run([binary], env=env, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, check=False)
        return run.returncode == 0, run.stdout.decode() or f'it ended with {run.returncode}'


def report(number, name, done, output):
    print('ok' if done else 'not ok', number, '-', name)
    if not done:
        print(''.join(f'# {line}\n' for line in output.splitlines()), end='')


def main(root, library, language, compiler):
    tests = list(header_tests(root))
    print(f'1..{len(tests) + 2}')
    for number, (name, text) in enumerate(tests, 1):
        report(number, name, *compiles(compiler, root, language, text, ['-fsyntax-only']))
    report(len(tests) + 1, 'no header of what is inside is needed',
           *needs_nothing(compiler, root, language))
    report(len(tests) + 2, 'a program linked with the shared library',
           *link_and_run(compiler, root, language, library))


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
