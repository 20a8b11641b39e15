"""Cases in which time passes: the capture's own, so that hours take no time. They cannot run
through real ports."""
from cases_choose import Rotation, Sources, opened
from cases_refuse import padded, to_vip
from frames import (FAMILIES, Flow, client, configuration, real, reset_of, server, service)
from statement import Case

HOUR = 3600
# How late a connection may go, at most: 2.048 s ticks, one of them begun, and a sweep of 4 s.
LATE = 10


def stray(case, flow, sender='client', flags='A'):
    """A TCP packet of a connection that is forgotten."""
    frame = flow.pair(sender, flags)[0]
    case.answered(frame, 'drop_no_connection', reset_of(frame), 'rst_sent')


def hours_of_idleness():
    """Outlook keeps its connections for hours without a word. They stay, and so does the client's
    record, whose own two hours only begin when the last of them has gone."""
    servers = [server(1, 4), server(2, 4)]
    ports = {'endpoint-mapper': 135, 'mailbox': 55000, 'address-book': 55001}
    case = Case('60-hours-of-idleness', configuration(
        'connections that are silent for hours',
        [service(name, 4, [port], 'cas', persistence_group='outlook', idle_timeout_s=4 * HOUR)
         for name, port in ports.items()],
        persistence_groups=[{'name': 'outlook', 'type': 'source_ip', 'timeout_s': 2 * HOUR}],
        server_pools=[{'name': 'cas', 'real_servers': [real(s) for s in servers]}]))
    sources, turns = Sources(), Rotation(servers, 1)
    hosts = {n: turns.next() for n in (1, 2, 3)}
    flows = {}
    for n, host in hosts.items():
        flows[n] = [opened(case, sources, client(n, 4), 135, host)]
        case.expect(record_created=1)
    for n, host in hosts.items():
        flows[n].append(opened(case, sources, client(n, 4), 55000, host))
        case.expect(record_hit=1)
    case.wait(4 * HOUR - 60)
    # Client 1 speaks after nearly four hours, and opens its address book on the same server.
    for flow in flows[1]:
        flow.exchange()
    flows[1].append(opened(case, sources, client(1, 4), 55001, hosts[1]))
    case.expect(record_hit=1)
    case.wait(2 * HOUR)
    # Clients 2 and 3 did not: their connections went at four hours, their records at six.
    case.expect(conn_expired=4)
    stray(case, flows[2][0])
    stray(case, flows[2][1], 'server')
    for flow in flows[1]:
        flow.exchange()
    # It is just before six hours since their connections began.
    opened(case, sources, client(2, 4, 42000), 55000, hosts[2])
    case.expect(record_hit=1)
    case.wait(60 + 60)
    opened(case, sources, client(3, 4, 42000), 135, turns.next())
    case.expect(record_created=1)
    return case


def idle_timeouts():
    """The default idle timeouts, and one that is set."""
    timeouts = {('tcp', 80): 7440, ('udp', 80): 300, ('tcp', 81): 30, ('udp', 81): 20}
    case = Case('61-idle-timeouts', configuration('connections go after their idle time', [
        service(f'{proto}-{port}', family, [port], [server(1, family)], protocol=proto,
                **({'idle_timeout_s': seconds} if port == 81 else {}))
        for family in FAMILIES for (proto, port), seconds in timeouts.items()]))
    sources = Sources()
    for (proto, port), seconds in timeouts.items():
        flows = [Flow(case, proto, client(port, family), port, server(1, family),
                      sources.next(family)) for family in FAMILIES]
        for flow in flows:
            flow.open()
        # Either direction keeps it alive.
        for send in ('up', 'down', 'up'):
            case.wait(seconds - 1)
            for flow in flows:
                getattr(flow, send)('A')
        case.wait(seconds + LATE)
        case.expect(conn_expired=2)
        for flow in flows:
            if proto == 'tcp':
                stray(case, flow)
                continue
            again = Flow(case, proto, flow.client, port, flow.server, sources.next(flow.family))
            again.exchange()
        case.wait(400)
        case.expect(conn_expired=2 if proto == 'udp' else 0)
    # The clock is the capture's: what is to have expired needs a packet behind it.
    Flow(case, 'tcp', client(1, 4), 80, server(1, 4), sources.next(4)).open()
    return case


def closing():
    """How long a connection is remembered that is not established: whoever closed, whatever was
    missing. What comes later is reset."""
    case = Case('62-closing', configuration('TCP connections that begin and end', [
        service('web', family, [80], [server(1, family)]) for family in FAMILIES]))
    stories = [  # what is sent, for how long that is remembered, counted as
        (['up S'], 120, 'conn_expired'),
        (['up S', 'down SA'], 60, 'conn_expired'),
        (['up S', 'down SA', 'up A', 'down FA', 'up A'], 120, 'conn_expired'),
        (['up S', 'down SA', 'up A', 'up FA', 'down A'], 60, 'conn_expired'),
        (['up S', 'down SA', 'up A', 'up FA', 'down FA', 'up A'], 30, 'conn_closed'),
        (['up S', 'down SA', 'up A', 'down FA', 'up FA', 'down A'], 120, 'conn_closed'),
        (['up S', 'down SA', 'up A', 'up R'], 10, 'conn_closed'),
        (['up S', 'down RA'], 10, 'conn_closed')]
    sources = Sources()
    for n, (story, seconds, counter) in enumerate(stories, 1):
        flows = []
        for family in FAMILIES:
            flow = Flow(case, 'tcp', client(n, family), 80, server(1, family),
                        sources.next(family))
            for word in story:
                direction, flags = word.split()
                getattr(flow, direction)(flags)
            flows.append(flow)
        case.wait(seconds - 1)
        # Still known: a packet without flags says nothing, and goes through.
        for flow in flows:
            flow.down('')
        case.wait(seconds + LATE)
        for flow in flows:
            case.expect(**{counter: 1})
            stray(case, flow)
    return case


def record_timeout():
    """A record outlives its client's last packet by the group's timeout, no longer."""
    servers = {family: [server(1, family), server(2, family)] for family in FAMILIES}
    case = Case('63-record-timeout', configuration('records go after their timeout', [
        service('dns', family, [53], servers[family], protocol='udp', idle_timeout_s=10,
                persistence={'type': 'source_ip', 'timeout_s': 60}) for family in FAMILIES]))
    sources = Sources()
    for family, first in ((4, 1), (6, 1)):
        turns = Rotation(servers[family], first)
        ports = iter(range(41000, 42000))

        def ask(n, host, counter):
            flow = Flow(case, 'udp', client(n, family, next(ports)), 53, host,
                        sources.next(family))
            flow.exchange()
            case.expect(**{counter: 1, 'conn_expired': 1})

        mine = turns.next()
        ask(1, mine, 'record_created')
        ask(2, turns.next(), 'record_created')
        for _ in range(4):
            case.wait(55)
            ask(1, mine, 'record_hit')
        # The connection ended some 10 s after its last packet and took the record along so far.
        case.wait(10 + LATE + 60 + 2)
        ask(3, turns.next(), 'record_created')
        ask(1, turns.next(), 'record_created')
        case.wait(100)
    # One that is still there at the end.
    late = Flow(case, 'udp', client(9, 4), 53, Rotation(servers[4], 1).next(), sources.next(4))
    late.exchange()
    case.expect(record_created=1)
    return case


def reply_rate():
    """Resets are limited: a hundred at once, a thousand a second. Ballast amplifies nothing."""
    case = Case('64-reply-rate', configuration('more strays than are answered', [
        service('web', family, [80], [server(1, family)]) for family in FAMILIES]))
    case.step_us = 0

    def burst(n, n_answered):
        for i in range(n):
            got = padded(to_vip(FAMILIES[i % 2], 'tcp', 80, flags='A', seq=i, ack=2 * i))
            if i < n_answered:
                case.answered(got, 'drop_no_connection', reset_of(got), 'rst_sent')
            else:
                case.dropped(got, 'drop_no_connection')
                case.expect(reply_suppressed=1)

    burst(150, 100)
    case.wait(0.020)
    burst(50, 20)
    case.wait(10)
    burst(150, 100)
    return case


CASES = [hours_of_idleness, idle_timeouts, closing, record_timeout, reply_rate]
