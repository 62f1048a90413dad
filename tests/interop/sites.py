#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Which certificate `ktls serve` shows to whom, from its command line and from a file; and that both
are read again on SIGHUP, while connections go on, or stay as they were when what is new is bad.
"""

import shutil
import signal
import subprocess

import kit
import web


def make_certificate(name, *names, stem=None, key=kit.CURVE):
    """STEM.pem and STEM.key, whose subject is `name`, for these names, signed by ca.pem."""
    stem = stem or name.replace('*', 'any')
    kit._req(*key, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-subj', '/CN=' + name,
             '-addext', 'subjectAltName=' + ','.join('DNS:' + one for one in names or (name,)),
             '-addext', 'basicConstraints=critical,CA:FALSE',
             '-keyout', stem + '.key', '-out', stem + '.pem')
    return ['--cert', kit.path(stem + '.pem'), '--key', kit.path(stem + '.key')]


def site_option(names, stem):
    return ['--site', '%s=%s,%s' % (names, kit.path(stem + '.pem'), kit.path(stem + '.key'))]


def start(*options, root=None):
    server = kit.Process(kit.TOOL, 'serve', '--listen', '127.0.0.1:0', '--root',
                         root or web.make_root(), *options)
    server.await_text('listening on https://')
    return server, int(server.out.read_text().splitlines()[0].split(':')[-1])


def subject(port, name, *options):
    """Of the certificate shown to one who asks for this name."""
    answer = subprocess.run(
        ['openssl', 's_client', '-connect', '127.0.0.1:%d' % port, *options,
         *(['-servername', name] if name else ['-noservername'])],
        stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=kit.LIMIT_S).stdout
    line = [line for line in answer.decode().splitlines() if line.startswith('subject=')][0]
    return line.replace(' ', '').split('CN=')[1]


def check_subjects(port, wanted):
    for name, subject_wanted in wanted.items():
        got = subject(port, name)
        kit.check(got == subject_wanted, '%s for %s' % (got, name))


def fetch(port, name):
    """By curl, which verifies the name."""
    return kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'), '--resolve',
                       '%s:%d:127.0.0.1' % (name, port),
                       'https://%s:%d/hello.html' % (name, port))


def exact_names_need_no_word():
    _, port = start(*make_certificate('a.example'), *make_certificate('b.example', 'b.example',
                                                                      'www.b.example'))
    check_subjects(port, {'a.example': 'a.example', 'b.example': 'b.example', None: 'a.example',
                          'www.b.example': 'b.example', 'c.example': 'a.example'})
    for name in ('a.example', 'www.b.example'):
        kit.check(fetch(port, name).run().out.read_bytes() == b'hello', name)
    kit.check(fetch(port, 'c.example').wait() == 60, 'a name of nobody')


def two_keys_for_a_name():
    """Who knows no ECDSA is shown RSA."""
    _, port = start(*make_certificate('ec.example', 'localhost'),
                    *make_certificate('rsa.example', 'localhost', key=['-newkey', 'rsa:2048']))
    for wanted, options in (
            ('ec.example', ()), ('rsa.example', ('-sigalgs', 'RSA-PSS+SHA256')),
            ('ec.example', ('-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256')),
            ('rsa.example', ('-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256'))):
        got = subject(port, 'localhost', *options)
        kit.check(got == wanted, '%s with %s' % (got, options))


def wildcards():
    default = make_certificate('a.example')
    make_certificate('*.w.example')
    _, port = start(*default, *site_option('*.w.example', 'any.w.example'))
    check_subjects(port, {'a.example': 'a.example', 'x.w.example': '*.w.example', None: 'a.example',
                          'X.W.Example': '*.w.example', 'w.example': 'a.example',
                          'x.y.w.example': 'a.example'})
    kit.check(fetch(port, 'x.w.example').run().out.read_bytes() == b'hello', 'x.w.example')


def first_site_is_for_everybody_else():
    make_certificate('a.example')
    make_certificate('b.example')
    _, port = start(*site_option('a.example', 'a.example'), *site_option('b.example', 'b.example'))
    check_subjects(port, {'a.example': 'a.example', 'b.example': 'b.example', None: 'a.example',
                          'c.example': 'a.example'})


def bad_names():
    make_certificate('a.example')
    for names in ('1.2.3.4', '*', 'a..example', '*.*.example', 'a.example,b.example,a.example'):
        tool = kit.Process(kit.TOOL, 'serve', '--check', *site_option(names, 'a.example'))
        kit.check(tool.wait() == 1 and names.split(',')[0] in tool.errors(), tool.errors())


SETTINGS = '''[server]
; a comment
listen = 127.0.0.1:0
root = {root}
cert = {directory}/a.example.pem
key = {directory}/a.example.key

[site *.w.example]
names = w.example
cert = {directory}/any.w.example.pem
key = {directory}/any.w.example.key
'''


def write_settings(file, root, text=SETTINGS):
    file.write_text(text.format(root=root, directory=kit.directory))


def start_with_file():
    make_certificate('a.example')
    make_certificate('*.w.example', '*.w.example', 'w.example')
    file, root = kit.new_path('settings'), web.make_root()
    write_settings(file, root)
    server = kit.Process(kit.TOOL, 'serve', '--config', file)
    server.await_text('listening on https://')
    return server, int(server.out.read_text().split(':')[-1]), file, root


def a_file():
    server, port, _, _ = start_with_file()
    check_subjects(port, {'a.example': 'a.example', 'x.w.example': '*.w.example',
                          'w.example': '*.w.example', None: 'a.example'})
    kit.check(fetch(port, 'w.example').run().out.read_bytes() == b'hello', 'w.example')
    web.check_ends(server)


def check_only():
    make_certificate('a.example')
    good = kit.Process(kit.TOOL, 'serve', '--check', '--cert', kit.path('a.example.pem'), '--key',
                       kit.path('a.example.key'))
    kit.check(good.wait() == 0 and not good.errors() and not good.out.read_bytes(), 'good')
    bad = kit.Process(kit.TOOL, 'serve', '--check', '--cert', kit.path('ca.key'), '--key',
                      kit.path('a.example.key'))
    kit.check(bad.wait() == 1 and 'ca.key' in bad.errors(), bad.errors())
    file = kit.new_path('settings')
    file.write_text('[server]\nroot = /\nroot = /\n')
    bad = kit.Process(kit.TOOL, 'serve', '--check', '--config', file)
    kit.check(bad.wait() == 2 and '%s:3: root: ' % file in bad.errors(), bad.errors())


def hang_up(server, text):
    """SIGHUP, and what is said then."""
    before = len(server.errors())
    server.child.send_signal(signal.SIGHUP)
    server.await_that(lambda: 'reload: %s' % text in server.errors()[before:], text)
    return server.errors()[before:]


def ask(tls):
    answer = b''
    tls.sendall(web.get())
    while not answer.endswith(b'hello'):
        answer += tls.recv(65536) or b'hello'
    kit.check(web.status_of(answer) == 200, answer)


def reload_shows_the_new_certificate():
    server, port = start(*make_certificate('a.example', stem='mine'))
    check_subjects(port, {None: 'a.example'})
    with web.connection(port, name='a.example') as tls:
        ask(tls)
        make_certificate('b.example', stem='mine')
        hang_up(server, 'done')
        check_subjects(port, {None: 'b.example'})
        # The old connection goes on.
        ask(tls)
    web.check_ends(server)


def broken_reload_changes_nothing():
    options = make_certificate('a.example', stem='mine')
    server, port = start(*options)
    make_certificate('b.example', stem='other')
    shutil.copy(kit.path('other.key'), kit.path('mine.key'))
    said = hang_up(server, 'failed')
    kit.check('mine.pem' in said and 'stays as it was' in said, said)
    check_subjects(port, {None: 'a.example'})
    kit.path('mine.pem').unlink()
    said = hang_up(server, 'failed')
    kit.check('mine.pem: No such file' in said, said)
    check_subjects(port, {None: 'a.example'})
    shutil.copy(kit.path('other.pem'), kit.path('mine.pem'))
    hang_up(server, 'done')
    check_subjects(port, {None: 'b.example'})
    web.check_ends(server)


def reload_reads_the_file_again():
    server, port, file, root = start_with_file()
    make_certificate('c.example')
    write_settings(file, root, SETTINGS.replace('a.example', 'c.example')
                   .replace('*.w.example', '*.v.example'))
    hang_up(server, 'done')
    check_subjects(port, {None: 'c.example', 'x.v.example': '*.w.example',
                          'x.w.example': 'c.example'})
    file.write_text('[server]\nroot\n')
    said = hang_up(server, 'failed')
    kit.check('%s:2: ' % file in said, said)
    check_subjects(port, {None: 'c.example'})
    write_settings(file, '/', SETTINGS)
    said = hang_up(server, 'done')
    kit.check('"root" has changed: it stays as it was' in said, said)
    check_subjects(port, {None: 'a.example'})
    kit.check(fetch(port, 'a.example').run().out.read_bytes() == b'hello', 'the old root')
    web.check_ends(server)


def reload_under_load():
    """While connections come and go, the certificate changes; none of them fails."""
    server, port = start(*make_certificate('localhost', stem='mine'), '--threads', '2')
    clients = [kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'), '-H',
                           'Connection: close', *[web.url(port, 'hello.html')] * 20)
               for _ in range(4)]
    for _ in range(10):
        hang_up(server, 'done')
    for client in clients:
        kit.check(client.run().out.read_bytes() == b'hello' * 20, 'curl')
    web.check_ends(server)


CASES = [
    ('exact names need no word', exact_names_need_no_word),
    ('two keys for a name', two_keys_for_a_name),
    ('wildcards', wildcards),
    ('the first site is for everybody else', first_site_is_for_everybody_else),
    ('bad names', bad_names),
    ('a file', a_file),
    ('--check', check_only),
    ('a reload shows the new certificate', reload_shows_the_new_certificate),
    ('a broken reload changes nothing', broken_reload_changes_nothing),
    ('a reload reads the file again', reload_reads_the_file_again),
    ('reload under load', reload_under_load),
]

if __name__ == '__main__':
    kit.main(CASES, 'curl')
