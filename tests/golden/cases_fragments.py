"""Cases about packets that come in parts: the later ones have no ports and follow the first."""
from cases_direct import HASHES, OneWay, tunnel
from choices import mix
from frames import (BALLAST_MAC, EXPIRED, FAMILIES, NAT_ADDRESS, NETWORK, UNREACHABLE, VIP, Flow,
                    client, configuration, frame, icmp_answer, packet, server, service, transport,
                    vip_source)
from scapy.layers.inet import IPOption_NOP
from scapy.layers.inet6 import (ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                PadN)
from scapy.layers.l2 import Ether
from scapy.packet import Raw, raw
from statement import Case

SEED = 1
PART = 512  # bytes of a part behind the headers
DATA = bytes(n % 251 for n in range(1300))  # makes three parts
LIFE_S = 2  # LB_FRAGMENT_LIFE_MS
WAITING_MAX = 256  # LB_WAITING_MAX


class Names:
    """The identifications that Ballast gives translated packets, one after the other."""

    def __init__(self):
        self.next = mix(SEED + 1)

    def take(self, family):
        number = self.next
        self.next += 1
        if family == 4:
            return number & 0xffff
        return int.from_bytes((mix(number) & 0xffffffff).to_bytes(4, 'little'), 'big')


def part_of(whole, name, offset, chunk, is_more):
    if whole.version == 6:
        head = IPv6(src=whole.src, dst=whole.dst, hlim=whole.hlim)
        return head / IPv6ExtHdrFragment(nh=whole.nh, offset=offset // 8, m=is_more, id=name) / \
            Raw(chunk)
    head = whole.copy()
    head.remove_payload()
    head.id, head.flags, head.frag = name, 'MF' if is_more else 0, offset // 8
    del head.len, head.chksum
    return head / Raw(chunk)


def built(whole):
    """With all its lengths and checksums."""
    return whole.__class__(raw(whole))


def parts_of(whole, name):
    """An IP packet in parts with this identification."""
    whole = built(whole)
    body = raw(whole.payload)
    return [part_of(whole, name, at, body[at:at + PART], at + PART < len(body))
            for at in range(0, len(body), PART)]


class Parts:
    """A packet of a connection, in parts: frames before and after Ballast, by position."""

    def __init__(self, flow, sender, name, new_name, **shape):
        self.case = flow.case
        pair = flow.pair(sender, 'PA' if flow.proto == 'tcp' else 'A', DATA, **shape)
        self.before, self.after = (
            [frame(link.src, link.dst, part) for part in parts_of(link.payload, name)]
            for link, name in zip(map(Ether, pair), (name, new_name)))

    def forward(self, i):
        self.case.forwarded(self.before[i], self.after[i])

    def in_order(self):
        for i in range(len(self.before)):
            self.forward(i)

    def in_any_order(self, order):
        """What comes before the first waits, and leaves right behind it."""
        early = order[:order.index(0)]
        for i in early:
            self.case.held(self.before[i])
        self.forward(0)
        for i in early:
            self.case.released(self.after[i])
        for i in order[len(early) + 1:]:
            self.forward(i)


class Connections:
    """Connections by `fullnat` at port 80 and by `nat` at port 81, of both protocols."""

    def __init__(self, name, description):
        self.case = Case(name, configuration(description, [
            service(f'{proto}-{forwarding}', family, [port], [server(1, family)], protocol=proto,
                    forwarding=forwarding)
            for family in FAMILIES for proto in ('tcp', 'udp')
            for forwarding, port in (('fullnat', 80), ('nat', 81))]))
        self.n_fullnat = dict.fromkeys(FAMILIES, 0)
        self.n = 0

    def next(self, family, proto, forwarding):
        self.n += 1
        who, host = client(self.n, family), server(1, family)
        if forwarding == 'nat':
            return Flow(self.case, proto, who, 81, host, None)
        self.n_fullnat[family] += 1
        return Flow(self.case, proto, who, 80, host, vip_source(family, self.n_fullnat[family] - 1))

    def each(self):
        for family in FAMILIES:
            for proto in ('udp', 'tcp'):
                for forwarding in ('fullnat', 'nat'):
                    yield self.next(family, proto, forwarding)


def fragments():
    """In order, both ways; a datagram in parts may be the first packet of its connection."""
    connections, names = Connections('36-fragments', 'packets in parts, in order'), Names()
    case = connections.case
    for flow in connections.each():
        if flow.proto == 'tcp':
            flow.handshake()
        else:
            flow.is_known = True
            case.expect(conn_created=1)
        for sender, name in (('client', 700), ('server', 0xffff), ('client', 0)):
            Parts(flow, sender, name, names.take(flow.family)).in_order()
        # What comes twice says nothing new, so the packet keeps its name.
        again = Parts(flow, 'client', 701, names.take(flow.family))
        again.in_order()
        again.forward(2)
        again.in_order()
        flow.exchange()
    # Without a checksum over IPv4, with options, and with the ports behind IPv6 options.
    for family, shape in ((4, {'l4': {'chksum': 0}}), (4, {'options': [IPOption_NOP()] * 4}),
                          (6, {'extensions': [IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))])]})):
        flow = connections.next(family, 'udp', 'fullnat')
        case.expect(conn_created=1)
        for sender in ('client', 'server'):
            Parts(flow, sender, 9, names.take(family), **shape).in_order()
    return case


def any_order():
    """Whatever comes before the first part waits for it."""
    connections = Connections('80-fragments-any-order', 'packets in parts, the first not the first')
    case, names = connections.case, Names()
    orders = ([2, 1, 0], [1, 2, 0], [1, 0, 2], [0, 2, 1], [2, 0, 1])
    for n, flow in enumerate(connections.each()):
        flow.open()
        for i, order in enumerate(orders):
            for sender in ('client', 'server'):
                Parts(flow, sender, 100 * n + i, names.take(flow.family)).in_any_order(order)
        # Two packets in each other's way, and whole ones between.
        one, other = (Parts(flow, 'client', name, names.take(flow.family)) for name in (50, 51))
        for i in (2, 1):
            case.held(one.before[i])
            case.held(other.before[i])
        flow.exchange()
        for parts in (one, other):
            parts.forward(0)
            for i in (2, 1):
                case.released(parts.after[i])
    return case


def one_way():
    """What goes to the server as it is keeps its name: link-layer addresses, or a tunnel around
    each part."""
    modes = {80: ('gue', 4), 81: ('ipip', 6), 82: ('dsr', None)}
    case = Case('81-fragments-one-way', configuration('packets in parts by dsr, ipip and gue', [
        service(f'{proto}-{mode}', family, [port], [server(1, outer or family)], protocol=proto,
                forwarding=mode)
        for family in FAMILIES for proto in ('tcp', 'udp') for port, (mode, outer) in modes.items()]))
    for family in FAMILIES:
        for proto in ('udp', 'tcp'):
            for port, (mode, outer) in modes.items():
                host = server(1, outer or family)
                wrap = tunnel(outer, mode, host, HASHES[family, proto, port]) if outer else \
                    lambda inner: inner
                flow = OneWay(case, proto, client(1, family), port, host, wrap)
                if proto == 'tcp':
                    flow.up('S')
                else:
                    case.expect(conn_created=1)
                for part in parts_of(flow.packet('A', DATA), 5):
                    flow.pass_on(part)
    return case


def to_ballast(family, name, proto='udp', port=80, n=1, dst=None, **fields):
    """A packet of client n in parts, and its bytes behind the IP header."""
    who = client(n, family)
    whole = built(packet(who.address, dst or VIP[family],
                         transport(proto, who.port, port, DATA, **fields)))

    def cut(offset, n_bytes, is_more):
        body = raw(whole.payload)[offset:offset + n_bytes]
        return frame(who.mac, BALLAST_MAC, part_of(whole, name, offset, body, is_more))
    return cut, [frame(who.mac, BALLAST_MAC, part) for part in parts_of(whole, name)]


def malformed(case, family):
    """Empty, not of eights though more follow, past the end of the largest packet."""
    cut, _ = to_ballast(family, 1)
    for offset, n_bytes, is_more in ((16, 0, True), (16, 0, False), (16, 20, True), (0, 20, True)):
        case.dropped(cut(offset, n_bytes, is_more), 'drop_fragment_malformed')
    late = Ether(cut(16, 16, False))
    late.payload.frag, late.payload.payload.offset = 8191, 8191
    if family == 4:
        del late.payload.chksum
    case.dropped(raw(late), 'drop_fragment_malformed')


def tiny(case, family, names):
    """The first part has to have the whole header; nobody follows one that has not."""
    for name, n_bytes, options in ((2, 8, 0), (3, 16, 0), (4, 24, 8)):
        cut, _ = to_ballast(family, name, 'tcp', options=[('NOP', None)] * options)
        names.take(family)
        case.dropped(cut(0, n_bytes, True), 'drop_fragment_tiny')
        case.dropped(cut(n_bytes, PART, False), 'drop_fragment_tiny')


def overlapping(case, family, flow, names):
    """A second first part with another port, one with another end, a part over the first one's
    end: from then on nothing of the packet passes."""
    for name, (port, offset, n_bytes) in enumerate(((81, 0, PART), (80, 0, PART + 8),
                                                    (80, PART - 8, PART)), 5):
        parts = Parts(flow, 'client', name, names.take(family))
        parts.forward(0)
        parts.forward(1)
        case.dropped(to_ballast(family, name, port=port)[0](offset, n_bytes, True),
                     'drop_fragment_overlap')
        for part in (parts.before[2], parts.before[0]):
            case.dropped(part, 'drop_fragment_overlap')


def unserved(case, family, names):
    """The later parts are dropped for the reason of the first one."""
    nat = NAT_ADDRESS[family]
    for (_, parts), reason, answer in (
            (to_ballast(family, 20, port=81), 'drop_no_server', None),
            (to_ballast(family, 21, 'tcp', n=9, flags='A'), 'drop_no_connection', None),
            (to_ballast(family, 22, port=30000, n=9, dst=nat), 'drop_no_connection', nat)):
        names.take(family)
        if answer:
            case.answered(parts[0], reason, icmp_answer(parts[0], answer, UNREACHABLE), 'icmp_sent')
        else:
            case.dropped(parts[0], reason)
        for part in parts[1:]:
            case.dropped(part, reason)


def others(case, family, names):
    """Parts of what is the kernel's: another port, another address, another protocol."""
    for proto in ('udp', 'tcp'):
        names.take(family)
        for part in to_ballast(family, 30, proto, port=99)[1]:
            case.punted(part)
    for part in reversed(to_ballast(family, 32, dst=NETWORK[family] + '2')[1]):
        case.punted(part)
    if family == 6:
        # Only the first part shows that it is a ping.
        names.take(6)
        who = client(1, 6)
        ping = packet(who.address, VIP[6], ICMPv6EchoRequest(data=DATA),
                      extensions=[IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])])
        for part in parts_of(ping, 33):
            case.punted(frame(who.mac, BALLAST_MAC, part))


def refused():
    case = Case('82-fragments-refused', configuration('parts that nobody may follow', [
        service('dns', family, [80], [server(1, family)], protocol='udp', nat_source='lan')
        for family in FAMILIES] + [
        service('web', family, [80], [server(1, family)], nat_source='lan')
        for family in FAMILIES] + [
        service('idle', family, [81], [], protocol='udp') for family in FAMILIES],
        nat_sources=[{'name': 'lan', 'addresses': [NAT_ADDRESS[f] for f in FAMILIES],
                      'ports': '30000-30000'}]))
    names = Names()
    for family in FAMILIES:
        flow = Flow(case, 'udp', client(1, family), 80, server(1, family),
                    (NAT_ADDRESS[family], 30000))
        flow.exchange()
        malformed(case, family)
        tiny(case, family, names)
        overlapping(case, family, flow, names)
        unserved(case, family, names)
        others(case, family, names)
        # The hop limit is each part's own; only the first is worth an answer.
        parts = Parts(flow, 'client', 23, names.take(family), ttl=1)
        case.answered(parts.before[0], 'drop_ttl_expired',
                      icmp_answer(parts.before[0], VIP[family], EXPIRED), 'icmp_sent')
        for part in parts.before[1:]:
            case.dropped(part, 'drop_ttl_expired')
        flow.exchange()
    return case


def too_late():
    """Two seconds: then those that wait have waited in vain, and a first part is forgotten."""
    connections, names = Connections('83-fragments-too-late', 'parts that come too late'), Names()
    case = connections.case
    for flow in connections.each():
        flow.open()
        name = names.take(flow.family)
        first, second = Parts(flow, 'client', 1, name), Parts(flow, 'client', 2, name)
        first.forward(0)
        case.held(second.before[1])
        case.wait(LIFE_S - 0.1)
        first.forward(1)
        flow.exchange()
        case.wait(0.2)
        case.ended('drop_fragment_timeout')
        for late in (first.before[2], second.before[2]):
            case.held(late)
        case.wait(LIFE_S + 0.1)
        for _ in range(2):
            case.ended('drop_fragment_timeout')
        # The name is free for another packet.
        Parts(flow, 'client', 2, names.take(flow.family)).in_any_order([1, 0, 2])
    return case


def flood():
    """Parts of nothing: the places are all taken, whoever waits longest goes, and nobody else
    notices."""
    connections = Connections('84-fragments-flood', 'more parts than may wait')
    case, names = connections.case, Names()
    flows = list(connections.each())
    for flow in flows:
        flow.open()
    waiting = [[Parts(flow, 'client', name, 0) for flow in flows]
               for name in range(1, 2 + WAITING_MAX // len(flows))]
    for i, parts in enumerate(part for row in waiting for part in row):
        if i >= WAITING_MAX:
            case.ended('drop_fragment_full')
        case.held(parts.before[1 + i % 2])
    for i, flow in enumerate(flows):
        flow.exchange()
        # The first of those that came first went to make room; the last is still there.
        name = names.take(flow.family)
        gone = Parts(flow, 'client', 1, name)
        gone.forward(0)
        gone.forward(1)
        name = names.take(flow.family)
        there = Parts(flow, 'client', len(waiting), name)
        there.forward(0)
        case.released(there.after[1 + i % 2])
        flow.exchange()
    return case


CASES = [fragments, any_order, one_way, refused, too_late, flood]
