#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What no file of the project may name: a directory of somebody's machine, or a host that packages
come from. Scripts ask the machine's own package manager instead, so that they work anywhere.
Addresses are those reserved for examples (RFC 2606, RFC 5737), this machine's, and documents'.

Usage: words.py ROOT
"""

import re
import sys

import tree

PATTERNS = {
    r'(?<![\w.}/$-])/(home|root|work|Users)/[\w.]': 'a directory of one machine',
    r'\b(archive|deb|ftp|mirrors?|proxy|registry|security)[.][\w-]+[.](com|dev|io|net|org)\b':
        'a host that packages come from',
}

URL = re.compile(r'\bhttps?://(?:[^/@\s"]*@)?([\w.-]*\w)', re.IGNORECASE)
URL_HOSTS = re.compile(r'''
    127\.\d+\.\d+\.\d+
    | (192\.0\.2|198\.51\.100|203\.0\.113)\.\d+
    | ([\w-]+\.)*(example|invalid|localhost|test)(\.(com|net|org))?
    | (www\.)?rfc-editor\.org | docs\.kernel\.org | keepachangelog\.com | semver\.org
    | [\w-]+                    # one word: a placeholder, or a name on the local network
    ''', re.VERBOSE)


def complain_line(line):
    for pattern, what in PATTERNS.items():
        match = re.search(pattern, line)
        if match:
            yield f'{match.group()!r}: {what}'
    for match in URL.finditer(line):
        if not URL_HOSTS.fullmatch(match.group(1)):
            yield f'{match.group()!r}: an address that is no example'


def complaints(root, paths):
    found = []
    for path in paths:
        for number, line in enumerate(tree.read(root, path).splitlines(), 1):
            found += [f'{path}:{number}: {complaint}' for complaint in complain_line(line)]
    return found


if __name__ == '__main__':
    tree.conclude(complaints(sys.argv[1], tree.files(sys.argv[1])))
