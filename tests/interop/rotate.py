#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
`ktls rotate`, and the file of ticket keys as programs that nobody here wrote see it: text of a
fixed form, private, replaced at once.
"""

import fcntl
import os
import re

import kit

FORM = re.compile(r'libktls ticket keys 1\nnext ([0-9a-f]{128})\ncurrent ([0-9a-f]{128})\n'
                  r'previous ([0-9a-f]{128})\n')


def rotate(*arguments):
    process = kit.Process(kit.TOOL, 'rotate', *arguments)
    return process.wait(), process.errors()


def rotate_well(file):
    status, errors = rotate(file)
    kit.check((status, errors) == (0, ''), 'it ended with %d: %s' % (status, errors))
    return keys_of(file)


def keys_of(file):
    match = FORM.fullmatch(file.read_text(encoding='ascii'))
    kit.check(match, '%s is not of its form' % file)
    return match.groups()


def check_left_alone(file, said):
    before = file.read_bytes()
    status, errors = rotate(file)
    kit.check(status == 1, 'it ended with %d' % status)
    kit.check(said in errors and str(file) in errors, 'it said: %s' % errors)
    kit.check(file.read_bytes() == before, 'the file was changed')


def keys_move_on():
    file = kit.new_path('tickets')
    before = rotate_well(file)
    kit.check(len(set(before)) == 3, 'two keys are the same')
    kit.check(file.stat().st_mode & 0o7777 == 0o600, 'the file is not private')
    for _ in range(4):
        node = file.stat().st_ino
        after = rotate_well(file)
        kit.check(after[1:] == before[:2], 'the keys did not move on')
        kit.check(after[0] not in before, 'the next key is not new')
        kit.check(file.stat().st_ino != node, 'the file was overwritten in place')
        before = after
    left = [name for name in os.listdir(file.parent) if name.startswith(file.name + '.')]
    kit.check(not left, 'it left %s behind' % left)


def what_is_no_such_file_is_left_alone():
    file = kit.new_path('tickets')
    rotate_well(file)
    file.chmod(0o640)
    check_left_alone(file, 'malformed, or')
    file.chmod(0o600)
    file.write_bytes(file.read_bytes() + b'\n')
    check_left_alone(file, 'malformed, or')


def two_at_once_do_not_meet():
    file = kit.new_path('tickets')
    rotate_well(file)
    with open('%s.new' % file, 'wb', opener=lambda name, flags: os.open(name, flags, 0o600)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        check_left_alone(file, 'another rotation')
    rotate_well(file)


def the_command_line():
    for arguments in ((), ('a', 'b'), ('--whatever',)):
        status, errors = rotate(*arguments)
        kit.check(status == 2 and 'ktls rotate' in errors, '%s: %s' % (arguments, errors))
    status, errors = rotate(kit.path('missing') / 'tickets')
    kit.check(status == 1 and 'No such file' in errors, 'it said: %s' % errors)
    helped = kit.Process(kit.TOOL, 'rotate', '--help').run()
    kit.check(b'usage: ktls rotate FILE' in helped.out.read_bytes(), 'no help came')


if __name__ == '__main__':
    kit.main([(case.__name__.replace('_', ' '), case)
              for case in (keys_move_on, what_is_no_such_file_is_left_alone,
                           two_at_once_do_not_meet, the_command_line)])
