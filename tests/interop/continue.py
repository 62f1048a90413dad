#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls get --continue`: a transfer that was killed, cut, or had no room goes on where it was, from our
own server, nginx, and one that forgets and lies; and never is the rest of one file put behind the
beginning of another.
"""

import functools
import os
import re
import signal

import kit
from host import (BODY, CLOSE, CUT, SIZE, STALL, TAG, Host, asked, check_body, check_clean,
                  check_status, get, head, new_directory, nginx_server, ranged, whole)


def limited(kilobytes, *arguments):
    """A client whose files can be no larger, as on a disk that is full there."""
    return kit.Process('bash', '-c', 'ulimit -f %d; exec "$@"' % kilobytes, 'bash', kit.TOOL, 'get',
                       '--ca', kit.path('ca.pem'), *arguments)


def check_part(client, status, file, size):
    """It failed, said how much there is, and that is there."""
    check_status(client, status)
    part = file.with_name(file.name + '.part')
    kit.check(not file.exists(), 'half a file')
    kit.check('%d bytes are in %s, and the same command goes on' % (size, part) in client.errors(),
              client.errors())
    kit.check(part.stat().st_size == size, '%d bytes are there' % part.stat().st_size)


def go_on_from(start_server):
    """A real server's file, from several offsets; with the rest only coming."""
    wanted = kit.payload(SIZE)
    _, port = start_server(wanted.parent)
    for kilobytes in (1, 128, 1000, SIZE // 1024):
        file = kit.new_path('got')
        arguments = ['https://localhost:%d/%s' % (port, wanted.name), '-C', '-o', file]
        check_part(limited(kilobytes, *arguments), 23, file, kilobytes * 1024)
        client = get(*arguments)
        check_status(client, 0)
        kit.check_same(file, wanted)
        check_clean(file)
        line = client.errors().splitlines()[-1]
        kit.check(' %d bytes ' % (SIZE - kilobytes * 1024) in line, line)
    return line


def all_was_there(start_server):
    """Killed between the last byte and the name: the server is asked, and nothing is fetched."""
    wanted = kit.payload(SIZE)
    _, port = start_server(wanted.parent)
    file = kit.new_path('got')
    arguments = ['https://localhost:%d/%s' % (port, wanted.name), '-C', '-o', file]
    check_part(limited(128, *arguments), 23, file, 131072)
    file.with_name(file.name + '.part').write_bytes(wanted.read_bytes())
    client = get(*arguments)
    check_status(client, 0)
    kit.check_same(file, wanted)
    check_clean(file)
    kit.check(' 0 bytes ' in client.errors(), client.errors())


def changed_meanwhile(start_server):
    """Also to the same size: never is one file's rest put behind the other's beginning."""
    for size in (SIZE, SIZE + 1000, 70000):
        root = new_directory()
        kit.write_payload(root / 'f', SIZE)
        server, port = start_server(root)
        file = kit.new_path('got')
        arguments = ['https://localhost:%d/f' % port, '-C', '-o', file]
        check_part(limited(128, *arguments), 23, file, 131072)
        (root / 'f').write_bytes(os.urandom(size))
        os.utime(root / 'f', (1, 1))
        # Another server, lest it was in the cache of the first.
        server.kill()
        _, port = start_server(root)
        note = file.with_name(file.name + '.part.info')
        note.write_text(re.sub(r'localhost:\d+', 'localhost:%d' % port, note.read_text()))
        client = get('https://localhost:%d/f' % port, '-C', '-o', file)
        check_status(client, 0)
        kit.check_same(file, root / 'f')
        kit.check('from the beginning' in client.errors(), client.errors())


def killed(number):
    """By a signal in the middle, at several offsets, and gone on with."""
    for size in (1, 65536, SIZE - 1):
        def answer(path, fields, size=size):
            if asked(fields):
                yield from ranged(path, fields)
            else:
                yield head('200 OK', 'Content-Length: %d' % SIZE, TAG) + BODY[:size]
                yield STALL

        host = Host(answer)
        file = kit.new_path('got')
        part = file.with_name(file.name + '.part')
        client = get('-C', '-o', file, host.url('f'))
        client.await_that(lambda part=part, size=size:
                          part.exists() and part.stat().st_size == size, 'all but the rest')
        kit.check(client.kill(number) == -number, 'it did not die of it')
        if number != signal.SIGKILL:
            kit.check('interrupted; %d bytes are in %s' % (size, part) in client.errors(),
                      client.errors())
        check_status(get('-C', '-o', file, host.url('f')), 0)
        check_body(file)
        kit.check(host.requests[-1][1]['range'] == 'bytes=%d-' % size, str(host.requests[-1]))


def cut(notify):
    def answer(path, fields):
        if asked(fields):
            yield from ranged(path, fields)
        else:
            yield head('200 OK', 'Content-Length: %d' % SIZE, TAG) + BODY[:100000]
            yield CLOSE if notify else CUT

    host = Host(answer)
    file = kit.new_path('got')
    client = get('-C', '-o', file, host.url('f'))
    check_part(client, 18, file, 100000)
    kit.check('truncated after 100000 bytes of %d' % SIZE in client.errors(), client.errors())
    check_status(get('-C', '-o', file, host.url('f')), 0)
    check_body(file)


def chunks_are_gone_on_with():
    """Of an answer that did not say how much it would be."""
    def answer(path, fields):
        begin = asked(fields)
        rest = BODY[begin:]
        if begin:
            yield head('206 Partial Content', 'Transfer-Encoding: chunked', TAG,
                       'Content-Range: bytes %d-%d/*' % (begin, SIZE - 1))
        else:
            yield head('200 OK', 'Transfer-Encoding: chunked', TAG)
        for at in range(0, len(rest), 50000):
            yield b'%x\r\n%s\r\n' % (len(rest[at:at + 50000]), rest[at:at + 50000])
            if not begin and at == 200000:
                yield CUT
        yield b'0\r\n\r\n'

    host = Host(answer)
    file = kit.new_path('got')
    check_part(get('-C', '-o', file, host.url('f')), 18, file, 250000)
    check_status(get('-C', '-o', file, host.url('f')), 0)
    check_body(file)


def not_a_part(answer_again, status=0, says=''):
    """100000 bytes are here; what comes then is no rest of it."""
    def answer(path, fields):
        if 'range' in fields:
            yield from answer_again(asked(fields))
        elif len(host.requests) == 1:
            yield head('200 OK', 'Content-Length: %d' % SIZE, TAG) + BODY[:100000]
            yield CUT
        else:
            yield whole('ETag: "two"')

    host = Host(answer)
    file = kit.new_path('got')
    check_part(get('-C', '-o', file, host.url('f')), 18, file, 100000)
    client = get('-C', '-o', file, host.url('f'))
    check_status(client, status)
    kit.check(says in client.errors(), client.errors())
    if status:
        kit.check(not file.exists(), 'half a file')
    else:
        check_body(file)


def partial(begin, end, size, body, *fields):
    return head('206 Partial Content', 'Content-Length: %d' % len(body),
                'Content-Range: bytes %d-%d/%d' % (begin, end, size), *fields) + body


NO_PARTS = {
    'Range is ignored': lambda begin: [whole(TAG)],
    'a Content-Range of other bytes':
        lambda begin: [partial(begin - 1, SIZE - 2, SIZE, BODY[begin:])],
    'a Content-Range of the whole': lambda begin: [partial(0, SIZE - 1, SIZE, BODY)],
    'no Content-Range': lambda begin: [head('206 Partial Content', 'Content-Length: 1') + b'x'],
    'several parts': lambda begin: [head('206 Partial Content', 'Content-Length: 5',
                                         'Content-Type: multipart/byteranges; boundary=x'), b'--x--'],
    'If-Range is ignored': lambda begin: [partial(begin, SIZE - 1, SIZE, b'x' * (SIZE - begin),
                                                  'ETag: "two"')],
    'a size that has changed': lambda begin: [partial(begin, SIZE, SIZE + 1,
                                                      b'x' * (SIZE - begin + 1))],
    '416, for it has shrunk': lambda begin: [head('416 Range Not Satisfiable', 'Content-Length: 0',
                                                  'Content-Range: bytes */5')],
}

NO_REST = {
    'less than was promised': (18, '150000 bytes are in',
                               lambda begin: [partial(begin, SIZE - 1, SIZE, BODY[begin:])[:-1]
                                              [:-(SIZE - 150001)], CUT]),
    'only a piece': (18, 'only a piece', lambda begin: [partial(begin, 149999, SIZE,
                                                                BODY[begin:150000])]),
    'refused': (22, '100000 bytes are in', lambda begin: [head('503 Busy', 'Content-Length: 0')]),
}


def nothing_to_know_it_by():
    """Without a validator, or with a weak one, a part is of no use, and does not stay."""
    for field in ('X: y', 'ETag: W/"one"', 'Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT'):
        host = Host(lambda path, fields, field=field: [
            head('200 OK', 'Content-Length: 10', field) + b'0123', CUT])
        file = kit.new_path('got')
        client = get('-C', '-o', file, host.url('f'))
        check_status(client, 18)
        kit.check('truncated after 4 bytes' in client.errors() and '.part' not in client.errors(),
                  client.errors())
        check_clean(file)


def a_date_is_as_good():
    date = 'Sun, 06 Nov 1994 08:49:37 GMT'

    def answer(_path, fields):
        if fields.get('if-range') == date:
            yield partial(4, 9, 10, b'456789')
        else:
            yield head('200 OK', 'Content-Length: 10', 'Last-Modified: ' + date,
                       'Date: Mon, 07 Nov 1994 08:49:37 GMT') + b'0123'
            yield CUT

    host = Host(answer)
    file = kit.new_path('got')
    check_part(get('-C', '-o', file, host.url('f')), 18, file, 4)
    check_status(get('-C', '-o', file, host.url('f')), 0)
    check_body(file, b'0123456789')


def what_is_not_ours():
    host = Host(lambda path, fields: [whole()])
    file = kit.new_path('got')
    part = file.with_name(file.name + '.part')
    part.write_text('mine')
    client = get('-C', '-o', file, host.url('f'))
    check_status(client, 23)
    kit.check('nothing says what it is a part of' in client.errors(), client.errors())
    kit.check(part.read_text() == 'mine' and not host.requests, 'it was touched')


def two_at_once():
    host = Host(lambda path, fields: [head('200 OK', 'Content-Length: 10', TAG) + b'0123', STALL])
    file = kit.new_path('got')
    part = file.with_name(file.name + '.part')
    first = get('-C', '-o', file, host.url('f'))
    first.await_that(lambda: part.exists() and part.stat().st_size == 4, 'begin')
    second = get('-C', '-o', file, host.url('f'))
    check_status(second, 23)
    kit.check('another process' in second.errors(), second.errors())
    kit.check(part.stat().st_size == 4, 'it was touched')


# Disks

def in_a_namespace(script, *arguments):
    """By the shell, with mounts of its own."""
    client = kit.Process('unshare', '-rm', 'bash', '-euc', script, 'bash', kit.TOOL,
                         kit.path('ca.pem'), *arguments)
    status = client.wait()
    if 'unshare' in client.errors() or 'mount:' in client.errors():
        raise kit.Skip('no mounts here: %s' % client.errors().splitlines()[-1])
    kit.check(status == 0, 'it ended with %d' % status)
    return client


def a_full_disk():
    """Three megabytes where there is room for two; they stay, and when there is more it goes on."""
    wanted = kit.payload(SIZE)
    _, port = kit.tool_server(wanted.parent)
    directory = new_directory()
    url = 'https://localhost:%d/%s' % (port, wanted.name)
    client = in_a_namespace('''
        tool=$1 ca=$2 directory=$3 url=$4 wanted=$5
        mount -t tmpfs -o size=8m none "$directory"
        mkdir "$directory/d"
        head -c 6M /dev/zero >"$directory/filler"
        directory=$directory/d
        "$tool" get --ca "$ca" -O -d "$directory" "$url" && exit 10
        [ -z "$(ls "$directory")" ] || exit 11
        "$tool" get --ca "$ca" -C -O -d "$directory" "$url" && exit 12
        [ -s "$directory/${url##*/}.part" ] || exit 13
        rm "$directory/../filler"
        "$tool" get --ca "$ca" -C -O -d "$directory" "$url" || exit 14
        cmp "$directory/${url##*/}" "$wanted"
        [ "$(ls "$directory" | wc -l)" = 1 ] || exit 15
        ''', directory, url, wanted)
    kit.check(client.errors().count('No space left on device') == 2, client.errors())
    kit.check(re.search(r'\d+ bytes are in .*[.]part, and the same', client.errors()),
              client.errors())


def a_disk_that_is_only_read():
    host = Host(lambda path, fields: [whole()])
    directory = new_directory()
    client = in_a_namespace('''
        tool=$1 ca=$2 directory=$3 url=$4
        mount -t tmpfs -o ro none "$directory"
        "$tool" get --ca "$ca" -O -d "$directory" "$url" && exit 10
        "$tool" get --ca "$ca" -C -O -d "$directory" "$url" && exit 11
        exit 0
        ''', directory, host.url('f'))
    kit.check(client.errors().count('%s/f: Read-only file system' % directory) == 2,
              client.errors())


CASES = [
    ('go on, from ktls serve', lambda: go_on_from(kit.tool_server)),
    ('go on, from nginx', lambda: go_on_from(nginx_server)),
    ('all was there, from ktls serve', lambda: all_was_there(kit.tool_server)),
    ('all was there, from nginx', lambda: all_was_there(nginx_server)),
    ('changed meanwhile, at ktls serve', lambda: changed_meanwhile(kit.tool_server)),
    ('changed meanwhile, at nginx', lambda: changed_meanwhile(nginx_server)),
    ('killed by SIGKILL', lambda: killed(signal.SIGKILL)),
    ('ended by SIGINT', lambda: killed(signal.SIGINT)),
    ('cut, with close_notify', lambda: cut(True)),
    ('cut, without close_notify', lambda: cut(False)),
    ('chunks are gone on with', chunks_are_gone_on_with),
]
CASES += [(name, functools.partial(not_a_part, answer)) for name, answer in NO_PARTS.items()]
CASES += [(name, functools.partial(not_a_part, answer, status, says))
          for name, (status, says, answer) in NO_REST.items()]
CASES += [
    ('nothing to know it by', nothing_to_know_it_by),
    ('a date is as good', a_date_is_as_good),
    ('what is not ours', what_is_not_ours),
    ('two at once', two_at_once),
    ('a full disk', a_full_disk),
    ('a disk that is only read', a_disk_that_is_only_read),
]

if __name__ == '__main__':
    kit.main(CASES)
