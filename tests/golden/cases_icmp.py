"""Cases about ICMP errors: what they quote is a packet that Ballast rewrote, so the quote has to be
turned back into the packet that the receiver sent."""
from frames import (BALLAST_MAC, FAMILIES, GATEWAY_MAC, NAT_ADDRESS, NETWORK, OUTSIDE, VIP, Flow,
                    Host, client, configuration, frame, icmp_error, packet, server, service,
                    transport, vip_source)
from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded
from scapy.packet import raw
from statement import Case

# A message of each kind: head, and whether a router on the way sends it or the end itself.
MESSAGES = {4: [(ICMP(type=3, code=3), False), (ICMP(type=3, code=4, nexthopmtu=1400), True),
                (ICMP(type=11, code=0), True), (ICMP(type=12, code=0, ptr=9), True),
                (ICMP(type=3, code=10), False)],
            6: [(ICMPv6DestUnreach(code=4), False), (ICMPv6PacketTooBig(mtu=1280), True),
                (ICMPv6TimeExceeded(code=0), True), (ICMPv6DestUnreach(code=0), True)]}
IP_BYTES = {4: 20, 6: 40}
PAYLOAD = b'a question that is quoted'


def quotes(flow, sender):
    """The packet of `sender` as it left Ballast, and as it came in: IP bytes."""
    before, after = flow.pair(sender, 'PA', PAYLOAD, ttl=61)
    quoted, restored = after[14:], before[14:]
    # Where the error arose the hop count was that of the packet on its way.
    hops = 8 if flow.family == 4 else 7
    restored = restored[:hops] + quoted[hops:hops + 1] + restored[hops + 1:]
    if flow.family == 4:
        again = packet_class(quoted)(restored)
        del again.chksum
        restored = raw(again)
    return quoted, restored


def packet_class(data):
    return type(packet('192.0.2.1', '192.0.2.2', transport('udp', 1, 1))) if data[0] >> 4 == 4 \
        else type(packet('::1', '::2', transport('udp', 1, 1)))


def error(flow, sender, head, is_router, n_transport=None, tail=b''):
    """An error about a packet of `sender`, before and after Ballast. `n_transport`: so many bytes
    of the quoted transport header and what follows, None: all."""
    quoted, restored = (
        (quote if n_transport is None else quote[:IP_BYTES[flow.family] + n_transport]) + tail
        for quote in quotes(flow, sender))
    if sender == 'client':  # the error comes from the server's side
        reporter, hidden = flow.server, flow.vip.address
        to_ballast, receiver = flow.source, flow.client
    else:
        reporter, hidden = flow.client, flow.source.address
        to_ballast, receiver = flow.vip, flow.server
    outer = NETWORK[flow.family] + '77' if is_router else reporter.address
    before = packet(outer, to_ballast.address, icmp_error(head.copy(), quoted), ttl=63)
    after = packet(outer if is_router else hidden, receiver.address,
                   icmp_error(head.copy(), restored), ttl=62)
    return (frame(reporter.mac, BALLAST_MAC, before), frame(BALLAST_MAC, receiver.mac, after))


def both_ways(name, description, forwarding, source_of):
    """Errors of every kind about TCP and UDP connections, from both sides, with long and short
    quotes; the connections go on afterwards."""
    case = Case(name, configuration(description, [
        service(proto, family, [80], [server(1, family, 8080)], protocol=proto,
                forwarding=forwarding) for family in FAMILIES for proto in ('tcp', 'udp')]))
    for family in FAMILIES:
        for n, proto in enumerate(('tcp', 'udp')):
            flow = Flow(case, proto, client(1, family), 80, server(1, family, 8080),
                        source_of(family, n))
            flow.open()
            for sender in ('client', 'server'):
                for head, is_router in MESSAGES[family]:
                    for n_transport in (None, 8, 4, 18):
                        case.forwarded(*error(flow, sender, head, is_router, n_transport))
                        case.expect(icmp_translated=1)
            flow.exchange()
    return case


def fullnat_errors():
    return both_ways('50-icmp-errors-fullnat', 'ICMP errors about fullnat connections', 'fullnat',
                     vip_source)


def nat_errors():
    return both_ways('51-icmp-errors-nat', 'ICMP errors about nat connections', 'nat',
                     lambda family, n: None)


def extended_errors():
    """RFC 4884: the quote is padded to 128 bytes, and objects follow that are not part of it."""
    case = Case('52-icmp-extensions', configuration('ICMP errors with RFC 4884 extensions', [
        service('dns', family, [53], [server(1, family)], protocol='udp') for family in FAMILIES]))
    objects = bytes.fromhex('20000000' '00080101' '00001101')
    heads = {4: ICMP(type=11, code=0, length=32), 6: ICMPv6TimeExceeded(code=0, length=16)}
    for family in FAMILIES:
        flow = Flow(case, 'udp', client(1, family), 53, server(1, family), vip_source(family))
        flow.exchange()
        for sender in ('client', 'server'):
            n = len(quotes(flow, sender)[0])
            case.forwarded(*error(flow, sender, heads[family], True,
                                  tail=bytes(128 - n) + objects))
            case.expect(icmp_translated=1)
    return case


def refused_errors():
    """Errors about nothing that we know, and errors that lie about what they quote."""
    case = Case('53-icmp-refused', configuration('ICMP errors that go nowhere', [
        service('web', family, [80], [server(1, family)]) for family in FAMILIES]))
    for family in FAMILIES:
        head = MESSAGES[family][0][0]
        known = Flow(case, 'tcp', client(1, family), 80, server(1, family), vip_source(family))
        known.handshake()
        gone = Flow(case, 'tcp', client(2, family), 80, server(1, family), vip_source(family, 7))
        for sender in ('client', 'server'):
            case.dropped(error(gone, sender, head, False)[0], 'drop_icmp_no_connection')
            # Sent to another than whoever sent the quoted packet.
            before, _ = error(known, sender, head, True)
            quoted = quotes(known, sender)[0]
            lying = packet(NETWORK[family] + '77', NETWORK[family] + '2',
                           icmp_error(head.copy(), quoted), ttl=63)
            case.dropped(frame(GATEWAY_MAC, BALLAST_MAC, lying), 'drop_icmp_malformed')
            # Too short to name the ports, or the addresses.
            for n in (IP_BYTES[family] + 3, IP_BYTES[family], IP_BYTES[family] - 1, 0):
                short = packet(NETWORK[family] + '77', VIP[family],
                               icmp_error(head.copy(), quoted[:n]), ttl=63)
                case.dropped(frame(GATEWAY_MAC, BALLAST_MAC, short), 'drop_icmp_malformed')
        # About our own host's connections, another protocol, or a port that is nobody's.
        own = NETWORK[family] + '2'
        for quoted in (packet(own, OUTSIDE[family] + '9', transport('tcp', 1024, 443, flags='S')),
                       packet(VIP[family], OUTSIDE[family] + '9', transport('udp', 9, 9))):
            case.punted(frame(GATEWAY_MAC, BALLAST_MAC, packet(
                NETWORK[family] + '1', quoted.src, icmp_error(head.copy(), raw(quoted)))))
        known.exchange()
    return case


def error_after_nat_source():
    """The address that the error came to is a NAT source of its own, not the VIP."""
    case = Case('54-icmp-errors-nat-source', configuration(
        'ICMP errors with NAT source addresses of their own',
        [service('web', family, [80], [server(1, family)], nat_source='lan')
         for family in FAMILIES],
        nat_sources=[{'name': 'lan', 'addresses': [NAT_ADDRESS[f] for f in FAMILIES],
                      'ports': '30000-30000'}]))
    for family in FAMILIES:
        flow = Flow(case, 'tcp', client(1, family), 80, server(1, family),
                    (NAT_ADDRESS[family], 30000))
        flow.handshake()
        for sender in ('client', 'server'):
            for head, is_router in MESSAGES[family]:
                case.forwarded(*error(flow, sender, head, is_router, 8))
                case.expect(icmp_translated=1)
        stranger = Host(OUTSIDE[family] + '99', 80, GATEWAY_MAC)
        gone = Flow(case, 'tcp', stranger, 80, server(1, family), (NAT_ADDRESS[family], 30000))
        case.dropped(error(gone, 'server', MESSAGES[family][0][0], False)[0],
                     'drop_icmp_no_connection')
        flow.exchange()
    return case


CASES = [fullnat_errors, nat_errors, extended_errors, refused_errors, error_after_nat_source]
