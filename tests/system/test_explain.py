#!/usr/bin/python3
"""explain and trace beside real clients: what explain says of a connection before it is opened, while
it is open and of its client's next one is what happens; a trace shows the packets of one curl. The
client's persistence record is listed, and cleared while a connection goes on."""
import contextlib
import json
import threading
import urllib.parse

import lab as lab_module
import suite
from suite import wait_for

PORT = 80
NETWORK = {4: '192.0.2.', 6: '2001:db8::'}
LENGTH = {4: 24, 6: 64}
N_QUESTIONS = 50


def end(address, port):
    return f'[{address}]:{port}' if ':' in address else f'{address}:{port}'


def config():
    more = {'forwarding': 'fullnat', 'persistence_group': 'all'}
    return {
        'version': 1,
        'node': {'interfaces': [{'name': 'lan', 'device': 'af_xdp:eth1',
                                 'addresses': [f'{net}2/{LENGTH[f]}' for f, net in NETWORK.items()]}]},
        'persistence_groups': [{'name': 'all', 'type': 'source_ip', 'timeout_s': 600}],
        'server_pools': [suite.pool(f'pool{family}', {f's{n}-ipv{family}': f'{net}1{n}'
                                                      for n in (1, 2)}, {'port': PORT})
                         for family, net in NETWORK.items()],
        'virtual_services': [suite.service(f'web-ipv{family}', f'{net}10', 'tcp', PORT,
                                           f'pool{family}', **more)
                             for family, net in NETWORK.items()]}


class Talk:
    """One family's client and the daemon that is asked about it."""

    def __init__(self, ballast, client, family):
        self.ballast, self.client, self.family = ballast, client, family
        self.vip, self.address = f'{NETWORK[family]}10', f'{NETWORK[family]}100'

    def explain(self, port, **more):
        query = dict(more, protocol='tcp', source=end(self.address, port),
                     destination=end(self.vip, PORT))
        return self.ballast.get(f'explain?{urllib.parse.urlencode(query)}')

    def curl(self, port):
        """The name of the server that answers a new connection from this port."""
        out = self.client.run('curl', '-sgf', '--max-time', '20', '--interface', self.address,
                              '--local-port', str(port), f'http://{end(self.vip, PORT)}/')
        return f'{out.strip()}-ipv{self.family}'

    def pages(self, path, key):
        found, cursor = [], ''
        while cursor is not None:
            page = self.ballast.get(f'{path}&limit=1000{cursor}')
            found += page[key]
            cursor = f"&cursor={page['cursor']}" if 'cursor' in page else None
        return found

    def connections(self):
        """All of the client's, by all pages."""
        return self.pages(f'connections?client={self.address}', 'connections')

    def open(self):
        """A connection that stays, and its port."""
        sock = self.client.connect(self.vip, PORT, self.address)
        return contextlib.closing(sock), sock.getsockname()[1]


def check_new(talk, checks, what):
    before = talk.ballast.counters()
    told = talk.explain(40001)
    for _ in range(N_QUESTIONS):
        talk.explain(40001)
    after = talk.ballast.counters()
    changed = [name for name, value in after.items()
               if name.startswith(('conn_', 'record_', 'drop_')) and value != before[name]]
    checks.equal(f'{what}: {N_QUESTIONS} questions count nothing', changed, [])
    checks.equal(f'{what}: a new connection is told', (told['verdict'], told['connection']['found'],
                                                       told['choice']['record']),
                 ('tx', 'none', 'written'))
    checks.equal(f'{what}: it gets the server that was told', talk.curl(40001),
                 told['real_server']['name'])
    again = talk.explain(40002)
    checks.equal(f'{what}: the next one of the client follows the record',
                 (again['choice']['record'], again['real_server']['name']),
                 ('followed', told['real_server']['name']))


def check_live(talk, checks, what):
    keeper, port = talk.open()
    with keeper:
        told = talk.explain(port, tcp_flags='ack')
        checks.equal(f'{what}: a live connection is told',
                     (told['connection']['found'], told['connection']['tcp_state']),
                     ('live', 'established'))
        checks.check(f'{what}: with no choice to make', 'choice' not in told)
        listed = [c for c in talk.connections() if c['client'] == end(talk.address, port)]
        checks.equal(f'{what}: it is in the list of connections',
                     [(c['real_server'], c['source'], c['tcp_state']) for c in listed],
                     [(told['real_server']['name'], told['way_out']['source'], 'established')])
    told = talk.explain(port + 1, tcp_flags='ack')
    checks.equal(f'{what}: a packet of no connection would be reset',
                 (told['verdict'], told['reason'], told['is_answered']),
                 ('drop', 'drop_no_connection', True))


def check_trace(talk, checks, what):
    """Three packets of one curl: SYN, acknowledgement, request."""
    port, answer = 40003, []
    asked = {'source': talk.address, 'source_port': port, 'destination_port': PORT, 'count': 3,
             'timeout_s': 25}
    thread = threading.Thread(
        target=lambda: answer.append(talk.ballast.rest('POST', '/api/v1/trace', asked)))
    thread.start()
    # Refused for what it says while none runs, for being a second one from then on.
    wait_for('the trace runs', lambda: talk.ballast.rest('POST', '/api/v1/trace',
                                                         {'count': 0})[0] == 409)
    # A worker that answers this has taken the trace before.
    told = talk.explain(port)
    talk.curl(port)
    thread.join()
    status, _, body = answer[0]
    packets = body['packets']
    checks.equal(f'{what}: a trace of three packets', (status, len(packets), body['ended_by']),
                 (200, 3, 'count'))
    checks.equal(f'{what}: the connection is new once',
                 [p['is_known_connection'] for p in packets], [False, True, True])
    way = (f"{told['way_out']['source']} -> {told['way_out']['destination']} by lan at "
           f"{told['way_out']['mac']}")
    checks.equal(f'{what}: they leave as explain said', {p['passes']['deliver'] for p in packets},
                 {way})
    source, vip = end(talk.address, port), end(talk.vip, PORT)
    checks.equal(f'{what}: what admit saw', [p['passes']['admit'] for p in packets],
                 [f'tcp {source} -> {vip} {flags}' for flags in ('SYN', 'ACK', 'ACK')])
    checks.check(f'{what}: the request is among the bytes that left',
                 b'GET / '.hex() in packets[2]['frame_out'], packets[2]['bytes_out'])


def check_records(talk, checks, what):
    keeper, port = talk.open()
    with keeper:
        told = talk.explain(40001)
        name = told['real_server']['name']
        query = f'persistence?client={talk.address}&persistence_group=all'
        listed = talk.pages(query, 'records')
        checks.equal(f'{what}: the client has one record',
                     [(r['client'], r['persistence_group'], r['real_server']) for r in listed],
                     [(talk.address, 'all', name)])
        checks.equal(f'{what}: it is listed by its server',
                     [talk.pages(f'{query}&real_server={by}', 'records') != []
                      for by in (name, listed[0]['address'], '192.0.2.200')], [True, True, False])
        _, _, body = talk.ballast.rest('DELETE', f'/api/v1/{query}')
        checks.equal(f'{what}: it is cleared', body, {'cleared': 1})
        checks.equal(f'{what}: it is listed no more', talk.pages(query, 'records'), [])
        checks.equal(f'{what}: its connection stays',
                     talk.explain(port, tcp_flags='ack')['connection']['found'], 'live')
        checks.equal(f'{what}: the next connection chooses anew',
                     talk.explain(40001)['choice']['record'], 'written')


def check_program(talk, checks):
    """The same for a person."""
    program = [f'{suite.BUILD}/apps/ballastctl', '--socket', talk.ballast.socket]
    out = talk.ballast.host.run(*program, 'explain', 'tcp', end(talk.address, 40010),
                                end(talk.vip, PORT))
    checks.check('ballastctl explain ends with the sentence it begins with',
                 out.split('\n')[0] in out.split('\n', 1)[1], out.split('\n')[0])
    out = talk.ballast.host.run(*program, '-o', 'json', 'trace', '--source', talk.address,
                                '--protocol', 'udp', '--for', '1')
    checks.equal('ballastctl trace of nothing', json.loads(out)['packets'], [])
    talk.curl(40011)
    out = talk.ballast.host.run(*program, 'show', 'persistence', '--source', talk.address)
    checks.equal('ballastctl show persistence has one line for the client',
                 [line.split()[:2] for line in out.splitlines()[1:]], [[talk.address, 'all']])
    out = talk.ballast.host.run(*program, 'clear', 'persistence', '--source', talk.address)
    checks.equal('ballastctl clear persistence', out.split(';')[0].split()[-1], '1')


def run(lab, checks):
    host = lab.host('ballast', *[f'{net}2/{LENGTH[f]}' for f, net in NETWORK.items()])
    client = lab.host('client', *[f'{net}100/{LENGTH[f]}' for f, net in NETWORK.items()])
    for n in (1, 2):
        lab_module.Nginx(lab.host(f's{n}', *[f'{net}1{n}/{LENGTH[f]}'
                                             for f, net in NETWORK.items()]), [PORT])
    ballast = lab_module.Ballast(host, config(), suite.BUILD).start()
    wait_for('the servers are up', lambda: all(
        s['status'] == 'up' for s in ballast.get('status')['real_servers']))
    for family in NETWORK:
        talk, what = Talk(ballast, client, family), f'IPv{family}'
        check_new(talk, checks, what)
        check_live(talk, checks, what)
        check_trace(talk, checks, what)
        check_records(talk, checks, what)
    check_program(Talk(ballast, client, 4), checks)
    checks.law('the run', ballast.stop())


if __name__ == '__main__':
    suite.main(run)
