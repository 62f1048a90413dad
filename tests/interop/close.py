#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The end of a connection, as both sides tell it: a close_notify is heard as one, and a peer that is
killed is never taken for one that was done.
"""

import functools
import socket
import ssl

import kit

SIZE = 1 << 20
ENDLESS = 64 << 20  # more than all buffers between two programs hold

CUT = ('KTLS_CLOSED', 'ECONNRESET', 'EPIPE')


def ours_to_openssl(protocol):
    server, port = kit.peer_server('--file', kit.payload(SIZE))
    client = kit.openssl_client(port, kit.openssl_version(protocol), '-ign_eof').run()
    server.run()

    kit.check(client.out.read_bytes().endswith(b'closed\n'), 's_client did not say "closed"')
    kit.check('unexpected eof' not in client.errors(), client.errors())
    kit.check_closed(server.facts())


def ours_to_gnutls(protocol):
    server, port = kit.peer_server()
    client = kit.gnutls_client(port, kit.gnutls_priority(protocol, 'AES-128-GCM'), stdin=None).run()
    server.wait()

    kit.check('Peer has closed the GnuTLS connection' in client.log.read_text(),
              client.log.read_text())
    kit.check(server.facts()['write'] == 'KTLS_DONE', 'write=' + server.facts()['write'])


def theirs_first(protocol):
    """s_server -rev ends when it is told to."""
    _, port = kit.openssl_server('-rev', kit.openssl_version(protocol))
    client = kit.peer_client(port, stdin=None)
    client.send(b'CLOSE\n')
    client.wait()

    kit.check_closed(client.facts(), write=None)


def theirs_after_ours(protocol):
    """And answers ours."""
    _, port = kit.openssl_server('-rev', kit.openssl_version(protocol))
    client = kit.peer_client(port).run()

    kit.check_closed(client.facts())


def check_cut(process):
    status, facts = process.wait(), process.facts()
    told = 'read=%s write=%s state=%s' % (facts['read'], facts['write'], facts['state'])

    kit.check(status == 1, 'ended with %d: %s' % (status, told))
    kit.check(facts['read'] in CUT, told)
    return '%s "%s"' % (told, facts['error'])


def client_killed_sending(protocol):
    server, port = kit.peer_server(stdin=None)
    client = kit.openssl_client(port, '-quiet', '-nocommands', kit.openssl_version(protocol),
                                stdin=None)
    client.send(kit.payload(SIZE).read_bytes())
    server.await_output(SIZE // 2)
    client.kill()

    return check_cut(server)


def client_killed_receiving(protocol):
    server, port = kit.peer_server('--file', kit.payload(ENDLESS))
    client = kit.openssl_client(port, '-quiet', kit.openssl_version(protocol), stdin=None,
                                held=True)
    client.await_held()
    client.kill()

    return check_cut(server)


def server_killed_sending(protocol):
    """A body that would end with the connection: `ktls get` must not take a part for the whole."""
    server, port = kit.openssl_server('-quiet', kit.openssl_version(protocol), stdin=None)
    client, got = kit.tool_get(port, '')
    server.await_text('GET / ')
    server.send(b'HTTP/1.1 200 OK\r\n\r\n' + kit.payload(SIZE).read_bytes())
    server.kill()

    status = client.wait()
    kit.check(status in (18, 56), 'ktls get ended with %d' % status)
    kit.check(not got.exists(), 'the part of a file is there as if it were whole')
    return 'exit status %d, %s' % (status, client.errors().splitlines()[-1])


def server_killed_receiving(protocol):
    server, port = kit.openssl_server('-quiet', kit.openssl_version(protocol), stdin=None,
                                      held=True)
    client = kit.peer_client(port, stdin=kit.payload(ENDLESS))
    server.await_held()
    server.kill()

    return check_cut(client)


def server_killed_idle(protocol):
    server, port = kit.openssl_server('-rev', kit.openssl_version(protocol))
    client = kit.peer_client(port, stdin=None)
    client.send(b'abc\n')
    client.await_output(4)
    server.kill()

    return check_cut(client)


def server_quits(protocol):
    """Told so by hand, s_server closes its socket and sends no close_notify."""
    server, port = kit.openssl_server(kit.openssl_version(protocol), stdin=None)
    client = kit.peer_client(port, stdin=None)
    server.await_text('CIPHER is')
    server.send(b'Q\n')

    return check_cut(client)


def fin_alone(protocol):
    """A FIN with no close_notify before it, from a peer that goes on listening."""
    server, port = kit.peer_server('--protocol', protocol, stdin=None)
    context = ssl.create_default_context(cafile=kit.path('ca.pem'))
    with socket.create_connection(('127.0.0.1', port)) as raw:
        with context.wrap_socket(raw, server_hostname='localhost') as tls:
            tls.sendall(b'abc')
            server.await_output(3)
            tls.shutdown(socket.SHUT_WR)
            told = check_cut(server)

    kit.check('read=KTLS_CLOSED' in told, told)
    return told


def refused_by_openssl(protocol):
    """A client that does not like our certificate says so; in TLS 1.3 without any protection."""
    server, port = kit.peer_server(stdin=None)
    kit.openssl_client(port, kit.openssl_version(protocol), '-verify_hostname',
                       'other.example').wait()
    server.wait()

    facts = server.facts()
    kit.check(facts['handshake'] == 'KTLS_E_ALERT', facts['error'])
    kit.check('it sent the alert' in facts['error'], facts['error'])
    return facts['error']


CASES = [('%s, TLS %s' % (name, protocol), functools.partial(case, protocol))
         for name, case in (('our close_notify to s_client', ours_to_openssl),
                            ('our close_notify to gnutls-cli', ours_to_gnutls),
                            ("s_server's close_notify", theirs_first),
                            ("s_server's close_notify after ours", theirs_after_ours),
                            ('s_client killed while it sends', client_killed_sending),
                            ('s_client killed while it receives', client_killed_receiving),
                            ('s_server killed while it sends to ktls get', server_killed_sending),
                            ('s_server killed while it receives', server_killed_receiving),
                            ('s_server killed while all is quiet', server_killed_idle),
                            ('s_server quits without close_notify', server_quits),
                            ('a FIN alone', fin_alone),
                            ('our certificate refused by s_client', refused_by_openssl))
         for protocol in kit.PROTOCOLS]

if __name__ == '__main__':
    kit.main(CASES, 'gnutls-cli')
