#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls stat` and kernel TLS of others: it must show the connections of nginx and of OpenSSL as each
was told to make them. OpenSSL 3.0 cannot receive TLS 1.3 so; that is as it may be.
"""

import functools

import kit
import nginx
from stat_anywhere import stat
from stat_kernel import ask, check_counted, check_one, client_of, need_ktls, payload, served

OPENSSL_KTLS = '''openssl_conf = a
[a]
ssl_conf = b
[b]
system_default = c
[c]
Options = KTLS
'''


def of_nginx(protocol, cipher):
    need_ktls()
    payload()
    server, port = nginx.start(protocol, suite=nginx.suite_line(protocol, cipher) +
                               ' ssl_conf_command Options KTLS;')
    ask(client_of(port, *kit.openssl_suite(protocol, cipher)))
    seen = served(port, '-p')
    kit.check(len(seen) == 1, str(seen))
    check_one(seen[0], protocol, cipher, 'software', seen[0]['rx'])
    kit.check(seen[0]['rx'] == 'software' or protocol == '1.3', 'rx=%s' % seen[0]['rx'])
    check_counted()
    owners = {(owner['pid'], owner['name']) for owner in seen[0]['processes']}
    kit.check(owners == {(server.child.pid, 'nginx')}, str(owners))
    kit.check(len(served(port, '--process', 'nginx')) == 1, 'not found by its name')
    return 'tx=%s rx=%s' % (seen[0]['tx'], seen[0]['rx'])


def nginx_without():
    """Not told, it protects them itself."""
    need_ktls()
    payload()
    _, port = nginx.start('1.3')
    ask(client_of(port))
    kit.check(served(port) == [], str(served(port)))


def of_openssl(protocol):
    """s_server and s_client, both with kernel TLS: each end is seen."""
    need_ktls()
    conf = kit.path('openssl-ktls.cnf')
    conf.write_text(OPENSSL_KTLS)
    env = {'OPENSSL_CONF': str(conf)}
    server, port = kit.openssl_server('-rev', *kit.openssl_suite(protocol, 'AES-256-GCM'), env=env)
    client = client_of(port, env=env)
    client.send(b'tekcos\n')
    client.await_output(7)
    seen = stat('--port', port, '-p')['sockets']
    kit.check(len(seen) == 2, str(seen))
    for one in seen:
        check_one(one, protocol, 'AES-256-GCM', 'software', one['rx'])
        kit.check(one['rx'] == 'software' or protocol == '1.3', 'rx=%s' % one['rx'])
        pid = (server if one['local']['port'] == port else client).child.pid
        kit.check([owner['pid'] for owner in one['processes']] == [pid], str(one['processes']))
    check_counted()
    return ' '.join('tx=%s rx=%s' % (one['tx'], one['rx']) for one in seen)


CASES = [
    ('nginx with kernel TLS, TLS 1.2, AES-128-GCM',
     functools.partial(of_nginx, '1.2', 'AES-128-GCM')),
    ('nginx with kernel TLS, TLS 1.3, AES-256-GCM',
     functools.partial(of_nginx, '1.3', 'AES-256-GCM')),
    ('nginx without', nginx_without),
    ('openssl with kernel TLS, TLS 1.2', functools.partial(of_openssl, '1.2')),
    ('openssl with kernel TLS, TLS 1.3', functools.partial(of_openssl, '1.3')),
]

if __name__ == '__main__':
    kit.main(CASES, nginx.PROGRAM or 'nginx')
