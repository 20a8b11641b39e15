#!/usr/bin/python3
"""fullnat and nat x IPv4 and IPv6 x TCP and UDP with real clients and servers."""
import hashlib
import json
import os
import subprocess

import lab as lab_module
import suite
from routed import Network, add_route, forward_packets
from suite import ask_udp, wait_for

TCP_PORT, UDP_PORT, IPERF_PORT = 80, 7007, 5201
DOWNLOAD_BYTES = 6 << 20
N_CLIENTS = 10
MANY_MIB = 224  # buffers for two interfaces of two queues each


class Installation:
    """Clients behind a router; for nat the servers are behind Ballast, which is their gateway."""

    def __init__(self, lab, net, prefix, workers=None, queues=1):
        self.lab, self.net = lab, net
        for bridge in ('c', 'o', 'i'):
            lab.bridge(f'{prefix}{bridge}')
        self.router = lab.host(f'{prefix}router', net.on(net.outside, 1), bridge=f'{prefix}o')
        self.router.attach(f'{prefix}c', 'eth2', [net.on(net.clients, 1)])
        forward_packets(self.router)
        self.clients = lab.host(f'{prefix}clients', *[net.on(net.clients, 100 + i)
                                                      for i in range(N_CLIENTS)],
                                bridge=f'{prefix}c')
        add_route(self.clients, f'{net.clients}1')
        self.near = lab.host(f'{prefix}near', net.on(net.outside, 100), bridge=f'{prefix}o')
        self.host = lab.host(f'{prefix}ballast', net.on(net.outside, 2), bridge=f'{prefix}o',
                             queues=queues)
        add_route(self.host, f'{net.outside}1')
        where, gateway, bridge = net.outside, 1, f'{prefix}o'
        if net.forwarding == 'nat':
            where, gateway = net.inside, 2
            if net.arms == 2:
                bridge = f'{prefix}i'
                self.host.attach(bridge, 'eth2', [net.on(net.inside, 2)])
            else:
                self.host.run('ip', 'address', 'add', net.on(net.inside, 2), 'dev', 'eth1',
                              'nodad')
            forward_packets(self.host)
            add_route(self.router, f'{net.outside}2', net.subnet(net.inside))
        self.servers = {}
        for number in (1, 2):
            host = lab.host(f'{prefix}s{number}', net.on(where, 10 + number), bridge=bridge)
            add_route(host, f'{where}{gateway}')
            self.servers[host.name] = (host, f'{where}{10 + number}')
        config = self.config()
        if workers is not None:
            config['node']['workers'] = workers
        self.ballast = lab_module.Ballast(self.host, config, suite.BUILD, ('eth1', 'eth2'),
                                          memory_mib=None if workers is None else MANY_MIB)

    def config(self):
        net = self.net
        interfaces = [{'name': 'outside', 'device': 'af_xdp:eth1',
                       'addresses': [net.on(net.outside, 2)]}]
        if net.arms == 2:
            interfaces.append({'name': 'inside', 'device': 'af_xdp:eth2',
                               'addresses': [net.on(net.inside, 2)]})
        more = {'forwarding': net.forwarding}
        spread = dict(more, persistence_group='measured')
        return {
            'version': 1, 'node': {'interfaces': interfaces},
            'persistence_groups': [{'name': 'measured', 'type': 'source_ip', 'timeout_s': 600}],
            'server_pools': [suite.pool('all', {name: address for name, (_, address)
                                                in self.servers.items()}, {'port': TCP_PORT})],
            'virtual_services': [
                suite.service('web', net.vip, 'tcp', TCP_PORT, 'all', **more),
                suite.service('echo', net.vip, 'udp', UDP_PORT, 'all', **more),
                suite.service('iperf-tcp', net.vip, 'tcp', IPERF_PORT, 'all', **spread),
                suite.service('iperf-udp', net.vip, 'udp', IPERF_PORT, 'all', **spread)]}


def proved_by(arrangements, workers):
    """The cells that check_tcp and check_udp prove for (forwarding, arms) of both families."""
    return {suite.cell(forwarding, family, family, protocol, workers)
            for forwarding, _ in arrangements for family in (4, 6) for protocol in ('tcp', 'udp')}


def check_cells(inst, checks, workers):
    family = int(inst.net.family[-1])
    for protocol, check in (('tcp', check_tcp), ('udp', check_udp)):
        with checks.proving(suite.cell(inst.net.forwarding, family, family, protocol, workers)):
            check(inst, checks)


def wanted_source(net, client):
    """The client that a server sees."""
    return net.vip if net.forwarding == 'fullnat' else client


def check_tcp(inst, checks):
    net = inst.net
    data = os.urandom(DOWNLOAD_BYTES)
    nginx = {}
    for name, (host, _) in inst.servers.items():
        nginx[name] = lab_module.Nginx(host, [TCP_PORT])
        nginx[name].write_data('file', data)
    inst.ballast.start()
    wait_for('both servers are up', lambda: all(
        s['status'] == 'up' for s in inst.ballast.get('status')['real_servers']))
    clients = [f'{net.clients}{100 + i}' for i in range(N_CLIENTS)]
    answers = [inst.clients.get(net.vip, TCP_PORT, client, path='/logged') for client in clients]
    checks.equal(f'{net.name()} tcp: two servers in turn', sorted(
        answers.count(name) for name in nginx), [N_CLIENTS // 2] * 2)
    wait_for('the logs are written', lambda: sum(len(n.logged()) for n in nginx.values())
             >= N_CLIENTS)
    seen = sorted(address for n in nginx.values() for address in n.logged())
    checks.equal(f'{net.name()} tcp: the clients in the logs of the servers', seen,
                 sorted(wanted_source(net, client) for client in clients))
    got = hashlib.sha256(inst.clients.fetch(net.vip, TCP_PORT, clients[0], 120, '/data/file'))
    checks.equal(f'{net.name()} tcp: a download of {DOWNLOAD_BYTES >> 20} MB from behind a router',
                 got.hexdigest(), hashlib.sha256(data).hexdigest())
    got = hashlib.sha256(inst.near.fetch(net.vip, TCP_PORT, None, 120, '/data/file'))
    checks.equal(f'{net.name()} tcp: the same on the link', got.hexdigest(),
                 hashlib.sha256(data).hexdigest())


def check_udp(inst, checks):
    net = inst.net
    for host, _ in inst.servers.values():
        lab_module.UdpEcho(host, UDP_PORT)
    names, wrong = [], []
    for number in range(N_CLIENTS):
        client, data = f'{net.clients}{100 + number}', os.urandom(1 + 137 * number)
        name, source, echo = ask_udp(inst.clients, net.vip, UDP_PORT, data, client).split(b' ', 2)
        names.append(name.decode())
        if echo != data or source.decode() != wanted_source(net, client):
            wrong.append((client, source))
    checks.equal(f'{net.name()} udp: two servers in turn', sorted(
        names.count(name) for name in inst.servers), [N_CLIENTS // 2] * 2)
    checks.equal(f'{net.name()} udp: data and source as they should be', wrong, [])


def check_iperf(inst, checks):
    net = inst.net
    for host, _ in inst.servers.values():
        server = host.start('iperf3', '-s', '-p', str(IPERF_PORT), '--forceflush',
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        wait_for('iperf3 listens', lambda: 'listening' in server.stdout.readline())
    common = ['iperf3', '-c', net.vip, '-p', str(IPERF_PORT), '-J']
    out = json.loads(inst.clients.run(*common, '-n', '8M', timeout=120))
    # iperf3 ends when the client has written; what is in flight then it does not count.
    checks.check(f'{net.name()} tcp: iperf3 sends 8 MB',
                 out['end']['sum_received']['bytes'] >= 1 << 20,
                 f"{out['end']['sum_received']['bytes']} bytes received")
    out = json.loads(inst.clients.run(*common, '-u', '-b', '8M', '-n', '500K', '-l', '1000',
                                      timeout=120))
    summary = out['end']['sum']
    checks.check(f'{net.name()} udp: iperf3 datagrams arrive',
                 summary['packets'] >= 500 and summary['lost_packets'] < summary['packets'] / 2,
                 f"{summary['packets']} sent, {summary['lost_packets']} lost")


def check_host(inst, checks):
    """The rest of the host's traffic beside the services."""
    net = inst.net
    for target, what in ((net.vip, 'the VIP'), (f'{net.outside}2', "Ballast's own address")):
        inst.clients.run('ping', '-c', '1', '-W', '20', target)
        checks.check(f'{net.name()}: {what} answers ping', True)
    if net.forwarding == 'fullnat':
        return
    for name, (host, address) in inst.servers.items():
        checks.equal(f'{net.name()}: the kernel forwards to {name} itself',
                     inst.clients.get(address, TCP_PORT), name)
        host.run('ping', '-c', '1', '-W', '20', f'{net.clients}100')
        checks.check(f'{net.name()}: the kernel forwards for {name}', True)


ARRANGEMENTS = (('fullnat', 1), ('nat', 2), ('nat', 1))
CELLS = proved_by(ARRANGEMENTS, 1)


def run(lab, checks):
    number = 0
    core = max(os.sched_getaffinity(0))
    for forwarding, arms in ARRANGEMENTS:
        for family in ('ipv4', 'ipv6'):
            number += 1
            inst = Installation(lab, Network(forwarding, family, arms), f'm{number}', [core])
            check_cells(inst, checks, 1)
            check_iperf(inst, checks)
            check_host(inst, checks)
            checks.law(inst.net.name(), inst.ballast.stop())


if __name__ == '__main__':
    suite.main(run, CELLS)
