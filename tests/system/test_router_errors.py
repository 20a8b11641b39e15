#!/usr/bin/python3
"""What routers say about dsr, ipip and gue reaches who can do something about it: narrow links
between Ballast and a real server behind a tunnel, and between server and client."""
import contextlib
import hashlib
import os

import lab as lab_module
import suite
from one_way import BITS, NETWORK, VIP, Server, node, on_net, service
from routed import add_route, forward_packets
from suite import wait_for
from test_icmp_error import Transfers, path_mtu, read, set_link
from test_one_way import WAYS

NARROW_SERVERS, NARROW_CLIENTS, WIDE = 1400, 1300, 1500
CLIENTS = {4: '203.0.113.', 6: '2001:db8:3::'}
NEAR = {4: '10.0.1.', 6: '2001:db8:a::'}  # between the routers beside the client
FAR = {4: '10.0.2.', 6: '2001:db8:b::'}   # ... and beside the servers of tunnels
SERVERS = {4: '10.0.3.', 6: '2001:db8:c::'}
OUTER_BYTES = {4: 20, 6: 40}
UDP_BYTES = 8
SIZE = 1 << 20


def routes(host, via, last, *nets):
    """To `nets`, or everywhere, by via's host `last`."""
    for family in via:
        for to in [f'{net[family]}{"0" if family == 4 else ""}/{BITS[family]}'
                   for net in nets] or [None]:
            add_route(host, f'{via[family]}{last}', to)


class Chain:
    """client - r1 - narrow - r2 - (Ballast, server of dsr) - r3 - narrow - r4 - server of tunnels."""

    def __init__(self, lab, cores):
        for bridge in ('clients', 'near', 'far', 'servers'):
            lab.bridge(bridge)
        self.client = lab.host('client', *on_net(100, CLIENTS), bridge='clients')
        self.r1 = lab.host('r1', *on_net(1, CLIENTS), bridge='clients')
        self.r1.attach('near', 'eth2', on_net(1, NEAR))
        self.r2 = lab.host('r2', *on_net(1))
        self.r2.attach('near', 'eth2', on_net(2, NEAR))
        self.r3 = lab.host('r3', *on_net(3))
        self.r3.attach('far', 'eth2', on_net(1, FAR))
        self.r4 = lab.host('r4', *on_net(1, SERVERS), bridge='servers')
        self.r4.attach('far', 'eth2', on_net(2, FAR))
        self.link = Server(lab, 'link', 11)
        self.tunnel = Server(lab, 'tunnel', 11, bridge='servers', net=SERVERS)
        self.host = lab.host('ballast', *on_net(2), queues=len(cores))
        for router in (self.r1, self.r2, self.r3, self.r4):
            forward_packets(router)
            # The servers answer from the VIP, which lies elsewhere.
            router.run('sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=0',
                       'net.ipv4.conf.eth1.rp_filter=0', 'net.ipv4.conf.eth2.rp_filter=0',
                       'net.ipv4.icmp_ratelimit=0', 'net.ipv6.icmp.ratelimit=0')
        routes(self.client, CLIENTS, 1)
        routes(self.r1, NEAR, 2)
        routes(self.r2, NEAR, 1, CLIENTS)
        routes(self.r2, NETWORK, 3, FAR, SERVERS)
        routes(self.r3, NETWORK, 1)
        routes(self.r3, FAR, 2, SERVERS)
        routes(self.r4, FAR, 1)
        routes(self.host, NETWORK, 1)
        routes(self.host, NETWORK, 3, FAR, SERVERS)
        routes(self.link.host, NETWORK, 1)
        routes(self.tunnel.host, SERVERS, 1)
        self.tunnel.decap('attach')
        for server in (self.link, self.tunnel):
            for family in VIP:
                server.vip('add', family)
        self.ballast = lab_module.Ballast(self.host, self.config(cores), suite.BUILD,
                                          memory_mib=128 * len(cores))

    def config(self, cores):
        # Without monitors: a router limits how often it complains, and not of probes here.
        pools = [suite.pool(f'{server.host.name}-ipv{family}',
                            {f'{server.host.name}-ipv{family}': server.address[family]})
                 for server in (self.link, self.tunnel) for family in NETWORK]
        return {'version': 1, 'node': node(cores), 'server_pools': pools, 'virtual_services': [
            service(name.replace(' ', '-'), mode, client, 'tcp', port,
                    f'{"link" if mode == "dsr" else "tunnel"}-ipv{server}')
            for name, mode, client, server, port in WAYS]}

    def forget(self):
        """What the ends have learnt about paths."""
        for host in (self.client, self.link.host, self.tunnel.host):
            for family in ('-4', '-6'):
                host.run('ip', family, 'route', 'flush', 'cache')


def narrowed(way):
    """What the link beside the servers leaves for the client's packet."""
    _, mode, _, server, _ = way
    return NARROW_SERVERS - OUTER_BYTES[server] - (UDP_BYTES if mode == 'gue' else 0)


def check_upload(chain, checks, way, data):
    name, _, family, _, port = way
    chain.forget()
    with contextlib.closing(chain.client.connect(VIP[family], port, timeout_s=60)) as sock:
        sock.sendall(b'U' + data)
        checks.check(f'{name}: an upload through a tunnel over a narrow link',
                     read(sock, 32) == hashlib.sha256(data).digest())
        checks.equal(f"{name}: the client has learnt what the tunnel's path takes",
                     path_mtu(sock), narrowed(way))


def check_download(chain, checks, way, transfers):
    name, mode, family, _, port = way
    chain.forget()
    server = transfers['dsr' if mode == 'dsr' else 'tunnel', port]
    with contextlib.closing(chain.client.connect(VIP[family], port, timeout_s=60)) as sock:
        sock.sendall(b'D')
        checks.check(f'{name}: a download over a narrow link beside the client',
                     read(sock, SIZE) == server.data)
        sock.sendall(b'.')
        wait_for('the server has looked', lambda: server.path_mtu)
    checks.equal(f"{name}: the server has learnt the link's size", server.path_mtu, NARROW_CLIENTS)


def check_unreachable(chain, checks, way, data):
    """The last router loses the server for a while: nobody resets, the upload goes on after it."""
    name, _, family, server, port = way
    at = chain.tunnel.address[server]
    route = 'unreachable', f'{chain.tunnel.address[server]}/{32 if server == 4 else 128}'
    before = chain.ballast.counters()['drop_icmp_tunnel']
    with contextlib.closing(chain.client.connect(VIP[family], port, timeout_s=60)) as sock:
        sock.sendall(b'U' + data[:SIZE // 2])
        chain.r4.run('ip', 'route', 'add', *route)
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sent = SIZE // 2
            sent += sock.send(data[sent:sent + 1000])
        wait_for('the router has said so', lambda: chain.ballast.counters()[
            'drop_icmp_tunnel'] > before)
        chain.r4.run('ip', 'route', 'delete', *route)
        sock.settimeout(60)
        sock.sendall(data[sent:])
        checks.check(f'{name}: an upload goes on when the server can be reached again',
                     read(sock, 32) == hashlib.sha256(data).digest())


def run(lab, checks):
    cores = sorted(os.sched_getaffinity(0))[:2]
    data = os.urandom(SIZE)
    chain = Chain(lab, cores)
    transfers = {(name, way[4]): Transfers(server.host, way[4], data) for way in WAYS
                 for name, server in (('dsr', chain.link), ('tunnel', chain.tunnel))}
    chain.ballast.start()
    tunnels = [way for way in WAYS if way[1] != 'dsr']
    set_link((chain.r3, chain.r4), NARROW_SERVERS)
    for way in tunnels:
        check_upload(chain, checks, way, data)
    for way in tunnels:
        check_unreachable(chain, checks, way, data)
    set_link((chain.r3, chain.r4), WIDE)
    set_link((chain.r1, chain.r2), NARROW_CLIENTS)
    for way in WAYS:
        check_download(chain, checks, way, transfers)
    counters = chain.ballast.counters()
    checks.check('routers told Ballast of its tunnels and the servers of the clients',
                 counters['drop_too_big'] >= len(tunnels) <= counters['icmp_sent']
                 and counters['icmp_passed_on'] >= len(WAYS),
                 {name: counters[name] for name in ('drop_too_big', 'icmp_sent', 'icmp_passed_on',
                                                    'drop_icmp_tunnel')})
    checks.law('errors of routers', chain.ballast.stop())


if __name__ == '__main__':
    suite.main(run)
