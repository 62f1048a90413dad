#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Who is believed, against `openssl s_server` and `s_client`: names, verifiers and late verdicts, keys that
`openssl` has hashed, lists and responses that it has made, and the system's trust, which is replaced in
a mount namespace. What a refused end is told is read from its own output.
"""

import functools
import hashlib
import shutil
import subprocess

import kit

SYSTEM_TRUST = '/etc/ssl/certs/ca-certificates.crt'


def openssl(*arguments, **rest):
    return subprocess.run(['openssl', *map(str, arguments)], cwd=kit.directory, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=kit.LIMIT_S,
                          **rest).stdout


def make_certificate(name, *options, names='DNS:localhost', signer='ca', authority=False):
    """NAME.pem with NAME.key; `signer` None: by itself."""
    by = ['-CA', signer + '.pem', '-CAkey', signer + '.key'] if signer else []
    openssl('req', '-x509', '-nodes', '-days', '2', *kit.CURVE, *by, '-subj', '/CN=' + name,
            *(['-addext', 'subjectAltName=' + names] if names else []),
            '-addext', 'basicConstraints=critical,CA:' + ('TRUE' if authority else 'FALSE'),
            '-keyout', name + '.key', '-out', name + '.pem', *options)


def server_with(name, *options):
    """s_server that shows NAME.pem; what it says of alerts is on its standard error."""
    return kit.start_server(lambda port: [
        'openssl', 's_server', '-accept', '127.0.0.1:%d' % port, '-cert', kit.path(name + '.pem'),
        '-key', kit.path(name + '.key'), '-naccept', '1', '-rev', *options])


def refused(client, server, error, alert):
    kit.check(client.wait() == 1, 'the client ended with %d' % client.wait())
    kit.check(client.facts()['handshake'] == error, client.facts()['handshake'])
    server.wait()
    said = server.errors() + server.out.read_text(errors='replace')
    kit.check(alert in said, 's_server was not told "%s": %s' % (alert, said))


# Names

def other_name(protocol):
    make_certificate('other', names='DNS:other.example')
    server, port = server_with('other', kit.openssl_version(protocol))
    refused(kit.peer_client(port), server, 'KTLS_E_PEER_NAME', 'alert bad certificate')


def name_in_subject_only(protocol):
    """GnuTLS by itself would take it: its CN is localhost."""
    make_certificate('localhost', names=None)
    server, port = server_with('localhost', kit.openssl_version(protocol))
    refused(kit.peer_client(port), server, 'KTLS_E_PEER_NAME', 'alert bad certificate')


# Verifiers

def chain_of_three(protocol):
    make_certificate('between', names=None, authority=True)
    make_certificate('leaf', signer='between')
    both = kit.path('between.pem').read_bytes() + kit.path('ca.pem').read_bytes()
    kit.path('rest.pem').write_bytes(both)
    server, port = server_with('leaf', '-cert_chain', kit.path('rest.pem'),
                               kit.openssl_version(protocol))
    return server, port


def verifier_accepts(word, protocol):
    server, port = chain_of_three(protocol)
    client = kit.Process(kit.PEER, 'connect', port, '--verifier', word, stdin=None)
    client.send(b'abc\n')
    client.await_output(4)
    client.end_input()
    client.run()
    facts = client.facts()
    kit.check(client.out.read_bytes() == b'cba\n', 'no answer')
    kit.check(facts['verifier_calls'] == '1', 'called %s times' % facts['verifier_calls'])
    kit.check(facts['certificates'] == '3', '%s certificates' % facts['certificates'])


def verifier_accepts_self_signed(protocol):
    make_certificate('alone', signer=None)
    _, port = server_with('alone', kit.openssl_version(protocol))
    client = kit.Process(kit.PEER, 'connect', port, '--verifier', 'yes').run()
    kit.check(client.facts()['handshake'] == 'KTLS_DONE', client.facts()['handshake'])


def verifier_refuses(word, protocol):
    server, port = chain_of_three(protocol)
    client = kit.Process(kit.PEER, 'connect', port, '--verifier', word)
    refused(client, server, 'EPERM', 'alert bad certificate')
    kit.check(client.facts()['verifier_calls'] == '1', 'called more than once')


def verifier_of_a_server(word, protocol):
    """s_client shows a certificate that nobody has signed."""
    make_certificate('alone', signer=None)
    server, port = kit.peer_server('--client-auth', 'required', '--verifier', word, '--echo')
    client = kit.openssl_client(port, '-quiet', '-no_ign_eof', kit.openssl_version(protocol),
                                '-cert', kit.path('alone.pem'), '-key', kit.path('alone.key'),
                                stdin=None)
    if word.endswith('yes'):
        client.end_input()
    client.wait()
    status = server.wait()
    if word.endswith('no'):
        kit.check(status == 1 and server.facts()['handshake'] == 'EPERM', server.errors())
        kit.check('alert bad certificate' in client.errors(), client.errors())
    else:
        kit.check(server.facts()['handshake'] == 'KTLS_DONE', server.errors())
    kit.check(server.facts()['verifier_calls'] == '1', 'called more than once')


# Keys, as openssl hashes them

def pin_of(name):
    key = openssl('x509', '-in', name + '.pem', '-noout', '-pubkey')
    return hashlib.sha256(openssl('pkey', '-pubin', '-outform', 'DER', input=key)).hexdigest()


def pinned(name):
    kit.identity(name)
    server, port = server_with(name)
    kit.peer_client(port, '--pin', pin_of(name)).run()
    server.run()


def pinned_otherwise():
    make_certificate('alone', signer=None)
    server, port = server_with('ec')
    refused(kit.peer_client(port, '--pin', pin_of('alone')), server, 'KTLS_E_PEER_KEY',
            'alert bad certificate')


# Revocation, by an authority that openssl plays

def run_authority(*commands):
    conf = kit.path('authority.cnf')
    conf.write_text('[ca]\ndefault_ca=a\n[a]\ndatabase=%(d)s/index\ncertificate=%(d)s/ca.pem\n'
                    'private_key=%(d)s/ca.key\ndefault_md=sha256\ndefault_crl_days=2\n'
                    'crlnumber=%(d)s/number\nunique_subject=no\n' % {'d': kit.directory})
    kit.path('index').write_text('')
    kit.path('number').write_text('01\n')
    for command in commands:
        openssl('ca', '-config', conf, *command)


def revoke(name):
    run_authority(['-valid', name + '.pem'], ['-revoke', name + '.pem'],
                  ['-gencrl', '-out', 'revoked.crl'])


def listed(form, protocol):
    make_certificate('taken')
    revoke('taken')
    openssl('crl', '-in', 'revoked.crl', '-out', 'list', '-outform', form)
    server, port = server_with('taken', kit.openssl_version(protocol))
    refused(kit.peer_client(port, '--revocations', kit.path('list')), server,
            'KTLS_E_PEER_REVOKED', 'alert certificate revoked')
    server, port = server_with('ec', kit.openssl_version(protocol))
    kit.peer_client(port, '--revocations', kit.path('list')).run()


def make_response(name):
    """By the index of the authority: good, or revoked."""
    openssl('ocsp', '-issuer', 'ca.pem', '-cert', name + '.pem', '-reqout', 'request')
    openssl('ocsp', '-index', 'index', '-CA', 'ca.pem', '-rsigner', 'ca.pem', '-rkey', 'ca.key',
            '-ndays', '1', '-reqin', 'request', '-respout', name + '.ocsp')
    return kit.path(name + '.ocsp')


def stapled_by_openssl(protocol):
    make_certificate('vouched')
    run_authority(['-valid', 'vouched.pem'])
    response = make_response('vouched')
    server, port = server_with('vouched', '-status_file', response,
                               kit.openssl_version(protocol))
    kit.peer_client(port, '--require-staple', 'yes').run()
    server.run()
    server, port = server_with('vouched', kit.openssl_version(protocol))
    refused(kit.peer_client(port, '--require-staple', 'yes'), server, 'KTLS_E_PEER_STAPLE',
            'bad certificate status response')


def stapled_revoked_by_openssl(protocol):
    make_certificate('taken')
    revoke('taken')
    server, port = server_with('taken', '-status_file', make_response('taken'),
                               kit.openssl_version(protocol))
    refused(kit.peer_client(port), server, 'KTLS_E_PEER_REVOKED', 'alert certificate revoked')


def stapled_by_us(protocol):
    run_authority(['-valid', 'ec.pem'])
    _, port = kit.peer_server('--staple', make_response('ec'))
    client = kit.openssl_client(port, '-status', kit.openssl_version(protocol))
    client.wait()
    said = client.out.read_text()
    for words in ('OCSP Response Status: successful', 'Cert Status: good', 'Verify return code: 0'):
        kit.check(words in said, 's_client did not say "%s": %s' % (words, said))


# The system's trust

def in_namespace(trust, *command):
    """Runs it where the system trusts this file alone."""
    script = 'mount --bind "$0" %s && exec "$@"' % SYSTEM_TRUST
    return kit.Process('unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, trust,
                       *command)


def need_namespace():
    if not shutil.which('unshare') or not kit.Path(SYSTEM_TRUST).exists():
        raise kit.Skip('there is no unshare, or no %s' % SYSTEM_TRUST)
    if in_namespace(kit.path('ca.pem'), 'true').wait():
        raise kit.Skip('no mount namespace can be made here')


def system_trust_is_the_default():
    need_namespace()
    server, port = server_with('ec')
    in_namespace(kit.path('ca.pem'), kit.PEER, 'connect', port).run()
    server.run()
    server, port = server_with('ec')
    refused(kit.Process(kit.PEER, 'connect', port), server, 'KTLS_E_PEER_UNTRUSTED',
            'alert unknown ca')


def nobody_is_trusted_by_an_empty_system():
    need_namespace()
    kit.path('empty').write_text('')
    _, port = server_with('ec')
    client = in_namespace(kit.path('empty'), kit.PEER, 'connect', port)
    kit.check(client.wait() != 0, 'it was connected')
    kit.check('trust' in client.errors() and 'handshake=' not in client.errors(), client.errors())


CASES = [('%s, TLS %s' % (name, protocol), functools.partial(case, protocol))
         for name, case in (
             ('a chain for another name', other_name),
             ('a name in the subject only', name_in_subject_only),
             ('a verifier accepts a self-signed certificate', verifier_accepts_self_signed),
             ('a verifier sees three certificates', functools.partial(verifier_accepts, 'yes')),
             ('a late yes', functools.partial(verifier_accepts, 'later-yes')),
             ('a verifier refuses', functools.partial(verifier_refuses, 'no')),
             ('a late no', functools.partial(verifier_refuses, 'later-no')),
             ('a server accepts', functools.partial(verifier_of_a_server, 'yes')),
             ('a server refuses', functools.partial(verifier_of_a_server, 'no')),
             ('a server accepts later', functools.partial(verifier_of_a_server, 'later-yes')),
             ('a server refuses later', functools.partial(verifier_of_a_server, 'later-no')),
             ('a list as PEM', functools.partial(listed, 'PEM')),
             ('a list as DER', functools.partial(listed, 'DER')),
             ('s_server staples', stapled_by_openssl),
             ('s_server staples that it is revoked', stapled_revoked_by_openssl),
             ('we staple', stapled_by_us))
         for protocol in kit.PROTOCOLS]
CASES += [('a pinned %s key' % name, functools.partial(pinned, name)) for name in ('ec', 'rsa')]
CASES += [('another key than the pinned one', pinned_otherwise),
          ('the system\'s trust is the default', system_trust_is_the_default),
          ('an empty system trusts nobody', nobody_is_trusted_by_an_empty_system)]

if __name__ == '__main__':
    kit.main(CASES)
