#!/usr/bin/python3
"""Ports that DPDK drives (net_af_packet on a veth): the kernel lives on their twins.

Ballast has two arms: the servers' network with `lan`, the clients' with `wan`, behind whose router
are clients far away. Its own kernel does not speak on the cables, only on the twins.
"""
import contextlib
import subprocess

import lab as lab_module
import suite
from lab import LabError
from port_lab import Relay

VIP = {4: '198.51.100.10', 6: '2001:db8:c::10'}
LAN_VIP = {4: '192.0.2.10', 6: '2001:db8:5::10'}
NODE = {4: '198.51.100.2', 6: '2001:db8:c::2'}
FAR = {4: '203.0.113.7', 6: '2001:db8:f::7'}
NAT_PORT, FULLNAT_PORT, UDP_PORT, REST_PORT = 8080, 80, 5353, 8480
SERVERS = ('s1', 's2')


def configuration():
    pools = [suite.pool(f'farm{family}', {f'{name}-v{family}': f'{net}{at}' for name, at in
                                          zip(SERVERS, (11, 12))}, {'port': NAT_PORT})
             for family, net in ((4, '192.0.2.'), (6, '2001:db8:5::'))]
    services = []
    for family in (4, 6):
        farm = f'farm{family}'
        services += [
            suite.service(f'nat{family}', VIP[family], 'tcp', NAT_PORT, farm, forwarding='nat'),
            suite.service(f'nat-udp{family}', VIP[family], 'udp', UDP_PORT, farm, forwarding='nat'),
            suite.service(f'fullnat{family}', LAN_VIP[family], 'tcp', FULLNAT_PORT, farm,
                          forwarding='fullnat'),
        ]
    interfaces = [
        {'name': 'lan', 'device': '', 'addresses': ['192.0.2.2/24', '2001:db8:5::2/64']},
        {'name': 'towards-the-clients', 'device': '', 'twin': 'wan',
         'addresses': ['198.51.100.2/24', '2001:db8:c::2/64'],
         'gateway': '198.51.100.1', 'gateway_ipv6': '2001:db8:c::1'},
    ]
    return {'version': 1, 'node': {'interfaces': interfaces, 'limits': {
        'connections': 20000, 'persistence_records': 1000}},
        'server_pools': pools, 'virtual_services': services}


class Installation:
    addresses = {4: '198.51.100.100', 6: '2001:db8:c::100'}

    def __init__(self, lab):
        for name in ('br-lan', 'br-wan', 'br-far'):
            lab.bridge(name)
        self.servers = []
        for name, at in zip(SERVERS, (11, 12)):
            host = lab.host(name, f'192.0.2.{at}/24', f'2001:db8:5::{at}/64', bridge='br-lan')
            host.run('ip', 'route', 'add', 'default', 'via', '192.0.2.2')
            host.run('ip', 'route', 'add', 'default', 'via', '2001:db8:5::2')
            self.servers.append(lab_module.Nginx(host, (NAT_PORT, FULLNAT_PORT)))
            lab_module.UdpEcho(host, UDP_PORT)
        self.client = lab.host('tclient', '198.51.100.100/24', '2001:db8:c::100/64',
                               bridge='br-wan')
        self.router = lab.host('trouter', '198.51.100.1/24', '2001:db8:c::1/64', bridge='br-wan')
        self.router.attach('br-far', 'eth2', ['203.0.113.1/24', '2001:db8:f::1/64'])
        self.router.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
        self.far = lab.host('tfar', f'{FAR[4]}/24', f'{FAR[6]}/64', bridge='br-far')
        self.far.run('ip', 'route', 'add', 'default', 'via', '203.0.113.1')
        self.far.run('ip', 'route', 'add', 'default', 'via', '2001:db8:f::1')
        self.client.run('ip', 'route', 'add', '192.0.2.0/24', 'via', NODE[4])
        self.client.run('ip', 'route', 'add', '2001:db8:5::/64', 'via', NODE[6])
        self.router.run('ip', 'route', 'add', '192.0.2.0/24', 'via', NODE[4])
        self.router.run('ip', 'route', 'add', '2001:db8:5::/64', 'via', NODE[6])
        self.host = lab.host('tballast', bridge=None)
        self.host.cable('br-lan', 'eth1')
        self.host.cable('br-wan', 'eth2')
        self.devices = [f'vdev:net_af_packet{i},iface=eth{i + 1}' for i in (0, 1)]
        self.ballast = lab_module.Ballast(self.host, configuration(), suite.BUILD,
                                          devices=self.devices)


def check_link_layer(inst, checks):
    """Who has these addresses is answered by the kernel, with the port's MAC."""
    macs = {i['name']: i['mac'] for i in inst.ballast.get('status')['interfaces']}
    for family in (4, 6):
        for what, address in (('node', NODE[family]), ('VIP', VIP[family])):
            checks.check(f'ping the {what} {address}', '0% packet loss' in inst.client.run(
                'ping', '-c', '2', '-i', '0.2', '-W', '10', address, check=False))
            seen = inst.client.run('ip', 'neigh', 'show', address)
            checks.check(f'{address} is resolved to the port',
                         macs['towards-the-clients'] in seen, seen.strip())
        checks.check(f'ping the VIP {VIP[family]} from far away', '0% packet loss' in inst.far.run(
            'ping', '-c', '2', '-i', '0.2', '-W', '10', VIP[family], check=False))


def check_services(inst, checks):
    for family in (4, 6):
        for client, source in ((inst.client, None), (inst.far, FAR[family])):
            for vip, port in ((VIP[family], NAT_PORT), (LAN_VIP[family], FULLNAT_PORT)):
                checks.equal(f'{client.name} reaches {vip} {port} in turn', {
                    client.get(vip, port, timeout_s=30) for _ in range(4)}, set(SERVERS))
            answer = suite.ask_udp(client, VIP[family], UDP_PORT, b'hello', source).split()
            checks.equal(f'{client.name} by UDP: the server sees the client and its data',
                         (answer[1].decode(), answer[2]),
                         (source or inst.addresses[family], b'hello'))
        for nginx in inst.servers:
            nginx.write_data('large', bytes(range(256)) * 4096)
        checks.check(f'a megabyte by {VIP[family]}', inst.far.fetch(
            VIP[family], NAT_PORT, timeout_s=30, path='/data/large') == bytes(range(256)) * 4096)


def check_node(inst, checks):
    """What listens on the node's own address is reached through the twin."""
    relay = Relay(inst.host, NODE[4], REST_PORT, inst.ballast.socket)
    with contextlib.closing(relay):
        for client in (inst.client, inst.far):
            checks.check(f'REST from {client.name}', '"virtual_services"' in client.get(
                NODE[4], REST_PORT, path='/api/v1/status', timeout_s=30))


def check_health(inst, checks):
    def states(name):
        return {real['status'] for real in inst.ballast.get('status')['real_servers']
                if real['name'].startswith(name)}
    inst.servers[0].stop()
    checks.holds('a server that ends is found down', lambda: states('s1') == {'down'})
    checks.equal('its clients go elsewhere', {inst.client.get(VIP[4], NAT_PORT, timeout_s=30)
                                              for _ in range(3)}, {'s2'})
    inst.servers[0].start()
    checks.holds('and found up again', lambda: states('s1') == {'up'})


def check_status(inst, checks):
    seen = {i['name']: i for i in inst.ballast.get('status')['interfaces']}
    checks.equal('twins by their names', [seen[name]['twin'] for name in (
        'lan', 'towards-the-clients')], ['lan', 'wan'])
    for name in seen:
        checks.check(f'{name}: frames went both ways by the twin',
                     seen[name]['twin_received'] > 0 and seen[name]['twin_sent'] > 0)
        checks.equal(f'{name}: frames lost', [seen[name][key] for key in (
            'twin_refused', 'twin_sent_lost', 'punts_lost')], [0, 0, 0])
    table = inst.host.run(f'{suite.BUILD}/apps/ballastctl', '--socket', inst.ballast.socket, 'show',
                          'status')
    checks.check('ballastctl names the twins', 'TWIN' in table and ' wan ' in table)


def check_flood(inst, checks):
    """The node is pinged as fast as two machines can; probes and services go on."""
    def received():
        return inst.ballast.get('status')['interfaces'][1]['twin_received']
    before = received()
    floods = [host.start('ping', '-f', '-q', '-l', '3000', '-s', '1000', NODE[4],
                         stdout=subprocess.DEVNULL) for host in (inst.client, inst.far)]
    checks.holds('a flood of pings goes through the twin', lambda: received() > before + 20000)
    for _ in range(20):
        checks.check('a client is served meanwhile',
                     inst.client.get(VIP[4], NAT_PORT, timeout_s=30) in SERVERS)
    for flood in floods:
        flood.terminate()
        flood.wait()
    log = inst.ballast.log_text()
    checks.equal('verdicts "down" but the one that was wanted', log.count('health: down'), 2)


def check_announced(inst, checks):
    macs = {i['name']: i['mac'] for i in inst.ballast.get('status')['interfaces']}
    for family, vip in ((4, '198.51.100.77'), (6, '2001:db8:c::77')):
        suite.check_announced(checks, inst.ballast, inst.client, suite.service(
            f'new{family}', vip, 'tcp', NAT_PORT, f'farm{family}', forwarding='fullnat'),
            macs['towards-the-clients'])
        checks.check('and serves', inst.client.get(vip, NAT_PORT, timeout_s=30) in SERVERS)


def check_kill(inst, checks):
    """kill -9: the twins go with the process, and the next one makes them anew."""
    inst.ballast.kill()
    checks.check('kill -9 leaves no twin', 'tun' not in inst.host.run('ip', '-d', 'link'))
    inst.ballast.start()
    checks.holds('served again', lambda: answers(inst))


def answers(inst):
    with contextlib.suppress(OSError, LabError):
        return inst.client.get(VIP[4], NAT_PORT, timeout_s=5) in SERVERS
    return False


def check_collision(inst, checks):
    """A network device of the twin's name: refused, by name and place."""
    inst.host.run('ip', 'link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'other')
    second = lab_module.Ballast(inst.host, configuration(), suite.BUILD, devices=inst.devices)
    checks.raises('a name that is taken is refused', LabError, second.start)
    checks.check('with the place', '/node/interfaces/0/twin: the twin cannot be named lan' in
                 second.log_text(), second.log_tail().strip())


def run(lab, checks):
    inst = Installation(lab)
    inst.ballast.start()
    check_link_layer(inst, checks)
    check_services(inst, checks)
    check_node(inst, checks)
    check_health(inst, checks)
    check_status(inst, checks)
    check_flood(inst, checks)
    check_announced(inst, checks)
    check_kill(inst, checks)
    checks.law('ports', inst.ballast.stop())
    check_collision(inst, checks)


suite.main(run)
