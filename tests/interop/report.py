#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What `ktls-bench run` writes is reported and compared: the page is well-formed HTML with well-formed
SVG, and a server that sleeps before each record is caught. KTLS_BENCH is the program.
"""

import html.parser
import json
import os
import re
import subprocess
import xml.etree.ElementTree

import kit

BENCH = os.environ.get('KTLS_BENCH', 'ktls-bench')
VOID = {'meta'}
SAME, BAD, USAGE, WORSE, NOTHING = 0, 1, 2, 3, 77


class Page(html.parser.HTMLParser):
    """Every element ends, in the order of their beginning."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.feed(text)
        self.close()
        kit.check(not self.open, 'these do not end: %s' % self.open)

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        kit.check(self.open and self.open[-1] == tag, '</%s> ends %s' % (tag, self.open))
        self.open.pop()


def bench(*args, status=0):
    done = subprocess.run([BENCH, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=kit.LIMIT_S)
    kit.check(done.returncode == status,
              '%s ended with %d: %s' % (args, done.returncode, done.stderr.decode()))
    return done.stdout.decode()


def write(text):
    file = kit.new_path('result')
    file.write_text(text)
    return file


def run(runs, *options):
    """One connection, of which neither end is ever at its limit: so there is a rate."""
    return write(bench('run', '-r', runs, '-t', 50, '-w', 'ping', '-a', 'user-write', '-a',
                       'plain-write', '--json', *options))


def chosen(*options):
    """The workloads and arms that a run had in which none of them is possible, by its notes."""
    notes = json.loads(bench('run', '-r', 1, '-t', 1, '--json', *options, status=NOTHING))['notes']
    return {row['workload'] for row in notes}, {row['arm'] for row in notes}


def naming():
    """A note is enough: without TLS there are no handshakes."""
    plain = ['-a', 'plain-ring']
    kit.check(chosen('-w', 'handshake-1.3', *plain) == ({'handshake-1.3'}, {'plain-ring'}),
              'a whole name chooses more')
    kit.check(chosen('-w', 'handshake-1.3-', '-w', 'handshake-1.2', *plain)[0]
              == {'handshake-1.3-rsa', 'handshake-1.2'}, 'a beginning chooses something else')
    kit.check(chosen('-w', 'handshake-1.3', '-a', 'plain-')[1]
              == {'plain-write', 'plain-sendfile', 'plain-ring', 'plain-ring-sendfile'},
              'a beginning does not choose all')


def strangers():
    """Who is not said to take uploads, or to have an RSA key, is not asked for it."""
    result = json.loads(bench('run', '-r', 1, '-t', 1, '--json', '-a', 'plain-ring', '-s', 'other=9',
                              '-s', 'some=9,1,handshake-', '-w', 'upload-1m', '-w',
                              'handshake-1.3-rsa'))
    notes = {(row['workload'], row['arm']): row['note'] for row in result['notes']}
    for row in (('upload-1m', 'other'), ('handshake-1.3-rsa', 'other'),
                ('handshake-1.3-rsa', 'some')):
        kit.check('must be named' in notes[row], '%s: %s' % (row, notes))
    failed = json.loads(bench('run', '-r', 1, '-t', 1, '--json', '-a', 'plain-ring', '-w', 'upload-1m',
                              '-s', 'other=9,1,upload-1m', status=BAD))
    kit.check(any('other' == row['arm'] and 'must' not in row['note'] for row in failed['notes']),
              'who is named is not asked: %s' % failed['notes'])


def check_page(text, plots):
    Page(text)
    svgs = re.findall(r'<svg.*?</svg>', text, re.DOTALL)
    kit.check(len(svgs) >= plots, 'there are %d plots' % len(svgs))
    for svg in svgs:
        xml.etree.ElementTree.fromstring(svg)
    kit.check('<script' not in text and 'http' not in text, 'the page needs something else')


def reported():
    result = run(2)
    page = bench('report', result)
    check_page(page, 3)
    kit.check('user-write' in page and 'ping-64' in page, 'the page says nothing')
    check_page(bench('report', result, result), 3)


def hostile():
    name = '<script>"&\'\u0001\ufffe\u6f22' + 'x' * 1000
    figure = {'workload': name, 'arm': name, 'metric': name, 'unit': name, 'runs': [1e300, 0, -1]}
    check_page(bench('report', write(json.dumps(
        {'machine': {name: name, 'more': {name: name}}, 'figures': [figure], 'limits': [figure],
         'notes': [{'note': name}], 'proofs': [{'text': name}]}))), 1)
    check_page(bench('report', write('{}')), 0)


def agreeing():
    result = run(2)
    changes = json.loads(bench('compare', '--json', result, result))
    kit.check({change['verdict'] for change in changes['changes']} == {'too few runs'},
              'two runs tell something')


def slowed():
    quick, slow = run(7), run(7, '--slow-us', 2000)
    changes = json.loads(bench('compare', '--json', quick, slow, status=WORSE))
    kit.check(changes['counts']['worse'] >= 1, 'nothing is worse')
    bench('compare', slow, slow, status=SAME)
    page = bench('report', quick, slow)
    check_page(page, 3)
    kit.check('class="worse">worse' in page, 'the page does not say what is worse')


def wrong_bodies():
    """What is not what was asked for is no figure."""
    root = kit.new_path('root')
    root.mkdir()
    (root / '64').write_bytes(bytes(64))
    _, port = kit.tool_server(root)
    result = json.loads(bench('run', '-r', 1, '-t', 50, '-w', 'ping', '-a', 'plain-write', '-s',
                              'wrong=%d' % port, '--json', status=BAD))
    notes = {note['arm']: note['note'] for note in result['notes']}
    kit.check('not those of the file' in notes['wrong'], str(notes))
    proofs = {proof['arm']: proof['text'] for proof in result['proofs']}
    kit.check('bytes compared' in proofs['plain-write'] and 'wrong' not in proofs, str(proofs))


def unusable():
    good = write('{"figures": [{"workload": "w", "arm": "a", "runs": [1]}]}')
    for text in ('', '[]', '{', '{"version": 2}', '{"figures": [1]}'):
        bench('compare', good, write(text), status=BAD)
        bench('report', write(text), status=BAD)
    bench('compare', good, write('{}'), status=BAD)
    bench('compare', good, kit.new_path('missing'), status=BAD)
    bench('compare', good, status=USAGE)
    bench('report', status=USAGE)
    bench('report', good, good, good, status=USAGE)


CASES = [
    ('a whole name chooses that alone', naming),
    ('a server of others is in some workloads only if it is named', strangers),
    ('a run is reported', reported),
    ('a page of anything', hostile),
    ('few runs tell nothing', agreeing),
    ('a server that sleeps is caught', slowed),
    ('bodies are compared', wrong_bodies),
    ('what is no result is refused', unusable),
]

if __name__ == '__main__':
    kit.main(CASES)
