#!/usr/bin/python3
"""What bash, zsh and fish are given to complete ballastctl's words by.

bash's script is loaded into a bash without startup files and asked as the shell would ask it; the
other two are read by their shells where those are installed. Nothing runs that is not ballastctl.
Usage: test_completion.py BALLASTCTL"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAM = os.path.abspath(sys.argv[1])
ASK = '''source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_ballastctl
printf '%s\\n' "${COMPREPLY[@]}"'''
# What stands on the line, the last word being completed; what is offered, or some of it.
CASES = [
    ([''], {'show', 'clear', 'apply', 'drain', 'explain', 'trace', 'decap'}, False),
    (['sh'], {'show'}, True),
    (['show', 'per'], {'persistence'}, True),
    (['-o', 'json', 'show', 'conn'], {'connections'}, True),
    (['show', 'persistence', '--'], {'--group', '--server', '--source', '--output', '--help'}, False),
    (['show', 'persistence', '--dr'], set(), True),
    (['trace', '--dr'], {'--drops'}, True),
    (['show', 'status', '--output', ''], {'table', 'json'}, True),
    (['show', 'status', '-o', 'j'], {'json'}, True),
    (['trace', '--protocol', ''], {'tcp', 'udp'}, True),
    (['explain', 'u'], {'udp'}, True),
    (['explain', 'udp', ''], set(), True),
    (['apply', '--dry-run', 'wanted'], {'wanted.json'}, True),
    (['--source', 'show', 'cl'], {'clear'}, True),
    (['--socket', '/nowhere/s', 'drain', 'c'], set(), True),
]
failed = []


def script(shell, folder):
    path = os.path.join(folder, shell)
    with open(path, 'wb') as file:
        subprocess.run([PROGRAM, '--completion', shell], stdout=file, check=True)
    return path


def offered(path, words, folder):
    done = subprocess.run(['bash', '--norc', '--noprofile', '-u', '-c', ASK, 'bash', path, PROGRAM, *words],
                          capture_output=True, text=True, cwd=folder, check=False,
                          env=dict(os.environ, BALLAST_SOCKET='/nowhere/api.sock'))
    if done.returncode != 0 or done.stderr:
        failed.append(f'{words}: bash says {done.stderr}')
    return set(done.stdout.split())


def main():
    with tempfile.TemporaryDirectory() as folder:
        bash = script('bash', folder)
        open(os.path.join(folder, 'wanted.json'), 'w').close()
        for words, wanted, is_all in CASES:
            got = offered(bash, words, folder)
            if (got != wanted) if is_all else not wanted <= got:
                failed.append(f'{words}: {sorted(got)} is offered, {sorted(wanted)} is wanted')
        # Each command and option of --help can be had by completing.
        said = subprocess.run([PROGRAM, '--help'], capture_output=True, text=True, check=True).stdout
        for verb, noun in re.findall(r'^  ([a-z]+)(?: ([a-z]+))?(?: [A-Z]+)? {2,}\S', said, re.MULTILINE):
            words = [verb, ''] if noun else ['']
            if (noun or verb) not in offered(bash, words, folder):
                failed.append(f'{verb} {noun} is in --help and not offered')
        for shell, flag in (('zsh', '-n'), ('fish', '--no-execute')):
            path = script(shell, folder)
            if shutil.which(shell):
                failed.extend(subprocess.run([shell, flag, path], capture_output=True, text=True,
                                             check=False).stderr.splitlines())
            else:
                print(f'{shell} is not here: its script was made and not read')
    print('\n'.join(failed) or f'{len(CASES)} lines completed')
    return 1 if failed else 0


sys.exit(main())
