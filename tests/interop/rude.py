# SPDX-License-Identifier: MIT
"""
The clients of abuse.py: some that keep to a script of TLS and stop at any byte of it, some that say
one byte a second, and an honest one, who comes meanwhile.
"""

import contextlib
import socket
import ssl
import struct
import threading
import time

import kit
import web

RESET = struct.pack('ii', 1, 0)


def reset(plain):
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    plain.close()


class Script:
    """A whole conversation by OpenSSL, of which only so many bytes go out, or are taken in."""

    context = None

    def __init__(self, port, name='hello.html'):
        if not Script.context:
            Script.context = web.tls_context()
        self.request = web.get(name, 'Connection: close')
        self.plain = socket.create_connection(('127.0.0.1', port), kit.LIMIT_S)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = Script.context.wrap_bio(self.incoming, self.outgoing,
                                           server_hostname='localhost')
        self.sent = self.received = 0
        self.asked = False

    def _is_over(self):
        """As far as it goes with what is there."""
        try:
            if not self.asked:
                self.tls.do_handshake()
                self.tls.write(self.request)
                self.asked = True
            while self.tls.read(65536):
                pass
            return True
        except ssl.SSLWantReadError:
            return False

    def _send(self, limit):
        data = self.outgoing.read()[:limit - self.sent]
        self.plain.sendall(data)
        self.sent += len(data)
        return self.sent < limit

    def _receive(self, limit):
        data = self.plain.recv(min(65536, limit - self.received))
        self.received += len(data)
        self.incoming.write(data)
        return data and self.received < limit

    def run(self, send=1 << 60, receive=1 << 60):
        """Until a limit is reached, or the conversation is over."""
        while not self._is_over() and self._send(send) and self._receive(receive):
            pass
        return self


def first_flight(port):
    """What a client says first."""
    script = Script(port)
    script.plain.close()
    with contextlib.suppress(ssl.SSLWantReadError):
        script.tls.do_handshake()
    return script.outgoing.read()


def connect_many(port, count):
    """From several addresses: ports are not endless."""
    plains = {}
    for number in range(count):
        plain = socket.socket()
        plain.bind(('127.0.0.%d' % (1 + number % 16), 0))
        plain.connect(('127.0.0.1', port))
        plain.setblocking(False)
        plains[plain.fileno()] = plain
    return plains


def drip(plains, hello):
    """Seconds until the server has ended the last of them."""
    began = time.monotonic()
    for at in range(kit.LIMIT_S):
        for plain in list(plains.values()):
            try:
                plain.send(hello[at:at + 1])
                ended = plain.recv(4096) == b''
            except BlockingIOError:
                continue
            except OSError:
                ended = True
            if ended:
                plains.pop(plain.fileno()).close()
        if not plains:
            return time.monotonic() - began
        time.sleep(max(0, began + at + 1 - time.monotonic()))
    raise kit.Failure('%d are there after %d s' % (len(plains), kit.LIMIT_S))


class Honest:
    """Comes anew each time, and must be served, while others do what they do."""

    def __init__(self, port, name, wanted):
        self.name, self.wanted = name, wanted
        self.port, self.times, self.failure, self.over = port, [], None, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.failure and not self.over.wait(0.1):
            began = time.monotonic()
            try:
                answer = web.talk(self.port, web.get(self.name, 'Connection: close'))
                if not answer.endswith(self.wanted):
                    self.failure = 'other bytes'
            except OSError as failure:
                self.failure = str(failure)
            self.times.append(time.monotonic() - began)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        kit.check(not self.failure, 'an honest client: %s' % self.failure)

    def note(self):
        return '%d honest ones, the slowest %.2f s' % (len(self.times), max(self.times))
