#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What `ktls serve` answers: to curl, to requests that are wrong, to paths that would leave the root;
and what it makes of its command line.
"""

import functools
import signal
import ssl

import kit
import web
from web import SIZE, curl, get, url


def announces(listen, wanted):
    server = kit.Process(kit.TOOL, 'serve', '--listen', listen, '--self-signed')
    server.await_text('listening on ')
    line = server.out.read_text()
    kit.check(line.startswith('listening on https://%s:' % wanted) and line.endswith('\n'), line)
    port = int(line.rsplit(':', 1)[1])
    kit.check(line == 'listening on https://%s:%d\n' % (wanted, port), line)
    code = curl('-k', '-o', '/dev/null', '-w', '%{http_code}', line.split()[2])
    kit.check(code == b'404', 'it does not serve')
    web.check_ends(server, signal.SIGINT)


def self_signed_is_for_localhost():
    server = kit.Process(kit.TOOL, 'serve', '--listen', '127.0.0.1:0', '--self-signed')
    server.await_text('listening on ')
    port = int(server.out.read_text().rsplit(':', 1)[1])
    certificate = kit.path('self-signed.pem')
    certificate.write_text(ssl.get_server_certificate(('127.0.0.1', port)))
    for host in ('localhost', '127.0.0.1'):
        curl('--cacert', certificate, '-o', '/dev/null', 'https://%s:%d/' % (host, port))
    refused = kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'), url(port, ''))
    kit.check(refused.wait() == 60, 'a stranger trusts it')
    web.check_ends(server)


def offload(when):
    """Each policy serves the same bytes, wherever this kernel lets them be protected."""
    server, port = web.serve('--offload', when)
    if when == 'required' and not kit.probe()['ulp']['works']:
        client = kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'), url(port, 'data.bin'))
        # In TLS 1.3 the client has its Finished before it gets the alert.
        kit.check(client.wait() in (35, 56) and not client.out.read_bytes(), 'served in userspace')
        web.check_ends(server)
        return 'required, and refused'
    got = kit.new_path('got')
    curl('-o', got, url(port, 'data.bin'))
    kit.check_same(got, kit.payload(SIZE))
    web.check_ends(server)
    return server.line('tx=')


def head_of_a_file():
    _, port = web.serve()
    answer = curl('-I', url(port, 'data.bin')).decode()
    for line in ('Content-Length: %d' % SIZE, 'Accept-Ranges: bytes', 'Last-Modified: ',
                 'Date: ', 'Content-Type: application/octet-stream'):
        kit.check('\r\n' + line in answer, 'no %s in %s' % (line, answer))
    kit.check(answer.endswith('\r\n\r\n'), 'something follows the head')


def small_things():
    _, port = web.serve()
    kit.check(curl(url(port, 'empty.txt')) == b'', 'the empty file')
    kit.check(curl(url(port, 'sub/')) == b'index', 'index.html of sub/')
    kit.check(curl('-L', '-w', '%{num_redirects}', url(port, 'sub')) == b'index1', 'sub')
    kit.check(curl(url(port, 'hello.html?query#f')) == b'hello', 'a query')
    kit.check(curl(url(port, 'h%65llo.html')) == b'hello', 'an escape')
    kit.check(curl(url(port, 'inside')) == b'hello', 'a link that stays inside')


def ranges():
    _, port = web.serve()
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
    kit.check(len(curl('-r', '0-4,4-5', url(port, 'data.bin'))) == SIZE, 'ranges that overlap')
    answer = curl('-i', '-r', '%d-' % SIZE, url(port, 'data.bin')).decode()
    kit.check(' 416 ' in answer and 'Content-Range: bytes */%d\r\n' % SIZE in answer, answer)


def keep_alive_of_old():
    server, port = web.serve()
    answer = curl('--http1.0', '-H', 'Connection: keep-alive', '-w', '%{num_connects}',
                  url(port, 'hello.html'), url(port, 'hello.html'))
    kit.check(answer == b'hello1hello0', 'two files: %s' % answer)
    web.check_ends(server)


def closes_when_asked():
    _, port = web.serve()
    for request in (get('hello.html', 'Connection: close'), get(version='1.0')):
        answer = web.talk(port, request)
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
    server, port = web.serve()
    for wanted, request in STATUSES:
        # The close is asked for behind the request, by one that is refused, if it is read at all.
        answer = web.talk(port, request, b'QUIT\r\n\r\n')
        kit.check(web.status_of(answer) == wanted, '%s for %r' % (answer[:40], request[:60]))
        kit.check(b'secret' not in answer, 'the secret is out: %r' % request)
        kit.check(wanted != 405 or b'\r\nAllow: GET, HEAD\r\n' in answer, 'no Allow: %r' % answer)
        length = int(answer.split(b'Content-Length: ')[1].split(b'\r')[0])
        body = answer.split(b'\r\n\r\n', 1)[1]
        kit.check(body[length:length + 9] in (b'', b'HTTP/1.1 '), 'a body of other length')
    web.check_ends(server)
    return '%d requests' % len(STATUSES)


def curl_cannot_leave_the_root():
    _, port = web.serve()
    for way in ('../secret', '../../../../etc/passwd', 'sub/../../secret', '%2e%2e/secret'):
        code = curl('--path-as-is', '-o', '/dev/null', '-w', '%{http_code}', url(port, way))
        kit.check(code == b'403', '%s for %s' % (code, way))


def pipelined():
    _, port = web.serve()
    data = kit.payload(SIZE).read_bytes()
    parts = [(n * 997, 1000 + n) for n in range(100)]
    requests = [get('data.bin', 'Range: bytes=%d-%d' % (at, at + n - 1)) for at, n in parts]
    answer = web.talk(port, b''.join(requests) + get('none', 'Connection: close'))
    for at, n in parts:
        head, answer = answer.split(b'\r\n\r\n', 1)
        kit.check(web.status_of(head) == 206, head)
        kit.check(answer[:n] == data[at:at + n], 'the part at %d is wrong' % at)
        answer = answer[n:]
    kit.check(web.status_of(answer) == 404, answer)


def byte_by_byte():
    _, port = web.serve()
    with web.connection(port) as tls:
        for byte in get('hello.html', 'Connection: close'):
            tls.sendall(bytes([byte]))
        answer = web.receive_all(tls)
    kit.check(answer.endswith(b'\r\n\r\nhello'), answer)


def bad_command_lines():
    for status, arguments in (
            (2, []), (2, ['--cert', 'x']), (2, ['--self-signed', '--cert', 'x']),
            (2, ['--self-signed', '--offload', 'perhaps']), (2, ['--frobnicate']),
            (2, ['--self-signed', 'more']), (2, ['--self-signed', '--listen', '1:2:3']),
            (2, ['--self-signed', '--listen', '127.0.0.1']),
            (1, ['--cert', '/nonexistent', '--key', '/nonexistent']),
            (1, ['--cert', kit.path('ec.pem'), *kit.identity('rsa')[2:]]),
            (1, ['--self-signed', '--root', '/nonexistent']),
            (1, ['--self-signed', '--listen', '192.0.2.1:0']), (0, ['--help'])):
        tool = kit.Process(kit.TOOL, 'serve', *arguments)
        kit.check(tool.wait() == status, '%d, not %d: %s' % (tool.wait(), status, arguments))
        kit.check(bool(tool.errors()) == bool(status), 'said nothing, or too much: %s' % arguments)
    port = web.serve()[1]
    tool = kit.Process(kit.TOOL, 'serve', '--self-signed', '--listen', '127.0.0.1:%d' % port)
    kit.check(tool.wait() == 1 and 'in use' in tool.errors(), 'two on one port')


CASES = [('announces ' + wanted, functools.partial(announces, listen, wanted))
         for listen, wanted in (('127.0.0.1:0', '127.0.0.1'), ('[::1]:0', '[::1]'))]
CASES += [('--offload ' + when, functools.partial(offload, when))
          for when in ('auto', 'off', 'tx', 'rx', 'both', 'required')]
CASES += [
    ('--self-signed is for localhost', self_signed_is_for_localhost),
    ('HEAD', head_of_a_file),
    ('small things', small_things),
    ('ranges', ranges),
    ('keep-alive, HTTP/1.0', keep_alive_of_old),
    ('closes when asked', closes_when_asked),
    ('statuses', statuses),
    ('curl cannot leave the root', curl_cannot_leave_the_root),
    ('pipelined', pipelined),
    ('byte by byte', byte_by_byte),
    ('bad command lines', bad_command_lines),
]

if __name__ == '__main__':
    kit.main(CASES, 'curl')
