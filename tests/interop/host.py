# SPDX-License-Identifier: MIT
"""
A server of Python's for the scripts that fetch: it stalls, cuts, closes, forgets and lies as it is
told, and counts. And what those scripts share.
"""

import contextlib
import re
import socket
import ssl
import threading

import kit
import nginx

SIZE = 3000001
STALL, CUT, CLOSE = object(), object(), object()


class Host:
    """
    A server that counts. `answer` makes of a request's path and fields (in lower case) the pieces
    of its answer: bytes, or STALL (for ever), CUT (without close_notify), CLOSE (with it).
    """

    def __init__(self, answer):
        self.answer, self.requests, self.resumed, self.connections = answer, [], 0, 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(kit.path('ec.pem'), kit.path('ec.key'))
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, name):
        return 'https://localhost:%d/%s' % (self.port, name)

    def accept(self):
        while True:
            plain, _ = self.listener.accept()
            plain.settimeout(kit.LIMIT_S)
            with self.lock:
                self.connections += 1
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain):
        with plain, contextlib.suppress(ssl.SSLError, OSError):
            with self.context.wrap_socket(plain, server_side=True) as tls:
                with self.lock:
                    self.resumed += tls.session_reused
                while self.serve_one(tls):
                    pass

    def serve_one(self, tls):
        """Whether another may follow."""
        request = b''
        while b'\r\n\r\n' not in request:
            more = tls.recv(65536)
            if not more:
                return False
            request += more
        first, *lines = request.decode().split('\r\n')
        fields = {name.lower(): value for name, value in
                  (line.split(': ', 1) for line in lines if line)}
        path = first.split()[1]
        with self.lock:
            self.requests.append((path, fields))
        for piece in self.answer(path, fields):
            if piece is STALL:
                tls.recv(1)
            elif piece is CLOSE:
                tls.unwrap()
            else:
                tls.sendall(piece) if piece is not CUT else None
            if piece in (STALL, CLOSE, CUT):
                return False
        return fields.get('connection') != 'close'


def head(status, *fields):
    return '\r\n'.join(('HTTP/1.1 %s' % status,) + fields + ('', '')).encode()


BODY = b''.join(number.to_bytes(4, 'big') for number in range(SIZE // 4 + 1))[:SIZE]
TAG = 'ETag: "one"'


def whole(*fields, body=BODY):
    return head('200 OK', 'Content-Length: %d' % len(body), *fields) + body


def asked(fields):
    """From which byte on."""
    match = re.fullmatch(r'bytes=(\d+)-', fields.get('range', 'bytes=0-'))
    return int(match.group(1))


def ranged(_path, fields):
    """Obeys Range, as long as If-Range names its file."""
    begin = asked(fields)
    if not begin or fields.get('if-range') != '"one"':
        yield whole(TAG)
        return
    rest = BODY[begin:]
    yield head('206 Partial Content', 'Content-Length: %d' % len(rest), TAG,
               'Content-Range: bytes %d-%d/%d' % (begin, SIZE - 1, SIZE)) + rest


def get(*arguments, **options):
    return kit.Process(kit.TOOL, 'get', '--ca', kit.path('ca.pem'), *arguments, **options)


def new_directory():
    directory = kit.new_path('dir')
    directory.mkdir()
    return directory


def check_status(client, status):
    kit.check(client.wait() == status, 'it ended with %d, not %d' % (client.wait(), status))


def check_clean(file):
    names = [path.name for path in file.parent.iterdir() if path.name.startswith(file.name + '.')]
    kit.check(not names, 'left behind: %s' % names)


def check_body(file, body=BODY):
    kit.check(file.read_bytes() == body, '%s: other bytes' % file.name)
    check_clean(file)


def nginx_server(root):
    if not nginx.PROGRAM:
        raise kit.Skip('nginx is not installed')
    return nginx.start('1.3', root=root)
