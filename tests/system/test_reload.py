#!/usr/bin/python3
"""The configuration changes during traffic: no request fails, nobody moves who need not."""
import json
import threading

import lab as lab_module
import suite
from suite import wait_for

VIP, PORTS, WEB_VIP, WEB_PORT = '192.0.2.10', (135, 55000, 55001), '192.0.2.20', 80
CLIENTS = [f'192.0.2.{last}' for last in range(101, 141)]
N_THREADS = 4


class Traffic:
    """Clients that ask without a pause and know which server they had."""

    def __init__(self, host):
        self.host, self.server_of, self.wrong = host, {}, []
        self.done = [0] * N_THREADS
        self.is_over = threading.Event()
        self.lock = threading.Lock()
        for client in CLIENTS:
            for vip, ports in ((VIP, PORTS), (WEB_VIP, (WEB_PORT,))):
                self.ask(client, vip, ports[0])
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True)
                        for number in range(N_THREADS)]
        for thread in self.threads:
            thread.start()

    def ask(self, client, vip, port):
        key = (client, vip)
        try:
            seen = self.host.get(vip, port, client, 30)
        except OSError as error:
            seen = str(error)
        with self.lock:
            if seen != self.server_of.setdefault(key, seen):
                self.wrong.append((key, port, self.server_of[key], seen))
                self.server_of[key] = seen

    def run(self, number):
        while not self.is_over.is_set():
            for client in CLIENTS[number::N_THREADS]:
                for port in PORTS:
                    self.ask(client, VIP, port)
                self.ask(client, WEB_VIP, WEB_PORT)
                self.done[number] += 1

    def of(self, server):
        with self.lock:
            return {key for key, mine in self.server_of.items() if mine == server}

    def take_wrong(self, but=()):
        """What went wrong since the last call, once every client has asked again."""
        goal = [done + 2 * len(CLIENTS) // N_THREADS for done in self.done]
        wait_for('every client asks again', lambda: all(
            done >= wanted for done, wanted in zip(self.done, goal)), 120)
        with self.lock:
            out, self.wrong = self.wrong, []
        return [entry for entry in out if entry[0] not in but]

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()


class Installation:
    def __init__(self, lab, checks):
        self.checks = checks
        self.client = lab.host('rclient', '192.0.2.100/24', *[f'{c}/24' for c in CLIENTS])
        for name, last in (('cas1', 11), ('cas2', 12), ('cas3', 13)):
            lab_module.Nginx(lab.host(name, f'192.0.2.{last}/24'), (*PORTS, WEB_PORT))
        config = suite.load('exchange-2010')
        config['persistence_groups'] += [{'name': 'web', 'type': 'source_ip'},
                                         {'name': 'another', 'type': 'source_ip'}]
        config['virtual_services'].append(suite.service(
            'web', WEB_VIP, 'tcp', WEB_PORT, 'cas', forwarding='fullnat',
            persistence_group='web'))
        self.ballast = lab_module.Ballast(lab.host('rballast', '192.0.2.2/24'), config,
                                          suite.BUILD).start()
        for name in ('cas1', 'cas2'):
            self.wait_up(name)
        self.traffic = Traffic(self.client)

    def wait_up(self, server):
        wait_for(f'{server} is up', lambda: all(
            real['status'] == 'up' for service in self.ballast.get('status')['virtual_services']
            for real in service['real_servers'] if real['name'] == server))

    def etag(self):
        return self.ballast.rest('GET', '/api/v1/config')[1]['ETag']

    def read_file(self):
        with open(self.ballast.config_file) as text:
            return text.read()

    def write_file(self, text):
        with open(self.ballast.config_file, 'w') as out:
            out.write(text)

    def rest(self, what, method, path, body=None, headers=None, wanted=200):
        status, _, answer = self.ballast.rest(method, f'/api/v1/{path}', body, headers)
        self.checks.check(f'{what}: HTTP {wanted}', status == wanted,
                          '' if status == wanted else f'{status} {answer}')
        return answer

    def is_writable(self):
        return self.ballast.rest('PATCH', '/api/v1/virtual-services/web',
                                 {'description': 'x'})[0] == 200

    def unmoved(self, what, but=()):
        self.checks.equal(f'{what}: requests failed or clients moved',
                          self.traffic.take_wrong(but), [])


def check_servers(inst):
    """Real servers come and go."""
    inst.unmoved('nothing happens')
    inst.rest('add a server', 'POST', 'server-pools/cas/real-servers',
              {'name': 'cas3', 'address': '192.0.2.13'}, wanted=201)
    inst.wait_up('cas3')
    inst.unmoved('add a server')
    inst.rest('another weight', 'PATCH', 'server-pools/cas/real-servers/cas3', {'weight': 5})
    inst.unmoved('another weight')
    inst.rest('remove a server without clients', 'DELETE',
              'server-pools/cas/real-servers/cas3')
    inst.unmoved('remove a server without clients')


def check_services(inst, checks):
    """Services and groups come and go, of the same machines."""
    for name, more in (('alone', {}), ('in-outlook', {'persistence_group': 'outlook'}),
                       ('in-another', {'persistence_group': 'another'})):
        inst.rest(f'add a service {name}', 'POST', 'virtual-services', suite.service(
            name, '192.0.2.30', 'tcp', WEB_PORT, 'cas', forwarding='fullnat', **more),
            wanted=201)
        wait_for('it has servers', lambda n=name: [
            s['servers_up'] for s in inst.ballast.get('status')['virtual_services']
            if s['name'] == n] == [2])
        checks.check(f'service {name} answers', inst.client.get(
            '192.0.2.30', WEB_PORT, timeout_s=60) in ('cas1', 'cas2'))
        inst.unmoved(f'add a service {name}')
        inst.rest(f'remove the service {name}', 'DELETE', f'virtual-services/{name}')
        checks.raises(f'service {name} is gone', OSError, lambda: inst.client.get(
            '192.0.2.30', WEB_PORT, timeout_s=1))
        inst.unmoved(f'remove the service {name}')
    inst.rest('another scheduler', 'PATCH', 'virtual-services/web',
              {'scheduler': 'weighted_round_robin'})
    inst.unmoved('another scheduler')
    config = inst.ballast.get('config')
    config['persistence_groups'][1]['timeout_s'] = 900
    inst.rest('another timeout', 'PUT', 'config', config)
    inst.unmoved('another timeout')


def check_reload(inst, checks):
    """The file is edited and read again by SIGHUP."""
    config = json.loads(inst.read_file())
    config['server_pools'][0]['real_servers'].append({'name': 'cas3', 'address': '192.0.2.13'})
    before = inst.etag()
    inst.write_file(json.dumps(config, indent='\t'))
    inst.rest('a write while the file has changed', 'PATCH', 'virtual-services/web',
              {'description': 'x'}, wanted=409)
    checks.equal('and nothing has changed', inst.etag(), before)
    inst.ballast.reload()
    wait_for('the file is in force', lambda: inst.etag() != before)
    inst.wait_up('cas3')
    inst.unmoved('SIGHUP with another server')
    good, before = inst.read_file(), inst.etag()
    for what, text, wanted in (
            ('no JSON', good[:-20], 'reload refused'), ('an unknown key', good.replace(
                '"scheduler"', '"shceduler"', 1), '/virtual_services/0/shceduler')):
        inst.write_file(text)
        told = inst.ballast.log_text().count(wanted)
        inst.ballast.reload()
        checks.holds(f'SIGHUP with {what} is reported',
                     lambda w=wanted, n=told: inst.ballast.log_text().count(w) > n)
        checks.equal(f'SIGHUP with {what} changes nothing', inst.etag(), before)
        inst.unmoved(f'SIGHUP with {what}')
    inst.write_file(good)
    inst.ballast.reload()
    checks.holds('SIGHUP with a good file: writes are taken again', inst.is_writable)
    inst.unmoved('SIGHUP with a good file')


def check_guards(inst, checks):
    """If-Match and dry runs."""
    etag, text = inst.etag(), inst.read_file()
    for method, path, wanted in (('DELETE', 'virtual-services/none', 404),
                                 ('POST', 'server-pools/none/real-servers', 404),
                                 ('PATCH', 'real-servers/none', 404), ('GET', 'none', 404)):
        inst.rest(f'{method} {path}', method, path, {} if method in ('POST', 'PATCH') else None,
                  wanted=wanted)
    inst.rest('If-Match of another document', 'PATCH', 'virtual-services/web',
              {'description': 'y'}, {'If-Match': '"0123456789abcdef-0123456789abcdef"'}, 412)
    config = inst.ballast.get('config')
    config['virtual_services'] = config['virtual_services'][:1]
    config['server_pools'][0]['real_servers'] = [{'name': 'cas1', 'address': '192.0.2.11'}]
    answer = inst.rest('a dry run', 'PUT', 'config?dry_run=true', config)
    checks.check('a dry run tells what would change', len(answer['changes']) >= 3,
                 len(answer['changes']))
    answer = inst.rest('a document with two errors', 'PUT', 'config', {
        **config, 'server_pools': [], 'unknown': 1}, wanted=422)
    checks.equal('both are reported', [error['pointer'] for error in answer['errors']],
                 ['/unknown', '/virtual_services/0/server_pool'])
    checks.check('none of them changes anything', (inst.etag(), inst.read_file()) == (etag, text))
    inst.unmoved('refused and dry writes')
    inst.rest('If-Match of this document', 'PATCH', 'virtual-services/web',
              {'description': 'y'}, {'If-Match': etag})
    inst.rest('If-Match of the one before', 'PATCH', 'virtual-services/web',
              {'description': 'z'}, {'If-Match': etag}, 412)
    inst.rest('the same document', 'PUT', 'config', inst.ballast.get('config'))
    inst.unmoved('the same document')


def check_many(inst, checks):
    """Writes one after another, as fast as they are answered."""
    failed = []
    for number in range(40):
        name = f'extra{number % 4}'
        for method, path, body in (
                ('POST', 'virtual-services', suite.service(
                    name, f'192.0.2.{40 + number % 4}', 'tcp', WEB_PORT, 'cas',
                    forwarding='fullnat')),
                ('PATCH', f'virtual-services/{name}', {'idle_timeout_s': 100 + number}),
                ('DELETE', f'virtual-services/{name}', None)):
            status, _, answer = inst.ballast.rest(method, f'/api/v1/{path}', body)
            if status not in (200, 201):
                failed.append((status, answer))
    checks.equal('120 writes one after another: refused', failed, [])
    inst.unmoved('120 writes one after another')


def check_removal(inst, checks):
    """A server with clients is removed: they move, and their connections end with a reset."""
    with inst.client.connect(VIP, PORTS[0], CLIENTS[0], 60) as sock:
        server = suite.ask(sock)
        mine = inst.traffic.of(server)
        inst.rest(f'remove {server}', 'DELETE', f'server-pools/cas/real-servers/{server}')
        checks.raises('an open connection to it gets a reset', ConnectionError,
                      lambda: suite.ask(sock))
    inst.unmoved(f'remove {server}: of the others,', mine)
    checks.check('its clients are elsewhere', server not in inst.traffic.server_of.values())


def run(lab, checks):
    inst = Installation(lab, checks)
    check_servers(inst)
    check_services(inst, checks)
    check_reload(inst, checks)
    check_guards(inst, checks)
    check_many(inst, checks)
    check_removal(inst, checks)
    inst.traffic.stop()
    checks.law(f'{sum(inst.traffic.done) * 4} requests', inst.ballast.stop())


suite.main(run)
