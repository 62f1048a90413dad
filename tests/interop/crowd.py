#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Who else comes to `ktls serve`: many at once, and clients that are slow, silent, rude or gone. After
each of them it still serves, holds no descriptor more than before, and ends well when told to.
"""

import contextlib
import functools
import os
import resource
import signal
import socket
import ssl
import struct
import time

import kit
import web

BIG = 128 << 20
PARALLEL = 200


def many_parts_at_once():
    """Each a connection of its own, all at the same time."""
    root = web.make_root()
    os.link(kit.payload(BIG), root / 'big.bin')
    server, port = web.serve(root=root)
    before = web.descriptors_at_rest(server, port)
    step, config, outs = BIG // PARALLEL + 1, kit.path('curl.conf'), []
    lines = []
    for number in range(PARALLEL):
        outs.append(kit.new_path('part'))
        lines += ['url = %s' % web.url(port, 'big.bin'), 'output = %s' % outs[-1],
                  'cacert = %s' % kit.path('ca.pem'),
                  'range = %d-%d' % (number * step, (number + 1) * step - 1), 'next']
    config.write_text('\n'.join(lines[:-1]) + '\n')
    web.curl('-Z', '--parallel-max', PARALLEL, '--parallel-immediate', '-K', config)

    whole = kit.new_path('whole')
    with open(whole, 'wb') as joined:
        for out in outs:
            joined.write(out.read_bytes())
            out.unlink()
    kit.check_same(whole, kit.payload(BIG))
    whole.unlink()
    web.check_descriptors(server, before)
    web.check_ends(server)
    kit.check(server.errors().count(' 206 ') == PARALLEL, 'not %d parts' % PARALLEL)


def all_open_at_once():
    """As many connections as parts, each asked before any is read."""
    server, port = web.serve()
    data = kit.payload(web.SIZE).read_bytes()
    step = web.SIZE // PARALLEL
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(web.connection(port)) for _ in range(PARALLEL)]
        for number, tls in enumerate(clients):
            tls.sendall(web.get('data.bin', 'Connection: close', 'Range: bytes=%d-%d' %
                                (number * step, (number + 1) * step - 1)))
        for number, tls in reversed(list(enumerate(clients))):
            body = web.receive_all(tls).split(b'\r\n\r\n', 1)[1]
            kit.check(body == data[number * step:(number + 1) * step], 'part %d' % number)
    web.check_ends(server)


def slow_and_silent_clients_hold_nobody():
    server, port = web.serve()
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(socket.create_connection(('127.0.0.1', port)))
            stack.enter_context(web.connection(port))
            half = stack.enter_context(web.connection(port))
            half.sendall(b'GET /hello.html HT')
            slow = stack.enter_context(web.connection(port, receive_buffer=4096))
            slow.sendall(web.get('data.bin'))
        began = time.monotonic()
        for _ in range(3):
            web.check_serves(port)
        took = time.monotonic() - began
        kit.check(took < kit.LIMIT_S / 4, 'three small files took %.1f s' % took)
    web.check_serves(port)
    web.check_ends(server)
    return 'three small files beside 120 of them took %.2f s' % took


def slow_reader_gets_all():
    server, port = web.serve()
    with web.connection(port, receive_buffer=4096) as tls:
        tls.sendall(web.get('data.bin', 'Connection: close'))
        time.sleep(0.3)
        answer = b''
        while len(answer) < 200000:
            answer += tls.recv(3000)
            time.sleep(0.001)
        answer += web.receive_all(tls)
    kit.check(answer.endswith(kit.payload(web.SIZE).read_bytes()), 'not all of it came')
    web.check_ends(server)


def keep_alive_after_a_full_socket():
    """The last bytes of a response may wait for room while the client waits to ask again."""
    server, port = web.serve()
    data = kit.payload(web.SIZE).read_bytes()
    with web.connection(port, receive_buffer=4096) as tls:
        for turn in range(3):
            tls.sendall(web.get('data.bin', 'Range: bytes=0-%d' % (999999 + turn)))
            time.sleep(0.1)
            head, body = b'', b''
            while b'\r\n\r\n' not in head:
                head += tls.recv(1000)
            head, body = head.split(b'\r\n\r\n', 1)
            while len(body) < 1000000 + turn:
                body += tls.recv(65536)
            kit.check(body == data[:1000000 + turn], 'turn %d' % turn)
    web.check_ends(server)


def vanish(plain):
    """A reset, with whatever was in flight."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    plain.close()


def clients_vanish():
    """At each step: connected, amid the ClientHello, amid a request, amid a body."""
    server, port = web.serve()
    before = web.descriptors_at_rest(server, port)
    hello = ssl.MemoryBIO()
    talker = web.tls_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname='localhost')
    with contextlib.suppress(ssl.SSLWantReadError):
        talker.do_handshake()
    hello = hello.read()
    for turn in range(40):
        plain = socket.create_connection(('127.0.0.1', port))
        plain.sendall(hello[:turn * len(hello) // 39])
        (vanish if turn % 2 else socket.socket.close)(plain)
        with web.connection(port) as tls:
            request = web.get('data.bin')
            tls.sendall(request[:8 * turn])
            if turn % 4 == 3 and 8 * turn > len(request):
                tls.recv(1)
            (vanish if turn % 2 else socket.socket.close)(tls)
    web.check_serves(port)
    web.check_descriptors(server, before)
    web.check_ends(server)


def curl_goes_away_amid_a_body():
    server, port = web.serve()
    for _ in range(5):
        client = kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'), '--limit-rate', '50K',
                             web.url(port, 'data.bin'))
        client.await_output(1000)
        client.kill()
    web.check_serves(port)
    web.check_ends(server)


def garbage_gets_an_alert():
    server, port = web.serve()
    for rubbish in (b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', os.urandom(100000), b'\x00' * 5000,
                    b'\x16\x03\x01\xff\xff' + b'x' * 70000, b'\x15\x03\x01\x00\x02\x02\x28'):
        with socket.create_connection(('127.0.0.1', port), kit.LIMIT_S) as plain:
            plain.sendall(rubbish)
            plain.shutdown(socket.SHUT_WR)
            answer = b''.join(iter(lambda: plain.recv(65536), b''))
        kit.check(answer[:1] in (b'\x15', b''), 'that is no alert: %r' % answer[:20])
    web.check_serves(port)
    web.check_ends(server)


def garbage_within_tls():
    """A record that does not authenticate ends the connection with an alert."""
    server, port = web.serve()
    plain = socket.create_connection(('127.0.0.1', port), kit.LIMIT_S)
    tls = web.tls_context().wrap_socket(plain, server_hostname='localhost')
    os.write(tls.fileno(), b'\x17\x03\x03\x00\x20' + b'x' * 32)
    try:
        answer = web.receive_all(tls)
        raise kit.Failure('no alert, but %r' % answer)
    except ssl.SSLError as error:
        kit.check('alert' in str(error).lower(), str(error))
    finally:
        tls.close()
    web.check_serves(port)
    web.check_ends(server)


def refusal_reaches_a_client_that_sends_on():
    """What we have not read must not turn our answer into a reset."""
    server, port = web.serve()
    for _ in range(10):
        with web.connection(port) as tls:
            tls.sendall(web.get('', 'Content-Length: 400000', method='PUT') + b'x' * 400000)
            answer = web.receive_all(tls)
        kit.check(web.status_of(answer) == 405, answer)
        kit.check(answer.endswith(b'405 Method Not Allowed\n'), answer)
    web.check_ends(server)


def a_file_that_shrinks_never_looks_whole():
    root = web.make_root()
    (root / 'shrinks').write_bytes(kit.payload(BIG).read_bytes()[:64 << 20])
    server, port = web.serve(root=root)
    with web.connection(port) as tls:
        tls.sendall(web.get('shrinks', 'Connection: close'))
        got = len(tls.recv(1000))
        os.truncate(root / 'shrinks', 1 << 20)
        try:
            got += len(web.receive_all(tls))
            raise kit.Failure('it ended well after %d bytes' % got)
        except (ssl.SSLError, ConnectionError):
            pass
    web.check_serves(port)
    web.check_ends(server)


def no_descriptors_left():
    """Then nobody is accepted for a while; who waits is served when some are free again."""
    server, port = web.serve()
    web.check_serves(port)
    _, hard = resource.prlimit(server.child.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.child.pid, resource.RLIMIT_NOFILE, (24, hard))
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(socket.create_connection(('127.0.0.1', port)))
        time.sleep(1)
        ticks = web.cpu_ticks(server)
        time.sleep(1)
        ticks = web.cpu_ticks(server) - ticks
        kit.check(ticks < 50, 'it spins: %d ticks in a second' % ticks)
    web.check_serves(port)
    web.check_ends(server)
    return '%d ticks of a hundred while it could not accept' % ticks


def idle_costs_nothing():
    server, port = web.serve()
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            tls = stack.enter_context(web.connection(port))
            tls.sendall(web.get('hello.html'))
            tls.recv(4096)
        time.sleep(0.3)
        ticks = web.cpu_ticks(server)
        time.sleep(2)
        ticks = web.cpu_ticks(server) - ticks
    kit.check(ticks < 20, 'idle, and yet %d ticks in two seconds' % ticks)
    web.check_ends(server)
    return '%d ticks in two seconds for 50 idle connections' % ticks


def more_than_the_table_holds():
    server, port = web.serve()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        raise kit.Skip('no more than %d descriptors for us' % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    with contextlib.ExitStack() as stack:
        for _ in range(1100):
            stack.enter_context(socket.create_connection(('127.0.0.1', port)))
    web.check_serves(port)
    web.check_ends(server)


def told_to_end(number):
    """With sessions in every state."""
    server, port = web.serve()
    with contextlib.ExitStack() as stack:
        stack.enter_context(socket.create_connection(('127.0.0.1', port)))
        idle = stack.enter_context(web.connection(port))
        idle.sendall(web.get('hello.html'))
        while not idle.recv(4096).endswith(b'hello'):
            pass
        half = stack.enter_context(web.connection(port))
        half.sendall(b'GET /hel')
        slow = stack.enter_context(web.connection(port, receive_buffer=4096))
        slow.sendall(web.get('data.bin'))
        time.sleep(0.2)
        web.check_ends(server, number)
        kit.check(web.receive_all(idle) == b'', 'no close_notify for an idle client')
        try:
            web.receive_all(slow)
            raise kit.Failure('a cut body looks whole')
        except (ssl.SSLError, ConnectionError):
            pass


CASES = [
    ('many parts at once', many_parts_at_once),
    ('all open at once', all_open_at_once),
    ('slow and silent clients hold nobody', slow_and_silent_clients_hold_nobody),
    ('a slow reader gets all', slow_reader_gets_all),
    ('keep-alive after a full socket', keep_alive_after_a_full_socket),
    ('clients vanish', clients_vanish),
    ('curl goes away amid a body', curl_goes_away_amid_a_body),
    ('garbage gets an alert', garbage_gets_an_alert),
    ('garbage within TLS', garbage_within_tls),
    ('a refusal reaches a client that sends on', refusal_reaches_a_client_that_sends_on),
    ('a file that shrinks never looks whole', a_file_that_shrinks_never_looks_whole),
    ('no descriptors left', no_descriptors_left),
    ('idle costs nothing', idle_costs_nothing),
    ('more than the table holds', more_than_the_table_holds),
    ('told to end by SIGTERM', functools.partial(told_to_end, signal.SIGTERM)),
    ('told to end by SIGINT', functools.partial(told_to_end, signal.SIGINT)),
]

if __name__ == '__main__':
    kit.main(CASES, 'curl')
