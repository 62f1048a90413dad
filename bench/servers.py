#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls serve` beside nginx with OpenSSL's kTLS and nginx without: what is counted of so many
requests, in runs by turns. Every program given as KTLS is an arm of its own, so that two builds can
be compared. For rates and times, and other servers, there is peers.py.

  cpu    the servers' CPU time per request; under `scripts/lab --accel icount` that is instructions
  calls  system calls per request, by name (perf)

README.md says how to read the figures. h2load, nginx and perf come with `scripts/setup bench`.
"""

import argparse
import collections
import re
import statistics
import sys

import setups
from programs import OWN, Unusable, die, end_orderly, output_of

# A loop around sendfile(2) on a socket keyed by hand, which bench-sendfile has.
Bare = collections.namedtuple('Bare', 'name program')


def chosen(tools):
    names = [tool.rpartition('=')[0] or 'ktls serve' for tool in tools]
    if len(set(names)) != len(names):
        die('two programs of one name: say NAME=PROGRAM')
    return ([setups.ktls_serve(name, tool.rpartition('=')[2]) for name, tool in zip(names, tools)]
            + [setup for setup in setups.others() if setup.program == 'nginx'])


# -- clients --

def client(shelf, arguments):
    _, cpus = setups.first_and_other_cpus()
    return output_of([OWN.find('taskset'), '-c', ','.join(map(str, cpus)), *arguments],
                     shelf.client_environment)


def number(pattern, text):
    match = re.search(pattern, text, re.MULTILINE)
    return float(match.group(1)) if match else die(f'no {pattern} in:\n{text}')


def h2load(shelf, server, connections, requests, size, under=()):
    text = client(shelf, [*under, OWN.find('h2load'), '--h1', '-t1', f'-c{connections}',
                          f'-n{requests}', f'https://127.0.0.1:{server.port}/{size}'])
    if not re.search(r' 0 failed, 0 errored.*\n.* 0 3xx, 0 4xx, 0 5xx', text):
        die(f'{server.name} failed requests:\n{text}')


# -- figures --

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


def measure_cpu(shelf, servers, options):
    """Connections are made in a run of one request each, which is taken off."""
    def bare(arm):
        mib = max(options.size * options.requests >> 20, 1)
        text = output_of([arm.program, '-a2', '-r1', f'-n{mib}', f'-s{options.size}'])
        return number(r'bare, polling +([\d.]+) ns/KiB', text) * options.size / 1024

    def cost(server, requests):
        before = server.cpu_ns()
        h2load(shelf, server, options.connections, requests, options.size)
        return server.cpu_ns() - before

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


def measure_calls(shelf, servers, options):
    def count(server, requests):
        file = shelf.directory / 'calls'
        h2load(shelf, server, options.connections, requests, options.size, under=[
            OWN.find('perf'), 'stat', '-x', ';', '-o', file, '-e', 'syscalls:sys_enter_*',
            '-p', server.process.pid])
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


MEASUREMENTS = {'cpu': measure_cpu, 'calls': measure_calls}


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('-s', '--size', type=int, default=1024, help='bytes of the file')
    parser.add_argument('-r', '--runs', type=int, default=5)
    parser.add_argument('-c', '--connections', type=int, default=16)
    parser.add_argument('-n', '--requests', type=int, default=2000, help='in a run')
    parser.add_argument('--bare', help='cpu: bench-sendfile, whose bare loop is an arm as well')
    parser.add_argument('measurement', choices=MEASUREMENTS)
    parser.add_argument('ktls', nargs='*', metavar='[NAME=]KTLS', help='the command ktls')
    return parser.parse_args()


def measure(options):
    with setups.Shelf([options.size], setups.LOOPBACK) as shelf, \
            setups.running(shelf, chosen(options.ktls)) as (servers, unusable):
        for why in unusable.values():
            raise why
        print(f'{options.size} bytes, {options.connections} connections, {options.runs} runs: '
              'median (least .. most), ratio to the last')
        for server in servers:
            print(f"  {server.name:24} {server.seen['protection']}")
        MEASUREMENTS[options.measurement](shelf, servers, options)


def main():
    end_orderly()
    try:
        measure(parse())
    except Unusable as why:
        die(why)


if __name__ == '__main__':
    main()
