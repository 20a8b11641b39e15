#!/usr/bin/python3
"""configs/bare-metal.json and configs/routing/bird.conf as they are, but for the cards: BIRD runs
against the twin of a VLAN of a DPDK port and speaks BGP with a router's BIRD.

Routes that it learns lead replies to clients far away; VIPs are announced while Ballast holds them,
and withdrawn when a service goes and when the daemon is killed.
"""
import contextlib
import json
import os
import shutil
import sys

import lab as lab_module
import suite
from lab import LabError
from port_lab import AccessPort

VLANS = {'farm-a': 10, 'farm-b': 20, 'uplink': 100}
VIP = {4: '203.0.113.10', 6: '2001:db8:ffff::10'}
MAIL_VIP, SECOND_ROUTER = '203.0.113.25', '198.51.100.9'
CLIENT = {4: '198.18.99.7', 6: '2001:db8:99::7'}
ROUTER_CONF = '''
router id 198.51.100.1;
log stderr all;
protocol device { scan time 1; }
protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }
protocol kernel { ipv6 { import none; export where source = RTS_BGP; }; }
protocol static clients4 { ipv4; route 198.18.99.0/24 via %s; }
protocol static clients6 { ipv6; route 2001:db8:99::/64 via "eth2"; }
protocol bfd { interface "eth1" { interval 500 ms; multiplier 6; }; }
template bgp node { local as 65001; bfd on; connect retry time 1; connect delay time 1; error wait time 1, 2; }
protocol bgp node4 from node { neighbor 198.51.100.2 as 65010; ipv4 { import all; export all; }; }
protocol bgp node6 from node { neighbor 2001:db8:100::2 as 65010; ipv6 { import all; export all; }; }
'''


class Bird:
    """BIRD 2 on a host."""

    def __init__(self, host, conf):
        folder = f'{host.lab.folder}/bird-{host.name}'
        os.makedirs(folder)
        self.host, self.socket, self.conf = host, f'{folder}/socket', conf
        self.log = open(f'{folder}/log', 'w')
        self.process = host.start('bird', '-f', '-c', conf, '-s', self.socket, '-P',
                                  f'{folder}/pid', stdout=self.log, stderr=self.log)

    def ask(self, *command):
        return self.host.run('birdc', '-s', self.socket, *command, check=False)

    def is_established(self, name):
        return 'Established' in self.ask('show', 'protocols', name)


class Installation:
    def __init__(self, lab):
        self.lab = lab
        lab.bridge('br1')
        lab.bridge('br-far')
        web = [self.host(f'web{n}', 'br0', 'farm-a', [f'192.0.2.{10 + n}/24',
                                                      f'2001:db8:10::{10 + n}/64']) for n in (1, 2)]
        mail = self.host('mail1', 'br0', 'farm-b', ['198.18.20.11/24', '2001:db8:20::11/64'])
        self.web = [lab_module.Nginx(host, (80, 443)) for host in web]
        self.mail = lab_module.Nginx(mail, (25, 587))
        self.router = self.host('trouter', 'br1', 'uplink', ['198.51.100.1/24',
                                                             '2001:db8:100::1/64'])
        self.router.attach('br-far', 'eth2', ['198.18.99.1/24', '2001:db8:99::1/64'])
        self.router.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
        self.far = lab.host('tfar', f'{CLIENT[4]}/24', f'{CLIENT[6]}/64', bridge='br-far')
        for gateway in ('198.18.99.1', '2001:db8:99::1'):
            self.far.run('ip', 'route', 'add', 'default', 'via', gateway)
        self.second = self.host('trouter2', 'br1', 'uplink', [f'{SECOND_ROUTER}/24'])
        self.second.attach('br-far', 'eth2', ['198.18.99.9/24'])
        self.second.run('sysctl', '-qw', 'net.ipv4.ip_forward=1')
        self.router_conf = f'{lab.folder}/router.conf'
        self.write_router('"eth2"')
        self.node = lab.host('tballast', bridge=None)
        devices = []
        for n, bridge in enumerate(('br0', 'br1')):
            self.node.cable(bridge, f'eth{n}')
            devices.append(f'vdev:net_af_packet{n},iface=eth{n}')
        self.ballast = lab_module.Ballast(self.node, self.document(), suite.BUILD, memory_mib=256,
                                          devices=[devices[0], devices[0], devices[1]])

    def host(self, name, bridge, network, addresses):
        host = self.lab.host(name, bridge=None)
        AccessPort(self.lab, host.attach(bridge, 'eth1', addresses), VLANS[network])
        return host

    @staticmethod
    def document():
        document = suite.load('bare-metal')
        document['node'].update(workers=[1], limits={'connections': 20000,
                                                     'persistence_records': 1000})
        for pool in document['server_pools']:
            pool['health_monitors'] = [dict(suite.MONITOR)]
        return document

    def write_router(self, way):
        """The router's BIRD, with the way to the IPv4 clients."""
        with open(self.router_conf, 'w') as out:
            out.write(ROUTER_CONF % way)

    def serves(self, address, port):
        with contextlib.suppress(OSError, LabError):
            return self.far.get(address, port, timeout_s=3)
        return None


def has_route(host, prefix, via, dev):
    family = '-6' if ':' in prefix else '-4'
    for route in json.loads(host.run('ip', '-j', family, 'route') or '[]'):
        if route['dst'] == prefix and route.get('gateway') == via and route['dev'] == dev:
            return True
    return False


def check_learned(inst, birds, checks):
    for family, via, net in ((4, '198.51.100.1', '198.18.99.0/24'),
                             (6, '2001:db8:100::1', '2001:db8:99::/64')):
        checks.holds(f'the session for IPv{family} is up, by the twin of a VLAN',
                     lambda: birds[0].is_established(f'router_ipv{family}'))
        checks.holds(f'{net} is learned: the kernel has it on the twin',
                     lambda: has_route(inst.node, net, via, 'uplink'))


def check_announced(inst, checks):
    for vip, via in ((VIP[4], '198.51.100.2'), (VIP[6], '2001:db8:100::2'),
                     (MAIL_VIP, '198.51.100.2')):
        checks.holds(f'{vip} is announced to the router',
                     lambda: has_route(inst.router, vip, via, 'eth1'))
        checks.check(f'ping {vip} from far away', '0% packet loss' in inst.far.run(
            'ping', '-c', '2', '-i', '0.2', '-W', '10', vip, check=False))
    checks.equal('nothing but VIPs is announced', sorted(
        route['dst'] for family in ('-4', '-6') for route in json.loads(inst.router.run(
            'ip', '-j', family, 'route')) if route.get('protocol') == 'bird'),
        sorted([*VIP.values(), MAIL_VIP]))


def check_served(inst, checks):
    for family in (4, 6):
        for port in (80, 443):
            checks.equal(f'far away gets {VIP[family]} {port} from each server',
                         {inst.far.get(VIP[family], port, timeout_s=30) for _ in range(2)},
                         {'web1', 'web2'})
    checks.equal('and the other farm', inst.far.get(MAIL_VIP, 25, timeout_s=30), 'mail1')


def check_documents(inst, birds, checks):
    """The commands that the documents tell an operator."""
    places = [('/etc/bird/bird.conf', birds[0].conf)]
    # The documents speak of the host's own BIRD.
    os.makedirs('/run/bird')
    os.symlink(birds[0].socket, '/run/bird/bird.ctl')
    for section in ('2. Install and configure', '3. Is it well?', '4. Upgrade, and go back'):
        suite.run_live(checks, inst.ballast, 'deploy.md', section, places)
    check_learned(inst, birds, checks)
    suite.run_live(checks, inst.ballast, 'ports.md', 'BGP', places)
    checks.holds('and served again', lambda: inst.serves(VIP[4], 80) and inst.serves(VIP[6], 80))


def forwarded(host):
    """Datagrams of IPv4 that this router has passed on."""
    names, values = (line.split() for line in host.run(
        'grep', '^Ip:', '/proc/net/snmp').splitlines())
    return int(values[names.index('ForwDatagrams')])


def check_change(inst, birds, checks):
    """The router has its clients told behind another one: replies go there from then on."""
    inst.write_router(SECOND_ROUTER)
    birds[1].ask('configure')
    checks.holds('a route that moves to another router moves in the kernel', lambda: has_route(
        inst.node, '198.18.99.0/24', SECOND_ROUTER, 'uplink'))
    before = forwarded(inst.second)
    checks.holds('replies take it', lambda: inst.serves(VIP[4], 80) and
                 forwarded(inst.second) > before)
    inst.write_router('"eth2"')
    birds[1].ask('configure')
    checks.holds('and back', lambda: has_route(inst.node, '198.18.99.0/24', '198.51.100.1',
                                               'uplink'))


def check_withdrawn(inst, checks):
    status, _, body = inst.ballast.rest('DELETE', '/api/v1/virtual-services/mail')
    checks.check('the mail service is deleted', status in (200, 204), body if status >= 300 else '')
    checks.holds('its VIP is withdrawn', lambda: not has_route(inst.router, MAIL_VIP,
                                                               '198.51.100.2', 'eth1'))
    checks.check('the other one stays', has_route(inst.router, VIP[4], '198.51.100.2', 'eth1'))


def check_killed(inst, birds, checks):
    inst.ballast.kill()
    checks.holds('kill -9: BFD finds it, the router forgets the VIPs', lambda: not any(
        has_route(inst.router, vip, via, 'eth1') for vip, via in
        ((VIP[4], '198.51.100.2'), (VIP[6], '2001:db8:100::2'))))
    inst.ballast.start()
    check_learned(inst, birds, checks)
    checks.holds('started again it is announced and served again',
                 lambda: inst.serves(VIP[4], 80) and inst.serves(VIP[6], 80))


def run(lab, checks):
    for tool in ('bird', 'birdc'):
        if shutil.which(tool) is None:
            print(f'skipped: {tool} is not installed (scripts/install-packages check)')
            sys.exit(suite.SKIPPED)
    inst = Installation(lab)
    inst.ballast.start()
    birds = [Bird(inst.node, f'{lab_module.ROOT}/configs/routing/bird.conf'),
             Bird(inst.router, inst.router_conf)]
    check_learned(inst, birds, checks)
    check_announced(inst, checks)
    check_served(inst, checks)
    check_documents(inst, birds, checks)
    check_change(inst, birds, checks)
    check_withdrawn(inst, checks)
    check_killed(inst, birds, checks)
    checks.law('bgp', inst.ballast.stop())


suite.main(run)
