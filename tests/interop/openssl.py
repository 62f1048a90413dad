#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`openssl s_client` and `s_server` against the library: each version, each suite that both have, each
role, each direction; the tickets that s_server sends behind its handshake; RSA; no common suite.
"""

import functools
import os

import kit

SIZE = 1234567


def client_downloads(protocol, cipher):
    file, witness = kit.payload(SIZE), kit.Witness()
    server, port = kit.peer_server('--file', file)
    client = kit.openssl_client(port, '-quiet', *kit.openssl_suite(protocol, cipher)).run()
    server.run()

    kit.check_same(client.out, file)
    kit.check('unexpected eof' not in client.errors(), 'openssl saw no close_notify')
    kit.check_closed(server.facts())
    return kit.check_facts(server.facts(), protocol, cipher, witness)


def client_uploads(protocol, cipher):
    file, witness = kit.payload(SIZE), kit.Witness()
    server, port = kit.peer_server(stdin=None)
    kit.openssl_client(port, '-quiet', '-no_ign_eof', '-nocommands',
                       *kit.openssl_suite(protocol, cipher), stdin=file).run()
    server.wait()

    kit.check_same(server.out, file)
    kit.check_closed(server.facts(), write=None)
    return kit.check_facts(server.facts(), protocol, cipher, witness)


def server_receives(protocol, cipher):
    file, witness = kit.payload(SIZE), kit.Witness()
    server, port = kit.openssl_server('-quiet', '-naccept', '1',
                                      *kit.openssl_suite(protocol, cipher), stdin=None)
    client = kit.peer_client(port, stdin=file).run()
    server.run()

    kit.check_same(server.out, file)
    kit.check('unexpected eof' not in server.errors(), 'openssl saw no close_notify')
    kit.check_closed(client.facts())
    return kit.check_facts(client.facts(), protocol, cipher, witness)


def server_reverses(protocol, cipher):
    """Lines there and back, many times; the two tickets come before the first and are no data."""
    lines = [b'%d %s\n' % (number, b'x' * (number * 337 % 9000)) for number in range(40)]
    wanted = b''.join(line[:-1][::-1] + b'\n' for line in lines)
    witness = kit.Witness()
    server, port = kit.openssl_server('-rev', '-naccept', '1', *kit.openssl_suite(protocol, cipher))
    client = kit.peer_client(port, stdin=None)
    done = 0
    for line in lines:
        client.send(line)
        done += len(line)
        client.await_output(done)
    client.end_input()
    client.run()

    kit.check(client.out.read_bytes() == wanted, 'the lines came back otherwise')
    kit.check_closed(client.facts())
    kit.check(server.wait() == 0, 's_server failed')
    return kit.check_facts(client.facts(), protocol, cipher, witness)


def server_serves(protocol, cipher):
    """A file by HTTP, to `ktls get`; its end is the close_notify."""
    file, witness = kit.payload(SIZE), kit.Witness()
    _, port = kit.openssl_server('-WWW', '-http_server_binmode',
                                 *kit.openssl_suite(protocol, cipher))
    client, got = kit.tool_get(port, os.path.basename(file), '--tls', protocol)
    client.run()

    kit.check_same(got, file)
    return kit.check_line(client.line('TLS ' + protocol), protocol, cipher, witness)


def server_sends_tickets(number):
    """However many tickets come, none is ever read as data, or hinders it."""
    witness = kit.Witness()
    _, port = kit.openssl_server('-rev', '-tls1_3', '-num_tickets', number, '-naccept', '1')
    client = kit.peer_client(port, stdin=None)
    client.send(b'tickets\n')
    client.await_output(8)
    client.end_input()
    client.run()

    kit.check(client.out.read_bytes() == b'stekcit\n', 'this was read: %r' % client.out.read_bytes())
    kit.check_closed(client.facts())
    return kit.check_facts(client.facts(), '1.3', client.facts()['cipher'], witness)


def rsa(protocol):
    file = kit.payload(SIZE)
    server, port = kit.peer_server('--file', file, name='rsa')
    client = kit.openssl_client(port, '-quiet', kit.openssl_version(protocol)).run()
    server.run()

    kit.check_same(client.out, file)
    return server.facts()['suite']


def no_common_suite():
    server, port = kit.peer_server('--protocol', '1.2')
    client = kit.openssl_client(port, '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA')

    kit.check(client.wait() != 0, 'openssl took no offence')
    kit.check(server.wait() == 1, 'the server took no offence')
    kit.check(server.facts()['handshake'] == 'KTLS_E_NO_SHARED_SUITE', server.facts()['handshake'])
    kit.check('handshake failure' in client.errors(), 'openssl was not told handshake_failure')


def ktls_with_sendfile():
    """OpenSSL's own kernel TLS at the other end, where its build and this kernel have it."""
    if not kit.probe()['ulp']['works']:
        raise kit.Skip('this kernel has no kTLS')
    file = kit.payload(SIZE)
    conf = kit.path('openssl-ktls.cnf')
    conf.write_text('openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n'
                    '[c]\nOptions = KTLS\n')
    before = kit.tls_stat()
    server, port = kit.openssl_server('-WWW', '-sendfile', '-tls1_3',
                                      env={'OPENSSL_CONF': str(conf)})
    client, got = kit.tool_get(port, os.path.basename(file), '--offload', 'off')
    client.wait()
    rise = kit.tls_stat()['TlsTxSw'] - before['TlsTxSw']
    if not rise and 'ktls' in server.errors().lower() + server.out.read_text().lower():
        raise kit.Skip('this OpenSSL has no kTLS')
    kit.check(client.wait() == 0, 'ktls get ended with %d' % client.wait())

    kit.check_same(got, file)
    return 'TlsTxSw rose by %d, with our own offload off' % rise


CASES = [('%s, TLS %s, %s' % (name, protocol, cipher), functools.partial(case, protocol, cipher))
         for name, case in (('s_client downloads', client_downloads),
                            ('s_client uploads', client_uploads),
                            ('s_server receives', server_receives),
                            ('s_server reverses', server_reverses),
                            ('s_server -WWW to ktls get', server_serves))
         for protocol, cipher in kit.matrix()]
CASES += [('s_server sends %d tickets' % n, functools.partial(server_sends_tickets, n))
          for n in (0, 2, 20)]
CASES += [('RSA, TLS ' + protocol, functools.partial(rsa, protocol)) for protocol in kit.PROTOCOLS]
CASES += [('no suite in common', no_common_suite),
          ('s_server -sendfile with its own kTLS', ktls_with_sendfile)]

if __name__ == '__main__':
    kit.main(CASES)
