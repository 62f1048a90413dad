# SPDX-License-Identifier: MIT
"""
What the scripts beside this file share: TAP, processes that end with the case that started them,
certificates made at run time, files of known content, and what this kernel can be expected to do.

The environment says what is tested: KTLS_TOOL is the command `ktls`, KTLS_PEER the program of
peer.c. A case is a function; it fails by raising, and whatever it started is ended then.
"""

import atexit
import contextlib
import ctypes
import hashlib
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

TOOL = os.environ.get('KTLS_TOOL', 'ktls')
PEER = os.environ.get('KTLS_PEER', 'peer')

# Only a failure takes that long; an emulated machine is some twenty times slower than this one.
LIMIT_S = 120

PROTOCOLS = ('1.2', '1.3')

# Our name of an AEAD, OpenSSL's of its suites, GnuTLS's of the cipher.
CIPHERS = {
    'AES-128-GCM': {'1.2': 'ECDHE-ECDSA-AES128-GCM-SHA256', '1.3': 'TLS_AES_128_GCM_SHA256',
                    'gnutls': 'AES-128-GCM'},
    'AES-256-GCM': {'1.2': 'ECDHE-ECDSA-AES256-GCM-SHA384', '1.3': 'TLS_AES_256_GCM_SHA384',
                    'gnutls': 'AES-256-GCM'},
    'AES-128-CCM': {'1.2': 'ECDHE-ECDSA-AES128-CCM', '1.3': 'TLS_AES_128_CCM_SHA256',
                    'gnutls': 'AES-128-CCM'},
    'CHACHA20-POLY1305': {'1.2': 'ECDHE-ECDSA-CHACHA20-POLY1305',
                          '1.3': 'TLS_CHACHA20_POLY1305_SHA256', 'gnutls': 'CHACHA20-POLY1305'},
}


class Failure(Exception):
    pass


class Skip(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


def matrix():
    return [(protocol, cipher) for protocol in PROTOCOLS for cipher in CIPHERS]


def openssl_version(protocol):
    return '-tls1_3' if protocol == '1.3' else '-tls1_2'


def openssl_suite(protocol, cipher):
    """The options of s_client, s_server: this version, this suite."""
    option = '-ciphersuites' if protocol == '1.3' else '-cipher'
    return [openssl_version(protocol), option, CIPHERS[cipher][protocol]]


def gnutls_priority(protocol, cipher):
    return ('--priority=NORMAL:-VERS-ALL:+VERS-TLS%s:-CIPHER-ALL:+%s'
            % (protocol, CIPHERS[cipher]['gnutls']))


# The directory of a run, and what is in it

directory = Path(tempfile.mkdtemp(prefix='ktls-interop.'))
atexit.register(shutil.rmtree, directory, ignore_errors=True)


def path(name):
    return directory / name


def new_path(stem):
    new_path.count += 1
    return directory / ('%s.%d' % (stem, new_path.count))


new_path.count = 0


def write_payload(file, size):
    """Bytes that no two blocks share, so that one which is lost, doubled or misplaced is seen."""
    base = random.Random(size).randbytes(65536)
    with open(file, 'wb') as out:
        for number in range(0, size, 65536):
            turn = number // 65536 * 7919 % 65536
            block = number.to_bytes(8, 'big') + base[turn:] + base[:turn]
            out.write(block[:min(65536, size - number)])


def payload(size):
    file = path('payload-%d' % size)
    if not file.exists():
        write_payload(file, size)
    return file


def digest(file):
    result = hashlib.sha256()
    with open(file, 'rb') as bytes_in:
        for block in iter(lambda: bytes_in.read(1 << 20), b''):
            result.update(block)
    return result.hexdigest()


def check_same(got, wanted):
    got_size, wanted_size = os.path.getsize(got), os.path.getsize(wanted)
    check(got_size == wanted_size, '%d bytes of %d arrived' % (got_size, wanted_size))
    check(digest(got) == digest(wanted), 'all %d bytes arrived, but not the same' % got_size)


CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']


def _req(*arguments):
    subprocess.run(['openssl', 'req', '-x509', '-nodes', '-days', '2', *arguments], cwd=directory,
                   check=True, stderr=subprocess.DEVNULL, timeout=LIMIT_S)


def make_identity(name, key):
    """A server's NAME.pem with NAME.key, for localhost, signed by ca.pem."""
    _req(*key, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-subj', '/CN=localhost',
         '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
         '-addext', 'basicConstraints=critical,CA:FALSE',
         '-keyout', name + '.key', '-out', name + '.pem')


def make_certificates():
    """ca.pem, and ec.pem with ec.key."""
    _req(*CURVE, '-subj', '/CN=interop', '-addext', 'keyUsage=critical,keyCertSign',
         '-keyout', 'ca.key', '-out', 'ca.pem')  # since 3.13 Python asks for the usage
    make_identity('ec', CURVE)


def identity(name='ec'):
    """The options of our own programs. An RSA key takes its time, so it is made when first used."""
    if name == 'rsa' and not path('rsa.pem').exists():
        make_identity('rsa', ['-newkey', 'rsa:2048'])
    return ['--cert', path(name + '.pem'), '--key', path(name + '.key')]


# Processes

_libc = ctypes.CDLL(None)
_running = []


def _die_with_us():
    _libc.prctl(1, signal.SIGKILL)


class Process:
    """
    A program with its output in files; `stdin` is a file, or None for a pipe that stays open. With
    `held` its output goes into a pipe that nobody reads before release(), so that it stalls.
    """

    def __init__(self, *arguments, stdin='/dev/null', held=False, env=None, pass_fds=()):
        self.arguments = [str(argument) for argument in arguments]
        self.out, self.err = new_path('out'), new_path('err')
        self.carrier = None
        source = open(stdin, 'rb') if stdin else subprocess.PIPE
        with open(self.out, 'wb') as out, open(self.err, 'wb') as err:
            self.child = subprocess.Popen(
                self.arguments, stdin=source, stdout=subprocess.PIPE if held else out, stderr=err,
                cwd=directory, preexec_fn=_die_with_us, pass_fds=pass_fds,
                env=dict(os.environ, **(env or {})))
        if stdin:
            source.close()
        _running.append(self)

    def send(self, data):
        self.child.stdin.write(data)
        self.child.stdin.flush()

    def end_input(self):
        self.child.stdin.close()

    def await_held(self):
        check(select.select([self.child.stdout], [], [], LIMIT_S)[0],
              '%s has put nothing out after %d s' % (self.name(), LIMIT_S))

    def release(self):
        def carry():
            with open(self.out, 'wb') as out:
                shutil.copyfileobj(self.child.stdout, out)

        self.carrier = threading.Thread(target=carry)
        self.carrier.start()

    def wait(self):
        """The exit status; negative is a signal."""
        try:
            status = self.child.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Failure('%s has not ended after %d s' % (self.name(), LIMIT_S)) from None
        if self.carrier:
            self.carrier.join()
        return status

    def run(self):
        """For a program that should end well."""
        status = self.wait()
        check(status == 0, '%s ended with %d' % (self.name(), status))
        return self

    def name(self):
        return os.path.basename(self.arguments[0])

    def kill(self, number=signal.SIGKILL):
        if self.child.poll() is None:
            self.child.send_signal(number)
        status = self.wait()
        for pipe in (self.child.stdin, self.child.stdout):
            with contextlib.suppress(BrokenPipeError):
                if pipe:
                    pipe.close()
        return status

    def errors(self):
        return self.err.read_text(errors='replace')

    def line(self, word):
        """The line of its errors in which this stands."""
        lines = [line for line in self.errors().splitlines() if word in line]
        check(lines, '%s did not say "%s"' % (self.name(), word))
        return lines[-1]

    def facts(self):
        """What peer.c prints: key=value."""
        return dict(line.split('=', 1) for line in self.errors().splitlines() if '=' in line)

    def await_that(self, condition, what):
        def over():
            return condition() or self.child.poll() is not None

        await_that(over, '%s: %s' % (self.name(), what))
        check(condition(), '%s ended before: %s' % (self.name(), what))

    def await_text(self, text):
        """In either output."""
        def there():
            return any(text.encode() in file.read_bytes() for file in (self.out, self.err))

        self.await_that(there, 'wait for "%s"' % text)

    def await_output(self, size):
        self.await_that(lambda: os.path.getsize(self.out) >= size, '%d bytes of output' % size)


def await_that(condition, what):
    end = time.monotonic() + LIMIT_S
    while not condition():
        check(time.monotonic() < end, 'not within %d s: %s' % (LIMIT_S, what))
        time.sleep(0.002)


def end_all():
    while _running:
        _running.pop().kill()


atexit.register(end_all)


# Who listens where

def free_port():
    """Below the ports that the kernel gives to clients, so that it stays free."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(('127.0.0.1', port))
                return port
            except OSError:
                continue


def is_listening(port):
    wanted = ':%04X' % port
    for table in ('/proc/net/tcp', '/proc/net/tcp6'):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for line in lines:
            fields = line.split()
            if fields[1].endswith(wanted) and fields[3] == '0A':
                return True
    return False


def start_server(make_arguments, **options):
    """A server that is told its port; (process, port) once it listens."""
    port = free_port()
    server = Process(*make_arguments(port), **options)
    server.await_that(lambda: is_listening(port), 'listen on port %d' % port)
    return server, port


def openssl_server(*options, **rest):
    return start_server(lambda port: [
        'openssl', 's_server', '-accept', '127.0.0.1:%d' % port, '-cert', path('ec.pem'),
        '-key', path('ec.key'), *options], **rest)


def openssl_client(port, *options, **rest):
    return Process('openssl', 's_client', '-connect', '127.0.0.1:%d' % port, '-servername',
                   'localhost', '-CAfile', path('ca.pem'), '-verify_return_error', *options, **rest)


def gnutls_client(port, *options, **rest):
    """What it has to say goes to a file, `log`, so that its output is what came."""
    log = new_path('log')
    client = Process('gnutls-cli', '--port', port, '--x509cafile', path('ca.pem'), '--logfile', log,
                     *options, 'localhost', **rest)
    client.log = log
    return client


def gnutls_server(*options):
    return start_server(lambda port: [
        'gnutls-serv', '--port', port, '--disable-client-cert', '--quiet', '--x509certfile',
        path('ec.pem'), '--x509keyfile', path('ec.key'), *options])


def peer_server(*options, name='ec', **rest):
    server = Process(PEER, 'listen', 0, *identity(name), *options, **rest)
    server.await_that(lambda: 'port=' in server.errors(), 'port')
    return server, int(server.facts()['port'])


def peer_client(port, *options, **rest):
    return Process(PEER, 'connect', port, '--ca', path('ca.pem'), *options, **rest)


def tool_server(root, *options, name='ec'):
    server = Process(TOOL, 'serve', '--listen', '127.0.0.1:0', '--root', root, '--verbose',
                     *identity(name), *options)
    server.await_text('listening on https://')
    return server, int(server.out.read_text().splitlines()[0].split(':')[-1])


def tool_get(port, name, *options):
    """`ktls get` into a new file; (process, file)."""
    file = new_path('got')
    client = Process(TOOL, 'get', 'https://localhost:%d/%s' % (port, name), '--ca', path('ca.pem'),
                     '-o', file, *options)
    return client, file


# What this kernel can do

def ulp_attaches():
    """By our own try, so that a probe which is wrong is found out."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()) as client:
            try:
                client.setsockopt(socket.IPPROTO_TCP, 31, b'tls')
            except OSError:
                return False
            return True


def probe():
    if not probe.answer:
        before = tls_stat()
        out = subprocess.run([TOOL, 'probe', '--quick', '--json'], stdout=subprocess.PIPE, check=False,
                             timeout=LIMIT_S).stdout
        after = tls_stat()
        probe.answer = json.loads(out)
        probe.rise = {name: after[name] - before.get(name, 0) for name in after}
        check(probe.answer['ulp']['works'] == ulp_attaches(), 'ktls probe is wrong about the ULP')
    return probe.answer


probe.answer = None


def can_rekey(direction):
    return probe()['features']['rekey_' + direction]['works']


def expected(protocol, cipher, direction):
    """Where the default policy protects this direction."""
    if not probe()['ciphers'][cipher]['tls' + protocol.replace('.', '')][direction]['works']:
        return 'user'
    # TLS 1.2 has no key that could change.
    stays = protocol == '1.3' and direction == 'rx' and not can_rekey('rx')
    return 'user' if stays else 'kernel'


def tls_stat():
    try:
        lines = Path('/proc/net/tls_stat').read_text().splitlines()
    except FileNotFoundError:
        return {}
    return {name: int(value) for name, value in map(str.split, lines)}


class Witness:
    """
    The kernel's own counters around a process of ours: they must have seen what is claimed, beyond
    what its probe accounts for.
    """

    def __init__(self):
        probe()
        self.before = tls_stat()

    def check(self, direction, where, connections=1):
        name = 'Tls%sSw' % direction.capitalize()
        rise = tls_stat().get(name, 0) - self.before.get(name, 0) - probe.rise.get(name, 0)
        check(where != 'kernel' or rise >= connections,
              '%s=kernel, but %s rose by %d for %d connections' % (direction, name, rise,
                                                                   connections))


def check_facts(facts, protocol, cipher, witness):
    """Of a peer: what was agreed on, and that each direction is where it should be."""
    check(facts.get('protocol') == 'TLS ' + protocol, 'protocol: %s' % facts.get('protocol'))
    check(facts.get('cipher') == cipher, 'cipher: %s' % facts.get('cipher'))
    for direction in ('tx', 'rx'):
        wanted = expected(protocol, cipher, direction)
        check(facts[direction] == wanted, '%s=%s (%s), but %s was expected' % (
            direction, facts[direction], facts[direction + '_reason'], wanted))
        witness.check(direction, wanted)
    return 'tx=%s rx=%s' % (facts['tx'], facts['rx'])


def check_line(line, protocol, cipher, witness, connections=1):
    """The same, of a line in which the command says it."""
    for direction in ('tx', 'rx'):
        wanted = expected(protocol, cipher, direction)
        check('%s=%s' % (direction, wanted) in line, '"%s", not %s' % (line, wanted))
        witness.check(direction, wanted, connections)
    return line


def check_closed(facts, read='KTLS_EOF', write='KTLS_DONE'):
    """
    How both directions of a peer ended. `write` None: however it did, since who ends first may be
    gone before our answer comes (s_client and s_server wait for it half a second).
    """
    check(facts.get('read') == read and write in (None, facts.get('write')),
          'read=%s write=%s, error "%s"' % (facts.get('read'), facts.get('write'),
                                            facts.get('error')))


# TAP

def _diagnose():
    for process in _running:
        print('# %s' % ' '.join(process.arguments))
        for line in process.errors().splitlines()[-25:]:
            print('#   %s' % line)


def _run_case(number, name, case):
    began = time.monotonic()
    try:
        note = case()
        print('ok %d - %s' % (number, name))
        print('# %s%.2f s' % (note + ', ' if note else '', time.monotonic() - began))
        return True
    except Skip as reason:
        print('ok %d - %s # SKIP %s' % (number, name, reason))
        return True
    except (Failure, OSError, KeyError, ValueError, subprocess.SubprocessError) as failure:
        print('not ok %d - %s' % (number, name))
        print('# %s: %s' % (type(failure).__name__, failure))
        _diagnose()
        return False
    finally:
        end_all()
        sys.stdout.flush()


def main(cases, *needs):
    """Runs (name, function) pairs; those that the arguments name a part of, if there are any."""
    missing = [program for program in ('openssl', *needs) if not shutil.which(program)]
    if missing:
        print('1..0 # SKIP %s is not installed' % ' and '.join(missing))
        return
    chosen = [(name, case) for name, case in cases
              if len(sys.argv) < 2 or any(word in name for word in sys.argv[1:])]
    make_certificates()
    print('1..%d' % len(chosen), flush=True)
    failed = [name for number, (name, case) in enumerate(chosen, 1)
              if not _run_case(number, name, case)]
    sys.exit(1 if failed else 0)
