#!/usr/bin/python3
"""ICMP errors of routers and servers reach the end of the connection that they are about."""
import contextlib
import hashlib
import os
import select
import socket
import struct
import threading

import lab as lab_module
import suite
from routed import Network, add_route, forward_packets
from suite import ask_udp, wait_for

ECHO_PORT, CLOSED_PORT, TCP_PORT = 7007, 9009, 80
WIDE, NARROW_SERVERS, NARROW_CLIENTS = 1500, 1400, 1300
TRANSFER_BYTES = 1 << 20
IP_MTU, IP_RECVERR, IPV6_RECVERR, IPV6_MTU = 14, 11, 25, 24
TIME_EXCEEDED = {socket.AF_INET: 11, socket.AF_INET6: 3}
FAR_CLIENT, FAR_SERVER = 100, 11


def path_mtu(sock):
    """What this end of a TCP connection has learnt about its path."""
    peer = sock.getpeername()[0]
    if ':' in peer and not peer.startswith('::ffff:'):
        return sock.getsockopt(socket.IPPROTO_IPV6, IPV6_MTU)
    return sock.getsockopt(socket.IPPROTO_IP, IP_MTU)


def read(sock, length):
    data = b''
    while len(data) < length and (more := sock.recv(65536)):
        data += more
    return data


class Transfers:
    """A TCP server: on U it takes what comes and answers with its hash, on D it sends data."""

    def __init__(self, host, port, data):
        self.data, self.path_mtu = data, None
        with host.inside():
            self.sock = socket.create_server(('::', port), family=socket.AF_INET6,
                                             dualstack_ipv6=True)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.sock.accept()
            # Probes connect too, and reset.
            with client, contextlib.suppress(OSError):
                self.answer(client)

    def answer(self, client):
        what = client.recv(1)
        if what == b'U':
            client.sendall(hashlib.sha256(read(client, len(self.data))).digest())
            client.recv(1)
        elif what == b'D':
            client.sendall(self.data)
            client.recv(1)  # it has arrived
            self.path_mtu = path_mtu(client)


class Chain:
    """client - r1 - narrow - r2 - Ballast - r3 - narrow - r4 - server."""

    def __init__(self, lab, net, p):
        self.net = net
        six = net.family == 'ipv6'
        near, far, servers = (('2001:db8:a::', '2001:db8:b::', '2001:db8:c::') if six
                              else ('10.0.1.', '10.0.2.', '10.0.3.'))
        self.server_address = f'{servers}{FAR_SERVER}'
        for bridge in 'cnoifs':
            lab.bridge(p + bridge)
        behind, arm = (net.outside, f'{p}o') if net.arms == 1 else (net.inside, f'{p}i')
        self.client = self.host(lab, f'{p}c', net.clients, FAR_CLIENT, f'{p}c')
        self.r1 = self.host(lab, f'{p}r1', net.clients, 1, f'{p}c')
        self.r1.attach(f'{p}n', 'eth2', [net.on(near, 1)])
        self.r2 = self.host(lab, f'{p}r2', net.outside, 1, f'{p}o')
        self.r2.attach(f'{p}n', 'eth2', [net.on(near, 2)])
        ballast = self.host(lab, f'{p}b', net.outside, 2, f'{p}o')
        if net.arms == 2:
            ballast.attach(arm, 'eth2', [net.on(net.inside, 2)])
        self.r3_address = f'{behind}3'
        self.r3 = self.host(lab, f'{p}r3', behind, 3, arm)
        self.r3.attach(f'{p}f', 'eth2', [net.on(far, 1)])
        self.r4 = self.host(lab, f'{p}r4', servers, 1, f'{p}s')
        self.r4_address = f'{far}2'
        self.r4.attach(f'{p}f', 'eth2', [net.on(far, 2)])
        self.server = self.host(lab, f'{p}s', servers, FAR_SERVER, f'{p}s')
        for host in (self.r1, self.r2, self.r3, self.r4, ballast):
            forward_packets(host)
        for host, via in ((self.client, f'{net.clients}1'), (self.r1, f'{near}2'),
                          (ballast, f'{net.outside}1'), (self.r3, f'{behind}2'),
                          (self.r4, f'{far}1'), (self.server, f'{servers}1')):
            add_route(host, via)
        add_route(self.r2, f'{near}1', net.subnet(net.clients))
        add_route(self.r3, f'{far}2', net.subnet(servers))
        for near_net in (servers, far):
            add_route(ballast, self.r3_address, net.subnet(near_net))
            add_route(self.r2, f'{net.outside}2', net.subnet(near_net))
        self.ballast = lab_module.Ballast(ballast, self.config(), suite.BUILD, ('eth1', 'eth2'))

    def host(self, lab, name, net, last, bridge):
        return lab.host(name, self.net.on(net, last), bridge=bridge)

    def config(self):
        net = self.net
        interfaces = [{'name': 'outside', 'device': 'af_xdp:eth1'}]
        if net.arms == 2:
            interfaces.append({'name': 'inside', 'device': 'af_xdp:eth2'})
        more = {'forwarding': net.forwarding}
        return {'version': 1, 'node': {'interfaces': interfaces},
                'server_pools': [suite.pool('far', {'server': self.server_address},
                                            {'port': TCP_PORT})],
                'virtual_services': [
                    suite.service('tcp', net.vip, 'tcp', TCP_PORT, 'far', **more),
                    suite.service('echo', net.vip, 'udp', ECHO_PORT, 'far', **more),
                    suite.service('closed', net.vip, 'udp', CLOSED_PORT, 'far', **more)]}


class Prober:
    """A connected UDP socket that tells which ICMP errors came for it."""

    def __init__(self, chain, port):
        self.family = socket.AF_INET6 if chain.net.family == 'ipv6' else socket.AF_INET
        six = self.family == socket.AF_INET6
        self.level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
        self.ttl = socket.IPV6_UNICAST_HOPS if six else socket.IP_TTL
        with chain.client.inside():
            self.sock = socket.socket(self.family, socket.SOCK_DGRAM)
        self.sock.setsockopt(self.level, IPV6_RECVERR if six else IP_RECVERR, 1)
        self.sock.connect((chain.net.vip, port))

    def close(self):
        self.sock.close()

    def send(self, size, ttl=64):
        self.sock.setsockopt(self.level, self.ttl, ttl)
        with contextlib.suppress(OSError):
            self.sock.send(b'x' * size)

    def error(self, size, ttl=64):
        """(errno, type, address of the sender) of the ICMP error about a datagram."""
        def answer():
            self.send(size, ttl)
            poll = select.poll()
            poll.register(self.sock, 0)
            if not poll.poll(1000):
                return None
            _, control, _, _ = self.sock.recvmsg(65536, 512, socket.MSG_ERRQUEUE)
            for level, _, data in control:
                if level != self.level:
                    continue
                errno, _, kind, _, _, _, _ = struct.unpack('IBBBBII', data[:16])
                at, end = (24, 40) if self.family == socket.AF_INET6 else (20, 24)
                return errno, kind, socket.inet_ntop(self.family, data[at:end])
            return None
        return wait_for('an ICMP error', answer, 30)


def check_errors(chain, checks):
    net = chain.net
    with contextlib.closing(Prober(chain, CLOSED_PORT)) as prober:
        errno, _, sender = prober.error(10)
        checks.equal(f'{net.name()}: a closed port of the server is seen by the client',
                     (os.strerror(errno), sender), ('Connection refused', net.vip))
    lab_module.UdpEcho(chain.server, ECHO_PORT)
    checks.check(f'{net.name()}: the service behind four routers answers',
                 ask_udp(chain.client, net.vip, ECHO_PORT, b'hello').endswith(b'hello'))
    for ttl, who, address in ((3, 'Ballast', net.vip), (4, 'the router behind it',
                                                        chain.r3_address)):
        with contextlib.closing(Prober(chain, ECHO_PORT)) as prober:
            _, kind, sender = prober.error(10, ttl)
            checks.equal(f'{net.name()}: the client learns that its hops end at {who}',
                         (kind, sender), (TIME_EXCEEDED[prober.family], address))


def check_unreachable(chain, checks):
    """The last router does not reach the server by UDP; probes are TCP and go on."""
    net = chain.net
    rule = (f'-{net.family[-1]}', 'rule'), ('ipproto', 'udp', 'to', chain.server_address,
                                            'unreachable')
    chain.r4.run('ip', *rule[0], 'add', *rule[1])
    with contextlib.closing(Prober(chain, ECHO_PORT)) as prober:
        errno, _, sender = prober.error(10)
        checks.equal(f'{net.name()}: the client learns which router does not reach the server',
                     (os.strerror(errno), sender), ('Network is unreachable', chain.r4_address))
    chain.r4.run('ip', *rule[0], 'delete', *rule[1])


def set_link(routers, mtu):
    for router in routers:
        router.run('ip', 'link', 'set', 'eth2', 'mtu', str(mtu))


def check_path_mtu(chain, transfers, checks):
    """The large packets of one end, while the link beside the other end is narrow."""
    name, data = chain.net.name(), transfers.data
    set_link((chain.r3, chain.r4), NARROW_SERVERS)
    with chain.client.connect(chain.net.vip, TCP_PORT, timeout_s=60) as sock:
        sock.sendall(b'U' + data)
        checks.check(f'{name}: an upload over a narrow link beside the server',
                     read(sock, 32) == hashlib.sha256(data).digest())
        checks.equal(f"{name}: the client has learnt the link's size", path_mtu(sock),
                     NARROW_SERVERS)
    set_link((chain.r3, chain.r4), WIDE)
    set_link((chain.r1, chain.r2), NARROW_CLIENTS)
    with chain.client.connect(chain.net.vip, TCP_PORT, timeout_s=60) as sock:
        sock.sendall(b'D')
        checks.check(f'{name}: a download over a narrow link beside the client',
                     read(sock, len(data)) == data)
        sock.sendall(b'.')
        wait_for('the server has looked', lambda: transfers.path_mtu)
    checks.equal(f"{name}: the server has learnt the link's size", transfers.path_mtu,
                 NARROW_CLIENTS)


def run(lab, checks):
    number = 0
    for forwarding, arms in (('fullnat', 1), ('nat', 2)):
        for family in ('ipv4', 'ipv6'):
            number += 1
            chain = Chain(lab, Network(forwarding, family, arms), f'e{number}')
            transfers = Transfers(chain.server, TCP_PORT, os.urandom(TRANSFER_BYTES))
            chain.ballast.start()
            wait_for('the server is up', lambda: chain.ballast.get(
                'real-servers/server')['status'] == 'up')
            check_errors(chain, checks)
            check_unreachable(chain, checks)
            check_path_mtu(chain, transfers, checks)
            checks.check(f'{chain.net.name()}: Ballast has translated errors',
                         chain.ballast.counters()['icmp_translated'] >= 5)
            checks.law(chain.net.name(), chain.ballast.stop())


if __name__ == '__main__':
    suite.main(run)
