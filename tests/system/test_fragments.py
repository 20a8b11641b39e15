#!/usr/bin/python3
"""Datagrams of 8000 bytes over links of 1500, both ways, through every kind of forwarding, with one
worker and with two; a sender that begins with the last part; and a flood of parts of nothing."""
import errno
import logging
import os
import random
import socket
import sys

import lab as lab_module
import suite
from one_way import GUE_PORT, NETWORK, VIP, Server, node, on_net
from routed import add_route, forward_packets
from suite import wait_for

logging.getLogger('scapy.runtime').setLevel(logging.ERROR)
from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.packet import Raw, raw  # noqa: E402

PORTS = {'fullnat': 7001, 'nat': 7002, 'dsr': 7003, 'gue': 7004, 'ipip': 7005}
POOLS = {'fullnat': 'link', 'nat': 'inner'}  # the others' server holds the VIPs
INNER = {4: '198.18.0.', 6: '2001:db8:9::'}  # the nat server's network, behind Ballast
N_BYTES = 8000
PART = 1400
FLOOD = 900  # more than may wait at two workers, fewer than the ring between them holds


def config(workers):
    pools = []
    for family in NETWORK:
        pools += [suite.pool(f'vip{family}', {f'v-ipv{family}': f'{NETWORK[family]}11'}),
                  suite.pool(f'link{family}', {f's-ipv{family}': f'{NETWORK[family]}12'}),
                  suite.pool(f'inner{family}', {f'inner-ipv{family}': f'{INNER[family]}11'})]
    services = [suite.service(f'{mode}-ipv{family}', VIP[family], 'udp', port,
                              f'{POOLS.get(mode, "vip")}{family}', forwarding=mode,
                              **({'gue_port': GUE_PORT} if mode == 'gue' else {}))
                for mode, port in PORTS.items() for family in NETWORK]
    return {'version': 1, 'server_pools': pools, 'virtual_services': services,
            'node': node(workers)}


def ask(client, mode, family, data):
    """Where a tunnel makes parts too large, the first of them is answered so; the next are smaller."""
    try:
        return suite.ask_udp(client, VIP[family], PORTS[mode], data)
    except OSError as error:
        if error.errno != errno.EMSGSIZE or mode not in ('gue', 'ipip'):
            raise
    return suite.ask_udp(client, VIP[family], PORTS[mode], data)


def check_way(checks, what, client, mode, family):
    """What the server sends back comes in as many parts as it went."""
    wrong = 0
    for _ in range(4):
        data = os.urandom(N_BYTES)
        wrong += not ask(client, mode, family, data).endswith(data)
    checks.equal(f'{what} {mode} IPv{family}: datagrams of {N_BYTES} bytes and their answers', wrong,
                 0)


class RawSender:
    """Parts made by hand, from a host's link; answers come to a socket of its kernel."""

    def __init__(self, host, ballast_mac):
        self.mac = host.run('cat', '/sys/class/net/eth1/address').strip()
        self.ballast_mac = ballast_mac
        with host.inside():
            self.link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.link.bind(('eth1', 0))
            self.ends = {}
            for family, kind in ((4, socket.AF_INET), (6, socket.AF_INET6)):
                self.ends[family] = socket.socket(kind, socket.SOCK_DGRAM)
                self.ends[family].bind((f'{NETWORK[family]}100', 0))
                self.ends[family].settimeout(20)

    def parts(self, family, port, data, name):
        end = self.ends[family].getsockname()
        head = (IP if family == 4 else IPv6)(src=end[0], dst=VIP[family])
        whole = head.__class__(raw(head / UDP(sport=end[1], dport=port) / Raw(data)))
        body = raw(whole.payload)
        for at in range(0, len(body), PART):
            chunk, is_more = Raw(body[at:at + PART]), at + PART < len(body)
            if family == 4:
                part = IP(src=head.src, dst=head.dst, proto=17, id=name & 0xffff, frag=at // 8,
                          flags='MF' if is_more else 0) / chunk
            else:
                part = head / IPv6ExtHdrFragment(nh=17, offset=at // 8, m=is_more, id=name) / chunk
            yield raw(Ether(src=self.mac, dst=self.ballast_mac) / part)

    def send(self, frame):
        self.link.send(frame)

    def answer(self, family):
        return self.ends[family].recv(65536)


def check_reversed(checks, what, ballast, sender, mode, family):
    data = os.urandom(N_BYTES)
    first, *later = sender.parts(family, PORTS[mode], data, random.getrandbits(32))
    for part in reversed(later):
        sender.send(part)
    wait_for('all but the first wait', lambda: ballast.counters()['held'] == len(later))
    sender.send(first)
    checks.check(f'{what} {mode} IPv{family}: the last part first',
                 sender.answer(family).endswith(data))
    wait_for('nobody waits', lambda: ballast.counters()['held'] == 0)


def n_dropped(before, after):
    """By any name: a burst may also overflow the ring to the worker where the parts meet."""
    return sum(after[name] - before[name] for name in after if name.startswith('drop_'))


def n_waited(counters):
    return counters['drop_fragment_full'] + counters['drop_fragment_timeout']


def n_parts(before, after):
    """Of the flood: what came and did not go on. The datagrams did, however often they were sent."""
    came, went = (sum(after[name] - before[name] for name in names)
                  for names in (('rx', 'originated'), ('tx', 'punted')))
    return came - went


def check_flood(checks, what, ballast, sender, client):
    """Later parts of packets that have no first one."""
    flood = [list(sender.parts(4 + 2 * (n % 2), PORTS['fullnat'], bytes(PART + 100), n))[-1]
             for n in range(FLOOD)]
    before = ballast.counters()
    for part in flood:
        sender.send(part)
    data = os.urandom(1000)
    checks.check(f'{what} {FLOOD} parts of nothing: a whole datagram passes', all(
        suite.ask_udp(client, VIP[family], PORTS['fullnat'], data).endswith(data)
        for family in NETWORK))
    after = before

    # A part that leaves is counted as dropped a moment after it has ceased to be held.
    def is_over():
        nonlocal after
        after = ballast.counters()
        return after['held'] == 0 and n_dropped(before, after) == n_parts(before, after)

    wait_for('each part of the flood that arrived is dropped by name', is_over)
    checks.check(f'{what} each of them is dropped by name: {n_waited(after)}',
                 n_waited(after) > FLOOD / 2)
    checks.check(f'{what} some had to make room', after['drop_fragment_full'] > 0,
                 f"{after['drop_fragment_full']}, {after['drop_fragment_timeout']} waited in vain")


def check_installation(lab, checks, client, servers, cores):
    what = f'{len(cores)} worker{"s" if len(cores) > 1 else ""}:'
    host = lab.host(f'ballast{len(cores)}', *on_net(2), f'{INNER[4]}2/24', f'{INNER[6]}2/64',
                    queues=len(cores))
    forward_packets(host)
    ballast = lab_module.Ballast(host, config(cores), suite.BUILD,
                                 memory_mib=128 * len(cores)).start()
    mac = host.run('cat', '/sys/class/net/eth1/address').strip()
    for mode in PORTS:
        for family in NETWORK:
            check_way(checks, what, client, mode, family)
    sender = RawSender(client, mac)
    for mode in ('fullnat', 'nat', 'dsr', 'ipip'):
        for family in NETWORK:
            check_reversed(checks, what, ballast, sender, mode, family)
    counters = ballast.counters()
    checks.equal(f'{what} no part was dropped', {
        name: n for name, n in counters.items() if name.startswith('drop_fragment') and n}, {})
    if len(cores) > 1:
        checks.check(f'{what} parts were handed over, none too often',
                     counters['handed_in'] > 0 and counters['drop_hand_over_again'] == 0,
                     counters['handed_in'])
    check_flood(checks, what, ballast, sender, client)
    checks.law(what.rstrip(':'), ballast.stop())
    # The next one has its addresses, at another place.
    host.run('ip', 'link', 'set', 'eth1', 'down')
    for neighbour in (client, *servers):
        neighbour.run('ip', 'neighbour', 'flush', 'dev', 'eth1')


def run(lab, checks):
    cores = sorted(os.sched_getaffinity(0))[:2]
    client = lab.host('client', *on_net(100))
    holder = Server(lab, 'v', 11)
    holder.decap('attach')
    for family in NETWORK:
        holder.vip('add', family)
        for mode in ('dsr', 'gue', 'ipip'):
            holder.echo(family, PORTS[mode])
    server = lab.host('s', *on_net(12))
    lab_module.UdpEcho(server, PORTS['fullnat'])
    inner = lab.host('inner', f'{INNER[4]}11/24', f'{INNER[6]}11/64')
    for family in NETWORK:
        add_route(inner, f'{INNER[family]}2')
    lab_module.UdpEcho(inner, PORTS['nat'])
    check_installation(lab, checks, client, (holder.host, server, inner), cores[:1])
    if len(cores) < 2:
        print('not run: two workers need two cores')
        sys.exit(suite.SKIPPED)
    check_installation(lab, checks, client, (holder.host, server, inner), cores)


suite.main(run)
