#!/usr/bin/python3
"""Services without an entry per connection: real clients hold connections to real nginx through
changes of the servers, and the table spreads them and moves nobody without need."""
import contextlib
import random
import socket
import sys
import threading
import time

import lab as lab_module
import suite
from suite import wait_for

NETWORK = {4: '192.0.2.', 6: '2001:db8::'}
BITS = {4: 24, 6: 64}
VIP = {family: NETWORK[family] + '10' for family in NETWORK}
OWN = {family: NETWORK[family] + '2' for family in NETWORK}
DSR, IPIP, ECHO = 80, 8080, 7000
SERVERS = 5
SETTLE_S = 4
CHANGES = 24
WAYS = [('dsr IPv4', 4, DSR), ('dsr IPv6', 6, DSR), ('ipip IPv4', 4, IPIP)]
CONNECTIONS = 60  # of each way


class Server:
    """nginx behind the VIPs, which lo has without answering ARP for them, and a UDP echo."""

    def __init__(self, lab, n):
        self.name = f's{n}'
        self.address = {family: f'{NETWORK[family]}{20 + n}' for family in NETWORK}
        self.host = lab.host(self.name, *[f'{self.address[f]}/{BITS[f]}' for f in NETWORK])
        self.host.run('sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1',
                      'net.ipv4.conf.all.arp_announce=2')
        for family in NETWORK:
            self.host.run('ip', 'address', 'add', f'{VIP[family]}/{32 if family == 4 else 128}',
                          'dev', 'lo', *(['nodad'] if family == 6 else []))
        self.host.run(f'{suite.BUILD}/apps/ballastctl', 'decap', 'attach', 'eth1', OWN[4])
        self.nginx = lab_module.Nginx(self.host, [DSR, IPIP])
        with self.host.inside():
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind((VIP[4], ECHO))
        threading.Thread(target=self.echo, daemon=True).start()

    def echo(self):
        while True:
            with contextlib.suppress(OSError):
                _, peer = self.udp.recvfrom(2048)
                self.udp.sendto(self.name.encode(), peer)

    def entry(self, family, weight=1):
        return {'name': f'{self.name}-ipv{family}', 'address': self.address[family],
                'weight': weight}


def config(servers):
    keys = {'scheduler': 'maglev', 'tracking': 'none', 'settle_time_s': SETTLE_S}
    monitor = [dict(suite.MONITOR, port=DSR)]
    return {
        'version': 1,
        'node': {'interfaces': [{'name': 'lan', 'device': 'af_xdp:eth1', 'addresses': [
            f'{OWN[f]}/{BITS[f]}' for f in NETWORK]}]},
        'server_pools': [{'name': f'ipv{family}', 'health_monitors': monitor,
                          'real_servers': [s.entry(family) for s in servers]}
                         for family in NETWORK],
        'virtual_services': [
            suite.service('dsr', VIP[4], 'tcp', DSR, 'ipv4', forwarding='dsr', **keys),
            suite.service('dsr-ipv6', VIP[6], 'tcp', DSR, 'ipv6', forwarding='dsr', **keys),
            suite.service('ipip', VIP[4], 'tcp', IPIP, 'ipv4', forwarding='ipip', **keys),
            suite.service('echo', VIP[4], 'udp', ECHO, 'ipv4', forwarding='dsr', **keys)]}


class Clients:
    """Connections that stay open, and whom each has."""

    def __init__(self, host):
        self.host = host
        self.open = []  # way, socket, server
        self.n_moved = self.n_asked = self.n_opened = 0

    def fill(self):
        for way in WAYS:
            for _ in range(CONNECTIONS - sum(held[0] is way for held in self.open)):
                sock = self.host.connect(VIP[way[1]], way[2], timeout_s=20)
                self.open.append((way, sock, suite.ask(sock)))
                self.n_opened += 1

    def lose(self, name):
        """A server has gone from the configuration, and its connections with it."""
        for _, sock, server in self.open:
            if server == name:
                sock.close()
        self.open = [held for held in self.open if held[2] != name]

    def ask_all(self):
        for _, sock, server in self.open:
            self.n_asked += 1
            self.n_moved += suite.ask(sock) != server

    def spread(self, way):
        names = [server for w, _, server in self.open if w is way]
        return {name: names.count(name) for name in sorted(set(names))}


class Farm:
    """The servers as the configuration has them."""

    def __init__(self, ballast, servers):
        self.ballast, self.servers = ballast, servers
        self.weight = {s.name: 1 for s in servers}
        self.listed = {s.name for s in servers}

    def rest(self, method, path, body):
        status, _, answer = self.ballast.rest(method, f'/api/v1/{path}', body)
        if status not in (200, 201, 204):
            raise lab_module.LabError(f'{method} {path}: {status} {answer}')

    def put(self):
        for family in NETWORK:
            self.rest('PUT', f'server-pools/ipv{family}/real-servers',
                      [s.entry(family, self.weight[s.name]) for s in self.servers
                       if s.name in self.listed])
        wait_for('what is listed is up', lambda: all(
            s['status'] == 'up' for s in self.ballast.get('status')['real_servers']))

    def admin(self, name, state):
        for family in NETWORK:
            self.rest('PATCH', f'real-servers/{name}-ipv{family}', {'admin_state': state})


def change(rng, farm, clients, drained):
    """One change by REST, of those that an operator makes."""
    name = rng.choice([s.name for s in farm.servers])
    kind = rng.choice(['weight', 'weight', 'list', 'drain'])
    if kind == 'list' and (name not in farm.listed or len(farm.listed) == SERVERS):
        if name in farm.listed:
            farm.listed.remove(name)
            farm.put()
            clients.lose(name)
        else:
            farm.listed.add(name)
            farm.put()
    elif kind == 'drain' and name in farm.listed and farm.listed == {s.name for s in farm.servers}:
        drained ^= {name}
        farm.admin(name, 'drain' if name in drained else 'enabled')
        if len(drained) > 1:
            farm.admin(drained.pop(), 'enabled')
    else:
        farm.weight[name] = 1 + farm.weight[name] % 3
        drained.clear()
        farm.put()  # its lists say nothing of admin states: everybody is enabled
    return drained


def hold_through_changes(checks, farm, clients):
    seed = random.randrange(1 << 32)
    print(f'seed {seed}', file=sys.stderr)
    rng, drained, n_most = random.Random(seed), set(), 0
    clients.fill()
    quiet = farm.ballast.counters()
    checks.equal('connections in the table while nothing changes', quiet['conn_created'], 0)
    checks.check('every server has its share of each way',
                 all(len(clients.spread(way)) == SERVERS for way in WAYS), clients.spread(WAYS[0]))
    for _ in range(CHANGES):
        drained = change(rng, farm, clients, drained)
        clients.ask_all()
        clients.fill()
        n_most = max(n_most, sum(
            s['connections_live'] for s in farm.ballast.get('stats')['virtual_services']))
    farm.listed = {s.name for s in farm.servers}
    farm.weight = {s.name: 1 for s in farm.servers}
    farm.put()
    clients.ask_all()
    checks.equal(f'{clients.n_asked} requests on connections held open through {CHANGES} changes: '
                 'moved', clients.n_moved, 0)
    checks.check('entries: some, and no more than connections were opened',
                 0 < n_most <= clients.n_opened, f'at most {n_most}, {clients.n_opened} opened')
    checks.holds('slots settle', lambda: not any(
        s.get('settling_slots') for s in farm.ballast.get('status')['virtual_services']), 30)
    # What the table says as well needs no entry any more.
    checks.holds('entries are released then', lambda: (
        farm.ballast.counters()['conn_released'] > 0))
    clients.ask_all()
    checks.equal('moved, when slots have settled', clients.n_moved, 0)


def datagrams(host, ports):
    """Who answers a datagram from each port."""
    names = {}
    with host.inside():
        for port in ports:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(('', port))
                sock.connect((VIP[4], ECHO))
                sock.settimeout(1)

                def answer(sock=sock):
                    sock.send(b'who')
                    with contextlib.suppress(socket.timeout):
                        return sock.recv(64).decode()
                    return None
                names[port] = wait_for(f'an answer at {port}', answer, 20)
    return names


def spread_and_move_little(checks, farm, host):
    ports = range(30000, 30400)
    before = datagrams(host, ports)
    quiet = farm.ballast.counters()['conn_created']
    counts = [list(before.values()).count(s.name) for s in farm.servers]
    checks.check('400 flows over 5 equal servers: 80 each, give or take', all(
        40 < n < 120 for n in counts), counts)
    gone = farm.servers[-1].name
    farm.listed.remove(gone)
    farm.put()
    checks.equal('entries that the flows have needed so far',
                 farm.ballast.counters()['conn_created'] - quiet, 0)
    after = datagrams(host, ports)
    moved = sum(after[p] != before[p] for p in ports if before[p] != gone)
    heirs = {after[p] for p in ports if before[p] == gone}
    checks.equal('a server is removed: flows of the others that moved', moved, 0)
    checks.equal('who has its flows now', sorted(heirs), sorted(farm.listed))


def run(lab, checks):
    began = time.monotonic()
    client = lab.host('client', *[f'{NETWORK[f]}100/{BITS[f]}' for f in NETWORK])
    ballast_host = lab.host('ballast', *[f'{OWN[f]}/{BITS[f]}' for f in NETWORK])
    servers = [Server(lab, n) for n in range(1, SERVERS + 1)]
    ballast = lab_module.Ballast(ballast_host, config(servers), suite.BUILD).start()
    wait_for('all servers are up', lambda: all(
        s['status'] == 'up' for s in ballast.get('status')['real_servers']))
    farm, clients = Farm(ballast, servers), Clients(client)
    hold_through_changes(checks, farm, clients)
    spread_and_move_little(checks, farm, client)
    print(f'{time.monotonic() - began:.0f} s', file=sys.stderr)
    checks.law('stateless', ballast.stop())


suite.main(run)
