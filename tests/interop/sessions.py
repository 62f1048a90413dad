#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Sessions that others resume with us and we with them: tickets, none, early data; s_client, s_server,
gnutls-cli, gnutls-serv, curl, Python's ssl, nginx. A server of ours takes one connection, so a
client that comes again meets another process, which has the keys of its tickets from a file.
"""

import contextlib
import functools
import socket
import ssl
import subprocess
import threading
import time

import kit
import nginx

SIZE = 20000
SIZE_UPLOAD = 10 << 20
EARLY_BYTES = 4096
VISITS = 3


def ticket_file():
    file = kit.new_path('tickets')
    kit.Process(kit.TOOL, 'rotate', file).run()
    return file


def check_resumed(facts, wanted):
    kit.check(facts['resumed'] == str(int(bool(wanted))), 'resumed=%s' % facts['resumed'])


def early_file(text=b'early, and sent once\n'):
    file = kit.new_path('early')
    file.write_bytes(text)
    return file


# Clients that resume with us

def openssl_client_resumes(protocol):
    """By the session of the visit before, each time."""
    tickets, session, file = ticket_file(), kit.new_path('session'), kit.payload(SIZE)
    for visit in range(VISITS):
        server, port = kit.peer_server('--ticket-file', tickets, '--file', file)
        given = ['-sess_in', session] if visit else []
        client = kit.openssl_client(port, '-quiet', kit.openssl_version(protocol), '-sess_out',
                                    session, *given).run()
        server.run()
        kit.check_same(client.out, file)
        check_resumed(server.facts(), visit > 0)
    return '%d visits' % VISITS


def openssl_client_sends_early_data(limit, outcome):
    """To the process of the session: another refuses it if it is younger than the ticket."""
    session, file, early = kit.new_path('session'), kit.payload(SIZE), early_file()
    server, port = kit.peer_server('--visits', 2, '--file', file, '--early-data', limit)
    kit.openssl_client(port, '-quiet', '-tls1_3', '-sess_out', session).run()
    options = ['-early_data', early] if limit else []
    client = kit.openssl_client(port, '-quiet', '-tls1_3', '-sess_in', session, *options).run()
    server.run()

    kit.check_same(client.out, file)
    check_resumed(server.facts(), True)
    kit.check(server.facts()['early_data'] == outcome, 'early_data=' + server.facts()['early_data'])
    wanted = early.read_bytes() if outcome == '1' else b''
    kit.check(server.out.read_bytes() == wanted, 'this came early: %r' % server.out.read_bytes())


def openssl_client_sends_early_data_elsewhere():
    """To a process that is younger than the ticket, and could not know of a replay: refused."""
    tickets, session, file = ticket_file(), kit.new_path('session'), kit.payload(SIZE)
    for visit in range(2):
        server, port = kit.peer_server('--ticket-file', tickets, '--file', file, '--early-data',
                                       EARLY_BYTES)
        options = ['-sess_in', session, '-early_data', early_file()] if visit else []
        client = kit.openssl_client(port, '-quiet', '-tls1_3', '-sess_out', session,
                                    *options).run()
        server.run()
        kit.check_same(client.out, file)
    check_resumed(server.facts(), True)
    kit.check(server.facts()['early_data'] == '0', 'it was taken')
    kit.check(server.out.read_bytes() == b'', 'this came: %r' % server.out.read_bytes())


class Relay:
    """One port, behind which each connection meets the next of the servers."""

    def __init__(self, ports):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(list(ports),), daemon=True).start()

    def _accept(self, ports):
        for port in ports:
            client, _ = self.listener.accept()
            server = socket.create_connection(('127.0.0.1', port))
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()
        self.listener.close()

    @staticmethod
    def _carry(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def two_servers(*options):
    tickets = ticket_file()
    started = [kit.peer_server('--ticket-file', tickets, *options) for _ in range(2)]
    return [server for server, _ in started], Relay(port for _, port in started).port


def gnutls_client_resumes(protocol):
    """`-r`: comes, goes, and comes again with the session."""
    file = kit.payload(SIZE)
    servers, port = two_servers('--file', file)
    client = kit.gnutls_client(port, '--resume', '--waitresumption',
                               kit.gnutls_priority(protocol, 'AES-128-GCM'), stdin=None).run()
    for server in servers:
        server.wait()

    check_resumed(servers[0].facts(), False)
    check_resumed(servers[1].facts(), True)
    kit.check('This is a resumed session' in client.log.read_text(), client.log.read_text())


def gnutls_client_sends_early_data():
    file, early = kit.payload(SIZE), early_file()
    server, port = kit.peer_server('--visits', 2, '--file', file, '--early-data', EARLY_BYTES)
    kit.gnutls_client(port, '--resume', '--waitresumption', '--earlydata', early,
                      kit.gnutls_priority('1.3', 'AES-128-GCM'), stdin=None).run()
    server.wait()

    check_resumed(server.facts(), True)
    kit.check(server.facts()['early_data'] == '1', 'it was not taken')
    kit.check(server.out.read_bytes() == early.read_bytes(), 'other bytes came early')


def http_answer():
    file = kit.new_path('answer')
    body = kit.payload(SIZE).read_bytes()
    file.write_bytes(b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n'
                     % len(body) + body)
    return file


def curl(port, protocol, *options):
    got = [kit.new_path('got') for _ in range(2)]
    arguments = [word for file in got
                 for word in ('-o', file, 'https://localhost:%d/%s' % (port, file.name))]
    kit.Process('curl', '--silent', '--show-error', '--cacert', kit.path('ca.pem'), '--resolve',
                'localhost:%d:127.0.0.1' % port, '--tlsv' + protocol, '--tls-max', protocol,
                *options, *arguments).run()
    return got


def curl_resumes(protocol):
    """Two transfers of one process. In TLS 1.2 libcurl asks for no tickets; we keep no sessions."""
    servers, port = two_servers('--file', http_answer())
    for file in curl(port, protocol):
        kit.check_same(file, kit.payload(SIZE))
    for server in servers:
        server.wait()

    check_resumed(servers[0].facts(), False)
    check_resumed(servers[1].facts(), protocol == '1.3')


def curl_resumes_from_a_file():
    words = subprocess.run(['curl', '--help', 'all'], stdout=subprocess.PIPE, check=True).stdout
    if b'--ssl-sessions' not in words:
        raise kit.Skip('this curl keeps no sessions in files')
    sessions = kit.new_path('sessions')
    servers, port = two_servers('--file', http_answer())
    for _ in servers:
        kit.Process('curl', '--silent', '--cacert', kit.path('ca.pem'), '--ssl-sessions', sessions,
                    '-o', kit.new_path('got'), 'https://localhost:%d/' % port).run()
    for server in servers:
        server.wait()
    check_resumed(servers[1].facts(), True)


class Visitor:
    """Python's ssl, which comes again with the session that it was left with."""

    def __init__(self, protocol):
        self.context = ssl.create_default_context(cafile=kit.path('ca.pem'))
        version = ssl.TLSVersion.TLSv1_3 if protocol == '1.3' else ssl.TLSVersion.TLSv1_2
        self.context.minimum_version = self.context.maximum_version = version
        self.session = None

    def connect(self, port):
        raw = socket.create_connection(('127.0.0.1', port), timeout=kit.LIMIT_S)
        return self.context.wrap_socket(raw, server_hostname='localhost', session=self.session,
                                        suppress_ragged_eofs=False)

    def visit(self, port, request=b''):
        """All that came, and whether the session was resumed."""
        came = b''
        with self.connect(port) as conn:
            conn.sendall(request)
            while data := conn.recv(65536):
                came += data
            self.session = conn.session
            return came, conn.session_reused


def python_resumes(protocol):
    tickets, file = ticket_file(), kit.payload(SIZE)
    visitor = Visitor(protocol)
    for visit in range(VISITS):
        server, port = kit.peer_server('--ticket-file', tickets, '--file', file)
        came, resumed = visitor.visit(port)
        server.wait()
        kit.check(came == file.read_bytes(), '%d bytes came' % len(came))
        kit.check(resumed == (visit > 0), 'Python says %s' % resumed)
        check_resumed(server.facts(), visit > 0)


def no_tickets_no_session(protocol):
    tickets, visitor = ticket_file(), Visitor(protocol)
    for _ in range(2):
        server, port = kit.peer_server('--ticket-file', tickets, '--file', kit.payload(SIZE),
                                       '--tickets', 0)
        _, resumed = visitor.visit(port)
        server.wait()
        kit.check(not resumed, 'Python says it was resumed')
        check_resumed(server.facts(), False)


def other_keys(protocol):
    """A session that the server cannot open is no error: a full handshake, and a new session."""
    visitor = Visitor(protocol)
    for visit in range(4):
        tickets = ticket_file() if visit != 3 else tickets
        server, port = kit.peer_server('--ticket-file', tickets, '--file', kit.payload(SIZE))
        came, resumed = visitor.visit(port)
        server.wait()
        kit.check(came == kit.payload(SIZE).read_bytes(), 'the file did not come')
        kit.check(resumed == (visit == 3), 'visit %d: %s' % (visit, resumed))


def client_that_only_writes(protocol):
    """All of it before it reads: nobody waits for tickets, and none is in its way."""
    server, port = kit.peer_server(stdin=None)
    data = kit.payload(SIZE_UPLOAD).read_bytes()
    began = time.monotonic()
    with Visitor(protocol).connect(port) as conn:
        conn.sendall(data)
        server.await_output(SIZE_UPLOAD)
        took = time.monotonic() - began
        server.end_input()
        kit.check(conn.recv(1) == b'', 'something came')
        conn.unwrap()
    server.run()

    kit.check_same(server.out, kit.payload(SIZE_UPLOAD))
    finished = int(protocol == '1.2')  # is counted there
    kit.check(int(server.facts()['tx_records']) == 1 + finished, 'more than a close_notify came')
    return '%d MiB in %.2f s' % (SIZE_UPLOAD >> 20, took)


def quickest_answer(port, protocol, nagle):
    """How long after its request the first byte comes, at best: to a client that comes again."""
    visitor, quickest = Visitor(protocol), kit.LIMIT_S
    for _ in range(10):
        with visitor.connect(port) as conn:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not nagle)
            began = time.monotonic()
            conn.sendall(b'HEAD / HTTP/1.0\r\n\r\n')
            conn.recv(1)
            quickest = min(quickest, time.monotonic() - began)
            while conn.recv(65536):
                pass
            visitor.session = conn.session
    return quickest


def nobody_waits_for_an_acknowledgement(protocol):
    """
    The last flight of a handshake may be the client's, and no tickets come at once. A client with
    Nagle's algorithm holds its request until that flight is acknowledged; left to TCP, 40 ms.
    """
    _, port = kit.tool_server(kit.directory)
    without, with_nagle = (quickest_answer(port, protocol, nagle) for nagle in (False, True))
    figures = '%.1f ms, with Nagle %.1f ms' % (without * 1e3, with_nagle * 1e3)
    kit.check(with_nagle < without + 0.03, figures)
    return figures


# Servers that we resume with

def talk(port, session, *options, line=b'a line\n'):
    """A line there, and back in whatever way."""
    client = kit.peer_client(port, '--session', session, '--tickets', 2, *options, stdin=None)
    client.send(line)
    client.await_output(len(line))
    client.end_input()
    client.wait()
    return client


def openssl_server_resumes(protocol, number):
    session = kit.new_path('session')
    server, port = kit.openssl_server('-rev', kit.openssl_version(protocol), '-num_tickets', number)
    for visit in range(VISITS):
        client = talk(port, session)
        kit.check(client.out.read_bytes() == b'enil a\n', 'this was read: %r'
                  % client.out.read_bytes())
        check_resumed(client.facts(), visit and (number or protocol == '1.2'))
    return 'session: ' + client.facts()['session']


def openssl_server_takes_early_data(allowed, outcome):
    session, early = kit.new_path('session'), early_file()
    server, port = kit.openssl_server('-tls1_3', '-early_data', '-max_early_data', allowed,
                                      stdin=None)
    for visit in range(2):
        client = kit.peer_client(port, '--session', session, '--tickets', 2,
                                 *(['--early-data', early] if visit else []), stdin=None)
        client.await_that(lambda: server.out.read_bytes().count(b'CIPHER is') > visit, 'handshake')
        server.send(b'a line\n')
        client.await_output(7)
        client.end_input()
        client.wait()
        check_resumed(client.facts(), visit)
    server.kill()
    kit.check(client.facts()['early_data'] == outcome, 'early_data=' + client.facts()['early_data'])
    kit.check((early.read_bytes() in server.out.read_bytes()) == (outcome == '1'),
              's_server says otherwise')


def gnutls_server_resumes(protocol):
    session = kit.new_path('session')
    _, port = kit.gnutls_server('--echo', kit.gnutls_priority(protocol, 'AES-128-GCM'))
    for visit in range(VISITS):
        check_resumed(talk(port, session).facts(), visit)


def gnutls_server_takes_early_data():
    session, early = kit.new_path('session'), early_file()
    _, port = kit.gnutls_server('--echo', '--earlydata', '--maxearlydata', EARLY_BYTES,
                                kit.gnutls_priority('1.3', 'AES-128-GCM'))
    talk(port, session)
    client = kit.peer_client(port, '--session', session, '--tickets', 2, '--early-data', early,
                             stdin=None)
    client.send(b'a line\n')
    client.await_output(7)
    client.end_input()
    client.wait()

    check_resumed(client.facts(), True)
    return 'early_data=' + client.facts()['early_data']


def nginx_resumes(protocol):
    if not nginx.PROGRAM:
        raise kit.Skip('nginx is not installed')
    session, file = kit.new_path('session'), kit.payload(SIZE)
    _, port = nginx.start(protocol, suite=nginx.suite_line(protocol, 'AES-128-GCM')
                          + ' ssl_session_tickets on;')
    for visit in range(VISITS):
        client = kit.peer_client(port, '--session', session, '--tickets', 2, stdin=None)
        client.send(b'GET /%s HTTP/1.0\r\n\r\n' % file.name.encode())
        client.wait()
        kit.check(client.out.read_bytes().endswith(file.read_bytes()), 'the file did not come')
        check_resumed(client.facts(), visit)


CASES = [('%s, TLS %s' % (name, protocol), functools.partial(case, protocol))
         for name, case in (('s_client resumes', openssl_client_resumes),
                            ('gnutls-cli resumes', gnutls_client_resumes),
                            ('curl resumes', curl_resumes),
                            ('Python resumes', python_resumes),
                            ('no tickets, no session', no_tickets_no_session),
                            ('keys that are others', other_keys),
                            ('a client that only writes', client_that_only_writes),
                            ('nobody waits for an acknowledgement',
                             nobody_waits_for_an_acknowledgement),
                            ('gnutls-serv resumes', gnutls_server_resumes),
                            ('nginx resumes', nginx_resumes))
         for protocol in kit.PROTOCOLS]
CASES += [('s_server with %d tickets, TLS %s' % (number, protocol),
           functools.partial(openssl_server_resumes, protocol, number))
          for protocol in kit.PROTOCOLS for number in (0, 1, 2, 5)]
CASES += [('s_client sends early data', lambda: openssl_client_sends_early_data(EARLY_BYTES, '1')),
          ('s_client sends early data to who takes none',
           lambda: openssl_client_sends_early_data(0, '0')),
          ('s_client sends early data elsewhere', openssl_client_sends_early_data_elsewhere),
          ('gnutls-cli sends early data', gnutls_client_sends_early_data),
          ('curl resumes from a file', curl_resumes_from_a_file),
          ('s_server takes early data', lambda: openssl_server_takes_early_data(EARLY_BYTES, '1')),
          ('s_server takes less early data', lambda: openssl_server_takes_early_data(4, '2')),
          ('gnutls-serv takes early data', gnutls_server_takes_early_data)]

if __name__ == '__main__':
    kit.main(CASES, 'curl', 'gnutls-cli', 'gnutls-serv')
