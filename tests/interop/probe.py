#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls probe` on this machine: for people within a screen's width, for programs with every field in
the manual, the same said by both, and what it says held against what can be seen otherwise.
"""

import json
import os
import pty
import re
import socket
import subprocess
from pathlib import Path

import kit

MANUAL = Path(__file__).resolve().parents[2] / 'man' / 'ktls-probe.1.scd'

VERDICTS = {'full': 0, 'none': 1, 'partial': 3}


def run(*options, env=None):
    return subprocess.run([kit.TOOL, 'probe', *options], stdout=subprocess.PIPE, check=False,
                          stderr=subprocess.PIPE, timeout=kit.LIMIT_S,
                          env={**os.environ, **(env or {})}, text=True)


def answer_of(*options):
    if options not in answer_of.answers:
        child = run('--json', *options)
        answer = json.loads(child.stdout)
        kit.check(child.returncode == VERDICTS[answer['verdict']], 'it ended with %d, verdict %s'
                  % (child.returncode, answer['verdict']))
        answer_of.answers[options] = answer
    return answer_of.answers[options]


answer_of.answers = {}


def plain(text):
    return ' '.join(text.split())


def fields(value):
    if isinstance(value, dict):
        for name, inside in value.items():
            yield name
            yield from fields(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from fields(inside)


def every_field_is_in_the_manual():
    manual = MANUAL.read_text().replace('\\', '')
    words = {word.strip('_.') for word in re.findall(r'[\w.-]+', manual)}  # _x_ is emphasis
    missing = sorted(set(fields(answer_of())) - words)
    kit.check(not missing, 'not in %s: %s' % (MANUAL.name, ', '.join(missing)))


def the_fields_stay():
    """Programs rely on these."""
    answer = answer_of()
    wanted = {'version', 'kernel', 'verdict', 'ulp', 'ulp_errno', 'ciphers', 'features', 'system',
              'drivers', 'io_uring', 'devices', 'counters', 'obstacles', 'reasons'}
    kit.check(set(answer) == wanted, str(set(answer) ^ wanted))
    kit.check(set(answer['ciphers']) == set(kit.CIPHERS) == set(answer['drivers']), 'ciphers')
    kit.check(answer['kernel'] == os.uname().release, answer['kernel'])
    for cipher in answer['ciphers'].values():
        for version in ('tls12', 'tls13'):
            for direction in ('tx', 'rx'):
                one = cipher[version][direction]
                kit.check(one['works'] or one['reason'] in answer['reasons'], str(one))
    for trial in answer['io_uring'].values():
        kit.check(trial['works'] or trial['reason'] in answer['reasons'], str(trial))
    return answer['verdict']


def verdict_is_right():
    answer = answer_of()
    works = [answer['ciphers'][cipher][version][direction]['works'] for cipher in kit.CIPHERS
             for version in ('tls12', 'tls13') for direction in ('tx', 'rx')]
    wanted = 'full' if all(works) else 'partial' if any(works) else 'none'
    kit.check(answer['verdict'] == wanted, '%s, not %s' % (answer['verdict'], wanted))
    kit.check((wanted != 'none') == kit.ulp_attaches(), 'wrong about the ULP')
    weights = [obstacle['weight'] for obstacle in answer['obstacles']]
    kit.check(('blocks' in weights) == (wanted == 'none'), str(weights))
    order = ['blocks', 'limits', 'slows', 'note']
    kit.check(weights == sorted(weights, key=order.index), str(weights))


def for_people():
    child = run()
    answer = answer_of()
    kit.check(child.returncode == VERDICTS[answer['verdict']], 'it ended with %d'
              % child.returncode)
    kit.check(max(map(len, child.stdout.splitlines())) <= 80, 'too wide:\n' + child.stdout)
    kit.check('\033' not in child.stdout, 'colours in a pipe')
    text = plain(child.stdout)
    for reason, words in answer['reasons'].items():
        kit.check(reason in text and words['text'] in text, 'no %s for people' % reason)
    for names in (answer['ciphers'], answer['features'], answer['io_uring'],
                  answer['system']['settings']):
        for name in names:
            kit.check(name in text, 'no %s for people' % name)
    for obstacle in answer['obstacles']:
        kit.check(obstacle['name'] in text, 'no %s for people' % obstacle['name'])
        if obstacle['weight'] != 'note':  # what was counted may have grown
            kit.check(plain(obstacle['text']) in text and plain(obstacle['remedy']) in text,
                      'not for people: ' + obstacle['text'])


def on_terminal(*options, env=None):
    ours, theirs = pty.openpty()
    child = subprocess.Popen([kit.TOOL, 'probe', '--quick', *options], stdout=theirs,
                             env={**os.environ, 'TERM': 'xterm', **(env or {})})
    os.close(theirs)
    out = b''
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux's answer to an end of a terminal
            piece = b''
        if not piece:
            break
        out += piece
    os.close(ours)
    child.wait(kit.LIMIT_S)
    return out


def colours():
    kit.check(b'\033[' in on_terminal(env={'NO_COLOR': ''}), 'none on a terminal')
    kit.check(b'\033' not in on_terminal(env={'NO_COLOR': '1'}), 'NO_COLOR')
    kit.check(b'\033' not in on_terminal(env={'NO_COLOR': '', 'TERM': 'dumb'}), 'a dumb terminal')
    kit.check(b'\033' not in on_terminal('--color=never', env={'NO_COLOR': ''}), 'never')
    painted = run('--quick', '--color=always', env={'NO_COLOR': '1'}).stdout
    kit.check('\033[' in painted, 'none in a pipe that asks for it')
    widths = [len(re.sub('\033\\[[0-9]*m', '', line)) for line in painted.splitlines()]
    kit.check(max(widths) <= 80, 'too wide')
    kit.check('\033' not in run('--quick', '--color=always', '--json').stdout, 'in JSON')


def quick_does_not_try_io_uring():
    answer = answer_of('--quick')
    kit.check(answer['io_uring'] is None, str(answer['io_uring']))
    for name in ('ciphers', 'features', 'ulp', 'system'):
        kit.check(answer[name] == answer_of()[name], name)


def counters_are_the_kernels():
    stat = kit.tls_stat()
    counters = answer_of('--quick')['counters']
    kit.check((counters is None) == (not stat), 'counters: %s' % counters)
    if not stat:
        raise kit.Skip('this kernel counts nothing')
    kit.check(set(counters) <= set(stat), str(set(counters) - set(stat)))
    kit.check({'TlsCurrTxSw', 'TlsDecryptError'} <= set(counters), str(counters))


def drivers_are_the_kernels():
    proc = Path('/proc/crypto').read_text()
    drivers = [driver for driver in answer_of()['drivers'].values() if driver]
    for driver in drivers:
        kit.check('driver       : %s\n' % driver['driver'] in proc, driver['driver'])
        kit.check(driver['speed'] != 'unknown', driver['driver'])
    if answer_of()['verdict'] == 'full':
        kit.check(len(drivers) == len(kit.CIPHERS), str(drivers))
    return ', '.join('%s %s' % (driver['driver'], driver['speed']) for driver in drivers)


def devices_are_the_kernels():
    devices = answer_of()['devices']
    names = {name for _, name in socket.if_nameindex()}
    kit.check({device['name'] for device in devices} == names, str(devices))


def bad_command_lines():
    for options in (['more'], ['--frobnicate'], ['--color=blue'], ['--color']):
        child = run(*options)
        kit.check(child.returncode == 2 and not child.stdout and 'ktls probe' in child.stderr,
                  '%s: %s' % (options, child))
    kit.check(run('--help').returncode == 0, '--help')
    for options in ([], ['--json']):
        with open('/dev/full', 'wb') as full:
            child = subprocess.run([kit.TOOL, 'probe', '--quick', *options], stdout=full,
                                   check=False, stderr=subprocess.DEVNULL, timeout=kit.LIMIT_S)
        kit.check(child.returncode in (1, 3), 'a full disk went unnoticed: %s' % options)


CASES = [
    ('every field is in the manual', every_field_is_in_the_manual),
    ('the fields stay', the_fields_stay),
    ('the verdict is right', verdict_is_right),
    ('for people', for_people),
    ('colours', colours),
    ('--quick does not try io_uring', quick_does_not_try_io_uring),
    ("counters are the kernel's", counters_are_the_kernels),
    ("drivers are the kernel's", drivers_are_the_kernels),
    ("devices are the kernel's", devices_are_the_kernels),
    ('bad command lines', bad_command_lines),
]

if __name__ == '__main__':
    kit.main(CASES)
