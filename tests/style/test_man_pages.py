#!/usr/bin/python3
"""Each program's --help and its manual page name the same options and commands, and groff has nothing
to say about the page.

Usage: test_man_pages.py PAGE PROGRAM [PAGE PROGRAM]..."""
import pathlib
import re
import shutil
import subprocess
import sys

OPTION = re.compile(r'(?<![\w-])(--[a-z][a-z-]*|-[a-z])(?![\w-])')
COMMAND = re.compile(r'^  ((?:(?:show|clear) )?[a-z]+)(?: [A-Z]+)? {2,}\S', re.MULTILINE)


def of_page(text):
    """In mdoc, `.Fl -config , Fl o` stands for --config and -o; examples are left out."""
    text = re.sub(r'^\.Bd .*?^\.Ed$', '', text, flags=re.DOTALL | re.MULTILINE)
    options = {'-' + word for word in re.findall(r'\bFl (-?[a-z][a-z-]*)', text)}
    return options, set(re.findall(r'^\.It Cm ((?:(?:show|clear) )?[a-z]+)', text, re.MULTILINE))


def complaints(page, program):
    said = subprocess.run([program, '--help'], capture_output=True, text=True, check=True).stdout
    text = pathlib.Path(page).read_text()
    options, commands = of_page(text)
    wanted = set(OPTION.findall(said))
    yield from (f'{word} is not in the page' for word in sorted(wanted - options))
    yield from (f'{word} is not in --help' for word in sorted(options - wanted))
    wanted = set(COMMAND.findall(said))
    yield from (f'command {word} is not in the page' for word in sorted(wanted - commands))
    yield from (f'command {word} is not in --help' for word in sorted(commands - wanted))
    if not options:
        yield 'the page has no options'
    if shutil.which('groff'):
        done = subprocess.run(['groff', '-mdoc', '-ww', '-Tascii', page], capture_output=True,
                              text=True, check=False)
        yield from done.stderr.splitlines()
        if not done.stdout.strip():
            yield 'groff makes nothing of it'


def main():
    bad, words = 0, sys.argv[1:]
    for page, program in zip(words[::2], words[1::2]):
        for what in complaints(page, program):
            print(f'{page}: {what}')
            bad += 1
    print(f'{len(words) // 2} pages, {bad} complaints')
    return 1 if bad or not words else 0


sys.exit(main())
