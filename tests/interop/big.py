#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
One large file from `ktls serve`: whole to curl and to `ktls get`, then over many connections at
once, each with another range of it; until all are there, each takes no more than a trickle. The size
is for whoever has the time; the suite takes the default.

Usage: big.py [MIB [CONNECTIONS [CASE...]]]
"""

import hashlib
import resource
import socket
import ssl
import sys
import threading
import time

import kit

SIZE = int(sys.argv[1] if len(sys.argv) > 1 else 64) << 20
CONNECTIONS = int(sys.argv[2] if len(sys.argv) > 2 else 200)
BLOCK = 1 << 18
TRICKLE = 1 << 15  # a second: less, and a server may take it for nothing
LIMIT_S = 1800


class Crowd:
    """How many have begun. A few shake hands at a time: a slow machine has limits to keep."""

    def __init__(self, size):
        self.doors = threading.Semaphore(8)
        self.missing, self.lock, self.complete = size, threading.Lock(), threading.Event()

    def enter(self):
        with self.lock:
            self.missing -= 1
            if not self.missing:
                self.complete.set()


class Range(threading.Thread):
    """A connection of Python's own OpenSSL, and the digest of what it was given."""

    def __init__(self, port, context, name, crowd, first, size):
        super().__init__(daemon=True)
        self.port, self.context, self.crowd = port, context, crowd
        self.first, self.size = first, size
        self.request = ('GET /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n'
                        'Range: bytes=%d-%d\r\n\r\n' % (name, first, first + size - 1)).encode()
        self.got, self.digest, self.error = 0, hashlib.sha256(), None

    def run(self):
        try:
            with self.crowd.doors:
                tls = self.open()
            with tls:
                self.crowd.enter()
                while not self.crowd.complete.wait(1) and self.fetch(tls, TRICKLE):
                    pass
                while self.fetch(tls, BLOCK):
                    pass
        except OSError as error:
            self.error = repr(error)
            self.crowd.complete.set()

    def open(self):
        raw = socket.create_connection(('127.0.0.1', self.port), LIMIT_S)
        tls = self.context.wrap_socket(raw, server_hostname='localhost',
                                       suppress_ragged_eofs=False)
        tls.sendall(self.request)
        head = b''
        while not head.endswith(b'\r\n\r\n'):
            byte = tls.recv(1)
            if not byte:
                raise OSError('the head ends: %r' % head)
            head += byte
        if not head.startswith(b'HTTP/1.1 206 '):
            raise OSError(head.decode())
        return tls

    def fetch(self, tls, size):
        data = tls.recv(size)
        self.got += len(data)
        self.digest.update(data)
        return bool(data)


def rate(size, began):
    seconds = time.monotonic() - began
    return '%d MiB in %.1f s, %.0f MB/s' % (size >> 20, seconds, size / 1e6 / seconds)


def digest_of(file, first, size):
    digest = hashlib.sha256()
    with open(file, 'rb') as bytes_in:
        bytes_in.seek(first)
        while size:
            block = bytes_in.read(min(BLOCK, size))
            digest.update(block)
            size -= len(block)
    return digest.digest()


def whole(make_client):
    """Not kept, but counted and compared as it comes: memory is dear in a laboratory."""
    file = kit.payload(SIZE)
    wanted = digest_of(file, 0, SIZE)
    witness = kit.Witness()
    server, port = kit.tool_server(kit.directory)
    began = time.monotonic()
    client = make_client(port, file.name)
    digest, got = hashlib.sha256(), 0
    for block in iter(lambda: client.child.stdout.read(BLOCK), b''):
        digest.update(block)
        got += len(block)
    told = rate(got, began)
    client.run()

    kit.check((got, digest.digest()) == (SIZE, wanted), '%d bytes came, or others' % got)
    server.await_text('GET /')
    protocol, cipher = '1.3', 'AES-256-GCM'
    return told + ', server: ' + kit.check_line(server.line('GET /'), protocol, cipher, witness)


def curl(port, name):
    return kit.Process('curl', '--silent', '--show-error', '--cacert', kit.path('ca.pem'),
                       'https://localhost:%d/%s' % (port, name), held=True)


def ktls_get(port, name):
    return kit.Process(kit.TOOL, 'get', 'https://localhost:%d/%s' % (port, name), '--ca',
                       kit.path('ca.pem'), held=True)


def ranges():
    file, witness = kit.payload(SIZE), kit.Witness()
    server, port = kit.tool_server(kit.directory)
    context = ssl.create_default_context(cafile=kit.path('ca.pem'))
    # So that an end without close_notify raises, for which suppress_ragged_eofs is not enough.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    crowd = Crowd(CONNECTIONS)
    cuts = [SIZE * number // CONNECTIONS for number in range(CONNECTIONS + 1)]
    threads = [Range(port, context, file.name, crowd, first, last - first)
               for first, last in zip(cuts, cuts[1:])]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)

    errors = [thread.error for thread in threads if thread.error]
    kit.check(not errors, '%d failed, the first: %s' % (len(errors), errors[:1]))
    told = rate(sum(thread.got for thread in threads), began)
    for thread in threads:
        kit.check(thread.got == thread.size and
                  thread.digest.digest() == digest_of(file, thread.first, thread.size),
                  'range from %d: %d bytes of %d came, or others' % (thread.first, thread.got,
                                                                     thread.size))
    server.kill(15)
    lines = [line for line in server.errors().splitlines() if line.startswith('GET /')]
    kit.check(len(lines) == CONNECTIONS, 'the server counts %d requests' % len(lines))
    for line in lines:
        kit.check_line(line, '1.3', 'AES-256-GCM', witness, CONNECTIONS)
    return '%d connections: %s, server: %s' % (CONNECTIONS, told, lines[-1])


if __name__ == '__main__':
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files[1], files[1]))
    sys.argv[1:] = sys.argv[3:]
    kit.LIMIT_S = LIMIT_S
    kit.main([('whole, to curl', lambda: whole(curl)),
              ('whole, to ktls get', lambda: whole(ktls_get)),
              ('%d ranges at once' % CONNECTIONS, ranges)], 'curl')
