"""Cases of what surrounds IP packets: VLAN tags, sizes, padding, and frames that are none."""
from cases_direct import HASHES, OneWay, too_big_answer, tunnel
from frames import (BALLAST_MAC, FAMILIES, GATEWAY_MAC, NETWORK, VIP, Flow, Host, client,
                    configuration, frame, packet, reset_of, server, service, transport, vip_source)
from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoRequest
from scapy.layers.l2 import ARP
from scapy.packet import Raw
from statement import Case

C_TAG, S_TAG, OLD_TAG = 0x8100, 0x88a8, 0x9100
BROADCAST = 'ff:ff:ff:ff:ff:ff'
# Under --seed 1, read from a run, as HASHES.
SYN_HASHES = {(4, 83): HASHES[4, 'tcp', 83], (6, 83): HASHES[6, 'tcp', 83], (4, 84): 304088,
              (6, 84): 279642}
CLIENT_NET = {4: '203.0.113.', 6: '2001:db8:7::'}


def mac_bytes(text):
    return bytes.fromhex(text.replace(':', ''))


def with_tags(plain, tags):
    """`tags`: (type, priority, id), from the outside; the priority's lowest bit is the one that
    allows to drop the frame first."""
    between = b''.join(kind.to_bytes(2, 'big') + (priority << 12 | vlan).to_bytes(2, 'big')
                       for kind, priority, vlan in tags)
    return plain[:12] + between + plain[12:]


class Trunk:
    """A case whose hosts are in VLANs: its frames are stated without tags. `lans`: MAC -> (type, id)
    of the tags, from the outside; `priorities`: what the next frames come with."""

    def __init__(self, case, lans):
        self.case = case
        self.lans = {mac_bytes(mac): tags for mac, tags in lans.items()}
        self.priorities = (0, 0)

    def expect(self, **counts):
        self.case.expect(**counts)

    def _as_sent(self, plain):
        tags = self.lans[plain[6:12]]
        return with_tags(plain, [(kind, self.priorities[i], vlan)
                                 for i, (kind, vlan) in enumerate(tags)]), tags

    def forwarded(self, before, after):
        came, had = self._as_sent(before)
        has = self.lans[after[:6]]
        kept = [self.priorities[min(i, len(had) - 1)] if had else 0 for i in range(len(has))]
        self.case.forwarded(came, with_tags(after, [
            (kind, priority, vlan) for (kind, vlan), priority in zip(has, kept)]))

    def answered(self, before, reason, reply, kind):
        came, had = self._as_sent(before)
        self.case.answered(came, reason, with_tags(reply, [
            (kind_, self.priorities[i], vlan) for i, (kind_, vlan) in enumerate(had)]), kind)

    def dropped(self, plain, reason):
        self.case.dropped(self._as_sent(plain)[0], reason)

    def punted(self, plain):
        self.case.punted(self._as_sent(plain)[0])


def interface(case_config, name, networks, gateway=False, **keys):
    """One more on the device of the first; `networks` by family, ours is .2 of them."""
    device = case_config['node']['interfaces'][0]['device']
    entry = {'name': name, 'device': device} | keys | \
        {'addresses': [networks[4] + '2/24', networks[6] + '2/64']}
    if gateway:
        entry |= {'gateway': networks[4] + '1', 'gateway_ipv6': networks[6] + '1'}
        case_config['node']['neighbors'] += [
            {'address': networks[family] + '1', 'mac': GATEWAY_MAC, 'interface': name}
            for family in FAMILIES]
    return entry


def in_vlans(description, services, interfaces):
    """The servers' interface `lan` first, then the clients'; `interfaces`: keys of both."""
    config = configuration(description, services)
    config['node']['neighbors'] = [n for n in config['node']['neighbors']
                                   if n['mac'] != GATEWAY_MAC]
    config['node']['interfaces'] = [
        interface(config, 'lan', NETWORK, **interfaces[0]),
        interface(config, 'clients', CLIENT_NET, gateway=True, **interfaces[1])]
    return config


def services_of_all_modes():
    return [service(f'{mode}-{proto}', family, [port], [server(1, family)], protocol=proto,
                    forwarding=mode)
            for family in FAMILIES for proto in ('tcp', 'udp')
            for port, mode in ((80, 'fullnat'), (81, 'nat'), (82, 'dsr'), (83, 'ipip'))]


def neighbour(family):
    """A client on the clients' own link."""
    return Host(CLIENT_NET[family] + '50', 40050, '02:00:00:00:02:50')


def all_modes(trunk):
    """Both ways where both pass, with priorities that are to be kept or to come from nowhere."""
    for family in FAMILIES:
        for n, proto in enumerate(('tcp', 'udp')):
            for m, who in enumerate((client(1, family), neighbour(family))):
                # The tcp and the udp service have a rotation each and one NAT range.
                source = vip_source(family, 2 * n + m)
                for port, ends in ((80, source), (81, None)):
                    trunk.priorities = (11, 4)
                    flow = Flow(trunk, proto, who, port, server(1, family), ends)
                    flow.open()
                    trunk.priorities = (0, 0)
                    flow.exchange()
                flow = OneWay(trunk, proto, who, 82, server(1, family))
                flow.up('S')
                flow.up('A', b'question')


def all_tunnels(trunk):
    for family in FAMILIES:
        host = server(1, family)
        trunk.priorities = (6, 2)
        wrap = tunnel(family, 'ipip', host, HASHES[family, 'tcp', 83])
        flow = OneWay(trunk, 'tcp', client(1, family), 83, host, wrap)
        flow.up('S')
        flow.pass_on(flow.packet('A', b'padded'), padding=b'\x01\x02\x03', kept=b'')
        n_head, n_more = (40, 20) if family == 4 else (60, 40)
        largest = bytes(1500 - n_more - n_head)
        flow.up('A', largest)
        bounced = frame(GATEWAY_MAC, BALLAST_MAC, flow.packet('A', largest + b'x'))
        trunk.answered(bounced, 'drop_too_big',
                       too_big_answer(bounced, VIP[family], 1500 - n_more), 'icmp_sent')


def strays(trunk):
    """What is refused is refused in the VLAN that it came from."""
    trunk.priorities = (3, 5)
    for family in FAMILIES:
        who = client(7, family)
        bounced = frame(GATEWAY_MAC, BALLAST_MAC, packet(who.address, VIP[family], transport(
            'tcp', who.port, 80, flags='A', seq=1, ack=2)))
        trunk.answered(bounced, 'drop_no_connection', reset_of(bounced), 'rst_sent')
        cut = frame(GATEWAY_MAC, BALLAST_MAC, packet(who.address, VIP[family], transport(
            'tcp', who.port, 80, flags='S')))[:-1]
        trunk.dropped(cut, 'drop_truncated')
    trunk.punted(frame(GATEWAY_MAC, BROADCAST, ARP(op='who-has', hwsrc=GATEWAY_MAC, pdst=VIP[4])))
    trunk.punted(frame(GATEWAY_MAC, BALLAST_MAC, packet(
        client(7, 4).address, VIP[4], ICMP(type=8, id=1, seq=1) / Raw(b'ping'))))
    trunk.punted(frame(GATEWAY_MAC, BALLAST_MAC, packet(
        client(7, 6).address, VIP[6], ICMPv6EchoRequest(id=1, seq=1, data=b'ping'))))


def unknown(case, tags):
    """Frames that would be served, or dropped, were they in a VLAN of ours."""
    for family in FAMILIES:
        who = client(8, family)
        plain = frame(GATEWAY_MAC, BALLAST_MAC, packet(who.address, VIP[family], transport(
            'tcp', who.port, 80, flags='S')))
        for each in (plain, plain[:-1]):
            case.punted(with_tags(each, tags))
            case.expect(vlan_unknown=1)


def vlan():
    """Clients in a VLAN, servers untagged: pushed and popped on the way."""
    case = Case('44-vlan', in_vlans('clients in VLAN 100, servers untagged', services_of_all_modes(),
                                    [{}, {'vlan': 100}]))
    clients = [(C_TAG, 100)]
    trunk = Trunk(case, {GATEWAY_MAC: clients, neighbour(4).mac: clients, server(1, 4).mac: []})
    all_modes(trunk)
    all_tunnels(trunk)
    strays(trunk)
    for tags in ([(C_TAG, 0, 101)], [(S_TAG, 0, 100)], [(OLD_TAG, 0, 100)],
                 [(C_TAG, 0, 100), (C_TAG, 0, 100)], [(S_TAG, 0, 7), (C_TAG, 0, 100)],
                 [(C_TAG, 0, 4095)]):
        unknown(case, tags)
    # A third tag: nobody looks further.
    case.punted(with_tags(frame(GATEWAY_MAC, BALLAST_MAC, packet(
        client(1, 4).address, VIP[4], transport('tcp', 1, 80, flags='S'))),
        [(C_TAG, 0, 0), (C_TAG, 0, 0), (C_TAG, 0, 100)]))
    # Cut in the middle of its tags.
    case.dropped(mac_bytes(BALLAST_MAC) + mac_bytes(GATEWAY_MAC) + b'\x81\x00\x00',
                 'drop_truncated')
    # A tag of id 0 carries a priority and names no VLAN; the reply has none.
    for family in FAMILIES:
        who = Host(NETWORK[family] + '150', 40150, '02:00:00:00:01:50')
        plain = Flow(case, 'udp', who, 81, server(1, family), None)
        before, after = plain.pair('client', payload=b'question')
        case.forwarded(with_tags(before, [(C_TAG, 14, 0)]), after)
        case.expect(conn_created=1)
        plain.is_known = True
        plain.down(payload=b'the answer')
    # And inside of, or around, one that names it.
    flow = Flow(trunk, 'udp', client(9, 4), 81, server(1, 4), None)
    before, after = flow.pair('client', payload=b'question')
    case.expect(conn_created=1)
    case.forwarded(with_tags(before, [(C_TAG, 14, 0), (C_TAG, 0, 100)]), after)
    case.forwarded(with_tags(before, [(C_TAG, 2, 100), (C_TAG, 0, 0)]), after)
    return case


def qinq():
    """Every interface tagged: swapped, and nothing untagged is ours."""
    case = Case('45-qinq', in_vlans('servers in VLAN 300, clients in VLAN 100 of provider VLAN 200',
                                    services_of_all_modes(),
                                    [{'vlan': 300}, {'vlan': 100, 'outer_vlan': 200}]))
    clients = [(S_TAG, 200), (C_TAG, 100)]
    trunk = Trunk(case, {GATEWAY_MAC: clients, neighbour(4).mac: clients,
                         server(1, 4).mac: [(C_TAG, 300)]})
    all_modes(trunk)
    all_tunnels(trunk)
    strays(trunk)
    for tags in ([], [(C_TAG, 0, 100)], [(S_TAG, 0, 200)], [(C_TAG, 0, 200), (C_TAG, 0, 100)],
                 [(C_TAG, 0, 100), (S_TAG, 0, 200)], [(C_TAG, 3, 0)]):
        unknown(case, tags)
    return case


def one_vlan():
    """Two VLANs within providers' of other types, on one device; nothing changes on the way of what
    stays in its VLAN."""
    config = configuration('one arm in VLAN 7 of provider VLAN 9, with the older type', [
        service('web', family, [80], [server(1, family)], forwarding='nat') for family in FAMILIES])
    keys = {'vlan': 7, 'outer_vlan': 9, 'outer_vlan_type': '0x9100'}
    config['node']['interfaces'][0] |= keys
    config['node']['interfaces'].append(interface(
        config, 'other', CLIENT_NET, vlan=7, outer_vlan=9, outer_vlan_type='0x8100'))
    case = Case('46-one-vlan', config)
    inside = [(OLD_TAG, 9), (C_TAG, 7)]
    trunk = Trunk(case, {GATEWAY_MAC: inside, server(1, 4).mac: inside,
                         neighbour(4).mac: [(C_TAG, 9), (C_TAG, 7)]})
    trunk.priorities = (15, 9)
    for family in FAMILIES:
        for who in (client(1, family), neighbour(family)):
            flow = Flow(trunk, 'tcp', who, 80, server(1, family), None)
            flow.open()
            flow.exchange()
            flow.close()
    return case


# --- the maximum segment size ----------------------------------------------------------------------

def clamped(flow, said, left, sender='client', before=(), after=()):
    """A SYN of the client or its answer; `said`: MSS as it comes, `left`: as it leaves."""
    flags = 'S' if sender == 'client' else 'SA'
    came, _ = flow.pair(sender, flags, l4={'options': [*before, ('MSS', said), *after]})
    _, goes = flow.pair(sender, flags, l4={'options': [*before, ('MSS', left), *after]})
    flow.case.forwarded(came, goes)
    flow.seq[sender] += 1
    if not flow.is_known:
        flow.case.expect(conn_created=1)
        flow.is_known = True
    if said != left:
        flow.case.expect(mss_clamped=1)


def clamped_one_way(flow, said, left):
    came, goes = (flow.packet('S') for _ in range(2))
    came['TCP'].options, goes['TCP'].options = [('MSS', said)], [('MSS', left)]
    flow.case.forwarded(frame(flow.client.mac, BALLAST_MAC, came),
                        frame(BALLAST_MAC, flow.server.mac, flow.wrap(goes)))
    flow.case.expect(conn_created=1, **({'mss_clamped': 1} if said != left else {}))


def mss_clamp():
    """Clients on a link that carries 1500 bytes, servers on one with 1400."""
    case = Case('47-mss-clamp', in_vlans('SYNs say no more than both links carry', [
        service(name, family, [port], [server(1, family)], forwarding=mode, **keys)
        for family in FAMILIES for port, name, mode, keys in (
            (80, 'auto', 'fullnat', {'mss_clamp': 'auto'}),
            (81, 'number', 'nat', {'mss_clamp': 1000}),
            (82, 'none', 'nat', {}),
            (83, 'tunnel', 'ipip', {'mss_clamp': 'auto'}),
            (84, 'udp-tunnel', 'gue', {'mss_clamp': 'auto'}),
            (85, 'dsr', 'dsr', {'mss_clamp': 1000}))], [{'mtu': 1400}, {'vlan': 100}]))
    clients = [(C_TAG, 100)]
    trunk = Trunk(case, {GATEWAY_MAC: clients, server(1, 4).mac: []})
    odd = [('NOP', None)], [('SAckOK', b''), ('Timestamp', (1, 0))]
    for family in FAMILIES:
        fits, who = 1400 - (40 if family == 4 else 60), client(1, family)
        for port, limit, source in ((80, fits, vip_source(family)), (81, 1000, None),
                                    (82, 65535, None)):
            flow = Flow(trunk, 'tcp', who, port, server(1, family), source)
            clamped(flow, 1460, min(1460, limit))
            clamped(flow, 8960, min(8960, limit), 'server')
            # Said again, behind an odd number of bytes; lower than the limit; nothing else changes.
            flow.seq = {'client': 1000, 'server': 5000}
            clamped(flow, 1461, min(1461, limit), 'client', *odd)
            clamped(flow, 536, 536, 'server', *odd)
            flow.up('A', l4={'options': [('MSS', 1460)]})
            flow.exchange()
        n_outer = 20 if family == 4 else 40
        for port, mode, n_more in ((83, 'ipip', 0), (84, 'gue', 8)):
            host = server(1, family)
            wrap = tunnel(family, mode, host, SYN_HASHES[family, port])
            flow = OneWay(trunk, 'tcp', who, port, host, wrap)
            clamped_one_way(flow, 1460, fits - n_outer - n_more)
            flow.is_known = True
            flow.up('A', b'question')
        flow = OneWay(trunk, 'tcp', who, 85, server(1, family))
        clamped_one_way(flow, 1460, 1000)
    return case


# --- sizes ------------------------------------------------------------------------------------------

def jumbo():
    """9000 bytes and not one more, in a VLAN's tags and a tunnel's headers too."""
    case = Case('48-jumbo', in_vlans('packets of 9000 bytes', services_of_all_modes(),
                                     [{'mtu': 9000}, {'mtu': 9000, 'vlan': 100}]))
    trunk = Trunk(case, {GATEWAY_MAC: [(C_TAG, 100)], server(1, 4).mac: []})
    for family in FAMILIES:
        n_head, who = (40 if family == 4 else 60), client(1, family)
        for port, source in ((80, vip_source(family)), (81, None)):
            flow = Flow(trunk, 'tcp', who, port, server(1, family), source)
            flow.handshake()
            for sender, send in (('client', flow.up), ('server', flow.down)):
                for size in (4096, 9000):
                    send('A', bytes(n % 253 for n in range(size - n_head)))
                bounced = flow.pair(sender, 'A', bytes(9001 - n_head))[0]
                trunk.answered(bounced, 'drop_too_big', too_big_answer(bounced, VIP[family], 9000),
                               'icmp_sent')
        for port, n_outer in ((82, 0), (83, 20 if family == 4 else 40)):
            wrap = tunnel(family, 'ipip', server(1, family), HASHES[family, 'tcp', 83]) \
                if n_outer else lambda inner: inner
            flow = OneWay(trunk, 'tcp', who, port, server(1, family), wrap)
            flow.up('S')
            flow.up('A', bytes(n % 253 for n in range(9000 - n_outer - n_head)))
    return case


CASES = [vlan, qinq, one_vlan, mss_clamp, jumbo]
