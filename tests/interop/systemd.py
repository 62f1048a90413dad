#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls serve` under who starts it as systemd does: sockets that are there before it, and messages of
how far it is; by a fake in Python, and by systemd's own tools where they are.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess

import kit
import web
from sites import check_subjects, make_certificate

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Activated(kit.Process):
    """The shell knows its own pid before it becomes the server."""

    def __init__(self, sockets, *arguments, names=None, env=None):
        fds = [sock.detach() for sock in sockets]
        # Above all that is open, then down to 3, 4...
        moves = ' '.join('%d<&%d %d<&-' % (3 + i, fd, fd) for i, fd in enumerate(fds))
        for fd in fds:
            os.set_inheritable(fd, True)
        script = 'export LISTEN_PID=$$; exec "$@" ' + moves
        env = dict(env or {}, LISTEN_FDS=str(len(fds)))
        if names:
            env['LISTEN_FDNAMES'] = names
        super().__init__('bash', '-c', script, 'bash', kit.TOOL, 'serve', *arguments, env=env,
                         pass_fds=fds)
        for fd in fds:
            os.close(fd)


def listening():
    """A socket that listens, at a number that no other descriptor takes; and its port."""
    with socket.socket() as low:
        low.bind(('127.0.0.1', 0))
        low.listen()
        return socket.socket(fileno=os.dup2(low.fileno(), listening.next())), low.getsockname()[1]


def _next():
    _next.number += 1
    return _next.number


_next.number = 100
listening.next = _next


def sockets_are_taken():
    (https, port), (metrics, metrics_port) = listening(), listening()
    # Who connects before the server is there is served as well.
    early = kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'), web.url(port, 'hello.html'))
    server = Activated([metrics, https], '--root', web.make_root(), *kit.identity(),
                       names='metrics:https')
    server.await_text('listening on https://127.0.0.1:%d\n' % port)
    server.await_text('metrics on http://127.0.0.1:%d/metrics\n' % metrics_port)
    kit.check(early.run().out.read_bytes() == b'hello', 'the early one')
    web.check_serves(port)
    answer = subprocess.run(['curl', '-sS', 'http://127.0.0.1:%d/metrics' % metrics_port],
                            capture_output=True, check=True, timeout=kit.LIMIT_S).stdout
    kit.check(b'ktls_connections_accepted_total 2\n' in answer, answer)
    web.check_ends(server)


def nobody_is_lost_at_a_restart():
    https, port = listening()
    ours = https.dup()
    root = web.make_root()
    server = Activated([https], '--root', root, *kit.identity(), names='https')
    server.await_text('listening on')
    web.check_serves(port)
    web.check_ends(server)
    waiting = kit.Process('curl', '-sS', '--cacert', kit.path('ca.pem'),
                          web.url(port, 'hello.html'))
    again = socket.socket(fileno=os.dup2(ours.fileno(), listening.next()))
    ours.close()
    server = Activated([again], '--root', root, *kit.identity(), names='https')
    kit.check(waiting.run().out.read_bytes() == b'hello', 'who came in between')
    web.check_ends(server)


def wrong_sockets_are_refused():
    server = Activated([listening()[0]], '--self-signed', names='smtp')
    kit.check(server.wait() == 1 and 'socket activation: "smtp" is no' in server.errors(),
              server.errors())
    with socket.socket() as silent:
        sock = socket.socket(fileno=os.dup2(silent.fileno(), listening.next()))
    server = Activated([sock], '--self-signed')
    kit.check(server.wait() == 1 and 'is no TCP socket that listens' in server.errors(),
              server.errors())


@contextlib.contextmanager
def supervisor():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(kit.LIMIT_S)
        name = str(kit.new_path('notify'))
        sock.bind(name)
        yield sock, name


def says_how_far_it_is():
    with supervisor() as (sock, name):
        options = make_certificate('a.example', stem='mine')
        server = kit.Process(kit.TOOL, 'serve', '--listen', '127.0.0.1:0', *options,
                             env={'NOTIFY_SOCKET': name})
        kit.check(sock.recv(4096) == b'READY=1\nSTATUS=serving\n', 'READY')
        # It is ready indeed.
        port = int(server.out.read_text().split(':')[-1])
        check_subjects(port, {None: 'a.example'})
        server.child.send_signal(signal.SIGHUP)
        reloading = sock.recv(4096).decode()
        kit.check(re.fullmatch(r'RELOADING=1\nMONOTONIC_USEC=\d+\n', reloading), reloading)
        kit.check(sock.recv(4096) == b'READY=1\nSTATUS=serving\n', 'READY again')
        kit.path('mine.pem').unlink()
        server.child.send_signal(signal.SIGHUP)
        kit.check(sock.recv(4096).startswith(b'RELOADING=1\n'), 'RELOADING')
        kit.check(sock.recv(4096) == b'READY=1\nSTATUS=serving; the last reload failed\n', 'failed')
        web.check_ends(server)
        kit.check(sock.recv(4096) == b'STOPPING=1\n', 'STOPPING')


def a_supervisor_that_is_gone():
    server = kit.Process(kit.TOOL, 'serve', '--listen', '127.0.0.1:0', '--self-signed',
                         env={'NOTIFY_SOCKET': '/nonexistent/socket'})
    server.await_text('listening on')
    kit.check('NOTIFY_SOCKET: No such file or directory' in server.errors(), server.errors())
    web.check_ends(server)


def by_systemd_socket_activate():
    if not shutil.which('systemd-socket-activate'):
        raise kit.Skip('systemd-socket-activate is not installed')
    port = kit.free_port()
    server = kit.Process('systemd-socket-activate', '-l', '127.0.0.1:%d' % port, '--fdname=https',
                         kit.TOOL, 'serve', '--root', web.make_root(), *kit.identity())
    server.await_that(lambda: kit.is_listening(port), 'listen')
    web.check_serves(port)
    web.check_serves(port)
    web.check_ends(server)


def units_are_good():
    if not shutil.which('systemd-analyze'):
        raise kit.Skip('systemd-analyze is not installed')
    place = kit.new_path('units')
    place.mkdir()
    for name in ('ktls-serve.service', 'ktls-serve.socket'):
        text = open('%s/systemd/%s' % (ROOT, name + ('.in' if 'service' in name else '')),
                    encoding='ascii').read()
        # The tool is where it was built, and its pages are installed nowhere.
        text = re.sub(r'ExecStart=\S+', 'ExecStart=' + os.path.realpath(kit.TOOL), text)
        text = ''.join(line for line in text.splitlines(True) if 'man:' not in line)
        (place / name).write_text(text)
    verify = subprocess.run(['systemd-analyze', 'verify', place / 'ktls-serve.service',
                             place / 'ktls-serve.socket'], capture_output=True, check=False,
                            timeout=kit.LIMIT_S)
    said = verify.stderr.decode()
    if 'Failed to initialize manager' in said:
        raise kit.Skip(said.strip())
    kit.check(verify.returncode == 0 and 'ktls-serve' not in said, said)


def example_is_good():
    """Each setting that examples/serve.ini shows, with files that are there."""
    options = make_certificate('localhost')
    text = open(ROOT + '/examples/serve.ini', encoding='ascii').read()
    text = re.sub(r'^((?:; )?)cert = .*', r'\1cert = %s' % options[1], text, flags=re.M)
    text = re.sub(r'^((?:; )?)key = .*', r'\1key = %s' % options[3], text, flags=re.M)
    text = text.replace('/srv/www', str(web.make_root()))
    tickets = kit.new_path('tickets')
    kit.Process(kit.TOOL, 'rotate', tickets).run()
    for commented in (False, True):
        if commented:
            text = re.sub(r'^; ([a-z-]+ = )', r'\1', text, flags=re.M)
            text = text.replace('/etc/ktls/tickets', str(tickets))
        file = kit.new_path('settings')
        file.write_text(text)
        tool = kit.Process(kit.TOOL, 'serve', '--check', '--config', file)
        kit.check(tool.wait() == 0, tool.errors())


CASES = [
    ('sockets are taken', sockets_are_taken),
    ('nobody is lost at a restart', nobody_is_lost_at_a_restart),
    ('wrong sockets are refused', wrong_sockets_are_refused),
    ('says how far it is', says_how_far_it_is),
    ('a supervisor that is gone', a_supervisor_that_is_gone),
    ('by systemd-socket-activate', by_systemd_socket_activate),
    ('the units are good', units_are_good),
    ('the example of settings is good', example_is_good),
]

if __name__ == '__main__':
    kit.main(CASES, 'curl', 'bash')
