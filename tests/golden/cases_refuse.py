"""Cases about packets that are not forwarded: why, and what answers them."""
from frames import (BALLAST_MAC, EXPIRED, FAMILIES, GATEWAY_MAC, NETWORK, UNREACHABLE,
                    VIP, Flow, client, configuration, frame, icmp_answer, packet, real, reset_of,
                    server, service, transport, vip_source)
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6MLReport, ICMPv6ND_NS, IPv6,
                                IPv6ExtHdrRouting)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw, raw
from statement import Case

LARGE = bytes(range(256)) * 5
BROADCAST = 'ff:ff:ff:ff:ff:ff'


def to_vip(family, proto, dport, payload=b'', n=1, **fields):
    """A frame of client n to the VIP."""
    who = client(n, family)
    return frame(who.mac, BALLAST_MAC, packet(who.address, VIP[family], transport(
        proto, who.port, dport, payload, **fields)))


def padded(short):
    return short + b'\xff' * max(0, 60 - len(short))


def no_server_drop():
    case = Case('30-no-server-drop', configuration('no server takes new clients: silence', [
        service(proto, family, [80], [real(server(1, family), admin_state='disabled')],
                protocol=proto) for family in FAMILIES for proto in ('tcp', 'udp')]))
    for family in FAMILIES:
        case.dropped(to_vip(family, 'tcp', 80, flags='S'), 'drop_no_server')
        case.dropped(to_vip(family, 'udp', 80, b'question'), 'drop_no_server')
    return case


def no_server_reject():
    case = Case('31-no-server-reject', configuration('no server takes new clients: told so', [
        service(proto, family, [80], [], protocol=proto, no_server_action='reject')
        for family in FAMILIES for proto in ('tcp', 'udp')]))
    for family in FAMILIES:
        syn = padded(to_vip(family, 'tcp', 80, flags='S', seq=77))
        case.answered(syn, 'drop_no_server', reset_of(syn), 'rst_sent')
        fast = to_vip(family, 'tcp', 80, b'fast open', flags='S', seq=0xfffffffe)
        case.answered(fast, 'drop_no_server', reset_of(fast), 'rst_sent')
        for payload in (b'', b'question', LARGE):
            ask = to_vip(family, 'udp', 80, payload)
            case.answered(ask, 'drop_no_server', icmp_answer(ask, VIP[family], UNREACHABLE),
                          'icmp_sent')
    return case


def unresolved():
    """Nobody knows server 1's MAC: what goes there is dropped, what goes to server 2 is not."""
    servers = {family: [server(1, family), server(2, family)] for family in FAMILIES}
    case = Case('32-next-hop-unresolved', configuration(
        'a server without a neighbour entry',
        [service('web', family, [80], servers[family]) for family in FAMILIES],
        unresolved=[servers[family][0].address for family in FAMILIES]))
    for family in FAMILIES:
        for n in range(4):
            host = servers[family][n % 2]
            flow = Flow(case, 'tcp', client(1 + n, family), 80, host,
                        vip_source(family, n))
            if n % 2 == 0:
                for _ in range(2):
                    case.dropped(flow.pair('client', 'S')[0], 'drop_next_hop_unresolved')
                case.expect(conn_created=1)
            else:
                flow.handshake()
    return case


def ttl():
    """The last hop that a TTL allows is the one to Ballast, in both directions."""
    case = Case('33-ttl', configuration('TTL and hop limit used up', [
        service(proto, family, [80], [server(1, family)], protocol=proto)
        for family in FAMILIES for proto in ('tcp', 'udp')]))
    for family in FAMILIES:
        for n, proto in enumerate(('tcp', 'udp')):
            flow = Flow(case, proto, client(1, family), 80, server(1, family),
                        vip_source(family, n))
            for sender, flags in (('client', 'S'), ('server', 'SA')):
                for hops in (0, 1):
                    late = packet_with_ttl(flow.pair(sender, flags)[0], family, hops)
                    case.answered(late, 'drop_ttl_expired',
                                  icmp_answer(late, VIP[family], EXPIRED), 'icmp_sent')
                case.forwarded(*flow.pair(sender, flags, ttl=2))
            case.expect(conn_created=1)
    return case


def packet_with_ttl(whole, family, hops):
    got = Ether(whole)
    if family == 4:
        got.ttl = hops
        del got.chksum
    else:
        got.hlim = hops
    return raw(got)


def no_connection():
    """TCP packets of no connection are reset, at the service's port and at a NAT source's; what is
    a reset itself, came by broadcast or from no single host is answered by nobody."""
    case = Case('34-no-connection', configuration('packets of no known connection', [
        service('web', family, [80], [server(1, family)]) for family in FAMILIES]))
    reason = 'drop_no_connection'
    for family in FAMILIES:
        for flags, payload in (('A', b''), ('PA', b'data'), ('FA', b''), ('SA', b''), ('F', b''),
                               ('', b'nothing set'), ('SF', b'')):
            stray = padded(to_vip(family, 'tcp', 80, payload, flags=flags, seq=7, ack=99))
            case.answered(stray, reason, reset_of(stray), 'rst_sent')
        for flags in ('R', 'RA'):
            case.dropped(to_vip(family, 'tcp', 80, flags=flags), reason)
        shouted = Ether(to_vip(family, 'tcp', 80, flags='A'))
        shouted.dst = BROADCAST
        case.dropped(raw(shouted), reason)
        host, port = server(1, family), vip_source(family, 5)[1]
        for proto, sport, fields in (('tcp', 80, {'flags': 'PA', 'seq': 5, 'ack': 6}),
                                     ('tcp', 80, {'flags': 'S'}), ('udp', 53, {})):
            late = frame(host.mac, BALLAST_MAC, packet(host.address, VIP[family], transport(
                proto, sport, port, b'late', **fields)))
            if proto == 'tcp':
                case.answered(late, reason, reset_of(late), 'rst_sent')
            else:
                # The VIP has NAT ports of both protocols: what it serves by TCP decides nothing.
                case.answered(late, reason, icmp_answer(late, VIP[family], UNREACHABLE),
                              'icmp_sent')
    reserved = packet('240.0.0.1', VIP[4], transport('tcp', 1024, 80, flags='A'))
    case.dropped(frame(GATEWAY_MAC, BALLAST_MAC, reserved), reason)
    return case


def table_full():
    """At the stated capacity no live connection gives way."""
    case = Case('35-table-full', configuration(
        '64 connections are all that there is room for',
        [service('dns', family, [53], [server(1, family)], protocol='udp') for family in FAMILIES],
        limits={'connections': 64}))
    flows = []
    for n in range(64):
        family = FAMILIES[n % 2]
        flow = Flow(case, 'udp', client(1 + n, family), 53, server(1, family),
                    vip_source(family, n // 2))
        flow.exchange()
        flow.exchange()  # one question may be forged; whoever asks again is a client
        flows.append(flow)
    for n in range(64, 68):
        case.dropped(to_vip(FAMILIES[n % 2], 'udp', 53, b'late', n=1 + n), 'drop_table_full')
    for flow in flows:
        flow.exchange()
    return case


def punted():
    """What is not ours belongs to the kernel, untouched."""
    case = Case('37-punt', configuration('what the kernel gets', [
        service('web', family, [80], [server(1, family)]) for family in FAMILIES]))
    who4, who6 = client(1, 4), client(1, 6)
    own = NETWORK[4] + '2'
    tcp = transport('tcp', 40000, 80, flags='S')

    def to_ballast(inner, dst=BALLAST_MAC):
        case.punted(frame(GATEWAY_MAC, dst, inner))

    to_ballast(ARP(op='who-has', hwsrc=GATEWAY_MAC, psrc=NETWORK[4] + '1', pdst=VIP[4]), BROADCAST)
    to_ballast(packet(who4.address, VIP[4], ICMP(type=8, id=1, seq=1) / Raw(b'ping')))
    to_ballast(packet(who6.address, VIP[6], ICMPv6EchoRequest(id=1, seq=1, data=b'ping')))
    to_ballast(packet(NETWORK[6] + '1', 'ff02::1:ff00:10', ICMPv6ND_NS(tgt=VIP[6]), ttl=255),
               '33:33:ff:00:00:10')
    to_ballast(packet('fe80::1', 'ff02::2', ICMPv6MLReport(mladdr='ff02::2'), ttl=1),
               '33:33:00:00:00:02')
    for family, who in ((4, who4), (6, who6)):
        to_ballast(packet(who.address, VIP[family], transport('tcp', who.port, 81, flags='S')))
        to_ballast(packet(who.address, VIP[family], transport('udp', who.port, 80, b'not tcp')))
        to_ballast(packet(who.address, NETWORK[family] + '2', tcp.copy()))
        to_ballast(packet(who.address, NETWORK[family] + '2', tcp.copy(), ttl=1))
    to_ballast(IP(src='0.0.0.0', dst='255.255.255.255') / transport('udp', 68, 67, b'dhcp'),
               BROADCAST)
    to_ballast(IP(src=who4.address, dst='224.0.0.5', proto=89, ttl=1) / Raw(bytes(24)))
    to_ballast(IP(src=who4.address, dst=VIP[4], proto=47) / Raw(bytes(8)))
    to_ballast(packet(who4.address, own, ICMP(type=5, code=1, gw=NETWORK[4] + '1') /
                      packet(own, who4.address, tcp.copy())))
    to_ballast(IPv6(src=who6.address, dst=VIP[6]) /
               IPv6ExtHdrRouting(addresses=['2001:db8::77'], segleft=1) / tcp.copy())
    to_ballast(Dot1Q(vlan=5) / packet(who4.address, VIP[4], tcp.copy()))
    case.expect(vlan_unknown=1)
    case.punted(raw(Ether(src=GATEWAY_MAC, dst='01:80:c2:00:00:0e', type=0x88cc) / Raw(bytes(46))))
    case.punted(raw(Ether(src=GATEWAY_MAC, dst='01:80:c2:00:00:00', type=38) / Raw(bytes(46))))
    return case


CASES = [no_server_drop, no_server_reject, unresolved, ttl, no_connection, table_full, punted]
