#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls-bench run --client` and `--server`, each in a process of its own: what is measured, and what
becomes of each side when the other says nonsense, vanishes, or comes twice. KTLS_BENCH is the
program, KTLS_VETH the script veth.py.
"""

import contextlib
import html
import json
import os
import signal
import socket

import kit

BENCH = os.environ.get('KTLS_BENCH', 'ktls-bench')
VETH = os.environ.get('KTLS_VETH', 'veth.py')
SKIPPED = 77
FAILED = 1
VERSION = 1


class Server:
    def __init__(self, *before):
        self.process = kit.Process(*before, BENCH, 'run', '--server', '127.0.0.1:0')
        self.process.await_text('waiting for clients at port')
        self.port = int(self.process.out.read_text().split()[-1])


class Control:
    """A client by hand."""

    def __init__(self, port):
        self.socket = socket.create_connection(('127.0.0.1', port), kit.LIMIT_S)
        self.file = self.socket.makefile('rb')

    def say(self, text):
        self.socket.sendall(text)
        return json.loads(self.file.readline())

    def ask(self, name, **members):
        answer = self.say(json.dumps({'ask': name, **members}).encode() + b'\n')
        kit.check('ok' in answer, '%s: %s' % (name, answer))
        return answer['ok']

    def hello(self):
        return self.ask('hello', version=VERSION)

    def start(self):
        self.hello()
        return self.ask('start', workload='ping-64', arm='user-write', slow_us=0)

    def close(self):
        self.file.close()
        self.socket.close()


def client(port, *options):
    return kit.Process(BENCH, 'run', '--client', '127.0.0.1:%d' % port, '-r', 1, '--json', *options)


def result_of(process, status=0):
    got = process.wait()
    kit.check(got == status, 'it ended with %d: %s' % (got, process.errors()))
    return json.loads(process.out.read_text())


def check_serves(server):
    """Once more, whatever was before."""
    result = result_of(client(server.port, '-t', 20, '-w', 'ping', '-a', 'plain-write'))
    kit.check(result['figures'], 'there are no figures')


def await_gone(port):
    kit.await_that(lambda: not kit.is_listening(port), 'the server of the run ends')


def measured():
    server = Server()
    kinds = ['bulk-4k', 'upload-1m', 'request-1k', 'rate-1k', 'ping-64', 'handshake-1.3',
             'resume-1.2', 'connect-1k', 'idle-100']
    result = result_of(client(server.port, '-t', 100, '-R', 5000, '-a', 'plain-ring', '-a',
                              'user-sendfile', '-a', 'user-write', '-a', 'gnutls',
                              *(option for kind in kinds for option in ('-w', kind))))
    told = {(figure['workload'], figure['arm']) for figure in result['figures'] if figure['runs']}
    # On a busy machine that may be too short for any.
    told |= {(note['workload'], note['arm']) for note in result['notes']
             if 'nothing was finished' in note['note']}
    for kind in kinds:
        kit.check((kind, 'user-write') in told, '%s was not measured' % kind)
    kit.check(str(server.port) in result['settings']['server'], str(result['settings']))
    for whose in ('machine', 'client_machine'):
        kit.check(result[whose]['device'] == 'lo' and result[whose]['mtu'] > 0, str(result[whose]))
    kit.check(result['limits'], 'there are no limits')


def apart():
    """Two machines, for all that their boots tell."""
    boot = kit.new_path('boot')
    boot.write_text('another\n')
    script = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
    before = ['unshare', '-rm', 'sh', '-c', script, boot]
    if kit.Process(*before, 'true').wait():
        raise kit.Skip('this machine lets us make no namespaces')
    server = Server(*before)
    result = result_of(client(server.port, '-t', 50, '-w', 'idle', '-w', 'bulk-64k', '-a',
                              'user-write'))
    told = {figure['metric'] for figure in result['figures'] if figure['runs']}
    kit.check("slab of the kernel, the server's end of one" in told, str(told))
    kit.check('per CPU second of the server' in told, str(told))


def not_possible():
    """What the server's kernel cannot is a note, and why."""
    server = Server()
    result = result_of(client(server.port, '-t', 20, '-w', 'ping', '-a', 'kernel-write', '-a',
                              'plain-write'))
    told = {figure['arm'] for figure in result['figures'] if figure['runs']}
    noted = {note['arm'] for note in result['notes']}
    kit.check('plain-write' in told and 'kernel-write' in told | noted, str(result['notes']))


def stranger():
    """By its port, and a process of the server's machine."""
    server, other = Server(), Server()
    control = Control(other.port)
    port = control.start()
    result = result_of(client(server.port, '-t', 50, '-w', 'ping', '-a', 'plain-write', '-s',
                              'other=%d,%d' % (port, other.process.child.pid)))
    told = {figure['metric'] for figure in result['figures']
            if figure['arm'] == 'other' and figure['runs']}
    kit.check('per CPU second of the server' in told, str(told))
    control.close()


def nonsense():
    server = Server()
    hello = json.dumps({'ask': 'hello', 'version': VERSION}).encode()
    for lines, word in (
            ([b'GET / HTTP/1.1\r\n'], 'no JSON'),
            ([b'\0\n'], 'no JSON'),
            ([b'{"ask": "stop"}\n'], 'known here'),
            ([b'{"ask": "begin"}\n'], 'no place here'),
            ([hello + b'\n' + hello + b'\n'], 'out of turn'),
            ([b'x' * 5000], 'too long'),
            ([hello + b'\n', hello + b'\n'], 'no place here'),
            ([hello + b'\n', b'{"ask": "end"}\n'], 'no place here'),
            ([hello + b'\n', b'{"ask": "watch", "workload": "ping-64", "port": 1, "pid": 0}\n',
              b'{"ask": "end"}\n'], 'no place here'),
            ([json.dumps({'ask': 'hello', 'version': VERSION + 1}).encode() + b'\n'], 'version')):
        control = Control(server.port)
        answers = [control.say(line) for line in lines]
        kit.check(word in answers[-1].get('error', ''), '%s: %s' % (lines, answers))
        kit.check(not control.file.readline(), 'it goes on after nonsense')
        control.close()
    check_serves(server)


def one_at_a_time():
    server = Server()
    first = Control(server.port)
    first.hello()
    second = client(server.port, '-t', 20, '-w', 'ping')
    kit.check(second.wait() == FAILED, 'two at once')
    kit.check('another client' in second.errors(), second.errors())
    first.close()
    check_serves(server)


def vanished_client():
    """Between its words, and in the middle of a window."""
    server = Server()
    for stage in range(3):
        control = Control(server.port)
        port = control.start()
        if stage > 0:
            control.ask('begin')
        if stage > 1:
            control.socket.sendall(b'{"ask":')
        kit.check(kit.is_listening(port), 'there is no server')
        control.close()
        await_gone(port)
    process = client(server.port, '-t', 60000, '-w', 'ping', '-a', 'user-write')
    kit.await_that(lambda: children(server.process.child.pid, 2), 'the run begins')
    process.kill()
    kit.await_that(lambda: not children(server.process.child.pid, 1), 'the session ends')
    check_serves(server)


def children(pid, depth):
    """Those of its children, of their children ..."""
    pids = [pid]
    for _ in range(depth):
        pids = [int(child) for parent in pids for child in children_of(parent)]
    return pids


def children_of(pid):
    try:
        return kit.Path('/proc/%d/task/%d/children' % (pid, pid)).read_text().split()
    except FileNotFoundError:
        return []


def vanished_server():
    """The runs fail, each with a sentence; those before keep their figures."""
    server = Server()
    process = client(server.port, '-t', 1500, '-w', 'ping', '-a', 'plain-write', '-a', 'user-write',
                     '-a', 'user-ring')
    kit.await_that(lambda: children(server.process.child.pid, 2), 'the run begins')
    server.process.kill()
    result = result_of(process, FAILED)
    notes = {note['arm']: note['note'] for note in result['notes']}
    kit.check(len(notes) == 3 and 'has gone' in notes['user-ring'], str(notes))
    absent = client(server.port, '-w', 'ping')
    kit.check(absent.wait() == FAILED, 'without a server')
    kit.check('refused' in absent.errors(), absent.errors())


def no_server():
    """What answers is none of ours."""
    facts = b'{"ok": {"version": %d, "boot": "x", "machine": %s}}\n'
    for answer, word in (
            (b'HTTP/1.1 400 Bad Request\r\n\r\n', 'out of turn'),
            (b'HTTP/1.1 400 Bad Request\r\n', 'no JSON'),
            (b'{"ok": 1}\n', 'no server of ktls-bench'),
            (facts % (VERSION + 1, b'{}'), 'no server of ktls-bench'),
            (facts % (VERSION, b'[]'), 'no server of ktls-bench'),
            (b'{"error": "not today"}\n', 'not today'),
            (b'{"ok": ', 'broken the connection off'),
            (b'x' * (2 << 20), 'too long'),
            (b'', 'closed')):
        with socket.create_server(('127.0.0.1', 0)) as listener:
            process = client(listener.getsockname()[1], '-w', 'ping')
            with listener.accept()[0] as there:
                there.makefile('rb').readline()
                with contextlib.suppress(OSError):
                    there.sendall(answer)
                    there.shutdown(socket.SHUT_WR)
                kit.check(process.wait() == FAILED, '%s is taken' % answer[:80])
        kit.check(word in process.errors(), '%s: %s' % (answer[:80], process.errors()))


def failed_run():
    """One that fails takes nothing with it, on either side."""
    server = Server()
    result = result_of(client(server.port, '-t', 20, '-w', 'ping', '-s', 'nobody=1', '-a',
                              'plain-write'), FAILED)
    notes = {note['arm']: note['note'] for note in result['notes']}
    kit.check('refused' in notes['nobody'], str(notes))
    gone = kit.Process('true')
    gone.wait()
    result = result_of(client(server.port, '-t', 20, '-w', 'ping', '-s',
                              'gone=%d,%d' % (server.port, gone.child.pid), '-a', 'plain-write'),
                       FAILED)
    notes = {note['arm']: note['note'] for note in result['notes']}
    kit.check(list(notes) == ['gone'], str(notes))
    check_serves(server)


def ended():
    server = Server()
    control = Control(server.port)
    port = control.start()
    kit.check(server.process.kill(signal.SIGTERM) == -signal.SIGTERM, 'it does not end')
    await_gone(port)
    control.close()


def misused():
    server = Server()
    for options, word in (
            (['--server', '127.0.0.1:%d' % server.port], 'in use'),
            (['--server', '127.0.0.1:'], 'is needed'),
            (['--server', '65536'], 'is needed'),
            (['--server', '0', '-r', '1'], 'goes alone'),
            (['--server', '192.0.2.1:0'], 'waiting'),
            (['--client', '443'], 'is needed'),
            (['--client', 'localhost:0'], 'is needed'),
            (['--client', '::1'], 'is needed'),
            (['-s', 'x=:1'], 'is needed'),
            (['-s', 'x='], 'is needed')):
        process = kit.Process(BENCH, 'run', *options)
        kit.check(process.wait() == FAILED, '%s is taken' % options)
        kit.check(word in process.errors(), '%s: %s' % (options, process.errors()))


def through_veth(*options):
    """A run between namespaces, once its client is there."""
    process = kit.Process(VETH, BENCH, '--', '-r', 1, '--json', *options)
    kit.await_that(lambda: len(children(process.child.pid, 1)) == 2 or
                   process.child.poll() is not None, 'the client begins')
    if process.child.poll() == SKIPPED:
        raise kit.Skip(process.errors().strip())
    return process


def veth():
    result = result_of(through_veth('-t', 50, '-a', 'user-write', '-w', 'bulk-64k', '-w', 'ping'))
    told = {figure['workload'] for figure in result['figures'] if figure['runs']}
    kit.check(told == {'bulk-64k', 'ping-64'}, str(told))
    for whose in ('machine', 'client_machine'):
        facts = result[whose]
        kit.check((facts['device_kind'], facts['mtu']) == ('veth', 1500), str(facts))
    kit.check('192.0.2.1' in result['settings']['server'], str(result['settings']))
    report = html.unescape(kit.Process(BENCH, 'report', written(result)).run().out.read_text())
    kit.check("The client's machine" in report and 'ktls1' in report, 'the page has one machine')


def written(result):
    file = kit.new_path('result')
    file.write_text(json.dumps(result))
    return file


def ended_veth():
    """However it ends, nobody is left."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = through_veth('-t', 60000, '-a', 'user-write', '-w', 'ping')
        kit.await_that(lambda: len(children(process.child.pid, 3)) == 1, 'the run begins')
        family = {pid for depth in (1, 2, 3) for pid in children(process.child.pid, depth)}
        process.kill(number)
        kit.await_that(lambda: not any(map(is_there, family)), 'all of them end')


def is_there(pid):
    """And no zombie, of whom somebody else is to know."""
    try:
        return kit.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def compared():
    """What is not of the same machines is said."""
    server = Server()
    options = ['-r', 1, '-t', 20, '-w', 'ping', '-a', 'plain-write', '--json']
    near = result_of(kit.Process(BENCH, 'run', *options))
    far = result_of(client(server.port, *options))
    changed = json.loads(json.dumps(far))
    changed['client_machine']['mtu'] = 1500
    for before, after, word in ((near, far, 'the client: was on loopback, is over a network'),
                                (far, changed, "the client's mtu: was")):
        text = kit.Process(BENCH, 'compare', written(before), written(after)).run().out.read_text()
        kit.check(word in text, text)


CASES = [
    ('every kind of workload is measured', measured),
    ('between two machines', apart),
    ("what the server's kernel cannot is a note", not_possible),
    ('a stranger on the server\'s machine', stranger),
    ('nonsense is answered with a sentence', nonsense),
    ('one client at a time', one_at_a_time),
    ('a client that vanishes', vanished_client),
    ('a server that vanishes', vanished_server),
    ('a server that is none', no_server),
    ('a run that fails', failed_run),
    ('a comparison tells of both machines', compared),
    ('between namespaces', veth),
    ('nothing is left of namespaces', ended_veth),
    ('SIGTERM ends the server and its servers', ended),
    ('what cannot be is refused', misused),
]

if __name__ == '__main__':
    kit.main(CASES)
