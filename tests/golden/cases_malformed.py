"""Cases about frames that are wrong in themselves. They are made of bytes: scapy is too polite."""
import struct

from checksums import ones_complement
from frames import (BALLAST_MAC, FAMILIES, GATEWAY_MAC, VIP, Flow, client, configuration,
                    packet, server, service, transport, vip_source)
from scapy.packet import raw
from statement import Case

ETHERTYPE = {4: 0x0800, 6: 0x86dd}
LINK = bytes.fromhex((BALLAST_MAC + GATEWAY_MAC).replace(':', ''))
HEADER = {4: 20, 6: 40}


def link(family, data):
    return LINK + struct.pack('>H', ETHERTYPE[family]) + bytes(data)


def good(family, proto='tcp', payload=b''):
    """An IP packet of client 1 that would open a connection."""
    who = client(1, family)
    fields = {'flags': 'S'} if proto == 'tcp' else {}
    return raw(packet(who.address, VIP[family], transport(proto, who.port, 80, payload, **fields)))


def patched(data, at, *values):
    return data[:at] + bytes(values) + data[at + len(values):]


def with_sum(data):
    """An IPv4 packet whose header checksum is right after all."""
    zeroed = patched(data, 10, 0, 0)
    checksum = ones_complement(zeroed[:(data[0] & 15) * 4]) ^ 0xffff
    return patched(data, 10, checksum >> 8, checksum & 0xff)


def one_service(name, description):
    return Case(name, configuration(description, [
        service(proto, family, [80], [server(1, family)], protocol=proto)
        for family in FAMILIES for proto in ('tcp', 'udp')]))


def still_works(case):
    """None of it did any harm."""
    for family in FAMILIES:
        flow = Flow(case, 'tcp', client(1, family), 80, server(1, family), vip_source(family))
        flow.handshake()
        flow.exchange()
    return case


def headers():
    case = one_service('40-malformed-headers', 'IP headers that contradict themselves')
    for family in FAMILIES:
        data = good(family)
        # Cut at every byte of the headers, and one byte short of the whole.
        for n in [*range(HEADER[family] + 20)]:
            case.dropped(link(family, data[:n]), 'drop_truncated')
    for n in (1, 12, 13):
        case.dropped(link(4, good(4))[:n], 'drop_truncated')
    syn = good(4)
    for bad in (patched(syn, 0, 0x55), patched(syn, 0, 0x65), patched(syn, 0, 0x44),
                patched(syn, 10, syn[10] ^ 1), patched(syn, 8, 63),
                with_sum(patched(syn, 2, 0, 19)), with_sum(patched(syn, 2, 0, 0))):
        case.dropped(link(4, bad), 'drop_bad_ipv4_header')
    # The header reaches past the frame; the packet does.
    case.dropped(link(4, patched(syn, 0, 0x4f)), 'drop_truncated')
    case.dropped(link(4, with_sum(patched(syn, 2, 0, 41))), 'drop_truncated')
    for version in (0x00, 0x40, 0x50, 0xf0):
        case.dropped(link(6, patched(good(6), 0, version)), 'drop_bad_ipv6_header')
    case.dropped(link(6, patched(good(6), 4, 0, 21)), 'drop_truncated')
    return still_works(case)


def addresses():
    """Source or destination that no packet on a wire may carry."""
    case = one_service('41-malformed-addresses', 'addresses that no packet may carry')
    fields = {'src': 12, 'dst': 16}
    for field, value in (('src', '00000000'), ('src', '00000001'), ('src', '7f000001'),
                         ('src', 'e0000001'), ('src', 'ffffffff'), ('dst', '7f000001'),
                         ('dst', '00000000')):
        for proto in ('tcp', 'udp'):
            data = with_sum(patched(good(4, proto), fields[field], *bytes.fromhex(value)))
            case.dropped(link(4, data), 'drop_bad_address')
    fields = {'src': 8, 'dst': 24}
    for field, value in (('src', '00' * 16), ('src', '00' * 15 + '01'), ('dst', '00' * 15 + '01'),
                         ('dst', '00' * 16), ('src', 'ff02' + '00' * 13 + '01'),
                         ('src', '00' * 10 + 'ffffc6336401'), ('dst', '00' * 10 + 'ffffc000020a')):
        for proto in ('tcp', 'udp'):
            data = patched(good(6, proto), fields[field], *bytes.fromhex(value))
            case.dropped(link(6, data), 'drop_bad_address')
    return still_works(case)


def transports():
    case = one_service('42-malformed-transport', 'TCP and UDP headers with impossible lengths')
    for family in FAMILIES:
        at = HEADER[family]
        for offset in (0x00, 0x40, 0x60, 0xf0):
            case.dropped(link(family, patched(good(family), at + 12, offset)),
                         'drop_bad_l4_header')
        for length in (0, 7, 9 + 8, 0xffff):
            data = patched(good(family, 'udp', b'question'), at + 4, length >> 8, length & 0xff)
            case.dropped(link(family, data), 'drop_bad_l4_header')
        for proto, n in (('tcp', 19), ('tcp', 0), ('udp', 7), ('udp', 0)):
            case.dropped(link(family, shortened(good(family, proto), family, n)),
                         'drop_bad_l4_header')
    return still_works(case)


def shortened(data, family, n):
    """An IP packet with `n` bytes of transport header and a length that says so; the frame goes
    on."""
    if family == 4:
        return with_sum(patched(data, 2, 0, HEADER[4] + n))
    return patched(data, 4, 0, n)


def extension(next_header, n_words=0, body=bytes(6)):
    return bytes([next_header, n_words]) + body


def extensions():
    """IPv6 extension headers: at most 8, each whole, hop-by-hop options first or not at all."""
    case = one_service('43-malformed-extensions', 'IPv6 extension headers that cannot be followed')
    syn = good(6)
    tcp, hop, routing, options = 6, 0, 43, 60
    pad = bytes([1, 4, 0, 0, 0, 0])

    def chain(first, *headers):
        body = b''.join(headers) + syn[40:]
        return patched(syn, 4, len(body) >> 8, len(body) & 0xff, first)[:40] + body

    reason = 'drop_bad_ipv6_extension'
    too_many = [extension(options, 0, pad)] * 8 + [extension(tcp, 0, pad)]
    case.dropped(link(6, chain(options, *too_many)), reason)
    case.dropped(link(6, chain(options, extension(hop, 0, pad), extension(tcp, 0, pad))), reason)
    case.dropped(link(6, chain(options, extension(tcp, 255, pad))), reason)
    case.dropped(link(6, patched(syn[:47], 4, 0, 7, options)), reason)
    case.dropped(link(6, chain(routing, extension(tcp, 4, bytes([2, 0]) + bytes(4)))), reason)
    # As many as there may be.
    for n, headers in enumerate([[extension(tcp, 0, pad)], too_many[1:]]):
        flow = Flow(case, 'tcp', client(1, 6, 41000 + n), 80, server(1, 6), vip_source(6, n))
        before, after = flow.pair('client', 'S')
        case.forwarded(*(patched_chain(whole, headers, options) for whole in (before, after)))
        case.expect(conn_created=1)
    return still_works_after(case, 2)


def patched_chain(whole, headers, first):
    body = b''.join(headers) + whole[54:]
    return patched(whole, 14 + 4, len(body) >> 8, len(body) & 0xff, first)[:54] + body


def still_works_after(case, n):
    """IPv6 alone, the VIP having given `n` NAT ports already."""
    flow = Flow(case, 'tcp', client(1, 6), 80, server(1, 6), vip_source(6, n))
    flow.handshake()
    return case


CASES = [headers, addresses, transports, extensions]
