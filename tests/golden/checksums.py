"""Internet checksums of a frame by full sums: a second opinion that knows nothing of Ballast."""
import struct

IPV6_EXTENSIONS = {0, 43, 60}
NAMES = {1: 'ICMP', 6: 'TCP', 17: 'UDP', 58: 'ICMPv6'}
CHECKSUM_AT = {1: 2, 6: 16, 17: 6, 58: 2}


def ones_complement(data):
    """The sum of the 16-bit words, carries added back."""
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack(f'>{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def is_sound(data):
    """True of bytes that include their checksum."""
    return ones_complement(data) == 0xffff


def ipv4(packet):
    """The checksum of the header; protocol, addresses and what the packet carries."""
    header = (packet[0] & 15) * 4
    total = struct.unpack_from('>H', packet, 2)[0]
    is_part = struct.unpack_from('>H', packet, 6)[0] & 0x3fff
    bad = [] if is_sound(packet[:header]) else ['bad IPv4 header checksum']
    inner = None if is_part else packet[header:total]
    return bad, packet[9], packet[12:20], inner


def ipv6(packet):
    proto, at = packet[6], 40
    end = 40 + struct.unpack_from('>H', packet, 4)[0]
    while proto in IPV6_EXTENSIONS or proto == 44:
        if proto == 44 and struct.unpack_from('>H', packet, at + 2)[0] & 0xfff9:
            return [], proto, b'', None
        size = 8 if proto == 44 else (packet[at + 1] + 1) * 8
        proto, at = packet[at], at + size
    return [], proto, packet[8:40], packet[at:end]


def complaints(frame):
    """What is wrong with the checksums of an Ethernet frame; a list of sentences."""
    kind = frame[12:14]
    if kind not in (b'\x08\x00', b'\x86\xdd'):
        return []
    bad, proto, addresses, inner = (ipv4 if kind == b'\x08\x00' else ipv6)(frame[14:])
    if inner is None or proto not in NAMES:
        return bad
    checksum = inner[CHECKSUM_AT[proto]:CHECKSUM_AT[proto] + 2]
    if proto == 17 and checksum == b'\0\0':
        return bad + ([] if kind == b'\x08\x00' else ['no UDP checksum over IPv6'])
    pseudo = b'' if proto == 1 else addresses + struct.pack('>II', len(inner), proto)
    return bad + ([] if is_sound(pseudo + inner) else [f'bad {NAMES[proto]} checksum'])
