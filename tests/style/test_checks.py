#!/usr/bin/python3
"""Each style check sees what it is for: a small tree with one fault at a time must be refused with
the sentence, and the same tree without it must pass. Checks are copied there, for they judge the
tree they lie in."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

SCRIPTS = pathlib.Path(sys.argv[1])
LONG = 'int lb_x(void)\n{\n' + '\tlb_y();\n' * 71 + '}\n'

# script, file, text, what it has to say; None: passes
CASES = [
    ('check-includes', 'dataplane/packet/a.c', '#include <rte_mbuf.h>\n', 'may not include rte_mbuf.h'),
    ('check-includes', 'dataplane/packet/a.c', '#include <time.h>\n', 'may not include time.h'),
    ('check-includes', 'dataplane/packet/a.c', '#include "steer/b.h"\n', 'may not include steer/b.h'),
    ('check-includes', 'dataplane/packet/a.c', '#include "c.h"\n', 'nothing that exists'),
    ('check-includes', 'dataplane/packet/a.c', '#include <rte_ip.h>\n#include <stdint.h>\n', None),
    ('check-includes', 'dataplane/steer/a.c', '#include <rte_mbuf.h>\n', 'may not include'),
    ('check-includes', 'dataplane/steer/a.c', '#include <rte_jhash.h>\n#include "packet/d.h"\n', None),
    ('check-includes', 'dataplane/pipeline.c', '#include "runtime/e.h"\n', 'may not include'),
    ('check-includes', 'pktgen-tests/generator/a.c', '#include <rte_mbuf.h>\n', 'may not include'),
    ('check-includes', 'pktgen-tests/generator/side.c', '#include "packet/d.h"\n', 'may not include'),
    ('check-includes', 'pktgen-tests/generator/side.c', '#include <rte_mbuf.h>\n', None),
    ('check-includes', 'dataplane/runtime/a.c', '#include <cjson/cJSON.h>\n', 'may not include'),
    ('check-includes', 'dataplane/runtime/a.c', '#include <rte_mbuf.h>\n#include "steer/b.h"\n', None),
    ('check-includes', 'controlplane/a.c', '#include <rte_ip.h>\n', 'may not include'),
    ('check-includes', 'controlplane/a.c', '#include "packet/d.h"\n', 'may not include'),
    ('check-includes', 'controlplane/a.c', '#include <cjson/cJSON.h>\n', 'may not include'),
    ('check-includes', 'controlplane/api/a.c', '#include <cjson/cJSON.h>\n', None),
    ('check-includes', 'include/lb/a.h', '#include "packet/d.h"\n', 'may not include'),
    ('check-headers', 'dataplane/packet/a.h', '#ifndef A\n#define A\nuint32_t lb_a(void);\n#endif\n',
     'unknown type name'),
    ('check-headers', 'dataplane/packet/a.h', 'enum lb_a { LB_A };\n', 'redeclaration'),
    ('check-headers', 'dataplane/packet/a.h', '#ifndef A\n#define A\nint lb_a(void);\n#endif\n', None),
    ('check-headers', 'dataplane/packet/a.h',
     '/* a.h - a.\n *\n * Tests    tests/unit/test_a.c\n */\nint lb_a(void);\n', 'no tests/unit/test_a.c'),
    ('check-tokens', 'dataplane/a.c', 'volatile int a;\n', 'volatile is banned'),
    ('check-tokens', 'dataplane/a.c', '/* volatile */ const char *b = "atoi";\n', None),
    ('check-tokens', 'dataplane/a.c', 'int c = __sync_add(1);\n', '__sync_add is banned'),
    ('check-tokens', 'dataplane/a.c', 'rte_atomic32_t c;\n', 'rte_atomic32_t is banned'),
    ('check-tokens', 'dataplane/a.c', 'rte_atomic32_inc(c);\n', 'rte_atomic32_inc is banned'),
    ('check-tokens', 'dataplane/a.c', 'printf("x");\n', 'printf belongs'),
    ('check-tokens', 'apps/a.c', 'printf("x");\n', None),
    ('check-tokens', 'dataplane/a.c', 'int a; // b\n', 'comments are'),
    ('check-tokens', 'dataplane/a.c', 'typedef struct a b;\n', 'no typedef'),
    ('check-tokens', 'dataplane/a.c', '\tint a;' + ' ' * 90 + 'int b;\n', 'longer than 100'),
    ('check-tokens', 'dataplane/a.c', 'int a; \n', 'ends in blanks'),
    ('check-tokens', 'dataplane/a.c', 'int a;\n' * 501, 'file of 501 lines'),
    ('check-tokens', 'dataplane/a.c', 'int a;\n' * 500, None),
    ('check-tokens', 'dataplane/a.c', LONG, '71 lines, 70 allowed'),
    ('check-tokens', 'dataplane/a.c', LONG.replace('\tlb_y();\n', '', 1), None),
    ('check-tokens', 'dataplane/a.c', '/* Generated. */\n' + LONG, None),
    ('check-tokens', 'dataplane/a.c',
     'static int f(int a, int b, int c, int (*d)(int, int),\n\t     int e, int g, int h)\n{\n}\n',
     '7 parameters'),
    ('check-tokens', 'dataplane/a.c',
     'static int f(int a, int b, int c, int (*d)(int, int),\n\t     int e, int g)\n{\n}\n', None),
]
TREE = {'dataplane/steer/b.h': '', 'dataplane/packet/d.h': '', 'dataplane/runtime/e.h': '',
        'dataplane/x.c': 'int lb_x;\n', 'include/lb/f.h': 'int lb_f(void);\n'}
TITLES = [('area: add a thing', True), ('area/part: put on a hat', True),
          ('Area: add a thing', False), ('area: Add a thing', False), ('add a thing', False),
          ('area: added a thing', False), ('area: adding a thing', False),
          ('area: add a thing.', False), ('area: ' + 'a' * 55, False)]


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def run(root, script):
    shutil.copytree(SCRIPTS, root / 'scripts', dirs_exist_ok=True)
    done = subprocess.run([root / 'scripts' / script], text=True, capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


def judge_titles(root):
    git = ['git', '-C', str(root), '-c', 'user.name=a', '-c', 'user.email=a@example.net']
    subprocess.run(['git', 'init', '-q', str(root)], check=True)
    wrong = []
    for title, is_good in TITLES:
        subprocess.run([*git, 'commit', '-q', '--allow-empty', '-m', title], check=True)
        done = subprocess.run([root / 'scripts/check-commits', '-1'], text=True,
                              capture_output=True, check=False)
        if (done.returncode == 0) != is_good:
            wrong.append(f'check-commits on "{title}": {done.stdout}')
    return wrong


def main():
    wrong = []
    for script, path, text, says in CASES:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, content in (TREE | {path: text}).items():
                write(root, name, content)
            status, output = run(root, script)
        if (status == 0) != (says is None) or (says or '') not in output:
            wrong.append(f'{script} on {path} {text[:60]!r}: {status} {output}')
    with tempfile.TemporaryDirectory() as folder:
        run(pathlib.Path(folder), 'check-commits')
        wrong += judge_titles(pathlib.Path(folder))
    print('\n'.join(wrong))
    print(f'{len(CASES) + len(TITLES)} cases, {len(wrong)} wrong')
    return 1 if wrong else 0


sys.exit(main())
