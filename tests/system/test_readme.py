#!/usr/bin/python3
"""The README's examples are true: its configuration is the file it names, its commands work.

Every line of a `sh live` block runs against a ballastd with configs/exchange-2010.json.
"""
import json
import os
import re
import shlex
import subprocess
import sys

sys.dont_write_bytecode = True
import lab as lab_module  # noqa: E402
from lab import LabError  # noqa: E402

BUILD = os.environ['BALLAST_BUILD']
SOCKET = '/run/ballast/api.sock'


def blocks(text, kind):
    return re.findall(rf'^```{kind}\n(.*?)^```$', text, re.M | re.S)


def check(what, holds, seen=''):
    print(f"{'ok' if holds else 'not ok'} - {what} {seen if not holds else ''}".rstrip(), flush=True)
    return holds


def run_live(ballast, line):
    """One command of the README, with this build's programs and this daemon's socket."""
    words = [word.replace(SOCKET, ballast.socket) for word in shlex.split(line)]
    if words[0] == 'ballastctl':
        words = [f'{BUILD}/apps/ballastctl', '--socket', ballast.socket] + words[1:]
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    said = result.stdout + result.stderr
    return check(line, result.returncode == 0 and result.stdout != '' or words[0] != 'curl' and
                 result.returncode == 0, f'{result.returncode}: {said[-300:]}')


def main():
    with open(f'{lab_module.ROOT}/README.md') as text:
        readme = text.read()
    with open(f'{lab_module.ROOT}/configs/minimal.json') as text:
        minimal = json.load(text)
    with open(f'{lab_module.ROOT}/configs/exchange-2010.json') as text:
        exchange = json.load(text)
    results = [check('the configuration shown is configs/minimal.json',
                     [json.loads(block) for block in blocks(readme, 'json')] == [minimal])]
    for link in re.findall(r'\]\(([^)#]+)\)', readme):
        results.append(check(f'{link} exists', os.path.exists(f'{lab_module.ROOT}/{link}')))
    with lab_module.Lab() as lab:
        for name, last in (('cas1', 11), ('cas2', 12), ('cas3', 13)):
            lab_module.Nginx(lab.host(name, f'192.0.2.{last}/24'), (135, 55000, 55001))
        ballast = lab_module.Ballast(lab.host('ballast', '192.0.2.2/24'), exchange, BUILD)
        ballast.start()
        for block in blocks(readme, 'sh live'):
            results += [run_live(ballast, line) for line in block.splitlines() if line.strip()]
        lab_module.check_law(ballast.stop())
    return 0 if all(results) else 1


if __name__ == '__main__':
    try:
        lab_module.preflight()
    except LabError as error:
        print(f'skipped: {error}')
        sys.exit(77)
    lab_module.enter()
    sys.exit(main())
