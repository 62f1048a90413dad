#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
nginx as the server of `ktls get`: each version and suite, a body that is compared, small, empty and
missing files, chunks, keep-alive turned on, and an end in the middle of a body. It runs with a
configuration of its own, unprivileged, on a port for each suite, and ends with the case.

scripts/setup does not install nginx but unpacks it into the cache: there it is looked for, too.
"""

import functools
import os
import shutil

import kit

SIZE = 1234567
SIZE_BIG = 64 << 20

CACHE = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
PROGRAM = shutil.which('nginx', path=':'.join([
    os.environ.get('PATH', ''), '/usr/sbin', '/sbin', CACHE + '/ktls-lab/nginx/usr/sbin']))

MAIN = '''
daemon off;
master_process off;
pid {directory}/nginx.pid;
events {{ worker_connections 64; }}
http {{
	access_log off;
	client_body_temp_path {directory}/nginx-body;
	proxy_temp_path {directory}/nginx-proxy;
	fastcgi_temp_path {directory}/nginx-fastcgi;
	uwsgi_temp_path {directory}/nginx-uwsgi;
	scgi_temp_path {directory}/nginx-scgi;
	ssl_certificate {directory}/{identity}.pem;
	ssl_certificate_key {directory}/{identity}.key;
	root {root};
	sendfile on;
	server {{
		listen 127.0.0.1:{port} ssl;
		ssl_protocols TLSv{protocol};
		{suite}
		location /chunked/ {{
			alias {directory}/;
			types {{ }}
			default_type text/plain;
			ssi on;
			ssi_types text/plain;
		}}
		location /slow/ {{ alias {directory}/; limit_rate 256k; }}
	}}
}}
'''


def suite_line(protocol, cipher):
    if protocol == '1.3':
        return 'ssl_conf_command Ciphersuites %s;' % kit.CIPHERS[cipher]['1.3']
    return 'ssl_ciphers %s;' % kit.CIPHERS[cipher]['1.2']


def start(protocol, cipher='AES-128-GCM', identity='ec', suite=None, root=None):
    kit.identity(identity)

    def arguments(port):
        conf = kit.new_path('nginx-conf')
        conf.write_text(MAIN.format(directory=kit.directory, port=port, protocol=protocol,
                                    identity=identity, root=root or kit.directory,
                                    suite=suite or suite_line(protocol, cipher)))
        return [PROGRAM, '-p', kit.directory, '-e', 'stderr', '-c', conf]

    return kit.start_server(arguments)


def gets(size, protocol, cipher):
    file, witness = kit.payload(size), kit.Witness()
    _, port = start(protocol, cipher)
    client, got = kit.tool_get(port, file.name)
    client.run()

    kit.check_same(got, file)
    return kit.check_line(client.line('TLS ' + protocol), protocol, cipher, witness)


def gets_by_rsa(protocol):
    file = kit.payload(SIZE)
    _, port = start(protocol, identity='rsa', suite='ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256;')
    client, got = kit.tool_get(port, file.name)
    client.run()

    kit.check_same(got, file)
    return client.line('TLS ' + protocol)


def small_files(protocol):
    _, port = start(protocol)
    for size in (0, 1, 7, 16384, 16385):
        file = kit.payload(size)
        client, got = kit.tool_get(port, file.name)
        client.run()
        kit.check_same(got, file)


def missing(protocol):
    _, port = start(protocol)
    client, got = kit.tool_get(port, 'nothing')

    kit.check(client.wait() == 22, 'ktls get ended with %d' % client.wait())
    kit.check(not got.exists(), 'there is a file, of an error page')
    kit.check('404' in client.errors(), client.errors())
    return client.errors().strip()


def chunks(protocol):
    """With SSI the length is not known before."""
    file = kit.path('text-%s' % protocol)
    file.write_bytes(b'a line of text\n' * 100000)
    _, port = start(protocol)
    client, got = kit.tool_get(port, 'chunked/' + file.name)
    client.run()

    kit.check_same(got, file)


def killed(protocol):
    """nginx promises a length, and is gone before: that is no file."""
    file = kit.payload(SIZE_BIG)
    server, port = start(protocol)
    client, got = kit.tool_get(port, 'slow/' + file.name)
    client.await_that(lambda: list(kit.directory.glob(got.name + '.*')), 'begin to write')
    server.kill()

    kit.check(client.wait() in (18, 56), 'ktls get ended with %d' % client.wait())
    kit.check(not list(kit.directory.glob(got.name + '*')), 'a part of the file is left')
    return client.errors().strip()


CASES = [('64 MiB, TLS %s' % protocol, functools.partial(gets, SIZE_BIG, protocol, 'AES-128-GCM'))
         for protocol in kit.PROTOCOLS]
CASES += [('TLS %s, %s' % (protocol, cipher), functools.partial(gets, SIZE, protocol, cipher))
          for protocol, cipher in kit.matrix()]
CASES += [('%s, TLS %s' % (name, protocol), functools.partial(case, protocol))
          for name, case in (('RSA', gets_by_rsa), ('small files', small_files), ('404', missing),
                             ('chunks', chunks), ('killed in the middle', killed))
          for protocol in kit.PROTOCOLS]

if __name__ == '__main__':
    kit.main(CASES, PROGRAM or 'nginx')
