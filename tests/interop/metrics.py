#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What `ktls serve --metrics` tells: that it is what Prometheus reads, by a parser as strict as its
own linter, and that it is true.
"""

import re
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import kit
import web

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
SAMPLE = re.compile(r'(%s)(?:\{(.*)\})? (\S+)' % NAME)
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(?:,|$)')


def labels_of(text, line):
    at, labels = 0, []
    while text and at < len(text):
        match = LABEL.match(text, at)
        kit.check(match, 'bad labels: ' + line)
        labels.append(match.groups())
        at = match.end()
    kit.check(len(dict(labels)) == len(labels), 'a label twice: ' + line)
    return tuple(sorted(labels))


def parse(text):
    """{name: {labels: value}}; fails where the format, or promtool's linter, would complain."""
    kit.check(text.endswith('\n'), 'the last line has no end')
    families, helped, present = {}, set(), None
    for line in text[:-1].split('\n'):
        if line.startswith('# HELP '):
            present = line.split(' ')[2]
            kit.check(present not in helped and len(line.split(' ', 3)) == 4, 'HELP: ' + line)
            helped.add(present)
        elif line.startswith('# TYPE '):
            _, _, name, kind = line.split(' ')
            kit.check(name == present and name not in families, 'TYPE: ' + line)
            kit.check(kind in ('counter', 'gauge'), 'TYPE: ' + line)
            kit.check(name.endswith('_total') == (kind == 'counter'), 'its name: ' + line)
            families[name] = {}
        else:
            match = SAMPLE.fullmatch(line)
            kit.check(match and match[1] == present, 'a sample out of place: ' + line)
            labels = labels_of(match[2], line)
            kit.check(labels not in families[present], 'a sample twice: ' + line)
            families[present][labels] = float(match[3])
    kit.check(helped == set(families), 'HELP without TYPE')
    return families


def serve(*options):
    server, port = web.serve('--metrics', '127.0.0.1:0', *options)
    line = server.out.read_text().splitlines()[1]
    kit.check(re.fullmatch(r'metrics on http://127\.0\.0\.1:\d+/metrics', line), line)
    server.metrics_port = int(line.split(':')[2].split('/')[0])
    return server, port


def scrape(server):
    with urllib.request.urlopen('http://127.0.0.1:%d/metrics' % server.metrics_port,
                                timeout=kit.LIMIT_S) as answer:
        kind = answer.headers['Content-Type']
        kit.check(kind.startswith('text/plain; version=0.0.4'), kind)
        return parse(answer.read().decode('ascii'))


def value(server, name, **labels):
    """The sum of all samples that have these labels."""
    samples = scrape(server)[name]
    return sum(number for have, number in samples.items()
               if set(labels.items()) <= set(have))


def await_value(server, wanted, name, **labels):
    """A server counts when it is done, and the client is done a little before."""
    kit.await_that(lambda: value(server, name, **labels) == wanted,
                   '%s%s is %s, not %s' % (name, labels, value(server, name, **labels), wanted))


def at_rest():
    server, _ = serve()
    families = scrape(server)
    version = subprocess.run([kit.TOOL, '--version'], capture_output=True, check=True,
                             timeout=kit.LIMIT_S).stdout.decode().split()[1]
    kit.check(families['ktls_build_info'] == {(('version', version),): 1}, 'the version')
    for name in ('ktls_connections_accepted_total', 'ktls_connections_open',
                 'ktls_connections_refused_total', 'ktls_access_log_lost_total',
                 'ktls_file_cache_hits_total', 'ktls_file_cache_misses_total'):
        kit.check(families[name] == {(): 0}, name)
    for name in ('process_start_time_seconds', 'ktls_certificates_loaded_timestamp_seconds'):
        kit.check(abs(families[name][()] - time.time()) < 600, name)
    kit.check(sum(families['ktls_http_responses_total'].values()) == 0, 'responses')
    web.check_ends(server)


def counts_what_curl_does():
    server, port = serve()
    web.curl('-o', '/dev/null', web.url(port, 'data.bin'), '-o', '/dev/null',
             web.url(port, 'none'))
    web.curl('-o', '/dev/null', '-X', 'DELETE', web.url(port, 'x'))
    await_value(server, 1, 'ktls_http_responses_total', **{'class': '2xx'})
    await_value(server, 2, 'ktls_http_responses_total', **{'class': '4xx'})
    await_value(server, 2, 'ktls_connections_accepted_total')
    await_value(server, 0, 'ktls_connections_open')
    await_value(server, 2, 'ktls_handshakes_total', version='TLS 1.3', resumed='no')
    sent = value(server, 'ktls_bytes_total', direction='tx')
    kit.check(web.SIZE < sent < web.SIZE + 4096, '%d bytes' % sent)
    kit.check(0 < value(server, 'ktls_bytes_total', direction='rx') < 4096, 'received')
    line = server.line('/data.bin HTTP/1.1 200')
    for direction in ('tx', 'rx'):
        where, why = re.search(direction + r'=(\w+)(?: \(([^)]*)\))?', line).groups()
        await_value(server, 2, 'ktls_directions_total', direction=direction, protection=where,
                    reason=why or 'none')
    web.check_ends(server)


def counts_resumption_and_versions():
    server, port = serve()
    context = web.tls_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session = None
    for _ in range(2):
        with socket.create_connection(('127.0.0.1', port)) as plain:
            with context.wrap_socket(plain, server_hostname='localhost', session=session) as tls:
                session = tls.session
    await_value(server, 1, 'ktls_handshakes_total', version='TLS 1.2', resumed='no')
    await_value(server, 1, 'ktls_handshakes_total', version='TLS 1.2', resumed='yes')
    suites = {dict(labels)['suite'] for labels in scrape(server)['ktls_handshakes_total']}
    kit.check(all(suite.startswith('TLS_') for suite in suites), str(suites))


def counts_open_connections():
    server, port = serve()
    with web.connection(port), web.connection(port):
        await_value(server, 2, 'ktls_connections_open')
    await_value(server, 0, 'ktls_connections_open')
    await_value(server, 2, 'ktls_connections_accepted_total')


def counts_failures_by_cause():
    server, port = serve()
    with socket.create_connection(('127.0.0.1', port)) as plain:
        plain.sendall(b'GET / HTTP/1.1\r\n\r\n')
        while plain.recv(4096):
            pass
    await_value(server, 1, 'ktls_handshake_failures_total', cause='KTLS_E_NOT_TLS')
    client = kit.openssl_client(port, '-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256')
    kit.check(client.wait() != 0, 'no suite in common')
    await_value(server, 1, 'ktls_handshake_failures_total', cause='KTLS_E_NO_SHARED_SUITE')
    with socket.create_connection(('127.0.0.1', port)):
        pass
    await_value(server, 3, 'ktls_handshake_failures_total')
    await_value(server, 0, 'ktls_handshakes_total')
    await_value(server, 0, 'ktls_connections_open')


def counts_rekeys():
    server, port = serve()
    client = kit.openssl_client(port, '-tls1_3', stdin=None)
    client.await_text('Verify return code')
    # With "K" it would ask for a new key of ours, which TX in an old kernel cannot have.
    client.send(b'k\n')
    client.await_text('KEYUPDATE')
    client.send(web.get())
    client.await_text('hello')
    client.kill()
    await_value(server, 0, 'ktls_connections_open')
    total = value(server, 'ktls_key_updates_total')
    kit.check(total >= 1, '%d key updates' % total)


def counts_reloads():
    server, _ = serve()
    server.child.send_signal(1)
    await_value(server, 1, 'ktls_reloads_total', result='done')
    await_value(server, 0, 'ktls_reloads_total', result='failed')
    web.check_ends(server)


def adds_up_threads():
    server, port = serve('--threads', '4')
    clients = [kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'), '-H',
                           'Connection: close', *[web.url(port, 'hello.html')] * 10)
               for _ in range(4)]
    for client in clients:
        kit.check(client.run().out.read_bytes() == b'hello' * 10, 'curl')
    await_value(server, 40, 'ktls_http_responses_total', **{'class': '2xx'})
    await_value(server, 40, 'ktls_handshakes_total')
    await_value(server, 4, 'ktls_threads')
    web.check_ends(server)


def talk(server, *parts):
    with socket.create_connection(('127.0.0.1', server.metrics_port)) as plain:
        plain.settimeout(kit.LIMIT_S)
        for part in parts:
            plain.sendall(part)
            time.sleep(0.05)
        return b''.join(iter(lambda: plain.recv(65536), b''))


def answers_only_what_it_is_for():
    server, _ = serve()
    for wanted, request in ((b'200', b'GET /metrics HTTP/1.0'), (b'200', b'GET /metrics?a HTTP/1.1'),
                            (b'404', b'GET / HTTP/1.1'), (b'404', b'GET /metricsx HTTP/1.1'),
                            (b'405', b'POST /metrics HTTP/1.1'), (b'400', b'GET /metrics'),
                            (b'400', b'rubbish'), (b'400', b'GET /metrics HTTP/3')):
        answer = talk(server, request + b'\r\nHost: a\r\n\r\n')
        kit.check(answer[9:12] == wanted, '%s for %s' % (answer[:20], request))
    answer = talk(server, b'HEAD /metrics HTTP/1.1\r\n\r\n')
    kit.check(answer.startswith(b'HTTP/1.1 200') and answer.endswith(b'\r\n\r\n'), 'HEAD')
    kit.check(b'\r\nAllow: GET, HEAD\r\n' in talk(server, b'PUT /metrics HTTP/1.1\r\n\r\n'), 'Allow')
    answer = talk(server, *[bytes([byte]) for byte in b'GET /metrics HTTP/1.1\r\n\r\n'])
    kit.check(answer.startswith(b'HTTP/1.1 200'), 'byte by byte')
    answer = talk(server, b'GET /' + b'a' * 10000)
    kit.check(answer.startswith(b'HTTP/1.1 431 '), 'a request without an end: %r' % answer[:40])
    # Rubbish behind the request does not destroy the answer.
    answer = talk(server, b'GET /metrics HTTP/1.1\r\n\r\n', b'x' * 10000)
    parse(answer.split(b'\r\n\r\n', 1)[1].decode('ascii'))


def silent_clients_stop_nobody():
    server, _ = serve()
    silent = [socket.create_connection(('127.0.0.1', server.metrics_port)) for _ in range(40)]
    for _ in range(3):
        scrape(server)
    for plain in silent:
        plain.close()
    scrape(server)
    web.check_ends(server)


def bad_addresses():
    for option in ('127.0.0.1', '1:2:3', 'x y:1'):
        tool = kit.Process(kit.TOOL, 'serve', '--self-signed', '--metrics', option)
        kit.check(tool.wait() in (1, 2) and '--metrics' in tool.errors(), tool.errors())
    server, _ = serve()
    tool = kit.Process(kit.TOOL, 'serve', '--self-signed', '--listen', '127.0.0.1:0', '--metrics',
                       '127.0.0.1:%d' % server.metrics_port)
    kit.check(tool.wait() == 1 and '--metrics: cannot listen' in tool.errors(), tool.errors())


CASES = [
    ('at rest', at_rest),
    ('counts what curl does', counts_what_curl_does),
    ('counts resumption and versions', counts_resumption_and_versions),
    ('counts open connections', counts_open_connections),
    ('counts failures by cause', counts_failures_by_cause),
    ('counts key updates', counts_rekeys),
    ('counts reloads', counts_reloads),
    ('adds up threads', adds_up_threads),
    ('answers only what it is for', answers_only_what_it_is_for),
    ('silent clients stop nobody', silent_clients_stop_nobody),
    ('bad addresses', bad_addresses),
]

if __name__ == '__main__':
    kit.main(CASES, 'curl')
