"""A laboratory of network namespaces for the demo and the system tests.

Everything lives in one private mount, PID and network namespace (see enter()), so that nothing is
left behind however the program ends: hosts are namespaces inside it, joined by a bridge.
"""
import contextlib
import ctypes
import errno
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLONE_NEWNET = 0x40000000
INSIDE = 'BALLAST_LAB'


class LabError(Exception):
    """What a machine lacks or what did not come true, for people."""


def preflight():
    """Raises LabError with one line naming what this machine lacks."""
    if os.geteuid() != 0:
        raise LabError('needs root: network namespaces and AF_XDP are made by it')
    for tool in ('ip', 'ethtool', 'unshare', 'nginx'):
        if shutil.which(tool) is None:
            raise LabError(f'{tool} is not installed (scripts/install-packages demo)')
    result = subprocess.run(['unshare', '-m', '-n', '-p', '-f', 'ip', 'link', 'add', 'lab0', 'type',
                             'veth', 'peer', 'name', 'lab1'], capture_output=True, text=True,
                            check=False)
    if result.returncode != 0:
        raise LabError(f'no network namespaces or veth here: {result.stderr.strip()}')


def enter():
    """Runs the calling program again inside private namespaces; returns in the inner one only."""
    if os.environ.get(INSIDE) == '1':
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        # Names of namespaces are files there; the machine's own folder stays as it is.
        subprocess.run(['mount', '-t', 'tmpfs', 'lab', '/run'], check=True)
        os.mkdir('/run/netns')
        subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
        return
    env = dict(os.environ, **{INSIDE: '1'})
    command = ['unshare', '--mount', '--net', '--pid', '--fork', '--mount-proc',
               '--kill-child=SIGKILL', sys.executable] + sys.argv
    child = subprocess.Popen(command, env=env)
    # Ctrl-C reaches the inner program through the terminal; SIGTERM is passed on to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    status = child.wait()
    sys.exit(status if status >= 0 else 128 - status)


def wait_for(what, condition, timeout_s=60, step_s=0.02):
    """Waits until condition() is true and returns its value; LabError naming `what` otherwise."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f'waited {timeout_s} s in vain: {what}')
        time.sleep(step_s)


class Host:
    """One machine: a network namespace with an interface eth1 on a bridge (None: no interface)."""

    def __init__(self, lab, name, addresses, bridge, queues=1):
        self.lab, self.name, self.addresses, self.queues = lab, name, addresses, queues
        lab.ip('netns', 'add', name)
        lab.undo.append(('netns', 'delete', name))
        if bridge is not None:
            self.attach(bridge, 'eth1', addresses)
        self.run('ip', 'link', 'set', 'lo', 'up')

    def attach(self, bridge, ifname, addresses, mtu=1500):
        """Adds an interface on a bridge; returns the name of the cable's end there."""
        outer, queues = f'v{self.lab.next_id()}', []
        if self.queues > 1:
            queues = ['numrxqueues', str(self.queues), 'numtxqueues', str(self.queues)]
        self.lab.ip('link', 'add', outer, 'mtu', str(mtu), *queues, 'type', 'veth', 'peer', 'name',
                    ifname, 'mtu', str(mtu), *queues, 'netns', self.name)
        self.lab.ip('link', 'set', outer, 'master', bridge, 'up')
        # AF_XDP sees frames as they are: checksums must be complete and segments small.
        for place, dev in ((None, outer), (self, ifname)):
            command = ['ethtool', '-K', dev, 'tx', 'off', 'gro', 'off', 'gso', 'off', 'tso', 'off']
            (place.run if place else self.lab.run)(*command)
        for address in addresses:
            extra = ['nodad'] if ':' in address else []
            self.run('ip', 'address', 'add', address, 'dev', ifname, *extra)
        self.run('ip', 'link', 'set', ifname, 'up')
        return outer

    def cable(self, bridge, ifname):
        """Adds an interface that this kernel itself does not speak on, for a DPDK driver's use."""
        self.attach(bridge, ifname, [])
        self.mute(ifname)

    def mute(self, ifname):
        for setting in (f'ipv4.conf.{ifname}.arp_ignore=8', f'ipv4.conf.{ifname}.rp_filter=1',
                        f'ipv6.conf.{ifname}.disable_ipv6=1'):
            self.run('sysctl', '-qw', f'net.{setting}')

    def command(self, *args):
        return ['ip', 'netns', 'exec', self.name, *args]

    def run(self, *args, check=True, **options):
        """Runs a command in this host to its end; returns its output."""
        result = subprocess.run(self.command(*args), capture_output=True, text=True, check=False,
                                **options)
        if check and result.returncode != 0:
            raise LabError(f'{self.name}: {" ".join(args)}: {result.stderr.strip()}')
        return result.stdout

    def start(self, *args, **options):
        """Starts a command in this host; the lab ends it."""
        process = subprocess.Popen(self.command(*args), **options)
        self.lab.processes.append(process)
        return process

    @contextlib.contextmanager
    def inside(self):
        """This thread is in the host's network namespace for a while: sockets are made there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open('/proc/self/ns/net') as back, open(f'/run/netns/{self.name}') as there:
            if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
                raise LabError(f'setns: {os.strerror(ctypes.get_errno())}')
            try:
                yield
            finally:
                libc.setns(back.fileno(), CLONE_NEWNET)

    def is_listening(self, port):
        try:
            self.connect('127.0.0.1', port, timeout_s=1).close()
            return True
        except OSError:
            return False

    def wait_port(self, port):
        wait_for(f'a server on port {port} of {self.name}', lambda: self.is_listening(port))

    def connect(self, address, port, source=None, timeout_s=10):
        """A TCP connection from this host."""
        with self.inside():
            return socket.create_connection((address, port), timeout_s,
                                            (source, 0) if source else None)

    def get(self, address, port, source=None, timeout_s=10, path='/'):
        """The body of GET over a new connection."""
        return self.fetch(address, port, source, timeout_s, path).decode().strip()

    def fetch(self, address, port, source=None, timeout_s=10, path='/'):
        """The same as bytes; LabError unless the answer is 200."""
        with self.inside():
            client = http.client.HTTPConnection(address, port, timeout_s,
                                                (source, 0) if source else None)
            client.connect()
        try:
            client.request('GET', path)
            response = client.getresponse()
            if response.status != 200:
                raise LabError(f'GET {path} of {address}: HTTP {response.status}')
            return response.read()
        finally:
            client.close()


class Nginx:
    """A real nginx on a host that answers with the host's name."""

    def __init__(self, host, ports, extra=''):
        self.host = host
        self.folder = os.path.join(host.lab.folder, f'nginx-{host.name}-{ports[0]}')
        os.makedirs(self.folder, exist_ok=True)
        listens = ''.join(f'listen {port}; listen [::]:{port};' for port in ports)
        with open(f'{self.folder}/nginx.conf', 'w') as out:
            out.write(f'''daemon off; master_process off; pid {self.folder}/pid;
error_log {self.folder}/error.log; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_temp_path {self.folder}/t; proxy_temp_path {self.folder}/t;
fastcgi_temp_path {self.folder}/t; uwsgi_temp_path {self.folder}/t; scgi_temp_path {self.folder}/t;
keepalive_timeout 600; keepalive_requests 1000000; log_format who "$remote_addr $server_addr";
server {{ {listens} default_type text/plain; location / {{ return 200 "{host.name}\\n"; }}
location /logged {{ access_log {self.folder}/access.log who; return 200 "{host.name}\\n"; }}
location /data/ {{ root {self.folder}; }} {extra} }} }}''')
        self.ports = ports
        self.process = None
        self.start()

    def start(self):
        self.process = self.host.start('nginx', '-p', self.folder, '-c',
                                       f'{self.folder}/nginx.conf', stderr=subprocess.DEVNULL)
        self.host.wait_port(self.ports[0])

    def logged(self):
        """The clients of /logged in the server's own log, one address a request."""
        try:
            with open(f'{self.folder}/access.log') as log:
                return [line.split()[0] for line in log if line.endswith('\n')]
        except FileNotFoundError:
            return []

    def write_data(self, name, data):
        """Serves `data` as /data/NAME."""
        os.makedirs(f'{self.folder}/data', exist_ok=True)
        with open(f'{self.folder}/data/{name}', 'wb') as out:
            out.write(data)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class UdpEcho:
    """A UDP server: its answer names it and the client that it saw, then repeats the data."""

    def __init__(self, host, port):
        self.host, self.sockets, self.seen = host, [], []
        with host.inside():
            for family, every in ((socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::')):
                sock = socket.socket(family, socket.SOCK_DGRAM)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((every, port))
                self.sockets.append(sock)
                threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        while True:
            try:
                data, peer = sock.recvfrom(65536)
                self.seen.append(peer[0])
                sock.sendto(f'{self.host.name} {peer[0]} '.encode() + data, peer)
            except OSError as error:
                # An ICMP error about an earlier answer shows here; only a closed socket ends it.
                if error.errno == errno.EBADF:
                    return


class Ballast:
    """ballastd on a host, driven as a user would drive it."""

    def __init__(self, host, config, build, interfaces=('eth1',), extra=(), memory_mib=None,
                 devices=None):
        self.host, self.build, self.extra = host, build, list(extra)
        self.memory_mib = memory_mib or 128 * len(config['node']['interfaces'])
        self.folder = tempfile.mkdtemp(prefix='ballast-', dir=host.lab.folder)
        self.config_file = f'{self.folder}/ballast.json'
        self.socket = f'{self.folder}/api.sock'
        config = json.loads(json.dumps(config))
        devices = devices or [f'af_xdp:{interface}' for interface in interfaces]
        for entry, device in zip(config['node']['interfaces'], devices):
            entry['device'] = device
        config['node']['api'] = {'socket': self.socket}
        with open(self.config_file, 'w') as out:
            json.dump(config, out, indent=2)
        self.process = None
        self.log = f'{self.folder}/log'

    def start(self, wait=True):
        # EAL's run-time folder bears our PID, and those of two labs may be the same.
        env = dict(os.environ, RUNTIME_DIRECTORY=self.folder)
        with open(self.log, 'a') as log:
            self.process = self.host.start(
                f'{self.build}/apps/ballastd', '--config', self.config_file, '--state-dir',
                self.folder, *self.extra, '--', '--no-huge', '--no-pci', '-m',
                str(self.memory_mib),
                stdout=subprocess.PIPE, stderr=log, text=True, env=env)
        if wait:
            self.wait_ready()
        return self

    def log_text(self):
        with open(self.log) as log:
            return log.read()

    def log_tail(self):
        return ''.join(self.log_text().splitlines(True)[-25:])

    def is_ready(self):
        if self.process.poll() is not None:
            raise LabError(f'ballastd ended with {self.process.returncode}:\n{self.log_tail()}')
        try:
            return self.rest('GET', '/readyz')[0] == 200
        except OSError:
            return False

    def wait_ready(self, timeout_s=60):
        try:
            wait_for('ballastd ready', self.is_ready, timeout_s)
        except LabError as error:
            raise LabError(f'{error}\n{self.log_tail()}') from error

    def rest(self, method, path, body=None, headers=None):
        """(status, headers, parsed body) over the unix socket."""
        client = http.client.HTTPConnection('localhost', timeout=30)
        client.sock = socket.socket(socket.AF_UNIX)
        client.sock.settimeout(30)
        client.sock.connect(self.socket)
        headers = dict(headers or {})
        if body is not None:
            headers.setdefault('Content-Type', 'application/merge-patch+json' if method == 'PATCH'
                               else 'application/json')
            body = json.dumps(body)
        client.request(method, path, body, headers)
        response = client.getresponse()
        text = response.read().decode()
        client.close()
        try:
            parsed = json.loads(text) if text else None
        except ValueError:
            parsed = text
        return response.status, dict(response.getheaders()), parsed

    def get(self, path):
        status, _, body = self.rest('GET', f'/api/v1/{path}')
        if status != 200:
            raise LabError(f'GET {path}: {status} {body}')
        return body

    def counters(self):
        return self.get('stats')['totals']

    def kill(self):
        """As a power cut would end it."""
        self._inner_signal(signal.SIGKILL)
        self.process.wait()

    def _inner_signal(self, number):
        # `ip netns exec` has become ballastd by exec: the process is ours to signal.
        os.kill(self.process.pid, number)

    def reload(self):
        self._inner_signal(signal.SIGHUP)

    def stop(self, timeout_s=60):
        """SIGTERM; returns the total counters it printed. LabError unless it exits with 0."""
        self._inner_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=timeout_s)
        if self.process.returncode != 0:
            raise LabError(f'ballastd ended with {self.process.returncode}:\n{self.log_tail()}')
        return json.loads(out)['totals']


def check_law(counters):
    """The accounting law over a dictionary of counters; LabError when a packet is missing."""
    came = sum(counters[name] for name in ('rx', 'handed_in', 'injected', 'originated'))
    went = sum(counters[name] for name in ('tx', 'handed_out', 'punted', 'held'))
    went += sum(value for name, value in counters.items() if name.startswith('drop_'))
    if came != went:
        raise LabError(f'{came} packets came and {went} are accounted for: {counters}')


class Lab:
    """Hosts on a bridge. Use as a context: its end ends every process it started."""

    def __init__(self, folder=None):
        self.folder = folder or tempfile.mkdtemp(prefix='ballast-lab-')
        self.processes, self.ids, self.undo = [], 0, []

    def __enter__(self):
        self.bridge('br0')
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for command in self.undo:
            self.ip(*command)
        shutil.rmtree(self.folder, ignore_errors=True)

    def next_id(self):
        self.ids += 1
        return self.ids

    def run(self, *args):
        result = subprocess.run(args, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise LabError(f'{" ".join(args)}: {result.stderr.strip()}')
        return result.stdout

    def ip(self, *args):
        return self.run('ip', *args)

    def bridge(self, name):
        self.ip('link', 'add', name, 'type', 'bridge', 'mcast_snooping', '0')
        self.undo.append(('link', 'delete', name))
        self.ip('link', 'set', name, 'up')

    def host(self, name, *addresses, bridge='br0', queues=1):
        return Host(self, name, list(addresses), bridge, queues)
