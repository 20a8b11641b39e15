"""Cases about the way of one connection: what leaves in both directions, byte for byte."""
from frames import (FAMILIES, NAT_ADDRESS, Flow, client, client_on_link, configuration, server,
                    service, vip_source)
from scapy.layers.inet import IPOption_NOP, IPOption_Router_Alert
from scapy.layers.inet6 import (IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, PadN,
                                RouterAlert)
from statement import Case

LARGE = bytes(range(256)) * 5


def one_server(name, description, ports, host_port=None, **keys):
    """One service a family with server 1 behind it."""
    return Case(name, configuration(description, [
        service('web', family, ports, [server(1, family, host_port)], **keys)
        for family in FAMILIES]))


def fullnat_tcp():
    case = one_server('01-fullnat-tcp', 'a TCP connection from SYN to FIN', [80])
    for family in FAMILIES:
        flow = Flow(case, 'tcp', client(1, family), 80, server(1, family), vip_source(family))
        flow.handshake()
        flow.exchange()
        flow.up('PA', LARGE)
        flow.down('A')
        flow.exchange(b'odd', b'')
        flow.close()
    return case


def fullnat_udp():
    case = one_server('02-fullnat-udp', 'UDP questions and answers', [53], protocol='udp')
    for family in FAMILIES:
        for n in range(2):
            flow = Flow(case, 'udp', client(1 + n, family), 53, server(1, family),
                        vip_source(family, n))
            flow.exchange()
            flow.exchange(b'', LARGE)
    return case


def nat_tcp():
    case = one_server('03-nat-tcp', 'the client keeps its address', [80], forwarding='nat')
    for family in FAMILIES:
        flow = Flow(case, 'tcp', client(1, family), 80, server(1, family), None)
        flow.handshake()
        flow.exchange()
        flow.close()
    return case


def nat_udp():
    case = one_server('04-nat-udp', 'the client keeps its address and the server has another port',
                      [53], 5353, forwarding='nat', protocol='udp')
    for family in FAMILIES:
        for n in range(2):
            flow = Flow(case, 'udp', client(1 + n, family), 53, server(1, family, 5353), None)
            flow.exchange()
            flow.exchange(b'', LARGE)
    return case


def server_port():
    case = one_server('05-server-port', 'the server listens on another port', [80, 443], 8080)
    for family in FAMILIES:
        for n, port in enumerate((80, 443)):
            flow = Flow(case, 'tcp', client(1 + n, family), port, server(1, family, 8080),
                        vip_source(family, n))
            flow.handshake()
            flow.exchange()
    return case


def nat_source():
    """Several addresses: neighbours in the walk differ in the address. One port: two connections
    share it, because their servers differ."""
    sources = [{'name': 'one-port', 'addresses': [NAT_ADDRESS[f] for f in FAMILIES],
                'ports': '20000-20000'}]
    case = Case('06-nat-source', configuration(
        'a NAT source of one port, shared by connections to different servers', [
            service(f'web{n}', family, [80 + n], [server(1 + n, family)], nat_source='one-port')
            for family in FAMILIES for n in range(3)], nat_sources=sources))
    for family in FAMILIES:
        for n in range(3):
            flow = Flow(case, 'tcp', client(1, family, 41000 + n), 80 + n, server(1 + n, family),
                        (NAT_ADDRESS[family], 20000))
            flow.handshake()
            flow.exchange()
        again = Flow(case, 'tcp', client(1, family, 42000), 80, server(1, family),
                     (NAT_ADDRESS[family], 20000))
        case.dropped(again.pair('client', 'S')[0], 'drop_nat_exhausted')
    return case


def client_reached():
    """A client behind the gateway is answered by way of it, one on the link at the MAC that its
    last packet came from."""
    case = one_server('07-client-reached', 'clients behind the gateway and on the link', [80])
    for family in FAMILIES:
        far = Flow(case, 'tcp', client(1, family), 80, server(1, family), vip_source(family))
        near = Flow(case, 'tcp', client_on_link(2, family), 80, server(1, family),
                    vip_source(family, 1))
        far.handshake()
        near.handshake()
        far.exchange()
        near.exchange()
        near.client.mac = '02:00:00:00:02:99'
        near.exchange(b'from another network card', b'to it')
        far.client.mac = '02:00:00:00:02:98'
        up = far.pair('client', 'A')
        case.forwarded(*up)
        far.client.mac = client(1, family).mac
        case.forwarded(*far.pair('server', 'A'))
    return case


def options_and_extensions():
    case = one_server('08-options-and-extensions',
                      'IPv4 options and IPv6 extension headers stand before the ports', [80, 443])
    shapes = {4: [{'options': [IPOption_NOP()] * 4}, {'options': [IPOption_Router_Alert()]},
                  {'options': [IPOption_NOP()] * 40}],
              6: [{'extensions': [IPv6ExtHdrHopByHop(options=[RouterAlert()])]},
                  {'extensions': [IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\0' * 12)])]},
                  {'extensions': [IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrDestOpt()]},
                  {'extensions': [IPv6ExtHdrFragment(offset=0, m=0, id=7)]}]}
    for family in FAMILIES:
        for n, shape in enumerate(shapes[family]):
            flow = Flow(case, 'tcp', client(1 + n, family), 443, server(1, family),
                        vip_source(family, n))
            flow.up('S', **shape)
            flow.down('SA', **shape)
            flow.up('A', **shape)
            flow.up('PA', b'with options', **shape)
            flow.down('A')
    return case


def checksum_zero():
    """UDP over IPv4 may go without a checksum, and stays without."""
    case = one_server('09-udp-checksum-zero', 'UDP without a checksum', [53], protocol='udp')
    flow = Flow(case, 'udp', client(1, 4), 53, server(1, 4), vip_source(4))
    flow.up(payload=b'none', l4={'chksum': 0})
    flow.down(payload=b'none here', l4={'chksum': 0})
    flow.up(payload=b'one')
    flow.down(payload=b'one here')
    return case


def checksum_corners():
    """Payloads that make the sums before and after run through every value near 0x0000 and 0xffff,
    where an incremental update goes wrong if it can."""
    case = one_server('10-checksum-corners', 'checksums near 0x0000 and 0xffff', [53],
                      protocol='udp')
    for family in FAMILIES:
        flow = Flow(case, 'udp', client(1, family), 53, server(1, family), vip_source(family))
        for sender in ('client', 'server'):
            for end in (0, 1):
                zero = flow.pair(sender, payload=b'\0\0')[end]
                checksum = int.from_bytes(zero[-4:-2], 'big')
                for delta in (-2, -1, 0, 1, 2):
                    word = ((checksum + delta) % 0xffff).to_bytes(2, 'big')
                    (flow.up if sender == 'client' else flow.down)(payload=word)
    return case


def padding():
    """Short frames are padded to 60 bytes on the wire; what is behind the IP packet is not part of
    it, and bytes there must not matter."""
    case = one_server('11-padding', 'Ethernet padding behind a short packet', [80])
    flow = Flow(case, 'tcp', client(1, 4), 80, server(1, 4), vip_source(4))
    flow.up('S', padding=bytes(6))
    flow.down('SA', padding=b'\xff' * 6)
    flow.up('A', padding=b'\x01\x02\x03\x04\x05\x06')
    flow.up('PA', b'abc', padding=b'\xaa' * 3)
    flow.exchange()
    return case


def reset_and_reuse():
    """A reset closes; the same client port may then begin anew, on another NAT port, while a
    second SYN of a live connection changes nothing."""
    case = one_server('12-reset-and-reuse', 'resets from both sides, a port used again', [80])
    for family in FAMILIES:
        flow = Flow(case, 'tcp', client(1, family), 80, server(1, family), vip_source(family))
        flow.up('S')
        case.forwarded(*flow.pair('client', 'S'))
        flow.down('SA')
        flow.up('A')
        flow.up('R')
        for n, sender in ((1, 'server'), (2, 'client')):
            case.expect(conn_closed=1)
            flow = Flow(case, 'tcp', client(1, family), 80, server(1, family),
                        vip_source(family, n))
            flow.handshake()
            flow.exchange()
            (flow.up if sender == 'client' else flow.down)('RA')
    return case


CASES = [fullnat_tcp, fullnat_udp, nat_tcp, nat_udp, server_port, nat_source, client_reached,
         options_and_extensions, checksum_zero, checksum_corners, padding, reset_and_reuse]
