#!/usr/bin/python3
"""Services without an entry per connection: real clients hold connections to real nginx through
changes of the servers, and the table spreads them and moves nobody without need; with one worker
and with two."""
import contextlib
import os
import random
import socket
import sys
import time

import lab as lab_module
import suite
from one_way import NETWORK, VIP, Server, node, on_net, service
from suite import wait_for

ECHO = 7000
SERVERS = 5
SETTLE_S = 4
CHANGES = {1: 24, 2: 12}  # by workers
WAYS = [('dsr IPv4', 'dsr', 4, 80), ('dsr IPv6', 'dsr', 6, 80), ('ipip IPv4', 'ipip', 4, 8080),
        ('gue IPv4', 'gue', 4, 8081), ('gue IPv6', 'gue', 6, 8081)]
CONNECTIONS = 60  # of each way


def entry(server, family, weight=1):
    return {'name': f'{server.host.name}-ipv{family}', 'address': server.address[family],
            'weight': weight}


def config(servers, workers):
    keys = {'scheduler': 'maglev', 'tracking': 'none', 'settle_time_s': SETTLE_S}
    monitor = [dict(suite.MONITOR, port=80)]
    return {
        'version': 1,
        'node': node(workers),
        'server_pools': [{'name': f'ipv{family}', 'health_monitors': monitor,
                          'real_servers': [entry(s, family) for s in servers]}
                         for family in NETWORK],
        'virtual_services': [
            service(name.replace(' ', '-'), mode, family, 'tcp', port, f'ipv{family}', **keys)
            for name, mode, family, port in WAYS] + [
            service('echo', 'dsr', 4, 'udp', ECHO, 'ipv4', **keys)]}


class Clients:
    """Connections that stay open, and whom each has."""

    def __init__(self, host):
        self.host = host
        self.open = []  # way, socket, server
        self.n_moved = self.n_asked = self.n_opened = 0

    def fill(self):
        for way in WAYS:
            for _ in range(CONNECTIONS - sum(held[0] is way for held in self.open)):
                sock = self.host.connect(VIP[way[2]], way[3], timeout_s=20)
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
        self.names = [s.host.name for s in servers]
        self.weight = dict.fromkeys(self.names, 1)
        self.listed = set(self.names)

    def rest(self, method, path, body):
        status, _, answer = self.ballast.rest(method, f'/api/v1/{path}', body)
        if status not in (200, 201, 204):
            raise lab_module.LabError(f'{method} {path}: {status} {answer}')

    def put(self):
        for family in NETWORK:
            self.rest('PUT', f'server-pools/ipv{family}/real-servers',
                      [entry(s, family, self.weight[s.host.name]) for s in self.servers
                       if s.host.name in self.listed])
        wait_for('what is listed is up', lambda: all(
            s['status'] == 'up' for s in self.ballast.get('status')['real_servers']))

    def admin(self, name, state):
        for family in NETWORK:
            self.rest('PATCH', f'real-servers/{name}-ipv{family}', {'admin_state': state})


def change(rng, farm, clients, drained):
    """One change by REST, of those that an operator makes."""
    name = rng.choice(farm.names)
    kind = rng.choice(['weight', 'weight', 'list', 'drain'])
    if kind == 'list' and (name not in farm.listed or len(farm.listed) == SERVERS):
        if name in farm.listed:
            farm.listed.remove(name)
            farm.put()
            clients.lose(name)
        else:
            farm.listed.add(name)
            farm.put()
    elif kind == 'drain' and farm.listed == set(farm.names):
        drained ^= {name}
        farm.admin(name, 'drain' if name in drained else 'enabled')
        if len(drained) > 1:
            farm.admin(drained.pop(), 'enabled')
    else:
        farm.weight[name] = 1 + farm.weight[name] % 3
        drained.clear()
        farm.put()  # its lists say nothing of admin states: everybody is enabled
    return drained


def hold_through_changes(checks, farm, clients, what, n_changes):
    seed = random.randrange(1 << 32)
    print(f'{what} seed {seed}', file=sys.stderr)
    rng, drained, n_most = random.Random(seed), set(), 0
    clients.fill()
    quiet = farm.ballast.counters()
    checks.equal(f'{what} connections in the table while nothing changes', quiet['conn_created'],
                 0)
    checks.check(f'{what} every server has its share of each way',
                 all(len(clients.spread(way)) == SERVERS for way in WAYS), clients.spread(WAYS[0]))
    for _ in range(n_changes):
        drained = change(rng, farm, clients, drained)
        clients.ask_all()
        clients.fill()
        n_most = max(n_most, sum(
            s['connections_live'] for s in farm.ballast.get('stats')['virtual_services']))
    farm.listed = set(farm.names)
    farm.weight = dict.fromkeys(farm.names, 1)
    farm.put()
    clients.ask_all()
    checks.equal(f'{what} {clients.n_asked} requests on connections held open through {n_changes} '
                 'changes: moved', clients.n_moved, 0)
    checks.check(f'{what} entries: some, and no more than connections were opened',
                 0 < n_most <= clients.n_opened, f'at most {n_most}, {clients.n_opened} opened')
    checks.holds(f'{what} slots settle', lambda: not any(
        s.get('settling_slots') for s in farm.ballast.get('status')['virtual_services']), 30)
    # What the table says as well needs no entry any more.
    checks.holds(f'{what} entries are released then', lambda: (
        farm.ballast.counters()['conn_released'] > 0))
    clients.ask_all()
    checks.equal(f'{what} moved, when slots have settled', clients.n_moved, 0)


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
                        return sock.recv(64).decode().split()[0]
                    return None
                names[port] = wait_for(f'an answer at {port}', answer, 20)
    return names


def spread_and_move_little(checks, farm, host, what):
    ports = range(30000, 30400)
    before = datagrams(host, ports)
    quiet = farm.ballast.counters()['conn_created']
    counts = [list(before.values()).count(name) for name in farm.names]
    checks.check(f'{what} 400 flows over 5 equal servers: 80 each, give or take', all(
        40 < n < 120 for n in counts), counts)
    gone = farm.names[-1]
    farm.listed.remove(gone)
    farm.put()
    checks.equal(f'{what} entries that the flows have needed so far',
                 farm.ballast.counters()['conn_created'] - quiet, 0)
    after = datagrams(host, ports)
    moved = sum(after[p] != before[p] for p in ports if before[p] != gone)
    heirs = {after[p] for p in ports if before[p] == gone}
    checks.equal(f'{what} a server is removed: flows of the others that moved', moved, 0)
    checks.equal(f'{what} who has its flows now', sorted(heirs), sorted(farm.listed))


def check_installation(lab, checks, client, servers, cores):
    what = f'{len(cores)} worker{"s" if len(cores) > 1 else ""}:'
    began = time.monotonic()
    host = lab.host(f'ballast{len(cores)}', *on_net(2), queues=len(cores))
    ballast = lab_module.Ballast(host, config(servers, cores), suite.BUILD,
                                 memory_mib=128 * len(cores)).start()
    wait_for('all servers are up', lambda: all(
        s['status'] == 'up' for s in ballast.get('status')['real_servers']))
    farm, clients = Farm(ballast, servers), Clients(client)
    hold_through_changes(checks, farm, clients, what, CHANGES[len(cores)])
    spread_and_move_little(checks, farm, client, what)
    rx = [worker['rx'] for worker in ballast.get('workers')]
    checks.check(f'{what} every worker received packets', len(rx) == len(cores) and all(rx), rx)
    print(f'{what} {time.monotonic() - began:.0f} s', file=sys.stderr)
    for held in clients.open:
        held[1].close()
    checks.law(f'{what} stateless', ballast.stop())
    # The next one has its addresses, at another place.
    host.run('ip', 'link', 'set', 'eth1', 'down')
    for neighbour in (client, *[server.host for server in servers]):
        neighbour.run('ip', 'neighbour', 'flush', 'dev', 'eth1')


def run(lab, checks):
    cores = sorted(os.sched_getaffinity(0))[:2]
    client = lab.host('client', *on_net(100))
    servers = [Server(lab, f's{n}', 20 + n) for n in range(1, SERVERS + 1)]
    for server in servers:
        server.decap('attach')
        for family in NETWORK:
            server.vip('add', family)
        server.serve(sorted({port for _, _, _, port in WAYS}))
        server.echo(4, ECHO)
    check_installation(lab, checks, client, servers, cores[:1])
    if len(cores) < 2:
        print('not run: two workers need two cores')
        sys.exit(suite.SKIPPED)
    check_installation(lab, checks, client, servers, cores)


suite.main(run)
