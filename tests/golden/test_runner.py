#!/usr/bin/python3
"""The golden runner has to see each kind of difference: it gets a good case with a fault in it.

usage: test_runner.py RUN-GOLDEN REPLAY FOLDER"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import statement  # noqa: E402


def edit_frames(path, edit):
    records = [[at, bytearray(frame)] for at, frame in statement.pcap_records(path.read_bytes())]
    edit(records)
    path.write_bytes(statement.pcap_bytes((at, bytes(frame)) for at, frame in records))


def edit_counters(path, name, by):
    counters = json.loads(path.read_text())
    counters[name] = counters.get(name, 0) + by
    path.write_text(json.dumps(counters))


def flip(records, n, at):
    records[n][1][at] ^= 1


# What is done to the copy, and a word of what the runner has to say about it.
FAULTS = {
    'nothing': (lambda to: None, 'as expected'),
    'a bit of a frame': (lambda to: edit_frames(to / 'out.pcap', lambda r: flip(r, 3, 40)),
                         'frame 3 of out.pcap'),
    'a time': (lambda to: edit_frames(to / 'out.pcap', lambda r: r[2].__setitem__(0, 1)),
               'frame 2 of out.pcap'),
    'a frame less': (lambda to: edit_frames(to / 'out.pcap', lambda r: r.pop()),
                     'expected no frame'),
    'a frame more': (lambda to: edit_frames(to / 'out.pcap', lambda r: r.append(r[0])),
                     'got      no frame'),
    'order': (lambda to: edit_frames(to / 'out.pcap', lambda r: r.insert(0, r.pop())),
              'frame 0 of out.pcap'),
    'a counter': (lambda to: edit_counters(to / 'counters.json', 'conn_created', 1),
                  'conn_created: expected 3'),
    'a counter that stands still': (lambda to: edit_counters(to / 'counters.json', 'punted', 1),
                                    'punted: expected 1'),
    'a counter of no such name': (lambda to: edit_counters(to / 'counters.json', 'lost', 1),
                                  'lost: expected 1'),
    'a checksum': (lambda to: edit_frames(to / 'in.pcap', lambda r: flip(r, 0, -1)),
                   'bad TCP checksum'),
    'a configuration': (lambda to: (to / 'config.json').write_text('{}'), 'ended with 2'),
}


def main():
    runner, replay, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    failed = 0
    for fault, (make, says) in FAULTS.items():
        with tempfile.TemporaryDirectory() as name:
            to = pathlib.Path(name) / folder.name
            shutil.copytree(folder, to)
            make(to)
            done = subprocess.run([runner, '--replay', replay, to], capture_output=True, text=True,
                                  check=False)
        is_seen = (done.returncode == 0) == (fault == 'nothing') and says in done.stdout
        failed += not is_seen
        print(f'{"ok" if is_seen else "NOT SEEN"}: {fault}')
        if not is_seen:
            print(done.stdout + done.stderr)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
