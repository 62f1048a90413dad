#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
How long `ktls stat` takes on a machine with many sockets: it and ss(8) in turn, their output into a
file. The sockets are plain TCP connections over the loopback, both ends of each, held by some
processes for as long as this runs. README.md says how to read the figures.

  sockets.py [-r RUNS] [-n SOCKETS] KTLS
"""

import argparse
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HOLDERS = 4


def hold(sockets, told):
    """In a process of its own, until that is ended."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    held = []
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen()
        for _ in range(sockets // 2):
            held.append(socket.create_connection(listener.getsockname()))
            held.append(listener.accept()[0])
    os.write(told, b'.')
    signal.pause()


def start_holders(sockets):
    """Their process ids, when all sockets are there."""
    ours, theirs = os.pipe()
    holders = []
    for _ in range(HOLDERS):
        holder = os.fork()
        if not holder:
            try:
                hold(sockets // HOLDERS, theirs)
            finally:
                os._exit(1)
        holders.append(holder)
    os.close(theirs)
    for _ in holders:
        if not os.read(ours, 1):
            end(holders)
            sys.exit('the sockets cannot be made: see ulimit -n')
    return holders


def end(holders):
    for holder in holders:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)


def measure(command, out):
    """Milliseconds: that passed, and of CPU time; and lines."""
    out.seek(0)
    out.truncate()
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    took = time.perf_counter() - began
    child.returncode = status
    if status:
        sys.exit('%s ended with %d' % (' '.join(command), status))
    out.seek(0)
    return (took * 1000, (usage.ru_utime + usage.ru_stime) * 1000), sum(1 for _ in out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('-r', type=int, default=15, dest='runs')
    parser.add_argument('-n', type=int, default=10000, dest='sockets')
    parser.add_argument('ktls')
    options = parser.parse_args()
    tool = [options.ktls, 'stat']
    arms = [tool, tool + ['--all'], tool + ['--all', '-p'], tool + ['--all', '--json'],
            tool + ['--all', '-p', '-e', '--json']]
    if shutil.which('ss'):
        arms += [['ss', '-Htni'], ['ss', '-Htnip']]
    holders = start_holders(options.sockets)
    try:
        figures, lines = [[] for _ in arms], [0] * len(arms)
        with tempfile.TemporaryFile() as out:
            for run in range(options.runs + 1):
                for number, arm in enumerate(arms):
                    took, lines[number] = measure(arm, out)
                    if run:  # the first is to warm up
                        figures[number].append(took)
    finally:
        end(holders)
    print('%d sockets, and those that were there; milliseconds, median (least .. most)'
          % options.sockets)
    print('%-32s %-28s%-28s%s' % ('', 'that passed', 'of CPU time', 'lines'))
    for arm, took, count in zip(arms, figures, lines):
        columns = ['%.1f (%.1f .. %.1f)' % (statistics.median(kind), min(kind), max(kind))
                   for kind in zip(*took)]
        print('%-32s %-28s%-28s%d' % (' '.join(arm).replace(options.ktls, 'ktls'), *columns, count))


if __name__ == '__main__':
    main()
