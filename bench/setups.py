# SPDX-License-Identifier: MIT
"""
The servers that are compared: `ktls serve` and others from the distribution's packages, each set
up as its manual advises for files, in one process with one thread on one CPU, with one certificate,
suite, and set of files that are named by their size. Each is believed when OpenSSL had a file from
it; where that was protected, and in which records it came, is told beside the figures.

scripts/setup bench gets the packages. Those that would start a server are not installed but
unpacked into the cache (scripts/lib.sh): there they are looked for, too.
"""

import collections
import contextlib
import ctypes
import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SUITE = 'TLS_AES_128_GCM_SHA256'
SUITE_1_2 = 'ECDHE-ECDSA-AES128-GCM-SHA256'
READY_S = 60
SKIPPED = 77
BLOCK = 1 << 20
FETCHED = 1 << 20  # a file of which each server shows what it does with it
ONE_FILE = 1024
CACHE = Path(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')) / 'ktls-lab'
PATH = ':'.join([os.environ.get('PATH', ''), '/usr/sbin', '/sbin',
                 *(str(CACHE / name / 'usr/sbin') for name in ('haproxy', 'lighttpd', 'nginx'))])
COUNTERS = Path('/proc/net/tls_stat')

# Clients of OpenSSL's offer these suites alone, so that no server has a choice.
OPENSSL_CONF = '''
openssl_conf = program
[program]
ssl_conf = ssl
[ssl]
system_default = options
[options]
MinProtocol = TLSv1.2
CipherString = {suite_1_2}
Ciphersuites = {suite}
{options}
'''

NGINX_CONF = '''
daemon off;
master_process off;
pid {directory}/nginx-{port}.pid;
events {{ worker_connections 2048; }}
http {{
	access_log off;
	client_body_temp_path {directory}/nginx-body;
	proxy_temp_path {directory}/nginx-proxy;
	fastcgi_temp_path {directory}/nginx-fastcgi;
	uwsgi_temp_path {directory}/nginx-uwsgi;
	scgi_temp_path {directory}/nginx-scgi;
	root {directory}/files;
	sendfile on;
	tcp_nopush on;
	open_file_cache max=100;
	keepalive_requests 1000000000;
	ssl_protocols TLSv1.2 TLSv1.3;
	ssl_ciphers {suite_1_2};
	ssl_conf_command Ciphersuites {suite};
	{options}
	ssl_certificate {directory}/chain.pem;
	ssl_certificate_key {directory}/key.pem;
	server {{ listen 127.0.0.1:{port} ssl; }}
}}
'''

LIGHTTPD_CONF = '''
server.document-root = "{directory}/files"
server.modules = ("{module}")
server.bind = "127.0.0.1"
server.port = {port}
server.max-connections = 2048
server.max-keep-alive-requests = 65535
mimetype.assign = ("" => "application/octet-stream")
ssl.engine = "enable"
ssl.pemfile = "{directory}/chain.pem"
ssl.privkey = "{directory}/key.pem"
ssl.openssl.ssl-conf-cmd = ({options})
'''

# mod_gnutls knows no single suites.
LIGHTTPD_TLS = {
    'mod_openssl': '"MinProtocol" => "TLSv1.2", "CipherString" => "{suite_1_2}", '
                   '"Ciphersuites" => "{suite}", "Options" => "{ktls}"',
    'mod_gnutls': '"MinProtocol" => "TLSv1.2", "CipherString" => "HIGH"',
}

# It serves no files: what it has once got from a server behind it, it keeps in memory. Of a buffer
# 1 KiB is set aside: what is left is a record.
HAPROXY_CONF = '''
global
	nbthread 1
	maxconn 2000
	tune.bufsize 17472
	tune.maxrewrite 1024
	ssl-default-bind-options ssl-min-ver TLSv1.2
	ssl-default-bind-ciphers {suite_1_2}
	ssl-default-bind-ciphersuites {suite}
defaults
	mode http
	timeout client 60s
	timeout server 60s
	timeout connect 5s
cache memory
	total-max-size {total_mib}
	max-object-size {largest}
	max-age 86400
frontend tls
	bind 127.0.0.1:{port} ssl crt {directory}/both.pem
	http-request cache-use memory
	http-response cache-store memory
	default_backend origin
backend origin
	server origin 127.0.0.1:{origin} maxconn 4
'''


class Unusable(Exception):
    """A server cannot be had on this machine, or a program fails; says why."""


class Missing(Unusable):
    """It is not installed."""


def die(message):
    print(f'{Path(sys.argv[0]).stem}: {message}', file=sys.stderr)
    sys.exit(SKIPPED if isinstance(message, Missing) else 1)


def end_orderly():
    """What is running ends, and what was made goes, when we are told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def program(name):
    path = shutil.which(name, path=PATH)
    if not path:
        raise Missing(f'{name} is not installed: scripts/setup bench')
    return path


def output_of(arguments, environment=None):
    run = subprocess.run([str(argument) for argument in arguments], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, env=environment, check=False)
    if run.returncode:
        raise Unusable(f'{Path(arguments[0]).name} ended {ending(run.returncode)}: '
                       + last_line(run.stdout))
    return run.stdout


def ending(status):
    return f'by {signal.Signals(-status).name}' if status < 0 else f'with {status}'


def last_line(text):
    return (text.splitlines() or ['it said nothing'])[-1].strip()


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


def first_and_other_cpus():
    cpus = sorted(os.sched_getaffinity(0))
    return {cpus[0]}, set(cpus[1:]) or {cpus[0]}


# -- what they serve --

def pattern():
    """The block that ktls-bench's own servers send, again and again (wire.c)."""
    state, block = 0x9e3779b97f4a7c15, bytearray(BLOCK)
    for at in range(BLOCK):
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        block[at] = state >> 56
    return bytes(block)


class Shelf:
    """A directory with the certificate and the files. It is removed at the end."""

    def __init__(self, sizes):
        self.sizes = sorted({FETCHED, ONE_FILE, *sizes})
        self.block = pattern()
        self.temporary = tempfile.TemporaryDirectory(prefix='ktls-bench.')
        self.directory = Path(self.temporary.name)
        self.directory.chmod(0o755)
        self.files = self.directory / 'files'
        self.files.mkdir()
        for size in self.sizes:
            self.write(self.files / str(size), size)
        self.make_certificate()
        conf = self.conf('client', 0, OPENSSL_CONF, options='')
        self.client_environment = dict(os.environ, OPENSSL_CONF=str(conf))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()

    def write(self, path, size, head=b''):
        with open(path, 'wb') as file:
            file.write(head)
            for at in range(0, size, BLOCK):
                file.write(self.block[:min(BLOCK, size - at)])

    def make_certificate(self):
        key, chain = self.directory / 'key.pem', self.directory / 'chain.pem'
        output_of([program('openssl'), 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                   'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost', '-days', '2',
                   '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
                   '-keyout', key, '-out', chain])
        (self.directory / 'both.pem').write_text(chain.read_text() + key.read_text())

    def conf(self, name, port, template, **values):
        """A file of settings; its path."""
        path = self.directory / f'{name}-{port}.conf'
        path.write_text(template.format(directory=self.directory, port=port, suite=SUITE,
                                        suite_1_2=SUITE_1_2, **values))
        return path

    def with_heads(self):
        """The files again, each with the head of an answer before it: where, for a server that
        sends what is there and then closes."""
        directory = self.directory / 'answers'
        directory.mkdir(exist_ok=True)
        for size in self.sizes:
            head = f'HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n'
            if not (directory / str(size)).exists():
                self.write(directory / str(size), size, head.encode())
        return directory

    def origin(self):
        """The port of a server without TLS in this process."""
        files = self.files

        class Handler(http.server.SimpleHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def __init__(self, *arguments):
                super().__init__(*arguments, directory=files)

            def end_headers(self):
                self.send_header('Cache-Control', 'max-age=86400')
                super().end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        server.handle_error = lambda *_: None  # a client that goes is none
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]


# -- how each is started: the arguments, of a shelf and a port --

def ktls(tool, shelf, port):
    return [tool, 'serve', '--threads', '1', '--listen', f'127.0.0.1:{port}', '--root', shelf.files,
            '--cert', shelf.directory / 'chain.pem', '--key', shelf.directory / 'key.pem']


def nginx(options, shelf, port):
    conf = shelf.conf('nginx', port, NGINX_CONF, options=options)
    return [program('nginx'), '-p', shelf.directory, '-e', 'stderr', '-c', conf]


def lighttpd(module, options, shelf, port):
    daemon = program('lighttpd')
    modules = Path(daemon).parents[1] / 'lib/lighttpd'
    if not (modules / f'{module}.so').exists():
        raise Missing(f'{module} of lighttpd is not installed: scripts/setup bench')
    tls = LIGHTTPD_TLS[module].format(suite=SUITE, suite_1_2=SUITE_1_2, ktls=options)
    return [daemon, '-D', '-m', modules, '-f',
            shelf.conf('lighttpd', port, LIGHTTPD_CONF, module=module, options=tls)]


def haproxy(shelf, port):
    largest = max(max(shelf.sizes), BLOCK)
    conf = shelf.conf('haproxy', port, HAPROXY_CONF, largest=largest,
                      total_mib=min(2 * largest // BLOCK + 64, 4095), origin=shelf.origin())
    return [program('haproxy'), '-db', '-f', conf]


def s_server(options, shelf, port):
    arguments = [program('openssl'), 's_server', '-quiet', '-HTTP', '-http_server_binmode',
                 '-accept', f'127.0.0.1:{port}', '-cert', shelf.directory / 'chain.pem', '-key',
                 shelf.directory / 'key.pem', '-cipher', SUITE_1_2, '-ciphersuites', SUITE]
    conf = shelf.conf('s_server', port, OPENSSL_CONF, options=f'Options = {options}')
    return ([program('env'), '-C', shelf.with_heads(), f'OPENSSL_CONF={conf}', *arguments]
            + ['-sendfile'] * (options == 'KTLS'))


def gnutls_serv(shelf, port):
    return [program('gnutls-serv'), '--quiet', '--http', '--httpdata', shelf.files / str(ONE_FILE),
            '--port', str(port), '--disable-client-cert', '--x509certfile',
            shelf.directory / 'chain.pem', '--x509keyfile', shelf.directory / 'key.pem',
            '--priority', 'NORMAL:-CIPHER-ALL:+AES-128-GCM']


# `program` and `library` can tell their versions. `workloads`: those of `ktls-bench run` that it
# can, as their names begin, and why there are no more; none: all. `fetched`: a file that it has.
Setup = collections.namedtuple('Setup', 'name arguments program library workloads why fetched',
                               defaults=((), None, FETCHED))

CONNECTING = ('handshake-', 'resume-', 'connect-')
FILES = ('bulk-64m', 'bulk-1g')
CLOSES = 'one connection at a time, closed after each answer'


def ktls_serve(name, tool):
    return Setup(name, functools.partial(ktls, tool), None, 'GnuTLS')


def others():
    """With the kernel's TLS as far as they have it, and without."""
    part = functools.partial
    return [
        Setup('nginx', part(nginx, ''), 'nginx', 'OpenSSL'),
        Setup('nginx-ktls', part(nginx, 'ssl_conf_command Options KTLS;'), 'nginx', 'OpenSSL'),
        Setup('lighttpd', part(lighttpd, 'mod_openssl', '-KTLS'), 'lighttpd', 'OpenSSL'),
        Setup('lighttpd-ktls', part(lighttpd, 'mod_openssl', 'KTLS'), 'lighttpd', 'OpenSSL'),
        Setup('lighttpd-gnutls', part(lighttpd, 'mod_gnutls', ''), 'lighttpd', 'GnuTLS'),
        Setup('haproxy', haproxy, 'haproxy', 'OpenSSL'),
        Setup('s_server', part(s_server, '-KTLS'), None, 'OpenSSL', FILES + CONNECTING, CLOSES),
        Setup('s_server-ktls', part(s_server, 'KTLS'), None, 'OpenSSL', FILES + CONNECTING, CLOSES),
        Setup('gnutls-serv', gnutls_serv, None, 'GnuTLS', CONNECTING,
              'one file, of 1 KiB, and the connection closed behind it', ONE_FILE),
    ]


# -- as processes --

_libc = ctypes.CDLL(None)


class Server:
    def __init__(self, setup, shelf):
        self.setup, self.name, self.port, self.seen = setup, setup.name, free_port(), None
        self.log = shelf.directory / f'{self.port}.log'
        cpu, _ = first_and_other_cpus()

        def begin():
            _libc.prctl(1, signal.SIGKILL)
            os.sched_setaffinity(0, cpu)

        arguments = [str(argument) for argument in setup.arguments(shelf, self.port)]
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=log,
                                            stderr=log, preexec_fn=begin)

    def stop(self):
        self.process.kill()
        self.process.communicate()

    def how_it_went(self):
        status = self.process.poll()
        return (f'it ended {ending(status)}: ' if status is not None else '') + last_line(
            self.log.read_text(errors='replace'))

    def cpu_ns(self):
        """Of all threads, those that ended as well: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED)."""
        return time.clock_gettime_ns(~self.process.pid << 3 | 2)

    def versions(self):
        """Of its program, if that has one of its own, and of its library."""
        return {name: version(name) for name in (self.setup.program, self.setup.library) if name}

    def await_listening(self):
        deadline = time.monotonic() + READY_S
        while not is_listening(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Unusable(f'it does not serve; {self.how_it_went()}')
            time.sleep(0.05)


ASKED = {'OpenSSL': ('openssl', 'version'), 'GnuTLS': ('gnutls-serv', '--version')}


@functools.cache
def version(name):
    """Of a program, or of a library, which is asked by a program of its own."""
    command, option = ASKED.get(name, (name, '-v'))
    try:
        text = output_of([program(command), option])
    except Unusable:
        return 'of a version that it does not tell'
    return re.search(r'\d+\.\d+\S*', text).group()


def is_listening(port):
    """Without a connection, which some would take for their only client."""
    lines = [line.split() for table in ('tcp', 'tcp6')
             for line in Path('/proc/net', table).read_text().splitlines()[1:]]
    return any(line[1].endswith(f':{port:04X}') and line[3] == '0A' for line in lines)


@contextlib.contextmanager
def running(shelf, wanted):
    """Yields those that serve, and why the others do not: {name: why}."""
    servers, unusable = [], {}
    try:
        for setup in wanted:
            server = None
            try:
                server = Server(setup, shelf)
                server.await_listening()
                # Before it counts: what a server does but once, as to try out the kernel.
                fetch(shelf, server)
                server.seen = fetch(shelf, server)
                servers.append(server)
            except Unusable as why:
                unusable[setup.name] = why
                if server:
                    server.stop()
        yield servers, unusable
    finally:
        for server in servers:
            server.stop()


# -- what a client sees of them --

def counters():
    text = COUNTERS.read_text() if COUNTERS.exists() else ''
    return {name: int(n) for name, n in re.findall(r'^(\w+)\s+(\d+)$', text, re.MULTILINE)}


def fetch(shelf, server):
    """What fetch.py sees of a file, and what the kernel counted meanwhile."""
    size = server.setup.fetched
    before = counters()
    seen = json.loads(output_of([sys.executable, Path(__file__).with_name('fetch.py'), server.port,
                                 size, shelf.directory / 'chain.pem'], shelf.client_environment))
    counted = {name: n - before.get(name, 0) for name, n in counters().items()
               if n > before.get(name, 0) and not name.startswith('TlsCurr')}
    if seen.pop('sha256') != hashlib.sha256((shelf.files / str(size)).read_bytes()).hexdigest():
        raise Unusable(f'what it sends is not the file of {size} bytes')
    in_kernel = counted.get('TlsTxSw') or counted.get('TlsTxDevice')
    return {**seen, 'counted': counted,
            'protection': 'in the kernel' if in_kernel else 'in userspace'}
