#!/usr/bin/python3
"""dsr, ipip and gue: a server that answers at its address and not at the VIP is found out, the
reason says so, nobody is sent there, and it comes back once it is set up."""
import socket

import lab as lab_module
import suite
from one_way import NETWORK, VIP, Server, node, on_net, service

# name, forwarding, family of the VIP, family of the servers, port
WAYS = [(f'{mode}-ipv{vip}-to-ipv{server}', mode, vip, server, 8000 + n)
        for n, (mode, vip, server) in enumerate((
            ('dsr', 4, 4), ('dsr', 6, 6), ('ipip', 4, 6), ('ipip', 6, 4), ('gue', 4, 4),
            ('gue', 6, 6), ('gue', 4, 6)))]
OWN_ONLY = 9000
# More services: name, port, pool
MORE = [('ping', 9001, 'ping'), ('own-address', OWN_ONLY, 'ipv4'), ('not-asked', 9002, 'not-asked')]


def config(servers):
    def pool(name, family, monitor):
        return suite.pool(name, {f'{s.host.name}-ipv{family}': s.address[family] for s in servers},
                          monitor)
    pools = [pool('ipv4', 4, {}), pool('ipv6', 6, {}), pool('ping', 4, {'type': 'icmp'}),
             pool('not-asked', 4, {'port': OWN_ONLY, 'vip_probe': 'none'})]
    services = [service(name, mode, vip, 'tcp', port, f'ipv{server}')
                for name, mode, vip, server, port in WAYS]
    services += [service(name, 'dsr', 4, 'udp' if name == 'ping' else 'tcp', port, pool_name)
                 for name, port, pool_name in MORE]
    return {'version': 1, 'node': node(), 'server_pools': pools, 'virtual_services': services}


class View:
    """What the status says, by service."""

    def __init__(self, ballast):
        self.ballast = ballast

    def of(self, name, server):
        for entry in self.ballast.get('status')['virtual_services']:
            if entry['name'] == name:
                return next(r for r in entry['real_servers']
                            if r['name'].startswith(f'{server.host.name}-'))
        raise lab_module.LabError(f'no service {name}')

    def is_down(self, name, server, *words):
        real = self.of(name, server)
        return real['status'] == 'down' and all(w in real['reason'] for w in words) and \
            real['reason']

    def is_up(self, name, server):
        return self.of(name, server)['status'] == 'up'


def check_without(checks, view, client, servers, ways, what):
    """Both answer at their addresses; the second is set up for none of `ways`."""
    good, bad = servers
    for name, mode, family, _, port in ways:
        checks.holds(f'{name}: down {what}', lambda: view.is_down(
            name, bad, 'address up', f'VIP {VIP[family]} by {mode}', f'tcp port {port}',
            'no answer in time'))
        checks.holds(f'{name}: the other one is up', lambda: view.is_up(name, good))
        names = {client.get(VIP[family], port, timeout_s=10) for _ in range(4)}
        checks.equal(f'{name}: every client gets the other one', names, {good.host.name})


def check_with(checks, view, client, servers, ways, what):
    for name, _, family, _, port in ways:
        for server in servers:
            checks.holds(f'{name}: {server.host.name} up {what}',
                         lambda: view.is_up(name, server))
        names = {client.get(VIP[family], port) for _ in range(2)}
        checks.equal(f'{name}: clients get both', names, {s.host.name for s in servers})


def half_open(server):
    return server.host.run('ss', '-Htan', 'state', 'syn-recv').strip()


def run(lab, checks):
    client = lab.host('client', *on_net(100))
    ballast_host = lab.host('ballast', *on_net(2))
    servers = [Server(lab, f's{n}', 10 + n) for n in (1, 2)]
    good, bad = servers
    listeners = []
    for server in servers:
        server.serve([way[4] for way in WAYS])
        with server.host.inside():
            listeners.append(socket.create_server((server.address[4], OWN_ONLY)))
    good.decap('attach')
    for family in NETWORK:
        good.vip('add', family)
    ballast = lab_module.Ballast(ballast_host, config(servers), suite.BUILD).start()
    view = View(ballast)

    check_without(checks, view, client, servers, WAYS, 'without the VIP and without decap')
    checks.holds('ping: down without the VIP', lambda: view.is_down(
        'ping', bad, 'address up', f'VIP {VIP[4]} by dsr', 'icmp: no answer in time'))
    checks.holds('ping: the other one is up', lambda: view.is_up('ping', good))
    checks.holds('listens at its own address only: refused at the VIP', lambda: view.is_down(
        'own-address', good, 'address up', 'connection refused'))
    for server in servers:
        checks.holds(f'vip_probe none: {server.host.name} is up, whatever it has',
                     lambda: view.is_up('not-asked', server))

    for family in NETWORK:
        bad.vip('add', family)
    dsr = [way for way in WAYS if way[1] == 'dsr']
    tunnels = [way for way in WAYS if way[1] != 'dsr']
    check_with(checks, view, client, servers, dsr, 'with the VIP')
    checks.holds('ping: up with the VIP', lambda: view.is_up('ping', bad))
    check_without(checks, view, client, servers, tunnels, 'with the VIP and without decap')
    bad.decap('attach')
    check_with(checks, view, client, servers, tunnels, 'with decap')

    # One server loses what it had, the address goes on answering.
    bad.decap('detach')
    check_without(checks, view, client, servers, tunnels, 'since decap has gone')
    check_with(checks, view, client, servers, dsr, 'as before')
    checks.holds('nothing of a probe stays half open at a server',
                 lambda: not half_open(good) and not half_open(bad))
    checks.law('probes of the VIP', ballast.stop())
    check_twin(lab, checks, client, servers, ballast_host)


def check_twin(lab, checks, client, servers, before):
    """The same by a port that DPDK drives: probes leave and answers come by its twin."""
    before.run('ip', 'link', 'set', 'eth1', 'down')
    for neighbour in (client, *[server.host for server in servers]):
        neighbour.run('ip', 'neighbour', 'flush', 'dev', 'eth1')
    host = lab.host('twin', bridge=None)
    host.cable('br0', 'eth1')
    ballast = lab_module.Ballast(host, config(servers), suite.BUILD,
                                 devices=['vdev:net_af_packet0,iface=eth1']).start()
    view = View(ballast)
    dsr = [way for way in WAYS if way[1] == 'dsr']
    tunnels = [way for way in WAYS if way[1] != 'dsr']
    check_with(checks, view, client, servers, dsr, 'with the VIP, by a twin')
    check_without(checks, view, client, servers, tunnels, 'without decap, by a twin')
    servers[1].decap('attach')
    check_with(checks, view, client, servers, tunnels, 'with decap, by a twin')
    counters = ballast.stop()
    checks.check('the worker sent the probes', counters['injected'] > 0, counters['injected'])
    checks.law('probes by a twin', counters)


if __name__ == '__main__':
    suite.main(run)
