#!/usr/bin/python3
"""One DPDK port, net_tap and then net_memif, with three networks: servers untagged, clients and the
way out in VLAN 100, tenants with a server of their own in VLAN 30 of a provider's VLAN 200.

Each network has its twin in the kernel: addresses, gateway, MTU, carrier, VIPs, probes, REST and
ping; the services' clients are real ones of both families. Access ports of the switch tag frames.
"""
import contextlib
import json
import subprocess
import sys

import lab as lab_module
import suite
from lab import LabError
from port_lab import AccessPort, MemifPort, Relay, TapPort

# The networks: name of the interface, its twin, tags, node, VIP and client by family.
LAN = {'name': 'lan', 'twin': 'lan', 'node': {4: '192.0.2.2', 6: '2001:db8:5::2'},
       'vip': {4: '192.0.2.10', 6: '2001:db8:5::10'}}
WAN = {'name': 'towards-the-clients', 'twin': 'towards-the-cli', 'tags': {'vlan': 100},
       'node': {4: '198.51.100.2', 6: '2001:db8:c::2'},
       'vip': {4: '198.51.100.10', 6: '2001:db8:c::10'}}
TENANT = {'name': 'tenant-1', 'twin': 'tenant', 'tags': {'vlan': 30, 'outer_vlan': 200},
          'node': {4: '198.18.0.2', 6: '2001:db8:7::2'},
          'vip': {4: '198.18.0.10', 6: '2001:db8:7::10'}}
NETWORKS = (LAN, WAN, TENANT)
FAR = {4: '203.0.113.7', 6: '2001:db8:f::7'}
SERVERS = {'s1': {4: '192.0.2.11', 6: '2001:db8:5::11'},
           's2': {4: '198.18.0.12', 6: '2001:db8:7::12'}}
DSR_VIP = {4: '198.18.0.20', 6: '2001:db8:7::20'}
NAT_PORT, FULLNAT_PORT, UDP_PORT, REST_PORT, TENANT_MTU = 8080, 80, 5353, 8480, 1496
PREFIX = {4: 24, 6: 64}


def on(network, at):
    """A host's address in a network, by family, with its prefix length."""
    return {family: network['node'][family][:-1] + f'{at}/{PREFIX[family]}' for family in (4, 6)}


def interface(network):
    out = {'name': network['name'], 'device': '', **network.get('tags', {}),
           'addresses': [f'{network["node"][f]}/{PREFIX[f]}' for f in (4, 6)]}
    if network['twin'] != network['name'][:15]:
        out['twin'] = network['twin']
    return out


def configuration():
    pools, services = [], []
    for family in (4, 6):
        farm = f'farm{family}'
        pools.append(suite.pool(farm, {f'{name}-v{family}': address[family] for name, address in
                                       SERVERS.items()}, {'port': NAT_PORT}))
        services += [
            suite.service(f'nat{family}', WAN['vip'][family], 'tcp', NAT_PORT, farm,
                          forwarding='nat'),
            suite.service(f'nat-udp{family}', WAN['vip'][family], 'udp', UDP_PORT, farm,
                          forwarding='nat'),
            suite.service(f'fullnat{family}', TENANT['vip'][family], 'tcp', FULLNAT_PORT, farm,
                          forwarding='fullnat'),
            suite.service(f'lan{family}', LAN['vip'][family], 'tcp', FULLNAT_PORT, farm,
                          forwarding='fullnat')]
        pools.append(suite.pool(f'one-way{family}', {f's2-v{family}': SERVERS['s2'][family]}, {}))
        services.append(suite.service(f'dsr{family}', DSR_VIP[family], 'tcp', NAT_PORT,
                                      f'one-way{family}', forwarding='dsr'))
    interfaces = [interface(network) for network in NETWORKS]
    interfaces[1].update(gateway='198.51.100.1', gateway_ipv6='2001:db8:c::1')
    interfaces[2]['mtu'] = TENANT_MTU
    return {'version': 1, 'node': {'interfaces': interfaces, 'workers': [1], 'limits': {
        'connections': 20000, 'persistence_records': 1000}},
        'server_pools': pools, 'virtual_services': services}


class Installation:
    """The hosts on one switch, Ballast by a trunk."""

    def __init__(self, lab):
        lab.bridge('br-far')
        self.lab, self.servers = lab, []
        self.servers = [self.server('s1', LAN, 11), self.server('s2', TENANT, 12)]
        self.client = self.host('tclient', WAN, 100)
        self.tenant = self.host('ttenant', TENANT, 50)
        self.router = self.host('trouter', WAN, 1)
        self.router.attach('br-far', 'eth2', ['203.0.113.1/24', '2001:db8:f::1/64'])
        self.router.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
        self.far = lab.host('tfar', f'{FAR[4]}/24', f'{FAR[6]}/64', bridge='br-far')
        for gateway in ('203.0.113.1', '2001:db8:f::1'):
            self.far.run('ip', 'route', 'add', 'default', 'via', gateway)
        self.clients = (self.client, self.tenant, self.far)

    def host(self, name, network, at):
        """On an access port of its network, which it leaves by Ballast."""
        host = self.lab.host(name, bridge=None)
        outer_end = host.attach('br0', 'eth1', on(network, at).values())
        if 'tags' in network:
            AccessPort(self.lab, outer_end, **network['tags'])
        if network is TENANT:
            host.run('ip', 'link', 'set', 'eth1', 'mtu', str(TENANT_MTU))
        # The router has the others on its far side.
        for other in NETWORKS if at == 1 else ():
            for family in (4, 6) if other is not network else ():
                host.run('ip', 'route', 'add', f'{other["node"][family][:-1]}0/{PREFIX[family]}',
                         'via', network['node'][family])
        for family in (4, 6) if at != 1 else ():
            host.run('ip', 'route', 'add', 'default', 'via', network['node'][family])
        return host

    def server(self, name, network, at):
        host = self.host(name, network, at)
        lab_module.UdpEcho(host, UDP_PORT)
        # For virtual IPs that it holds and must not answer ARP for.
        host.run('sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2')
        return lab_module.Nginx(host, (NAT_PORT, FULLNAT_PORT))


class Node:
    """ballastd on a trunk port of some kind."""

    def __init__(self, inst, kind):
        # The port before this one had another MAC.
        for host in (*inst.clients, inst.router, *(s.host for s in inst.servers)):
            host.run('ip', 'neigh', 'flush', 'all')
        self.host = inst.lab.host(f'tballast-{kind.name}', bridge=None)
        self.port = kind(inst.lab, self.host, 'br0')
        self.ballast = lab_module.Ballast(self.host, configuration(), suite.BUILD,
                                          devices=[self.port.device] * 3, memory_mib=256)
        self.start()

    def start(self):
        self.ballast.start(wait=False)
        self.port.plug()
        self.ballast.wait_ready()

    def interfaces(self):
        return {i['name']: i for i in self.ballast.get('status')['interfaces']}

    def carriers(self):
        """What the kernel says of the twins, in their order."""
        links = {link['ifname']: link for link in json.loads(self.host.run('ip', '-j', 'link'))}
        return ['LOWER_UP' in links[network['twin']]['flags'] for network in NETWORKS]


def pings(host, address):
    return '0% packet loss' in host.run('ping', '-c', '2', '-i', '0.2', '-W', '10', address,
                                        check=False)


def check_twins(node, checks):
    links = {link['ifname']: link for link in json.loads(node.host.run('ip', '-j', 'link'))}
    seen = node.interfaces()
    for network in NETWORKS:
        name, twin = network['name'], network['twin']
        checks.equal(f'{name}: its twin', seen[name]['twin'], twin)
        checks.equal(f'{name}: MAC and MTU of the twin', (links[twin]['address'], links[twin]['mtu']),
                     (seen[name]['mac'], TENANT_MTU if network is TENANT else 1500))
        text = node.host.run('ip', 'address', 'show', 'dev', twin)
        for family in (4, 6):
            checks.check(f'{name}: its address and its VIP of IPv{family} are there, and only they',
                         all((f' {address}/' in text) == (other is network) for other in NETWORKS
                             for address in (other['node'][family], other['vip'][family])), text
                         if '--verbose' in sys.argv else '')
    for family, gateway in ((4, '198.51.100.1'), (6, '2001:db8:c::1')):
        checks.check(f'the default route of IPv{family} leaves by its VLAN\'s twin',
                     f'default via {gateway} dev {WAN["twin"]} ' in node.host.run(
                         'ip', f'-{family}', 'route'))


def check_link_layer(inst, node, checks):
    """Each network has its addresses answered by its own twin, with the port's MAC."""
    macs = {name: i['mac'] for name, i in node.interfaces().items()}
    for host, network in ((inst.servers[0].host, LAN), (inst.client, WAN), (inst.tenant, TENANT)):
        for family in (4, 6):
            for what in ('node', 'vip'):
                address = network[what][family]
                checks.check(f'{host.name} pings the {what} {address}', pings(host, address))
                neighbour = host.run('ip', 'neigh', 'show', address)
                checks.check('which is resolved to the port', macs[network['name']] in neighbour,
                             neighbour.strip())
    for family in (4, 6):
        checks.check(f'far away pings the VIP {WAN["vip"][family]}',
                     pings(inst.far, WAN['vip'][family]))
        checks.check(f'the node pings {FAR[family]} by the gateway', pings(node.host, FAR[family]))


def services_of(client):
    """What `nat` serves is not for clients on a server's own network."""
    nat = [] if client.name == 'ttenant' else [(WAN['vip'], NAT_PORT)]
    return nat + [(TENANT['vip'], FULLNAT_PORT), (LAN['vip'], FULLNAT_PORT)]


def check_services(inst, checks):
    large = bytes(range(256)) * 1024
    for nginx in inst.servers:
        nginx.write_data('large', large)
    for family in (4, 6):
        for client in inst.clients:
            for vip, port in services_of(client):
                checks.equal(f'{client.name} reaches {vip[family]} {port}: each server',
                             {client.get(vip[family], port, timeout_s=30) for _ in range(2)},
                             set(SERVERS))
        answer = suite.ask_udp(inst.far, WAN['vip'][family], UDP_PORT, b'hello').split()
        checks.equal(f'by UDP over IPv{family} the server sees the client and its data',
                     (answer[1].decode(), answer[2]), (FAR[family], b'hello'))
        for client in (inst.far, inst.tenant):
            vip, port = services_of(client)[0]
            checks.check(f'{client.name} gets 256 KiB by IPv{family}', client.fetch(
                vip[family], port, timeout_s=30, path='/data/large') == large)


def check_rest(inst, node, checks):
    """What listens on the node's own address in a VLAN is reached through that VLAN's twin."""
    for network, client in ((WAN, inst.far), (TENANT, inst.tenant)):
        for family in (4, 6):
            relay = Relay(node.host, network['node'][family], REST_PORT, node.ballast.socket)
            with contextlib.closing(relay):
                checks.check(f'REST from {client.name} by IPv{family}', '"virtual_services"' in
                             client.get(network['node'][family], REST_PORT, path='/api/v1/status',
                                        timeout_s=30))


def check_health(inst, node, checks):
    def states(name):
        return {real['status'] for service in node.ballast.get('status')['virtual_services']
                if service['name'].startswith('nat') for real in service['real_servers']
                if real['name'].startswith(name)}
    for nginx in inst.servers:
        name = nginx.host.name
        nginx.stop()
        checks.holds(f'{name} ends and is found down', lambda: states(name) == {'down'})
        nginx.start()
        checks.holds('and up again', lambda: states(name) == {'up'})


def check_vip_probes(inst, node, checks):
    """A VIP is asked at its server by the way of the clients, which here is a VLAN in a VLAN."""
    def real(family):
        return next(r for s in node.ballast.get('status')['virtual_services']
                    if s['name'] == f'dsr{family}' for r in s['real_servers'])
    server = inst.servers[1].host
    for family in (4, 6):
        checks.holds(f'dsr of IPv{family}: down without the VIP', lambda: (
            real(family)['status'] == 'down' and f'VIP {DSR_VIP[family]}' in real(family)['reason']))
        vip = f'{DSR_VIP[family]}/{32 if family == 4 else 128}'
        server.run('ip', 'address', 'add', vip, 'dev', 'lo', *['nodad'] * (family == 6))
        checks.holds('up with it', lambda: real(family)['status'] == 'up')
        checks.equal('and served', inst.tenant.get(DSR_VIP[family], NAT_PORT, timeout_s=30), 's2')
        server.run('ip', 'address', 'del', vip, 'dev', 'lo')
        checks.holds('down without it', lambda: real(family)['status'] == 'down')


def check_flood(inst, node, checks):
    """One VLAN's clients flood the node: the probes in the others are answered all the same."""
    def received():
        return node.interfaces()[WAN['name']]['twin_received']
    before, log = received(), node.ballast.log_text().count('health: down')
    flood = inst.client.start('ping', '-f', '-q', '-l', '2000', '-s', '1000', WAN['node'][4],
                              stdout=subprocess.DEVNULL)
    checks.holds('a flood of pings goes through one twin', lambda: received() > before + 5000)
    for _ in range(10):
        checks.check('a client is served meanwhile',
                     inst.tenant.get(TENANT['vip'][4], FULLNAT_PORT, timeout_s=30) in SERVERS)
    flood.terminate()
    flood.wait()
    checks.equal('no server is taken for down', node.ballast.log_text().count('health: down'), log)


def check_carrier(inst, node, checks):
    checks.equal('carriers', node.carriers(), [True] * 3)
    node.port.set_carrier(False)
    checks.holds('the port loses its carrier, the twins too', lambda: node.carriers() == [False] * 3)
    checks.check('the status says so', not node.interfaces()['lan']['link_up'])
    node.port.set_carrier(True)
    checks.holds('and have it back', lambda: node.carriers() == [True] * 3)
    checks.holds('served again', lambda: answers(inst.client, WAN['vip'][4]))


def answers(client, vip):
    with contextlib.suppress(OSError, LabError):
        return client.get(vip, NAT_PORT, timeout_s=5) in SERVERS
    return False


def check_counts(node, checks):
    for name, seen in node.interfaces().items():
        checks.check(f'{name}: frames went both ways by its twin',
                     seen['twin_received'] > 0 and seen['twin_sent'] > 0)
        checks.equal(f'{name}: frames that the twin refused', seen['twin_refused'], 0)
    report = node.ballast.log_text()
    checks.check('the report names the port once, and the VLANs on it', all(line in report for line in (
        f'  port lan: {node.port.device}, driver net_{node.port.name}, ',
        '  port towards-the-clients: that of lan, VLAN 100\n',
        '  port tenant-1: that of lan, VLAN 30 in 200\n')))
    for network in NETWORKS:
        checks.check(f'the report names the twin {network["twin"]}',
                     f'to the kernel {network["name"]}: by its twin, network device '
                     f'{network["twin"]}' in report)


def run(lab, checks):
    inst = Installation(lab)
    for kind in (TapPort, MemifPort):
        print(f'--- {kind.name}')
        node = Node(inst, kind)
        check_twins(node, checks)
        check_link_layer(inst, node, checks)
        check_services(inst, checks)
        check_rest(inst, node, checks)
        check_health(inst, node, checks)
        check_vip_probes(inst, node, checks)
        check_flood(inst, node, checks)
        check_counts(node, checks)
        check_carrier(inst, node, checks)
        checks.law(kind.name, node.ballast.stop())
        checks.check('the twins are gone', 'tun' not in node.host.run('ip', '-d', 'link', 'show',
                                                                        'type', 'tun', check=False))
        with contextlib.suppress(LabError):
            node.port.set_carrier(False)


suite.main(run)
