#!/usr/bin/python3
"""dsr, ipip and gue with real servers that answer the clients themselves: every family of a client
in every family of a server. This kernel has no tunnel devices: the servers unwrap by ballastctl."""
import contextlib
import hashlib
import os
import socket
import threading

import lab as lab_module
import suite
from suite import wait_for

HEALTH_PORT = 7999
UPLOAD = os.urandom(1 << 20)
NETWORK = {4: '192.0.2.', 6: '2001:db8::'}
BITS = {4: 24, 6: 64}
VIP = {family: NETWORK[family] + '10' for family in NETWORK}
OWN = {family: NETWORK[family] + '2' for family in NETWORK}
GUE_PORT = 6080
# name, forwarding, family of the client, family of the server, port
WAYS = [(f'{mode} IPv{client}' + (f' in IPv{server}' if mode != 'dsr' else ''), mode, client, server,
         8000 + n)
        for n, (mode, client, server) in enumerate(
            [('dsr', 4, 4), ('dsr', 6, 6)] +
            [(mode, client, server) for mode in ('ipip', 'gue') for client in (4, 6)
             for server in (4, 6)])]


class Server:
    """Has the VIPs on lo without answering ARP for them; a TCP sink that answers with the digest of
    what it read, and a UDP echo, both with the server's name."""

    def __init__(self, lab, name, last):
        self.address = {family: f'{NETWORK[family]}{last}' for family in NETWORK}
        self.host = lab.host(name, *[f'{self.address[f]}/{BITS[f]}' for f in NETWORK])
        self.host.run('sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1',
                      'net.ipv4.conf.all.arp_announce=2')
        self.sockets = []
        with self.host.inside():
            for family in NETWORK:
                extra = ['nodad'] if family == 6 else []
                self.host.run('ip', 'address', 'add', f'{VIP[family]}/{32 if family == 4 else 128}',
                              'dev', 'lo', *extra)
                for way in WAYS:
                    if way[2] == family:
                        self.listen(VIP[family], way[4])
                self.listen(self.address[family], HEALTH_PORT)

    def listen(self, address, port):
        kind = socket.AF_INET6 if ':' in address else socket.AF_INET
        tcp, udp = socket.socket(kind, socket.SOCK_STREAM), socket.socket(kind, socket.SOCK_DGRAM)
        for sock in (tcp, udp):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
        tcp.listen(64)
        self.sockets += [tcp, udp]
        threading.Thread(target=self.accept, args=(tcp,), daemon=True).start()
        threading.Thread(target=self.echo, args=(udp,), daemon=True).start()

    def accept(self, listener):
        while True:
            conn, _ = listener.accept()
            threading.Thread(target=self.sink, args=(conn,), daemon=True).start()

    def sink(self, conn):
        with contextlib.closing(conn), contextlib.suppress(OSError):
            digest = hashlib.sha256()
            while data := conn.recv(65536):
                digest.update(data)
            conn.sendall(f'{self.host.name} {digest.hexdigest()}'.encode())

    def echo(self, sock):
        while True:
            with contextlib.suppress(OSError):
                data, peer = sock.recvfrom(65536)
                sock.sendto(self.host.name.encode() + b' ' + data, peer)


def config(servers):
    pools = [suite.pool(f'ipv{family}', {f'{s.host.name}-ipv{family}': s.address[family]
                                         for s in servers}, {'port': HEALTH_PORT})
             for family in NETWORK]
    services = []
    for name, mode, client, server, port in WAYS:
        keys = {'forwarding': mode} | ({'gue_port': GUE_PORT} if mode == 'gue' else {})
        services += [suite.service(f'{name} {proto}'.replace(' ', '-'), VIP[client], proto, port,
                                   f'ipv{server}', **keys) for proto in ('tcp', 'udp')]
    return {'version': 1, 'server_pools': pools, 'virtual_services': services,
            'node': {'interfaces': [{'name': 'lan', 'device': 'af_xdp:eth1',
                                     'addresses': [f'{OWN[f]}/{BITS[f]}' for f in NETWORK]}]}}


def upload(host, address, port):
    """What the server says of UPLOAD: its name, and whether everything arrived."""
    with contextlib.closing(host.connect(address, port, timeout_s=60)) as sock:
        sock.sendall(UPLOAD)
        sock.shutdown(socket.SHUT_WR)
        name, digest = sock.recv(4096).decode().split()
    return name, digest == hashlib.sha256(UPLOAD).hexdigest()


def ask(host, address, port, data):
    """The name of the server that repeats a datagram; datagrams may be lost."""
    with host.inside():
        sock = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET,
                             socket.SOCK_DGRAM)
    with contextlib.closing(sock):
        sock.connect((address, port))
        sock.settimeout(1)

        def answer():
            sock.send(data)
            with contextlib.suppress(socket.timeout):
                return sock.recv(65536)
            return None
        name, repeated = wait_for(f'an answer from {address} {port}', answer, 30).split(b' ', 1)
    return name.decode(), repeated == data


def both_in_turn(servers, call):
    """Two calls: each server once, and each with everything."""
    return sorted(call() for _ in range(2)) == sorted((s.host.name, True) for s in servers)


def check_way(checks, client, servers, way):
    name, _, family, _, port = way
    checks.check(f'{name} tcp: an upload to each server in turn', both_in_turn(
        servers, lambda: upload(client, VIP[family], port)))
    checks.check(f'{name} udp: a datagram to each server in turn', both_in_turn(
        servers, lambda: ask(client, VIP[family], port, os.urandom(1400))))


def check_decap(checks, server):
    """What ballastctl refuses, and that it can be undone."""
    tool = f'{suite.BUILD}/apps/ballastctl'
    for what, args in (('no source', ['attach', 'eth1']),
                       ('a name for an address', ['attach', 'eth1', 'ballast']),
                       ('an interface that is not there', ['attach', 'eth9', OWN[4]])):
        checks.raises(f'decap refuses {what}', lab_module.LabError,
                      lambda args=args: server.host.run(tool, 'decap', *args))
    server.host.run(tool, 'decap', 'detach', 'eth1')
    checks.raises('decap is not detached twice', lab_module.LabError,
                  lambda: server.host.run(tool, 'decap', 'detach', 'eth1'))


def run(lab, checks):
    tool = f'{suite.BUILD}/apps/ballastctl'
    client = lab.host('client', *[f'{NETWORK[f]}100/{BITS[f]}' for f in NETWORK])
    ballast_host = lab.host('ballast', *[f'{OWN[f]}/{BITS[f]}' for f in NETWORK])
    servers = [Server(lab, f's{n}', 10 + n) for n in (1, 2)]
    for server in servers:
        server.host.run(tool, 'decap', 'attach', 'eth1', OWN[4], OWN[6], '--gue-port',
                        str(GUE_PORT))
    ballast = lab_module.Ballast(ballast_host, config(servers), suite.BUILD).start()
    wait_for('all servers are up', lambda: all(
        s['status'] == 'up' for s in ballast.get('status')['real_servers']))
    for way in WAYS:
        check_way(checks, client, servers, way)
    counters = ballast.counters()
    checks.check('too large for a tunnel at first: answered, and then smaller',
                 counters['drop_too_big'] > 0 and counters['icmp_sent'] > 0,
                 f"{counters['drop_too_big']} packets, {counters['icmp_sent']} answers")
    checks.equal('packets of connections that the servers answered past Ballast',
                 sum(s['packets_out'] for s in ballast.get('stats')['virtual_services']), 0)
    check_decap(checks, servers[0])
    checks.law('one way', ballast.stop())


suite.main(run)
