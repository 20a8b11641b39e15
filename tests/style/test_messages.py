#!/usr/bin/python3
"""What docs/deploy.md says that the programs say, they do: each message of its last table stands in
the sources, piece by piece between the dots that stand for what varies.

Usage: test_messages.py"""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SOURCES = ('apps', 'controlplane', 'dataplane', 'include')


def main():
    text = ''
    for folder in SOURCES:
        for path in (ROOT / folder).rglob('*'):
            if path.suffix in ('.c', '.h', '.def'):
                text += path.read_text()
    # Literals that go on in the next line are one.
    text = re.sub(r'"\s*(?:PRI\w+\s*)?"', '', text)
    table = (ROOT / 'docs/deploy.md').read_text().split('| it says |')[1]
    said = [message for row in table.splitlines() if row.startswith('| ')
            for message in re.findall(r'`([^`]+)`', row.split(' | ')[0])]
    assert len(said) >= 15, said
    missing = [(message, piece) for message in said if not message.startswith('ballastctl')
               for piece in message.split('...') if piece.strip(' :') not in text]
    assert not missing, missing
    print(f'{len(said)} messages')


main()
