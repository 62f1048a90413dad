#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The programs of examples/, which the README shows: against each other, curl and `openssl s_server`.
EXAMPLE_FETCH and EXAMPLE_SERVE name them.
"""

import os

import kit

SIZE = 3456789


def start_serve(file):
    return kit.start_server(lambda port: [os.environ['EXAMPLE_SERVE'], port, kit.path('ec.pem'),
                                          kit.path('ec.key'), file])


def fetch(port, *trust):
    return kit.Process(os.environ['EXAMPLE_FETCH'], 'localhost', port, *trust)


def body_of(process):
    head, _, body = process.out.read_bytes().partition(b'\r\n\r\n')
    kit.check(head.startswith(b'HTTP/1.0 200 '), 'it answered %r' % head[:40])
    return body


def curl_from_serve():
    file, got = kit.payload(SIZE), kit.new_path('got')
    server, port = start_serve(file)
    for _ in range(3):
        kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'), '-o', got,
                    'https://localhost:%d/' % port).run()
        kit.check_same(got, file)
    kit.check(server.errors() == '', 'serve said: %s' % server.errors())


def fetch_from_serve():
    file = kit.payload(SIZE)
    _, port = start_serve(file)
    client = fetch(port, kit.path('ca.pem')).run()
    kit.check(body_of(client) == file.read_bytes(), 'what came is not what was served')


def fetch_from_openssl():
    _, port = kit.openssl_server('-www')
    kit.check(b's_server' in body_of(fetch(port, kit.path('ca.pem')).run()), 'no page came')


def fetch_from_a_stranger():
    _, port = start_serve(kit.payload(SIZE))
    client = fetch(port)
    kit.check(client.wait() == 1, 'the system trusts nobody here, but it did not fail')
    kit.check('signed by nobody' in client.errors(), 'fetch said: %s' % client.errors())
    kit.check(client.out.read_bytes() == b'', 'something came from a stranger')


if __name__ == '__main__':
    kit.main([(case.__name__.replace('_', ' '), case)
              for case in (curl_from_serve, fetch_from_serve, fetch_from_openssl,
                           fetch_from_a_stranger)], 'curl')
