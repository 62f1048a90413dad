#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What a peer may send in the middle of the data: new keys (TLS 1.3, RFC 8446 4.6.3), asked for by
s_client and gnutls-cli in every way they know, and renegotiation (TLS 1.2), which is refused. Where
TX is in a kernel that cannot change keys, a peer's request for one of ours ends the connection in
order; all else goes on as if nothing had been.
"""

import time

import kit

# For programs that want a command alone in what they read, and say that they took it at their end.
PAUSE_S = 0.2

BLOCK = b'0123456789abcdef' * 1024 + b'\n'


class Echo:
    """s_client that takes commands, and our end sending back what it says."""

    def __init__(self, *options, protocol='1.3', offload='auto'):
        self.witness = kit.Witness()
        self.server, port = kit.peer_server('--echo', '--offload', offload)
        self.client = kit.openssl_client(port, '-brief', kit.openssl_version(protocol), *options,
                                         stdin=None)
        self.done = 0

    def round(self, data=BLOCK):
        self.client.send(data)
        self.done += len(data)
        self.client.await_output(self.done)

    def command(self, letter, answer):
        """s_client takes one that stands alone in what it reads; the next round comes later."""
        before = self.client.errors().count(answer)
        self.client.send(letter + b'\n')
        self.client.await_that(lambda: self.client.errors().count(answer) > before, answer)

    def finish(self):
        self.client.end_input()
        self.client.run()
        self.server.wait()
        kit.check(self.client.out.read_bytes() == BLOCK * (self.done // len(BLOCK)),
                  'the echo is not what was said')
        kit.check_closed(self.server.facts(), write=None)
        return self.server.facts()


def check_updates(facts, rx, tx):
    got = (int(facts['rx_key_updates']), int(facts['tx_key_updates']))
    kit.check(got == (rx, tx), 'key updates (rx, tx): %s, not %s' % (got, (rx, tx)))


def describe(facts):
    return 'tx=%s rx=%s, key updates tx=%s rx=%s' % (
        facts['tx'], facts['rx'], facts['tx_key_updates'], facts['rx_key_updates'])


def must_end(cipher):
    """By default, here: TX goes into a kernel that cannot change its key."""
    return kit.expected('1.3', cipher, 'tx') == 'kernel' and not kit.can_rekey('tx')


def theirs_alone(count=5):
    """'k': s_client changes its key and asks nothing of us."""
    echo = Echo()
    for _ in range(count):
        echo.round()
        echo.command(b'k', 'KEYUPDATE')
    echo.round()
    facts = echo.finish()

    check_updates(facts, rx=count, tx=0)
    kit.check_facts(facts, '1.3', facts['cipher'], echo.witness)
    return describe(facts)


def both_in_userspace(count=5):
    echo = Echo(offload='never')
    for _ in range(count):
        echo.round()
        echo.command(b'K', 'KEYUPDATE')
    echo.round()
    facts = echo.finish()

    check_updates(facts, rx=count, tx=count)
    return describe(facts)


def check_refused(server, client):
    """Our end cannot change its key: it says so, and the peer sees an end in order."""
    status, facts = server.wait(), server.facts()
    client.end_input()

    kit.check(status == 1 and 'KTLS_E_REKEY' in (facts['read'], facts['write']),
              'ended with %d, read=%s write=%s' % (status, facts['read'], facts['write']))
    kit.check(client.wait() == 0, 'the other end saw no close_notify, and ended with %d'
              % client.wait())
    return '%s; read=%s write=%s "%s"; then close_notify' % (
        describe(facts), facts['read'], facts['write'], facts['error'])


def both_by_default(count=5):
    """'K': s_client changes its key and wants us to."""
    echo = Echo()
    echo.round()
    echo.command(b'K', 'KEYUPDATE')
    if must_end('AES-256-GCM'):
        echo.client.send(BLOCK)
        return check_refused(echo.server, echo.client)
    for _ in range(count - 1):
        echo.round()
        echo.command(b'K', 'KEYUPDATE')
    echo.round()
    facts = echo.finish()

    check_updates(facts, rx=count, tx=count)
    kit.check_facts(facts, '1.3', facts['cipher'], echo.witness)
    return describe(facts)


def rx_in_a_kernel_without():
    """Forced into a kernel that cannot: the peer's new key is the end."""
    if not kit.probe()['ulp']['works'] or kit.can_rekey('rx'):
        raise kit.Skip('this kernel has no kTLS, or can change keys')
    echo = Echo(offload='at-once')
    echo.round()
    echo.command(b'k', 'KEYUPDATE')
    echo.client.send(BLOCK)
    return check_refused(echo.server, echo.client)


def in_the_middle_of_sendfile():
    """The answer is due between two pieces of a file; the reader stalls until it has asked."""
    file = kit.payload(32 << 20)
    server, port = kit.peer_server('--file', file)
    client = kit.openssl_client(port, '-brief', '-tls1_3', stdin=None, held=True)
    client.await_held()
    client.send(b'K\n')
    client.await_text('KEYUPDATE')
    client.release()
    if must_end('AES-256-GCM'):
        return check_refused(server, client)
    client.run()
    server.run()

    kit.check_same(client.out, file)
    check_updates(server.facts(), rx=1, tx=1)
    return describe(server.facts())


def many_requests():
    """A storm of requests owes one answer for each read, not one for each of them."""
    echo = Echo(offload='never')
    echo.round()
    for _ in range(50):
        echo.command(b'K', 'KEYUPDATE')
    echo.round()
    facts = echo.finish()

    kit.check(int(facts['rx_key_updates']) == 50, describe(facts))
    kit.check(1 <= int(facts['tx_key_updates']) <= 50, describe(facts))
    return describe(facts)


def gnutls_rekeys(command, wants_ours):
    server, port = kit.peer_server('--echo', '--offload', 'auto')
    client = kit.gnutls_client(port, '--inline-commands',
                               kit.gnutls_priority('1.3', 'AES-128-GCM'), stdin=None)
    line = b'before and after\n'
    client.send(line)
    client.await_output(len(line))
    client.send(command + b'\n')
    time.sleep(PAUSE_S)
    client.send(line)
    if wants_ours and must_end('AES-128-GCM'):
        return check_refused(server, client)
    client.await_output(2 * len(line))
    client.end_input()
    client.run()
    server.wait()

    check_updates(server.facts(), rx=1, tx=int(wants_ours))
    return describe(server.facts())


def server_asks(letter, wants_ours):
    """s_server, the other role: what we send back stands among its own words."""
    server, port = kit.openssl_server('-tls1_3', '-naccept', '1', stdin=None)
    client = kit.peer_client(port, '--echo')
    server.await_text('CIPHER is')
    for number in range(3):
        word = b'word-%d\n' % number
        server.send(letter + b'\n')
        time.sleep(PAUSE_S)
        server.send(word)
        if wants_ours and must_end('AES-256-GCM'):
            return check_refused(client, server)
        server.await_text(word.decode())
    server.kill()
    client.wait()

    check_updates(client.facts(), rx=3, tx=3 if wants_ours else 0)
    return describe(client.facts())


def told(process, other):
    facts = other.facts()
    return '%s ended with %d; read=%s write=%s "%s"' % (
        process.name(), process.wait(), facts['read'], facts['write'], facts['error'])


def openssl_renegotiates():
    """s_client takes no for an answer by ending the connection itself."""
    echo = Echo(protocol='1.2')
    echo.round()
    echo.command(b'R', 'RENEGOTIATING')
    echo.client.wait()
    echo.server.wait()

    kit.check('no renegotiation' in echo.client.errors(), echo.client.errors())
    kit.check(echo.server.facts()['read'] == 'KTLS_E_ALERT', str(echo.server.facts()))
    return told(echo.client, echo.server)


def openssl_server_renegotiates():
    server, port = kit.openssl_server('-tls1_2', stdin=None)
    client = kit.peer_client(port, '--echo')
    server.await_text('CIPHER is')
    server.send(b'r\n')
    client.wait()
    server.kill()

    kit.check('no renegotiation' in server.errors(), server.errors())
    kit.check(client.facts()['read'] == 'KTLS_E_ALERT', str(client.facts()))
    return told(server, client)


def gnutls_renegotiates():
    """gnutls-cli asks again and again, and gives up in the end."""
    server, port = kit.peer_server('--echo')
    client = kit.gnutls_client(port, '--inline-commands',
                               kit.gnutls_priority('1.2', 'AES-128-GCM'), stdin=None)
    client.send(b'before\n')
    client.await_output(7)
    client.send(b'^renegotiate^\n')
    client.wait()
    server.wait()

    kit.check('No renegotiation is allowed' in client.log.read_text(), client.log.read_text())
    kit.check(server.facts()['read'] == 'KTLS_E_ALERT', str(server.facts()))
    return told(client, server)


def gnutls_server_renegotiates():
    """Asked to ask, gnutls-serv hears our no and hangs up without a close_notify."""
    server, port = kit.gnutls_server('--echo', kit.gnutls_priority('1.2', 'AES-128-GCM'))
    client = kit.peer_client(port, stdin=None)
    client.send(b'**REHANDSHAKE**\n')
    client.wait()
    server.kill()

    kit.check('warning alert' in server.errors(), server.errors())
    kit.check(client.facts()['read'] in ('KTLS_CLOSED', 'ECONNRESET'), str(client.facts()))
    return told(server, client)


CASES = [('k: their key, default', theirs_alone),
         ('K: both keys, in userspace', both_in_userspace),
         ('K: both keys, default', both_by_default),
         ('k: their key, RX in a kernel that cannot', rx_in_a_kernel_without),
         ('K: in the middle of sendfile', in_the_middle_of_sendfile),
         ('K: fifty at once', many_requests),
         ('gnutls-cli: its key', lambda: gnutls_rekeys(b'^rekey1^', False)),
         ('gnutls-cli: both keys', lambda: gnutls_rekeys(b'^rekey^', True)),
         ('s_server k: its key', lambda: server_asks(b'k', False)),
         ('s_server K: both keys', lambda: server_asks(b'K', True)),
         ('s_client renegotiates', openssl_renegotiates),
         ('s_server renegotiates', openssl_server_renegotiates),
         ('gnutls-cli renegotiates', gnutls_renegotiates),
         ('gnutls-serv renegotiates', gnutls_server_renegotiates)]

if __name__ == '__main__':
    kit.main(CASES, 'gnutls-cli', 'gnutls-serv')
