"""What the scripts of the system suite share: a line per check, exit codes, a configuration."""
import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
import lab as lab_module  # noqa: E402
from lab import LabError, wait_for  # noqa: E402

BUILD = os.environ.get('BALLAST_BUILD', f'{lab_module.ROOT}/build')
SKIPPED = 77
# Long enough that a loaded machine does not take a server for dead.
MONITOR = {'type': 'tcp', 'interval_ms': 200, 'timeout_ms': 2000, 'rise': 1, 'fall': 2}


class Checks:
    """Counts and prints what held."""

    def __init__(self):
        self.failed, self.done, self.proved = 0, 0, set()

    def check(self, what, held, seen=''):
        self.done += 1
        self.failed += not held
        print(f"{'ok    ' if held else 'FAILED'} {what}" + (f': {seen}' if seen != '' else ''),
              flush=True)
        return bool(held)

    def equal(self, what, seen, wanted):
        return self.check(what, seen == wanted, seen if seen == wanted
                          else f'{seen!r}, not {wanted!r}')

    def holds(self, what, condition, timeout_s=60):
        """Waits for a state; a check that fails when it does not come."""
        try:
            return self.check(what, wait_for(what, condition, timeout_s))
        except LabError as error:
            return self.check(what, False, error)

    def raises(self, what, errors, call):
        try:
            seen = call()
        except errors as error:
            return self.check(what, True, error)
        return self.check(what, False, f'{seen!r} without an error')

    @contextlib.contextmanager
    def proving(self, cell):
        """The checks inside prove this cell of docs/proofs.md, if there are any and all hold."""
        failed, done = self.failed, self.done
        yield
        if self.done > done and self.failed == failed:
            self.proved.add(cell)

    def law(self, what, counters):
        """The accounting law over a run's last counters, and that there was a run to count."""
        try:
            lab_module.check_law(counters)
            self.check(f'{what}: every packet is accounted for', counters['rx'] > 0,
                       f"{counters['rx']} received")
        except LabError as error:
            self.check(f'{what}: every packet is accounted for', False, error)


def cell(forwarding, client, server, protocol, workers):
    """A cell of docs/proofs.md: families are 4 or 6."""
    return forwarding, client, server, protocol, workers


def main(run, cells=()):
    """Runs run(lab, checks) in a laboratory of its own and ends the program. `cells`: what
    docs/proofs.md says that this program proves; each must have been."""
    if os.geteuid() != 0:
        print('skipped: needs root for network namespaces and AF_XDP')
        sys.exit(SKIPPED)
    lab_module.preflight()
    lab_module.enter()
    checks = Checks()
    with lab_module.Lab() as lab:
        run(lab, checks)
    if cells:
        missing = sorted(set(cells) ^ checks.proved)
        checks.check(f'all {len(cells)} cells of docs/proofs.md are proved', not missing,
                     missing or '')
    print(f'{checks.done - checks.failed} checks held, {checks.failed} failed')
    sys.exit(1 if checks.failed or not checks.done else 0)


def load(name):
    """A configuration from configs/, its monitors patient."""
    with open(f'{lab_module.ROOT}/configs/{name}.json') as text:
        return be_patient(json.load(text))


def be_patient(config):
    for monitor in config.get('health_monitors', []):
        monitor.update({key: MONITOR[key] for key in ('interval_ms', 'timeout_ms')})
    return config


def run_live(checks, ballast, document, section, places=()):
    """Every line of the `sh live` blocks in a section of a document succeeds on Ballast's host, with
    this build's programs. `places`: (what the document says, where it is here)."""
    with open(f'{lab_module.ROOT}/docs/{document}') as text:
        found = re.search(rf'^#+ {re.escape(section)}\n(.*?)(?=^#+ |\Z)', text.read(), re.M | re.S)
    lines = [line for block in re.findall(r'^```sh live\n(.*?)^```$', found[1], re.M | re.S)
             for line in block.splitlines()]
    checks.check(f'{document}, "{section}" has commands', len(lines) > 0)
    for line in lines:
        words = shlex.split(line, comments=True)
        for said, here in (*places, ('/run/ballast/api.sock', ballast.socket),
                           ('/etc/ballast/ballast.json', ballast.config_file)):
            words = [word.replace(said, here) for word in words]
        if words[0] in ('ballastctl', 'ballastd'):
            words[0] = f'{BUILD}/apps/{words[0]}'
        if words[0].endswith('ballastctl'):
            words[1:1] = ['--socket', ballast.socket]
        done = subprocess.run(ballast.host.command(*words), capture_output=True, text=True,
                              check=False, timeout=60)
        checks.check(f'$ {line}', done.returncode == 0, '' if done.returncode == 0 else
                     f'{done.returncode}: {(done.stdout + done.stderr)[-300:]}')


def service(name, address, protocol, port, pool, **more):
    return {'name': name, 'address': address, 'protocol': protocol, 'ports': [port],
            'server_pool': pool, 'scheduler': 'round_robin', **more}


def pool(name, servers, monitor=None):
    """servers: name -> address."""
    out = {'name': name, 'real_servers': [{'name': real, 'address': address}
                                          for real, address in servers.items()]}
    if monitor is not None:
        out['health_monitors'] = [dict(MONITOR, **monitor)]
    return out


def ask_udp(host, address, port, data, source=None, timeout_s=30):
    """The answer to a datagram, which is repeated: datagrams may be lost."""
    with host.inside():
        sock = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET,
                             socket.SOCK_DGRAM)
    with contextlib.closing(sock):
        if source:
            sock.bind((source, 0))
        sock.connect((address, port))
        sock.settimeout(1)

        def answer():
            sock.send(data)
            try:
                return sock.recv(65536)
            except socket.timeout:
                return None
        return wait_for(f'an answer from {address} {port}', answer, timeout_s)


def check_announced(checks, ballast, client, service, mac):
    """A neighbour that believes a VIP elsewhere learns where it is when the service is added."""
    vip = service['address']
    client.run('ip', 'neigh', 'add', vip, 'lladdr', '02:00:00:00:00:99', 'dev', 'eth1', 'nud',
               'stale')
    status, _, body = ballast.rest('POST', '/api/v1/virtual-services', service)
    checks.equal(f'{vip} is added', status, 201 if status == 201 else body)
    checks.holds(f'{vip} is announced', lambda: mac in client.run('ip', 'neigh', 'show', vip))


def ask(sock):
    """One request on an open connection to an Nginx: the server's name."""
    sock.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    answer = b''
    while not answer.partition(b'\r\n\r\n')[2].endswith(b'\n'):
        more = sock.recv(4096)
        if not more:
            raise ConnectionAbortedError('closed by the server')
        answer += more
    return answer.partition(b'\r\n\r\n')[2].decode().strip()
