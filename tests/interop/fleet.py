#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Two processes of `ktls serve` that share the keys of their tickets in a file, and a client that goes
to them in turn: each visit but the first resumes the session of the one before, while the keys are
rotated under servers that run on.
"""

import functools
import os
import shutil
import time

import kit
import sessions

SIZE = 20000
VISITS = 200
ROTATED = 100  # before this visit
PAUSE_S = 0.01
AGAIN_S = 1.2  # in which a server that is asked looks at its file


class Fleet:
    def __init__(self, files):
        self.root = kit.new_path('root')
        self.root.mkdir()
        (self.root / 'file').write_bytes(kit.payload(SIZE).read_bytes())
        self.ports = [kit.tool_server(self.root, '--ticket-file', file)[1] for file in files]
        self.figures = [0, 0]

    def visit(self, number, visitor):
        came, resumed = visitor(self.ports[number % 2])
        kit.check(came.endswith(kit.payload(SIZE).read_bytes()), 'visit %d: no file' % number)
        self.figures[0] += resumed
        self.figures[1] += number > 0

    def figure(self, missed=0):
        kit.check(self.figures[1] - self.figures[0] == missed, '%d of %d' % tuple(self.figures))
        return '%d of %d visits resumed' % tuple(self.figures)


REQUEST = b'GET /file HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'


def python_visitor(protocol):
    visitor = sessions.Visitor(protocol)
    return lambda port: visitor.visit(port, REQUEST)


def our_visitor(protocol):
    session = kit.new_path('session')

    def visit(port):
        client = kit.peer_client(port, '--session', session, '--tickets', 1, '--protocol', protocol,
                                 stdin=None)
        client.send(REQUEST)
        client.wait()
        client.end_input()
        return client.out.read_bytes(), client.facts()['resumed'] == '1'

    return visit


def rotate(file):
    kit.Process(kit.TOOL, 'rotate', file).run()


def through_a_rotation(make_visitor, protocol):
    """One file, which each server looks at when it is asked and a second has passed."""
    file = sessions.ticket_file()
    fleet, visitor = Fleet([file, file]), make_visitor(protocol)
    for number in range(VISITS):
        if number == ROTATED:
            rotate(file)
        fleet.visit(number, visitor)
        time.sleep(PAUSE_S)
    return fleet.figure()


def through_many(protocol):
    """Who comes back all the time is met in full when its key is gone: after every other one."""
    file = sessions.ticket_file()
    fleet, visitor = Fleet([file, file]), python_visitor(protocol)
    for number in range(40):
        if number % 10 == 9:
            rotate(file)
            time.sleep(AGAIN_S)
        fleet.visit(number, visitor)
    return fleet.figure(missed=2)


def copy(source, target):
    """As whoever spreads the file over machines would: whole, private, at once."""
    new = target.with_name(target.name + '.copy')
    new.touch(0o600)
    shutil.copyfile(source, new)
    os.replace(new, target)


def at_different_moments(protocol, first):
    """Copies of one file; one is there long before the other."""
    files = [sessions.ticket_file(), kit.new_path('tickets')]
    copy(files[0], files[1])
    fleet, visitor = Fleet(files), python_visitor(protocol)
    for number in range(100):
        if number == 30:
            rotate(files[first])
            time.sleep(AGAIN_S)
        if number == 60:
            copy(files[first], files[1 - first])
        fleet.visit(number, visitor)
        time.sleep(PAUSE_S)
    return fleet.figure()


CASES = [('through a rotation, %s, TLS %s' % (name, protocol),
          functools.partial(through_a_rotation, visitor, protocol))
         for name, visitor in (('Python', python_visitor), ('our client', our_visitor))
         for protocol in kit.PROTOCOLS]
CASES += [('through many rotations, TLS ' + protocol,
           functools.partial(through_many, protocol)) for protocol in kit.PROTOCOLS]
CASES += [('server %d is late, TLS %s' % (1 - first, protocol),
           functools.partial(at_different_moments, protocol, first))
          for protocol in kit.PROTOCOLS for first in (0, 1)]

if __name__ == '__main__':
    kit.main(CASES)
