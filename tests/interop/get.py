#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls get` against servers that are right, wrong, cut short or silent: what it writes is whole or
not there, and its exit status says which. The wrong ones are Python's, so OpenSSL's; the answers
are raw bytes.
"""

import contextlib
import functools
import os
import socket
import ssl
import threading

import kit

SIZE = 3000001


class Server(threading.Thread):
    """Answers one connection with these bytes, and ends it with close_notify or without."""

    def __init__(self, *pieces, notify=True, protocol=None):
        super().__init__(daemon=True)
        self.pieces, self.notify, self.request = pieces, notify, b''
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(kit.path('ec.pem'), kit.path('ec.key'))
        if protocol:
            self.context.maximum_version = self.context.minimum_version = protocol
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.listener.settimeout(kit.LIMIT_S)
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        plain, _ = self.listener.accept()
        self.listener.close()
        plain.settimeout(kit.LIMIT_S)
        # What a client does that has seen enough is no business of this end.
        with plain, contextlib.suppress(ssl.SSLError, OSError):
            self.answer(plain)

    def answer(self, plain):
        with self.context.wrap_socket(plain, server_side=True) as tls:
            while b'\r\n\r\n' not in self.request:
                self.request += tls.recv(65536)
            for piece in self.pieces:
                tls.sendall(piece)
            if self.notify:
                tls.unwrap().close()


def get(port, *options, name='file', status=0):
    """The client, and where its output should be."""
    client, file = kit.tool_get(port, name, *options)
    kit.check(client.wait() == status, 'it ended with %d, not %d' % (client.wait(), status))
    kit.check(file.exists() == (status == 0), 'the file is there, or not, against its status')
    kit.check(not list(file.parent.glob(file.name + '.*')), 'a temporary file is left')
    kit.check(bool(client.errors()), 'it said nothing')
    return client, file


def answered(wanted, *pieces, notify=True, status=0, says=''):
    """A fetch from a server that answers these bytes."""
    server = Server(*pieces, notify=notify)
    client, file = get(server.port, status=status)
    kit.check(says in client.errors(), client.errors())
    kit.check(status or file.read_bytes() == wanted, 'other bytes than were sent')


OK = b'HTTP/1.1 200 OK\r\n'
LENGTH = OK + b'Content-Length: 10\r\n\r\n'
CHUNKED = OK + b'Transfer-Encoding: chunked\r\n\r\n'
LARGE = os.urandom(SIZE)

ANSWERS = {
    'a length': (b'0123456789', LENGTH, b'0123456789'),
    'a length, nothing after it but silence': (b'0123456789', LENGTH + b'0123456789'),
    'a length of nothing': (b'', OK + b'Content-Length: 0\r\n\r\n'),
    'no content': (b'', b'HTTP/1.1 204 No Content\r\n\r\n'),
    'chunks': (b'0123456789', CHUNKED, b'4\r\n0123\r\n', b'6;x=y\r\n456789\r\n', b'0\r\n\r\n'),
    'chunks and a trailer': (b'0123', CHUNKED + b'4\r\n0123\r\n0\r\nX: y\r\n\r\n'),
    'many chunks': (LARGE, CHUNKED, *(b'%x\r\n%s\r\n' % (len(LARGE[at:at + 9999]),
                                                         LARGE[at:at + 9999])
                                      for at in range(0, SIZE, 9999)), b'0\r\n\r\n'),
    'until the close_notify': (LARGE, OK + b'\r\n', LARGE),
    'HTTP/1.0': (LARGE, b'HTTP/1.0 200 OK\r\n\r\n', LARGE),
    'an interim answer first': (b'0123456789', b'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n',
                                LENGTH + b'0123456789'),
    'byte by byte': (b'0123456789', *(bytes([byte]) for byte in LENGTH + b'0123456789')),
}

# name: (exit status, what stderr says, whether close_notify comes, pieces)
FAULTS = {
    'a length, cut': (18, 'truncated', True, LENGTH + b'01234'),
    'a length, cut without close_notify': (18, 'truncated', False, LENGTH + b'01234'),
    'chunks, cut': (18, 'truncated', True, CHUNKED + b'4\r\n0123\r\n'),
    'chunks, cut before the last line': (18, 'truncated', True, CHUNKED + b'4\r\n0123\r\n0\r\n'),
    'until the end, without close_notify': (18, 'without close_notify', False, OK + b'\r\n0123'),
    'nothing': (18, 'truncated', True),
    'half a head': (18, 'truncated', True, OK + b'Content-Le'),
    'no HTTP': (56, 'not HTTP', True, b'SSH-2.0-OpenSSH_9.2\r\n'),
    'a head without end': (56, 'too large', True, OK, *[b'X: ' + b'x' * 1000 + b'\r\n'] * 20),
    'two lengths': (56, 'not HTTP', True, OK + b'Content-Length: 1\r\nContent-Length: 2\r\n\r\nx'),
    'a chunk of no length': (56, 'not HTTP', True, CHUNKED + b'x\r\n'),
    'not found': (22, '404', True, b'HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone'),
    'a redirect': (22, 'https://example.org/', True,
                   b'HTTP/1.1 301 Moved\r\nLocation: https://example.org/\r\n\r\n'),
}


def fault(status, says, notify, *pieces):
    answered(None, *pieces, notify=notify, status=status, says=says)


def from_ktls_serve(protocol):
    file = kit.payload(SIZE)
    server, port = kit.tool_server(file.parent)
    client, got = get(port, '--tls', protocol, name=file.name)
    kit.check_same(got, file)
    line = client.errors().splitlines()[-1]
    kit.check(line.startswith('TLS %s TLS_' % protocol) and ' %d bytes ' % SIZE in line, line)
    kit.check(server.kill(15) == 0, 'the server did not end well')
    return line


def what_is_asked():
    server = Server(LENGTH + b'0123456789')
    get(server.port, name='a/b?c=d#e')
    for line in (b'GET /a/b?c=d HTTP/1.1\r\n', b'\r\nHost: localhost:%d\r\n' % server.port,
                 b'\r\nConnection: close\r\n'):
        kit.check(line in server.request, 'no %r in %r' % (line, server.request))


def to_stdout():
    server = Server(LENGTH + b'0123456789')
    client = kit.Process(kit.TOOL, 'get', 'https://localhost:%d/' % server.port, '--ca',
                         kit.path('ca.pem')).run()
    kit.check(client.out.read_bytes() == b'0123456789', 'stdout: %r' % client.out.read_bytes())


def a_failure_keeps_the_old_file():
    file = kit.new_path('kept')
    file.write_text('old')
    server = Server(LENGTH + b'0')
    client = kit.Process(kit.TOOL, 'get', 'https://localhost:%d/' % server.port, '--ca',
                         kit.path('ca.pem'), '-o', file)
    kit.check(client.wait() == 18 and file.read_text() == 'old', 'the old file is gone')


def the_output_cannot_be_written():
    for output in ('/dev/full', '/nonexistent/file', kit.directory):
        server = Server(LENGTH + b'0123456789')
        client = kit.Process(kit.TOOL, 'get', 'https://localhost:%d/' % server.port, '--ca',
                             kit.path('ca.pem'), '-o', output)
        kit.check(client.wait() == 23, '%d for %s' % (client.wait(), output))


def fetch(address, *arguments):
    return kit.Process(kit.TOOL, 'get', 'https://%s/' % address, *arguments)


def check_refused(client, status, says=''):
    kit.check(client.wait() == status, '%d, not %d: %s' % (client.wait(), status, client.errors()))
    kit.check(says in client.errors(), client.errors())
    kit.check(not client.out.read_bytes(), 'something was written')


def strangers():
    """No request is ever sent to one."""
    for arguments in ([], ['--ca', kit.identity('rsa')[1]]):
        server = Server(LENGTH + b'0123456789')
        check_refused(fetch('localhost:%d' % server.port, *arguments), 60, 'certificate')
        server.join(kit.LIMIT_S)
        kit.check(not server.request, 'a request was sent: %r' % server.request)


def another_name():
    server = kit.Process(kit.TOOL, 'serve', '--listen', '127.0.0.2:0', *kit.identity())
    server.await_that(lambda: server.out.read_text().endswith('\n'), 'say where it listens')
    address = '127.0.0.2:%s' % server.out.read_text().strip().rsplit(':', 1)[1]
    check_refused(fetch(address, '--ca', kit.path('ca.pem')), 60, 'another name')


def insecure():
    server = Server(LENGTH + b'0123456789')
    client = fetch('localhost:%d' % server.port, '--insecure').run()
    kit.check(client.out.read_bytes() == b'0123456789', 'other bytes')
    kit.check('can read and change everything' in client.errors(), 'no warning')


def trust_that_cannot_be_read():
    for file in ('/nonexistent', kit.path('ca.key')):
        check_refused(fetch('localhost:1', '--ca', file), 77)


def nobody_there():
    check_refused(fetch('localhost:%d' % kit.free_port(), '--insecure'), 7, 'refused')
    check_refused(fetch('nobody.invalid', '--insecure'), 6, 'nobody.invalid')


def silent_servers():
    """One that never speaks TLS, and one that never answers."""
    with socket.create_server(('127.0.0.1', 0)) as listener:
        port = listener.getsockname()[1]
        check_refused(fetch('localhost:%d' % port, '--insecure', '--timeout', '0.3'), 28, 'time')
    with socket.create_server(('127.0.0.1', 0)) as full:
        address = full.getsockname()
        full.listen(0)
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)
            check_refused(fetch('127.0.0.1:%d' % address[1], '--insecure', '--timeout', '0.3'), 28,
                          'time')


def no_tls_there():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        client = fetch('localhost:%d' % listener.getsockname()[1], '--insecure')
        plain, _ = listener.accept()
        with plain:
            plain.sendall(b'220 mail.example.org ESMTP\r\n')
            check_refused(client, 35)


def another_version():
    server = Server(LENGTH, protocol=ssl.TLSVersion.TLSv1_2)
    check_refused(fetch('localhost:%d' % server.port, '--insecure', '--tls', '1.3'), 35)


def offload(when):
    server = Server(LENGTH + b'0123456789')
    status = 35 if when == 'required' and not kit.probe()['ulp']['works'] else 0
    client, _ = get(server.port, '--offload', when, status=status)
    return client.errors().splitlines()[-1]


def bad_command_lines():
    for status, arguments in (
            (2, []), (2, ['https://a/', 'https://b/']), (2, ['--frobnicate', 'https://a/']),
            (2, ['--tls', '1.1', 'https://a/']), (2, ['--timeout', 'soon', 'https://a/']),
            (2, ['--timeout', '-1', 'https://a/']), (2, ['--offload', 'perhaps', 'https://a/']),
            (2, ['--insecure', '--ca', 'x', 'https://a/']), (3, ['http://a/']), (3, ['a']),
            (3, ['https://user@a/']), (0, ['--help'])):
        tool = kit.Process(kit.TOOL, 'get', *arguments)
        kit.check(tool.wait() == status, '%d, not %d: %s' % (tool.wait(), status, arguments))
        kit.check(bool(tool.errors()) == bool(status), 'said nothing, or too much: %s' % arguments)


def the_command_itself():
    for status, arguments in ((2, []), (2, ['frobnicate']), (0, ['--help']), (0, ['--version']),
                              (2, ['probe', 'more']), (2, ['probe', '--frobnicate']),
                              (0, ['probe', '--help'])):
        tool = kit.Process(kit.TOOL, *arguments)
        kit.check(tool.wait() == status, '%d, not %d: %s' % (tool.wait(), status, arguments))
        kit.check(bool(tool.out.read_bytes()) == (status == 0), 'stdout of %s' % arguments)


CASES = [('from ktls serve, TLS ' + protocol, functools.partial(from_ktls_serve, protocol))
         for protocol in kit.PROTOCOLS]
CASES += [(name, functools.partial(answered, *answer)) for name, answer in ANSWERS.items()]
CASES += [(name, functools.partial(fault, *answer)) for name, answer in FAULTS.items()]
CASES += [('--offload ' + when, functools.partial(offload, when))
          for when in ('auto', 'off', 'tx', 'rx', 'both', 'required')]
CASES += [
    ('what is asked', what_is_asked),
    ('to stdout', to_stdout),
    ('a failure keeps the old file', a_failure_keeps_the_old_file),
    ('the output cannot be written', the_output_cannot_be_written),
    ('strangers', strangers),
    ('another name', another_name),
    ('--insecure', insecure),
    ('trust that cannot be read', trust_that_cannot_be_read),
    ('nobody there', nobody_there),
    ('silent servers', silent_servers),
    ('no TLS there', no_tls_there),
    ('another version', another_version),
    ('bad command lines', bad_command_lines),
    ('the command itself', the_command_itself),
]

if __name__ == '__main__':
    kit.main(CASES)
