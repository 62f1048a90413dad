#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls stat` on any machine, with kernel TLS or without: what it says of plain TCP sockets, to whom,
in which form and in which namespace, and how it ends. stat_kernel.py has those with TLS.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import kit

NOBODY = 65534
MAN = Path(__file__).resolve().parents[2] / 'man' / 'ktls-stat.1.scd'

FIELDS_OF_OTHERS = {'AES-128-GCM'}  # keys that are data


def run(*options, user=None, env=None, stdout=subprocess.PIPE):
    become = {} if user is None else {'user': user, 'group': user, 'extra_groups': []}
    return subprocess.run([kit.TOOL, 'stat', *map(str, options)], stdout=stdout,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=kit.LIMIT_S,
                          env=dict(os.environ, **(env or {})), **become)


def stat(*options, **how):
    """Its JSON, of a run that should end well."""
    result = run('--json', *options, **how)
    if 'sock_diag' in result.stderr:
        raise kit.Skip('this kernel has no sock_diag for TCP')
    kit.check(result.returncode == 0, 'status %d: %s' % (result.returncode, result.stderr))
    return json.loads(result.stdout)


@contextlib.contextmanager
def pair(address='127.0.0.1'):
    """A connection; (server's end, client's end, the server's port)."""
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()[:2]) as client:
            server, _ = listener.accept()
            with server:
                yield server, client, listener.getsockname()[1]


def nothing():
    """Where no socket has TLS, that is said, and why if the module is not there."""
    with pair() as (_, _, port):
        document = stat('--port', port)
        text = run('--port', port)
    kit.check(document['sockets'] == [] and document['count'] == 0, str(document))
    kit.check(text.returncode == 0 and text.stdout == '', text.stdout)
    if not document['hidden_sockets']:
        kit.check('no such TCP socket' in text.stderr, text.stderr)
    if not Path('/proc/net/tls_stat').exists():
        kit.check('module tls is not loaded' in text.stderr, text.stderr)
        kit.check(document['namespaces'][0]['counters'] is None, str(document['namespaces']))
    return ' / '.join(document['notes'])


def all_sockets(address):
    with pair(address) as (server, client, port):
        server.sendall(b'12345')
        document = stat('--all', '-p', '-e', '--port', port, '--state', 'estab')
        end = [one for one in document['sockets'] if one['local']['port'] == port]
        other = [one for one in document['sockets'] if one['peer']['port'] == port]
        kit.check(len(end) == len(other) == document['count'] // 2 == 1, str(document))
        mine = [one for one in end[0]['processes'] if one['pid'] == os.getpid()]
        inode = os.fstat(server.fileno()).st_ino
        queue = other[0]['receive_queue']
        client.recv(5)
    kit.check(end[0]['local'] == {'address': address, 'port': port}, str(end[0]['local']))
    kit.check(end[0]['peer'] == other[0]['local'], 'the ends do not know each other')
    kit.check(mine and mine[0]['fd'] == server.fileno() or mine, str(end[0]['processes']))
    kit.check(end[0]['inode'] == inode, str(end[0]['inode']))
    kit.check(queue == 5, 'a queue of %s' % queue)
    kit.check(end[0]['tls'] in (False, None), 'TLS in a plain socket')
    kit.check(end[0]['tcp']['mss'] > 0 and end[0]['tcp']['cwnd'] > 0, str(end[0]['tcp']))


def filters():
    with pair() as (_, client, port):
        local = client.getsockname()[1]
        for number, options in ((2, ['--port', port]), (2, ['--port', port, '--port', 1]),
                                (1, ['--port', port, '--local', '127.0.0.0/8', '--peer',
                                     '127.0.0.1', '--process', 'nobody-is-called-so']),
                                (0, ['--port', port, '--local', '192.0.2.0/24']),
                                (0, ['--port', port, '--state', 'CLOSE-WAIT']),
                                (2, ['--port', port, '-4']), (0, ['--port', port, '-6']),
                                (2, ['--port', port, '-46']), (2, ['--port', local]),
                                (2, ['--port', port, '--process', os.getpid()]),
                                (0, ['--port', port, '--cipher', 'AES-128-GCM']),
                                (0, ['--port', port, '--tls', '1.3'])):
            wanted = 0 if 'nobody-is-called-so' in options else number
            document = stat('--all', *options)
            kit.check(document['count'] == wanted, '%s: %s' % (options, document['count']))
            count = run('--all', '--count', *options).stdout
            kit.check(count == '%d\n' % wanted, '%s: --count says %s' % (options, count))


def fields(value, found):
    if isinstance(value, dict):
        for key, below in value.items():
            if not key.startswith('Tls') and key not in FIELDS_OF_OTHERS:
                found.add(key)
            fields(below, found)
    elif isinstance(value, list):
        for below in value:
            fields(below, found)


def manual():
    """Every field, column, option stands in the manual."""
    text, found = MAN.read_text(encoding='utf-8'), set()
    with pair() as (_, _, port):
        fields(stat('--all', '-p', '-e', '--port', port), found)
        fields(stat('--all', '-s', '--port', port), found)
        table = run('--all', '--port', port).stdout.splitlines()[0].split()
    kit.check({'sockets', 'local', 'processes', 'tcp', 'rtt_us', 'by_tx', 'software'} <= found,
              'this has not seen all: %s' % sorted(found))
    words = set(re.findall(r'[*_]([\w.]+)[*_]', text))
    kit.check(found <= words, 'not in the manual: %s' % sorted(found - words))
    kit.check(set(table) <= words, 'not in the manual: %s' % sorted(set(table) - words))
    options = set(re.findall(r'(--[a-z0-9-]+)', run('--help').stdout))
    kit.check(len(options) > 18, str(options))
    kit.check(all('*%s*' % option in text for option in options),
              'not in the manual: %s' % [one for one in options if '*%s*' % one not in text])
    return '%d fields' % len(found)


def unprivileged():
    """Everybody may ask; whose the sockets of others are is not told, and that is said."""
    user = None if os.geteuid() else NOBODY
    with pair() as (_, _, port):
        document = stat('--all', '-p', '--port', port, '--state', 'ESTAB', user=user)
        text = run('--all', '-p', '--port', port, user=user)
    kit.check(document['count'] == 2, str(document))
    if user is None:
        raise kit.Skip('this is no root, so that there may be nothing of others')
    kit.check(all(one['processes'] == [] for one in document['sockets']), str(document))
    kit.check(document['hidden_processes'] > 0, str(document))
    kit.check('CAP_SYS_PTRACE' in text.stderr, text.stderr)
    untold = [one for one in document['sockets'] if one['tls'] is None]
    kit.check(bool(untold) == ('CAP_NET_ADMIN' in text.stderr), text.stderr)
    return ' / '.join(document['notes'])


def command_line():
    for options in (['--nonsense'], ['word'], ['--port', '0'], ['--local', 'here'],
                    ['--tx', 'kernel'], ['--color', 'pink'], ['--watch=0'], ['-A', '-N', 'blue'],
                    ['-c', '-s']):
        result = run(*options)
        kit.check(result.returncode == 2, '%s: status %d' % (options, result.returncode))
        kit.check(result.stdout == '' and result.stderr.count('\n') == 2, result.stderr)
    result = run('--help')
    kit.check(result.returncode == 0 and result.stderr == '', result.stderr)
    kit.check(max(map(len, result.stdout.splitlines())) <= 80, 'a line of help is too long')


def full_disk():
    with pair() as (_, _, port), open('/dev/full', 'w', encoding='ascii') as full:
        for options in (['--all'], ['--all', '--json'], ['--all', '--watch']):
            result = run(*options, '--port', port, stdout=full)
            kit.check(result.returncode == 1, '%s: status %d' % (options, result.returncode))
            kit.check('cannot write' in result.stderr, result.stderr)


def watch_lines():
    """Documents, one in each line; SIGTERM ends them."""
    with pair() as (_, _, port):
        watch = kit.Process(kit.TOOL, 'stat', '--all', '--json', '--watch=0.1', '--port', port)
        watch.await_that(lambda: watch.out.read_bytes().count(b'\n') >= 3, 'three documents')
    status = watch.kill(signal.SIGTERM)
    kit.check(status == 0, 'it ended with %d' % status)
    documents = [json.loads(line) for line in watch.out.read_text().splitlines()]
    kit.check(documents[0]['count'] == 2, str(documents[0]))
    times = [one['time_ms'] for one in documents]
    kit.check(times == sorted(times) and times[0] < times[-1], str(times))


def watch_text():
    with pair() as (_, _, port):
        watch = kit.Process(kit.TOOL, 'stat', '--all', '--watch=0.1', '--port', port)
        watch.await_that(lambda: watch.out.read_text().count('ESTAB') >= 4, 'two pages')
    kit.check(watch.kill(signal.SIGINT) == 0, watch.errors())
    text = watch.out.read_text()
    kit.check('\x1b' not in text, 'colors in a file')
    kit.check(re.match(r'\d{4}-\d\d-\d\dT', text), text[:50])


def broken_pipe():
    """It ends when its reader does, not at the next page; and quietly."""
    with pair() as (_, _, port):
        for wanted, options in ((0, ['--watch=3600']), (0, ['--watch=3600', '--json'])):
            with subprocess.Popen([kit.TOOL, 'stat', '--all', *options, '--port', str(port)],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
                kit.check(child.stdout.read(1) != b'', 'nothing came')
                child.stdout.close()
                status = child.wait(kit.LIMIT_S)
                errors = child.stderr.read()
            kit.check(status == wanted and errors == b'', '%d: %s' % (status, errors))
        shell = subprocess.run(['bash', '-c', 'set -o pipefail; "$1" stat --all | true', 'bash',
                                kit.TOOL], stderr=subprocess.PIPE, check=False, timeout=kit.LIMIT_S)
        kit.check(shell.returncode in (0, 128 + signal.SIGPIPE) and not shell.stderr,
                  '%d: %s' % (shell.returncode, shell.stderr))


def on_terminal(*options, rows=24, columns=80, env=None):
    """What it writes to a terminal, until there is the text that it waits for: a generator."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
    child = subprocess.Popen([kit.TOOL, 'stat', *map(str, options)], stdin=other, stdout=other,
                             stderr=other, start_new_session=True,
                             env=dict(os.environ, TERM='xterm', **(env or {})))
    os.close(other)
    return child, main


def read_until(main, text):
    came, end = b'', time.monotonic() + kit.LIMIT_S
    while text not in came:
        kit.check(time.monotonic() < end, 'no %r in %r' % (text, came))
        try:
            came += os.read(main, 65536)
        except OSError:  # the other end is closed
            break
    return came


def watch_on_terminal():
    """Page in place of page, with colors, and no more lines than there are."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(pair())[2]
        child, main = on_terminal('--all', '--watch=0.1', '--port', port, rows=4,
                                  env={'NO_COLOR': ''})
        came = read_until(main, b'more lines)') + read_until(main, b'more lines)')
        os.kill(child.pid, signal.SIGINT)
        kit.check(child.wait(kit.LIMIT_S) == 0, 'it ended with %d' % child.wait())
        os.close(main)
    kit.check(b'\x1b[H\x1b[2J' in came, 'the screen is not cleared')
    page = came.split(b'\x1b[2J')[1]
    kit.check(page.count(b'\n') == 3, 'this fits not into four lines: %r' % page)
    kit.check(b'\x1b[1mSTATE' in came, 'no colors')


def colors():
    with pair() as (_, _, port):
        options = ['--all', '--port', port]
        for wanted, more, env in ((True, [], {'NO_COLOR': ''}), (False, [], {'NO_COLOR': '1'}),
                                  (True, ['--color=always'], {'NO_COLOR': '1'}),
                                  (False, ['--color', 'never'], {'NO_COLOR': ''}),
                                  (False, [], {'NO_COLOR': '', 'TERM': 'dumb'})):
            term = env.pop('TERM', None)
            child, main = on_terminal(*options, *more, env=env) if not term else (None, None)
            if child is None:
                continue
            came = read_until(main, b'nothing that ever comes') if child.wait(kit.LIMIT_S) == 0 \
                else b''
            os.close(main)
            kit.check(b'ESTAB' in came, repr(came))
            kit.check((b'\x1b' in came) == wanted, '%s %s: %r' % (more, env, came))
        kit.check('\x1b' not in run(*options).stdout, 'colors in a pipe')
        kit.check('\x1b' in run(*options, '--color=always').stdout, 'no colors in a pipe')


def strange_name():
    """A process calls itself something that a terminal would obey."""
    libc = ctypes.CDLL(None)
    with pair() as (_, _, port):
        child = os.fork()
        if not child:
            libc.prctl(15, b'\x1b[2J"\n\xff\\x')
            signal.pause()
        try:
            def named():
                return '\\x1b[2J\\x22\\x0a\\xff' in run('--all', '-p', '--port', port).stdout

            kit.await_that(named, 'the name, quoted')
            raw = subprocess.run([kit.TOOL, 'stat', '--all', '-p', '--port', str(port)],
                                 stdout=subprocess.PIPE, check=True, timeout=kit.LIMIT_S).stdout
            kit.check(b'\x1b' not in raw and b'\xff' not in raw, repr(raw))
            names = [process['name'] for one in stat('--all', '-p', '--port', port)['sockets']
                     for process in one['processes'] if process['pid'] == child]
            kit.check(names and set(names) == {'\\x1b[2J\\x22\\x0a\\xff\\x5cx'}, str(names))
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


# An address that nobody else uses: ports of another namespace are in use here, too.
ADDRESS = '127.77.77.77'

INSIDE = '''
import socket, sys, time
import subprocess
subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
listener = socket.socket()
listener.bind(('127.77.77.77', 0))
listener.listen()
client = socket.create_connection(listener.getsockname())
server = listener.accept()[0]
print('there', flush=True)
time.sleep(600)
'''


def inside(*options):
    """Both ends of the connection there, as far as they are seen."""
    return [one for one in stat('--all', '--state', 'ESTAB', *options)['sockets']
            if ADDRESS in (one['local']['address'], one['peer']['address'])]


def in_namespace(*command):
    process = kit.Process(*command, sys.executable, '-c', INSIDE)
    kit.await_that(lambda: process.child.poll() is not None or
                   b'\n' in process.out.read_bytes(), 'a connection in the namespace')
    if process.child.poll() is not None:
        raise kit.Skip('there can be no namespace: ' + process.errors().strip()[-100:])
    return process


def namespace_of_process():
    root = os.geteuid() == 0
    process = in_namespace('unshare', '-n' if root else '-rn')
    kit.check(not inside(), 'it is seen in our own')
    pid = process.child.pid
    if not root:
        result = run('--all', '-N', pid)
        kit.check(result.returncode == 1 and 'CAP_SYS_ADMIN' in result.stderr, result.stderr)
        return result.stderr.strip()
    for name in (pid, '/proc/%d/ns/net' % pid):
        seen = inside('-N', name, '-p')
        kit.check(len(seen) == 2, str(seen))
        kit.check(all(one['namespace'] == str(name) for one in seen), str(seen))
        kit.check({one['pid'] for end in seen for one in end['processes']} == {pid}, str(seen))
    everywhere = inside('-A')
    kit.check([one['namespace'] for one in everywhere] == ['pid %d' % pid] * 2, str(everywhere))
    text = run('--all', '-A', '--local', ADDRESS).stdout
    kit.check('namespace "pid %d":' % pid in text, text)
    result = run('--all', '-N', pid, user=NOBODY)
    kit.check(result.returncode == 1 and 'CAP_SYS_ADMIN' in result.stderr, result.stderr)
    return None


def namespace_with_name():
    if os.geteuid():
        raise kit.Skip('only root can give names to namespaces')
    name = 'ktls-stat-%d' % os.getpid()
    made = subprocess.run(['ip', 'netns', 'add', name], stderr=subprocess.PIPE, check=False,
                          timeout=kit.LIMIT_S)
    if made.returncode:
        raise kit.Skip(made.stderr.decode().strip())
    try:
        in_namespace('ip', 'netns', 'exec', name)
        for options in (['-N', name], ['-A'], ['-N', '/run/netns/' + name]):
            seen = inside(*options)
            kit.check(len(seen) == 2, '%s: %s' % (options, seen))
            kit.check(seen[0]['namespace'].endswith(name), str(seen))
    finally:
        kit.end_all()
        subprocess.run(['ip', 'netns', 'del', name], check=False, timeout=kit.LIMIT_S)


def no_namespace():
    file = kit.new_path('file')
    file.write_text('no namespace')
    for name in ('no-such-namespace', 4194399, '/nowhere/net', file):
        result = run('-N', name)
        kit.check(result.returncode == 1 and str(name) in result.stderr, result.stderr)
        kit.check(result.stderr.count('\n') == 1, result.stderr)


CASES = [
    ('nothing is said to be nothing', nothing),
    ('all TCP sockets, IPv4', lambda: all_sockets('127.0.0.1')),
    ('all TCP sockets, IPv6', lambda: all_sockets('::1')),
    ('filters', filters),
    ('the manual has every field', manual),
    ('without privileges', unprivileged),
    ('command lines that mean nothing', command_line),
    ('a full disk', full_disk),
    ('watch, JSON', watch_lines),
    ('watch, text', watch_text),
    ('watch, on a terminal', watch_on_terminal),
    ('a reader that goes away', broken_pipe),
    ('colors', colors),
    ('a process with a strange name', strange_name),
    ('the namespace of a process', namespace_of_process),
    ('a namespace with a name', namespace_with_name),
    ('no namespace', no_namespace),
]

if __name__ == '__main__':
    kit.main(CASES)
