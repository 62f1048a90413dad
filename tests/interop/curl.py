#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
curl against `ktls serve`: each version and suite, the methods, ranges, an upload that is refused,
many requests on one connection, many connections at once.
"""

import functools

import kit

SIZE = 1234567
SIZE_BIG = 64 << 20
N_PARALLEL = 20


def curl(port, name, *options, file=None):
    return kit.Process(
        'curl', '--silent', '--show-error', '--cacert', kit.path('ca.pem'), '--max-time',
        kit.LIMIT_S, '--write-out', '%{stderr}status=%{http_code}\nconnects=%{num_connects}\n',
        *(['--output', file] if file else []), *options, 'https://localhost:%d/%s' % (port, name))


def check_status(client, status):
    kit.check(client.facts()['status'] == str(status), client.errors())


def version(protocol):
    return ['--tlsv1.3'] if protocol == '1.3' else ['--tlsv1.2', '--tls-max', '1.2']


def suite(protocol, cipher):
    option = '--tls13-ciphers' if protocol == '1.3' else '--ciphers'
    return [*version(protocol), option, kit.CIPHERS[cipher][protocol]]


def serve(size, **options):
    file = kit.payload(size)
    server, port = kit.tool_server(kit.directory, **options)
    return server, port, file


def gets(protocol, cipher):
    witness = kit.Witness()
    server, port, file = serve(SIZE)
    client = curl(port, file.name, *suite(protocol, cipher)).run()

    check_status(client, 200)
    kit.check_same(client.out, file)
    return kit.check_line(server.line('GET /'), protocol, cipher, witness)


def gets_much(protocol):
    witness = kit.Witness()
    server, port, file = serve(SIZE_BIG)
    client = curl(port, file.name, *suite(protocol, 'AES-128-GCM')).run()

    kit.check_same(client.out, file)
    return kit.check_line(server.line('GET /'), protocol, 'AES-128-GCM', witness)


def gets_by_rsa(protocol):
    _, port, file = serve(SIZE, name='rsa')
    client = curl(port, file.name, *version(protocol)).run()

    kit.check_same(client.out, file)


def heads(protocol):
    _, port, file = serve(SIZE)
    client = curl(port, file.name, '--head', *version(protocol)).run()

    check_status(client, 200)
    kit.check('content-length: %d' % SIZE in client.out.read_text().lower(),
              client.out.read_text())


def ranges(protocol):
    _, port, file = serve(SIZE)
    whole = file.read_bytes()
    for spec, wanted in (('0-0', whole[:1]), ('1000-70000', whole[1000:70001]),
                         ('1234000-', whole[1234000:]), ('-5', whole[-5:])):
        client = curl(port, file.name, '--range', spec, *version(protocol)).run()
        check_status(client, 206)
        kit.check(client.out.read_bytes() == wanted, 'range %s: other bytes' % spec)
    client = curl(port, file.name, '--range', '%d-' % SIZE, *version(protocol)).run()
    check_status(client, 416)


def missing(protocol):
    _, port, _ = serve(SIZE)
    check_status(curl(port, 'nothing', *version(protocol)).run(), 404)


def uploads(protocol, *options):
    """There is nothing to upload to: the answer must arrive all the same, whole."""
    _, port, file = serve(SIZE)
    client = curl(port, 'new', '--upload-file', file, *options, *version(protocol)).run()

    check_status(client, 405)


def keeps_alive(protocol):
    server, port, file = serve(SIZE)
    outputs = [kit.new_path('got') for _ in range(10)]
    url = 'https://localhost:%d/%s' % (port, file.name)
    more = [word for output in outputs[1:] for word in ('--output', output, url)]
    client = curl(port, file.name, *version(protocol), *more, file=outputs[0]).run()

    for output in outputs:
        kit.check_same(output, file)
    connects = [line for line in client.errors().splitlines() if line == 'connects=1']
    kit.check(len(connects) == 1, '%d connections' % len(connects))
    kit.check(server.errors().count('GET /') == 10, server.errors())


def many_at_once(protocol):
    _, port, file = serve(1 << 20)
    clients = [curl(port, file.name, *version(protocol)) for _ in range(N_PARALLEL)]
    for client in clients:
        client.run()
        kit.check_same(client.out, file)


def untrusted():
    """The server lives on behind a client that refuses its certificate."""
    server, port, file = serve(SIZE)
    client = kit.Process('curl', '--silent', 'https://localhost:%d/%s' % (port, file.name))

    kit.check(client.wait() == 60, 'curl ended with %d' % client.wait())
    check_status(curl(port, file.name).run(), 200)
    return server.line('handshake')


CASES = [('GET, TLS %s, %s' % (protocol, cipher), functools.partial(gets, protocol, cipher))
         for protocol, cipher in kit.matrix()]
CASES += [('%s, TLS %s' % (name, protocol), functools.partial(case, protocol))
          for name, case in (('GET of 64 MiB', gets_much), ('GET, RSA', gets_by_rsa),
                             ('HEAD', heads), ('ranges', ranges), ('404', missing),
                             ('PUT', uploads),
                             ('PUT without asking', lambda p: uploads(p, '--header', 'Expect:')),
                             ('ten requests, one connection', keeps_alive),
                             ('%d at once' % N_PARALLEL, many_at_once))
          for protocol in kit.PROTOCOLS]
CASES += [('a certificate that curl does not trust', untrusted)]

if __name__ == '__main__':
    kit.main(CASES, 'curl')
