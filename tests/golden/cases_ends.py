"""Cases of how TCP connections end, and of what does not end them."""
from cases_choose import Rotation, Sources
from cases_direct import HASHES, OneWay, tunnel
from cases_time import LATE, stray
from frames import (BALLAST_MAC, FAMILIES, VIP, Flow, client, configuration, frame, packet, real,
                    reset_of, server, service, transport)
from statement import Case

FAR = 100 << 20  # bytes; Ballast believes what is at most 4 MiB ahead
NEAR = 3 << 20


def forged(case, flow, sender, flags, **numbers):
    """Somebody else's: what he does not know of the connection he guesses."""
    case.forwarded(*flow.pair(sender, flags, l4=numbers))
    if 'R' in flags:
        case.expect(tcp_rst_seen=1)


def outside(case, flow, sender, flags, **numbers):
    forged(case, flow, sender, flags, **numbers)
    case.expect(tcp_outside_window=1)


def outside_window():
    """A reset or FIN that does not fit where its connection has got to is forwarded and ends
    nothing: beyond the time that an ended connection is remembered the connection is there. One
    that fits ends it, unless its receiver goes on."""
    case = Case('65-outside-window', configuration('resets and FINs of those who guess', [
        service(mode, family, [port], [server(1, family)], forwarding=mode)
        for mode, port in (('fullnat', 80), ('nat', 81)) for family in FAMILIES]))
    sources, flows = Sources(), []
    for family in FAMILIES:
        for port in (80, 81):
            flow = Flow(case, 'tcp', client(port - 79, family), port, server(1, family),
                        sources.next(family) if port == 80 else None)
            flow.handshake()
            flow.exchange()
            flows.append(flow)
    for flow in flows:
        mine, theirs = flow.seq['client'], flow.seq['server']
        for off in (FAR, 1 << 31, -FAR % 2 ** 32):
            outside(case, flow, 'client', 'R', seq=(mine + off) % 2 ** 32)
            outside(case, flow, 'client', 'RA', seq=(mine + off) % 2 ** 32)
            outside(case, flow, 'server', 'R', seq=(theirs + off) % 2 ** 32)
            outside(case, flow, 'server', 'RA', ack=(mine + off) % 2 ** 32)
            for sender in ('client', 'server'):
                outside(case, flow, sender, 'FA', ack=off)
                outside(case, flow, sender, 'FA', seq=off)
    case.wait(200)
    for flow in flows:
        flow.exchange(b'still', b'there')
    # These fit, but their receiver knows better.
    for flow in flows:
        forged(case, flow, 'server', 'R', seq=flow.seq['server'] + NEAR)
        flow.up('A')
    case.wait(200)
    for flow in flows:
        flow.exchange(b'still', b'there')
        forged(case, flow, 'client', 'R', seq=flow.seq['client'] + NEAR)
        flow.down('A', b'under way')
    case.wait(6)
    for flow in flows:
        flow.down('A')
    case.wait(200)
    for flow in flows:
        flow.exchange(b'still', b'there')
    for flow, sender in zip(flows, ('client', 'server') * 2):
        forged(case, flow, sender, 'R', seq=flow.seq[sender])
    case.wait(10 + LATE)
    case.expect(conn_closed=len(flows))
    for flow in flows:
        stray(case, flow)
    return case


def outside_window_one_way():
    """The same where only the client's packets pass."""
    case = Case('66-outside-window-dsr', configuration('the same without the replies', [
        service('dsr', family, [80], [server(1, family)], forwarding='dsr')
        for family in FAMILIES]))
    flows = []
    for family in FAMILIES:
        flow = OneWay(case, 'tcp', client(1, family), 80, server(1, family))
        for flags in ('S', 'A', 'PA'):
            flow.up(flags)
        flows.append(flow)
    for flow in flows:
        for number in (FAR, 1 << 31, 2 ** 32 - FAR):
            for flags, numbers in (('R', {'seq': number}), ('RA', {'seq': number}),
                                   ('FA', {'seq': number}), ('FA', {'ack': number})):
                flow.guess(flags, **numbers)
                case.expect(tcp_outside_window=1)
    case.wait(200)
    for flow in flows:
        flow.up('A')
        flow.up('R')
    case.wait(10 + LATE)
    case.expect(conn_closed=len(flows))
    for flow in flows:
        flow.stray()
    return case


def used_again():
    """A SYN on a connection that one side or both have ended opens a new one at once, and the
    scheduler chooses for it; on one that lives it changes nothing."""
    servers = {family: [server(1, family), server(2, family)] for family in FAMILIES}
    case = Case('67-used-again', configuration('ports that are used again before they are forgotten', [
        service('web', family, [80], servers[family]) for family in FAMILIES]))
    stories = [('down FA', 'up A'),             # FIN_WAIT
               ('up FA', 'down A'),             # CLOSE_WAIT
               ('up FA', 'down FA', 'up A'),    # LAST_ACK
               ('down FA', 'up FA', 'down A'),  # TIME_WAIT
               ('up R',), ('down R',)]          # CLOSE
    sources = Sources()
    for family in FAMILIES:
        turns = Rotation(servers[family], 0)
        flow = Flow(case, 'tcp', client(1, family), 80, turns.next(), sources.next(family))
        flow.handshake()
        case.forwarded(*flow.pair('client', 'S'))
        for story in stories:
            for word in story:
                direction, flags = word.split()
                getattr(flow, direction)(flags)
            case.expect(conn_closed=1)
            flow = Flow(case, 'tcp', client(1, family), 80, turns.next(), sources.next(family))
            flow.handshake()
            flow.exchange()
    return case


def question(flow, to):
    """What a silent side is sent: its answer will say where it is."""
    src, dst = (flow.vip, flow.client) if to == 'client' else (flow.source, flow.server)
    fields = {'id': 0, 'flags': 'DF'} if flow.family == 4 else {}
    return frame(BALLAST_MAC, dst.mac, packet(src.address, dst.address, transport(
        'tcp', src.port, dst.port, flags='A', seq=1 << 31, ack=0, window=0), **fields))


def server_down(family):
    """A server is found down. Its connections go on for the drain time; then both sides, which are
    silent, are asked and what they answer is refused. Where the service keeps them they go on."""
    down_s, drain_s, sweep_s = 10, 20, 4
    host = server(1, family)
    monitor = {'type': 'tcp', 'port': 80}
    # vip_source() knows the NAT ports of an IPv6 VIP beside an IPv4 one.
    others = [service('other', 4, [80], [server(2, 4)])] if family == 6 else []
    case = Case(f'{66 + family // 2}-server-down-ipv{family}', configuration(
        'a server goes down', others + [
            service('reset', family, [80], 'web', server_down_action='reset',
                    server_down_drain_s=drain_s),
            service('keep', family, [81], 'web'),
            service('move', family, [53], 'web', protocol='udp', server_down_action='move')],
        server_pools=[{'name': 'web', 'health_monitors': [monitor],
                       'real_servers': [real(host)]}]))
    case.options = ['--down', f'{host.address}@{down_s}']
    sources, start = Sources(), case.now_us
    flows = [Flow(case, proto, client(n, family), port, host, sources.next(family))
             for n, (proto, port) in enumerate((('tcp', 80), ('tcp', 81), ('udp', 53)), 1)]
    for flow in flows:
        flow.open()
    case.wait(down_s + drain_s - 1)
    for flow in flows[:2]:
        flow.exchange(b'the drain time', b'is not over')
    lost = flows[2].pair('client', payload=b'nobody else is there')[0]
    case.dropped(lost, 'drop_no_server')
    case.expect(conn_orphaned=1)
    case.now_us = start + (down_s + drain_s + 1 + sweep_s) * 1000000 + 300000
    for to in ('server', 'client'):
        case.asked(question(flows[0], to))
    for sender in ('client', 'server'):
        got = flows[0].pair(sender, 'A')[0]
        case.answered(got, 'drop_server_down', reset_of(got), 'rst_sent')
    flows[1].exchange(b'kept', b'all the same')
    case.wait(10 + LATE)
    case.expect(conn_closed=1)
    flows[1].exchange(b'kept', b'all the same')
    return case


def server_down_nat(family):
    """The same where servers see the client's own address."""
    down_s, drain_s, sweep_s = 10, 20, 4
    host, keys = server(1, family), {'forwarding': 'nat'}
    case = Case(f'{69 + family // 2}-server-down-nat-ipv{family}', configuration(
        'a server of nat goes down', [
            service('reset', family, [80], 'web', server_down_action='reset',
                    server_down_drain_s=drain_s, **keys),
            service('keep', family, [81], 'web', **keys)],
        server_pools=[{'name': 'web', 'health_monitors': [{'type': 'tcp', 'port': 80}],
                       'real_servers': [real(host)]}]))
    case.options = ['--down', f'{host.address}@{down_s}']
    start = case.now_us
    reset, keep = [Flow(case, 'tcp', client(n, family), port, host, None)
                   for n, port in ((1, 80), (2, 81))]
    for flow in (reset, keep):
        flow.open()
    case.wait(down_s + drain_s - 1)
    reset.exchange(b'the drain time', b'is not over')
    keep.exchange()
    case.now_us = start + (down_s + drain_s + 1 + sweep_s) * 1000000 + 300000
    for to in ('server', 'client'):
        case.asked(question(reset, to))
    for sender in ('server', 'client'):
        got = reset.pair(sender, 'A')[0]
        case.answered(got, 'drop_server_down', reset_of(got), 'rst_sent')
    case.wait(10 + LATE)
    case.expect(conn_closed=1)
    keep.exchange(b'kept', b'all the same')
    return case


def server_down_one_way(number, mode, family, outer):
    """The same where only the client's packets pass: he alone is asked, and he alone refused. He
    is asked again after four seconds, so that these have to be fewer."""
    down_s, sweep_s = 10, 2
    host = server(1, outer)
    case = Case(f'{number}-server-down-{mode}', configuration(
        f'a server of {mode} goes down', [
            service('reset', family, [80], 'web', forwarding=mode, server_down_action='reset'),
            service('keep', family, [81], 'web', forwarding=mode)],
        server_pools=[{'name': 'web', 'health_monitors': [{'type': 'tcp', 'port': 80}],
                       'real_servers': [real(host)]}]))
    case.options = ['--down', f'{host.address}@{down_s}']
    start = case.now_us
    reset, keep = [OneWay(case, 'tcp', client(1, family), port, host,
                          tunnel(outer, mode, host, HASHES[family, 'tcp', port])
                          if mode != 'dsr' else lambda inner: inner) for port in (80, 81)]
    for flow in (reset, keep):
        for flags in ('S', 'A', 'PA'):
            flow.up(flags)
    case.now_us = start + (down_s + 1 + sweep_s) * 1000000 + 300000
    case.asked(frame(BALLAST_MAC, reset.client.mac, packet(VIP[family], reset.client.address, transport(
        'tcp', reset.port, reset.client.port, flags='A', seq=1 << 31, ack=0, window=0),
        **({'id': 0, 'flags': 'DF'} if family == 4 else {}))))
    got = frame(reset.client.mac, BALLAST_MAC, reset.packet('A'))
    case.answered(got, 'drop_server_down', reset_of(got), 'rst_sent')
    keep.up('PA', b'kept all the same')
    case.wait(10 + LATE)
    case.expect(conn_closed=1)
    reset.stray()
    keep.up('PA', b'kept all the same')
    return case


CASES = [outside_window, outside_window_one_way, used_again,
         lambda: server_down(4),
         lambda: server_down(6), lambda: server_down_nat(4), lambda: server_down_nat(6),
         lambda: server_down_one_way(73, 'dsr', 6, 6),
         lambda: server_down_one_way(74, 'ipip', 4, 6)]
