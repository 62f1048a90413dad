#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls-bench run` between two network namespaces, which a pair of veth devices joins: unlike on
loopback there is an MTU. The namespaces are this program's and its children's alone: whichever way
it ends, nothing of them is left. Who is not root makes them in a user namespace. The exit status is
that of `ktls-bench run`; 77: this machine lets us make no such thing.

  veth.py build/bench/ktls-bench -- -r 3 -w bulk --json

      ktls-bench run --server          ktls-bench run --client
             192.0.2.1  ktls0 ======== ktls1  192.0.2.2
"""

import argparse
import contextlib
import ctypes
import os
import signal
import subprocess
import sys

import programs

ADDRESS = '192.0.2.1'
CLIENT_ADDRESS = '192.0.2.2'
MTU = 1500
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def must(result, what):
    if result:
        raise programs.Missing(f'{what} cannot be had: {os.strerror(ctypes.get_errno())}')


def new_network():
    must(_libc.unshare(CLONE_NEWNET), 'a network namespace')
    return os.open('/proc/self/ns/net', os.O_RDONLY)


def become_root():
    """In a user namespace, of which this process's network namespaces are then."""
    user, group = os.geteuid(), os.getegid()
    must(_libc.unshare(CLONE_NEWUSER), 'a user namespace')
    for name, text in (('setgroups', 'deny'), ('uid_map', f'0 {user} 1'),
                       ('gid_map', f'0 {group} 1')):
        with open(f'/proc/self/{name}', 'w', encoding='ascii') as file:
            file.write(text)


class Link:
    """This process, which has to have one thread, is in the server's namespace from now on."""

    def __init__(self, mtu=MTU):
        self.ip = programs.OWN.find('ip')
        if os.geteuid():
            become_root()
        self.client = new_network()
        new_network()
        self.do(None, 'link', 'set', 'lo', 'up')
        self.do(None, 'link', 'add', 'ktls0', 'mtu', mtu, 'type', 'veth', 'peer', 'name', 'ktls1',
                'mtu', mtu, 'netns', f'/proc/self/fd/{self.client}')
        self.do(None, 'address', 'add', f'{ADDRESS}/24', 'dev', 'ktls0')
        self.do(None, 'link', 'set', 'ktls0', 'up')
        self.do(self.enter, 'address', 'add', f'{CLIENT_ADDRESS}/24', 'dev', 'ktls1')
        self.do(self.enter, 'link', 'set', 'ktls1', 'up')

    def do(self, before, *arguments):
        done = subprocess.run([self.ip, *map(str, arguments)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, preexec_fn=before,
                              pass_fds=[self.client])
        if done.returncode:
            raise programs.Missing(f"ip {' '.join(map(str, arguments))}: "
                                   + programs.last_line(done.stdout))

    def enter(self):
        """For a process that begins: the client's namespace, and an end with this one."""
        die_with_parent()
        must(_libc.setns(self.client, CLONE_NEWNET), "the client's namespace")


def die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextlib.contextmanager
def harness(bench):
    """Where `ktls-bench run --server` waits, from here to the end: ADDRESS:PORT."""
    server = subprocess.Popen([bench, 'run', '--server', f'{ADDRESS}:0'], stdout=subprocess.PIPE,
                              text=True, preexec_fn=die_with_parent)
    try:
        words = server.stdout.readline().split()
        if not words:
            raise programs.Unusable(f'{bench} run --server ended {programs.ending(server.wait())}')
        yield f'{ADDRESS}:{words[-1]}'
    finally:
        server.terminate()
        server.communicate()


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--mtu', type=int, default=MTU, help='of both devices')
    parser.add_argument('bench', metavar='KTLS_BENCH', help='the program ktls-bench')
    parser.add_argument('rest', nargs='*', metavar='-- OPTION', help='of `ktls-bench run`')
    return parser.parse_args()


def main():
    programs.end_orderly()
    options = parse()
    try:
        link = Link(options.mtu)
        with harness(options.bench) as place:
            client = subprocess.Popen([options.bench, 'run', '--client', place, *options.rest],
                                      preexec_fn=link.enter)
            try:
                return client.wait()
            finally:
                client.kill()
    except (programs.Unusable, OSError) as why:
        return programs.die(why)


if __name__ == '__main__':
    sys.exit(main())
