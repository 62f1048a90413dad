#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The programs of examples/: against each other, curl, `openssl s_server` and s_client. EXAMPLE_FETCH,
EXAMPLE_SERVE and so on name them.
"""

import concurrent.futures
import os
import socket
import ssl

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


def start_hello(*how):
    return kit.start_server(lambda port: [os.environ['EXAMPLE_HELLO'], port, *how])


def curl_is_told_hello_if_it_is_told_to_be_insecure():
    _, port = start_hello()
    url = 'https://127.0.0.1:%d/' % port
    got = kit.Process('curl', '-sS', '--insecure', url).run()
    kit.check(got.out.read_bytes() == b'hello!\n', 'it was told %r' % got.out.read_bytes())
    kit.check(kit.Process('curl', '-sS', url).wait() == 60, 'curl trusts a stranger')


def hello_in_plaintext_is_the_same():
    _, port = start_hello('plaintext')
    got = kit.Process('curl', '-sS', 'http://127.0.0.1:%d/' % port).run()
    kit.check(got.out.read_bytes() == b'hello!\n', 'it was told %r' % got.out.read_bytes())


def silent_clients_hold_up_nobody():
    _, port = start_hello()
    silent = [socket.create_connection(('127.0.0.1', port)) for _ in range(200)]
    got = kit.Process('curl', '-sS', '--max-time', '5', '--insecure',
                      'https://127.0.0.1:%d/' % port).run()
    kit.check(got.out.read_bytes() == b'hello!\n', 'it was told %r' % got.out.read_bytes())
    for one in silent:
        one.close()


def many_servers_are_asked_at_once():
    file = kit.payload(SIZE)
    ports = [start_serve(file)[1] for _ in range(4)] + [kit.openssl_server('-www')[1]]
    hosts = [word for port in ports for word in ('localhost', port)]
    said = kit.Process(os.environ['EXAMPLE_POLL'], kit.path('ca.pem'), *hosts).run()
    lines = said.out.read_text().splitlines()
    kit.check(len(lines) == 5 and all(line.endswith(', whole') for line in lines),
              'poll said: %r' % lines)
    kit.check(sum(': %d bytes' % (SIZE + 44) in line for line in lines) == 4,
              'poll said: %r' % lines)


def one_that_is_not_there_does_not_hold_up_the_others():
    _, port = start_serve(kit.payload(SIZE))
    said = kit.Process(os.environ['EXAMPLE_POLL'], kit.path('ca.pem'), 'localhost', kit.free_port(),
                       'localhost', port)
    kit.check(said.wait() == 1, 'all went well')
    text = said.out.read_text()
    kit.check('whole' in text and 'refused' in text.lower(), 'poll said: %s' % text)


def echo(port, words):
    """One client, which sends all before it reads."""
    context = ssl.create_default_context(cafile=str(kit.path('ca.pem')))
    with socket.create_connection(('localhost', port), kit.LIMIT_S) as plain:
        with context.wrap_socket(plain, server_hostname='localhost') as client:
            client.sendall(words)
            got = b''
            while len(got) < len(words):
                got += client.recv(65536)
            client.unwrap()
    return got == words


def a_loop_of_ones_own_serves_many():
    _, port = kit.start_server(lambda port: [os.environ['EXAMPLE_EPOLL'], port, kit.path('ec.pem'),
                                             kit.path('ec.key')])
    silent = [socket.create_connection(('localhost', port)) for _ in range(20)]
    words = [b'%d' % i * 5000 for i in range(20)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        kit.check(all(pool.map(lambda some: echo(port, some), words)), 'not what was sent')
    for one in silent:
        one.close()


def a_ring_says_hello_to_many_again_and_again():
    _, port = kit.start_server(lambda port: [os.environ['EXAMPLE_RING'], port])
    silent = [socket.create_connection(('127.0.0.1', port)) for _ in range(200)]
    url = 'https://127.0.0.1:%d/' % port
    asking = [kit.Process('curl', '-sS', '--max-time', '10', '--insecure', url, url, url)
              for _ in range(10)]
    for one in asking:
        kit.check(one.wait() == 0, one.errors())
        kit.check(one.out.read_bytes() == b'hello!\n' * 3,
                  'it was told %r' % one.out.read_bytes())
    for one in silent:
        one.close()


if __name__ == '__main__':
    kit.main([(case.__name__.replace('_', ' '), case)
              for case in (curl_from_serve, fetch_from_serve, fetch_from_openssl,
                           fetch_from_a_stranger,
                           curl_is_told_hello_if_it_is_told_to_be_insecure,
                           hello_in_plaintext_is_the_same, silent_clients_hold_up_nobody,
                           many_servers_are_asked_at_once,
                           one_that_is_not_there_does_not_hold_up_the_others,
                           a_loop_of_ones_own_serves_many,
                           a_ring_says_hello_to_many_again_and_again)], 'curl')
