#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls serve` beside nginx with OpenSSL's kTLS and nginx without: one machine, one suite, one file,
runs in turn. Every program given as KTLS is an arm of its own, so that two builds can be compared.

  rate   requests per second of servers on one CPU, their clients on the others (wrk, then h2load)
  cpu    the servers' CPU time per request; under `scripts/lab --accel icount` that is instructions
  calls  system calls per request, by name (perf)

README.md says how to read the figures. wrk, h2load and nginx come with `scripts/setup bench`.
"""

import argparse
import collections
import functools
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUITE = 'TLS_AES_128_GCM_SHA256'
READY_S = 60
SKIPPED = 77
CACHE = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
PATH = ':'.join([os.environ.get('PATH', ''), '/usr/sbin', '/sbin',
                 CACHE + '/ktls-lab/nginx/usr/sbin'])
COUNTERS = Path('/proc/net/tls_stat')

# Clients of OpenSSL's offer this suite alone, so that no server has a choice.
CLIENT_CONF = f'''
openssl_conf = default
[default]
ssl_conf = ssl
[ssl]
system_default = options
[options]
MinProtocol = TLSv1.3
Ciphersuites = {SUITE}
'''

# As its manual advises for static files; one process, as the others.
NGINX_CONF = '''
daemon off;
master_process off;
pid {directory}/nginx-{port}.pid;
events {{ worker_connections 1024; }}
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
	ssl_protocols TLSv1.3;
	ssl_conf_command Ciphersuites {suite};
	{options}
	ssl_certificate {directory}/chain.pem;
	ssl_certificate_key {directory}/key.pem;
	server {{ listen 127.0.0.1:{port} ssl; }}
}}
'''

Server = collections.namedtuple('Server', 'name process port')
# A loop around sendfile(2) on a socket keyed by hand, which bench-sendfile has.
Bare = collections.namedtuple('Bare', 'name program')


def die(message, status=1):
    print('servers: ' + message, file=sys.stderr)
    sys.exit(status)


def program(name):
    return shutil.which(name, path=PATH) or die(name + ' is missing: scripts/setup bench', SKIPPED)


def output_of(arguments, environment=None):
    run = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         env=environment, check=False)
    if run.returncode:
        die(f'{arguments[0]} ended with {run.returncode}:\n{run.stdout}')
    return run.stdout


def prepare(directory, size):
    (directory / 'files').mkdir()
    content = os.urandom(1024) * (size // 1024) + bytes(size % 1024)
    (directory / 'files' / 'file').write_bytes(content)
    (directory / 'client.conf').write_text(CLIENT_CONF)
    output_of([program('openssl'), 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
               'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost', '-days', '2',
               '-keyout', directory / 'key.pem', '-out', directory / 'chain.pem'])


# -- servers --

def free_port():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


def first_and_other_cpus():
    cpus = sorted(os.sched_getaffinity(0))
    return {cpus[0]}, set(cpus[1:]) or {cpus[0]}


def start(name, port, arguments):
    cpu, _ = first_and_other_cpus()
    process = subprocess.Popen([str(argument) for argument in arguments], stdout=subprocess.DEVNULL,
                               preexec_fn=lambda: os.sched_setaffinity(0, cpu))
    deadline = time.monotonic() + READY_S
    while True:
        try:
            socket.create_connection(('127.0.0.1', port)).close()
            return Server(name, process, port)
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                die(name + ' does not serve')
            time.sleep(0.05)


def start_ktls(directory, name, tool):
    port = free_port()
    return start(name, port, [tool, 'serve', '--listen', f'127.0.0.1:{port}', '--root',
                              directory / 'files', '--cert', directory / 'chain.pem', '--key',
                              directory / 'key.pem'])


def start_nginx(directory, name, options):
    port = free_port()
    conf = directory / f'nginx-{port}.conf'
    conf.write_text(NGINX_CONF.format(directory=directory, port=port, suite=SUITE, options=options))
    return start(name, port, [program('nginx'), '-p', directory, '-e', 'stderr', '-c', conf])


def start_all(directory, tools):
    names = [tool.rpartition('=')[0] or 'ktls serve' for tool in tools]
    if len(set(names)) != len(names):
        die('two programs of one name: say NAME=PROGRAM')
    for name, tool in zip(names, tools):
        yield start_ktls(directory, name, tool.rpartition('=')[2])
    yield start_nginx(directory, 'nginx', '')
    yield start_nginx(directory, 'nginx, kTLS', 'ssl_conf_command Options KTLS;')


def cpu_ns(server):
    """All of its threads, those that ended as well: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED)."""
    return time.clock_gettime_ns(~server.process.pid << 3 | 2)


# -- clients --

def client(directory, arguments):
    _, cpus = first_and_other_cpus()
    environment = dict(os.environ, OPENSSL_CONF=str(directory / 'client.conf'))
    return output_of([program('taskset'), '-c', ','.join(map(str, cpus))] + arguments, environment)


def url(server):
    return f'https://127.0.0.1:{server.port}/file'


def number(pattern, text):
    match = re.search(pattern, text, re.MULTILINE)
    return float(match.group(1)) if match else die(f'no {pattern} in:\n{text}')


def wrk(directory, server, connections, seconds):
    text = client(directory, [program('wrk'), '-t1', f'-c{connections}', f'-d{seconds}',
                              '--timeout', '60', url(server)])
    requests = number(r'^ *(\d+) requests in', text)
    if not requests or re.search('Socket errors|Non-2xx', text):
        die(f'{server.name} failed requests, or had none done in time:\n{text}')
    return requests, seconds


def h2load(directory, server, connections, much, under=()):
    text = client(directory, [*under, program('h2load'), '--h1', '-t1', f'-c{connections}', much,
                              url(server)])
    requests = number(r'^requests: .* (\d+) done', text)
    if not requests or not re.search(r' 0 failed, 0 errored.*\n.* 0 3xx, 0 4xx, 0 5xx', text):
        die(f'{server.name} failed requests, or had none done in time:\n{text}')
    return requests


def h2load_for(directory, server, connections, seconds):
    return h2load(directory, server, connections, f'-D{seconds}'), seconds


# -- figures --

def protection(directory, server):
    """Where it protects what it sends: in the kernel, as the kernel counts, or not."""
    def count():
        text = COUNTERS.read_text() if COUNTERS.exists() else ''
        return sum(map(int, re.findall(r'^TlsTx(?:Sw|Device)\s+(\d+)', text, re.MULTILINE)))

    before = count()
    h2load(directory, server, 1, '-n1')
    return 'in the kernel' if count() > before else 'in userspace'


def in_turn(servers, runs, figure):
    """{name: [figure of each run]}, forwards and backwards, after one to warm up."""
    series = {server.name: [] for server in servers}
    for run in range(runs + 1):
        for server in servers if run % 2 else servers[::-1]:
            value = figure(server)
            if run:
                series[server.name].append(value)
    return series


def show(title, series):
    """Medians and spreads; and ratios to the last arm, run by run, which are what to believe."""
    last = list(series.values())[-1]
    print(title)
    for name, values in series.items():
        ratio = statistics.median(value / other for value, other in zip(values, last))
        print(f'  {name:24} {statistics.median(values):14.1f}  '
              f'({min(values):.1f} .. {max(values):.1f})  {ratio:8.3f}')
    sys.stdout.flush()


def pick(series, index):
    return {name: [values[index] for values in runs] for name, runs in series.items()}


def measure_rate(directory, servers, options):
    def one(load, server):
        before = cpu_ns(server)
        requests, seconds = load(directory, server, options.connections, options.seconds)
        return requests / seconds, requests / (cpu_ns(server) - before) * 1e9

    for name, load in (('wrk', wrk), ('h2load', h2load_for)):
        series = in_turn(servers, options.runs, functools.partial(one, load))
        show(f'{name}: requests per second', pick(series, 0))
        show("the same per second of the server's CPU", pick(series, 1))


def measure_cpu(directory, servers, options):
    """Connections are made in a run of one request each, which is taken off."""
    def bare(arm):
        mib = max(options.size * options.requests >> 20, 1)
        text = output_of([arm.program, '-a2', '-r1', f'-n{mib}', f'-s{options.size}'])
        return number(r'bare, polling +([\d.]+) ns/KiB', text) * options.size / 1024

    def cost(server, requests):
        before = cpu_ns(server)
        h2load(directory, server, options.connections, f'-n{requests}')
        return cpu_ns(server) - before

    def one(server):
        if isinstance(server, Bare):
            return bare(server)
        base = cost(server, options.connections)
        return (cost(server, options.connections + options.requests) - base) / options.requests

    arms = [Bare('bare sendfile', options.bare)] + servers if options.bare else servers
    series = in_turn(arms, options.runs, one)
    show("nanoseconds of the server's CPU per request", series)
    if options.size >= 1 << 20:
        show('the same per KiB', {name: [value / options.size * 1024 for value in values]
                                  for name, values in series.items()})


def measure_calls(directory, servers, options):
    def count(server, requests):
        file = directory / 'calls'
        h2load(directory, server, options.connections, f'-n{requests}', under=[
            program('perf'), 'stat', '-x', ';', '-o', file, '-e', 'syscalls:sys_enter_*',
            '-p', str(server.process.pid)])
        return collections.Counter({name: int(n) for n, name in re.findall(
            r'^(\d+);;syscalls:sys_enter_(\w+)', file.read_text(), re.MULTILINE)})

    print('system calls per request')
    for server in servers:
        calls = count(server, options.connections + options.requests)
        calls.subtract(count(server, options.connections))
        each = {name: n / options.requests for name, n in calls.most_common() if n > 0}
        print(f'  {server.name:24} {sum(each.values()):8.3f}  ' + ', '.join(
            f'{name} {n:.3f}' for name, n in each.items() if n >= 0.001))
        sys.stdout.flush()


MEASUREMENTS = {'rate': measure_rate, 'cpu': measure_cpu, 'calls': measure_calls}


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('-s', '--size', type=int, default=1024, help='bytes of the file')
    parser.add_argument('-r', '--runs', type=int, default=5)
    parser.add_argument('-c', '--connections', type=int, default=16)
    parser.add_argument('-n', '--requests', type=int, default=2000, help='cpu, calls: in a run')
    parser.add_argument('-d', '--seconds', type=int, default=3, help='rate: of a run')
    parser.add_argument('--bare', help='cpu: bench-sendfile, whose bare loop is an arm as well')
    parser.add_argument('measurement', choices=MEASUREMENTS)
    parser.add_argument('ktls', nargs='*', metavar='[NAME=]KTLS', help='the command ktls')
    return parser.parse_args()


def main():
    options = parse()
    servers = []
    with tempfile.TemporaryDirectory(prefix='ktls-bench.') as name:
        directory = Path(name)
        prepare(directory, options.size)
        try:
            servers += start_all(directory, options.ktls)
            print(f'{options.size} bytes, {options.connections} connections, {options.runs} runs: '
                  'median (least .. most), ratio to the last')
            for server in servers:
                print(f'  {server.name:24} {protection(directory, server)}')
            MEASUREMENTS[options.measurement](directory, servers, options)
        finally:
            for server in servers:
                server.process.kill()
                server.process.wait()


if __name__ == '__main__':
    main()
