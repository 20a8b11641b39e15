"""Networks of clients, routers, Ballast and real servers."""


class Network:
    """One forwarding mode and family: who has which address."""

    def __init__(self, forwarding, family, arms):
        self.forwarding, self.family, self.arms = forwarding, family, arms
        six = family == 'ipv6'
        self.clients = '2001:db8:3::' if six else '203.0.113.'
        self.outside = '2001:db8:1::' if six else '198.51.100.'
        self.inside = '2001:db8:2::' if six else '192.0.2.'
        self.bits = 64 if six else 24
        self.vip = f'{self.outside}10'

    def on(self, net, last):
        return f'{net}{last}/{self.bits}'

    def subnet(self, net):
        return f'{net}{"" if self.family == "ipv6" else 0}/{self.bits}'

    def name(self):
        return f'{self.forwarding} {self.family}{" one-armed" if self.arms == 1 else ""}'


def add_route(host, via, to=None):
    host.run('ip', 'route', 'add', to or ('::/0' if ':' in via else '0.0.0.0/0'), 'via', via)


def forward_packets(host):
    host.run('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
