#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls serve` as it runs: as whom, with which parts of its sandbox, and that what it does in there is
all that it has to do.
"""

import os
import pwd
import shutil
import signal

import kit
import web
from sites import check_subjects, hang_up, make_certificate


def status_of(server):
    """/proc/PID/status as a dict."""
    with open('/proc/%d/status' % server.child.pid, encoding='ascii') as file:
        return dict(line.rstrip('\n').split(':\t', 1) for line in file if ':\t' in line)


def start(*options, root=None):
    """In a directory of its own that anybody may look into, as its certificates."""
    server = kit.Process(kit.TOOL, 'serve', '--listen', '127.0.0.1:0', '--root',
                         root or web.make_root(), *options)
    server.await_text('listening on https://')
    return server, int(server.out.read_text().splitlines()[0].split(':')[-1])


def need_sandbox(server):
    if 'sandbox: ' in server.errors():
        raise kit.Skip(server.line('sandbox: '))


def need_root():
    if os.geteuid():
        raise kit.Skip('only root can become another user')


def is_in_force():
    server, port = start(*kit.identity())
    status = status_of(server)
    kit.check(status['NoNewPrivs'] == '1', 'NoNewPrivs: ' + status['NoNewPrivs'])
    web.check_serves(port)
    need_sandbox(server)
    kit.check(status['Seccomp'] == '2', 'Seccomp: ' + status['Seccomp'])
    for thread in os.listdir('/proc/%d/task' % server.child.pid):
        with open('/proc/%d/task/%s/status' % (server.child.pid, thread), encoding='ascii') as file:
            kit.check('Seccomp:\t2\n' in file.read(), 'a thread without')
    web.check_ends(server)


def can_be_left_out():
    server, port = start(*kit.identity(), '--no-sandbox')
    status = status_of(server)
    kit.check(status['NoNewPrivs'] == '0' and status['Seccomp'] == '0', str(status))
    web.check_serves(port)
    web.check_ends(server)


def serves_files_of_all_kinds():
    server, port = start(*kit.identity(), '--threads', '2')
    for name, wanted in (('hello.html', b'hello'), ('sub/', b'index'), ('sub', b'index'),
                         ('inside', b'hello'), ('empty.txt', b'')):
        kit.check(web.curl('-L', web.url(port, name)) == wanted, name)
    got = kit.new_path('got')
    web.curl('-o', got, web.url(port, 'data.bin'))
    kit.check_same(got, kit.payload(web.SIZE))
    for name, wanted in (('none', 404), ('outside', 403), ('upwards', 403), ('bare/', 404)):
        code = int(web.curl('-o', '/dev/null', '-w', '%{http_code}', web.url(port, name)))
        kit.check(code == wanted, '%s: %d' % (name, code))
    web.check_ends(server)


def reloads():
    """A certificate that was replaced by a new file, by a file in place, and behind a link."""
    make_certificate('a.example')
    make_certificate('b.example')
    live, archive = kit.new_path('live'), kit.new_path('archive')
    live.mkdir()
    archive.mkdir()
    for number, name in (('1', 'a.example'), ('2', 'b.example')):
        for end in ('pem', 'key'):
            shutil.copy(kit.path(name + '.' + end), archive / ('mine%s.%s' % (number, end)))
    for end in ('pem', 'key'):
        (live / ('mine.' + end)).symlink_to('../%s/mine1.%s' % (archive.name, end))
    server, port = start('--cert', live / 'mine.pem', '--key', live / 'mine.key')
    check_subjects(port, {None: 'a.example'})
    for end in ('pem', 'key'):
        (live / ('mine.' + end)).unlink()
        (live / ('mine.' + end)).symlink_to('../%s/mine2.%s' % (archive.name, end))
    hang_up(server, 'done')
    check_subjects(port, {None: 'b.example'})
    for end in ('pem', 'key'):
        shutil.copy(archive / ('mine1.' + end), live / ('new.' + end))
        os.replace(live / ('new.' + end), live / ('mine.' + end))
    hang_up(server, 'done')
    check_subjects(port, {None: 'a.example'})
    web.check_ends(server)


def opens_nothing_else():
    """Told so by a file of settings that it may read."""
    make_certificate('a.example')
    settings, elsewhere = kit.new_path('settings'), kit.new_path('elsewhere')
    settings.mkdir()
    elsewhere.mkdir()
    for end in ('pem', 'key'):
        shutil.copy(kit.path('a.example.' + end), settings)
        shutil.copy(kit.path('a.example.' + end), elsewhere)
    file = settings / 'serve.ini'
    text = '[server]\nlisten = 127.0.0.1:0\nroot = %s\ncert = %s/a.example.pem\n' \
           'key = %s/a.example.key\n'
    root = web.make_root()
    file.write_text(text % (root, settings, settings))
    server = kit.Process(kit.TOOL, 'serve', '--config', file)
    server.await_text('listening on https://')
    need_sandbox(server)
    file.write_text(text % (root, elsewhere, elsewhere))
    said = hang_up(server, 'failed')
    kit.check('elsewhere' in said and 'Permission denied' in said, said)
    file.write_text(text % (root, settings, settings))
    hang_up(server, 'done')
    web.check_ends(server)


def opens_its_log_anew():
    logs = kit.new_path('logs')
    logs.mkdir()
    server, port = start(*kit.identity(), '--access-log', logs / 'access')
    web.check_serves(port)
    # It is written behind the answer: a client may be faster.
    kit.await_that(lambda: 'GET /hello.html' in (logs / 'access').read_text(), 'the first line')
    (logs / 'access').rename(logs / 'access.1')
    hang_up(server, 'done')
    kit.check('anew' not in server.errors(), server.errors())
    web.check_serves(port)
    kit.await_that(lambda: 'GET /hello.html' in (logs / 'access').read_text(), 'a line')
    web.check_ends(server)
    kit.check((logs / 'access.1').read_text().count('GET ') == 1, 'the old one')


def open_to_all(*files):
    """What another user must reach."""
    os.chmod(kit.directory, 0o755)
    for file in files:
        os.chmod(file, 0o644)


def becomes_another_user():
    need_root()
    open_to_all(kit.path('ec.key'))
    server, port = start(*kit.identity(), '--user', 'nobody', '--threads', '2')
    nobody = pwd.getpwnam('nobody')
    status = status_of(server)
    kit.check(status['Uid'].split() == [str(nobody.pw_uid)] * 4, 'Uid: ' + status['Uid'])
    kit.check(status['Gid'].split() == [str(nobody.pw_gid)] * 4, 'Gid: ' + status['Gid'])
    kit.check('0' not in status['Groups'].split(), 'Groups: ' + status['Groups'])
    kit.check(int(status['CapEff'], 16) == 0, 'CapEff: ' + status['CapEff'])
    kit.check('root' not in server.errors(), server.errors())
    web.check_serves(port)
    hang_up(server, 'done')
    web.check_serves(port)
    web.check_ends(server)


def its_log_is_that_users():
    """Made by root, opened anew by who is no more; one that was there stays whose it was."""
    need_root()
    open_to_all(kit.path('ec.key'))
    logs = kit.new_path('logs')
    logs.mkdir()
    shutil.chown(logs, 'nobody')
    (logs / 'roots').touch(0o600)
    server, port = start(*kit.identity(), '--user', 'nobody', '--access-log', logs / 'access')
    for moved in ('access.1', None):
        hang_up(server, 'done')
        kit.check('anew' not in server.errors() and (logs / 'access').owner() == 'nobody',
                  server.errors())
        web.check_serves(port)
        kit.await_that(lambda: 'GET /hello.html' in (logs / 'access').read_text(), 'a line')
        if moved:
            (logs / 'access').rename(logs / moved)
    web.check_ends(server)
    server, _ = start(*kit.identity(), '--user', 'nobody', '--access-log', logs / 'roots')
    kit.check((logs / 'roots').owner() == 'root', 'a file that was there was given away')
    kit.check('roots cannot be opened any more' in server.errors(), server.errors())
    web.check_ends(server)


def says_that_a_reload_will_fail():
    """The key is root's, who is no more."""
    need_root()
    os.chmod(kit.path('ec.key'), 0o600)
    server, port = start(*kit.identity(), '--user', 'nobody')
    kit.check('ec.key cannot be opened any more (Permission denied)' in server.errors(),
              server.errors())
    hang_up(server, 'failed')
    web.check_serves(port)
    web.check_ends(server)


def warns_of_root():
    need_root()
    server, _ = start(*kit.identity())
    kit.check('runs as root; --user NAME gives that up' in server.errors(), server.errors())
    web.check_ends(server, signal.SIGINT)


def refuses_users():
    for user in ('no-such-user', 'root:no-such-group'):
        tool = kit.Process(kit.TOOL, 'serve', '--self-signed', '--listen', '127.0.0.1:0', '--user',
                           user)
        kit.check(tool.wait() == 1 and '--user %s: there is no ' % user in tool.errors(),
                  tool.errors())
        kit.check(not tool.out.read_bytes(), 'it said that it listens')


CASES = [
    ('is in force', is_in_force),
    ('can be left out', can_be_left_out),
    ('serves files of all kinds', serves_files_of_all_kinds),
    ('reloads', reloads),
    ('opens nothing else', opens_nothing_else),
    ('opens its log anew', opens_its_log_anew),
    ('becomes another user', becomes_another_user),
    ('its log is that user\'s', its_log_is_that_users),
    ('says that a reload will fail', says_that_a_reload_will_fail),
    ('warns of root', warns_of_root),
    ('refuses users that are not there', refuses_users),
]

if __name__ == '__main__':
    kit.main(CASES, 'curl')
