# SPDX-License-Identifier: MIT
"""
What the checks beside this file share: which files are the project's, and C text without comments
and strings, so that a check of the code never stumbles over words about it.
"""

import re
import subprocess
import sys
from pathlib import Path

_TOKEN = re.compile(
    r'/\*.*?\*/'
    r'|//[^\n]*'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'(?:\\.|[^'\\\n])*'",
    re.DOTALL)


def files(root):
    """
    The paths, relative to root, that belong to the project: what git tracks or would track; without
    git (a release's archive, somebody else's checkout) every file but hidden and build directories.
    """
    git = subprocess.run(
        ['git', '-C', str(root), 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if git.returncode == 0:
        found = git.stdout.decode().split('\0')
    else:
        found = [str(path.relative_to(root)) for path in Path(root).rglob('*')]
        found = [path for path in found
                 if not re.match(r'build[^/]*/|\.git/|(.*/)?(__pycache__|\.cache)/', path)]
    return sorted(path for path in set(found) if path and (Path(root) / path).is_file())


def read(root, path):
    return (Path(root) / path).read_text(encoding='utf-8', errors='replace')


def lines_comments(text):
    """The line numbers at which a // comment begins."""
    return [text.count('\n', 0, match.start()) + 1
            for match in _TOKEN.finditer(text) if match.group().startswith('//')]


def code_of(text):
    """C text with comments blanked and strings emptied; every line keeps its number."""
    def blank(match):
        token = match.group()
        if token[0] in '"\'':
            return token[0] * 2
        return ' ' + '\n' * token.count('\n')
    return _TOKEN.sub(blank, text)


def is_c(path):
    return path.endswith(('.c', '.h'))


def conclude(complaints):
    """Prints what was found and ends the program with 1 if that is anything."""
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints else 0)
