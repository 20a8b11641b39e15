"""Cases of packets whose server the table of their service tells, without an entry: services without
tracking, and connections that found no room."""
import choices
from cases_direct import HASHES, OneWay, tunnel
from frames import (BALLAST_MAC, FAMILIES, UNREACHABLE, VIP, client, configuration, frame, packet,
                    real, server, service, transport)
from statement import Case

SIZE = 65537
WEIGHTS = (2, 1, 1, 1)
DRAINED = 2  # position in the lists below
SERVERS = {family: [server(n, family) for n in range(1, 5)] for family in FAMILIES}
TABLE = {family: choices.maglev_table([s.address for s in SERVERS[family]], WEIGHTS, SIZE)
         for family in FAMILIES}


def entries(family):
    listed = [real(s, weight=w) for s, w in zip(SERVERS[family], WEIGHTS)]
    listed[DRAINED]['admin_state'] = 'drain'
    return listed


class Untracked(OneWay):
    """A connection of a service without tracking: its server by the slot, and an entry only where
    that one takes nobody."""

    def __init__(self, case, proto, who, port, value, **more):
        self.family = 6 if ':' in who.address else 4
        table = TABLE[self.family]
        self.keeper = table[choices.reduce(value >> 32, SIZE)]
        self.chosen = choices.by_table(table, value, {0, 1, 3})
        super().__init__(case, proto, who, port, SERVERS[self.family][self.keeper], **more)
        self.is_known = True

    def open(self):
        if self.proto == 'udp':
            self.up()
            return
        self.server = SERVERS[self.family][self.chosen]
        self.up('S')
        self.case.expect(**{'conn_stateless' if self.keeper == self.chosen else 'conn_created': 1})


def stateless():
    """Who drains keeps what is in mid-stream, and UDP, which does not say that it begins."""
    case = Case('90-stateless', configuration('no entry but for clients of the server that drains', [
        service(f'{name}-{proto}', family, [port], entries(family), protocol=proto,
                forwarding='dsr', scheduler=name.replace('-', '_'), tracking='none')
        for family in FAMILIES for proto in ('tcp', 'udp')
        for name, port in (('maglev', 80), ('source-hash', 81))]))
    seen = set()
    for family in FAMILIES:
        for n in range(1, 25):
            for proto in ('tcp', 'udp'):
                who = client(1 + n % 12, family, 40000 + n)
                for port, value in ((80, choices.hash_of_flow(who, VIP[family], 80, proto)),
                                    (81, choices.hash_of_address(who.address))):
                    flow = Untracked(case, proto, who, port, value)
                    seen.add((proto, flow.keeper))
                    if n % 3 != 0:  # else it was opened before Ballast was started
                        flow.open()
                    flow.up('A', b'question')
                    flow.reported(UNREACHABLE)
                    flow.up('FA')
    assert len(seen) == 8, seen
    return case


def stateless_tunnels():
    """The source port of GUE and the flow label still tell connections apart."""
    case = Case('91-stateless-tunnels', configuration('in both families, by the table alone', [
        service(f'{mode}-{proto}', family, [port], [server(1, outer)], protocol=proto,
                forwarding=mode, scheduler='maglev', tracking='none')
        for family in FAMILIES for proto in ('tcp', 'udp')
        for mode, outer, port in (('ipip', 4, 80), ('gue', 6, 81))]))
    for family in FAMILIES:
        for proto in ('tcp', 'udp'):
            for mode, outer, port in (('ipip', 4, 80), ('gue', 6, 81)):
                host = server(1, outer)
                flow = OneWay(case, proto, client(1, family), port, host,
                              tunnel(outer, mode, host, HASHES[family, proto, port]))
                flow.is_known = True
                flow.up('S')
                flow.up('PA', b'question')
                flow.reported(UNREACHABLE)
                flow.up('R')
                if proto == 'tcp':
                    case.expect(conn_stateless=1)
    return case


def hash_only():
    """Without room the hash serves what the table of connections cannot remember; round robin,
    which could not find it again, refuses it."""
    case = Case('92-hash-only', configuration(
        'There is room for 64 connections of nat, and so for 128 of dsr', [
        service(f'{name}-{proto}', family, [port], entries(family), protocol=proto,
                forwarding='dsr', scheduler=name.replace('-', '_'), maglev_table_size=SIZE)
        for family in FAMILIES for proto in ('tcp', 'udp')
        for name, port in (('maglev', 80), ('source-hash', 81))] + [
        service('turns', family, [82], [server(1, family)], protocol='udp', forwarding='dsr')
        for family in FAMILIES], limits={'connections': 64}))

    def host(who, port, proto):
        family = 6 if ':' in who.address else 4
        value = choices.hash_of_flow(who, VIP[family], 80, proto) if port == 80 else \
            choices.hash_of_address(who.address)
        return SERVERS[family][choices.by_table(TABLE[family], value, {0, 1, 3})]

    def flow_of(n, port, proto):
        who = client(1 + n, FAMILIES[n % 2])
        return OneWay(case, proto, who, port, host(who, port, proto))

    for n in range(120):
        flow_of(n, 80, 'udp').up()
    for n in range(120, 128):  # the last sixteenth is not for whoever may be forged
        flow = flow_of(n, 80, 'udp')
        flow.is_known = True
        flow.up()
        case.expect(conn_hash_only=1)
    for n in range(128, 144):
        for port in (80, 81):
            for proto in ('tcp', 'udp'):
                flow = flow_of(n, port, proto)
                flow.is_known = True
                flow.up('S')
                case.expect(conn_hash_only=1)
                flow.up('A', b'question')
                case.expect(**{'found_by_hash' if proto == 'tcp' else 'conn_hash_only': 1})
                flow.reported(UNREACHABLE)
    for family in FAMILIES:
        who = client(200, family)
        case.dropped(frame(who.mac, BALLAST_MAC, packet(
            who.address, VIP[family], transport('udp', who.port, 82, b'late'))), 'drop_unproven')
    return case


CASES = [stateless, stateless_tunnels, hash_only]
