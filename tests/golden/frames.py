"""The installation of the golden cases, and frames by words: built by scapy from nothing, so that
their checksums are full sums and owe nothing to Ballast's incremental ones."""
import logging

logging.getLogger('scapy.runtime').setLevel(logging.ERROR)

from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6TimeExceeded, IPv6  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.packet import Raw, raw  # noqa: E402

BALLAST_MAC = '02:70:63:61:70:00'  # what DPDK gives its first capture port
GATEWAY_MAC = '02:00:00:00:00:01'
FAMILIES = (4, 6)
NETWORK = {4: '192.0.2.', 6: '2001:db8::'}
OUTSIDE = {4: '198.51.100.', 6: '2001:db8:1::'}
VIP = {family: NETWORK[family] + '10' for family in FAMILIES}
NAT_ADDRESS = {family: NETWORK[family] + '9' for family in FAMILIES}

# Under --seed 1, read from a run: the port that fullnat takes first when the VIP itself serves as
# its source, and how far apart the following ones are in the range 20000-49999.
NAT_FIRST = {4: 20492, 6: 31043}
NAT_STEP = 5761
NAT_PORTS = {family: [20000 + (first - 20000 + n * NAT_STEP) % 30000 for n in range(200)]
             for family, first in NAT_FIRST.items()}


def vip_source(family, n=0):
    """What the VIP as its own NAT source gives the n-th connection."""
    return VIP[family], NAT_PORTS[family][n]


def family_of(address):
    return 6 if ':' in address else 4


class Host:
    """A host on the link or behind the gateway; `port` is its own end of a connection."""

    def __init__(self, address, port, mac):
        self.address = address
        self.port = port
        self.mac = mac

    def at(self, port):
        return Host(self.address, port, self.mac)


def server(n, family, port=None):
    """Real server n; without `port` it keeps the client's."""
    return Host(f'{NETWORK[family]}1{n}', port, f'02:00:00:00:00:1{n}')


def client(n, family, port=None):
    """Client n behind the gateway."""
    return Host(f'{OUTSIDE[family]}{n}', port or 40000 + n, GATEWAY_MAC)


def client_on_link(n, family, port=None):
    return Host(f'{NETWORK[family]}1{n:02}', port or 40000 + n, f'02:00:00:00:01:{n:02}')


# --- configuration -------------------------------------------------------------------------------

def name_of(host):
    return 's' + host.address.rsplit('.', 1)[-1].rsplit(':', 1)[-1] + \
        ('-ipv6' if family_of(host.address) == 6 else '')


def real(host, **keys):
    """A real server as the configuration lists it."""
    entry = {'name': name_of(host), 'address': host.address}
    if host.port is not None:
        entry['port'] = host.port
    return entry | keys


def service(name, family, ports, servers, **keys):
    """A virtual service; `servers` are hosts, entries made by real(), or a pool's name."""
    entry = {'name': f'{name}-ipv{family}', 'address': VIP[family], 'protocol': 'tcp',
             'ports': ports, 'forwarding': 'fullnat'} | keys
    if isinstance(servers, str):
        return entry | {'server_pool': servers}
    return entry | {'real_servers': [s if isinstance(s, dict) else real(s) for s in servers]}


def configuration(description, services, unresolved=(), **keys):
    """One arm; every server but the `unresolved` and the gateway have static neighbours."""
    interface = {'name': 'lan', 'device': 'vdev:net_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap',
                 'addresses': [NETWORK[4] + '2/24', NETWORK[6] + '2/64'],
                 'gateway': NETWORK[4] + '1', 'gateway_ipv6': NETWORK[6] + '1'}
    macs = {NETWORK[family] + '1': GATEWAY_MAC for family in FAMILIES}
    listed = [r for s in services + keys.get('server_pools', []) for r in s.get('real_servers', [])]
    for entry in listed:
        if entry['address'] not in unresolved:
            macs[entry['address']] = '02:00:00:00:00:' + entry['address'][-2:]
    neighbors = [{'address': address, 'mac': mac, 'interface': 'lan'}
                 for address, mac in macs.items()]
    node = {'interfaces': [interface], 'neighbors': neighbors, 'workers': [0],
            'limits': {'connections': 1000, 'persistence_records': 1000}}
    node['limits'] |= keys.pop('limits', {})
    return {'version': 1, 'description': description, 'node': node} | keys | \
        {'virtual_services': services}


# --- frames --------------------------------------------------------------------------------------

def packet(src, dst, inner, ttl=64, options=(), extensions=(), **fields):
    """An IP packet around `inner`; options are IPv4's, extensions IPv6's."""
    if family_of(src) == 4:
        return IP(src=src, dst=dst, ttl=ttl, options=list(options), **fields) / inner
    head = IPv6(src=src, dst=dst, hlim=ttl, **fields)
    for extension in extensions:
        head = head / extension.copy()
    return head / inner


def frame(src_mac, dst_mac, inner, padding=b''):
    return raw(Ether(src=src_mac, dst=dst_mac) / inner) + padding


def transport(proto, sport, dport, payload=b'', **fields):
    layer = TCP if proto == 'tcp' else UDP
    inner = layer(sport=sport, dport=dport, **fields)
    return inner / Raw(payload) if payload else inner


def reset_of(bounced):
    """The answer of RFC 9293 3.10.7.1 to a TCP segment of no connection, from where it was sent."""
    got = Ether(bounced)
    ip, tcp = got.payload, got[TCP]
    # By the lengths in the headers: a frame's padding is no data.
    n_bytes = ip.len - 4 * ip.ihl if ip.version == 4 else ip.plen
    n = n_bytes - 4 * tcp.dataofs + ('S' in tcp.flags) + ('F' in tcp.flags)
    words = {'seq': tcp.ack, 'flags': 'R'} if 'A' in tcp.flags else \
        {'ack': (tcp.seq + n) % 2 ** 32, 'flags': 'RA'}
    fields = {'id': 0, 'flags': 'DF'} if ip.version == 4 else {}
    reply = TCP(sport=tcp.dport, dport=tcp.sport, window=0, **words)
    return frame(got.dst, got.src, packet(ip.dst, ip.src, reply, **fields))


UNREACHABLE, EXPIRED = 'unreachable', 'expired'
ICMP_WORDS = {(4, UNREACHABLE): lambda: ICMP(type=3, code=3),
              (6, UNREACHABLE): lambda: ICMPv6DestUnreach(code=4),
              (4, EXPIRED): lambda: ICMP(type=11, code=0),
              (6, EXPIRED): lambda: ICMPv6TimeExceeded(code=0)}


def icmp_error(words, quote):
    """An ICMP error, `words` its head, about the bytes `quote`."""
    return words / Raw(quote)


def icmp_answer(bounced, vip, why):
    """The ICMP error that Ballast itself sends: with as much as RFC 1812 and 4443 allow."""
    got = Ether(bounced)
    ip, family = got.payload, family_of(vip)
    n = ip.len if family == 4 else 40 + ip.plen
    quote = bounced[14:14 + n][:(576 - 28 if family == 4 else 1280 - 48)]
    fields = {'id': 0, 'flags': 'DF', 'tos': 0xc0} if family == 4 else {}
    return frame(got.dst, got.src,
                 packet(vip, ip.src, icmp_error(ICMP_WORDS[family, why](), quote), **fields))


class Flow:
    """A connection and what Ballast has to make of its packets in both directions.

    `source` is the (address, port) that the server sees; None: the client's own (nat)."""

    def __init__(self, case, proto, who, vip_port, host, source, vip=None):
        self.case = case
        self.proto = proto
        self.client = who
        self.family = family_of(who.address)
        self.vip = Host(vip or VIP[self.family], vip_port, BALLAST_MAC)
        self.server = host if host.port else host.at(vip_port)
        self.source = Host(*(source or (who.address, who.port)), BALLAST_MAC)
        self.seq = {'client': 1000, 'server': 5000}
        self.is_known = False

    def _transport(self, src, dst, sender, flags, payload, fields):
        if self.proto == 'udp':
            return transport('udp', src.port, dst.port, payload, **fields)
        other = 'server' if sender == 'client' else 'client'
        ack = self.seq[other] if 'A' in flags else 0
        return transport('tcp', src.port, dst.port, payload,
                         **{'flags': flags, 'seq': self.seq[sender], 'ack': ack} | fields)

    def pair(self, sender, flags='A', payload=b'', ttl=64, **shape):
        """The frame before and after Ballast. shape: options, extensions, padding, l4 (a dict of
        further transport fields)."""
        padding, fields = shape.pop('padding', b''), shape.pop('l4', {})
        if sender == 'client':
            ends = (self.client, self.vip), (self.source, self.server)
        else:
            ends = (self.server, self.source), (self.vip, self.client)
        before, after = (packet(src.address, dst.address,
                                self._transport(src, dst, sender, flags, payload, fields),
                                ttl=ttl - i, **shape) for i, (src, dst) in enumerate(ends))
        return (frame(ends[0][0].mac, BALLAST_MAC, before, padding),
                frame(BALLAST_MAC, ends[1][1].mac, after, padding))

    def _send(self, sender, flags, payload, shape):
        before, after = self.pair(sender, flags, payload, **shape)
        self.case.forwarded(before, after)
        self.seq[sender] += len(payload) + ('S' in flags) + ('F' in flags)
        if self.proto == 'tcp' and 'R' in flags:
            self.case.expect(tcp_rst_seen=1)
        if not self.is_known:
            self.case.expect(conn_created=1)
            self.is_known = True

    def up(self, flags='A', payload=b'', **shape):
        """Client to server."""
        self._send('client', flags, payload, shape)

    def down(self, flags='A', payload=b'', **shape):
        """Server to client."""
        self._send('server', flags, payload, shape)

    def handshake(self):
        self.up('S')
        self.down('SA')
        self.up('A')

    def open(self):
        """What a connection of its protocol begins with."""
        if self.proto == 'tcp':
            self.handshake()
        else:
            self.exchange()

    def exchange(self, question=b'question', answer=b'the answer'):
        if self.proto == 'udp':
            self.up(payload=question)
            self.down(payload=answer)
            return
        self.up('PA', question)
        self.down('PA', answer)
        self.up('A')

    def close(self):
        self.up('FA')
        self.down('FA')
        self.up('A')
