#!/usr/bin/python3
"""tests/bench/whole-program runs and its table is whole: both programs forward, no packet is lost
that the window holds, none is unaccounted for. Nothing of what it measures is judged.

Usage: test_whole_program.py SOURCE BUILD"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

if not shutil.which('dpdk-testpmd'):
    print('skipped: dpdk-testpmd is not installed')
    sys.exit(77)
with tempfile.TemporaryDirectory() as folder:
    done = subprocess.run([os.path.join(sys.argv[1], 'tests/bench/whole-program'), sys.argv[2],
                           '--flows', '500', '--rounds', '1', '--ms', '50', '--changes', '5',
                           '--json', f'{folder}/table'], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with open(f'{folder}/table') as text:
        table = json.load(text)
rate, latency = table['rate']['500'], table['latency']['500']
for program in ('testpmd', 'ballastd'):
    assert rate[program]['lost'] == 0 and rate[program]['mpps'] > 0, rate
    assert rate[program]['cycles'] > 0, rate
    for load in ('10', '50', '90'):
        assert latency[program][load]['lost'] == 0 < latency[program][load]['p50'], latency
changes = table['changes']['500']
assert changes['changes']['n'] == 5 and changes['changes']['lost'] == 0, changes
assert changes['changes']['sent'] > 0 and changes['reads']['sent'] > 0, changes
assert table['unaccounted'] == 0, table
print(done.stdout)
