#!/usr/bin/python3
"""MSS clamping between real TCP ends: what each end sends at the most, by tunnels whose SYNs alone
pass Ballast, and by fullnat, where the answers pass too."""
import contextlib
import os
import socket
import struct
import threading

import lab as lab_module
import suite
from one_way import NETWORK, VIP, Server, node, on_net, service
from suite import wait_for

DATA = os.urandom(1 << 20)
MTU = 1500
OUTER = {4: 20, 6: 40}
HEADS = {4: 40, 6: 60}  # IP and TCP
GUE_BYTES = 8           # UDP: GUE carries IP packets without a head of its own
PLAIN = {family: MTU - HEADS[family] for family in HEADS}
# name, forwarding, family of the client, family of the server, clamp, what the server may send at
# the most, and the client
WAYS = ([(f'ipip IPv{c} in IPv{s} auto', 'ipip', c, s, 'auto', PLAIN[c] - OUTER[s], PLAIN[c])
         for c in (4, 6) for s in (4, 6)] +
        [(f'ipip IPv{c} in IPv4 1200', 'ipip', c, 4, 1200, 1200, PLAIN[c]) for c in (4, 6)] +
        [('ipip IPv4 in IPv4 9000', 'ipip', 4, 4, 9000, PLAIN[4], PLAIN[4]),
         ('ipip IPv4 in IPv4 off', 'ipip', 4, 4, None, PLAIN[4], PLAIN[4]),
         ('gue IPv4 in IPv4 auto', 'gue', 4, 4, 'auto', PLAIN[4] - OUTER[4] - GUE_BYTES, PLAIN[4])] +
        [(f'fullnat IPv{f} 1000', 'fullnat', f, f, 1000, 1000, 1000) for f in (4, 6)])
PORT = 8000


def segments(sock):
    """The largest that this end sends, and the largest that has come."""
    return struct.unpack_from('II', sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 24), 16)


class Sender:
    """Sends DATA to each client that asks, and notes what it saw of the connection."""

    def __init__(self, host, port):
        self.mss = None
        with host.inside():
            self.sock = socket.create_server(('::', port), family=socket.AF_INET6,
                                             dualstack_ipv6=True)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.sock.accept()
            # Probes connect too, and reset.
            with client, contextlib.suppress(OSError):
                if client.recv(1):
                    self.mss = segments(client)[0]
                    client.sendall(DATA)


def server_of(way):
    """With fullnat a server has to take the VIP for somebody else's."""
    return 'behind' if way[1] == 'fullnat' else 'beside'


def config(servers):
    pools = [suite.pool(f'{name}-ipv{family}', {f'{name}-ipv{family}': server.address[family]}, {})
             for name, server in servers.items() for family in NETWORK]
    services = []
    for n, way in enumerate(WAYS):
        name, mode, client, to, clamp = way[:5]
        more = {} if clamp is None else {'mss_clamp': clamp}
        services.append(service(name.replace(' ', '-'), mode, client, 'tcp', PORT + n,
                                f'{server_of(way)}-ipv{to}', **more))
    return {'version': 1, 'server_pools': pools, 'virtual_services': services, 'node': node()}


def check_way(checks, client, sender, way, port):
    name, _, family, _, _, of_server, of_client = way
    received = b''
    with contextlib.closing(client.connect(VIP[family], port, timeout_s=30)) as sock:
        sock.sendall(b'?')
        while len(received) < len(DATA) and (more := sock.recv(65536)):
            received += more
        sends, came = segments(sock)
    checks.check(f'{name}: what was sent arrives whole', received == DATA)
    checks.equal(f'{name}: the server sends at the most', sender.mss, of_server)
    checks.check(f'{name}: the client got no larger segment', came <= of_server, came)
    checks.equal(f'{name}: the client sends at the most', sends, of_client)


def run(lab, checks):
    client = lab.host('client', *on_net(100))
    servers = {name: Server(lab, name, last) for name, last in (('beside', 11), ('behind', 12))}
    servers['beside'].decap('attach')
    for family in NETWORK:
        servers['beside'].vip('add', family)
    for host in (client, *[server.host for server in servers.values()]):
        # A timestamp takes its bytes from each segment.
        host.run('sysctl', '-qw', 'net.ipv4.tcp_timestamps=0')
    senders = [Sender(servers[server_of(way)].host, PORT + n) for n, way in enumerate(WAYS)]
    host = lab.host('ballast', *on_net(2))
    ballast = lab_module.Ballast(host, config(servers), suite.BUILD).start()
    wait_for('the servers are up', lambda: all(
        s['status'] == 'up' for s in ballast.get('status')['real_servers']))
    for n, way in enumerate(WAYS):
        check_way(checks, client, senders[n], way, PORT + n)
    checks.law('clamped', ballast.stop())


if __name__ == '__main__':
    suite.main(run)
