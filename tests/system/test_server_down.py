#!/usr/bin/python3
"""A server goes while its connections are silent: real clients and servers are told, at once or
after the drain time; and whoever sends resets without knowing a connection's numbers ends none."""
import contextlib
import errno
import random
import select
import socket
import struct
import threading

import lab as lab_module
import suite
from suite import wait_for

NETWORK = {4: '192.0.2.', 6: '2001:db8::'}
BITS = {4: 24, 6: 64}
VIP = {family: NETWORK[family] + '10' for family in NETWORK}
DSR_VIP = {family: NETWORK[family] + '11' for family in NETWORK}  # the servers have it on lo
CLIENT = {family: NETWORK[family] + '100' for family in NETWORK}
NOW, LATER, KEPT, DSR = 7001, 7002, 7003, 7004
DRAIN_S = 15
N_GUESSES = 60  # of each kind; one in a thousand would fit, and its receiver goes on all the same


class Server:
    """Accepts, names itself, and then echoes what it is sent; keeps its ends."""

    def __init__(self, lab, name, last):
        self.name = name
        self.address = {family: f'{NETWORK[family]}{last}' for family in NETWORK}
        self.host = lab.host(name, *[f'{self.address[f]}/{BITS[f]}' for f in NETWORK])
        self.host.run('sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1',
                      'net.ipv4.conf.all.arp_announce=2')
        for family in NETWORK:
            self.host.run('ip', 'address', 'add', f'{DSR_VIP[family]}/{32 if family == 4 else 128}',
                          'dev', 'lo', *(['nodad'] if family == 6 else []))
        self.ends, self.listeners = [], []
        for port in (NOW, LATER, KEPT, DSR):
            with self.host.inside():
                sock = socket.create_server(('::', port), family=socket.AF_INET6, backlog=128,
                                            dualstack_ipv6=True)
            self.listeners.append(sock)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, listener):
        while True:
            try:
                sock, peer = listener.accept()
            except OSError:
                return
            if peer[0].endswith(('192.0.2.2', '2001:db8::2')):
                sock.close()  # a probe
                continue
            sock.sendall(self.name.encode())
            self.ends.append(sock)
            threading.Thread(target=self.echo, args=(sock,), daemon=True).start()

    def echo(self, sock):
        # Looks, so that an error stays with the socket for whoever asks.
        with contextlib.suppress(OSError):
            while True:
                select.select([sock], [], [])
                data = sock.recv(64)
                if not data:
                    return
                sock.sendall(data)

    def n_live(self):
        """Ends that this kernel still has, by its own table."""
        return len([line for line in self.host.run('ss', '-Htn', 'state', 'established').split('\n')
                    if any(f':{port} ' in line for port in (NOW, LATER, KEPT, DSR))])


class Client:
    """One connection that was used and then is silent."""

    def __init__(self, host, family, port):
        self.family, self.port = family, port
        self.vip = (DSR_VIP if port == DSR else VIP)[family]
        self.sock = host.connect(self.vip, port, timeout_s=30)
        self.server = self.sock.recv(64).decode()
        self.ask()

    def ask(self):
        self.sock.sendall(b'question')
        return self.sock.recv(64) == b'question'

    def is_reset(self):
        """Without having sent anything."""
        return self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET


def config(servers):
    reset = {'server_down_action': 'reset'}
    services = []
    for family in NETWORK:
        for name, port, keys in (
                ('now', NOW, dict(reset, forwarding='fullnat')),
                ('later', LATER, dict(reset, forwarding='fullnat', server_down_drain_s=DRAIN_S)),
                ('kept', KEPT, {'forwarding': 'fullnat'}),
                ('dsr', DSR, dict(reset, forwarding='dsr'))):
            services.append(suite.service(
                f'{name}-ipv{family}', (DSR_VIP if port == DSR else VIP)[family], 'tcp', port,
                f'ipv{family}', **keys))
    return {
        'version': 1,
        'node': {'interfaces': [{'name': 'lan', 'device': 'af_xdp:eth1', 'addresses': [
            f'{NETWORK[f]}2/{BITS[f]}' for f in NETWORK]}]},
        'server_pools': [{'name': f'ipv{family}', 'health_monitors': [suite.MONITOR],
                          'real_servers': [{'name': f'{s.name}-ipv{family}',
                                            'address': s.address[family]} for s in servers]}
                         for family in NETWORK],
        'virtual_services': services}


def sum16(data):
    total = sum(struct.unpack(f'>{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packet(client, flags, rng):
    """An IP packet of the client's connection with numbers that its sender guesses."""
    kind = socket.AF_INET if client.family == 4 else socket.AF_INET6
    ends = socket.inet_pton(kind, CLIENT[client.family]) + socket.inet_pton(kind, client.vip)
    words = [client.sock.getsockname()[1], client.port, rng.getrandbits(32), rng.getrandbits(32),
             5 << 4, flags, 1024, 0, 0]
    words[7] = sum16(ends + struct.pack('>II', 20, 6) + struct.pack('>HHIIBBHHH', *words))
    tcp = struct.pack('>HHIIBBHHH', *words)
    if client.family == 6:
        return struct.pack('>IHBB', 6 << 28, 20, 6, 64) + ends + tcp
    head = [0x45, 0, 40, 0, 0, 64, 6, 0]
    head[7] = sum16(struct.pack('>BBHHHBBH', *head) + ends)
    return struct.pack('>BBHHHBBH', *head) + ends + tcp


def guess(host, to_mac, client, rng):
    """Resets and FINs in the client's name from another host, towards the VIP."""
    with host.inside():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link = bytes.fromhex(to_mac.replace(':', '') + '020000000099')
    link += struct.pack('>H', 0x0800 if client.family == 4 else 0x86dd)
    with contextlib.closing(raw):
        raw.bind(('eth1', 0))
        for flags in (0x04, 0x14, 0x11):
            for _ in range(N_GUESSES):
                raw.send(link + packet(client, flags, rng))


def run(lab, checks):
    rng = random.Random(8)
    servers = [Server(lab, f's{n}', 20 + n) for n in (1, 2)]
    host = lab.host('client', *[f'{CLIENT[f]}/{BITS[f]}' for f in NETWORK])
    blind = lab.host('blind')
    own = lab.host('ballast', *[f'{NETWORK[f]}2/{BITS[f]}' for f in NETWORK])
    ballast = lab_module.Ballast(own, config(servers), suite.BUILD).start()
    mac = own.run('cat', '/sys/class/net/eth1/address').strip()
    clients = [Client(host, family, port) for port in (NOW, LATER, KEPT, DSR) for family in NETWORK
               for _ in range(4)]
    checks.equal('both servers have connections', {c.server for c in clients}, {'s1', 's2'})

    for n, client in enumerate(clients, 1):
        guess(blind, mac, client, rng)
        wait_for('the guesses have come', lambda want=2 * N_GUESSES * n:
                 ballast.counters()['tcp_rst_seen'] >= want, timeout_s=10)
    sent = 3 * N_GUESSES * len(clients)
    # Of a connection that one has closed, nothing more is counted until its client speaks.
    checks.check('guessed resets and FINs fit seldom',
                 ballast.counters()['tcp_outside_window'] > sent // 2,
                 f"{ballast.counters()['tcp_outside_window']} of {sent} outside")
    checks.check('they end no connection', all(c.ask() for c in clients))

    # s1 is disabled: it is alive, and nobody says anything.
    for family in NETWORK:
        ballast.rest('PATCH', f'/api/v1/real-servers/s1-ipv{family}', {'admin_state': 'disabled'})
    mine = [c for c in clients if c.server == 's1']
    now = [c for c in mine if c.port in (NOW, DSR)]
    later = [c for c in mine if c.port == LATER]
    n_ends = sum(c.port in (NOW, LATER) for c in mine)
    live_before = servers[0].n_live()
    checks.holds('silent clients of a disabled server are reset', lambda: drop_told(now))
    checks.check('with a drain time they go on until then', all(c.ask() for c in later))
    checks.holds('after the drain time they are reset', lambda: drop_told(later))
    checks.holds('the server, which is alive, is told too, where its packets pass Ballast',
                 lambda: servers[0].n_live() <= live_before - n_ends)
    checks.check('others are not', all(c.ask() for c in clients
                                       if c.server == 's2' or c.port == KEPT))

    # s2 dies without a word: its probe says so.
    servers[1].host.run('ip', 'link', 'set', 'eth1', 'down')
    dead = [c for c in clients if c.server == 's2' and c.port in (NOW, DSR)]
    checks.holds('silent clients of a server that has died are reset', lambda: drop_told(dead))
    checks.check('Ballast asked', ballast.counters()['tcp_asked'] > 0, ballast.counters()['tcp_asked'])
    checks.law('in the end', ballast.stop())


def drop_told(clients):
    """Takes those off the list that were reset; true when none is left."""
    clients[:] = [c for c in clients if not c.is_reset()]
    return not clients


suite.main(run)
