"""Real servers for dsr, ipip and gue: they hold the VIPs and answer the clients themselves."""
import contextlib
import os
import socket
import threading

import lab as lab_module
import suite

NETWORK = {4: '192.0.2.', 6: '2001:db8::'}
BITS = {4: 24, 6: 64}
VIP = {family: NETWORK[family] + '10' for family in NETWORK}
OWN = {family: NETWORK[family] + '2' for family in NETWORK}
GUE_PORT = 6080
TOOL = f'{suite.BUILD}/apps/ballastctl'


def on_net(last, net=None):
    """The addresses of a host, both families."""
    return [f'{prefix}{last}/{BITS[family]}' for family, prefix in (net or NETWORK).items()]


class Server:
    """An nginx and a UDP echo that know their server's name. This kernel has no tunnel devices:
    tunnels are opened by ballastctl."""

    def __init__(self, lab, name, last, bridge='br0', net=None):
        net = net or NETWORK
        self.address = {family: f'{net[family]}{last}' for family in net}
        self.host = lab.host(name, *on_net(last, net), bridge=bridge)
        self.host.run('sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1',
                      'net.ipv4.conf.all.arp_announce=2')
        self.nginx, self.echoes = None, []

    def vip(self, verb, family):
        """`add` or `delete` on lo."""
        extra = ['nodad'] if family == 6 and verb == 'add' else []
        self.host.run('ip', 'address', verb, f'{VIP[family]}/{32 if family == 4 else 128}', 'dev',
                      'lo', *extra)

    def decap(self, verb):
        """`attach` or `detach`."""
        more = [*OWN.values(), '--gue-port', str(GUE_PORT)] if verb == 'attach' else []
        self.host.run(TOOL, 'decap', verb, 'eth1', *more)

    def serve(self, ports):
        """All ports at every address; uploads are stored."""
        self.nginx = lab_module.Nginx(self.host, ports, 'location /put/ { root .; dav_methods PUT; '
                                      'create_full_put_path on; client_max_body_size 8m; }')

    def stored(self, name):
        """What was uploaded as /put/NAME, None: nothing."""
        with contextlib.suppress(FileNotFoundError):
            with open(f'{self.nginx.folder}/put/{name}', 'rb') as data:
                return data.read()
        return None

    def echo(self, family, port):
        """A UDP server has to be bound to the VIP, or it answers from another address."""
        with self.host.inside():
            sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6,
                                 socket.SOCK_DGRAM)
            sock.bind((VIP[family], port))
        self.echoes.append(sock)
        threading.Thread(target=self.repeat, args=(sock,), daemon=True).start()

    def repeat(self, sock):
        while True:
            # An ICMP error about an earlier answer shows here.
            with contextlib.suppress(OSError):
                data, peer = sock.recvfrom(65536)
                sock.sendto(self.host.name.encode() + b' ' + data, peer)


def node(workers=None):
    """`node` of the configuration: both families, so that both can be asked about."""
    out = {'interfaces': [{'name': 'lan', 'device': 'af_xdp:eth1', 'addresses': on_net(2)}]}
    if workers is not None:
        out['workers'] = workers
    return out


def service(name, mode, vip_family, protocol, port, pool, **more):
    keys = {'forwarding': mode} | ({'gue_port': GUE_PORT} if mode == 'gue' else {})
    return suite.service(name, VIP[vip_family], protocol, port, pool, **keys, **more)


