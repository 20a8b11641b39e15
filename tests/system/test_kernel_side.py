#!/usr/bin/python3
"""What is not for the services stays the kernel's; services without a server; fragments."""
import contextlib
import errno
import socket

import lab as lab_module
import suite
from suite import ask_udp, wait_for

OWN = {'ipv4': '192.0.2.2', 'ipv6': '2001:db8::2'}
VIP = {'ipv4': '192.0.2.10', 'ipv6': '2001:db8::10'}
SERVER = {'ipv4': '192.0.2.11', 'ipv6': '2001:db8::11'}
NEW = {'ipv4': '192.0.2.77', 'ipv6': '2001:db8::77'}
NOBODY = {'ipv4': '192.0.2.99', 'ipv6': '2001:db8::99'}
TCP_PORT, UDP_PORT, DEAD_DROP, DEAD_REJECT, SSH_PORT = 80, 7007, 81, 82, 2222


def config(family):
    more = {'forwarding': 'fullnat'}
    drop, reject = dict(more, no_server_action='drop'), dict(more, no_server_action='reject')
    vip = VIP[family]
    return {'version': 1,
            'node': {'interfaces': [{'name': 'lan', 'device': 'af_xdp:eth1'}]},
            'server_pools': [suite.pool('live', {'server': SERVER[family]}, {'port': TCP_PORT}),
                             suite.pool('dead', {'nobody': NOBODY[family]},
                                        {'port': TCP_PORT, 'timeout_ms': 1000})],
            'virtual_services': [
                suite.service('web', vip, 'tcp', TCP_PORT, 'live', **more),
                suite.service('echo', vip, 'udp', UDP_PORT, 'live', **more),
                suite.service('drop-tcp', vip, 'tcp', DEAD_DROP, 'dead', **drop),
                suite.service('drop-udp', vip, 'udp', DEAD_DROP, 'dead', **drop),
                suite.service('reject-tcp', vip, 'tcp', DEAD_REJECT, 'dead', **reject),
                suite.service('reject-udp', vip, 'udp', DEAD_REJECT, 'dead', **reject)]}


def check_kernel(client, ballast, family, checks):
    """ARP or NDP, ping and TCP of the host itself, with the XDP program attached."""
    for what, address in (('its own address', OWN[family]), ('the VIP', VIP[family])):
        client.run('ip', 'neigh', 'flush', 'dev', 'eth1')
        client.run('ping', '-c', '1', '-W', '20', address)
        checks.check(f'{family}: {what} is resolved and answers ping',
                     'lladdr' in client.run('ip', 'neigh', 'show', address))
        client.run('ping', '-c', '1', '-W', '20', '-s', '3000', address)
        checks.check(f'{family}: {what} answers a ping in fragments', True)
        checks.raises(f'{family}: a port of {what} that nobody serves is refused',
                      ConnectionRefusedError,
                      lambda where=address: client.connect(where, 4444, timeout_s=30))
        with client.connect(address, SSH_PORT, timeout_s=30) as sock:
            sock.sendall(b'hello')
            checks.equal(f'{family}: a server on {what} beside the services',
                         sock.recv(5, socket.MSG_WAITALL), b'hello')
    ballast.host.run('ping', '-c', '1', '-W', '20', SERVER[family])
    checks.check(f'{family}: Ballast itself reaches others', True)


def check_no_server(client, ballast, family, checks):
    checks.raises(f'{family}: no server and reject: TCP is refused', ConnectionRefusedError,
                  lambda: client.connect(VIP[family], DEAD_REJECT, timeout_s=30))
    checks.raises(f'{family}: no server and reject: UDP is refused', ConnectionRefusedError,
                  lambda: ask_udp(client, VIP[family], DEAD_REJECT, b'hello'))
    before = ballast.counters()['drop_no_server']
    checks.raises(f'{family}: no server and drop: TCP gets no answer', TimeoutError,
                  lambda: client.connect(VIP[family], DEAD_DROP, timeout_s=0.5))
    checks.check(f'{family}: its packets are dropped by name', wait_for(
        'drops', lambda: ballast.counters()['drop_no_server'] > before))
    before = ballast.counters()
    with client.inside(), contextlib.closing(socket.socket(
            socket.AF_INET6 if family == 'ipv6' else socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.connect((VIP[family], DEAD_DROP))
        sock.send(b'hello')
        wait_for('the datagram is dropped', lambda: ballast.counters()['drop_no_server'] >
                 before['drop_no_server'])
        checks.equal(f'{family}: no server and drop: UDP gets no answer',
                     (sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
                      ballast.counters()['icmp_sent']), (0, before['icmp_sent']))


def check_fragments(client, ballast, family, checks):
    """Parts of a datagram to a service follow the first one; those to a port of the kernel's are the
    kernel's."""
    checks.check(f'{family}: a datagram in parts is answered',
                 ask_udp(client, VIP[family], UDP_PORT, b'x' * 3000).endswith(b'x' * 3000))
    before = ballast.counters()['punted']
    checks.raises(f'{family}: a datagram in parts to no service is answered by the kernel',
                  ConnectionRefusedError,
                  lambda: ask_udp(client, VIP[family], UDP_PORT + 1, b'x' * 3000))
    checks.check(f'{family}: it had all parts', ballast.counters()['punted'] >= before + 3)


def serve_own_port(host):
    host.start('python3', '-c', f'''
import socket
server = socket.create_server(("::", {SSH_PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    client, _ = server.accept()
    with client:
        client.sendall(client.recv(5, socket.MSG_WAITALL))
''')
    host.wait_port(SSH_PORT)


def run(lab, checks):
    client = lab.host('kclient', '192.0.2.100/24', '2001:db8::100/64')
    server = lab.host('kserver', '192.0.2.11/24', '2001:db8::11/64')
    host = lab.host('kballast', '192.0.2.2/24', '2001:db8::2/64')
    lab_module.Nginx(server, [TCP_PORT])
    lab_module.UdpEcho(server, UDP_PORT)
    serve_own_port(host)
    for family in ('ipv4', 'ipv6'):
        ballast = lab_module.Ballast(host, config(family), suite.BUILD).start()
        wait_for('the server is up', lambda b=ballast: b.get('real-servers/server')['status']
                 == 'up')
        wait_for('nobody is down', lambda b=ballast: b.get('real-servers/nobody')['status']
                 == 'down')
        check_kernel(client, ballast, family, checks)
        checks.equal(f'{family}: the service', client.get(VIP[family], TCP_PORT), 'kserver')
        check_no_server(client, ballast, family, checks)
        check_fragments(client, ballast, family, checks)
        suite.check_announced(checks, ballast, client, suite.service(
            'new', NEW[family], 'tcp', TCP_PORT, 'live', forwarding='fullnat'),
            ballast.get('status')['interfaces'][0]['mac'])
        checks.law(family, ballast.stop())


suite.main(run)
