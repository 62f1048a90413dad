#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What the internet does to `ktls serve`: crowds that stay, clients that are killed, resets at every
byte and by the thousand, one byte a second, a full disk, signals under load. After each of them the
server serves the same bytes as before, holds no descriptor and no memory more, says in its metrics
what happened, and ends with 0.

KTLS_ABUSE scales the sizes: 1 is what an ordinary machine does in a minute, 0.05 is for an emulated
one, 50 for an afternoon. A server with sanitizers gets a quarter.
"""

import contextlib
import functools
import itertools
import os
import random
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import kit
import metrics
import web
from rude import Honest, Script, connect_many, drip, first_flight, reset

SOAK = os.environ.get('KTLS_SOAK', 'interop-soak')
SMALL = 20011
# Of a connection that rests, with all that it needs of userspace.
RESTING_BYTES = 2048
# What a thread has only once, when it serves a crowd: ciphers, buffers, answers, and the
# handshakes of some at a time.
THREAD_KB = 5120
# What a heap may keep more of, after the same was done once more.
GROWTH_KB = 2048


def is_sanitized():
    with open(kit.TOOL, 'rb') as program:
        content = program.read()
    return b'__asan' in content or b'__tsan' in content


@functools.cache
def scale():
    return float(os.environ.get('KTLS_ABUSE', '1')) * (0.25 if is_sanitized() else 1)


def scaled(number, least=10):
    return max(least, int(number * scale()))


def crowd(number):
    """As many as there may be descriptors of."""
    return min(scaled(number), resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2 - 100)


# The server

def resident_kb(server):
    with open('/proc/%d/status' % server.child.pid, encoding='ascii') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('RssAnon'))


@functools.cache
def root():
    made = web.make_root()
    os.link(kit.payload(SMALL), made / 'small.bin')
    return made


def start(*options, before=()):
    """Without --verbose: a line for each answer is no small thing here."""
    own = [] if '--cert' in options else kit.identity()
    server = kit.Process(*before, kit.TOOL, 'serve', '--listen', '127.0.0.1:0', '--root', root(),
                         '--metrics', '127.0.0.1:0', *own, *options)
    server.await_text('metrics on http://')
    lines = server.out.read_text().splitlines()
    server.metrics_port = int(lines[1].split(':')[2].split('/')[0])
    return server, int(lines[0].split(':')[-1])


def check_bytes(port):
    got = kit.new_path('got')
    web.curl('-o', got, web.url(port, 'data.bin'))
    kit.check_same(got, kit.payload(web.SIZE))
    got.unlink()


def total(server, name, **labels):
    return int(metrics.value(server, name, **labels))


def check_counts(server):
    """Each that was accepted has had one fate."""
    accepted = total(server, 'ktls_connections_accepted_total')
    fates = [total(server, name) for name in ('ktls_connections_refused_total',
                                              'ktls_handshakes_total',
                                              'ktls_handshake_failures_total')]
    kit.check(accepted == sum(fates), '%d accepted, but %s' % (accepted, fates))


def await_slowly(condition, what):
    """Scraping all the time takes a processor of its own."""
    end = time.monotonic() + kit.LIMIT_S
    while not condition():
        kit.check(time.monotonic() < end, what)
        time.sleep(0.2)


def await_rest(server, descriptors):
    await_slowly(lambda: not total(server, 'ktls_connections_open'), 'some are still open')
    web.check_descriptors(server, descriptors)


@contextlib.contextmanager
def standing(*options, **rest):
    """A server that stands whatever is done to it inside."""
    server, port = start(*options, **rest)
    check_bytes(port)
    await_slowly(lambda: not total(server, 'ktls_connections_open'), 'some are still open')
    descriptors = web.descriptors(server)
    server.descriptors = descriptors
    yield server, port
    check_bytes(port)
    await_rest(server, descriptors)
    check_counts(server)
    web.check_ends(server)


def rested_kb(server):
    """Memory when all is over, and what a crowd has needed was given back, a little later."""
    await_rest(server, server.descriptors)
    last, now = 0, resident_kb(server)
    while abs(now - last) > 64:
        time.sleep(0.6)
        last, now = now, resident_kb(server)
    return now


def until_flat(abuse, server, port):
    """Once more may need more than before, if more came at the same moment; a leak does each time."""
    sizes = []
    while len(sizes) < 2 or sizes[-1] - sizes[-2] > GROWTH_KB:
        kit.check(len(sizes) < 5 or is_sanitized(), 'memory in KiB: %s' % sizes)
        note = abuse(server, port) or ''
        sizes.append(rested_kb(server))
        if is_sanitized() and len(sizes) == 2:
            break
    return '%s, each of %d times; memory %s KiB' % (note, len(sizes), sizes)


# Clients

def soak(server, port, *options, names=('hello.html', 'small.bin'), **rest):
    return kit.Process(SOAK, '-p', server.child.pid, *options, port, kit.path('ca.pem'),
                       *['%s=%s' % (name, root() / name) for name in names], **rest)


def samples(client):
    """What soak.c says along the way, as dicts."""
    lines = [line.split() for line in client.out.read_text().splitlines() if ' ' in line]
    return [dict(zip(words[::2], map(int, words[1::2]))) for words in lines]


# A crowd that stays

def stays():
    count, requests = crowd(10000), scaled(30000)
    with standing('--threads', '1', '--connections', str(2 * count), '--idle-timeout',
                  '3600') as (server, port):
        before = resident_kb(server)
        client = soak(server, port, '-c', count, '-n', requests, '-b', '256').run()
        facts, seen = client.facts(), samples(client)
        kit.check(int(facts['errors']) == 0, 'errors')
        kit.check(int(facts['requests']) == requests + count, 'not all requests')
        left = rested_kb(server) - before
        begun, middle, end = seen[0]['rss_kb'], seen[len(seen) // 2]['rss_kb'], seen[-1]['rss_kb']
        each = max(0, begun - before - THREAD_KB) * 1024 // count
        if not is_sanitized():
            kit.check(left <= THREAD_KB + GROWTH_KB, '%d KiB stay when they are gone' % left)
            kit.check(end - middle <= GROWTH_KB, 'from %d to %d KiB' % (middle, end))
            kit.check(each <= RESTING_BYTES, '%d bytes for each' % each)
        return '%d connections, %d requests, %d bytes each, RssAnon %d %d %d, then %d KiB, p99 %s us' % (
            count, requests, each, begun, middle, end, before + left, facts['p99_us'])


def comes_and_goes():
    """Each connection asks a few times, and another one takes its place."""
    count, requests = scaled(500), scaled(10000)

    def once(server, port):
        facts = soak(server, port, '-c', count, '-n', requests, '-r', '5').run().facts()
        kit.check(int(facts['errors']) == 0, 'errors')
        return '%s connections' % facts['dialed']

    with standing('--threads', '1') as (server, port):
        return until_flat(once, server, port)


# Clients that are gone

def killed(script, **limits):
    """As many processes as it takes, each killed where its script stands."""
    count = scaled(40, 4)

    def child(port, ready):
        with contextlib.suppress(OSError):
            conversation = Script(port, script)
            conversation.run(**{name: limit() for name, limit in limits.items()})
            os.write(ready, b'x')
            signal.pause()
        os._exit(1)

    def once(_, port):
        reading, ready = os.pipe()
        children = []
        for _ in range(count):
            pid = os.fork()
            if not pid:
                child(port, ready)
            children.append(pid)
        os.close(ready)
        for _ in children:
            kit.check(os.read(reading, 1) == b'x', 'a child is lost')
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)
        os.close(reading)
        return '%d killed' % count

    with standing('--threads', '1') as (server, port):
        note = until_flat(once, server, port)
        done = total(server, 'ktls_handshakes_total')
        failed = total(server, 'ktls_handshake_failures_total')
        return '%s; %d handshakes, %d failed' % (note, done, failed)


def resets_at_every_byte():
    """Of what goes out, and of what comes in."""
    step = 2 * max(1, round(1 / scale()))

    def some(port, first, whole):
        for at in range(first, max(whole.sent, whole.received) + 1, step):
            if at <= whole.sent:
                reset(Script(port).run(send=at).plain)
            if at <= whole.received:
                reset(Script(port).run(receive=at).plain)

    with standing('--threads', '1') as (server, port):
        whole = Script(port).run()
        whole.plain.close()
        starts = itertools.cycle((1, 1 + step // 2))
        note = until_flat(lambda _, port: some(port, next(starts), whole), server, port)
        kit.check(total(server, 'ktls_handshake_failures_total', cause='ECONNRESET') > 0,
                  'no reset was seen in handshakes')
        return '%d bytes out, %d in, each %d.%s' % (whole.sent, whole.received, step // 2, note)


def storm_of_resets():
    """Of connections that rest, of those that take answers, and of those in their handshake."""
    count = scaled(1500)

    def once(server, port):
        soak(server, port, '-c', count, '-n', '0', '-R').run()
        busy = soak(server, port, '-c', count // 15, '-n', '1000000000', '-b', count // 15, '-R',
                    names=('data.bin',))
        busy.await_text('held')
        time.sleep(0.5)
        busy.kill(signal.SIGKILL)
        plains = [socket.create_connection(('127.0.0.1', port)) for _ in range(count)]
        half = first_flight(port)[:200]
        for plain in plains:
            with contextlib.suppress(OSError):
                plain.send(half)
        for plain in plains:
            reset(plain)
        web.check_serves(port)
        return '%d each' % count

    with standing('--threads', '1') as (server, port):
        note = until_flat(once, server, port)
        failed = total(server, 'ktls_handshake_failures_total')
        kit.check(failed >= count, 'only %d handshakes have failed' % failed)
        kit.check(total(server, 'ktls_connection_failures_total', cause='ECONNRESET') > 0,
                  'no reset was seen after a handshake')
        return note


# One byte a second

def honest_one(port):
    return Honest(port, 'small.bin', kit.payload(SMALL).read_bytes())


def slow_handshakes():
    count = crowd(10000)
    with standing('--threads', '1', '--connections', str(2 * count), '--handshake-timeout',
                  '3') as (server, port):
        plains = connect_many(port, count)
        with honest_one(port) as honest:
            took = drip(plains, first_flight(port))
        # Those that had to go for another one, and those whose time was over.
        failed = total(server, 'ktls_handshake_failures_total')
        kit.check(failed >= count, 'only %d have failed' % failed)
        late = total(server, 'ktls_handshake_failures_total', cause='KTLS_TIMEDOUT')
        return '%d gone after %.1f s, %d of them late, %s' % (count, took, late, honest.note())


def slow_requests():
    count = crowd(4000)
    with standing('--threads', '1', '--connections', str(2 * count), '--request-timeout', '3',
                  '--idle-timeout', '120') as (server, port):
        with honest_one(port) as honest:
            facts = soak(server, port, '-c', count, '-d', '-t', kit.LIMIT_S).run().facts()
        kit.check(int(facts['ended']) == int(facts['refused']) == count, str(facts))
        kit.check(total(server, 'ktls_http_responses_total', **{'class': '4xx'}) == count, 'of 408')
        return '%d gone after %s s, %s' % (count, facts['seconds'], honest.note())


def slow_takers():
    """They would see only after hours that they were cut off."""
    count = crowd(1000)
    with standing('--threads', '1', '--connections', str(2 * count), '--send-timeout', '3',
                  '--idle-timeout', '120') as (server, port):
        with honest_one(port) as honest:
            client = soak(server, port, '-c', count, '-i', '-t', kit.LIMIT_S, names=('data.bin',))
            client.await_text('held')
            began = time.monotonic()
            await_slowly(lambda: count == total(server, 'ktls_connection_failures_total',
                                                cause='KTLS_TIMEDOUT'), 'not all are cut off')
            took = time.monotonic() - began
        client.kill()
        return '%d gone after %.1f s, %s' % (count, took, honest.note())


# A full disk

def check_log_is_full(server, port):
    requests = 3000
    facts = soak(server, port, '-c', '10', '-n', requests).run().facts()
    kit.check(int(facts['errors']) == 0, 'an answer was late or lost')
    server.await_that(lambda: 'lines are lost from now on' in server.errors(), 'to say it')
    lost = total(server, 'ktls_access_log_lost_total')
    kit.check(0 < lost < requests + 10, '%d lines lost' % lost)
    return lost


def log_without_room():
    with standing('--threads', '1', '--access-log', '/dev/full') as (server, port):
        return '%d lines lost' % check_log_is_full(server, port)


def log_on_a_full_disk():
    """Until there is room again: then each line is in the file, or counted as lost."""
    disk = kit.new_path('disk')
    disk.mkdir()
    mount = ['unshare', '-rm', 'sh', '-c', 'mount -t tmpfs -o size=256k none "$0" && exec "$@"',
             disk]
    if subprocess.run([*mount, 'true'], check=False, capture_output=True).returncode:
        raise kit.Skip('no mounts here')
    with standing('--threads', '1', '--access-log', disk / 'log', before=mount) as (server, port):
        # As the server sees it.
        inside = '/proc/%d/root%s/' % (server.child.pid, disk)
        with open(inside + 'ballast', 'wb') as ballast, contextlib.suppress(OSError):
            ballast.write(bytes(200 << 10))
        lost = check_log_is_full(server, port)
        os.unlink(inside + 'ballast')
        server.await_that(lambda: 'it can be written again; %d lines were lost' % lost
                          in server.errors(), 'to say how many')
        soak(server, port, '-c', '10', '-n', '100').run()
        time.sleep(0.5)
        with open(inside + 'log', encoding='ascii') as log:
            lines = log.readlines()
        kit.check(all(line.count('"') == 6 and line.endswith('\n') for line in lines), 'half lines')
        answers = total(server, 'ktls_http_responses_total')
        kit.check(len(lines) + lost == answers, '%d lines and %d lost of %d' % (
            len(lines), lost, answers))
        return '%d lines, %d lost' % (len(lines), lost)


# Signals under load

@contextlib.contextmanager
def scraping(server):
    """All the time, as fast as it goes."""
    over, counts = threading.Event(), []

    def run():
        while not over.wait(0.01):
            with contextlib.suppress(OSError):
                counts.append(total(server, 'ktls_http_responses_total'))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield counts
    finally:
        over.set()
        thread.join()
    kit.check(counts == sorted(counts), 'a counter went back')


def new_identity(live):
    """Other bytes in the same files; the certificate, as a client sees it."""
    kit.make_identity('next', kit.CURVE)
    for end in ('.pem', '.key'):
        shutil.copy(kit.path('next' + end), kit.path('next.new'))
        os.replace(kit.path('next.new'), live / ('live' + end))
    return ssl.PEM_cert_to_DER_cert((live / 'live.pem').read_text())


def certificate(port):
    with web.connection(port) as tls:
        return tls.getpeercert(binary_form=True)


def reload_under_load(threads):
    live, turns = kit.new_path('live'), scaled(20, 3)
    live.mkdir()
    new_identity(live)
    log = live / 'log'
    server, port = start('--threads', threads, '--cert', live / 'live.pem', '--key',
                         live / 'live.key', '--access-log', log)
    with scraping(server) as counts:
        client = soak(server, port, '-c', scaled(300), '-n', '1000000000', '-r', '7', '-e')
        client.await_text('held')
        for turn in range(1, turns + 1):
            wanted = new_identity(live)
            os.replace(log, live / ('log.%d' % turn))
            server.child.send_signal(signal.SIGHUP)
            server.await_that(lambda: server.errors().count('reload: done') == turn, 'reload')
            kit.check(certificate(port) == wanted, 'turn %d: the old certificate' % turn)
        server.child.send_signal(signal.SIGTERM)
        kit.check(server.wait() == 0, 'it ended with %d' % server.wait())
        facts = client.run().facts()
    answers = int(facts['requests'])
    lines = sum(name.read_bytes().count(b'\n') for name in live.glob('log*'))
    kit.check(int(facts['errors']) == 0 and answers > 0, str(facts))
    # An answer that was sent may not have arrived before the end of its connection.
    kit.check(lines >= answers, '%d lines of %d answers' % (lines, answers))
    return '%d reloads, %s connections, %d answers, %d scrapes' % (
        turns, facts['dialed'], answers, len(counts))


def end_under_load(number, threads):
    """What has begun to be answered is finished, large or small; nobody else is let in."""
    server, port = start('--threads', threads)
    with scraping(server):
        client = soak(server, port, '-c', scaled(300), '-n', '1000000000', '-b', scaled(100), '-e',
                      names=('hello.html', 'small.bin', 'data.bin'))
        client.await_text('held')
        time.sleep(1 + random.random())
        server.child.send_signal(number)
        began = time.monotonic()
        kit.check(server.wait() == 0, 'it ended with %d' % server.wait())
        took = time.monotonic() - began
        facts = client.run().facts()
    kit.check(int(facts['errors']) == 0 and int(facts['requests']) > 0, str(facts))
    return '%s answers, %s without one, ended in %.2f s' % (facts['requests'],
                                                            facts['unanswered'], took)


CASES = [
    ('a crowd that stays', stays),
    ('a crowd that comes and goes', comes_and_goes),
    ('killed in the handshake', lambda: killed('hello.html', send=lambda: random.randrange(1, 560))),
    ('killed while asking', lambda: killed('x' * 2000, send=lambda: random.randrange(900, 2000))),
    ('killed while taking', lambda: killed('data.bin', receive=lambda: random.randrange(2000, 99999))),
    ('resets at every byte', resets_at_every_byte),
    ('a storm of resets', storm_of_resets),
    ('handshakes at a byte a second', slow_handshakes),
    ('requests at a byte a second', slow_requests),
    ('answers at a byte a second', slow_takers),
    ('a log without room', log_without_room),
    ('a log on a full disk', log_on_a_full_disk),
    ('SIGHUP under load, one thread', lambda: reload_under_load(1)),
    ('SIGHUP under load, four threads', lambda: reload_under_load(4)),
    ('SIGTERM under load, one thread', lambda: end_under_load(signal.SIGTERM, 1)),
    ('SIGTERM under load, four threads', lambda: end_under_load(signal.SIGTERM, 4)),
    ('SIGINT under load, four threads', lambda: end_under_load(signal.SIGINT, 4)),
]

if __name__ == '__main__':
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kit.main(CASES, 'curl')
