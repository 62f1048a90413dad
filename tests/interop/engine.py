#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What `ktls serve` and `ktls get` run on: io_uring, and where a filter forbids that, as that of a
container, epoll, which is said once; in the sandbox, with all that a server does.
"""

import errno
import functools
import os

import kit
import web
from web import SIZE, check_ends, check_serves, descriptors_at_rest, url

FORBID = os.environ.get('KTLS_FORBID', 'forbid')


def serve(*options, before=()):
    server = kit.Process(*before, kit.TOOL, 'serve', '--listen', '127.0.0.1:0', '--root',
                         web.make_root(), *kit.identity(), *options)
    server.await_text('listening on https://')
    return server, int(server.out.read_text().splitlines()[0].split(':')[-1])


def forbidden(error):
    return [FORBID, str(error)]


def check_gets(port, before=()):
    """With all connections at once, and then one after the other."""
    clients = []
    for _ in range(8):
        file = kit.new_path('got')
        clients.append((kit.Process(*before, kit.TOOL, 'get', url(port, 'data.bin'), '--ca',
                                    kit.path('ca.pem'), '-o', file), file))
    for client, file in clients:
        client.run()
        kit.check_same(file, kit.payload(SIZE))


def engines(server):
    """Which of them it has open."""
    links = '/proc/%d/fd' % server.child.pid
    kinds = {os.readlink(os.path.join(links, fd)) for fd in os.listdir(links)}
    return {kind for kind in ('io_uring', 'eventpoll') if 'anon_inode:[%s]' % kind in kinds}


def epoll_where_it_is_forbidden(error):
    server, port = serve('--threads', '2', before=forbidden(error))
    kit.check(server.errors().count('epoll') == 1, 'said: ' + server.errors())
    kit.check('io_uring' in server.line('it runs on epoll: '), server.errors())
    kit.check('eventpoll' in engines(server) and 'io_uring' not in engines(server), str(engines(server)))
    check_gets(port, forbidden(error))
    before = descriptors_at_rest(server, port)
    check_gets(port, forbidden(error))
    web.check_descriptors(server, before)
    check_ends(server)
    return server.line('epoll')


def none_where_it_is_forbidden_and_asked_for():
    server = kit.Process(*forbidden(errno.EPERM), kit.TOOL, 'serve', '--listen', '127.0.0.1:0',
                         '--root', web.make_root(), *kit.identity(), '--engine', 'io_uring')
    kit.check(server.wait() == 1, 'it ended with %d' % server.wait())
    kit.check(not server.out.read_text(), 'it announced itself')
    return server.line('seccomp')


def epoll_where_it_is_asked_for():
    server, port = serve('--engine', 'epoll')
    kit.check('epoll' not in server.errors(), server.errors())
    kit.check('io_uring' not in engines(server), str(engines(server)))
    check_gets(port)
    check_ends(server)


def io_uring_where_it_is():
    server = kit.Process(kit.TOOL, 'serve', '--listen', '127.0.0.1:0', '--root', web.make_root(),
                         *kit.identity(), '--engine', 'io_uring')
    server.await_that(lambda: server.out.read_bytes() or server.child.poll() is not None, 'begin')
    if not server.out.read_bytes():
        raise kit.Skip(server.line('io_uring'))
    check_ends(server)
    server, port = serve()
    kit.check('epoll' not in server.errors(), server.errors())
    kit.check('io_uring' in engines(server), str(engines(server)))
    check_serves(port)
    check_ends(server)


CASES = [
    ('epoll where a filter says EPERM',
     functools.partial(epoll_where_it_is_forbidden, errno.EPERM)),
    ('epoll where a filter says ENOSYS',
     functools.partial(epoll_where_it_is_forbidden, errno.ENOSYS)),
    ('none where it is forbidden and asked for', none_where_it_is_forbidden_and_asked_for),
    ('epoll where it is asked for', epoll_where_it_is_asked_for),
    ('io_uring where it is', io_uring_where_it_is),
]

if __name__ == '__main__':
    kit.main(CASES, 'curl')
