#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What both ends say of one handshake must be the same: exported secrets (RFC 5705, RFC 9266), suite,
group and certificate, beside OpenSSL and GnuTLS; and OpenSSL meets two tenants of one server.
"""

import functools
import re
import subprocess

import kit

LABEL = 'EXPORTER-libktls-interop'
BINDING = 'EXPORTER-Channel-Binding'


def keying(label):
    return ['-keymatexport', label, '-keymatexportlen', '32']


def said(process, pattern):
    found = re.search(pattern, process.out.read_text(errors='replace'))
    kit.check(found, process.name() + ' did not say ' + pattern)
    return found.group(1)


def der_of(name):
    out = subprocess.run(['openssl', 'x509', '-in', kit.path(name + '.pem'), '-outform', 'DER'],
                         stdout=subprocess.PIPE, check=True)
    return out.stdout.hex().upper()


def check_suites(facts, suite):
    kit.check(facts['offered'].count(',') >= 1, 'offered: ' + facts['offered'])
    kit.check(suite in facts['offered'].split(','), '%s was not offered' % suite)
    kit.check(facts['algorithms'] == suite, '%s, not %s' % (facts['algorithms'], suite))


def iana(openssl_name):
    """The name of a suite of TLS 1.2 is OpenSSL's own."""
    if openssl_name.startswith('TLS_'):
        return openssl_name
    out = subprocess.run(['openssl', 'ciphers', '-stdname', openssl_name], stdout=subprocess.PIPE,
                         check=True)
    for line in out.stdout.decode().splitlines():
        if line.split()[2] == openssl_name:
            return line.split()[0]
    raise kit.Failure('OpenSSL does not know ' + openssl_name)


def s_client(label, protocol):
    """Ours is the server."""
    server, port = kit.peer_server('--export', label)
    client = kit.openssl_client(port, kit.openssl_version(protocol), *keying(label), stdin=None)
    client.await_text('Keying material:')
    client.end_input()
    client.wait()
    server.wait()
    facts = server.facts()

    kit.check(facts['export'] == said(client, r'Keying material: ([0-9A-F]{64})'), 'another secret')
    kit.check(facts['local_certificate'] == der_of('ec'), 'another certificate')
    kit.check('peer_certificate' not in facts, 'a certificate that nobody showed')
    check_suites(facts, iana(said(client, r'Cipher is (\S+)')))
    kit.check(facts['group'] == said(client, r'Server Temp Key: (?:ECDH, )?([\w-]+)')
              .replace('prime256v1', 'P-256'), facts['group'])
    return '%s, %s' % (facts['algorithms'], facts['group'])


def s_server(label, protocol):
    """Ours is the client."""
    server, port = kit.openssl_server('-naccept', '1', kit.openssl_version(protocol),
                                      *keying(label), stdin=None)
    client = kit.peer_client(port, '--export', label, stdin=None)
    server.await_text('Keying material:')
    client.end_input()
    server.end_input()
    client.wait()
    server.wait()
    facts = client.facts()

    kit.check(facts['export'] == said(server, r'Keying material: ([0-9A-F]{64})'), 'another secret')
    kit.check(facts['peer_certificate'] == der_of('ec'), 'another certificate')
    kit.check('local_certificate' not in facts, 'a certificate that we did not show')
    check_suites(facts, iana(said(server, r'CIPHER is (\S+)')))
    return facts['algorithms']


def gnutls_binding(protocol, cipher):
    """GnuTLS knows the binding itself, in TLS 1.2 with the empty context that RFC 9266 wants."""
    server, port = kit.peer_server('--export', BINDING)
    client = kit.gnutls_client(port, '--verbose', kit.gnutls_priority(protocol, cipher), stdin=None)
    client.await_that(lambda: client.log.exists() and 'tls-exporter' in client.log.read_text(),
                      'say its binding')
    client.end_input()
    client.wait()
    server.wait()
    log = client.log.read_text(errors='replace')
    found = re.search(r"tls-exporter'?: *([0-9a-f]{64})", log)

    kit.check(found, 'gnutls-cli said: ' + log)
    kit.check(server.facts()['export'] == found.group(1).upper(), 'another binding')


def tenants(protocol):
    """By name: another key, another protocol; nobody's name is the base's."""
    _, certificate, _, key = kit.identity('rsa')
    tenant = 'tenant.example,%s,%s,of-tenant' % (certificate, key)
    server, port = kit.peer_server('--alpn', 'of-base', '--tenant', tenant, '--visits', '3')
    for name, kind, alpn in (('tenant.example', 'RSA', 'of-tenant'),
                             ('localhost', 'ECDSA', 'of-base'),
                             ('nobody.example', 'ECDSA', 'of-base')):
        client = kit.Process('openssl', 's_client', '-connect', '127.0.0.1:%d' % port,
                             '-servername', name, '-CAfile', kit.path('ca.pem'),
                             '-verify_return_error', kit.openssl_version(protocol), '-alpn',
                             'of-tenant,of-base', stdin=None)
        client.await_text('ALPN protocol:')
        client.end_input()
        client.wait()
        kit.check(said(client, r'Peer signature type: (\S+)').startswith(kind), 'for ' + name)
        kit.check(said(client, r'ALPN protocol: (\S+)') == alpn, 'for ' + name)
    server.wait()


CASES = [('%s, TLS %s' % (name, protocol), functools.partial(case, LABEL, protocol))
         for name, case in (('s_client and our server', s_client),
                            ('s_server and our client', s_server))
         for protocol in kit.PROTOCOLS]
CASES += [('channel binding, %s, TLS 1.3' % name, functools.partial(case, BINDING, '1.3'))
          for name, case in (('s_client', s_client), ('s_server', s_server))]
CASES += [('channel binding, gnutls-cli, TLS ' + protocol,
           functools.partial(gnutls_binding, protocol, 'AES-128-GCM'))
          for protocol in kit.PROTOCOLS]
CASES += [('s_client and two tenants, TLS ' + protocol, functools.partial(tenants, protocol))
          for protocol in kit.PROTOCOLS]

if __name__ == '__main__':
    kit.main(CASES, 'gnutls-cli')
