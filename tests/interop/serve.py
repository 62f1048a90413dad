#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls serve` as the world meets it: curl, and clients that are slow, silent, rude or gone. After each
of them the server still serves, holds no descriptor more than before, and ends well when told to.
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

SIZE = 5000003
BIG = 128 << 20
PARALLEL = 200


# A root with files, and a way in

def make_root():
    root = kit.new_path('root')
    root.mkdir()
    os.link(kit.payload(SIZE), root / 'data.bin')
    (root / 'empty.txt').touch()
    (root / 'hello.html').write_text('hello')
    (root / 'sub').mkdir()
    (root / 'sub' / 'index.html').write_text('index')
    (root / 'bare').mkdir()
    secret = kit.new_path('secret')
    secret.write_text('secret')
    (root / 'inside').symlink_to('hello.html')
    (root / 'outside').symlink_to(secret)
    (root / 'upwards').symlink_to('../' + secret.name)
    os.mkfifo(root / 'fifo')
    return root


def serve(*options, root=None):
    return kit.tool_server(root or make_root(), *options)


def url(port, name):
    return 'https://localhost:%d/%s' % (port, name)


def curl(*arguments):
    """Its standard output, as bytes."""
    client = kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'), *arguments).run()
    return client.out.read_bytes()


def tls_context():
    return ssl.create_default_context(cafile=kit.path('ca.pem'))


@contextlib.contextmanager
def connection(port, receive_buffer=None):
    """A TLS connection of OpenSSL's, by way of Python."""
    with socket.socket() as plain:
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(kit.LIMIT_S)
        plain.connect(('127.0.0.1', port))
        # An end without close_notify is to raise.
        with tls_context().wrap_socket(plain, server_hostname='localhost',
                                       suppress_ragged_eofs=False) as tls:
            yield tls


def receive_all(tls):
    """To the close_notify; anything else raises."""
    return b''.join(iter(lambda: tls.recv(65536), b''))


def talk(port, *requests):
    """Sends raw bytes, and returns all that is answered until the server ends the stream."""
    with connection(port) as tls:
        for request in requests:
            tls.sendall(request)
        return receive_all(tls)


def get(name='hello.html', *fields, method='GET', version='1.1'):
    lines = ['%s /%s HTTP/%s' % (method, name, version), 'Host: localhost', *fields]
    return ('\r\n'.join(lines) + '\r\n\r\n').encode()


def status_of(answer):
    kit.check(answer.startswith(b'HTTP/1.1 '), 'no HTTP: %r' % answer[:60])
    return int(answer[9:12])


def check_serves(port):
    kit.check(curl(url(port, 'hello.html')) == b'hello', 'it does not serve any more')


def descriptors(server):
    return len(os.listdir('/proc/%d/fd' % server.child.pid))


def check_descriptors(server, before):
    kit.await_that(lambda: descriptors(server) <= before,
                   'no more than %d descriptors, %d' % (before, descriptors(server)))


def check_ends(server, number=signal.SIGTERM):
    """Also without a leak, where the sanitizer looks."""
    status = server.kill(number)
    kit.check(status == 0, 'on signal %d it ended with %d' % (number, status))


# Cases: what curl asks

def announces(listen, wanted):
    server = kit.Process(kit.TOOL, 'serve', '--listen', listen, '--self-signed')
    server.await_text('\n')
    line = server.out.read_text()
    kit.check(line.startswith('listening on https://%s:' % wanted) and line.endswith('\n'), line)
    port = int(line.rsplit(':', 1)[1])
    kit.check(line == 'listening on https://%s:%d\n' % (wanted, port), line)
    kit.check(curl('-k', '-o', '/dev/null', '-w', '%{http_code}', 'https://%s:%d/none' %
                   (wanted, port)) == b'404', 'it does not serve')
    check_ends(server, signal.SIGINT)


def self_signed_is_for_localhost():
    server = kit.Process(kit.TOOL, 'serve', '--listen', '127.0.0.1:0', '--self-signed')
    server.await_text('\n')
    port = int(server.out.read_text().rsplit(':', 1)[1])
    certificate = kit.path('self-signed.pem')
    certificate.write_text(ssl.get_server_certificate(('127.0.0.1', port)))
    for host in ('localhost', '127.0.0.1'):
        curl('--cacert', certificate, '-o', '/dev/null', 'https://%s:%d/' % (host, port))
    refused = kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'), url(port, ''))
    kit.check(refused.wait() == 60, 'a stranger trusts it')
    check_ends(server)


def whole_file(protocol):
    server, port = serve()
    got = kit.new_path('got')
    curl('--tlsv' + protocol, '--tls-max', protocol, '-o', got, url(port, 'data.bin'))
    kit.check_same(got, kit.payload(SIZE))
    check_ends(server)
    kit.check('GET /data.bin 200 %d tx=' % SIZE in server.errors(), 'no such line with --verbose')
    return server.errors().splitlines()[0]


def offload(when):
    """Each policy serves the same bytes, wherever this kernel lets them be protected."""
    server, port = serve('--offload', when)
    if when == 'required' and not kit.probe()['ulp']['works']:
        client = kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'), url(port, 'data.bin'))
        # In TLS 1.3 the client has its Finished before it gets the alert.
        kit.check(client.wait() in (35, 56) and not client.out.read_bytes(), 'served in userspace')
        check_ends(server)
        return 'required, and refused'
    got = kit.new_path('got')
    curl('-o', got, url(port, 'data.bin'))
    kit.check_same(got, kit.payload(SIZE))
    check_ends(server)
    return server.errors().splitlines()[0]


def head_of_a_file():
    _, port = serve()
    answer = curl('-I', url(port, 'data.bin')).decode()
    for line in ('Content-Length: %d' % SIZE, 'Accept-Ranges: bytes', 'Last-Modified: ',
                 'Date: ', 'Content-Type: application/octet-stream'):
        kit.check('\r\n' + line in answer, 'no %s in %s' % (line, answer))
    kit.check(answer.endswith('\r\n\r\n'), 'something follows the head')


def small_things():
    _, port = serve()
    kit.check(curl(url(port, 'empty.txt')) == b'', 'the empty file')
    kit.check(curl(url(port, 'sub/')) == b'index', 'index.html of sub/')
    kit.check(curl(url(port, 'sub')) == b'index', 'index.html of sub')
    kit.check(curl(url(port, 'hello.html?query#f')) == b'hello', 'a query')
    kit.check(curl(url(port, 'h%65llo.html')) == b'hello', 'an escape')
    kit.check(curl(url(port, 'inside')) == b'hello', 'a link that stays inside')


def ranges():
    _, port = serve()
    data = kit.payload(SIZE).read_bytes()
    for value, first, last in (('0-0', 0, 0), ('5-99', 5, 99), ('-3', SIZE - 3, SIZE - 1),
                               ('%d-' % (SIZE - 7), SIZE - 7, SIZE - 1),
                               ('1000000-3999999', 1000000, 3999999),
                               ('0-%d' % (SIZE * 2), 0, SIZE - 1)):
        head = kit.new_path('head')
        body = curl('-r', value, '-D', head, url(port, 'data.bin'))
        kit.check(body == data[first:last + 1], 'range %s: %d bytes' % (value, len(body)))
        for line in ('HTTP/1.1 206 Partial Content', 'Content-Length: %d' % len(body),
                     'Content-Range: bytes %d-%d/%d' % (first, last, SIZE)):
            kit.check(line + '\n' in head.read_text(), '%s: %s' % (line, head.read_text()))
    kit.check(len(curl('-r', '0-1,4-5', url(port, 'data.bin'))) == SIZE, 'several ranges')
    answer = curl('-i', '-r', '%d-' % SIZE, url(port, 'data.bin')).decode()
    kit.check(' 416 ' in answer and 'Content-Range: bytes */%d\r\n' % SIZE in answer, answer)


def keep_alive(version, *options):
    server, port = serve()
    answer = curl('--http' + version, *options, '-w', '%{num_connects}', url(port, 'hello.html'),
                  url(port, 'hello.html'))
    kit.check(answer == b'hello1hello0', 'two files: %s' % answer)
    check_ends(server)


def closes_when_asked():
    _, port = serve()
    for request in (get('hello.html', 'Connection: close'), get(version='1.0')):
        answer = talk(port, request)
        kit.check(answer.endswith(b'\r\n\r\nhello') and b'Connection: close\r\n' in answer, answer)


STATUSES = (
    (404, get('none')), (404, get('bare/')), (404, get('hello.html/')), (404, get('')),
    (403, get('../secret')), (403, get('sub/../../secret')), (403, get('%2e%2e/secret')),
    (403, get('sub/%2e%2e%2f%2e%2e%2fsecret')), (403, get('outside')), (403, get('upwards')),
    (403, get('fifo')), (404, get('%252e%252e/secret')), (404, get('/etc/passwd')),
    (404, get('%2fetc%2fpasswd')), (400, get('a%00b')), (400, get('%zz')),
    (405, get(method='POST')), (405, get(method='DELETE')), (405, get(method='OPTIONS')),
    (405, get('', 'Content-Length: 5', method='PUT') + b'hello'),
    (413, get('', 'Content-Length: 5') + b'hello'),
    (413, get('', 'Transfer-Encoding: chunked') + b'0\r\n\r\n'),
    (400, get('', 'Transfer-Encoding: chunked', 'Content-Length: 5') + b'0\r\n\r\n'),
    (400, b'GET / HTTP/1.1\r\n\r\n'), (400, get('', 'Host: twice')),
    (400, b'\r\nrubbish\r\n\r\n'), (400, b'\x16\x03\x01 not HTTP'),
    (414, get('a' * 9000)), (431, get('', *['X-%d: %s' % (n, 'x' * 100) for n in range(200)])),
)


def statuses():
    server, port = serve()
    for wanted, request in STATUSES:
        # The close is asked for behind the request, by one that is refused, if it is read at all.
        answer = talk(port, request, b'QUIT\r\n\r\n')
        kit.check(status_of(answer) == wanted, '%s for %r' % (answer[:40], request[:60]))
        kit.check(b'secret' not in answer, 'the secret is out: %r' % request)
        kit.check(wanted != 405 or b'\r\nAllow: GET, HEAD\r\n' in answer, 'no Allow: %r' % answer)
        length = int(answer.split(b'Content-Length: ')[1].split(b'\r')[0])
        body = answer.split(b'\r\n\r\n', 1)[1]
        kit.check(body[length:length + 9] in (b'', b'HTTP/1.1 '), 'a body of other length')
    check_ends(server)
    return '%d requests' % len(STATUSES)


def curl_cannot_leave_the_root():
    _, port = serve()
    for way in ('../secret', '../../../../etc/passwd', 'sub/../../secret', '%2e%2e/secret'):
        code = curl('--path-as-is', '-o', '/dev/null', '-w', '%{http_code}', url(port, way))
        kit.check(code == b'403', '%s for %s' % (code, way))


def pipelined():
    _, port = serve()
    data = kit.payload(SIZE).read_bytes()
    parts = [(n * 997, 1000 + n) for n in range(100)]
    requests = [get('data.bin', 'Range: bytes=%d-%d' % (at, at + n - 1)) for at, n in parts]
    answer = talk(port, b''.join(requests) + get('none', 'Connection: close'))
    for at, n in parts:
        head, answer = answer.split(b'\r\n\r\n', 1)
        kit.check(status_of(head) == 206, head)
        kit.check(answer[:n] == data[at:at + n], 'the part at %d is wrong' % at)
        answer = answer[n:]
    kit.check(status_of(answer) == 404, answer)


def byte_by_byte():
    _, port = serve()
    with connection(port) as tls:
        for byte in get('hello.html', 'Connection: close'):
            tls.sendall(bytes([byte]))
        answer = receive_all(tls)
    kit.check(answer.endswith(b'\r\n\r\nhello'), answer)


# Cases: who else comes

def many_parts_at_once():
    """Each a connection of its own, all at the same time."""
    root = make_root()
    os.link(kit.payload(BIG), root / 'big.bin')
    server, port = serve(root=root)
    before = descriptors(server)
    step, config, outs = BIG // PARALLEL + 1, kit.path('curl.conf'), []
    lines = []
    for number in range(PARALLEL):
        outs.append(kit.new_path('part'))
        lines += ['url = %s' % url(port, 'big.bin'), 'output = %s' % outs[-1], 'cacert = %s' %
                  kit.path('ca.pem'), 'range = %d-%d' % (number * step, (number + 1) * step - 1),
                  'next']
    config.write_text('\n'.join(lines[:-1]) + '\n')
    curl('-Z', '--parallel-max', PARALLEL, '--parallel-immediate', '-K', config)

    whole = kit.new_path('whole')
    with open(whole, 'wb') as joined:
        for out in outs:
            joined.write(out.read_bytes())
            out.unlink()
    kit.check_same(whole, kit.payload(BIG))
    whole.unlink()
    check_descriptors(server, before)
    check_ends(server)
    kit.check(server.errors().count(' 206 ') == PARALLEL, 'not %d parts' % PARALLEL)


def all_open_at_once():
    """As many connections as parts, each asked before any is read."""
    server, port = serve()
    data = kit.payload(SIZE).read_bytes()
    step = SIZE // PARALLEL
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connection(port)) for _ in range(PARALLEL)]
        for number, tls in enumerate(clients):
            tls.sendall(get('data.bin', 'Connection: close',
                            'Range: bytes=%d-%d' % (number * step, (number + 1) * step - 1)))
        for number, tls in reversed(list(enumerate(clients))):
            body = receive_all(tls).split(b'\r\n\r\n', 1)[1]
            kit.check(body == data[number * step:(number + 1) * step], 'part %d' % number)
    check_ends(server)


def slow_and_silent_clients_hold_nobody():
    server, port = serve()
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(socket.create_connection(('127.0.0.1', port)))
            stack.enter_context(connection(port))
            half = stack.enter_context(connection(port))
            half.sendall(b'GET /hello.html HT')
            slow = stack.enter_context(connection(port, receive_buffer=4096))
            slow.sendall(get('data.bin'))
        began = time.monotonic()
        for _ in range(3):
            check_serves(port)
        took = time.monotonic() - began
        kit.check(took < kit.LIMIT_S / 4, 'three small files took %.1f s' % took)
    check_serves(port)
    check_ends(server)
    return 'three small files beside 120 of them took %.2f s' % took


def slow_reader_gets_all():
    server, port = serve()
    with connection(port, receive_buffer=4096) as tls:
        tls.sendall(get('data.bin', 'Connection: close'))
        time.sleep(0.3)
        answer = b''
        while len(answer) < 200000:
            answer += tls.recv(3000)
            time.sleep(0.001)
        answer += receive_all(tls)
    kit.check(answer.endswith(kit.payload(SIZE).read_bytes()), 'not all of it came')
    check_ends(server)


def keep_alive_after_a_full_socket():
    """The last bytes of a response may wait for room while the client waits to ask again."""
    server, port = serve()
    data = kit.payload(SIZE).read_bytes()
    with connection(port, receive_buffer=4096) as tls:
        for turn in range(3):
            tls.sendall(get('data.bin', 'Range: bytes=0-%d' % (999999 + turn)))
            time.sleep(0.1)
            head, body = b'', b''
            while b'\r\n\r\n' not in head:
                head += tls.recv(1000)
            head, body = head.split(b'\r\n\r\n', 1)
            while len(body) < 1000000 + turn:
                body += tls.recv(65536)
            kit.check(body == data[:1000000 + turn], 'turn %d' % turn)
    check_ends(server)


def vanish(plain):
    """A reset, with whatever was in flight."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    plain.close()


def clients_vanish():
    """At each step: connected, amid the ClientHello, amid a request, amid a body."""
    server, port = serve()
    check_serves(port)
    time.sleep(0.1)
    before = descriptors(server)
    hello = ssl.MemoryBIO()
    talker = tls_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname='localhost')
    with contextlib.suppress(ssl.SSLWantReadError):
        talker.do_handshake()
    hello = hello.read()
    for turn in range(40):
        plain = socket.create_connection(('127.0.0.1', port))
        plain.sendall(hello[:turn * len(hello) // 39])
        (vanish if turn % 2 else socket.socket.close)(plain)
        with connection(port) as tls:
            request = get('data.bin')
            tls.sendall(request[:8 * turn])
            if turn % 4 == 3 and 8 * turn > len(request):
                tls.recv(1)
            (vanish if turn % 2 else socket.socket.close)(tls)
    check_serves(port)
    check_descriptors(server, before + 1)
    check_ends(server)


def curl_goes_away_amid_a_body():
    server, port = serve()
    for _ in range(5):
        client = kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'), '--limit-rate', '50K',
                             url(port, 'data.bin'))
        client.await_output(1000)
        client.kill()
    check_serves(port)
    check_ends(server)


def garbage_gets_an_alert():
    server, port = serve()
    for rubbish in (b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', os.urandom(100000), b'\x00' * 5000,
                    b'\x16\x03\x01\xff\xff' + b'x' * 70000, b'\x15\x03\x01\x00\x02\x02\x28'):
        with socket.create_connection(('127.0.0.1', port), kit.LIMIT_S) as plain:
            plain.sendall(rubbish)
            plain.shutdown(socket.SHUT_WR)
            answer = b''.join(iter(lambda: plain.recv(65536), b''))
        kit.check(answer[:1] in (b'\x15', b''), 'that is no alert: %r' % answer[:20])
    check_serves(port)
    check_ends(server)


def garbage_within_tls():
    """A record that does not authenticate ends the connection with an alert."""
    server, port = serve()
    plain = socket.create_connection(('127.0.0.1', port), kit.LIMIT_S)
    tls = tls_context().wrap_socket(plain, server_hostname='localhost')
    os.write(tls.fileno(), b'\x17\x03\x03\x00\x20' + b'x' * 32)
    try:
        answer = receive_all(tls)
        raise kit.Failure('no alert, but %r' % answer)
    except ssl.SSLError as error:
        kit.check('alert' in str(error).lower(), str(error))
    finally:
        tls.close()
    check_serves(port)
    check_ends(server)


def refusal_reaches_a_client_that_sends_on():
    """What we have not read must not turn our answer into a reset."""
    server, port = serve()
    for _ in range(10):
        with connection(port) as tls:
            tls.sendall(get('', 'Content-Length: 400000', method='PUT') + b'x' * 400000)
            answer = receive_all(tls)
        kit.check(status_of(answer) == 405, answer)
        kit.check(answer.endswith(b'405 Method Not Allowed\n'), answer)
    check_ends(server)


def a_file_that_shrinks_never_looks_whole():
    root = make_root()
    (root / 'shrinks').write_bytes(kit.payload(BIG).read_bytes()[:64 << 20])
    server, port = serve(root=root)
    with connection(port) as tls:
        tls.sendall(get('shrinks', 'Connection: close'))
        got = len(tls.recv(1000))
        os.truncate(root / 'shrinks', 1 << 20)
        try:
            got += len(receive_all(tls))
            raise kit.Failure('it ended well after %d bytes' % got)
        except (ssl.SSLError, ConnectionError):
            pass
    check_serves(port)
    check_ends(server)


def no_descriptors_left():
    """Then nobody is accepted for a while; who waits is served when some are free again."""
    server, port = serve()
    check_serves(port)
    _, hard = resource.prlimit(server.child.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.child.pid, resource.RLIMIT_NOFILE, (24, hard))
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(socket.create_connection(('127.0.0.1', port)))
        time.sleep(1)
        ticks = cpu_ticks(server)
        time.sleep(1)
        ticks = cpu_ticks(server) - ticks
        kit.check(ticks < 50, 'it spins: %d ticks in a second' % ticks)
    check_serves(port)
    check_ends(server)
    return '%d ticks of a hundred while it could not accept' % ticks


def cpu_ticks(server):
    with open('/proc/%d/stat' % server.child.pid, encoding='ascii') as stat:
        fields = stat.read().rsplit(')', 1)[1].split()
    return int(fields[11]) + int(fields[12])


def idle_costs_nothing():
    server, port = serve()
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            tls = stack.enter_context(connection(port))
            tls.sendall(get('hello.html'))
            tls.recv(4096)
        time.sleep(0.3)
        ticks = cpu_ticks(server)
        time.sleep(2)
        ticks = cpu_ticks(server) - ticks
    kit.check(ticks < 20, 'idle, and yet %d ticks in two seconds' % ticks)
    check_ends(server)
    return '%d ticks in two seconds for 50 idle connections' % ticks


def more_than_the_table_holds():
    server, port = serve()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        raise kit.Skip('no more than %d descriptors for us' % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    with contextlib.ExitStack() as stack:
        for _ in range(1100):
            stack.enter_context(socket.create_connection(('127.0.0.1', port)))
    check_serves(port)
    check_ends(server)


def told_to_end(number):
    """With sessions in every state."""
    server, port = serve()
    with contextlib.ExitStack() as stack:
        stack.enter_context(socket.create_connection(('127.0.0.1', port)))
        idle = stack.enter_context(connection(port))
        idle.sendall(get('hello.html'))
        while not idle.recv(4096).endswith(b'hello'):
            pass
        half = stack.enter_context(connection(port))
        half.sendall(b'GET /hel')
        slow = stack.enter_context(connection(port, receive_buffer=4096))
        slow.sendall(get('data.bin'))
        time.sleep(0.2)
        check_ends(server, number)
        kit.check(receive_all(idle) == b'', 'no close_notify for an idle client')
        try:
            receive_all(slow)
            raise kit.Failure('a cut body looks whole')
        except (ssl.SSLError, ConnectionError):
            pass


def bad_command_lines():
    for status, arguments in (
            (2, []), (2, ['--cert', 'x']), (2, ['--self-signed', '--cert', 'x']),
            (2, ['--self-signed', '--offload', 'perhaps']), (2, ['--frobnicate']),
            (2, ['--self-signed', 'more']), (2, ['--self-signed', '--listen', '1:2:3']),
            (2, ['--self-signed', '--listen', '127.0.0.1']),
            (1, ['--cert', '/nonexistent', '--key', '/nonexistent']),
            (1, ['--cert', kit.path('ec.pem'), '--key', kit.path('rsa.key')]),
            (1, ['--self-signed', '--root', '/nonexistent']),
            (1, ['--self-signed', '--listen', '192.0.2.1:0']), (0, ['--help'])):
        tool = kit.Process(kit.TOOL, 'serve', *arguments)
        kit.check(tool.wait() == status, '%d, not %d: %s' % (tool.wait(), status, arguments))
        kit.check(bool(tool.errors()) == bool(status), 'said nothing, or too much: %s' % arguments)
    port = serve()[1]
    tool = kit.Process(kit.TOOL, 'serve', '--self-signed', '--listen', '127.0.0.1:%d' % port)
    kit.check(tool.wait() == 1 and 'in use' in tool.errors(), 'two on one port')


CASES = [('announces ' + wanted, functools.partial(announces, listen, wanted))
         for listen, wanted in (('127.0.0.1:0', '127.0.0.1'), ('[::1]:0', '[::1]'))]
CASES += [('curl, TLS ' + protocol, functools.partial(whole_file, protocol))
          for protocol in kit.PROTOCOLS]
CASES += [('--offload ' + when, functools.partial(offload, when))
          for when in ('auto', 'off', 'tx', 'rx', 'both', 'required')]
CASES += [
    ('--self-signed is for localhost', self_signed_is_for_localhost),
    ('HEAD', head_of_a_file),
    ('small things', small_things),
    ('ranges', ranges),
    ('keep-alive, HTTP/1.1', functools.partial(keep_alive, '1.1')),
    ('keep-alive, HTTP/1.0', functools.partial(keep_alive, '1.0', '-H', 'Connection: keep-alive')),
    ('closes when asked', closes_when_asked),
    ('statuses', statuses),
    ('curl cannot leave the root', curl_cannot_leave_the_root),
    ('pipelined', pipelined),
    ('byte by byte', byte_by_byte),
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
    ('bad command lines', bad_command_lines),
]

if __name__ == '__main__':
    kit.main(CASES, 'curl')
