"""Cases of what is full: a service's own limits, the table of connections, the ports of a NAT
source. Who is in stays, who comes again goes first, and room comes back."""
import itertools

from cases_choose import Sources
from cases_direct import OneWay, tunnel
from cases_refuse import to_vip
from cases_time import LATE, stray
from frames import FAMILIES, NAT_ADDRESS, Flow, client, configuration, server, service
from statement import Case


def refused(case, family, n, reason, proto='tcp', port=80):
    """A first packet of client n."""
    case.dropped(to_vip(family, proto, port, n=n, flags='S') if proto == 'tcp' else
                 to_vip(family, proto, port, b'question', n=n), reason)


def service_rate():
    """Eight new connections a second: the bucket holds eight, half of them for who comes again."""
    case = Case('85-service-rate', configuration('a service with a rate and one without', [
        service(name, family, [port], [server(1, family)], **limits) for family in FAMILIES
        for name, port, limits in (('limited', 80, {'max_new_connections_per_s': 8}),
                                   ('free', 81, {}))]))
    sources = Sources()
    for family in FAMILIES:
        flows = []

        def opens(n, port=80):
            flows.append(Flow(case, 'tcp', client(n, family), port, server(1, family),
                              sources.next(family)))
            flows[-1].handshake()

        for n in range(1, 5):
            opens(n)
        for n in range(5, 11):
            refused(case, family, n, 'drop_service_rate')
        for n in range(5, 9):
            opens(n)
        refused(case, family, 9, 'drop_service_rate')
        for flow in flows:
            flow.exchange()
        for n in range(11, 31):
            opens(n, 81)
        case.wait(0.35)  # with what came before less than half a bucket, which is not for strangers
        refused(case, family, 40, 'drop_service_rate')
        for n in (9, 10):
            opens(n)
        case.wait(1)
        for n in range(41, 45):
            opens(n)
        refused(case, family, 45, 'drop_service_rate')
        for flow in flows:
            flow.exchange()
    return case


def service_full():
    """Eight connections at a time. One that is not finished goes for a client that comes again, or
    after a second for any."""
    case = Case('86-service-full', configuration('a service with a limit and one without', [
        service(name, family, [port], [server(1, family)], **limits) for family in FAMILIES
        for name, port, limits in (('limited', 80, {'max_connections': 8}), ('free', 81, {}))]))
    sources = Sources()
    for family in FAMILIES:
        def flow_of(n, port=80):
            return Flow(case, 'tcp', client(n, family), port, server(1, family),
                        sources.next(family))

        flows = [flow_of(n) for n in range(1, 9)]
        for flow in flows[:6]:
            flow.handshake()
        for flow in flows[6:]:
            flow.up('S')
        refused(case, family, 9, 'drop_service_full')
        again = flow_of(9)
        again.up('S')
        case.expect(conn_evicted_embryonic=1)
        again.down('SA')
        again.up('A')
        stray(case, flows[6], 'server', 'SA')
        case.wait(1.1)
        other = flow_of(10)
        other.handshake()
        case.expect(conn_evicted_embryonic=1)
        for n in range(11, 13):
            for _ in range(3):
                refused(case, family, n, 'drop_service_full')
        for n in range(13, 30):
            flow_of(n, 81).handshake()
        for flow in [*flows[:6], again, other]:
            flow.exchange()
    return case


PORTS = 8
FIRST_PORT = 30000
IDLE_S = 30
# Under --seed 1, read from a run: where the walk over these ports begins; it takes one by one.
WALK_FIRST = {4: 4, 6: 3}


def nat_exhausted():
    """Every port of the source is in use towards server 1: refused by name, nobody's port is given
    out twice, server 2 can be reached from the same ports, and who ends makes room."""
    case = Case('87-nat-exhausted', configuration('a NAT source of eight ports', [
        service(f'{proto}{n}', family, [79 + n], [server(n, family)], protocol=proto,
                nat_source='few', idle_timeout_s=IDLE_S)
        for proto in ('tcp', 'udp') for n in (1, 2) for family in FAMILIES],
        nat_sources=[{'name': 'few', 'addresses': [NAT_ADDRESS[f] for f in FAMILIES],
                      'ports': f'{FIRST_PORT}-{FIRST_PORT + PORTS - 1}'}]))
    for family in FAMILIES:
        walk = itertools.count(WALK_FIRST[family])

        def flow_of(proto, n, to=1):
            return Flow(case, proto, client(n, family), 79 + to, server(to, family),
                        (NAT_ADDRESS[family], FIRST_PORT + next(walk) % PORTS))

        for proto in ('tcp', 'udp'):
            flows = [flow_of(proto, n) for n in range(1, 1 + PORTS)]
            for flow in flows:
                flow.open()
                flow.exchange()
            for n in range(20, 23):
                for _ in range(2):
                    refused(case, family, n, 'drop_nat_exhausted', proto)
            for n in range(30, 30 + PORTS):
                flow_of(proto, n, 2).open()
            for flow in flows:
                flow.exchange()
            if proto == 'tcp':
                flows[5].close()
                again = Flow(case, 'tcp', client(20, family), 80, flows[5].server,
                             (NAT_ADDRESS[family], flows[5].source.port))
                again.handshake()
                case.expect(conn_closed=1)
                next(walk)  # it looks at each place twice, and then at one more
                refused(case, family, 21, 'drop_nat_exhausted')
    case.wait(IDLE_S + LATE)
    case.expect(conn_expired=len(FAMILIES) * 4 * PORTS)
    for family in FAMILIES:
        Flow(case, 'udp', client(60, family), 80, server(1, family), (
            NAT_ADDRESS[family], FIRST_PORT + (WALK_FIRST[family] + 1) % PORTS)).exchange()
    return case


def half_open():
    """64 connections are all that there is room for, and the last four are not for strangers:
    handshakes that do not end go, the oldest first, none before it is a second old."""
    case = Case('88-half-open', configuration('handshakes that do not end', [
        service('web', family, [80], [server(1, family)]) for family in FAMILIES],
        limits={'connections': 64}))
    sources = Sources()

    def flow_of(n):
        family = FAMILIES[n % 2]
        return Flow(case, 'tcp', client(1 + n, family), 80, server(1, family),
                    sources.next(family))

    live = [flow_of(n) for n in range(8)]
    for flow in live:
        flow.handshake()
    half = [flow_of(n) for n in range(8, 60)]
    for flow in half:
        flow.up('S')
    for n in range(60, 70):
        refused(case, FAMILIES[n % 2], 1 + n, 'drop_unproven')
    case.wait(1)
    for n in range(70, 75):
        flow_of(n).handshake()
    case.expect(conn_evicted_embryonic=5)
    for flow in half[:5]:
        stray(case, flow, 'server', 'SA')
    half[5].down('SA')
    half[5].up('A')
    for flow in [*live, half[5]]:
        flow.exchange()
    return case


def full_of_live():
    """At the stated capacity nobody who is in gives way, in any mode; who has closed does."""
    # nat and fullnat take two entries of the table, dsr and ipip one.
    modes = ('nat', 'fullnat', 'dsr', 'ipip')
    case = Case('89-full-of-live', configuration('room for 64 connections of two entries', [
        service(mode, family, [80 + n], [server(1, 4 if mode == 'ipip' else family)],
                forwarding=mode)
        for family in FAMILIES for n, mode in enumerate(modes)], limits={'connections': 64}))
    sources = Sources()

    def flow_of(n):
        family, mode, host = FAMILIES[n % 2], n // 2 % len(modes), server(1, FAMILIES[n % 2])
        who, port = client(1 + n, family), 80 + mode
        if modes[mode] in ('dsr', 'ipip'):
            if modes[mode] == 'dsr':
                return OneWay(case, 'tcp', who, port, host)
            host = server(1, 4)
            return OneWay(case, 'tcp', who, port, host, tunnel(4, 'ipip', host, 0))
        return Flow(case, 'tcp', who, port, host,
                    sources.next(family) if modes[mode] == 'fullnat' else None)

    def opens(n):
        flow = flow_of(n)
        flow.up('S')
        if isinstance(flow, Flow):
            flow.down('SA')
        flow.up('A')
        return flow

    # Two entries for each stated connection: ten rounds take 12 each, four of nat and fullnat 8.
    flows = [opens(n) for n in range(84)]
    for n in range(88, 104):
        for _ in range(2):
            refused(case, FAMILIES[n % 2], 1 + n, 'drop_table_full', port=80 + n // 2 % len(modes))
            flow_of(n)  # the walk over the source's ports has gone on by one
    for flow in flows:
        flow.up('A', b'still here')
    closing = [flow for flow in flows if isinstance(flow, Flow)][:8]
    for flow in closing:
        flow.close()
    for n in (104, 105, 106, 107, 112, 113, 114, 115):
        opens(n)
    case.expect(conn_evicted_closed=8)
    refused(case, 4, 120, 'drop_table_full')
    for flow in flows:
        if flow not in closing:
            flow.up('A', b'still here')
    return case


CASES = [service_rate, service_full, nat_exhausted, half_open, full_of_live]
