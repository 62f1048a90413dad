#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What `ktls serve` makes of what a request says about the answer it wants, with curl as the one who
asks: conditions, several ranges, codings; and how soon it sees that a file has changed.
"""

import email
import gzip
import os
import re
import signal
import time

import kit
import web
from web import SIZE, curl, url

# A change is seen within a second, as long as the machine is not busy otherwise.
SEEN_S = 1.2


def ask(port, name, *fields, method='GET'):
    """(status, fields, body); the names of the fields in lower case."""
    options = [word for field in fields for word in ('-H', field)]
    head = kit.new_path('head')
    body = curl('-X', method, '-D', head, *options, *(['-I'] if method == 'HEAD' else []),
                url(port, name))
    lines = head.read_text().split('\n')
    got = dict(line.split(': ', 1) for line in lines[1:] if ': ' in line)
    return (int(lines[0].split()[1]), {name.lower(): value for name, value in got.items()},
            b'' if method == 'HEAD' else body)


def check_status(answer, status):
    kit.check(answer[0] == status, '%d, not %d: %s' % (answer[0], status, answer[1]))


def curl_asks_again():
    """Its own way to say If-None-Match and If-Modified-Since."""
    _, port = web.serve()
    file, etag = kit.new_path('file'), kit.new_path('etag')
    curl('--etag-save', etag, '-o', file, url(port, 'data.bin'))
    kit.check_same(file, kit.payload(SIZE))
    kit.check(etag.read_text().startswith('"'), 'the tag is "%s"' % etag.read_text())
    for options in (['--etag-compare', etag], ['-z', file]):
        again = curl(*options, '-w', '%{http_code} %{size_download}', '-o', kit.new_path('none'),
                     url(port, 'data.bin'))
        kit.check(again == b'304 0', '%s: %s' % (options[0], again))
    again = curl('-z', '1 Jan 2001', '-w', '%{http_code}', '-o', '/dev/null', url(port, 'data.bin'))
    kit.check(again == b'200', again)


def conditions():
    _, port = web.serve()
    etag = ask(port, 'hello.html')[1]['etag']
    date = ask(port, 'hello.html')[1]['last-modified']
    for status, *fields in (
            (304, 'If-None-Match: ' + etag), (304, 'If-None-Match: "a", W/' + etag),
            (304, 'If-None-Match: *'), (200, 'If-None-Match: "a"'),
            (304, 'If-Modified-Since: ' + date),
            (200, 'If-None-Match: "a"', 'If-Modified-Since: ' + date),
            (200, 'If-Match: ' + etag), (412, 'If-Match: "a"'), (412, 'If-Match: W/' + etag),
            (200, 'If-Unmodified-Since: ' + date),
            (412, 'If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT')):
        for method in ('GET', 'HEAD'):
            answer = ask(port, 'hello.html', *fields, method=method)
            check_status(answer, status)
            kit.check(status == 412 or answer[1]['etag'] == etag, answer)
            if method == 'GET':
                kit.check((answer[2] == b'hello') == (status == 200), answer)


def if_range():
    root = web.make_root()
    os.utime(root / 'hello.html', (1e9, 1e9))
    _, port = web.serve(root=root)
    fields = ask(port, 'hello.html')[1]
    for status, value in ((206, fields['etag']), (206, fields['last-modified']), (200, '"a"'),
                          (200, 'W/' + fields['etag']),
                          (200, 'Sun, 06 Nov 1994 08:49:37 GMT')):
        answer = ask(port, 'hello.html', 'Range: bytes=1-2', 'If-Range: ' + value)
        check_status(answer, status)
        kit.check(answer[2] == (b'el' if status == 206 else b'hello'), answer)


def several_ranges():
    """Read by Python's parser of MIME, of a file in memory and of one that is sent from disk."""
    _, port = web.serve()
    for name, data in (('data.bin', kit.payload(SIZE).read_bytes()), ('hello.html', b'hello')):
        size = len(data)
        ranges = [(size - 2, size - 1), (0, 0), (2, 2)] + [
            (n * 10007, n * 10007 + 99 * n) for n in range(3, 16) if size > 10 ** 6]
        status, fields, body = ask(port, name, 'Range: bytes=' + ','.join(
            '%d-%d' % pair for pair in ranges) + (',%d-' % size if size < 10 else ''))
        kit.check(status == 206 and len(body) == int(fields['content-length']), fields)
        message = email.message_from_bytes(
            ('Content-Type: %s\r\n\r\n' % fields['content-type']).encode() + body)
        parts = message.get_payload()
        kit.check(len(parts) == len(ranges), '%d parts' % len(parts))
        boundary = b'--' + message.get_boundary().encode()
        pieces = body.split(b'\r\n' + boundary)[1:-1]
        for (first, last), part, piece in zip(ranges, parts, pieces):
            kit.check(part['Content-Range'] == 'bytes %d-%d/%d' % (first, last, size),
                      part.items())
            kit.check(piece.split(b'\r\n\r\n', 1)[1] == data[first:last + 1],
                      'other bytes from %d on' % first)
    whole = ask(port, 'data.bin', 'Range: bytes=' + ','.join('%d-%d' % (n, n) for n in range(17)))
    check_status(whole, 200)
    check_status(ask(port, 'data.bin', 'Range: bytes=%d-,%d-' % (SIZE, SIZE + 1)), 416)


def codings():
    root = web.make_root()
    text = b'some text, again and again, ' * 2000
    (root / 'a.css').write_bytes(text)
    (root / 'a.css.gz').write_bytes(gzip.compress(text))
    (root / 'a.css.br').write_bytes(b'taken for brotli')
    _, port = web.serve(root=root)
    kit.check(curl('--compressed', '-H', 'Accept-Encoding: gzip', url(port, 'a.css')) == text,
              'what curl makes of gzip')
    tags = set()
    for accept, coding, body in ((None, None, text), ('gzip', 'gzip', None),
                                 ('gzip, br', 'br', b'taken for brotli'),
                                 ('br;q=0.1, gzip', 'gzip', None), ('identity', None, text),
                                 ('zstd', None, text)):
        status, fields, got = ask(port, 'a.css', *(['Accept-Encoding: ' + accept] if accept else []))
        kit.check(status == 200 and fields.get('content-encoding') == coding, fields)
        kit.check(fields['vary'] == 'Accept-Encoding', fields)
        kit.check(fields['content-type'] == 'text/css; charset=utf-8', fields)
        kit.check(got == body or (body is None and gzip.decompress(got) == text), accept)
        tags.add(fields['etag'])
    kit.check(len(tags) == 3, '%d tags for three representations' % len(tags))
    check_status(ask(port, 'a.css', 'Accept-Encoding: *;q=0'), 406)
    check_status(ask(port, 'hello.html', 'Accept-Encoding: identity;q=0'), 406)
    kit.check('vary' not in ask(port, 'hello.html')[1], 'there is nothing to vary')
    os.utime(root / 'a.css')
    time.sleep(SEEN_S)
    kit.check('content-encoding' not in ask(port, 'a.css', 'Accept-Encoding: gzip, br')[1],
              'compressed from an older state')


def changes_are_seen():
    root = web.make_root()
    server, port = web.serve(root=root)
    file, other = root / 'changing', root / 'other'
    tags = set()

    def append():
        with open(file, 'ab') as end:
            end.write(b'more')

    def replace():
        other.write_bytes(b'another')
        other.rename(file)

    for change, body in ((lambda: file.write_bytes(b'first'), b'first'), (append, b'firstmore'),
                         (replace, b'another'), (lambda: os.truncate(file, 3), b'ano'),
                         (lambda: file.write_bytes(b'x' * 100000), b'x' * 100000),
                         (file.unlink, None), (lambda: file.write_bytes(b'again'), b'again')):
        curl(url(port, 'changing'))
        change()
        time.sleep(SEEN_S)
        answer = ask(port, 'changing')
        check_status(answer, 404 if body is None else 200)
        kit.check(body is None or answer[2] == body, 'not what is there now')
        tags.add(answer[1].get('etag'))
    kit.check(len(tags) == 7, '%d tags for seven states' % len(tags))
    web.check_ends(server)


def pipelined_small_ones():

    root = web.make_root()
    server, port = web.serve(root=root)
    answer = web.talk(port, b''.join(web.get('hello.html') for _ in range(200)) +
                      web.get('hello.html', 'Connection: close'))
    kit.check(answer.count(b'\r\n\r\nhello') == 201, 'not all of them were answered')
    web.check_ends(server)


def types():
    root = web.make_root()
    for name in ('a.txt', 'a.svg', 'a.unknown-ending', 'a'):
        (root / name).touch()
    _, port = web.serve(root=root)
    for name, kind in (('a.txt', 'text/plain; charset=utf-8'), ('a.svg', 'image/svg+xml'),
                       ('a', 'application/octet-stream'),
                       ('a.unknown-ending', 'application/octet-stream'),
                       ('sub/', 'text/html; charset=utf-8')):
        kit.check(ask(port, name)[1]['content-type'] == kind, name)


def lines_of(server, file, count):
    server.await_that(lambda: file.exists() and file.read_text().count('\n') >= count,
                      '%d lines in the log' % count)
    return file.read_text().splitlines()


def access_log():
    file = kit.new_path('log')
    server, port = web.serve('--access-log', file, '--access-log-tls')
    ask(port, 'hello.html', 'User-Agent: a "quoted" one', 'Referer: https://example.org/')
    ask(port, 'none')
    ask(port, 'data.bin', 'Range: bytes=5-99')
    ask(port, 'hello.html', method='HEAD')
    web.talk(port, b'rubbish\r\n\r\n')
    lines = lines_of(server, file, 5)
    start = r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
    for line, wanted in zip(lines, (
            r'"GET /hello.html HTTP/1.1" 200 5 "https://example.org/" "a \\x22quoted\\x22 one"',
            r'"GET /none HTTP/1.1" 404 14 "-" "curl/[^"]*"',
            r'"GET /data.bin HTTP/1.1" 206 95 "-" "curl/[^"]*"',
            r'"HEAD /hello.html HTTP/1.1" 200 0 "-" "curl/[^"]*"',
            r'"-" 400 16 "-" "-"')):
        kit.check(re.fullmatch(start + wanted + r' "TLS 1\.3" TLS_\w+', line), line)

    moved = kit.new_path('moved')
    file.rename(moved)
    server.child.send_signal(signal.SIGHUP)
    server.await_text('reload: done')
    ask(port, 'hello.html')
    kit.check(len(lines_of(server, file, 1)) == 1 and len(lines_of(server, moved, 5)) == 5, 'moved')
    web.check_ends(server)


def access_log_of_both_families():
    """On a socket for both, IPv4 is written as such."""
    file = kit.new_path('log')
    server = kit.Process(kit.TOOL, 'serve', '--listen', '[::]:0', '--root', web.make_root(),
                         '--access-log', file, *kit.identity())
    server.await_text('listening on https://')
    port = int(server.out.read_text().splitlines()[0].split(':')[-1])
    for address in ('127.0.0.1', '[::1]'):
        curl('--resolve', 'localhost:%d:%s' % (port, address), url(port, 'hello.html'))
    lines = lines_of(server, file, 2)
    kit.check([line.split()[0] for line in lines] == ['127.0.0.1', '::1'], str(lines))
    web.check_ends(server)


def access_log_on_a_full_disk():
    """The answers are the same; what was lost is said, and counted."""
    server, port = web.serve('--access-log', '/dev/full')
    answer = web.talk(port, b''.join(web.get('hello.html', 'User-Agent: ' + 'u' * 200)
                                     for _ in range(400)) + web.get('none', 'Connection: close'))
    kit.check(answer.count(b'\r\n\r\nhello') == 400, 'not all of them were answered')
    server.await_text('lines are lost from now on')
    web.check_ends(server)


def access_log_on_stdout():
    server, port = web.serve('--access-log', '-')
    ask(port, 'hello.html')
    server.await_text('"GET /hello.html HTTP/1.1" 200 5')
    web.check_ends(server)


CASES = [
    ('curl asks again', curl_asks_again),
    ('conditions', conditions),
    ('If-Range', if_range),
    ('several ranges', several_ranges),
    ('codings', codings),
    ('changes are seen', changes_are_seen),
    ('pipelined small ones', pipelined_small_ones),
    ('types', types),
    ('access log', access_log),
    ('access log of both families', access_log_of_both_families),
    ('access log on a full disk', access_log_on_a_full_disk),
    ('access log on stdout', access_log_on_stdout),
]

if __name__ == '__main__':
    kit.main(CASES, 'curl')
