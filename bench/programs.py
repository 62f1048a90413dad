# SPDX-License-Identifier: MIT
"""
Programs of others: where they are, how they are run, and what they say of themselves. They are this
machine's own, or those of another release of Debian, which come with all their libraries and are
run by that release's own loader. scripts/setup bench gets both; what would start a server is not
installed but unpacked into the cache (scripts/lib.sh).
"""

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

SKIPPED = 77
CACHE = Path(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')) / 'ktls-lab'
OWN_PATH = [os.environ.get('PATH', ''), '/usr/sbin', '/sbin',
            *(str(CACHE / name / 'usr/sbin') for name in ('haproxy', 'lighttpd', 'nginx'))]
# A library is asked by a program of its own.
ASKED = {'OpenSSL': ('openssl', 'version'), 'GnuTLS': ('gnutls-serv', '--version')}


class Unusable(Exception):
    """A server cannot be had on this machine, or a program fails; says why."""


class Missing(Unusable):
    """It is not installed."""


def die(message):
    print(f'{Path(sys.argv[0]).stem}: {message}', file=sys.stderr)
    sys.exit(SKIPPED if isinstance(message, Missing) else 1)


def end_orderly():
    """What is running ends, and what was made goes, when we are told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def output_of(arguments, environment=None):
    arguments = [str(argument) for argument in arguments]
    run = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         env=environment, check=False)
    if run.returncode:
        raise Unusable(f'{Path(arguments[0]).name} ended {ending(run.returncode)}: '
                       + last_line(run.stdout))
    return run.stdout


def ending(status):
    return f'by {signal.Signals(-status).name}' if status < 0 else f'with {status}'


def last_line(text):
    return (text.splitlines() or ['it said nothing'])[-1].strip()


class Release:
    """Where programs are from."""

    def __init__(self, root, path, loader=()):
        file = Path(root, 'usr/lib/os-release')
        facts = dict(re.findall(r'^(\w+)="?([^"\n]*)', file.read_text() if file.exists() else '',
                                re.MULTILINE))
        self.name = facts.get('PRETTY_NAME', 'a release without a name')
        self.number = facts.get('VERSION_ID') if facts.get('ID') == 'debian' else None
        self.path, self.loader = ':'.join(map(str, path)), loader

    def find(self, name):
        path = shutil.which(name, path=self.path)
        if not path:
            raise Missing(f'{name} is not installed: scripts/setup bench')
        return path

    def command(self, name):
        """What it is run by: arguments are to follow."""
        return [*self.loader, self.find(name)]

    def module(self, name, module):
        """Of the program: the directory that it is in."""
        directory = Path(self.find(name)).parents[1] / 'lib' / name
        if not (directory / f'{module}.so').exists():
            raise Missing(f'{module} of {name} is not installed: scripts/setup bench')
        return directory

    @functools.cache
    def version(self, name):
        """Of a program, or of a library."""
        command, option = ASKED.get(name, (name, '-v'))
        try:
            text = output_of([*self.command(command), option])
        except Unusable:
            return 'of a version that it does not tell'
        return re.search(r'\d+\.\d+\S*', text).group()


OWN = Release('/', OWN_PATH)


def debian(number):
    """This machine's own, or the one in the cache."""
    if OWN.number == number:
        return OWN
    root = CACHE / f'debian{number}'
    loader = root / 'usr/lib64/ld-linux-x86-64.so.2'
    if not loader.exists():
        raise Missing(f'the servers of Debian {number} are not in the cache: scripts/setup bench')
    return Release(root, [root / 'usr/sbin', root / 'usr/bin'],
                   (loader, '--library-path', root / 'usr/lib/x86_64-linux-gnu'))
