#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls stat` where there is kernel TLS: it must show the connections of `ktls serve` as that was told
to make them; in a second namespace, too, and as much of it to an ordinary user as this kernel tells.
The clients protect their records themselves, so that only one end of each connection is to be seen.
"""

import contextlib
import json
import os
import subprocess

import kit
from stat_anywhere import NOBODY, run, stat

REQUEST = b'GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n'


def need_ktls():
    if not kit.ulp_attaches():
        raise kit.Skip('this kernel has no kTLS')
    if os.geteuid():
        raise kit.Skip('many kernels tell only root which sockets have TLS')


def payload():
    return kit.payload(20000)


def ask(client, name=None):
    """Until all of an answer has come: both directions have been used, and the connection stays."""
    client.send(REQUEST % (name or payload().name).encode())
    client.await_output(payload().stat().st_size)


def client_of(port, *options, **rest):
    return kit.openssl_client(port, '-quiet', '-nocommands', *options, stdin=None, **rest)


def served(port, *options):
    """The server's ends on this port."""
    return [one for one in stat('--port', port, *options)['sockets']
            if one['local']['port'] == port]


def check_one(one, protocol, cipher, tx, rx):
    wanted = {'tls': True, 'version': protocol, 'cipher': cipher, 'tx': tx, 'rx': rx}
    got = {name: one[name] for name in wanted}
    kit.check(got == wanted, '%s, not %s' % (got, wanted))


def check_counted():
    """As many as the kernel counts itself; those of earlier cases may still be on their way out."""
    def same():
        seen, counters = stat()['sockets'], kit.tls_stat()
        return all(counters['TlsCurr%sSw' % direction.capitalize()] == sum(
            one[direction] == 'software' for one in seen) for direction in ('tx', 'rx'))

    kit.await_that(same, 'as many sockets as the kernel counts')


def works(protocol, cipher, direction):
    answer = kit.probe()['ciphers'][cipher]['tls' + protocol.replace('.', '')][direction]
    return 'software' if answer['works'] else 'none'


# ktls serve

def serve_ciphers():
    """Each version and cipher, all at the same time, each connection known by its client's port."""
    need_ktls()
    server, port = kit.tool_server(kit.directory, '--offload', 'both')
    payload()
    clients = {}
    for protocol, cipher in kit.matrix():
        number = kit.free_port()
        clients[number] = (protocol, cipher, client_of(
            port, '-bind', '127.0.0.1:%d' % number, *kit.openssl_suite(protocol, cipher)))
    for _, _, client in clients.values():
        ask(client)
    seen = {one['peer']['port']: one for one in served(port, '-p')}
    kit.check(set(clients) == set(seen), '%s, not %s' % (sorted(seen), sorted(clients)))
    for number, (protocol, cipher, _) in clients.items():
        one = seen[number]
        check_one(one, protocol, cipher, works(protocol, cipher, 'tx'),
                  works(protocol, cipher, 'rx'))
        owners = {(owner['pid'], owner['name']) for owner in one['processes']}
        kit.check(owners == {(server.child.pid, 'ktls')}, str(owners))
        kit.check(one['state'] == 'ESTABLISHED' and one['inode'], str(one))
    check_counted()
    chosen = served(port, '--cipher', 'AES-128-CCM', '--tls', '1.2')
    kit.check([clients[one['peer']['port']][:2] for one in chosen] == [('1.2', 'AES-128-CCM')],
              str(chosen))
    return '%d connections' % len(seen)


def serve_offload():
    """Told --offload, it does as it was told, and that is what is seen."""
    need_ktls()
    payload()
    for offload, tx, rx in (('both', 'software', 'software'), ('tx', 'software', 'none'),
                            ('rx', 'none', 'software'), ('off', None, None)):
        _, port = kit.tool_server(kit.directory, '--offload', offload)
        ask(client_of(port, *kit.openssl_suite('1.3', 'AES-128-GCM')))
        seen = served(port)
        if tx is None:
            kit.check(seen == [], '--offload off, but %s' % seen)
            one = [one for one in served(port, '--all') if one['state'] == 'ESTABLISHED']
            kit.check(len(one) == 1 and one[0]['tls'] is False, str(one))
            continue
        kit.check(len(seen) == 1, '%s: %s' % (offload, seen))
        check_one(seen[0], '1.3', 'AES-128-GCM', tx, rx)
        kit.check(len(served(port, '--tx', tx, '--rx', rx)) == 1, 'no filter finds it')
        kit.check(served(port, '--tx', 'device') == [], 'a device where there is none')


def text():
    """What people see, and the facts of TCP."""
    need_ktls()
    server, port = kit.tool_server(kit.directory, '--offload', 'both')
    payload()
    client = client_of(port, *kit.openssl_suite('1.3', 'AES-256-GCM'))
    ask(client)
    lines = run('--port', port, '-p', '-e').stdout.splitlines()
    kit.check(lines[0].split() == ['STATE', 'LOCAL', 'PEER', 'TLS', 'CIPHER', 'TX', 'RX'], lines[0])
    row = lines[1].split()
    kit.check(row[:2] == ['ESTAB', '127.0.0.1:%d' % port], lines[1])
    kit.check(row[3:] == ['1.3', 'AES-256-GCM', 'software', 'software'], lines[1])
    below = ' '.join(lines[2:])
    kit.check('"ktls" pid %d fd ' % server.child.pid in below and 'rtt ' in below, below)
    kit.check(max(map(len, lines)) <= 80, 'a line is too long')
    one = served(port, '-e')[0]
    kit.check(one['tcp']['bytes_acked'] > 20000 and one['tcp']['mss'] > 0, str(one['tcp']))
    return ' | '.join(lines)


def counted():
    """--summary has the kernel's counters, and --watch what has changed."""
    need_ktls()
    _, port = kit.tool_server(kit.directory, '--offload', 'both')
    payload()
    watch = kit.Process(kit.TOOL, 'stat', '--json', '--summary', '--watch=0.3', '--port', port)
    watch.await_that(lambda: watch.out.read_bytes().count(b'\n') >= 1, 'a document')
    ask(client_of(port, *kit.openssl_suite('1.2', 'AES-128-GCM')))

    def documents():
        return [json.loads(line) for line in watch.out.read_text().splitlines(True)
                if line.endswith('\n')]

    def risen():
        places = [one['namespaces'][0]['difference'] for one in documents()]
        return sum(place['TlsTxSw'] for place in places if place) >= 1

    watch.await_that(risen, 'a counter that rises')
    document = stat('--summary', '--port', port)
    kit.check(document['summary']['by_tx']['software'] == 1, str(document['summary']))
    kit.check(document['summary']['by_version']['1.2'] == 1, str(document['summary']))
    kit.check(document['summary']['by_cipher'] == {'AES-128-GCM': 1}, str(document['summary']))
    kit.check(document['namespaces'][0]['counters'] == {
        name: value for name, value in kit.tls_stat().items()
        if name in document['namespaces'][0]['counters']}, str(document['namespaces']))
    kit.check(document['namespaces'][0]['counters']['TlsCurrTxSw'] >= 1, 'no socket is counted')


# Elsewhere, and to others

@contextlib.contextmanager
def namespace(name):
    subprocess.run(['ip', 'netns', 'add', name], check=True, timeout=kit.LIMIT_S)
    try:
        subprocess.run(['ip', '-n', name, 'link', 'set', 'lo', 'up'], check=True,
                       timeout=kit.LIMIT_S)
        yield ['ip', 'netns', 'exec', name]
    finally:
        kit.end_all()
        subprocess.run(['ip', 'netns', 'del', name], check=True, timeout=kit.LIMIT_S)


def second_namespace():
    need_ktls()
    payload()
    with namespace('blue') as enter:
        server = kit.Process(*enter, kit.TOOL, 'serve', '--listen', '127.0.0.1:0', '--root',
                             kit.directory, '--offload', 'both', *kit.identity())
        server.await_text('listening on https://')
        port = int(server.out.read_text().splitlines()[0].split(':')[-1])
        client = kit.Process(*enter, 'openssl', 's_client', '-connect', '127.0.0.1:%d' % port,
                             '-quiet', '-nocommands', *kit.openssl_suite('1.3', 'AES-128-GCM'),
                             stdin=None)
        ask(client)
        kit.check(served(port) == [], 'it is seen in the first one')
        for options in (['-N', 'blue'], ['-N', server.child.pid], ['-A']):
            seen = served(port, '-p', *options)
            kit.check(len(seen) == 1, '%s: %s' % (options, seen))
            check_one(seen[0], '1.3', 'AES-128-GCM', 'software', 'software')
            kit.check(seen[0]['namespace'] in ('blue', str(server.child.pid)), str(seen))
            kit.check(seen[0]['processes'][0]['pid'] == server.child.pid, str(seen))
        counters = stat('-N', 'blue')['namespaces'][0]['counters']
        kit.check(counters['TlsCurrTxSw'] == 1, 'its own counters: %s' % counters)


def ordinary_user():
    """Before Linux 6.15 the kernel tells nobody else, and that is said; nothing is guessed."""
    need_ktls()
    _, port = kit.tool_server(kit.directory, '--offload', 'both')
    payload()
    ask(client_of(port, *kit.openssl_suite('1.3', 'AES-128-GCM')))
    tells = int(os.uname().release.split('.')[0]) >= 7
    document = stat('--port', port, '-p', user=NOBODY)
    result = run('--port', port, user=NOBODY)
    kit.check(result.returncode == 0, result.stderr)
    if tells:
        kit.check(document['count'] == 1 and document['hidden_sockets'] == 0, str(document))
        check_one(document['sockets'][0], '1.3', 'AES-128-GCM', 'software', 'software')
        kit.check(document['sockets'][0]['processes'] == [], str(document['sockets']))
        kit.check('CAP_NET_ADMIN' not in result.stderr, result.stderr)
    else:
        kit.check(document['count'] == 0 and document['hidden_sockets'] >= 2, str(document))
        kit.check('CAP_NET_ADMIN' in result.stderr, result.stderr)
        one = [one for one in stat('--port', port, '--all', user=NOBODY)['sockets']
               if one['local']['port'] == port and one['state'] == 'ESTABLISHED']
        kit.check(len(one) == 1 and one[0]['tls'] is None and one[0]['tx'] is None, str(one))
    kit.check(document['hidden_processes'] > 0, str(document))
    return ' / '.join(document['notes'])


CASES = [
    ('ktls serve, each version and cipher', serve_ciphers),
    ('ktls serve, each --offload', serve_offload),
    ('a table', text),
    ('counters', counted),
    ('a second namespace', second_namespace),
    ('an ordinary user', ordinary_user),
]

if __name__ == '__main__':
    kit.main(CASES)
