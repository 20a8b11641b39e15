#!/usr/bin/python3
"""Clients in a VLAN, in a VLAN of a provider's VLAN, and untagged, through AF_XDP on one netdev.

The build machine's kernel has no VLAN devices: the clients are raw sockets that write and read
tagged frames, and the router's link-layer address stands in the document. The server is a kernel's.
"""
import contextlib
import logging
import select
import socket

import suite
from lab import Ballast, LabError, Nginx, UdpEcho, wait_for

logging.getLogger('scapy.runtime').setLevel(logging.ERROR)
from scapy.layers.inet import IP, TCP, UDP  # noqa: E402
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether  # noqa: E402
from scapy.packet import Raw, raw  # noqa: E402

VIP, SERVER, BALLAST = '192.0.2.10', '192.0.2.11', '192.0.2.2'
ROUTER_MAC = '02:00:00:00:aa:01'
NEIGHBOUR_MAC = '02:00:00:00:aa:02'
ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 3, 263, 8, 23
ECHO_PORT, WEB_PORT = 5000, 80


def config():
    return {
        'version': 1,
        'node': {
            'interfaces': [
                {'name': 'servers', 'device': ''},
                {'name': 'clients', 'device': '', 'vlan': 100, 'mtu': 1400,
                 'addresses': ['203.0.113.2/24'], 'gateway': '203.0.113.1'},
                {'name': 'tenant', 'device': '', 'vlan': 30, 'outer_vlan': 200,
                 'addresses': ['198.18.0.2/24']}],
            'neighbors': [{'address': '203.0.113.1', 'mac': ROUTER_MAC, 'interface': 'clients'}],
            'limits': {'connections': 1000, 'persistence_records': 1000}},
        'server_pools': [suite.pool('farm', {'s1': SERVER})],
        'virtual_services': [
            suite.service('echo', VIP, 'udp', ECHO_PORT, 'farm', forwarding='fullnat'),
            suite.service('web', VIP, 'tcp', WEB_PORT, 'farm', forwarding='fullnat',
                          mss_clamp='auto')]}


class Wire:
    """Frames as they are on the cable of a host."""

    def __init__(self, host):
        with host.inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self.sock.bind(('eth1', 0))
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.sock.setblocking(False)

    def receive(self):
        """The next frame; the kernel takes the outer tag off and says it beside. None: there is
        none now."""
        if not select.select([self.sock], [], [], 0)[0]:
            return None
        data, beside, _, _ = self.sock.recvmsg(65536, 256)
        for level, kind, words in beside:
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                status = int.from_bytes(words[0:4], 'little')
                tci, tpid = (int.from_bytes(words[at:at + 2], 'little') for at in (16, 18))
                if status & 0x10:  # TP_STATUS_VLAN_VALID
                    data = data[:12] + (tpid if status & 0x40 else 0x8100).to_bytes(2, 'big') + \
                        tci.to_bytes(2, 'big') + data[12:]
        return Ether(data)

    def answer_to(self, what, frame, is_answer):
        """Sends until the answer is there: AF_XDP may not have begun with the first frame."""
        def once():
            self.sock.send(raw(frame))
            with contextlib.suppress(LabError):
                return wait_for(what, self.one(is_answer), timeout_s=1)
            return None
        return wait_for(what, once)

    def one(self, is_wanted):
        def look():
            got = self.receive()
            while got is not None:
                if is_wanted(got):
                    return got
                got = self.receive()
            return None
        return look


def tags_of(frame):
    out = []
    layer = frame.payload
    while isinstance(layer, (Dot1Q, Dot1AD)):
        out.append((layer.vlan, layer.prio))
        layer = layer.payload
    return out


def keep_tags_inside(lab):
    """A cable between machines carries tags in its frames; veth would carry them beside."""
    for line in lab.run('ip', '-o', 'link', 'show', 'master', 'br0').splitlines():
        lab.run('ethtool', '-K', line.split()[1].split('@')[0], 'txvlan', 'off',
                'tx-vlan-stag-hw-insert', 'off')


def run(lab, checks):
    server = lab.host('s1', f'{SERVER}/24')
    node = lab.host('lb', f'{BALLAST}/24')
    client = lab.host('clients')
    neighbour = lab.host('neighbour', '192.0.2.100/24')
    keep_tags_inside(lab)
    UdpEcho(server, ECHO_PORT)
    Nginx(server, (WEB_PORT,))
    mac = node.run('cat', '/sys/class/net/eth1/address').strip()
    ballast = Ballast(node, config(), suite.BUILD, interfaces=('eth1', 'eth1', 'eth1')).start()
    wire = Wire(client)
    router = Ether(src=ROUTER_MAC, dst=mac)
    tenant = Ether(src=NEIGHBOUR_MAC, dst=mac)
    for what, head, who, to, want in (
            ('VLAN 100', router / Dot1Q(vlan=100, prio=5), '198.51.100.7', ROUTER_MAC, [(100, 0)]),
            ('VLAN 30 of 200', tenant / Dot1AD(vlan=200, prio=3) / Dot1Q(vlan=30),
             '198.18.0.50', NEIGHBOUR_MAC, [(200, 0), (30, 0)])):
        question = head / IP(src=who, dst=VIP) / UDP(sport=4000, dport=ECHO_PORT) / Raw(b'question')
        got = wire.answer_to(f'an answer in {what}', question, lambda frame, to=to: (
            UDP in frame and frame.dst == to))
        checks.equal(f'{what}: the answer is tagged', tags_of(got), want)
        checks.check(f'{what}: it is the server\'s', bytes(got[UDP].payload).endswith(b'question'),
                     bytes(got[UDP].payload))
        checks.equal(f'{what}: from the VIP', (got[IP].src, got[UDP].sport), (VIP, ECHO_PORT))
        syn = head / IP(src=who, dst=VIP) / TCP(sport=4001, dport=WEB_PORT, flags='S', seq=1,
                                                options=[('MSS', 1460)])
        got = wire.answer_to(f'a SYN-ACK in {what}', syn, lambda frame, to=to: (
            TCP in frame and frame.dst == to))
        checks.equal(f'{what}: SYN-ACK', (str(got[TCP].flags), tags_of(got)), ('SA', want))
        checks.equal(f'{what}: segments fit both links', dict(got[TCP].options)['MSS'],
                     1360 if '100' == what[5:] else 1460)
    checks.equal('untagged clients on the servers\' link are served as well',
                 neighbour.get(VIP, WEB_PORT), 's1')
    before = ballast.counters()

    def passed():
        return ballast.get('status')['interfaces'][0]['steering_packets'][2]

    n = passed()
    stranger = router / Dot1Q(vlan=101) / IP(src='198.51.100.8', dst=VIP) / \
        TCP(sport=1, dport=WEB_PORT, flags='S')
    wire.sock.send(raw(stranger))
    checks.holds('another VLAN is left to the kernel', lambda: passed() > n)
    checks.equal('and no worker sees it', ballast.counters()['vlan_unknown'],
                 before['vlan_unknown'])
    checks.law('at the end', ballast.stop())


if __name__ == '__main__':
    suite.main(run)
