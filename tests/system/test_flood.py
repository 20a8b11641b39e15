#!/usr/bin/python3
"""A small table of connections, three quarters of it in use, and floods from random sources: what is
open loses nothing, and good clients still get in."""
import contextlib
import http.client
import json
import os
import socket
import subprocess
import threading
import time

import lab as lab_module
import suite
from one_way import NETWORK, VIP, Server, node, on_net, service
from routed import add_route, forward_packets
from suite import ask, wait_for

FLOODER = f'{suite.BUILD}/tests/system/flooder'
CLIENTS = {4: '203.0.113.', 6: '2001:db8:3::'}
NAT_ADDRESS = {family: NETWORK[family] + '9' for family in NETWORK}
# name, forwarding, scheduler, port
WAYS = (('fullnat', 'fullnat', 'round_robin', 8001), ('dsr', 'dsr', 'round_robin', 8002),
        ('ipip', 'ipip', 'round_robin', 8003), ('hash', 'dsr', 'maglev', 8004))
TARGETS = [(name, family, port) for name, _, _, port in WAYS for family in NETWORK]
N_HELD, N_GOOD = 32, 8  # of each target, for either protocol
N_CONNECTIONS = 440  # room for 880 entries, of which those held take 640
FLOOD = {'seconds': 60, 'packets': 12000000, 'per_second': 200000}
SEED = int(os.environ.get('LB_TEST_SEED', time.time_ns() % 1000000007))
BLOCK = 256 << 10
PATIENCE_S, N_ATTEMPTS = 10, 5
# The first flood touches the notes of who has come before (decision 0080) and all buffers.
GROWTH_KIB = {'tcp': 32 << 10, 'udp': 4 << 10}


def config(servers, cores):
    pools = [suite.pool(f'ipv{family}', {f'{s.host.name}-ipv{family}': s.address[family]
                                         for s in servers}, {}) for family in NETWORK]
    services = [service(f'{name}-{proto}-ipv{family}', mode, family, proto, port, f'ipv{family}',
                        **{'scheduler': scheduler} | ({'nat_source': 'sources'}
                                                      if mode == 'fullnat' else {}))
                for name, mode, scheduler, port in WAYS for family in NETWORK
                for proto in ('tcp', 'udp')]
    return {'version': 1, 'server_pools': pools, 'virtual_services': services,
            'nat_sources': [{'name': 'sources', 'addresses': list(NAT_ADDRESS.values())}],
            'node': node(cores) | {'limits': {'connections': N_CONNECTIONS}}}


class Transfer(threading.Thread):
    """One connection that stores block after block at nginx and reads each back."""

    def __init__(self, client, family, port):
        super().__init__(daemon=True)
        self.path, self.n_whole, self.fault, self.is_wanted = f'/put/{port}-{family}', 0, None, True
        self.http = http.client.HTTPConnection(VIP[family], port, timeout=60)
        with client.inside():
            self.http.connect()
        self.http.auto_open = 0  # a second connection would hide the end of the first
        self.start()

    def request(self, method, body=None):
        self.http.request(method, self.path, body)
        return self.http.getresponse().read()

    def run(self):
        try:
            while self.is_wanted:
                block = os.urandom(BLOCK)
                self.request('PUT', block)
                if self.request('GET') != block:
                    self.fault = 'other bytes than it sent'
                    return
                self.n_whole += 1
                time.sleep(0.05)  # the processor is for the flood
        except (OSError, http.client.HTTPException) as error:
            self.fault = repr(error)

    def end(self):
        self.is_wanted = False
        self.join()
        self.http.close()


class Asker:
    """A client's UDP socket. Answers begin with the name of their server."""

    def __init__(self, client, family, port):
        with client.inside():
            self.sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6,
                                      socket.SOCK_DGRAM)
        self.sock.connect((VIP[family], port))
        self.sock.settimeout(0.5)

    def ask(self, timeout_s=60):
        """Repeats its question, as it may be lost; None: no answer."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                self.sock.send(b'word')
                return self.sock.recv(4096).split()[0].decode()
        return None

    def close(self):
        self.sock.close()


class Good(threading.Thread):
    """A client that opens a connection, as patient as TCP is, and tries again when that fails."""

    def __init__(self, client, proto, family, port):
        super().__init__(daemon=True)
        self.client, self.proto, self.at = client, proto, (family, port)
        self.seconds, self.faults = None, []  # no seconds: not served
        self.start()

    def attempt(self):
        family, port = self.at
        if self.proto == 'tcp':
            return self.client.get(VIP[family], port, timeout_s=PATIENCE_S)
        with contextlib.closing(Asker(self.client, family, port)) as asker:
            return asker.ask(PATIENCE_S)

    def run(self):
        begun = time.monotonic()
        while self.seconds is None and len(self.faults) < N_ATTEMPTS:
            try:
                if self.attempt():
                    self.seconds = time.monotonic() - begun
                else:
                    self.faults.append('no answer')
            except (OSError, lab_module.LabError) as error:
                self.faults.append(repr(error))


class Flood:
    """The flooder, on the router's link to Ballast, until it is told to end."""

    def __init__(self, router, mac, proto):
        targets = [str(word) for _, family, port in TARGETS for word in (VIP[family], port)]
        numbers = map(str, [*FLOOD.values(), SEED])
        self.process = router.start(FLOODER, 'eth1', mac, *numbers, proto, *targets, text=True,
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def is_on(self):
        return self.process.poll() is None

    def end(self):
        """(packets, packets a second)"""
        out = json.loads(self.process.communicate()[0])
        return out['sent'], out['sent'] * 1000 // max(1, out['ms'])


def resident_kib(process):
    with open(f'/proc/{process.pid}/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmRSS:'))


class Held:
    """A connection of each protocol that is in use."""

    def __init__(self, client, family, port):
        self.tcp = client.connect(VIP[family], port, timeout_s=60)
        self.tcp_server = ask(self.tcp)
        self.udp = Asker(client, family, port)
        self.udp.ask()
        self.udp_server = self.udp.ask()  # one datagram may be forged

    def faults(self):
        try:
            if (name := ask(self.tcp)) != self.tcp_server:
                yield 'tcp', name
        except OSError as error:
            yield 'tcp', repr(error)
        if (name := self.udp.ask()) != self.udp_server:
            yield 'udp', name


def check_held(checks, what, held):
    checks.equal(f'{what} of {len(held)} open connections by TCP and by UDP are lost',
                 [fault for one in held for fault in one.faults()], [])


def check_good(checks, what, client, flood):
    goods = []
    for _ in range(N_GOOD):
        for _, family, port in TARGETS:
            for proto in ('tcp', 'udp'):
                goods.append(Good(client, proto, family, port))
                # As they come in reality: one after the other.
                time.sleep(0.01)
    for good in goods:
        good.join()
    checks.check(f'{what} all this while the flood was on', flood.is_on())
    checks.equal(f'{what} of {len(goods)} good clients are not served',
                 [(good.proto, *good.at, good.faults) for good in goods
                  if good.seconds is None], [])
    first = [good.seconds for good in goods if good.seconds is not None and not good.faults]
    print(f'       {what} {len(first) / len(goods):.2%} by their first connection, '
          f'{sum(s < 0.5 for s in first)} of {len(goods)} at once, the last after '
          f'{max(first):.1f} s', [good.faults for good in goods if good.faults] or '')


def flooded(counters, before):
    return {name: counters[name] - before[name] for name in counters
            if counters[name] != before[name] and (name.startswith(('drop_', 'conn_'))
                                                   or name == 'found_by_hash')}


def check_flood(checks, proto, ballast, client, router, held):
    what = f'{"SYN" if proto == "tcp" else "UDP"} flood:'
    before, rss = ballast.counters(), resident_kib(ballast.process)
    transfers = [Transfer(client, family, port) for _, family, port in TARGETS]
    flood = Flood(router, ballast.mac, proto)
    wait_for('the table is full', lambda: ballast.counters()['drop_unproven'] > before[
        'drop_unproven'])
    n_whole = [transfer.n_whole for transfer in transfers]
    check_good(checks, what, client, flood)
    check_held(checks, what, held)
    wait_for('all transfers went on', lambda: all(
        transfer.fault or transfer.n_whole > n for transfer, n in zip(transfers, n_whole)))
    n_sent, per_second = flood.end()
    for transfer in transfers:
        transfer.end()
    checks.equal(f'{what} {sum(t.n_whole for t in transfers)} blocks of {BLOCK >> 10} KiB by '
                 f'{len(transfers)} connections: faults',
                 [t.fault for t in transfers if t.fault], [])
    after, grown = ballast.counters(), resident_kib(ballast.process) - rss
    print(f"       {what} {n_sent} packets sent, {per_second} a second; with all others "
          f"{after['rx'] - before['rx']} received")
    print(f'       {what} {flooded(after, before)}')
    checks.check(f'{what} memory is bounded', grown < GROWTH_KIB[proto], f'{grown} KiB more')
    for name in ('drop_unproven', 'conn_hash_only', 'conn_evicted_embryonic'):
        checks.check(f'{what} {name} counts', after[name] > before[name])


def check_installation(lab, checks, client, router, servers, cores):
    host = lab.host(f'ballast{len(cores)}', *on_net(2), queues=len(cores))
    for family in NETWORK:
        add_route(host, f'{NETWORK[family]}1')
    ballast = lab_module.Ballast(host, config(servers, cores), suite.BUILD,
                                 memory_mib=128 * len(cores)).start()
    ballast.mac = host.run('cat', '/sys/class/net/eth1/address').strip()
    wait_for('all servers are up', lambda: all(
        s['status'] == 'up' for s in ballast.get('status')['real_servers']))
    held = [Held(client, family, port) for _, family, port in TARGETS for _ in range(N_HELD)]
    for proto in ('tcp', 'udp'):
        check_flood(checks, proto, ballast, client, router, held)
    check_held(checks, 'after the floods', held)
    checks.law('floods', ballast.stop())


def run(lab, checks):
    print(f'LB_TEST_SEED={SEED}')
    cores = sorted(os.sched_getaffinity(0))[:1]
    lab.bridge('outside')
    router = lab.host('router', *on_net(1))
    router.attach('outside', 'eth2', [f'{CLIENTS[4]}1/24', f'{CLIENTS[6]}1/64'])
    forward_packets(router)
    # Where the answers to sources that are nowhere go.
    for family in ('-4', '-6'):
        router.run('ip', family, 'route', 'add', 'blackhole', 'default')
    client = lab.host('client', f'{CLIENTS[4]}100/24', f'{CLIENTS[6]}100/64', bridge='outside')
    for family in CLIENTS:
        add_route(client, f'{CLIENTS[family]}1')
    servers = [Server(lab, f's{n}', 10 + n) for n in (1, 2)]
    for server in servers:
        server.decap('attach')
        server.serve([way[3] for way in WAYS])
        for family in NETWORK:
            server.vip('add', family)
            add_route(server.host, f'{NETWORK[family]}1')
            for _, mode, _, port in WAYS:
                if mode != 'fullnat':
                    server.echo(family, port)
        lab_module.UdpEcho(server.host, WAYS[0][3])
    check_installation(lab, checks, client, router, servers, cores)


if __name__ == '__main__':
    suite.main(run)
