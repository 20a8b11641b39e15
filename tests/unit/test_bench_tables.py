#!/usr/bin/python3
"""The programs behind the tables of docs/performance.md and docs/scaling.md: which turn is taken,
what is refused, and what is left alone then. Function only; the bench is played by a script."""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / 'tests' / 'bench'
sys.dont_write_bytecode = True
sys.path.insert(0, str(BENCH))
import figures  # noqa: E402

DSR = f'dsr, IPv4, {figures.MANY}'
IPIP = f'ipip, IPv4, {figures.MANY}'

# Rows 'fine' and 'bad, IPv4'; the latter fails while a file of its name is there.
FAKE_BENCH = '''#!/usr/bin/python3
import json, os, sys
here, words = os.path.dirname(os.path.abspath(__file__)), sys.argv[1:]
if '--list' in words:
    print('fine\\nbad')
    sys.exit(0)
row = words[words.index('--rows') + 1]
with open(f'{here}/runs', 'a') as log:
    log.write(row + '\\n')
if os.path.exists(f'{here}/{row}'):
    sys.exit('ballast_bench: something is wrong')
with open(words[words.index('--json') + 1], 'w') as out:
    json.dump([{'row': row, 'ns_min': 1, 'ns_median': 2, 'ns_max': 3, 'mpps': 500}], out)
'''


def row(name, median, **more):
    return {'row': name, 'workers': 1, 'ns_min': median - 1, 'ns_median': median,
            'ns_max': median + 9, 'mpps': 1e3 / median, **more}


class WithFolder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='ballast-tables-')
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, what):
        path = os.path.join(self.folder, name)
        with open(path, 'w', encoding='utf-8') as out:
            out.write(what if isinstance(what, str) else json.dumps(what))
        return path

    def copy_docs(self):
        for name in ('performance.json', 'performance.md', 'scaling.md'):
            shutil.copy(ROOT / 'docs' / name, self.folder)

    def read_docs(self):
        return [pathlib.Path(self.folder, name).read_text(encoding='utf-8')
                for name in ('performance.json', 'performance.md', 'scaling.md')]

    def run_tables(self, *words):
        return subprocess.run([BENCH / 'tables', '--docs', self.folder, *words],
                              capture_output=True, text=True, check=False)


class Choosing(WithFolder):
    def test_the_turn_with_the_least_median_is_taken_row_by_row(self):
        found = figures.choose([[row('a', 30), row('b', 50)], [row('a', 20), row('b', 60)],
                                [row('a', 40)]])
        self.assertEqual([found[name]['ns_median'] for name in 'ab'], [20, 50])

    def test_a_lower_minimum_with_a_higher_median_is_not_taken(self):
        found = figures.choose([[row('a', 30)], [{**row('a', 35), 'ns_min': 1}]])
        self.assertEqual(found['a']['ns_median'], 30)

    def test_what_is_no_turn_is_refused(self):
        good = row('a', 30)
        for what, complaint in (
                ('[', 'turn'), ([], 'no rows'), ({}, 'no rows'), ([3], 'not a row'),
                ([{**good, 'row': ''}], 'not a row'), ([good, good], 'twice'),
                ([{**good, 'ns_median': None}], 'ns_median'),
                ([{**good, 'ns_min': -1}], 'ns_min'), ([{**good, 'mpps': True}], 'mpps'),
                ([{**good, 'loop_ns': 'x'}], 'loop_ns'), ([{**good, 'read_ns': 0}], 'read_ns'),
                ('[{"row": "a", "ns_min": NaN, "ns_median": 1, "ns_max": 1, "mpps": 1}]', 'ns_min'),
                ([{**good, 'ns_max': 29}], 'not between'),
                ([{**good, 'pass_cycles': {'admit': 1}}], 'pass_cycles')):
            path = self.write('turn', what)
            with self.assertRaisesRegex(figures.FiguresError, complaint, msg=str(what)):
                figures.load_turn(path)
        with self.assertRaises(figures.FiguresError):
            figures.load_turn(f'{self.folder}/none')

    def test_floors_may_be_missing(self):
        self.assertEqual(len(figures.load_turn(self.write('turn', [
            {**row('a', 30), 'bare_ns_min': None, 'bytes_per_connection': None}]))), 1)


class Tables(WithFolder):
    def setUp(self):
        super().setUp()
        self.copy_docs()

    def test_turns_reach_the_documents(self):
        turns = [self.write(f'turn{n}', [row(DSR, median, bare_ns_min=20,
                                             bytes_per_connection=40)])
                 for n, median in enumerate((77.7, 66.6, 88.8))]
        done = self.run_tables(*(word for path in turns for word in ('--turn', path)))
        self.assertEqual(done.returncode, 0, done.stderr)
        data, performance, scaling = self.read_docs()
        self.assertEqual(json.loads(data)['rows'][DSR]['ns_median'], 66.6)
        self.assertEqual(json.loads(data)['turns'], 3)
        self.assertIn('66.6', performance)
        self.assertIn('66, 67 ns | 3.3 x | 54 ns: no', performance)
        self.assertIn('| dsr | 67 | 15.0 | 10 |', scaling)
        self.assertEqual(self.run_tables('--check').returncode, 0)

    def test_words_outside_the_markers_stay(self):
        path = pathlib.Path(self.folder, 'scaling.md')
        was = path.read_text(encoding='utf-8')
        path.write_text(was.replace('# How it scales\n', '# How it scales\n\nBy hand.\n'),
                        encoding='utf-8')
        self.assertEqual(self.run_tables().returncode, 0)
        self.assertIn('By hand.', path.read_text(encoding='utf-8'))

    def test_a_figure_changed_by_hand_is_seen_and_made_good(self):
        path = pathlib.Path(self.folder, 'performance.md')
        was = path.read_text(encoding='utf-8')
        path.write_text(was.replace(f'| {DSR.split(",")[0]}, established, 1 flow |',
                                    '| dsr, established, one flow |'), encoding='utf-8')
        done = self.run_tables('--check')
        self.assertEqual(done.returncode, 1)
        self.assertIn('performance.md', done.stdout)
        self.assertEqual(self.run_tables().returncode, 0)
        self.assertEqual(path.read_text(encoding='utf-8'), was)

    def test_bad_input_leaves_everything_as_it_was(self):
        was = self.read_docs()
        bad = self.write('bad', [row(IPIP, 5), row(IPIP, 5)])
        good = self.write('good', [row(DSR, 5)])
        for words, complaint in ((('--turn', good, '--turn', bad), 'twice'),
                                 (('--instructions', good), 'no counts'),
                                 (('--whole-program', bad), 'missing')):
            done = self.run_tables(*words)
            self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
            self.assertIn(complaint, done.stderr)
            self.assertEqual(self.read_docs(), was)

    def test_a_block_without_an_end_is_refused(self):
        path = pathlib.Path(self.folder, 'scaling.md')
        was = path.read_text(encoding='utf-8')
        for broken in (was.replace('<!-- end: cores -->', ''),
                       was.replace(': cores -->', ': nonsense -->')):
            path.write_text(broken, encoding='utf-8')
            done = self.run_tables()
            self.assertEqual(done.returncode, 2)
            self.assertIn('scaling.md', done.stderr)


class Measuring(WithFolder):
    def setUp(self):
        super().setUp()
        self.copy_docs()
        self.bench = pathlib.Path(self.folder, 'build', 'tests', 'bench')
        self.bench.mkdir(parents=True)
        program = self.bench / 'ballast_bench'
        program.write_text(FAKE_BENCH, encoding='ascii')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def measure(self, *words):
        return subprocess.run([BENCH / 'measure', '--docs', self.folder, '--only', 'rows,tables',
                               '--rows', '*', '--turns', '2', *words,
                               os.path.join(self.folder, 'build')],
                              capture_output=True, text=True, check=False)

    def runs(self):
        return (self.bench / 'runs').read_text(encoding='ascii').splitlines()

    def test_every_row_runs_in_every_turn_and_is_kept(self):
        done = self.measure('--machine', 'a model of one')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('in all', done.stderr)
        self.assertEqual(self.runs(), ['fine', 'bad', 'fine', 'bad'])
        self.assertIn('a model of one', self.read_docs()[1])
        self.assertEqual(self.measure().returncode, 0)
        self.assertEqual(len(self.runs()), 4)
        self.assertEqual(self.measure('--again').returncode, 0)
        self.assertEqual(len(self.runs()), 8)

    def test_a_row_that_fails_is_named_and_only_it_is_repeated(self):
        was = self.read_docs()
        (self.bench / 'bad').touch()
        done = self.measure()
        self.assertEqual(done.returncode, 1)
        self.assertIn('FAILED: bad: ballast_bench: something is wrong', done.stderr)
        self.assertEqual(self.read_docs(), was)
        self.assertEqual(self.runs(), ['fine', 'bad', 'fine'])
        (self.bench / 'bad').unlink()
        self.assertEqual(self.measure().returncode, 0)
        self.assertEqual(self.runs(), ['fine', 'bad', 'fine', 'bad', 'bad'])

    def test_figures_of_another_program_are_not_mixed_in(self):
        self.assertEqual(self.measure().returncode, 0)
        with open(self.bench / 'ballast_bench', 'a', encoding='ascii') as out:
            out.write('# another one\n')
        done = self.measure()
        self.assertEqual(done.returncode, 2)
        self.assertIn('another program', done.stderr)

    def test_wrong_use_is_told(self):
        self.assertIn('the parts are', self.measure('--only', 'all').stderr)
        (self.bench / 'ballast_bench').unlink()
        self.assertEqual(self.measure().returncode, 2)


CALLGRIND = '''positions: instr line
events: Ir
fn=(1) main
0x10 1 5
cfn=(2) lb_pipeline_run
calls=2 0x100 0
0x14 1 320
fn=(2)
0x100 10 64
+4 * 64
fi=(9) somewhere.h
+4 -3 32
cfn=(3) lb_choose_flow
calls=2 0x900 0
+8 +2 160
fn=(3)
0x900 1 160
'''


class Counting(unittest.TestCase):
    def test_addresses_and_calls_are_read(self):
        path = str(BENCH / 'instructions')
        loader = importlib.machinery.SourceFileLoader('instructions', path)
        module = importlib.util.module_from_spec(
            importlib.util.spec_from_loader('instructions', loader))
        loader.exec_module(module)
        profile = module.Profile(CALLGRIND)
        self.assertEqual(profile.calls, 2)
        self.assertEqual(profile.costs, {0x100: 64, 0x104: 64, 0x108: 32, 0x110: 160})
        module.passes_of = lambda program, addresses: {
            0x100: 'admit', 0x104: 'choose', 0x108: None, 0x110: 'choose'}
        with self.assertRaisesRegex(module.CountError, '10 % belong to no pass'):
            module.count(CALLGRIND, 'program')
        module.passes_of = lambda program, addresses: dict.fromkeys(addresses, 'choose')
        self.assertEqual(module.count(CALLGRIND, 'program'), {
            'instructions': 5.0, 'passes': {'admit': 0, 'choose': 5.0, 'deliver': 0, 'account': 0}})
        with self.assertRaisesRegex(module.CountError, 'was not seen'):
            module.count('', 'program')


if __name__ == '__main__':
    unittest.main()
