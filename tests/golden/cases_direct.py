"""Cases of the modes in which the client's packet reaches the server as it is and the reply does not
come back through Ballast; and of packets that are too large for their way."""
from frames import (BALLAST_MAC, FAMILIES, GATEWAY_MAC, NETWORK, VIP, UNREACHABLE, EXPIRED,
                    ICMP_WORDS, Flow, client, client_on_link, configuration, frame, icmp_error,
                    packet, reset_of, server, service, transport, vip_source)
from scapy.layers.inet import ICMP, IP, UDP, IPOption_NOP
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6,
                                IPv6ExtHdrDestOpt, PadN)
from scapy.layers.l2 import Ether
from scapy.packet import Raw, raw
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

    def packet(self, flags='A', payload=b'', ttl=64, l4=None, **shape):
        fields = {'flags': flags, 'seq': 7, 'ack': 9 if 'A' in flags else 0} \
            if self.proto == 'tcp' else {}
        fields |= l4 or {}
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

    def guess(self, flags, **numbers):
        """Somebody else's packet."""
        self.pass_on(self.packet(flags, l4=numbers))
        if 'R' in flags:
            self.case.expect(tcp_rst_seen=1)

    def stray(self):
        """Of a connection that is forgotten."""
        got = frame(self.client.mac, BALLAST_MAC, self.packet('A'))
        self.case.answered(got, 'drop_no_connection', reset_of(got), 'rst_sent')

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


# Under --seed 1, read from a run: the hash of client 1's connection by (family, protocol, port), as
# much of it as a flow label or, towards IPv4 servers, a source port of GUE shows.
HASHES = {(4, 'tcp', 80): 205323, (4, 'udp', 80): 900987, (6, 'tcp', 80): 688958,
          (6, 'udp', 80): 948326, (4, 'tcp', 81): 606327, (4, 'udp', 81): 972266,
          (6, 'tcp', 81): 149843, (6, 'udp', 81): 321575, (4, 'tcp', 82): 306279,
          (4, 'tcp', 83): 281063, (6, 'tcp', 82): 816100, (6, 'tcp', 83): 869313}
SOURCE = {family: NETWORK[family] + '2' for family in FAMILIES}
MTU = 1500


def tunnel(outer, mode, host, flow_hash, gue_port=9886):
    """What wraps a packet: built by scapy, so the UDP checksum is a full sum."""
    def wrap(inner):
        inner = IP(raw(inner)) if inner.version == 4 else IPv6(raw(inner))
        traffic_class = inner.tos if inner.version == 4 else inner.tc
        proto = 17 if mode == 'gue' else 4 if inner.version == 4 else 41
        if outer == 4:
            head = IP(src=SOURCE[4], dst=host.address, ttl=64, id=0, flags='DF', proto=proto,
                      tos=traffic_class)
        else:
            head = IPv6(src=SOURCE[6], dst=host.address, hlim=64, nh=proto, tc=traffic_class,
                        fl=flow_hash & 0xfffff)
        if mode == 'gue':
            head = head / UDP(sport=49152 + (flow_hash & 0x3fff), dport=gue_port)
        return head / Raw(raw(inner))
    return wrap


def tunnels(name, mode, ports, **keys):
    """Either family in either family: the first port's servers are IPv4, the second's IPv6."""
    case = Case(name, configuration(f'{mode}: both families in both', [
        service(f'{proto}-in-ipv{outer}', family, [port], [server(1, outer)], protocol=proto,
                forwarding=mode, **keys)
        for family in FAMILIES for proto in ('tcp', 'udp') for outer, port in zip(FAMILIES, ports)]))
    for family in FAMILIES:
        for proto in ('tcp', 'udp'):
            for outer, port in zip(FAMILIES, ports):
                host = server(1, outer)
                wrap = tunnel(outer, mode, host, HASHES[family, proto, port],
                              keys.get('gue_port', 9886))
                flow = life(case, proto, client(1, family), port, host, wrap)
                flow.pass_on(flow.packet('A'), padding=b'\x01\x02\x03\x04\x05\x06', kept=b'')
                if (family, proto) == (4, 'udp'):
                    flow.pass_on(packet(flow.client.address, VIP[4], UDP(
                        sport=flow.client.port, dport=port, chksum=0) / Raw(b'odd')))
        stray(case, family, ports[0])
    return case


def ipip():
    return tunnels('15-ipip', 'ipip', (80, 81))


def gue():
    return tunnels('16-gue', 'gue', (80, 81), gue_port=6080)


def too_big_answer(bounced, vip, mtu):
    """Fragmentation needed or packet too big, with as much as RFC 1812 and 4443 allow."""
    got = Ether(bounced)
    ip, family = got.payload, 6 if ':' in vip else 4
    n = ip.len if family == 4 else 40 + ip.plen
    quote = bounced[14:14 + n][:(576 - 28 if family == 4 else 1280 - 48)]
    head = ICMP(type=3, code=4, nexthopmtu=mtu) if family == 4 else ICMPv6PacketTooBig(mtu=mtu)
    fields = {'id': 0, 'flags': 'DF', 'tos': 0xc0} if family == 4 else {}
    return frame(got.dst, got.src, packet(vip, ip.src, icmp_error(head, quote), **fields))


def sized(case, family, mode, outer, port, n_more):
    """A connection whose way takes packets of `MTU - n_more` bytes, and not one byte more."""
    host, n_head = server(1, outer), 40 if family == 4 else 60
    wrap = tunnel(outer, mode, host, HASHES[family, 'tcp', port]) if n_more else \
        lambda inner: inner
    flow = OneWay(case, 'tcp', client(1, family), port, host, wrap)
    flow.up('S')
    payload = bytes(n % 251 for n in range(MTU - n_more - n_head))
    flow.up('A', payload)
    for is_df in (True, False) if family == 4 else (False,):
        inner = flow.packet('A', payload + b'x')
        if is_df:
            inner.flags = 'DF'
        bounced = frame(flow.client.mac, BALLAST_MAC, inner)
        case.answered(bounced, 'drop_too_big', too_big_answer(bounced, VIP[family], MTU - n_more),
                      'icmp_sent')


def too_big():
    ways = [(80, 'ipip', 4, 20), (81, 'ipip', 6, 40), (82, 'gue', 4, 28), (83, 'gue', 6, 48)]
    case = Case('17-too-big', configuration('packets at the size that their way takes, and above', [
        service(f'{mode}-in-ipv{outer}', family, [port], [server(1, outer)], forwarding=mode)
        for family in FAMILIES for port, mode, outer, _ in ways] + [
        service(mode, family, [port], [server(1, family)], forwarding=mode)
        for family in FAMILIES for port, mode in ((84, 'dsr'), (85, 'fullnat'))]))
    for family in FAMILIES:
        for port, mode, outer, n_more in ways:
            sized(case, family, mode, outer, port, n_more)
        sized(case, family, 'dsr', family, 84, 0)
        flow = Flow(case, 'tcp', client(1, family), 85, server(1, family), vip_source(family))
        flow.handshake()
        n_head = 40 if family == 4 else 60
        for sender, send in (('client', flow.up), ('server', flow.down)):
            send('A', bytes(MTU - n_head))
            bounced = flow.pair(sender, 'A', bytes(MTU - n_head + 1))[0]
            case.answered(bounced, 'drop_too_big', too_big_answer(bounced, VIP[family], MTU),
                          'icmp_sent')
    return case


def about_tunnel(case, flow, outer, n_more, n_quoted=600, mtu=1400):
    """A router on the way to the server finds a packet too large; its sender is told by the VIP."""
    inner = raw(flow.packet('A', LARGE))
    lost = raw(flow.wrap(flow.packet('A', LARGE)))[:n_quoted]
    head = ICMP(type=3, code=4, nexthopmtu=mtu) if outer == 4 else ICMPv6PacketTooBig(mtu=mtu)
    error = frame(GATEWAY_MAC, BALLAST_MAC, packet(NETWORK[outer] + '77', SOURCE[outer],
                                                   icmp_error(head, lost), ttl=63))
    room = 576 - 28 if flow.family == 4 else 1280 - 48
    told = mtu - n_more if flow.family == 4 else max(1280, mtu - n_more)
    head = ICMP(type=3, code=4, nexthopmtu=told) if flow.family == 4 else \
        ICMPv6PacketTooBig(mtu=told)
    fields = {'id': 0, 'flags': 'DF', 'tos': 0xc0} if flow.family == 4 else {}
    answer = packet(VIP[flow.family], flow.client.address,
                    icmp_error(head, inner[:n_quoted - n_more][:room]), **fields)
    case.answered(error, 'drop_too_big', frame(BALLAST_MAC, flow.client.mac, answer), 'icmp_sent')
    return error


def tunnel_errors():
    """ICMP errors of routers between Ballast and the server; to them Ballast is the sender."""
    ways = [(80, 'gue', 4, 28), (81, 'ipip', 6, 40), (82, 'ipip', 4, 20), (83, 'gue', 6, 48)]
    case = Case('55-icmp-errors-tunnel', configuration('ICMP errors about tunnels', [
        service(f'{proto}-{mode}-in-ipv{outer}', family, [port], [server(1, outer)],
                protocol=proto, forwarding=mode, **({'gue_port': 6080} if mode == 'gue' else {}))
        for family in FAMILIES for proto in ('tcp', 'udp') for port, mode, outer, _ in ways]))
    for family in FAMILIES:
        for port, mode, outer, n_more in ways:
            # What goes to the server is stated by other cases; here only what comes back counts.
            wrap = tunnel(outer, mode, server(1, outer), 0, 6080)
            for proto in ('tcp', 'udp'):
                flow = OneWay(case, proto, client(1, family), port, server(1, outer), wrap)
                about_tunnel(case, flow, outer, n_more)
                n_head = n_more + (24 if family == 4 else 44)
                about_tunnel(case, flow, outer, n_more, n_head)
                # Of no size, or of none that a packet may have: nobody is told.
                for head in ((ICMP(type=3, code=1), ICMP(type=11), ICMP(type=3, code=4,
                                                                       nexthopmtu=n_more + 67))
                             if outer == 4 else
                             (ICMPv6DestUnreach(code=0), ICMPv6TimeExceeded(code=0),
                              ICMPv6PacketTooBig(mtu=n_more + 67))):
                    lost = raw(wrap(flow.packet('A')))
                    case.dropped(frame(GATEWAY_MAC, BALLAST_MAC, packet(
                        NETWORK[outer] + '77', SOURCE[outer], icmp_error(head, lost))),
                        'drop_icmp_tunnel')
                # Too short a quote, and one that is about the tunnel of somebody else.
                short = raw(wrap(flow.packet('A')))[:n_head - 1]
                head = ICMP(type=3, code=4, nexthopmtu=1400) if outer == 4 else \
                    ICMPv6PacketTooBig(mtu=1400)
                case.punted(frame(GATEWAY_MAC, BALLAST_MAC, packet(
                    NETWORK[outer] + '77', SOURCE[outer], icmp_error(head.copy(), short))))
                other = wrap(flow.packet('A'))
                other.src = NETWORK[outer] + '3'
                case.punted(frame(GATEWAY_MAC, BALLAST_MAC, packet(
                    NETWORK[outer] + '77', other.src, icmp_error(head.copy(), raw(other)))))
    return case


CASES = [dsr, dsr_behind_gateway, ipip, gue, too_big, tunnel_errors]
