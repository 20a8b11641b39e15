"""The device under test: ballastd's configuration by the generator's numbering plan, and a ballastd
of our own on a laptop, joined to the generator by net_memif.

The plan is in generator/plan.h; this is its other half."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 60
VIPS, SERVICE_PORT_FIRST = 128, 80
FORWARDINGS = ('dsr', 'ipip', 'gue', 'nat', 'fullnat')
PKTGEN_STAMPED_PORT = 1028  # of the packets whose latency Pktgen measures
RING_LOG2 = 11  # of net_memif: larger than any window, so that no ring is ever full
GATEWAY_MAC = '02:00:00:02:00:01'


class BenchError(Exception):
    """What is missing or did not come true, for people."""


def server_address(number, family=4):
    if family == 6:
        return f'2001:2:0:3::1:{number:x}'
    return f'198.19.{1 + (number >> 8)}.{number & 255}'


def server_mac(number):
    return f'02:00:00:01:{number >> 8:02x}:{number & 255:02x}'


def dut_mac(port):
    return f'02:00:00:03:00:{port:02x}'


def server(number, family=4):
    return {'name': f'server{number}', 'address': server_address(number, family)}


def vip(number, family=4):
    low = 1 + number % VIPS
    return f'2001:2:0:3::{low:x}' if family == 6 else f'198.19.0.{low}'


def interfaces(devices):
    """One arm serves both sides; of two, the first leads to the clients. Without twins, so that the
    kernel sends nothing of its own among what is counted."""
    clients = {'addresses': ['198.19.255.254/24', '2001:2:0:4::ffff/64'],
               'gateway': '198.19.255.1', 'gateway_ipv6': '2001:2:0:4::1'}
    servers = {'addresses': ['198.19.127.254/17', '2001:2:0:3::ffff/64']}
    if len(devices) == 1:
        both = servers['addresses'] + clients.pop('addresses')
        found = [{'name': 'both', 'device': devices[0], 'addresses': both, **clients}]
    else:
        found = [{'name': 'clients', 'device': devices[0], **clients},
                 {'name': 'servers', 'device': devices[1], **servers}]
    return [{**interface, 'twin': 'none'} for interface in found]


def neighbors(n_servers, arms):
    """More servers than are configured have neighbours: some are added during a run."""
    clients, servers = ('both', 'both') if arms == 1 else ('clients', 'servers')
    found = [{'address': address, 'mac': GATEWAY_MAC, 'interface': clients}
             for address in ('198.19.255.1', '2001:2:0:4::1')]
    return found + [{'address': server_address(number, family), 'mac': server_mac(number),
                     'interface': servers}
                    for number in range(1, n_servers + 9) for family in (4, 6)]


def services(forwarding, n_services):
    found = []
    for number in range(n_services):
        for family in (4, 6):
            for protocol in ('udp', 'tcp'):
                found.append({
                    'name': f'{protocol}{family}-{number}', 'address': vip(number, family),
                    'protocol': protocol, 'ports': [SERVICE_PORT_FIRST + number // VIPS],
                    'server_pool': f'servers{family}', 'forwarding': forwarding,
                    'scheduler': 'round_robin', 'idle_timeout_s': 3600, 'advertise': 'none'})
                if forwarding == 'fullnat':
                    found[-1]['nat_source'] = 'sources'
                if number == 0 and protocol == 'udp':
                    found[-1]['ports'].append(PKTGEN_STAMPED_PORT)
    return found


def configuration(forwarding, devices, **more):
    """more: servers, services, workers, connections, socket, listen."""
    n_servers, connections = more.get('servers', 4), more.get('connections', 1000000)
    api = {name: more[name] for name in ('socket', 'listen') if more.get(name)}
    config = {
        'version': 1,
        'description': f'device under test of pktgen-tests: {forwarding}, {n_servers} servers',
        'node': {'interfaces': interfaces(devices), 'neighbors': neighbors(n_servers, len(devices)),
                 'workers': more.get('workers') or 'auto',
                 'limits': {'connections': connections, 'persistence_records': 1000}},
        'server_pools': [{'name': f'servers{family}', 'real_servers': [
            server_of(number, family) for number in range(1, n_servers + 1)]}
            for family in (4, 6)],
        'virtual_services': services(forwarding, more.get('services', 1)),
    }
    if forwarding == 'fullnat':
        config['nat_sources'] = [{'name': 'sources', 'ports': '1024-65535', 'addresses':
                                  [f'198.19.64.{n}' for n in range(1, 9)] +
                                  [f'2001:2:0:3::2:{n:x}' for n in range(1, 9)]}]
    if api:
        config['node']['api'] = api
    return config


def server_of(number, family):
    """One name has one address: the families have names of their own."""
    named = server(number, family)
    return named if family == 4 else {**named, 'name': f'{named["name"]}-ipv6'}


def memif(number, role, path, mac=None):
    # Both ends of a stale socket file would wait for each other.
    if role == 'server' and os.path.exists(path):
        os.unlink(path)
    words = [f'net_memif{number}', f'role={role}', f'socket={path}', 'socket-abstract=no',
             f'rsize={RING_LOG2}']
    return ','.join(words + ([f'mac={mac}'] if mac else []))


def cores():
    """(the generator's and the control plane's, the worker's)"""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def memory(huge, mib):
    """EAL's words for its memory."""
    return ['-m', str(mib)] if huge else ['--no-huge', '-m', str(mib)]


class Rest:
    """The REST API of a ballastd: a unix socket's path, or HOST:PORT."""

    def __init__(self, place):
        self.place = place

    def ask(self, method, path, body=None):
        """(status, parsed body)"""
        if '/' in self.place:
            client = http.client.HTTPConnection('localhost', timeout=PATIENCE_S)
            client.sock = socket.socket(socket.AF_UNIX)
            client.sock.settimeout(PATIENCE_S)
            client.sock.connect(self.place)
        else:
            client = http.client.HTTPConnection(self.place, timeout=PATIENCE_S)
        headers = {}
        if body is not None:
            headers['Content-Type'] = ('application/merge-patch+json' if method == 'PATCH'
                                       else 'application/json')
            body = json.dumps(body)
        client.request(method, f'/api/v1/{path}' if path[0] != '/' else path, body, headers)
        response = client.getresponse()
        text = response.read().decode()
        client.close()
        return response.status, json.loads(text) if text.startswith(('{', '[')) else text

    def get(self, path):
        status, body = self.ask('GET', path)
        if status != 200:
            raise BenchError(f'GET {path}: {status} {body}')
        return body

    def change(self, method, path, body=None):
        status, answer = self.ask(method, path, body)
        if status not in (200, 201, 202, 204):
            raise BenchError(f'{method} {path}: {status} {answer}')

    def counters(self):
        return self.get('stats')['totals']

    def is_ready(self):
        try:
            return self.ask('GET', '/readyz')[0] == 200
        except OSError:
            return False


def unaccounted(counters):
    """Packets that the accounting law misses or has too many; 0 where it holds."""
    came = sum(counters[name] for name in ('rx', 'handed_in', 'injected', 'originated'))
    went = sum(counters[name] for name in ('tx', 'handed_out', 'punted', 'held'))
    went += sum(value for name, value in counters.items() if name.startswith('drop_'))
    return came - went


def counted(rest):
    """What ballastd itself can say of a run: the law, and every drop by its name."""
    counters = rest.counters()
    drops = {name: value for name, value in counters.items()
             if name.startswith('drop_') and value}
    return {'unaccounted': unaccounted(counters), 'ballastd_rx': counters['rx'], **drops}


class Programs:
    """Processes and a folder that end with us."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='ballast-pktgen-')
        self.processes = []

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, command, **options):
        """Its standard error goes to a file that log() reads."""
        with open(f'{self.folder}/{name}.log', 'ab') as log:
            options = {'stderr': log, 'text': True, **options}
            process = subprocess.Popen(command, cwd=self.folder, **options)
        self.processes.append(process)
        return process

    def stop(self, process, timeout_s=PATIENCE_S):
        process.send_signal(signal.SIGTERM)
        process.wait(timeout_s)
        self.processes.remove(process)

    def log(self, name):
        with open(f'{self.folder}/{name}.log', errors='replace') as log:
            return ''.join(log.readlines()[-25:])


def wait_for(what, condition, timeout_s=PATIENCE_S):
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise BenchError(f'waited {timeout_s} s in vain: {what}')
        time.sleep(0.01)  # between two looks, never instead of one


class Ballastd:
    """A ballastd of our own, its ports net_memif servers."""

    def __init__(self, programs, build, forwarding, **more):
        self.programs, self.name = programs, more.pop('name', 'ballastd')
        self.folder = f'{programs.folder}/{self.name}'
        os.makedirs(self.folder, exist_ok=True)
        arms, huge = more.pop('arms', 1), more.pop('huge', False)
        self.sockets = [f'{self.folder}/memif{n}.sock' for n in range(arms)]
        port = more.pop('port', 0)
        devices = ['vdev:' + memif(n, 'server', path, dut_mac(port + n))
                   for n, path in enumerate(self.sockets)]
        self.rest = Rest(f'{self.folder}/api.sock')
        more.setdefault('workers', [cores()[1]])
        self.config = configuration(forwarding, devices, socket=self.rest.place, **more)
        with open(f'{self.folder}/ballast.json', 'w') as out:
            json.dump(self.config, out)
        self.process = programs.start(
            self.name,
            [f'{build}/apps/ballastd', '--config', f'{self.folder}/ballast.json', '--state-dir',
             self.folder, '--', '--no-pci', '--no-telemetry', *memory(huge, 192)],
            stdout=subprocess.DEVNULL,
            env=dict(os.environ, RUNTIME_DIRECTORY=self.folder))

    def wait_ready(self):
        def look():
            if self.process.poll() is not None:
                raise BenchError(f'ballastd ended:\n{self.programs.log(self.name)}')
            return self.rest.is_ready()
        wait_for('ballastd ready', look)
        return self

    def stop(self):
        self.programs.stop(self.process)
