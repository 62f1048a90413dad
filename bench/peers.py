#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls-bench run` with its own arms and, side by side with them, `ktls serve` and the servers of
others (setups.py) that are on this machine, or are Debian 13's: all at once, each on the CPU on
which the harness runs its own, and loaded in turn. Behind the figures it says what each server is,
where it protects what it sends, by the kernel's own counters, and who was left out, and why.

  peers.py build/bench/ktls-bench build/src/tools/ktls -- -r 3 -w bulk --json
"""

import argparse
import json
import subprocess
import sys

import setups
import veth
from programs import OWN, Unusable, debian, die, end_orderly, ending, output_of

QUICK = ['-r', '1', '-t', '100', '-a', 'user-write', '-a', 'tx-sendfile', '-w', 'bulk-64k',
         '-w', 'connect-1k', '-w', 'handshake-1.3', '-w', 'request-1k']
NO_UPLOADS = 'it takes no uploads'
SOME_FAILED, NOTHING = 1, 77  # of the harness's runs, by its exit status


def chosen(sizes, names):
    """Of {name: size of its answers}, what `ktls-bench run` chooses by names."""
    return {name: size for name, size in sizes.items() if not names or any(
        name == one if one in sizes else name.startswith(one) for one in names)}


def all_workloads(bench):
    rows = [line.split() for line in output_of([bench, 'run', '--list']).splitlines()]
    return {name: int(size) for kind, name, *rest in rows if kind == 'workload' for size in rest}


def tasks(setup, workloads):
    """The server for each key that they want of it, with the whole names of those that it can."""
    for key in setups.KEYS:
        names = [name for name in chosen(workloads, setup.workloads)
                 if name.endswith('-rsa') == key.startswith('RSA')
                 and (setup.uploads or not name.startswith('upload'))]
        if names:
            yield setup._replace(key=key, workloads=tuple(names))


def left_out(wanted, unusable, workloads):
    """{name: why}"""
    none = {setup.name: f'none of these workloads is one for it: {setup.why or NO_UPLOADS}'
            for setup in wanted if not any(tasks(setup, workloads))}
    return {**none, **{f'{setup.name}, {setup.key}': str(why) for setup, why in unusable.items()}}


def strangers(servers):
    for server in servers:
        yield from ('-s', ','.join([f'{server.name}={server.port}', str(server.process.pid),
                                    *server.setup.workloads]))


def run(command, as_json, before):
    """The harness's exit status, and its answer: passed through, or parsed."""
    sys.stdout.flush()
    done = subprocess.run(command, stdout=subprocess.PIPE if as_json else None, check=False,
                          preexec_fn=before)
    if done.returncode not in (0, SOME_FAILED, NOTHING):
        die(f'{command[0]} ended {ending(done.returncode)}')
    return done.returncode, json.loads(done.stdout) if as_json else None


def measure(bench, options, as_json, link):
    """run(), from the other end of the link, if there is one."""
    if not link:
        return run([bench, 'run', *options], as_json, None)
    with veth.harness(bench) as place:
        return run([bench, 'run', '--client', place, *options], as_json, link.enter)


def facts_of(server):
    """What is told of a server beside its figures."""
    setup = server.setup
    return {'name': setup.name, 'release': setup.release.name, 'versions': server.versions(),
            'key': setup.key, 'only': setup.why, **server.seen}


def line_of(peer):
    versions = ', '.join(f'{name} {version}' for name, version in peer['versions'].items())
    counted = ''.join(f', {name} +{n}' for name, n in peer['counted'].items())
    return (f"{peer['release']}: {versions}; {peer['key']}, {peer['suite']}, "
            f"protected {peer['protection']}{counted}, "
            f"{peer['record']} bytes in a record{'; ' + peer['only'] if peer['only'] else ''}")


def tell(peers, absent):
    print('\nwhat they are, and did with a file:')
    for peer in peers:
        print(f"  {peer['name']:16} {line_of(peer)}")
    for name, why in absent.items():
        print(f'  {name:16} left out: {why}')


def with_peers(answer, peers, absent):
    """Also as remarks, for a page of it."""
    proofs = [{'workload': 'one file', 'arm': peer['name'], 'text': line_of(peer)}
              for peer in peers]
    notes = [{'workload': 'all', 'arm': name, 'note': f'left out: {why}'}
             for name, why in absent.items()]
    return {**answer, 'proofs': proofs + answer['proofs'], 'notes': notes + answer['notes'],
            'peers': peers, 'left_out': absent}


def parse():
    """Ours, and behind "--" the harness's, of which some are ours to know."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true', help='shows that it works, no more')
    parser.add_argument('--debian', choices=['13'],
                        help="that release's servers; by default this machine's own")
    parser.add_argument('--veth', action='store_true', help='the client is in another network '
                        'namespace: see veth.py')
    parser.add_argument('bench', metavar='KTLS_BENCH', help='the program ktls-bench')
    parser.add_argument('ktls', metavar='KTLS', help='the command ktls')
    parser.add_argument('rest', nargs='*', metavar='-- OPTION',
                        help='of `ktls-bench run`, but for -s')
    options = parser.parse_args()
    options.rest = QUICK * options.quick + options.rest
    known = argparse.ArgumentParser(add_help=False)
    known.add_argument('-w', action='append')
    known.add_argument('--json', action='store_true')
    return options, known.parse_known_args(options.rest)[0]


def compare(options, known):
    workloads = chosen(all_workloads(options.bench), known.w)
    if not workloads:
        die('no workload has such a name: see ktls-bench run --list')
    ours = setups.ktls_serve('ktls-serve', options.ktls)
    wanted = [ours, *setups.others(debian(options.debian) if options.debian else OWN)]
    possible = [task for setup in wanted for task in tasks(setup, workloads)]
    link = veth.Link() if options.veth else None
    address = veth.ADDRESS if link else setups.LOOPBACK
    with setups.Shelf(workloads.values(), address) as shelf, \
            setups.running(shelf, possible) as (servers, unusable):
        for setup, why in unusable.items():
            if setup.name == ours.name:
                raise why
        peers = [facts_of(server) for server in servers]
        absent = left_out(wanted, unusable, workloads)
        status, answer = measure(options.bench, [*options.rest, *strangers(servers)], known.json,
                                 link)
        if known.json:
            print(json.dumps(with_peers(answer, peers, absent), indent=2))
        else:
            tell(peers, absent)
    return status


def main():
    end_orderly()
    try:
        return compare(*parse())
    except Unusable as why:
        return die(why)


if __name__ == '__main__':
    sys.exit(main())
