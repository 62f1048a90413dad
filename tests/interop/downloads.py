#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls get` with many URLs: over how many connections, what becomes of the others when one fails,
deadlines, signals, and what people see.
"""

import contextlib
import fcntl
import os
import pty
import re
import resource
import signal
import struct
import subprocess
import termios
import time

import kit
from host import (CLOSE, CUT, STALL, TAG, Host, check_body, check_status, get, head, new_directory,
                  nginx_server, whole)


def summary(client):
    line = client.errors().splitlines()[-1]
    match = re.fullmatch(r'ktls get: (\d+) of (\d+) files, .* over (\d+) connections, '
                         r'(\d+) of them resumed', line)
    kit.check(match, 'no summary: %s' % line)
    return [int(number) for number in match.groups()]


# Many

def make_files(n):
    root = new_directory()
    for number in range(n):
        kit.write_payload(root / ('f%d' % number), 1 + number * number * 1000)
    return root


def many_from(url, root, n):
    """All of them by eight connections, the same bytes, and what was said of each."""
    directory = new_directory()
    client = get('-O', '-d', directory, *('%s/f%d' % (url, number) for number in range(n)))
    check_status(client, 0)
    for number in range(n):
        kit.check_same(directory / ('f%d' % number), root / ('f%d' % number))
    lines = [line for line in client.errors().splitlines() if line.startswith('TLS 1.3 ')]
    kit.check(len(lines) == n, '%d lines for %d files' % (len(lines), n))
    done, all_of, connections, _ = summary(client)
    kit.check(done == all_of == n and connections == 8, client.errors().splitlines()[-1])
    return lines[-1]


def fifty_from_ktls_serve():
    root = make_files(50)
    _, port = kit.tool_server(root)
    return many_from('https://localhost:%d' % port, root, 50)


def fifty_from_nginx():
    root = make_files(50)
    _, port = nginx_server(root)
    return many_from('https://localhost:%d' % port, root, 50)


def as_many_as_there_may_be():
    """More descriptors than a process has at first; and all that, once more, over epoll."""
    if 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 4096:
        raise kit.Skip('there may be only few')
    for engine in ((), (os.environ.get('KTLS_FORBID', 'forbid'), '1')):
        host = Host(lambda path, fields: [whole(body=path.encode())])
        directory = new_directory()
        client = kit.Process('bash', '-c', 'ulimit -S -n 256; exec "$@"', 'bash', *engine, kit.TOOL,
                             'get', '--ca', kit.path('ca.pem'), '-j', 256, '-O', '-d', directory,
                             *(host.url('f%d' % number) for number in range(400)))
        check_status(client, 0)
        for number in range(400):
            check_body(directory / ('f%d' % number), b'/f%d' % number)
        kit.check(host.connections == 256, '%d connections' % host.connections)


def more_than_there_may_be():
    """Who gets no descriptor fails, and says so; the others' files are whole."""
    host = Host(lambda path, fields: [whole(body=path.encode())])
    directory = new_directory()
    client = kit.Process('bash', '-c', 'ulimit -n 60; exec "$@"', 'bash', kit.TOOL, 'get', '--ca',
                         kit.path('ca.pem'), '-j', 64, '-O', '-d', directory,
                         *(host.url('f%d' % number) for number in range(64)))
    check_status(client, 1)
    for number in range(64):
        file = directory / ('f%d' % number)
        failed = 'ktls get: %s: ' % host.url(file.name) in client.errors()
        kit.check(file.exists() != failed, '%s: %s' % (file.name, client.errors()))
        if not failed:
            check_body(file, b'/f%d' % number)
    line = client.line('Too many open files')
    kit.check(0 < summary(client)[0] < 64, client.errors().splitlines()[-1])
    return line


def connections_are_used_again():
    """Exactly as many as run at once, and the last request of each says that it is the last."""
    host = Host(lambda path, fields: [whole(body=path.encode())])
    directory = new_directory()
    client = get('-O', '-d', directory, '-j', 3, *(host.url('f%d' % n) for n in range(40)))
    check_status(client, 0)
    for number in range(40):
        check_body(directory / ('f%d' % number), b'/f%d' % number)
    kit.check((host.connections, len(host.requests)) == (3, 40), '%d connections, %d requests'
              % (host.connections, len(host.requests)))
    kit.check(summary(client)[2] == 3, 'another number was said')
    closing = [path for path, fields in host.requests if fields.get('connection') == 'close']
    kit.check('/f39' in closing and len(closing) <= 3, 'the last ones: %s' % closing)


def sessions_are_resumed():
    """A server that ends each connection."""
    host = Host(lambda path, fields: [whole('Connection: close', body=b'x'), CLOSE])
    directory = new_directory()
    client = get('-O', '-d', directory, '-j', 2, *(host.url('f%d' % n) for n in range(10)))
    check_status(client, 0)
    kit.check(host.connections == 10 and host.resumed >= 6, '%d connections, %d resumed'
              % (host.connections, host.resumed))
    kit.check(summary(client)[2:] == [10, host.resumed], 'other numbers were said')


def a_connection_that_was_kept_and_is_gone():
    """It promises to keep them, and does not: nothing is lost, and nobody is told a failure."""
    for end in (CLOSE, CUT):
        host = Host(lambda path, fields, end=end: [whole(body=path.encode()), end])
        directory = new_directory()
        client = get('-O', '-d', directory, '-j', 2, *(host.url('f%d' % n) for n in range(10)))
        check_status(client, 0)
        for number in range(10):
            check_body(directory / ('f%d' % number), b'/f%d' % number)


def more_than_was_announced():
    """What comes behind an answer belongs to nobody, least of all to the next file."""
    host = Host(lambda path, fields: [whole(body=b'right') + b'HTTP/1.1 200 OK\r\n'
                                      b'Content-Length: 5\r\n\r\nwrong'])
    directory = new_directory()
    client = get('-O', '-d', directory, '-j', 1, *(host.url('f%d' % n) for n in range(5)))
    check_status(client, 0)
    for number in range(5):
        check_body(directory / ('f%d' % number), b'right')
    kit.check(host.connections == 5, 'one was used again')


def one_fails_among_many():
    def answer(path, _fields):
        if path == '/f3':
            yield head('404 Not Found', 'Content-Length: 4') + b'none'
        elif path == '/f5':
            yield head('200 OK', 'Content-Length: 10') + b'half'
            yield CUT
        else:
            yield whole(body=path.encode())

    host = Host(answer)
    directory = new_directory()
    client = get('-O', '-d', directory, '-j', 2, *(host.url('f%d' % n) for n in range(20)))
    check_status(client, 22)
    for number in range(20):
        file = directory / ('f%d' % number)
        kit.check(file.exists() == (number not in (3, 5)), file.name)
    for name, says in (('f3', 'HTTP status 404'), ('f5', 'truncated after 4 bytes of 10')):
        kit.check('ktls get: %s: %s' % (host.url(name), says) in client.errors(), name)
    kit.check(summary(client)[:2] == [18, 20], 'another number was said')
    # A refusal's body is read away: only the connection that was cut may have to be made anew.
    kit.check(host.connections <= 3, '%d connections' % host.connections)


def a_host_that_is_not_there():
    host = Host(lambda path, fields: [whole(body=b'x')])
    directory = new_directory()
    urls = ['https://localhost:%d/a' % kit.free_port(), host.url('b'),
            'https://nobody.invalid/c', host.url('d')]
    client = get('-O', '-d', directory, *urls)
    check_status(client, 7)
    kit.check(sorted(file.name for file in directory.iterdir()) == ['b', 'd'], 'not just b and d')
    kit.check(all('ktls get: %s: ' % urls[n] in client.errors() for n in (0, 2)), client.errors())


def a_list_of_urls():
    host = Host(lambda path, fields: [whole(body=path.encode())])
    text = '# two\n%s\r\n\n  %s\n' % (host.url('b'), host.url('c'))
    file = kit.new_path('urls')
    file.write_text(text)
    for arguments, stdin in ((['-i', file], '/dev/null'), (['--input', '-'], file)):
        directory = new_directory()
        check_status(get('-O', '-d', directory, *arguments, host.url('a'), stdin=stdin), 0)
        for name in ('a', 'b', 'c'):
            check_body(directory / name, b'/' + name.encode())
    for status, what in ((3, 'nonsense\n'), (3, 'http://a/\n'), (26, 'https://' + 'a' * 9000)):
        file.write_text(text + what)
        client = get('-O', '-i', file)
        check_status(client, status)
        kit.check('line 5: ' in client.errors(), client.errors())
    check_status(get('-O', '-i', '/nonexistent'), 26)


def quiet():
    host = Host(lambda path, fields: [whole(body=b'x')])
    directory = new_directory()
    client = get('-q', '-O', '-d', directory, host.url('a'), host.url('b'))
    check_status(client, 0)
    kit.check(not client.errors(), client.errors())


def no_clobber():
    host = Host(lambda path, fields: [whole(body=b'new')])
    directory = new_directory()
    (directory / 'a').write_text('old')
    for _ in range(2):
        check_status(get('-n', '-O', '-d', directory, host.url('a'), host.url('b')), 0)
    kit.check((directory / 'a').read_text() == 'old', 'it was fetched')
    kit.check([path for path, _ in host.requests] == ['/b'], str(host.requests))


def refused_before_anything_is_fetched():
    host = Host(lambda path, fields: [whole(body=b'x')])
    directory = new_directory()
    os.symlink(directory, directory / 'way')
    for status, arguments in (
            (2, ['-O', host.url('a'), host.url('b/a')]),
            (2, ['-O', '-C', host.url('a'), host.url('a.part')]),
            (2, [host.url('a'), host.url('b')]),
            (2, ['-o', directory / 'f', host.url('a'), host.url('b')]),
            (2, ['-o', 'f', '-O', host.url('a')]), (2, ['-C', host.url('a')]),
            (2, ['-n', host.url('a')]), (2, ['-d', '/tmp', host.url('a')]),
            (2, ['-q', '--progress', host.url('a')]), (2, ['-j', '0', host.url('a')]),
            (2, ['-j', '257', host.url('a')]), (2, ['-j', '-1', host.url('a')]),
            (2, ['-j', '1x', host.url('a')]), (2, ['--idle-timeout', '-1', host.url('a')]),
            (3, ['-O', host.url('')]), (3, ['-O', host.url('a/%2e%2e')]),
            (3, ['-O', host.url('a'), 'http://localhost/b'])):
        client = get(*arguments)
        check_status(client, status)
        kit.check(client.errors(), 'said nothing: %s' % arguments)
    kit.check(not host.connections, 'somebody was asked')


def a_signal_leaves_nothing():
    """Where nothing was to stay."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        host = Host(lambda path, fields: [head('200 OK', 'Content-Length: 10') + b'0123', STALL])
        directory = new_directory()
        client = get('-O', '-d', directory, host.url('a'), host.url('b'), host.url('c'))
        client.await_that(lambda directory=directory: len(os.listdir(directory)) == 3, 'begin')
        kit.check(client.kill(number) == -number, 'it did not die of it')
        kit.check(not os.listdir(directory), 'left behind: %s' % os.listdir(directory))
        kit.check(client.errors().count('interrupted') == 3, client.errors())


def a_signal_ends_a_wait_for_stdout():
    """Whether it waits already, or is just about to."""
    for wait_s in (0, 0.001, 0.01, 1):
        host = Host(lambda path, fields: [whole()])
        client = get(host.url('f'), held=True)
        client.await_held()
        time.sleep(wait_s)
        kit.check(client.kill(signal.SIGTERM) == -signal.SIGTERM, 'it did not die of it')


def nobody_reads_stdout():
    host = Host(lambda path, fields: [whole()])
    client = get(host.url('f'), held=True)
    client.await_held()
    client.child.stdout.close()
    check_status(client, 23)
    kit.check('stdout: Broken pipe' in client.errors(), client.errors())


# Deadlines

def one_that_stalls():
    host = Host(lambda path, fields: [whole(body=b'x')] if path != '/b' else [
        head('200 OK', 'Content-Length: 10', TAG) + b'0123', STALL])
    directory = new_directory()
    client = get('-C', '-O', '-d', directory, '--idle-timeout', '1', '-j', '2',
                 *(host.url(name) for name in 'abcd'))
    check_status(client, 28)
    for name in 'acd':
        check_body(directory / name, b'x')
    kit.check('%s: response: nothing has come for 1 s; 4 bytes are in' % host.url('b')
              in client.errors(), client.errors())


def slow_is_not_idle():
    def answer(_path, _fields):
        yield head('200 OK', 'Content-Length: 20')
        for _ in range(20):
            time.sleep(0.1)
            yield b'x'

    host = Host(answer)
    file = kit.new_path('got')
    check_status(get('-o', file, '--idle-timeout', '1', host.url('f')), 0)
    check_body(file, b'x' * 20)


def no_time_for_all():
    host = Host(lambda path, fields: [STALL])
    directory = new_directory()
    urls = [host.url('f%d' % number) for number in range(5)]
    client = get('-O', '-d', directory, '--timeout', '1', '-j', '2', *urls)
    check_status(client, 28)
    kit.check(all('%s: ' % url in client.errors() for url in urls), client.errors())
    kit.check(client.errors().count('not begun') == 3 and len(host.requests) == 2, client.errors())


# For people

class Terminal:
    """A pty for a program's stderr, and all that came out of it."""

    def __init__(self, columns):
        self.ours, self.theirs = pty.openpty()
        self.resize(columns)
        self.text = b''

    def resize(self, columns):
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))

    def run(self, *arguments, env=None):
        child = subprocess.Popen([str(argument) for argument in arguments], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=self.theirs,
                                 env=dict(os.environ, **(env or {'TERM': 'xterm'})))
        os.close(self.theirs)
        with contextlib.suppress(OSError):
            while True:
                more = os.read(self.ours, 65536)
                if not more:
                    break
                self.text += more
        os.close(self.ours)
        return child.wait(kit.LIMIT_S)

    def drawn(self):
        """The lines as they were drawn, one over the other."""
        return [line for line in re.findall(r'\r([^\r\n]+)\x1b\[K', self.text.decode())]


def slowly(*sizes):
    """Each of these pieces after a third of a second."""
    def answer(_path, _fields):
        yield head('200 OK', 'Content-Length: %d' % sum(sizes))
        for size in sizes:
            time.sleep(0.3)
            yield b'x' * size
    return answer


def progress_of_one():
    for columns in (80, 40, 10):
        host = Host(slowly(*[100000] * 5))
        file = kit.new_path('got')
        terminal = Terminal(columns)
        status = terminal.run(kit.TOOL, 'get', '--ca', kit.path('ca.pem'), '-o', file,
                              host.url('f'))
        kit.check(status == 0, terminal.text.decode())
        drawn = terminal.drawn()
        kit.check(len(drawn) >= 3, 'drawn %d times: %r' % (len(drawn), terminal.text))
        kit.check(max(map(len, drawn)) < columns, 'too wide: %r' % drawn)
        kit.check(re.search(r'[2468]0%', ''.join(drawn)), 'no percent: %r' % drawn)
        kit.check(columns < 80 or re.search(r'of 500 kB  .* kB/s  0:0\d left  \[=+>', drawn[-1]),
                  drawn[-1])
        # The line is gone before the last word, which is the same as ever.
        kit.check(re.search(rb'\r\x1b\[KTLS 1.3 [^\x1b]* MB/s\r\n$', terminal.text),
                  repr(terminal.text))
    return drawn[-1]


def progress_of_several():
    host = Host(slowly(*[1000] * 3))
    directory = new_directory()
    terminal = Terminal(80)
    status = terminal.run(kit.TOOL, 'get', '--ca', kit.path('ca.pem'), '-O', '-d', directory, '-j',
                          '2', *(host.url('f%d' % number) for number in range(4)))
    kit.check(status == 0, terminal.text.decode())
    drawn = terminal.drawn()
    kit.check(any(line.startswith('2 of 4') or '  2 of 4' in line for line in drawn), str(drawn))
    return drawn[-1]


def no_progress_where_nobody_looks():
    host = Host(slowly(*[1000] * 3))
    file = kit.new_path('got')
    client = get('-o', file, host.url('f')).run()
    kit.check(not re.search(r'[\r\x1b]', client.errors()), repr(client.errors()))
    for arguments, env in ((['-q'], None), ([], {'TERM': 'dumb'})):
        terminal = Terminal(80)
        terminal.run(kit.TOOL, 'get', '--ca', kit.path('ca.pem'), '-o', file, *arguments,
                     host.url('f'), env=env)
        kit.check(b'\x1b' not in terminal.text, repr(terminal.text))
    client = get('--progress', '-o', file, host.url('f')).run()
    kit.check('\x1b[K' in client.errors(), '--progress shows none')


CASES = [
    ('fifty from ktls serve', fifty_from_ktls_serve),
    ('fifty from nginx', fifty_from_nginx),
    ('as many as there may be', as_many_as_there_may_be),
    ('more than there may be', more_than_there_may_be),
    ('connections are used again', connections_are_used_again),
    ('sessions are resumed', sessions_are_resumed),
    ('a connection that was kept and is gone', a_connection_that_was_kept_and_is_gone),
    ('more than was announced', more_than_was_announced),
    ('one fails among many', one_fails_among_many),
    ('a host that is not there', a_host_that_is_not_there),
    ('a list of URLs', a_list_of_urls),
    ('--quiet', quiet),
    ('--no-clobber', no_clobber),
    ('refused before anything is fetched', refused_before_anything_is_fetched),
    ('a signal leaves nothing', a_signal_leaves_nothing),
    ('a signal ends a wait for stdout', a_signal_ends_a_wait_for_stdout),
    ('nobody reads stdout', nobody_reads_stdout),
    ('one that stalls', one_that_stalls),
    ('slow is not idle', slow_is_not_idle),
    ('no time for all', no_time_for_all),
    ('progress of one', progress_of_one),
    ('progress of several', progress_of_several),
    ('no progress where nobody looks', no_progress_where_nobody_looks),
]

if __name__ == '__main__':
    kit.main(CASES)
