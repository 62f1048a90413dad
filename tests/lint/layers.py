#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Who may include whom: the arrows and fences of ARCHITECTURE.md, as two tables. Every #include of
every C file is resolved as the compiler would; what a table does not allow is a complaint, and so
is a header that neither the project nor the tables know.

Usage: layers.py ROOT
"""

import re
import sys
from pathlib import Path

import tree

# A room is a path prefix; the longest that fits decides. What a room may include: other rooms, or
# single headers of them. Every room may include itself.
ROOMS = {
    'include/ktls/': [],
    'src/base/': ['include/ktls/'],
    'ktls/': ['include/ktls/', 'src/base/'],
    'uring/': ['include/ktls/', 'src/base/'],
    'src/': ['include/ktls/', 'src/base/', 'ktls/kern.h', 'uring/uring.h'],
    'src/tools/': ['include/ktls/'],
    'bench/': ['include/ktls/'],
    'examples/': ['include/ktls/'],
    'tests/': ['include/ktls/', 'src/base/', 'ktls/', 'uring/', 'src/', 'src/tools/', 'bench/'],
}

# Headers that are neither ours nor libc's, and where they may be. Tests may use what they like. The
# harness is a user like any other but for two files, each the rival arm of a comparison: GnuTLS
# without the library, and the kernel without it.
FENCES = {
    r'gnutls/.*': ['src/aead.c', 'src/credentials.c', 'src/early.c', 'src/facts.c', 'src/handover.c', 'src/handshake.c', 'src/hello.c',
                   'src/names.c', 'src/resume.c', 'src/suites.c', 'src/ticket_keys.c', 'src/verify.c',
                   'bench/rival_gnutls.c'],
    r'ares\.h': ['src/resolve.c'],
    r'liburing(/.*|\.h)': ['uring/'],
    r'netlink/.*': ['src/netlink.c'],
    r'linux/tls\.h': ['ktls/', 'bench/bare_kernel.c'],
    r'jansson\.h': ['src/tools/', 'bench/'],
    r'(ini|llhttp|http_parser|seccomp)\.h': ['src/tools/'],
    r'linux/perf_event\.h': ['bench/usage.c'],
    r'linux/(ethtool|sockios)\.h': ['bench/machine.c', 'ktls/', 'src/', 'src/tools/'],
    r'linux/.*|asm/.*|asm-generic/.*': ['ktls/', 'uring/', 'src/', 'src/tools/'],
}

LIBC = re.compile(r'''
    (assert|byteswap|complex|ctype|dirent|dlfcn|elf|endian|err|errno|error|fcntl|features|fenv|float
    |fnmatch|ftw|getopt|glob|grp|ifaddrs|inttypes|iso646|libgen|limits|link|locale|malloc|math|mntent
    |netdb|poll|pthread|pwd|resolv|sched|search|semaphore|setjmp|signal|spawn|stdalign|stdarg
    |stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|sysexits|syslog|termios
    |threads|time|uchar|ucontext|unistd|utime|wchar|wctype)\.h
    |(arpa|net|netinet|netpacket|sys)/[a-z0-9_]+\.h''', re.VERBOSE)

# What a public header may need of the system, so that it compiles with any standard.
PUBLIC_LIBC = {'stdbool.h', 'stddef.h', 'stdint.h', 'sys/socket.h', 'sys/types.h', 'sys/uio.h', 'time.h'}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">\n]+)[>"]', re.MULTILINE)
SEARCH = ['include', '.', 'src']
SEARCH_TESTS = SEARCH + ['tests', 'src/tools']


def room_of(path):
    fitting = [room for room in ROOMS if path.startswith(room)]
    return max(fitting, key=len) if fitting else None


def resolve(root, path, quote, name):
    """The project's file that this include means, as a path relative to root, or None."""
    places = [str(Path(path).parent)] if quote == '"' else []
    for place in places + (SEARCH_TESTS if room_of(path) == 'tests/' else SEARCH):
        candidate = Path(root) / place / name
        if candidate.is_file():
            return str(candidate.resolve().relative_to(Path(root).resolve()))
    return None


def may_enter(room, target):
    if room_of(target) == room:
        return True
    return any(target == allowed or room_of(target) == allowed for allowed in ROOMS[room])


def complain_ours(path, target):
    room = room_of(path)
    if not may_enter(room, target):
        return f'{room} must not know {target}'
    return None


def complain_foreign(path, name):
    room = room_of(path)
    if room == 'tests/':
        return None
    if room == 'include/ktls/' and name not in PUBLIC_LIBC:
        return f'a public header needs no <{name}>'
    if LIBC.fullmatch(name):
        return None
    for pattern, places in FENCES.items():
        if not re.fullmatch(pattern, name):
            continue
        if path in places or room in places:
            return None
        return f'<{name}> belongs in {", ".join(places)} only'
    return f'<{name}> is unknown: a header of ours is written "...", any other needs a fence'


def complaints(root, paths):
    found = []
    for path in filter(tree.is_c, paths):
        if room_of(path) is None:
            found.append(f'{path}:1: this is in no room that {Path(__file__).name} knows')
            continue
        text = without_comments(tree.read(root, path))
        for match in INCLUDE.finditer(text):
            quote, name = match.groups()
            line = text.count('\n', 0, match.start()) + 1
            target = resolve(root, path, quote, name)
            if target:
                complaint = complain_ours(path, target)
            elif quote == '"':
                complaint = f'"{name}" is nowhere'
            else:
                complaint = complain_foreign(path, name)
            if complaint:
                found.append(f'{path}:{line}: {complaint}')
    return found


def without_comments(text):
    """An #include inside a comment is none; the name in quotes must stay."""
    return re.sub(r'/\*.*?\*/', lambda match: '\n' * match.group().count('\n'), text,
                  flags=re.DOTALL)


if __name__ == '__main__':
    tree.conclude(complaints(sys.argv[1], tree.files(sys.argv[1])))
