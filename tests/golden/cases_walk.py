"""The capture that docs/packet-walk.md tells about."""
from cases_choose import Rotation, Sources
from cases_icmp import error
from cases_refuse import to_vip
from frames import (GATEWAY_MAC, NETWORK, VIP, Flow, client, configuration, frame, real,
                    reset_of, server, service)
from scapy.layers.inet import ICMP
from scapy.layers.l2 import ARP
from statement import Case


def packet_walk():
    servers = [server(1, 4), server(2, 4)]
    ports = {'endpoint-mapper': 135, 'mailbox': 55000}
    case = Case('70-packet-walk', configuration(
        'docs/packet-walk.md: what becomes of a few packets',
        [service(name, 4, [port], 'cas', persistence_group='outlook') | {'name': name}
         for name, port in ports.items()],
        persistence_groups=[{'name': 'outlook', 'type': 'source_ip'}],
        server_pools=[{'name': 'cas', 'real_servers': [
            real(s, name=f'cas{n}') for n, s in enumerate(servers, 1)]}]))
    sources = Sources()
    host = Rotation(servers, 1).next()
    mapper = Flow(case, 'tcp', client(1, 4, 40001), 135, host, sources.next(4))
    mapper.up('S')
    mapper.down('SA')
    mapper.up('A')
    mailbox = Flow(case, 'tcp', client(1, 4, 40002), 55000, host, sources.next(4))
    mailbox.up('S')
    mailbox.seq['client'] -= 1  # the error is about that SYN
    case.forwarded(*error(mailbox, 'client', ICMP(type=3, code=10), False, 8))
    stray = to_vip(4, 'tcp', 55000, n=7, flags='A', seq=7, ack=9)
    case.answered(stray, 'drop_no_connection', reset_of(stray), 'rst_sent')
    case.punted(frame(GATEWAY_MAC, 'ff:ff:ff:ff:ff:ff', ARP(
        op='who-has', hwsrc=GATEWAY_MAC, psrc=NETWORK[4] + '1', pdst=VIP[4])))
    case.expect(record_created=1, record_hit=1, icmp_translated=1)
    return case


CASES = [packet_walk]
