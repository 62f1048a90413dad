# SPDX-License-Identifier: MIT
"""
The servers that are compared: `ktls serve` and others from the distribution's packages, each set
up as its manual advises for files, in one process with one thread on one CPU, with one certificate,
suite, and set of files that are named by their size. Each is believed when OpenSSL had a file from
it; where that was protected, and in which records it came, is told beside the figures.
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
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from programs import OWN, Unusable, ending, last_line, output_of

LOOPBACK = '127.0.0.1'
SUITE = 'TLS_AES_128_GCM_SHA256'
SUITE_1_2 = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256'  # by its key
KEYS = {'P-256': ('ec', '-pkeyopt', 'ec_paramgen_curve:P-256'), 'RSA 2048': ('rsa:2048',)}
READY_S = 60
BLOCK = 1 << 20
FETCHED = 1 << 20  # a file of which each server shows what it does with it
ONE_FILE = 1024
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
events {{ worker_connections 16384; }}
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
	ssl_certificate {identity}/chain.pem;
	ssl_certificate_key {identity}/key.pem;
	client_max_body_size 0;
	server {{
		listen {address}:{port} ssl;
		if ($request_method = PUT) {{ return 200; }}
	}}
}}
'''

LIGHTTPD_CONF = '''
server.document-root = "{directory}/files"
server.modules = ("{module}")
server.bind = "{address}"
server.port = {port}
server.max-fds = 16384
server.max-connections = 12000
server.max-keep-alive-requests = 65535
mimetype.assign = ("" => "application/octet-stream")
ssl.engine = "enable"
ssl.pemfile = "{identity}/chain.pem"
ssl.privkey = "{identity}/key.pem"
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
	bind {address}:{port} ssl crt {identity}/both.pem
	http-request cache-use memory
	http-response cache-store memory
	default_backend origin
backend origin
	server origin 127.0.0.1:{origin} maxconn 4
'''


def free_port():
    with socket.create_server((LOOPBACK, 0)) as listener:
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
    """A directory with certificates and the files, and the address at which they are served. It is
    removed at the end."""

    def __init__(self, sizes, address):
        self.address = address
        self.sizes = sorted({FETCHED, ONE_FILE, *sizes})
        self.block = pattern()
        self.temporary = tempfile.TemporaryDirectory(prefix='ktls-bench.')
        self.directory = Path(self.temporary.name)
        self.directory.chmod(0o755)
        self.files = self.directory / 'files'
        self.files.mkdir()
        for size in self.sizes:
            self.write(self.files / str(size), size)
        conf = self.directory / 'client.conf'
        conf.write_text(OPENSSL_CONF.format(suite=SUITE, suite_1_2=SUITE_1_2, options=''))
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

    @functools.cache
    def identity(self, key):
        """A directory: chain.pem, key.pem, and both.pem."""
        directory = self.directory / key.split()[0]
        directory.mkdir()
        output_of([OWN.find('openssl'), 'req', '-x509', '-newkey', *KEYS[key], '-nodes', '-subj',
                   '/CN=localhost', '-days', '2', '-addext',
                   'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', directory / 'key.pem',
                   '-out', directory / 'chain.pem'])
        (directory / 'both.pem').write_text(''.join(
            (directory / name).read_text() for name in ('chain.pem', 'key.pem')))
        return directory

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

        server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
        server.handle_error = lambda *_: None  # a client that goes is none
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]


class Site:
    """What a server is given: programs, files, an identity, a port."""

    def __init__(self, shelf, setup):
        self.shelf, self.release, self.port = shelf, setup.release, free_port()
        self.place = f'{shelf.address}:{self.port}'
        self.identity = shelf.identity(setup.key)
        self.chain, self.key = self.identity / 'chain.pem', self.identity / 'key.pem'

    def conf(self, name, template, **values):
        """A file of settings; its path."""
        path = self.shelf.directory / f'{name}-{self.port}.conf'
        path.write_text(template.format(directory=self.shelf.directory, identity=self.identity,
                                        address=self.shelf.address, port=self.port,
                                        suite=SUITE, suite_1_2=SUITE_1_2, **values))
        return path


# -- how each is started: the arguments, of a site --

def ktls(tool, site):
    return [tool, 'serve', '--threads', '1', '--listen', site.place, '--root',
            site.shelf.files, '--cert', site.chain, '--key', site.key]


def nginx(options, site):
    conf = site.conf('nginx', NGINX_CONF, options=options)
    return [*site.release.command('nginx'), '-p', site.shelf.directory, '-e', 'stderr', '-c', conf]


def lighttpd(module, options, site):
    tls = LIGHTTPD_TLS[module].format(suite=SUITE, suite_1_2=SUITE_1_2, ktls=options)
    return [*site.release.command('lighttpd'), '-D', '-m', site.release.module('lighttpd', module),
            '-f', site.conf('lighttpd', LIGHTTPD_CONF, module=module, options=tls)]


def haproxy(site):
    largest = max(site.shelf.sizes) + BLOCK  # with its head
    conf = site.conf('haproxy', HAPROXY_CONF, largest=largest,
                     total_mib=min(2 * largest // BLOCK + 64, 4095), origin=site.shelf.origin())
    return [*site.release.command('haproxy'), '-db', '-f', conf]


def s_server(options, site):
    arguments = [*site.release.command('openssl'), 's_server', '-quiet', '-HTTP',
                 '-http_server_binmode', '-accept', site.place, '-cert', site.chain,
                 '-key', site.key, '-cipher', SUITE_1_2, '-ciphersuites', SUITE]
    conf = site.conf('s_server', OPENSSL_CONF, options=f'Options = {options}')
    return ([OWN.find('env'), '-C', site.shelf.with_heads(), f'OPENSSL_CONF={conf}', *arguments]
            + ['-sendfile'] * (options == 'KTLS'))


def gnutls_serv(site):
    return [*site.release.command('gnutls-serv'), '--quiet', '--http', '--httpdata',
            site.shelf.files / str(ONE_FILE), '--port', str(site.port), '--disable-client-cert',
            '--x509certfile', site.chain, '--x509keyfile', site.key,
            '--priority', 'NORMAL:-CIPHER-ALL:+AES-128-GCM']


# `program` and `library` can tell their versions. `workloads`: those of `ktls-bench run` that it
# can, as chosen by -w, and why there are no more; none: all, but uploads only if it takes them and
# throws them away, too. `key`: of KEYS. `fetched`: a file that it has. `caches`: it has what it was
# asked for before.
Setup = collections.namedtuple(
    'Setup', 'name arguments release program library workloads why key uploads fetched caches',
    defaults=((), None, 'P-256', False, FETCHED, False))

CONNECTING = ('handshake-', 'resume-', 'connect-')
FILES = ('bulk-64m', 'bulk-1g')
CLOSES = 'one connection at a time, closed after each answer'


def ktls_serve(name, tool):
    return Setup(name, functools.partial(ktls, tool), OWN, None, 'GnuTLS')


def others(release=OWN):
    """With the kernel's TLS as far as they have it, and without."""
    def setup(name, function, options, *rest, **more):
        return Setup(name, functools.partial(function, *options), release, *rest, **more)

    return [
        setup('nginx', nginx, [''], 'nginx', 'OpenSSL', uploads=True),
        setup('nginx-ktls', nginx, ['ssl_conf_command Options KTLS;'], 'nginx', 'OpenSSL',
              uploads=True),
        setup('lighttpd', lighttpd, ['mod_openssl', '-KTLS'], 'lighttpd', 'OpenSSL'),
        setup('lighttpd-ktls', lighttpd, ['mod_openssl', 'KTLS'], 'lighttpd', 'OpenSSL'),
        setup('lighttpd-gnutls', lighttpd, ['mod_gnutls', ''], 'lighttpd', 'GnuTLS'),
        setup('haproxy', haproxy, [], 'haproxy', 'OpenSSL', caches=True),
        setup('s_server', s_server, ['-KTLS'], None, 'OpenSSL', FILES + CONNECTING, CLOSES),
        setup('s_server-ktls', s_server, ['KTLS'], None, 'OpenSSL', FILES + CONNECTING, CLOSES),
        setup('gnutls-serv', gnutls_serv, [], None, 'GnuTLS', CONNECTING,
              'one file, of 1 KiB, and the connection closed behind it', fetched=ONE_FILE),
    ]


# -- as processes --

_libc = ctypes.CDLL(None)


class Server:
    def __init__(self, setup, shelf):
        self.setup, self.name, self.seen, site = setup, setup.name, None, Site(shelf, setup)
        self.port, self.chain = site.port, site.chain
        self.log = shelf.directory / f'{self.port}.log'
        cpu, _ = first_and_other_cpus()

        def begin():
            _libc.prctl(1, signal.SIGKILL)
            os.sched_setaffinity(0, cpu)

        arguments = [str(argument) for argument in setup.arguments(site)]
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
        return {name: self.setup.release.version(name)
                for name in (self.setup.program, self.setup.library) if name}

    def await_listening(self):
        deadline = time.monotonic() + READY_S
        while not is_listening(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Unusable(f'it does not serve; {self.how_it_went()}')
            time.sleep(0.05)


def is_listening(port):
    """Without a connection, which some would take for their only client."""
    lines = [line.split() for table in ('tcp', 'tcp6')
             for line in Path('/proc/net', table).read_text().splitlines()[1:]]
    return any(line[1].endswith(f':{port:04X}') and line[3] == '0A' for line in lines)


@contextlib.contextmanager
def running(shelf, wanted):
    """Yields those that serve, and why the others do not: {setup: why}."""
    servers, unusable = [], {}
    try:
        for setup in wanted:
            server = None
            try:
                server = Server(setup, shelf)
                server.await_listening()
                # Before it counts: what a server does but once, as to try out the kernel.
                for size in shelf.sizes if setup.caches else [setup.fetched]:
                    fetch(shelf, server, size)
                server.seen = fetch(shelf, server, setup.fetched)
                servers.append(server)
            except Unusable as why:
                unusable[setup] = why
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


def fetch(shelf, server, size):
    """What fetch.py sees of a file, and what the kernel counted meanwhile."""
    before = counters()
    seen = json.loads(output_of([sys.executable, Path(__file__).with_name('fetch.py'),
                                 shelf.address, server.port, size, server.chain],
                                shelf.client_environment))
    counted = {name: n - before.get(name, 0) for name, n in counters().items()
               if n > before.get(name, 0) and not name.startswith('TlsCurr')}
    with open(shelf.files / str(size), 'rb') as file:
        if seen.pop('sha256') != hashlib.file_digest(file, 'sha256').hexdigest():
            raise Unusable(f'what it sends is not the file of {size} bytes')
    in_kernel = counted.get('TlsTxSw') or counted.get('TlsTxDevice')
    return {**seen, 'counted': counted,
            'protection': 'in the kernel' if in_kernel else 'in userspace'}
