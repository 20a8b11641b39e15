#!/usr/bin/python3
"""scripts/demo-lab --once holds, and leaves nothing behind."""
import os
import subprocess
import sys
import tempfile

import lab as lab_module
import suite


def git_status():
    return subprocess.run(['git', '-C', lab_module.ROOT, '-c', 'safe.directory=*', 'status',
                           '--porcelain'], capture_output=True, text=True, check=False).stdout


def listing(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def read(path):
    try:
        with open(path, 'rb') as text:
            return text.read().decode(errors='replace')
    except OSError:
        return ''


def processes(word):
    """Processes that name the word in their command line or environment, but not this one."""
    return [f'{pid} {read(f"/proc/{pid}/comm").strip()}' for pid in listing('/proc')
            if pid.isdigit() and int(pid) != os.getpid()
            and word in read(f'/proc/{pid}/cmdline') + read(f'/proc/{pid}/environ')]


def links():
    return subprocess.run(['ip', '-o', 'link', 'show'], capture_output=True, text=True,
                          check=True).stdout


def kernel():
    """What a demo could leave in the kernel of the machine itself."""
    return {'links': [line.split()[1] for line in links().splitlines()],
            'namespaces': listing('/run/netns'), 'run': listing('/run'),
            'huge pages': read('/proc/sys/vm/nr_hugepages'),
            'reserved ports': read('/proc/sys/net/ipv4/ip_local_reserved_ports'),
            'forwarding': read('/proc/sys/net/ipv4/ip_forward')}


def main():
    if os.geteuid() != 0:
        print('skipped: needs root for network namespaces and AF_XDP')
        sys.exit(suite.SKIPPED)
    checks = suite.Checks()
    status, before = git_status(), kernel()
    with tempfile.TemporaryDirectory(prefix='ballast-demo-') as folder:
        demo = subprocess.run([f'{lab_module.ROOT}/scripts/demo-lab', '--once'], check=False,
                              capture_output=True, text=True,
                              env=dict(os.environ, TMPDIR=folder, BALLAST_BUILD=suite.BUILD))
        checks.equal('the demo ends with', demo.returncode, 0)
        if demo.returncode != 0:
            print(demo.stdout + demo.stderr)
        checks.check('it says that everything held', 'everything held\n' in demo.stdout
                     and 'NOT' not in demo.stdout and 'FAILED' not in demo.stdout)
        checks.equal('files left', listing(folder), [])
        checks.equal('processes left', processes(folder), [])
        checks.check('mounts left: none', folder not in read('/proc/self/mountinfo'))
    checks.equal('the clone is as it was', git_status(), status)
    after = kernel()
    for what, seen in before.items():
        checks.check(f'{what} are as they were', after[what] == seen, ''
                     if after[what] == seen else f'{seen} became {after[what]}')
    sys.exit(1 if checks.failed else 0)


main()
