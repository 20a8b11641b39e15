"""Cases about who gets a connection: services, schedulers, persistence, states."""
from fractions import Fraction

import choices
from frames import (FAMILIES, NAT_ADDRESS, VIP, Flow, client, configuration, real, server, service,
                    vip_source)
from statement import Case


class Rotation:
    """Servers that take their turns; `first` is where --seed 1 has the rotation begin."""

    def __init__(self, servers, first):
        self.servers = servers
        self.at = first

    def next(self):
        host = self.servers[self.at % len(self.servers)]
        self.at += 1
        return host


class Sources:
    """The ports of a VIP that serves as its own NAT source, one after another."""

    def __init__(self):
        self.taken = {family: 0 for family in FAMILIES}

    def next(self, family):
        self.taken[family] += 1
        return vip_source(family, self.taken[family] - 1)


def opened(case, sources, who, port, host):
    """A TCP connection that sees traffic in both directions."""
    family = 6 if ':' in who.address else 4
    flow = Flow(case, 'tcp', who, port, host, sources.next(family))
    flow.handshake()
    return flow


def round_robin():
    servers = {family: [server(n, family) for n in range(1, 5)] for family in FAMILIES}
    case = Case('20-round-robin', configuration('four servers, each in its turn', [
        service('web', family, [80], [real(s, weight=1 + i) for i, s in enumerate(servers[family])])
        for family in FAMILIES]))
    sources = Sources()
    for family, first in ((4, 2), (6, 2)):
        turns = Rotation(servers[family], first)
        flows = [opened(case, sources, client(n, family), 80, turns.next()) for n in range(1, 11)]
        for flow in flows:
            flow.exchange()
    return case


def weighted():
    """Weights 3:1:2 as six turns that lie as far apart as they can."""
    servers = {family: [server(n, family) for n in range(1, 4)] for family in FAMILIES}
    case = Case('21-weighted', configuration('weights 3, 1 and 2', [
        service('web', family, [80],
                [real(s, weight=w) for s, w in zip(servers[family], (3, 1, 2))],
                scheduler='weighted_round_robin') for family in FAMILIES]))
    sources = Sources()
    for family, first in ((4, 4), (6, 0)):
        s1, s2, s3 = servers[family]
        turns = Rotation([s1, s3, s1, s2, s3, s1], first)
        for n in range(1, 13):
            opened(case, sources, client(n, family), 80, turns.next())
    return case


def exchange():
    """Outlook opens 135 and then 55000 and 55001: whatever server the first port gave, the others
    follow, in any order and for each connection; the rotations of the other ports do not move."""
    servers = [server(1, 4), server(2, 4)]
    group = {'name': 'outlook', 'type': 'source_ip', 'timeout_s': 7200}
    ports = {'endpoint-mapper': 135, 'mailbox': 55000, 'address-book': 55001}
    case = Case('22-exchange', configuration(
        'a client keeps its server on three ports',
        [service(name, 4, [port], 'cas', persistence_group='outlook')
         for name, port in ports.items()], persistence_groups=[group],
        server_pools=[{'name': 'cas', 'real_servers': [real(s) for s in servers]}]))
    sources, turns, mapper = Sources(), {}, Rotation(servers, 1)
    for n in range(1, 7):
        host = turns[n] = mapper.next()
        opened(case, sources, client(n, 4), 135, host)
        case.expect(record_created=1)
    for port in (55000, 55001, 55000, 135):
        for n, host in turns.items():
            who = client(n, 4, 41000 + 100 * sources.taken[4] + n)
            flow = opened(case, sources, who, port, host)
            flow.exchange()
            case.expect(record_hit=1)
    # Who comes to another port first gets that port's turn.
    opened(case, sources, client(9, 4), 55001, Rotation(servers, 1).next())
    case.expect(record_created=1)
    return case


def prefixes():
    """A record covers the clients of a network."""
    servers = {family: [server(1, family), server(2, family)] for family in FAMILIES}
    persistence = {'type': 'source_ip', 'ipv4_prefix': 24, 'ipv6_prefix': 64}
    case = Case('23-persistence-prefix', configuration('one record for a whole network', [
        service('web', family, [80], servers[family], persistence=persistence)
        for family in FAMILIES]))
    sources = Sources()
    outside = {4: ('198.51.100.', '203.0.113.'), 6: ('2001:db8:1::', '2001:db8:2::')}
    for family, first in ((4, 0), (6, 0)):
        turns = Rotation(servers[family], first)
        hosts = [turns.next(), turns.next()]
        for n in range(1, 4):
            for network, host in zip(outside[family], hosts):
                who = client(n, family)
                who.address = f'{network}{n}'
                opened(case, sources, who, 80, host)
                case.expect(**{'record_created' if n == 1 else 'record_hit': 1})
    return case


def ports():
    """A list, a range with an exact port of another service inside, and all ports of a VIP: the
    exact port goes first, then the range, then `any`."""
    lan = [{'name': 'lan', 'addresses': [NAT_ADDRESS[f] for f in FAMILIES], 'ports': '20000-20000'}]
    wanted = {'list': [80, 443], 'range': ['6005-6010'], 'exact': [6007], 'any': ['any']}
    case = Case('24-ports', configuration('lists, ranges and any', [
        service(name, family, value, [server(n, family)], nat_source='lan')
        for family in FAMILIES for n, (name, value) in enumerate(wanted.items(), 1)],
        nat_sources=lan))
    for family in FAMILIES:
        for port, n in ((80, 1), (443, 1), (6004, 4), (6005, 2), (6006, 2), (6007, 3), (6008, 2),
                        (6010, 2), (6011, 4), (1, 4), (65535, 4), (444, 4)):
            flow = Flow(case, 'tcp', client(1, family, 40000 + port % 10000), port,
                        server(n, family), (NAT_ADDRESS[family], 20000))
            flow.handshake()
    return case


def protocols():
    """The same port of TCP and UDP are two services."""
    case = Case('25-protocols', configuration('one port, two protocols', [
        service(proto, family, [53], [server(n, family)], protocol=proto)
        for family in FAMILIES for n, proto in enumerate(('tcp', 'udp'), 1)]))
    for family in FAMILIES:
        for n, proto in enumerate(('udp', 'tcp')):
            flow = Flow(case, proto, client(1, family), 53, server(2 - n, family),
                        vip_source(family, n))
            if proto == 'tcp':
                flow.handshake()
            flow.exchange()
    return case


def states():
    """Drained and disabled servers and those of weight 0 get no new clients."""
    case = Case('26-drain-and-disabled', configuration('only server 4 takes new clients', [
        service('web', family, [80],
                [real(server(1, family), admin_state='drain'),
                 real(server(2, family), admin_state='disabled'),
                 real(server(3, family), weight=0), real(server(4, family))])
        for family in FAMILIES]))
    sources = Sources()
    for family in FAMILIES:
        for n in range(1, 6):
            opened(case, sources, client(n, family), 80, server(4, family)).exchange()
    return case


def no_shared_server():
    """Two services of a group, and server 3 serves only one of them. A client that has server 1 or
    2 keeps it on both; one whose record names a server that the other service lacks is served there
    by the other service's own choice, and its record stays."""
    pools = {'both': [server(1, 4), server(2, 4)], 'one': [server(3, 4)]}
    group = {'name': 'shop', 'type': 'source_ip'}
    case = Case('27-group-without-server', configuration(
        'two services of a group with no server in common',
        [service('web', 4, [80], 'both', persistence_group='shop'),
         service('mail', 4, [25], 'one', persistence_group='shop')], persistence_groups=[group],
        server_pools=[{'name': name, 'real_servers': [real(s) for s in hosts]}
                      for name, hosts in pools.items()]))
    sources, turns = Sources(), Rotation(pools['both'], 0)
    first = turns.next()
    opened(case, sources, client(1, 4), 80, first)
    case.expect(record_created=1)
    opened(case, sources, client(1, 4), 25, server(3, 4))
    case.expect(record_bypassed=1)
    opened(case, sources, client(1, 4, 41000), 80, first)
    case.expect(record_hit=1)
    opened(case, sources, client(2, 4), 25, server(3, 4))
    case.expect(record_created=1)
    opened(case, sources, client(2, 4), 80, turns.next())
    case.expect(record_bypassed=1)
    opened(case, sources, client(2, 4, 41000), 25, server(3, 4))
    case.expect(record_hit=1)
    return case


def maglev():
    """By a hash that knows no seed, with weights 2:1:1 and 1. Server 3 is drained: only its clients
    go elsewhere."""
    servers = {family: [server(n, family) for n in range(1, 5)] for family in FAMILIES}
    weights = (2, 1, 1, 1)
    entries = {family: [real(s, weight=w) for s, w in zip(servers[family], weights)]
               for family in FAMILIES}
    for family in FAMILIES:
        entries[family][2]['admin_state'] = 'drain'
    case = Case('28-maglev', configuration('by the hash of the connection and of the client', [
        service(name, family, [port], entries[family], scheduler=name.replace('-', '_'))
        for family in FAMILIES for name, port in (('maglev', 80), ('source-hash', 81))]))
    sources = Sources()
    for family in FAMILIES:
        table = choices.maglev_table([s.address for s in servers[family]], weights)
        for n in range(1, 25):
            who = client(1 + n % 8, family, 40000 + n)
            for port, value in ((80, choices.hash_of_flow(who, VIP[family], 80)),
                                (81, choices.hash_of_address(who.address))):
                host = servers[family][choices.by_table(table, value, {0, 1, 3})]
                opened(case, sources, who, port, host).exchange()
    return case


def least_connections():
    """The better of two draws out of the connection's own hash. Each service has its own servers:
    a server's connections are counted over all services."""
    weights = {80: (1, 1, 1, 1), 81: (3, 1, 0, 2)}
    servers = {(family, port): [server(n, family, 8000 + port) for n in range(1, 5)]
               for family in FAMILIES for port in weights}
    case = Case('29-least-connections', configuration('few connections attract more', [
        service(name, family, [port],
                [real(s, weight=w) for s, w in zip(servers[family, port], weights[port])],
                scheduler=name)
        for family in FAMILIES
        for name, port in (('least_connections', 80), ('weighted_least_connections', 81))]))
    sources = Sources()
    for family in FAMILIES:
        for port, weight in weights.items():
            live = [0] * 4
            for n in range(1, 25):
                who = client(n, family, 41000 + n)
                i = choices.by_connections(choices.turns(weight),
                                           lambda i: Fraction(live[i] + 1, weight[i]),
                                           choices.hash_of_flow(who, VIP[family], port))
                live[i] += 1
                opened(case, sources, who, port, servers[family, port][i])
    return case


def priority():
    """Server 1 goes first and is drained, so 2 takes everybody; on the other service 2 is away too,
    and 3 and 4 share a number by their weights."""
    away = ({1: 'drain'}, {1: 'drain', 2: 'disabled'})
    rank, weight = {1: 1, 2: 2, 3: 7, 4: 7}, {1: 5, 2: 1, 3: 3, 4: 1}
    case = Case('38-priority', configuration('the lowest number that has a server to offer', [
        service(name, family, [port],
                [real(server(n, family), priority=rank[n], weight=weight[n],
                      admin_state=gone.get(n, 'enabled')) for n in (4, 2, 1, 3)],
                scheduler='priority')
        for family in FAMILIES for name, port, gone in zip(('two', 'rest'), (80, 81), away)]))
    sources = Sources()
    for family, first in ((4, 1), (6, 3)):
        for n in range(1, 4):
            opened(case, sources, client(n, family), 80, server(2, family))
        turns = Rotation([server(n, family) for n in (3, 4, 3, 3)], first)
        for n in range(1, 9):
            opened(case, sources, client(n, family), 81, turns.next())
    return case


CASES = [round_robin, weighted, exchange, prefixes, ports, protocols, states, no_shared_server,
         maglev, least_connections, priority]
