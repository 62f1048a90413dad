#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The checks, checked: made-up files with one fault each, and the complaint that has to come; and
files without a fault, about which nobody complains.

Usage: selftest.py
"""

import json
import sys
import tempfile
import unittest
from pathlib import Path

import layers
import readme
import reasons
import style
import symbols
import tree
import words

sys.path.append(str(Path(__file__).resolve().parents[2] / 'scripts'))
import tally  # pylint: disable=wrong-import-position

LICENCE = '/* SPDX-License-Identifier: MIT */\n'
KNOWN = ['include/ktls/conn.h', 'src/base/sys.h', 'src/conn.h', 'src/tools/http.h', 'ktls/kern.h',
         'ktls/cipher.h', 'uring/uring.h', 'tests/tap.h']


class Tree(unittest.TestCase):
    def setUp(self):
        self._place = tempfile.TemporaryDirectory()
        self.addCleanup(self._place.cleanup)
        self.root = self._place.name

    def write(self, path, text):
        target = Path(self.root) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding='utf-8')


class Reasons(Tree):
    ROW = '[KTLS_REASON_A] = { "a", "it {is} so", "load %s: " "now" },'
    ENTRY = '*KTLS_REASON_A* ("a")\n\tSo. To do: load\n\tit: now.\n'

    def complaints(self, row=ROW.replace('%s', 'it'), entry=ENTRY, test='KTLS_REASON_A;'):
        self.write(reasons.HEADER, 'enum { KTLS_REASON_A, /* KTLS_REASON_B */ _KTLS_REASON_N };')
        self.write(reasons.TABLE, row)
        self.write(reasons.PAGE, entry)
        self.write('tests/test_a.c', test)
        self.write('tests/test_error.c', 'KTLS_REASON_A;')
        return reasons.complaints(self.root, ['tests/test_a.c', 'tests/test_error.c'])

    def test_a_code_that_has_everything(self):
        self.assertEqual(self.complaints(), [])

    def test_what_is_missing(self):
        for fault in [{'row': ''}, {'entry': ''}, {'test': 'KTLS_REASON_AB;'},
                      {'row': self.ROW.replace('%s', 'them')},
                      {'entry': self.ENTRY.replace('"a"', '"b"')},
                      {'row': '[KTLS_REASON_A] = { "a", "so", "" }'}]:
            self.assertEqual(len(self.complaints(**fault)), 1, fault)


class Layers(Tree):
    def complaints(self, path, *includes):
        for known in KNOWN:
            self.write(known, LICENCE)
        self.write(path, ''.join(f'#include {include}\n' for include in includes))
        return layers.complaints(self.root, [path])

    def assert_barred(self, path, include):
        found = self.complaints(path, '<stdint.h>', include)
        self.assertEqual(len(found), 1, f'{path} including {include}: {found}')
        self.assertIn(f'{path}:2: ', found[0])

    def test_arrows_that_are_allowed(self):
        for path, include in [
                ('include/ktls/info.h', '<ktls/conn.h>'), ('src/base/a.c', '<ktls/conn.h>'),
                ('src/base/a.c', '"sys.h"'), ('src/base/a.c', '"base/sys.h"'),
                ('ktls/a.c', '"base/sys.h"'), ('ktls/a.c', '"cipher.h"'),
                ('ktls/a.c', '"ktls/kern.h"'), ('uring/a.c', '"base/sys.h"'),
                ('src/a.c', '"conn.h"'), ('src/a.c', '"base/sys.h"'), ('src/a.c', '"ktls/kern.h"'),
                ('src/a.c', '"uring/uring.h"'), ('src/tools/a.c', '<ktls/conn.h>'),
                ('src/tools/a.c', '"http.h"'), ('bench/a.c', '<ktls/conn.h>'),
                ('tests/a.c', '"src/conn.h"'), ('tests/a.c', '"ktls/cipher.h"')]:
            self.assertEqual(self.complaints(path, include), [], f'{path} {include}')

    def test_arrows_that_are_not(self):
        for path, include in [
                ('include/ktls/info.h', '"base/sys.h"'), ('src/base/a.c', '"conn.h"'),
                ('src/base/a.c', '"../conn.h"'), ('src/base/a.c', '"ktls/kern.h"'),
                ('src/base/a.c', '"uring/uring.h"'), ('ktls/a.c', '"uring/uring.h"'),
                ('ktls/a.c', '"../uring/uring.h"'), ('ktls/a.c', '"conn.h"'),
                ('uring/a.c', '"ktls/kern.h"'), ('uring/a.c', '<ktls/kern.h>'),
                ('uring/a.c', '"src/conn.h"'), ('src/a.c', '"ktls/cipher.h"'),
                ('src/a.c', '"tools/http.h"'), ('src/tools/a.c', '"conn.h"'),
                ('src/tools/a.c', '"../conn.h"'), ('src/tools/a.c', '"base/sys.h"'),
                ('src/tools/a.c', '"ktls/kern.h"'), ('bench/a.c', '"src/conn.h"'),
                ('bench/a.c', '"base/sys.h"'), ('src/a.c', '"tests/tap.h"')]:
            self.assert_barred(path, include)

    def test_fences(self):
        homes = {
            '<gnutls/gnutls.h>': ['src/handshake.c', 'src/credentials.c', 'src/aead.c'],
            '<liburing.h>': ['uring/ring.c'],
            '<netlink/netlink.h>': ['src/netlink.c'],
            '<linux/tls.h>': ['ktls/cipher.c']}
        places = ['src/base/a.c', 'ktls/a.c', 'uring/a.c', 'src/a.c', 'src/aead.h', 'src/tools/a.c',
                  'bench/a.c', 'include/ktls/info.h']
        for include, at_home in homes.items():
            for path in at_home:
                self.assertEqual(self.complaints(path, include), [], f'{path} {include}')
            rooms_at_home = [Path(path).parent for path in at_home if not path.startswith('src/')]
            for path in places:
                if Path(path).parent not in rooms_at_home:
                    self.assert_barred(path, include)

    def test_the_harness_has_two_rival_arms(self):
        homes = {'<gnutls/gnutls.h>': 'bench/rival_gnutls.c',
                 '<linux/tls.h>': 'bench/bare_kernel.c'}
        for include, home in homes.items():
            self.assertEqual(self.complaints(home, include), [], f'{home} {include}')
            for other in set(homes.values()) - {home} | {'bench/rival_gnutls.h', 'bench/a.c'}:
                self.assert_barred(other, include)

    def test_headers_that_nobody_knows(self):
        self.assert_barred('src/a.c', '"nowhere.h"')
        self.assert_barred('src/a.c', '<openssl/ssl.h>')
        self.assert_barred('include/ktls/info.h', '<unistd.h>')
        self.assertEqual(len(self.complaints('elsewhere/a.c', '<stdint.h>')), 1)

    def test_unusual_spelling(self):
        self.assert_barred('src/a.c', ' <gnutls/gnutls.h>  /* why */')
        self.write('src/a.c', '  #  include\t<gnutls/gnutls.h>\n')
        self.assertEqual(len(layers.complaints(self.root, ['src/a.c'])), 1)
        self.write('src/a.c', '/*\n#include <gnutls/gnutls.h>\n*/\n')
        self.assertEqual(layers.complaints(self.root, ['src/a.c']), [])


class Style(Tree):
    def complaints(self, text, path='src/a.c'):
        self.write(path, text)
        return style.complaints(self.root, [path])

    def test_a_clean_file(self):
        body = ''.join('\tx();\n' for _ in range(69))
        text = f'{LICENCE}/* goto // typedef struct */\nint f(void)\n{{\n{body}}}\n'
        self.assertEqual(self.complaints(text + 'const char *g = "// goto";\n'), [])

    def test_faults(self):
        long = ''.join('\tx();\n' for _ in range(70))
        for what, text in {
                'no licence': 'int a;\n',
                'space at the end': LICENCE + 'int a; \n',
                'no end of the line': LICENCE + 'int a;',
                '101 columns': LICENCE + '\t' * 12 + 'int a;\n',
                'a long function': f'{LICENCE}int f(void)\n{{\n{long}}}\n',
                'a long file': LICENCE + 'int a;\n' * 600,
                'goto': LICENCE + 'void f(void)\n{\n\tgoto out;\n}\n',
                'a // comment': LICENCE + 'int a; // why\n',
                'typedef struct': LICENCE + 'typedef struct a a;\n'}.items():
            self.assertEqual(len(self.complaints(text)), 1, what)

    def test_scripts(self):
        self.assertEqual(self.complaints('#!/bin/sh\n# SPDX-License-Identifier: MIT\n', 's/a'), [])
        self.assertEqual(len(self.complaints('#!/bin/sh\ntrue\n', 's/a')), 1)


class Words(Tree):
    def complaints(self, line):
        self.write('doc.md', line + '\n')
        return words.complaints(self.root, ['doc.md'])

    def test_words(self):
        for line in ['see https://localhost:8443/a', 'curl https://HOST:PORT/', 'a/home/b',
                     'https://127.0.0.1:443/', 'https://[::1]:443/', 'https://a.example.com/',
                     'https://%s:%d/', '/tmp/root/x', '$HOME/.cache']:
            self.assertEqual(self.complaints(line), [], line)
        for line in ['cd /' + 'home/me/x', 'cat "/' + 'root/.bashrc"', 'http://' + 'mirror.nowhere.de',
                     'deb.' + 'anything.org', 'https://' + 'pypi.org/simple']:
            self.assertEqual(len(self.complaints(line)), 1, line)


class Symbols(Tree):
    HEADER = '''/* ktls_in_comment(); */
#define ktls_macro(x) \\
	ktls_inside(x)
struct ktls_conn;
int ktls_a(struct ktls_conn *conn,
	   int x);
const char *ktls_b (void) __attribute__((warn_unused_result));
'''

    def complaints(self, header, names, exports, page):
        self.write('include/ktls/a.h', header)
        self.write('src/ktls.map', 'X {\nglobal:\n' + ''.join(f'\t{n};\n' for n in names)
                   + 'local:\n\t*;\n};\n')
        self.write('man/a.3.scd', page)
        return symbols.complaints(self.root, ['include/ktls/a.h', 'man/a.3.scd'], exports)

    def test_names(self):
        both = {'ktls_a', 'ktls_b'}
        page = '*ktls_a*() ktls\\_b'
        self.assertEqual(symbols.declared(self.HEADER), both)
        self.assertEqual(self.complaints(self.HEADER, both, both, page), [])
        self.assertEqual(len(self.complaints(self.HEADER, both, {'ktls_a'}, page)), 1)
        self.assertEqual(len(self.complaints(self.HEADER, both, both | {'kern_x'}, page)), 1)
        self.assertEqual(len(self.complaints(self.HEADER, ['ktls_a'], {'ktls_a'}, page)), 1)
        self.assertEqual(len(self.complaints(self.HEADER, both, both, 'ktls_a')), 1)
        header = '#ifndef KTLS_A_H\n#define KTLS_A_H\n' + self.HEADER + 'enum a { KTLS_A, _KTLS_A_N };\n'
        self.assertEqual(len(self.complaints(header, both, both, page)), 1)
        self.assertEqual(self.complaints(header, both, both, page + ' *KTLS_A*'), [])

    def test_leaks(self):
        for leak in ['gnutls_session_t s;', 'struct io_uring *r;', 'struct nl_sock *s;',
                     'int x = TLS_TX_ZEROCOPY_RO;']:
            self.assertEqual(len(list(symbols.leaks('a.h', f'/* gnutls */ {leak}\n'))), 1, leak)
        self.assertEqual(list(symbols.leaks('a.h', 'enum { KTLS_TX }; void ktls_url(void);')), [])


class Readme(Tree):
    def test_example(self):
        self.write('examples/fetch.c', LICENCE + '#include <a.h>\nint a;\n')
        self.write('README.md', '# x\n\n```c\n#include <a.h>\nint a;\n```\n')
        self.assertEqual(readme.complaints(self.root), [])
        self.write('README.md', '# x\n\n```c\n#include <a.h>\nint b;\n```\n')
        self.assertEqual(len(readme.complaints(self.root)), 1)


class Tally(Tree):
    TAP = ('TAP version 13\n1..4\n# Criterion\nok - s::a  (0.00s)\nok - s::b  # SKIP no kTLS\n'
           'not ok - s::c timed out (1.01s)\nnot ok - s::d unexpected signal after a.c:6\n  why\n')

    def results(self, *tests):
        self.write('log.json', ''.join(json.dumps(test) + '\n' for test in tests))
        return tally.results_of(f'{self.root}/log.json')

    def test_points_of_tap(self):
        points = self.results({'name': 't', 'stdout': self.TAP, 'result': 'ERROR'})
        self.assertEqual(points[3].said, 'not ok - s::d unexpected signal after a.c:6\n  why\n')
        self.assertEqual(
            [point[:2] for point in points],
            [('t: s::a', 'passed'), ('t: s::b', 'skipped'), ('t: s::c', 'failed'),
             ('t: s::d', 'failed')])

    def test_other_ends(self):
        points = self.results(
            {'name': 'lint', 'stdout': 'ok this is no TAP\n', 'result': 'OK'},
            {'name': 'gone', 'stdout': '1..2\nok - a\n', 'result': 'TIMEOUT'},
            {'name': 'leaks', 'stdout': '1..1\nok - a\n', 'result': 'ERROR', 'stderr': 'a leak'},
            {'name': 'absent', 'stdout': None, 'result': 'SKIP'})
        self.assertEqual(points[4].said, 'a leak')
        self.assertEqual(
            [point[:2] for point in points],
            [('lint', 'passed'), ('gone: a', 'passed'), ('gone (timeout)', 'failed'),
             ('leaks: a', 'passed'), ('leaks (error)', 'failed'), ('absent', 'skipped')])

    def test_sum(self):
        point = tally.Point
        native = [point('t: a', 'passed'), point('t: b', 'skipped')]
        old = [point('k: x', 'passed'), point('k: y', 'skipped'), point('k: z', 'skipped')]
        new = [point('k: x', 'passed'), point('k: y', 'passed'), point('k: z', 'skipped')]
        failures, passed, skipped = tally.tally({'here': native}, {'old': old, 'new': new}, [])
        self.assertEqual(failures, ['k: z: skipped on every kernel'])
        self.assertEqual((passed, skipped), (4, 2))

    def test_a_run_without_results(self):
        self.assertEqual(tally.tally({'here': tally.results_of('/nowhere')}, {}, ['why'])[0],
                         ['why', 'here: no results'])


class Files(Tree):
    def test_without_git(self):
        for path in ['a.c', 'src/b.h', 'build-x/c.c', '.git/config', '.clang-format']:
            self.write(path, '\n')
        self.assertEqual(tree.files(self.root), ['.clang-format', 'a.c', 'src/b.h'])


if __name__ == '__main__':
    unittest.main()
