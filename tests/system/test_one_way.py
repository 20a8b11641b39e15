#!/usr/bin/python3
"""dsr, ipip and gue with real nginx that answers the clients itself: every family of a client in
every family of a server, with one worker and with two."""
import contextlib
import os
import sys

import lab as lab_module
import suite
from one_way import NETWORK, OWN, TOOL, VIP, Server, node, on_net, service
from suite import wait_for

UPLOAD = os.urandom(1 << 20)
# name, forwarding, family of the client, family of the server, port
WAYS = [(f'{mode} IPv{client}' + (f' in IPv{server}' if mode != 'dsr' else ''), mode, client, server,
         8000 + n)
        for n, (mode, client, server) in enumerate(
            [('dsr', 4, 4), ('dsr', 6, 6)] +
            [(mode, client, server) for mode in ('ipip', 'gue') for client in (4, 6)
             for server in (4, 6)])]
CELLS = {suite.cell(mode, client, server, protocol, workers) for _, mode, client, server, _ in WAYS
         for protocol in ('tcp', 'udp') for workers in (1, 2)}
N_GETS = 8  # connections, from a port each: with two queues they come to both


def config(servers, workers):
    pools = [suite.pool(f'ipv{family}', {f'{s.host.name}-ipv{family}': s.address[family]
                                         for s in servers}, {}) for family in NETWORK]
    services = []
    for name, mode, client, server, port in WAYS:
        services += [service(f'{name} {proto}'.replace(' ', '-'), mode, client, proto, port,
                             f'ipv{server}') for proto in ('tcp', 'udp')]
    return {'version': 1, 'server_pools': pools, 'virtual_services': services,
            'node': node(workers)}


def upload(host, address, port, path):
    """PUT of UPLOAD over a connection of its own: the answer's first line."""
    head = f'PUT {path} HTTP/1.0\r\nContent-Length: {len(UPLOAD)}\r\n\r\n'.encode()
    with contextlib.closing(host.connect(address, port, timeout_s=60)) as sock:
        sock.sendall(head + UPLOAD)
        return sock.recv(4096).split(b'\r\n')[0].decode()


def is_fair(counts, n_workers):
    """Round robin is exact in each worker, whose turns begin at another server."""
    return max(counts) - min(counts) <= n_workers


def check_tcp(checks, what, client, servers, way, n_workers):
    name, _, family, _, port = way
    names = [client.get(VIP[family], port) for _ in range(N_GETS)]
    counts = [names.count(server.host.name) for server in servers]
    checks.check(f'{what} {name} tcp: nginx answers, {N_GETS} connections in turn',
                 sum(counts) == N_GETS and is_fair(counts, n_workers), counts)
    path = f'{port}-{n_workers}'
    answers = [upload(client, VIP[family], port, f'/put/{path}') for _ in range(3)]
    checks.check(f'{what} {name} tcp: uploads through the tunnel', all(
        answer.split()[1] in ('201', '204') for answer in answers), answers)
    stored = [server.stored(path) for server in servers]
    checks.check(f'{what} {name} tcp: they arrive whole', all(
        data in (UPLOAD, None) for data in stored) and UPLOAD in stored)


def check_udp(checks, what, client, servers, way, n_workers):
    name, _, family, _, port = way
    names, wrong = [], 0
    for _ in range(4):
        data = os.urandom(1400)
        server, repeated = suite.ask_udp(client, VIP[family], port, data).split(b' ', 1)
        names.append(server.decode())
        wrong += repeated != data
    counts = [names.count(server.host.name) for server in servers]
    checks.check(f'{what} {name} udp: 4 clients in turn, their data comes back',
                 sum(counts) == 4 and wrong == 0 and is_fair(counts, n_workers), counts)


def check_decap(checks, server):
    """What ballastctl refuses, and that it can be undone."""
    for what, args in (('no source', ['attach', 'eth1']),
                       ('a name for an address', ['attach', 'eth1', 'ballast']),
                       ('an interface that is not there', ['attach', 'eth9', OWN[4]])):
        checks.raises(f'decap refuses {what}', lab_module.LabError,
                      lambda args=args: server.host.run(TOOL, 'decap', *args))
    server.decap('detach')
    checks.raises('decap is not detached twice', lab_module.LabError,
                  lambda: server.decap('detach'))
    server.decap('attach')


def check_counters(checks, what, ballast, n_workers):
    counters = ballast.counters()
    checks.check(f'{what} too large for a tunnel at first: answered, and then smaller',
                 counters['drop_too_big'] > 0 and counters['icmp_sent'] > 0,
                 f"{counters['drop_too_big']} packets, {counters['icmp_sent']} answers")
    checks.equal(f'{what} packets of connections that the servers answered past Ballast',
                 sum(s['packets_out'] for s in ballast.get('stats')['virtual_services']), 0)
    rx = [worker['rx'] for worker in ballast.get('workers')]
    checks.check(f'{what} every worker received packets', len(rx) == n_workers and all(rx), rx)


def check_installation(lab, checks, client, servers, cores):
    what = f'{len(cores)} worker{"s" if len(cores) > 1 else ""}:'
    host = lab.host(f'ballast{len(cores)}', *on_net(2), queues=len(cores))
    ballast = lab_module.Ballast(host, config(servers, cores), suite.BUILD,
                                 memory_mib=128 * len(cores)).start()
    wait_for('all servers are up', lambda: all(
        s['status'] == 'up' for s in ballast.get('status')['real_servers']))
    for way in WAYS:
        for protocol, check in (('tcp', check_tcp), ('udp', check_udp)):
            with checks.proving(suite.cell(*way[1:4], protocol, len(cores))):
                check(checks, what, client, servers, way, len(cores))
    check_counters(checks, what, ballast, len(cores))
    checks.law(f'{what} one way', ballast.stop())
    # The next one has its addresses, at another place, and says anew what is too large.
    host.run('ip', 'link', 'set', 'eth1', 'down')
    for neighbour in (client, *[server.host for server in servers]):
        neighbour.run('ip', 'neighbour', 'flush', 'dev', 'eth1')
    for family in ('-4', '-6'):
        client.run('ip', family, 'route', 'flush', 'cache')


def run(lab, checks):
    cores = sorted(os.sched_getaffinity(0))[:2]
    client = lab.host('client', *on_net(100))
    servers = [Server(lab, f's{n}', 10 + n) for n in (1, 2)]
    for server in servers:
        server.decap('attach')
        for family in NETWORK:
            server.vip('add', family)
        server.serve([way[4] for way in WAYS])
        for _, _, family, _, port in WAYS:
            server.echo(family, port)
    check_decap(checks, servers[0])
    check_installation(lab, checks, client, servers, cores[:1])
    if len(cores) < 2:
        print('not run: two workers need two cores')
        sys.exit(suite.SKIPPED)
    check_installation(lab, checks, client, servers, cores)


if __name__ == '__main__':
    suite.main(run, CELLS)
