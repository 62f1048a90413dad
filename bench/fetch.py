#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
One answer of a server, by OpenSSL in TLS 1.3, and the records in which it came, which are counted
in its passing. What is offered OPENSSL_CONF says, which is read but once: so this is a program, of
setups.py. It prints JSON.

  fetch.py ADDRESS PORT SIZE CERTIFICATE
"""

import collections
import hashlib
import json
import socket
import ssl
import sys

APPLICATION_DATA = 23
OVERHEAD = 17  # of a record in TLS 1.3: its type and the tag
TIMEOUT_S = 60


class Client:
    def __init__(self, address, port, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(certificate)
        self.socket = socket.create_connection((address, port), TIMEOUT_S)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname='localhost')
        self.wire, self.records = b'', collections.Counter()
        self.turn(self.tls.do_handshake)

    def turn(self, step, *arguments):
        """Does it, with as many bytes to and fro as it takes."""
        while True:
            try:
                result = step(*arguments)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                self.receive()

    def flush(self):
        if self.outgoing.pending:
            self.socket.sendall(self.outgoing.read())

    def receive(self):
        came = self.socket.recv(65536)
        if not came:
            self.incoming.write_eof()
        self.incoming.write(came)
        self.wire += came
        while len(self.wire) >= 5 and len(self.wire) >= self.record_end():
            self.records[self.record_end() - 5] += self.wire[0] == APPLICATION_DATA
            self.wire = self.wire[self.record_end():]

    def record_end(self):
        return 5 + int.from_bytes(self.wire[3:5], 'big')

    def get(self, size):
        """The body."""
        self.turn(self.tls.write, f'GET /{size} HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode())
        text = b''
        while b'\r\n\r\n' not in text:
            text += self.turn(self.tls.read, 65536)
        body = bytearray(text.partition(b'\r\n\r\n')[2])
        while len(body) < size:
            body += self.turn(self.tls.read, 65536)
        return body


def main():
    address, port, size, certificate = sys.argv[1:]
    client = Client(address, int(port), certificate)
    body = client.get(int(size))
    print(json.dumps({
        'sha256': hashlib.sha256(body).hexdigest(),
        'suite': client.tls.cipher()[0],
        # The length that most bytes came in.
        'record': max(client.records, key=lambda n: n * client.records[n]) - OVERHEAD,
    }))


if __name__ == '__main__':
    main()
