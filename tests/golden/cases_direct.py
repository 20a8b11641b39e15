"""Cases of the modes in which the client's packet reaches the server as it is and the reply does not
come back through Ballast."""
from frames import (BALLAST_MAC, FAMILIES, GATEWAY_MAC, NETWORK, VIP, UNREACHABLE, EXPIRED,
                    ICMP_WORDS, client, client_on_link, configuration, frame, icmp_error, packet,
                    reset_of, server, service, transport)
from scapy.layers.inet import IPOption_NOP
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, PadN
from scapy.packet import raw
from statement import Case

LARGE = bytes(range(256)) * 5


class OneWay:
    """The client's packets of one connection; `wrap` makes of an IP packet what leaves, without
    its Ethernet header."""

    def __init__(self, case, proto, who, port, host, wrap=lambda inner: inner):
        self.case, self.proto, self.client, self.port = case, proto, who, port
        self.server, self.wrap = host, wrap
        self.family = 6 if ':' in who.address else 4
        self.is_known = False

    def packet(self, flags='A', payload=b'', ttl=64, **shape):
        fields = {'flags': flags, 'seq': 7, 'ack': 9 if 'A' in flags else 0} \
            if self.proto == 'tcp' else {}
        return packet(self.client.address, VIP[self.family],
                      transport(self.proto, self.client.port, self.port, payload, **fields),
                      ttl=ttl, **shape)

    def reply(self, payload=b'the answer'):
        """What the server sends past Ballast."""
        return packet(VIP[self.family], self.client.address,
                      transport(self.proto, self.port, self.client.port, payload))

    def pass_on(self, inner, padding=b'', kept=None):
        """`kept`: the padding behind what leaves."""
        self.case.forwarded(frame(self.client.mac, BALLAST_MAC, inner, padding),
                            frame(BALLAST_MAC, self.server.mac, self.wrap(inner),
                                  padding if kept is None else kept))

    def up(self, flags='A', payload=b'', **shape):
        self.pass_on(self.packet(flags, payload, **shape))
        if not self.is_known:
            self.case.expect(conn_created=1)
            self.is_known = True
        if self.proto == 'tcp' and 'R' in flags:
            self.case.expect(tcp_rst_seen=1)

    def reported(self, why):
        """An ICMP error of a router about the server's answer: it comes to the VIP, and the one
        who has to hear of it is the server."""
        head = ICMP_WORDS[self.family, why]()
        self.pass_on(packet(NETWORK[self.family] + '77', VIP[self.family],
                            icmp_error(head, raw(self.reply(LARGE))[:300]), ttl=63))
        self.case.expect(icmp_passed_on=1)


def life(case, proto, who, port, host, wrap=lambda inner: inner):
    """From the first packet to the last, errors and odd shapes between."""
    flow = OneWay(case, proto, who, port, host, wrap)
    flow.up('S')
    flow.up('A')
    flow.up('PA', b'question')
    flow.up('PA', b'odd')
    flow.up('A', LARGE, ttl=1)
    if flow.family == 4:
        flow.up('A', b'options', options=[IPOption_NOP()] * 4, tos=0xb9)
    else:
        flow.up('A', b'options', extensions=[IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0' * 4)])],
                tc=0xb9)
    flow.reported(UNREACHABLE)
    flow.reported(EXPIRED)
    flow.up('FA')
    flow.up('A')
    return flow


def stray(case, family, port):
    """Nobody's packet in mid-stream."""
    who = client(9, family)
    bounced = frame(who.mac, BALLAST_MAC, packet(who.address, VIP[family], transport(
        'tcp', who.port, port, flags='A', seq=1, ack=2)))
    case.answered(bounced, 'drop_no_connection', reset_of(bounced), 'rst_sent')


def dsr():
    case = Case('13-dsr', configuration('link-layer addresses only, both families', [
        service(proto, family, [80], [server(1, family)], protocol=proto, forwarding='dsr')
        for family in FAMILIES for proto in ('tcp', 'udp')]))
    for family in FAMILIES:
        for proto in ('tcp', 'udp'):
            flow = life(case, proto, client(1, family), 80, server(1, family))
            flow.pass_on(flow.packet('A'), padding=b'\x01\x02\x03\x04\x05\x06')
            life(case, proto, client_on_link(2, family), 80, server(1, family))
        stray(case, family, 80)
    return case


def dsr_behind_gateway():
    """The gateway would route a packet to the VIP straight back."""
    far = {4: '203.0.113.11', 6: '2001:db8:7::11'}
    case = Case('14-dsr-behind-gateway', configuration('dsr servers that are not on the link', [
        service('web', family, [80], [{'name': f'far{family}', 'address': far[family]}],
                forwarding='dsr') for family in FAMILIES], unresolved=list(far.values())))
    for family in FAMILIES:
        who = client(1, family)
        case.dropped(frame(GATEWAY_MAC, BALLAST_MAC, packet(
            who.address, VIP[family], transport('tcp', who.port, 80, flags='S'))),
            'drop_not_on_link')
    return case


CASES = [dsr, dsr_behind_gateway]
