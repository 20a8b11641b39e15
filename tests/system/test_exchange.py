#!/usr/bin/python3
"""configs/exchange-2010.json: a client keeps one server on all three ports, whatever happens."""
import collections
import contextlib

import lab as lab_module
import suite
from suite import wait_for

VIP, PORTS, WEB_PORT = '192.0.2.10', (135, 55000, 55001), 80
CLIENTS = [f'192.0.2.{last}' for last in range(101, 201)]
LATER_CLIENTS = [f'192.0.2.{last}' for last in (*range(201, 255), *range(20, 60))]
LATER = iter(LATER_CLIENTS)


class Held:
    """Long connections, one a client and port; each asks a byte or more again and again."""

    def __init__(self, inst, clients):
        self.inst = inst
        self.socks = {(client, port): inst.client.connect(VIP, port, client, 60)
                      for client in clients for port in PORTS}
        self.server = {key: suite.ask(sock) for key, sock in self.socks.items()}

    def broken(self, only=None):
        """Those that do not answer as before; only: of clients of that server."""
        out = []
        for key, sock in self.socks.items():
            if only is not None and self.inst.server_of[key[0]] != only:
                continue
            try:
                if suite.ask(sock) != self.server[key]:
                    out.append((key, 'another server'))
            except OSError as error:
                out.append((key, str(error)))
        return out

    def close(self):
        for sock in self.socks.values():
            sock.close()


def statuses_in(said, server):
    return {int(service['ports'][0]): real['status'] for service in said['virtual_services']
            for real in service['real_servers'] if real['name'] == server}


class Installation:
    def __init__(self, lab, checks):
        self.checks = checks
        self.client = lab.host('xclient', '192.0.2.100/24',
                               *[f'{client}/24' for client in CLIENTS + LATER_CLIENTS])
        # The address book of cas2 is a process of its own, which may fail alone.
        cas2 = lab.host('cas2', '192.0.2.12/24')
        self.servers = {'cas1': lab_module.Nginx(lab.host('cas1', '192.0.2.11/24'),
                                                (*PORTS, WEB_PORT)),
                        'cas2': lab_module.Nginx(cas2, PORTS[:2])}
        self.address_book = lab_module.Nginx(cas2, PORTS[2:])
        self.web = lab_module.Nginx(cas2, [WEB_PORT])
        config = suite.load('exchange-2010')
        config['persistence_groups'].append({'name': 'web', 'type': 'source_ip'})
        config['virtual_services'].append(suite.service(
            'web', VIP, 'tcp', WEB_PORT, 'cas', forwarding='fullnat', persistence_group='web'))
        self.ballast = lab_module.Ballast(lab.host('xballast', '192.0.2.2/24'),
                                          config, suite.BUILD).start()
        self.wait('cas1', 'up')
        self.wait('cas2', 'up')
        self.server_of = {}

    def statuses(self, server):
        """For each service, by its port."""
        return statuses_in(self.ballast.get('status'), server)

    def has_come(self, server, status, ports):
        """The verdict, and with it every worker: one that is kept from its core is told late."""
        said = self.ballast.get('status')
        return (said['acked_generation'] == said['generation'] and
                all(statuses_in(said, server)[port] == status for port in ports))

    def wait(self, server, status, ports=PORTS):
        wait_for(f'{server} is {status}', lambda: self.has_come(server, status, ports))

    def answers(self, client):
        return {self.client.get(VIP, port, client, 60) for port in PORTS}

    def set_state(self, server, state):
        status, _, _ = self.ballast.rest('PATCH', f'/api/v1/real-servers/{server}',
                                         {'admin_state': state})
        self.checks.equal(f'{server} is made {state} by REST', status, 200)

    def stayed(self, what, clients):
        moved = [client for client in clients
                 if self.answers(client) != {self.server_of[client]}]
        self.checks.equal(f'{what}: clients moved, of {len(clients)}', moved, [])

    def of(self, server):
        return [client for client, mine in self.server_of.items() if mine == server]


def check_spread(inst, checks):
    torn = 0
    for client in CLIENTS:
        seen = inst.answers(client)
        torn += len(seen) != 1
        inst.server_of[client] = seen.pop()
    checks.equal('100 clients in turn', dict(collections.Counter(inst.server_of.values())),
                 {'cas1': 50, 'cas2': 50})
    checks.equal('clients torn between servers', torn, 0)
    inst.stayed('again', CLIENTS)


def check_stop(inst, checks, held):
    """A server ends: its connections with it, its clients move, nobody else notices."""
    mine, others = inst.of('cas2'), inst.of('cas1')
    inst.servers['cas2'].stop()
    inst.address_book.stop()
    inst.wait('cas2', 'down')
    checks.equal('cas2 ends: connections of others that broke', held.broken('cas1'), [])
    inst.stayed('cas2 ends', others)
    checks.equal('cas2 ends: its clients move', [
        client for client in mine if inst.answers(client) != {'cas1'}], [])
    for client in mine:
        inst.server_of[client] = 'cas1'
    inst.servers['cas2'].start()
    inst.address_book.start()
    inst.wait('cas2', 'up')
    inst.stayed('cas2 returns', CLIENTS)
    take_new(inst, checks, 'cas2 returns', {'cas1': 5, 'cas2': 5})
    checks.equal('cas2 returns: connections to cas1 from before that broke',
                 [key for key, _ in held.broken() if held.server[key] == 'cas1'], [])


def take_new(inst, checks, what, wanted):
    new, torn = [next(LATER) for _ in range(10)], 0
    for client in new:
        seen = inst.answers(client)
        inst.server_of[client] = seen.pop()
        torn += bool(seen)
    checks.equal(f'{what}: new clients torn between servers', torn, 0)
    checks.equal(f'{what}: ten new clients',
                 dict(collections.Counter(inst.server_of[client] for client in new)), wanted)


def check_drain(inst, checks):
    with contextlib.closing(Held(inst, CLIENTS[::10] + inst.of('cas2')[:5])) as held:
        inst.set_state('cas2', 'drain')
        take_new(inst, checks, 'cas2 drains', {'cas1': 10})
        inst.stayed('cas2 drains', list(inst.server_of))
        checks.equal('cas2 drains: broken connections', held.broken(), [])
        inst.set_state('cas2', 'enabled')
        inst.stayed('cas2 is back', list(inst.server_of))
        take_new(inst, checks, 'cas2 is back', {'cas1': 5, 'cas2': 5})
        inst.set_state('cas2', 'disabled')
        checks.equal('cas2 is disabled: broken connections', held.broken(), [])
        mine = inst.of('cas2')
        checks.equal(f'cas2 is disabled: its {len(mine)} clients open new connections elsewhere',
                     [client for client in mine if inst.answers(client) != {'cas1'}], [])
        for client in mine:
            inst.server_of[client] = 'cas1'
        inst.stayed('cas2 is disabled', list(inst.server_of))
        checks.equal('cas2 is disabled: connections broken since', held.broken(), [])
        inst.set_state('cas2', 'enabled')
        inst.stayed('cas2 is enabled again', list(inst.server_of))
        checks.equal('cas2 is enabled again: broken connections', held.broken(), [])


def check_one_port(inst, checks):
    """One port of a machine fails: its clients move as a whole; what is open stays open."""
    mine, others = inst.of('cas2'), inst.of('cas1')
    with contextlib.closing(Held(inst, mine[:3] + others[:3])) as held:
        inst.address_book.stop()
        inst.wait('cas2', 'down', PORTS[2:])
        checks.equal('a port fails: the others of that machine', [
            inst.statuses('cas2')[port] for port in PORTS[:2]], ['up', 'up'])
        inst.stayed('a port of cas2 fails', others)
        checks.equal(f'a port of cas2 fails: where its {len(mine)} clients are', {
            server for client in mine for server in inst.answers(client)}, {'cas1'})
        checks.equal('a port of cas2 fails: ports whose connections broke',
                     {key[1] for key, _ in held.broken()}, {PORTS[2]})
    for client in mine:
        inst.server_of[client] = 'cas1'
    take_new(inst, checks, 'a port of cas2 fails', {'cas1': 10})
    inst.address_book.start()
    inst.wait('cas2', 'up')
    inst.stayed('the port is back', list(inst.server_of))
    take_new(inst, checks, 'the port is back', {'cas1': 5, 'cas2': 5})


def check_other_group(inst, checks):
    """The web service fails on a machine: Outlook's clients there are another group's."""
    clients = list(inst.server_of)[:20]
    web = {client: inst.client.get(VIP, WEB_PORT, client, 60) for client in clients}
    checks.equal('web: clients in turn', collections.Counter(web.values()),
                 {'cas1': 10, 'cas2': 10})
    inst.web.stop()
    inst.wait('cas2', 'down', [WEB_PORT])
    checks.equal('web fails on cas2: where its clients are', {
        inst.client.get(VIP, WEB_PORT, client, 60) for client in clients}, {'cas1'})
    inst.stayed('web fails on cas2', list(inst.server_of))
    inst.web.start()
    inst.wait('cas2', 'up', [WEB_PORT])
    inst.stayed('web is back on cas2', list(inst.server_of))


def check_link(inst, checks):
    """A machine is gone from the network: nothing answers, not even with a refusal."""
    mine, others = inst.of('cas2'), inst.of('cas1')
    host = inst.servers['cas2'].host
    host.run('ip', 'link', 'set', 'eth1', 'down')
    inst.wait('cas2', 'down')
    inst.stayed('cas2 is unplugged', others[:20])
    checks.equal(f'cas2 is unplugged: where its {len(mine)} clients are', {
        server for client in mine for server in inst.answers(client)}, {'cas1'})
    host.run('ip', 'link', 'set', 'eth1', 'up')
    inst.wait('cas2', 'up')
    take_new(inst, checks, 'cas2 is plugged in', {'cas1': 5, 'cas2': 5})


def run(lab, checks):
    inst = Installation(lab, checks)
    check_spread(inst, checks)
    with contextlib.closing(Held(inst, CLIENTS[::5])) as held:
        check_stop(inst, checks, held)
    check_drain(inst, checks)
    take_new(inst, checks, 'before a port fails', {'cas1': 5, 'cas2': 5})
    check_one_port(inst, checks)
    check_other_group(inst, checks)
    check_link(inst, checks)
    checks.law('exchange', inst.ballast.stop())


suite.main(run)
