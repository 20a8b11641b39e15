#!/usr/bin/python3
"""pktgen-tests/run as a user runs it, with the project's own generator: every question, every way
of forwarding, and a limit that is broken. Function only, never a time.

Usage: test_pktgen_tests.py SOURCE BUILD"""
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from ballastd import run_tests  # noqa: E402

sys.path.insert(0, os.path.join(sys.argv[1], 'pktgen-tests', 'lib'))
from generator import Generator  # noqa: E402
from installation import Ballastd, Programs, memif  # noqa: E402

RUN, BUILD = os.path.join(sys.argv[1], 'pktgen-tests', 'run'), sys.argv[2]
EXPECT = os.path.join(sys.argv[1], 'pktgen-tests', 'expect')


def ask(*words, wanted=0):
    done = subprocess.run([RUN, '--build', BUILD, '--generator', 'own', '--scale', 'quick',
                           *words],
                          capture_output=True, text=True, check=False)
    assert done.returncode == wanted, (words, done.stdout + done.stderr)
    return done.stdout + done.stderr


def every_question_is_held_by_dsr():
    with tempfile.TemporaryDirectory() as folder:
        ask('--json', f'{folder}/answers')
        with open(f'{folder}/answers') as text:
            answers = json.load(text)
    assert len(answers) == 8 and all(answer['held'] for answer in answers.values()), answers
    moved = answers['server-change']['figures']
    assert moved['changes'] >= 20 and moved['left_the_removed'] > 0, moved


def tunnels_are_held():
    ask('--forwarding', 'ipip', 'ipv6', 'imix')
    ask('--forwarding', 'gue', 'ipv6', '--services', '3')


def translation_and_its_replies_are_held_over_two_arms():
    ask('--forwarding', 'nat', '--arms', '2', 'ipv6', 'new-connections')
    ask('--forwarding', 'fullnat', '--arms', '2', 'ipv6', 'server-change', 'imix')


def a_broken_limit_is_told():
    with tempfile.TemporaryDirectory() as folder:
        with open(f'{EXPECT}/imix.json') as text:
            expect = json.load(text)
        expect['function']['sent'] = {'max': 5}
        with open(f'{folder}/imix.json', 'w') as out:
            json.dump(expect, out)
        said = ask('--expect', folder, 'imix', wanted=1)
    assert 'FAILED sent' in said and 'is more than 5' in said and '1 limits broken' in said, said


def wrong_packets_are_seen():
    """A ballastd that does not do what the generator was told: each frame is complained of."""
    with Programs() as programs:
        daemon = Ballastd(programs, BUILD, 'dsr').wait_ready()
        device = f'--vdev={memif(0, "client", daemon.sockets[0])}'
        generator = Generator(programs, BUILD, [device])
        for forwarding, complaint in (('dsr', None), ('nat', 'to another server than its MAC'),
                                      ('ipip', 'no tunnel around it'),
                                      ('fullnat', 'to another server than its MAC')):
            seen = generator.trial(quiet=30000, forwarding=forwarding, flows=10, count=10)
            assert seen['at_servers'] == 10, seen
            assert seen['bad'] == (10 if complaint else 0), seen
            assert (complaint or '') in seen.get('complaint', ''), seen
        # Two servers at most, says this one: those beyond are nobody's.
        seen = generator.trial(quiet=30000, flows=40, servers=2, count=40, first=100)
        assert seen['bad'] == 20 and seen['servers_seen'] == 2, seen
        # Servers are remembered from one trial to the next: who forgets its connections is found.
        generator.trial(quiet=30000, flows=40, count=40, first=200)
        daemon.rest.change('DELETE', 'server-pools/servers4/real-servers/server1')
        seen = generator.trial(quiet=30000, flows=40, count=80, first=200)
        assert seen['moved'] == 10 and seen['moved_from'] == {'1': 10}, seen


def wrong_use_is_told():
    assert 'the questions are' in ask('nonsense', wanted=2)
    assert 'needs --dut-mac' in ask('--device', '0000:03:00.0', wanted=2)
    assert 'Pktgen is not installed' in ask('imix', '--generator', 'pktgen', '--pktgen', '/none',
                                            wanted=2)
    # A program that was named is not silently done without.
    done = subprocess.run([RUN, '--build', BUILD, '--scale', 'quick', '--pktgen', '/none', 'imix'],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2 and '/none is no program' in done.stderr, done
    assert 'nonsense.json' in ask('imix', '--expect', '/nonsense.json', wanted=2)


def the_configuration_for_the_other_machine_is_valid():
    for forwarding in ('dsr', 'ipip', 'gue', 'nat', 'fullnat'):
        for devices in ('0000:03:00.0', '0000:03:00.0,0000:03:00.1'):
            with tempfile.NamedTemporaryFile('w', suffix='.json') as out:
                out.write(ask('--forwarding', forwarding, '--servers', '100', '--print-config',
                              devices))
                out.flush()
                done = subprocess.run([f'{BUILD}/apps/ballastd', '--check-config', '--config',
                                       out.name], capture_output=True, text=True, check=False)
            assert done.returncode == 0, (forwarding, devices, done.stdout + done.stderr)


TESTS = [every_question_is_held_by_dsr, tunnels_are_held,
         translation_and_its_replies_are_held_over_two_arms, a_broken_limit_is_told,
         wrong_packets_are_seen, wrong_use_is_told,
         the_configuration_for_the_other_machine_is_valid]

sys.exit(run_tests(TESTS))
