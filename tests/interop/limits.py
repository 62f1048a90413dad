#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The limits of `ktls serve`: how many, how long, how slow; how it ends with answers under way, and
that a reload loses nobody. Times are short here, and waited for with wide margins.
"""

import contextlib
import functools
import os
import signal
import socket
import ssl
import time

import kit
import web
from web import SIZE

HOLD = os.environ.get('KTLS_HOLD', 'interop-hold')
HELD = 2000
# That a config keeps for its connections to share.
CIPHERS = 1024
# Of a connection that rests, with all that it needs of userspace.
HELD_BYTES = 2048


def one_thread(*options):
    return web.serve('--threads', '1', *options)


def ask(tls, name='hello.html', *fields):
    """One answer on a connection that stays."""
    tls.sendall(web.get(name, *fields))
    answer = b''
    while b'\r\n\r\n' not in answer:
        block = tls.recv(4096)
        kit.check(block, 'it ended before the head')
        answer += block
    head, body = answer.split(b'\r\n\r\n', 1)
    length = int(head.split(b'Content-Length: ')[1].split(b'\r')[0])
    while len(body) < length:
        body += tls.recv(65536)
    return head, body


def check_ended(tls):
    """In order: with close_notify."""
    kit.check(web.receive_all(tls) == b'', 'something else came')


def idle_too_long():
    server, port = one_thread('--idle-timeout', '1')
    with web.connection(port) as tls:
        ask(tls)
        time.sleep(0.5)
        ask(tls)
        began = time.monotonic()
        check_ended(tls)
        took = time.monotonic() - began
    kit.check(0.5 < took < kit.LIMIT_S / 4, 'it ended after %.1f s' % took)
    web.check_ends(server)


def half_a_head_too_long():
    """Also if another byte of it comes now and then."""
    server, port = one_thread('--request-timeout', '1')
    with web.connection(port) as tls:
        tls.settimeout(0.3)
        answer = b''
        for byte in web.get(method='GET', name='x' * 200):
            tls.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                answer = tls.recv(4096)
                break
        tls.settimeout(kit.LIMIT_S)
        answer += web.receive_all(tls)
    kit.check(web.status_of(answer) == 408 and b'Connection: close' in answer, answer)
    web.check_serves(port)
    web.check_ends(server)


def handshakes_too_long():
    server, port = one_thread('--handshake-timeout', '1')
    with socket.create_connection(('127.0.0.1', port), kit.LIMIT_S) as silent:
        began = time.monotonic()
        rest = silent.recv(100)
        took = time.monotonic() - began
    kit.check(0.5 < took < kit.LIMIT_S / 4 and len(rest) < 20, '%r after %.1f s' % (rest, took))
    web.check_ends(server)


def slower_than_the_rate():
    """Who takes nothing is cut off; who takes more than the rate, though slowly, gets all."""
    server, port = one_thread('--send-timeout', '2', '--min-rate', '20000')
    with web.connection(port, receive_buffer=4096) as stalled, \
            web.connection(port, receive_buffer=4096) as slow:
        for tls in (stalled, slow):
            tls.sendall(web.get('data.bin', 'Connection: close'))
        answer, began = b'', time.monotonic()
        while time.monotonic() - began < 7:
            answer += slow.recv(16384)
            time.sleep(0.05)
        answer += web.receive_all(slow)
        kit.check(answer.endswith(kit.payload(SIZE).read_bytes()), 'the slow one has not got all')
        try:
            web.receive_all(stalled)
            raise kit.Failure('the stalled one has got all')
        except (ssl.SSLError, ConnectionError):
            pass
    server.await_text('response: ')
    web.check_ends(server)


def more_than_there_may_be():
    """Newcomers take the places of those that were idle for the longest time."""
    server, port = one_thread('--connections', '20')
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(60):
            clients.append(stack.enter_context(web.connection(port)))
            ask(clients[-1])
        check_ended(clients[0])
        kit.check(ask(clients[-1])[1] == b'hello', 'the last one does not go on')
    web.check_serves(port)
    web.check_ends(server)


def silent_ones_hold_no_place():
    server, port = one_thread('--connections', '20')
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection(('127.0.0.1', port)))
        for _ in range(5):
            web.check_serves(port)
    web.check_ends(server)


def half_a_head_holds_no_place():
    server, port = one_thread('--connections', '20')
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(web.connection(port)) for _ in range(60)]
        for tls in clients:
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                tls.sendall(web.get()[:10])
        began = time.monotonic()
        for _ in range(5):
            web.check_serves(port)
        took = time.monotonic() - began
        kit.check(took < kit.LIMIT_S / 8, 'they waited %.1f s' % took)
        check_ended(clients[0])
    web.check_ends(server)


def busy_ones_are_not_ended():
    server, port = one_thread('--connections', '5')
    data = kit.payload(SIZE).read_bytes()
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(web.connection(port, receive_buffer=4096)) for _ in range(5)]
        for tls in busy:
            tls.sendall(web.get('data.bin', 'Connection: close'))
            tls.recv(1)
        for tls in busy:
            kit.check(web.receive_all(tls).endswith(data), 'not all of it came')
        web.check_serves(port)
    web.check_ends(server)


def one_address_has_its_share(count):
    """Whichever threads its connections come to."""
    server, port = web.serve('--threads', str(count), '--connections-per-address', '3')
    before = web.descriptors_at_rest(server, port)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(web.connection(port)) for _ in range(3)]
        for _ in range(5):
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                with web.connection(port):
                    raise kit.Failure('a fourth connection')
        for tls in clients:
            kit.check(ask(tls)[1] == b'hello', 'those that are there do not go on')
    web.check_descriptors(server, before)
    web.check_serves(port)
    web.check_ends(server)


def answers_are_finished(number):
    """An answer and what was asked for before the signal; then nothing more is taken."""
    server, port = one_thread()
    data = kit.payload(SIZE).read_bytes()
    with web.connection(port, receive_buffer=4096) as running, web.connection(port) as idle:
        ask(idle)
        running.sendall(web.get('data.bin'))
        answer = running.recv(1000)
        server.child.send_signal(number)
        check_ended(idle)
        time.sleep(0.3)
        with contextlib.suppress(ConnectionError):
            socket.create_connection(('127.0.0.1', port)).close()
            raise kit.Failure('somebody still listens')
        kit.check(server.child.poll() is None, 'it ended with an answer under way')
        answer += web.receive_all(running)
        kit.check(answer.endswith(data), '%d bytes came' % len(answer))
    kit.check(server.wait() == 0, 'it ended with %d' % server.wait())


def stalled_ones_do_not_hold_the_end():
    server, port = one_thread('--stop-timeout', '1')
    with web.connection(port, receive_buffer=4096) as stalled:
        stalled.sendall(web.get('data.bin'))
        stalled.recv(1000)
        began = time.monotonic()
        web.check_ends(server)
        took = time.monotonic() - began
        kit.check(0.5 < took < kit.LIMIT_S / 4, 'it ended after %.1f s' % took)
        try:
            web.receive_all(stalled)
            raise kit.Failure('a cut body looks whole')
        except (ssl.SSLError, ConnectionError):
            pass


def reloads_lose_nobody():
    """While connections come, go, rest, and take a file."""
    server, port = web.serve('--threads', '2')
    data = kit.payload(SIZE).read_bytes()
    with web.connection(port) as resting, web.connection(port, receive_buffer=4096) as running:
        ask(resting)
        running.sendall(web.get('data.bin', 'Connection: close'))
        for turn in range(1, 11):
            server.child.send_signal(signal.SIGHUP)
            for _ in range(5):
                with web.connection(port) as tls:
                    kit.check(ask(tls)[1] == b'hello', 'turn %d' % turn)
            server.await_that(lambda: server.errors().count('reload: done') >= turn, 'reload')
        kit.check(ask(resting)[1] == b'hello', 'who rested is lost')
        kit.check(web.receive_all(running).endswith(data), 'who took a file is lost')
    web.check_ends(server)


def threads(count):
    """Each listens by itself, and all of them serve."""
    server, port = web.serve('--threads', str(count))
    with open('/proc/net/tcp', encoding='ascii') as table:
        lines = [line.split() for line in table.readlines()[1:]]
    listening = [line for line in lines if line[1].endswith(':%04X' % port) and line[3] == '0A']
    kit.check(len(listening) == count, '%d sockets listen' % len(listening))
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(web.connection(port)) for _ in range(8 * count)]
        for _ in range(3):
            for tls in clients:
                kit.check(ask(tls)[1] == b'hello', 'no answer')
    stranger = kit.Process(kit.TOOL, 'serve', '--self-signed', '--listen', '127.0.0.1:%d' % port)
    kit.check(stranger.wait() == 1 and 'in use' in stranger.errors(), 'another one on this port')
    web.check_ends(server)


def resident(server):
    for line in open('/proc/%d/status' % server.child.pid, encoding='ascii'):
        if line.startswith('RssAnon'):
            return int(line.split()[1]) << 10
    return 0


def hold(port, count):
    holder = kit.Process(HOLD, port, count, kit.path('ca.pem'), '/hello.html', stdin=None)
    holder.await_text('held')
    time.sleep(0.3)
    return holder


def many_that_rest():
    """Beside as many as fill what a thread has only once: ciphers, buffers."""
    server, port = one_thread('--connections', str(2 * HELD), '--idle-timeout', '600')
    first = hold(port, CIPHERS)
    before = resident(server)
    holder = hold(port, HELD)
    each = (resident(server) - before) // HELD
    first.kill()
    holder.send(b'\n')
    holder.await_text('asked')
    began = time.monotonic()
    server.child.send_signal(signal.SIGTERM)
    kit.check(server.wait() == 0, 'it ended with %d' % server.wait())
    took = time.monotonic() - began
    holder.end_input()
    holder.run()
    with open(kit.TOOL, 'rb') as program:
        is_sanitized = b'__asan' in program.read()
    kit.check(is_sanitized or each <= HELD_BYTES, '%d bytes for each' % each)
    return '%d bytes each, ended in %.1f s' % (each, took)


CASES = [
    ('idle too long', idle_too_long),
    ('half a head too long', half_a_head_too_long),
    ('handshakes too long', handshakes_too_long),
    ('slower than the rate', slower_than_the_rate),
    ('more than there may be', more_than_there_may_be),
    ('silent ones hold no place', silent_ones_hold_no_place),
    ('half a head holds no place', half_a_head_holds_no_place),
    ('busy ones are not ended', busy_ones_are_not_ended),
    ('one address has its share', functools.partial(one_address_has_its_share, 1)),
    ('one address has its share of four threads', functools.partial(one_address_has_its_share, 4)),
    ('answers are finished on SIGTERM', functools.partial(answers_are_finished, signal.SIGTERM)),
    ('answers are finished on SIGINT', functools.partial(answers_are_finished, signal.SIGINT)),
    ('stalled ones do not hold the end', stalled_ones_do_not_hold_the_end),
    ('reloads lose nobody', reloads_lose_nobody),
    ('one thread', functools.partial(threads, 1)),
    ('four threads', functools.partial(threads, 4)),
    ('many that rest', many_that_rest),
]

if __name__ == '__main__':
    kit.main(CASES, 'curl')
