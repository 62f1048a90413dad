#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`gnutls-cli` and `gnutls-serv` against the library: each version and cipher, both roles. These are
GnuTLS's own record layer and its own idea of a session's end; only the handshake is also ours.
"""

import functools
import os

import kit

SIZE = 1234567
SIZE_TO_CLI = 123456  # it writes byte by byte


def client_downloads(protocol, cipher):
    """Ours is the only close_notify: gnutls-cli answers one by closing its socket."""
    file, witness = kit.payload(SIZE_TO_CLI), kit.Witness()
    server, port = kit.peer_server('--file', file)
    client = kit.gnutls_client(port, kit.gnutls_priority(protocol, cipher), stdin=None).run()
    server.wait()

    kit.check_same(client.out, file)
    kit.check_closed(server.facts(), read='KTLS_CLOSED')
    return kit.check_facts(server.facts(), protocol, cipher, witness)


def client_uploads(protocol, cipher):
    file, witness = kit.payload(SIZE), kit.Witness()
    server, port = kit.peer_server(stdin=None)
    kit.gnutls_client(port, kit.gnutls_priority(protocol, cipher), stdin=file).run()
    server.wait()

    kit.check_same(server.out, file)
    kit.check_closed(server.facts(), write=None)
    return kit.check_facts(server.facts(), protocol, cipher, witness)


def server_echoes(protocol, cipher):
    lines = [b'%d %s\n' % (number, b'x' * (number * 37 % 900)) for number in range(40)]
    witness = kit.Witness()
    _, port = kit.gnutls_server('--echo', kit.gnutls_priority(protocol, cipher))
    client = kit.peer_client(port, stdin=None)
    done = 0
    for line in lines:
        client.send(line)
        done += len(line)
        client.await_output(done)
    client.end_input()
    client.run()

    kit.check(client.out.read_bytes() == b''.join(lines), 'the lines came back otherwise')
    kit.check_closed(client.facts())
    return kit.check_facts(client.facts(), protocol, cipher, witness)


def server_serves(protocol, cipher):
    """A file by HTTP, to `ktls get`; its end is the close_notify."""
    file, witness = kit.payload(SIZE), kit.Witness()
    _, port = kit.gnutls_server('--http', '--httpdata', file, kit.gnutls_priority(protocol, cipher))
    client, got = kit.tool_get(port, '', '--tls', protocol)
    client.run()

    kit.check_same(got, file)
    return kit.check_line(client.line('TLS ' + protocol), protocol, cipher, witness)


def tool_serves(protocol, cipher):
    """gnutls-cli asks `ktls serve` by hand; what comes is head and file."""
    file, witness = kit.payload(SIZE_TO_CLI), kit.Witness()
    server, port = kit.tool_server(kit.directory)
    client = kit.gnutls_client(port, kit.gnutls_priority(protocol, cipher), stdin=None)
    client.send(b'GET /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
                % os.path.basename(file).encode())
    client.run()

    head, _, body = client.out.read_bytes().partition(b'\r\n\r\n')
    kit.check(head.startswith(b'HTTP/1.1 200 '), 'head: %r' % head)
    kit.check(body == file.read_bytes(), '%d bytes came, not the file' % len(body))
    return kit.check_line(server.line('GET /'), protocol, cipher, witness)


CASES = [('%s, TLS %s, %s' % (name, protocol, cipher), functools.partial(case, protocol, cipher))
         for name, case in (('gnutls-cli downloads', client_downloads),
                            ('gnutls-cli uploads', client_uploads),
                            ('gnutls-serv echoes', server_echoes),
                            ('gnutls-serv --http to ktls get', server_serves),
                            ('ktls serve to gnutls-cli', tool_serves))
         for protocol, cipher in kit.matrix()]

if __name__ == '__main__':
    kit.main(CASES, 'gnutls-cli', 'gnutls-serv')
