#!/usr/bin/python3
"""The judging of pktgen-tests/run: what holds, what does not, and files of limits that are none."""
import json
import os
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / 'pktgen-tests' / 'lib'))
import judge  # noqa: E402
import pktgen  # noqa: E402
from installation import BenchError, Programs, unaccounted  # noqa: E402
from questions import QUESTIONS  # noqa: E402


def verdicts(limits, figures, **more):
    expect = {'question': '?', 'function': limits, 'speed': {'rate': {'min': 10}}}
    return {name: wrong for name, _, wrong in judge.judge(expect, figures, **more)}


class Judging(unittest.TestCase):
    def test_limits_hold_at_their_ends(self):
        limits = {'a': {'min': 3}, 'b': {'max': 3}, 'c': {'min': 3, 'max': 3}}
        self.assertEqual(verdicts(limits, {'a': 3, 'b': 3, 'c': 3}), dict.fromkeys('abc'))

    def test_what_is_past_a_limit_is_named(self):
        limits = {'a': {'min': 3}, 'b': {'max': 0}}
        self.assertEqual(verdicts(limits, {'a': 2, 'b': 1}),
                         {'a': '2 is less than 3', 'b': '1 is more than 0'})

    def test_a_figure_that_is_missing_fails(self):
        self.assertEqual(verdicts({'a': {'max': 0}}, {}), {'a': 'not measured'})

    def test_limits_of_the_other_generator_are_left_out(self):
        limits = {'a': {'max': 0}, 'b': {'max': 0, 'seen_by': 'own'}}
        self.assertEqual(verdicts(limits, {'a': 0}, generator='pktgen'), {'a': None})
        self.assertEqual(verdicts(limits, {'a': 0}), {'a': None, 'b': 'not measured'})

    def test_nothing_to_judge_by_fails(self):
        limits = {'b': {'max': 0, 'seen_by': 'own'}}
        self.assertEqual(list(verdicts(limits, {'b': 0}, generator='pktgen')), ['limits'])

    def test_speed_is_judged_where_asked_for(self):
        self.assertNotIn('rate', verdicts({'a': {'max': 0}}, {'a': 0, 'rate': 9}))
        self.assertEqual(verdicts({'a': {'max': 0}}, {'a': 0, 'rate': 9}, speed=True)['rate'],
                         '9 is less than 10')


class Files(unittest.TestCase):
    def refused(self, content, said):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'x.json')
            with open(path, 'w') as out:
                out.write(content if isinstance(content, str) else json.dumps(content))
            with self.assertRaisesRegex(judge.ExpectError, said):
                judge.load(path)

    def test_bad_files_are_refused(self):
        good = {'question': '?', 'function': {'a': {'max': 0}}}
        self.refused('{', 'Expecting')
        self.refused({**good, 'more': 1}, 'are its keys')
        self.refused({**good, 'question': ''}, 'are its keys')
        self.refused({'question': '?', 'function': {}}, 'cannot fail')
        self.refused({'question': '?', 'function': {'a': {}}}, 'min or max')
        self.refused({**good, 'speed': {'a': {'max': 0, 'maxx': 1}}}, 'function|speed')
        with self.assertRaises(judge.ExpectError):
            judge.load('/does/not/exist')

    def test_every_question_has_limits_and_a_script(self):
        found = {path.stem for path in (ROOT / 'pktgen-tests' / 'expect').glob('*.json')}
        self.assertEqual(found, set(QUESTIONS))
        scripts = {path.stem for path in (ROOT / 'pktgen-tests').glob('*.lua')}
        self.assertEqual(scripts, set(QUESTIONS))
        for name in QUESTIONS:
            expect = judge.load(ROOT / 'pktgen-tests' / 'expect' / f'{name}.json')
            self.assertEqual(expect['question'], QUESTIONS[name].__doc__)
            script = (ROOT / 'pktgen-tests' / f'{name}.lua').read_text()
            # Each asks one question, its first line.
            self.assertRegex(script.splitlines()[0], r'^-- .*\?$')
            self.assertIn('ballast.finish(', script)


class Terminal(unittest.TestCase):
    """Pktgen is not here; a program that behaves as it does takes its place."""

    def ask(self, script):
        with Programs() as programs, tempfile.TemporaryDirectory() as folder:
            result = f'{folder}/result.json'
            terminal = pktgen.Terminal(programs, ['/bin/sh', '-c', script],
                                       dict(os.environ, RESULT=result))
            changed = []
            figures = pktgen.wait(terminal, result, lambda: changed.append(1))
            return figures, len(changed)

    def test_figures_are_read_and_it_is_a_terminal(self):
        self.assertEqual(self.ask('test -t 0 && test -t 1 && echo "{\\"a\\": 1}" >$RESULT'),
                         ({'a': 1}, 0))

    def test_changes_are_made_once_while_it_sends(self):
        script = ('touch $RESULT.started; while ! test -e $RESULT.over; do :; done; '
                  'echo "{}" >$RESULT.part; mv $RESULT.part $RESULT')
        self.assertEqual(self.ask(script), ({}, 1))

    def test_its_end_without_an_answer_is_told_with_its_last_words(self):
        with self.assertRaisesRegex(BenchError, 'without an answer'):
            self.ask('echo no huge pages; exit 1')

    def test_every_port_has_an_lcore_and_the_control_another(self):
        words, maps = pktgen.lcores(2)
        self.assertEqual(maps, ['-m', '1.0', '-m', '2.1'])
        self.assertRegex(words[1], r'^0@\d+,1@\d+,2@\d+$')


class Law(unittest.TestCase):
    def test_a_packet_too_many_or_too_few_is_seen(self):
        counters = {'rx': 10, 'handed_in': 0, 'injected': 0, 'originated': 1, 'tx': 8,
                    'handed_out': 0, 'punted': 1, 'held': 0, 'drop_x': 2, 'conn_created': 5}
        self.assertEqual(unaccounted(counters), 0)
        self.assertEqual(unaccounted({**counters, 'tx': 7}), 1)
        self.assertEqual(unaccounted({**counters, 'drop_x': 4}), -2)


if __name__ == '__main__':
    unittest.main()
