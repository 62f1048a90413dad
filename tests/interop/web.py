# SPDX-License-Identifier: MIT
"""
What the scripts about `ktls serve` share: a root with files and traps, a client that is curl, and
one that says what it likes.
"""

import contextlib
import os
import signal
import socket
import ssl
import time

import kit

SIZE = 5000003


def make_root():
    root = kit.new_path('root')
    root.mkdir()
    os.link(kit.payload(SIZE), root / 'data.bin')
    (root / 'empty.txt').touch()
    (root / 'hello.html').write_text('hello')
    (root / 'sub').mkdir()
    (root / 'sub' / 'index.html').write_text('index')
    (root / 'bare').mkdir()
    secret = kit.new_path('secret')
    secret.write_text('secret')
    (root / 'inside').symlink_to('hello.html')
    (root / 'outside').symlink_to(secret)
    (root / 'upwards').symlink_to('../' + secret.name)
    os.mkfifo(root / 'fifo')
    return root


def serve(*options, root=None):
    return kit.tool_server(root or make_root(), *options)


def url(port, name):
    return 'https://localhost:%d/%s' % (port, name)


def curl(*arguments):
    """Its standard output, as bytes."""
    client = kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'), *arguments).run()
    return client.out.read_bytes()


def tls_context():
    """One that says when a stream ends without close_notify."""
    context = ssl.create_default_context(cafile=kit.path('ca.pem'))
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


@contextlib.contextmanager
def connection(port, receive_buffer=None, name='localhost'):
    """A TLS connection of OpenSSL's, by way of Python."""
    with socket.socket() as plain:
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(kit.LIMIT_S)
        plain.connect(('127.0.0.1', port))
        with tls_context().wrap_socket(plain, server_hostname=name,
                                       suppress_ragged_eofs=False) as tls:
            yield tls


def receive_all(tls):
    """To the close_notify; anything else raises."""
    return b''.join(iter(lambda: tls.recv(65536), b''))


def talk(port, *requests):
    """Sends raw bytes, and returns all that is answered until the server ends the stream."""
    with connection(port) as tls:
        for request in requests:
            tls.sendall(request)
        return receive_all(tls)


def get(name='hello.html', *fields, method='GET', version='1.1'):
    lines = ['%s /%s HTTP/%s' % (method, name, version), 'Host: localhost', *fields]
    return ('\r\n'.join(lines) + '\r\n\r\n').encode()


def status_of(answer):
    kit.check(answer.startswith(b'HTTP/1.1 '), 'no HTTP: %r' % answer[:60])
    return int(answer[9:12])


def check_serves(port):
    kit.check(curl(url(port, 'hello.html')) == b'hello', 'it does not serve any more')


def descriptors(server):
    return len(os.listdir('/proc/%d/fd' % server.child.pid))


def descriptors_at_rest(server, port):
    """When it has served, and ended that: so much it may hold."""
    check_serves(port)
    time.sleep(0.5)
    return descriptors(server)


def check_descriptors(server, before):
    kit.await_that(lambda: descriptors(server) <= before,
                   'no more than %d descriptors, %d' % (before, descriptors(server)))


def check_ends(server, number=signal.SIGTERM):
    """Also without a leak, where the sanitizer looks."""
    status = server.kill(number)
    kit.check(status == 0, 'on signal %d it ended with %d' % (number, status))


def cpu_ticks(server):
    with open('/proc/%d/stat' % server.child.pid, encoding='ascii') as stat:
        fields = stat.read().rsplit(')', 1)[1].split()
    return int(fields[11]) + int(fields[12])
