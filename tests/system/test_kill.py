#!/usr/bin/python3
"""kill -9 and SIGTERM: what is accepted survives, what was made in the kernel does not."""
import contextlib
import copy
import json
import os
import socket
import subprocess

import lab as lab_module
import suite
from suite import wait_for

VIP, PORTS = '192.0.2.10', (135, 55000, 55001)
N_OPEN = 4


class Kernel:
    """What a Ballast puts into the kernel of its host."""

    def __init__(self, host):
        self.host = host
        links = json.loads(host.run('ip', '-j', 'link', 'show'))
        self.links = sorted(link['ifname'] for link in links)
        self.xdp = [link['xdp']['prog']['id'] for link in links if 'xdp' in link]
        self.addresses = sorted(
            (entry['ifname'], f"{info['local']}/{info['prefixlen']}")
            for entry in json.loads(host.run('ip', '-j', 'address', 'show'))
            for info in entry['addr_info'])
        neighbours = json.loads(host.run('ip', '-j', 'neigh', 'show') or '[]')
        self.managed = sorted(entry['dst'] for entry in neighbours
                              if 'managed' in entry or str(entry.get('protocol')) == '76')
        net = json.loads(host.run('bpftool', '-j', 'net', 'show'))[0]
        self.tc = sorted(entry['id'] for entry in net['tc'])
        self.reserved = host.run('sysctl', '-n', 'net.ipv4.ip_local_reserved_ports').strip()

    def without_programs(self):
        return self.links, bool(self.xdp), self.addresses, self.managed, bool(self.tc), \
            self.reserved


def has_program(number):
    return subprocess.run(['bpftool', 'prog', 'show', 'id', str(number)], check=False,
                          capture_output=True).returncode == 0


class Installation:
    def __init__(self, lab, checks):
        self.lab, self.checks = lab, checks
        self.client = lab.host('kclient', '192.0.2.100/24')
        self.servers = {name: lab_module.Nginx(lab.host(name, f'192.0.2.{last}/24'), PORTS)
                        for name, last in (('cas1', 11), ('cas2', 12), ('cas3', 13))}
        self.host = lab.host('kballast', '192.0.2.2/24')
        config = suite.load('exchange-2010')
        # As few ports as there are open connections: a restarted run must use them again.
        config['nat_sources'][0]['ports'] = f'20000-{20000 + N_OPEN // 2 - 1}'
        del config['persistence_groups']
        for service in config['virtual_services']:
            del service['persistence_group']
        self.ballast = lab_module.Ballast(self.host, config, suite.BUILD)

    def wait_up(self):
        wait_for('both servers are up', lambda: all(
            self.ballast.get(f'real-servers/{name}')['status'] == 'up'
            for name in ('cas1', 'cas2')))

    def is_served(self, port=PORTS[1]):
        return self.client.get(VIP, port, timeout_s=30) in self.servers


def check_start(inst, checks):
    before = Kernel(inst.host)
    inst.ballast.start()
    inst.wait_up()
    running = Kernel(inst.host)
    checks.check('a running Ballast has its program, its way back and its VIP in the kernel',
                 running.xdp and running.tc and ('eth1', f'{VIP}/32') in running.addresses
                 and len(running.links) == len(before.links) + 1 and running.managed,
                 running.without_programs())
    checks.check('the service answers', inst.is_served())
    second = lab_module.Ballast(inst.host, json.load(open(inst.ballast.config_file)),
                                suite.BUILD)
    second.start(wait=False)
    checks.check('a second one on the same interface is refused',
                 second.process.wait(60) not in (0, -6, -11),
                 second.log_tail().strip().splitlines()[-1])
    checks.equal('and takes nothing away', Kernel(inst.host).without_programs(),
                 running.without_programs())
    checks.check('nor does the traffic mind', inst.is_served())
    return before


def check_kill(inst, checks):
    """An accepted write, and at once the end; connections stay open over it."""
    before = Kernel(inst.host)
    open_ones = [inst.client.connect(VIP, PORTS[0], timeout_s=60) for _ in range(N_OPEN)]
    for sock in open_ones:
        suite.ask(sock)
    status, _, body = inst.ballast.rest('POST', '/api/v1/server-pools/cas/real-servers',
                                        {'name': 'cas3', 'address': '192.0.2.13'})
    inst.ballast.kill()
    checks.equal('a real server is added, then kill -9', status, 201)
    left = Kernel(inst.host)
    checks.check('the killed run leaves its program and its VIP', left.xdp == before.xdp
                 and ('eth1', f'{VIP}/32') in left.addresses)
    inst.ballast.start()
    inst.wait_up()
    checks.check('the accepted write has survived', 'cas3' in [
        real['name'] for real in inst.ballast.get('server-pools/cas/real-servers')], body)
    after = Kernel(inst.host)
    checks.equal('the next run has put the same into the kernel',
                 after.without_programs()[:3], before.without_programs()[:3])
    checks.check('by a program of its own', after.xdp != before.xdp)
    for number in before.xdp + before.tc:
        checks.holds(f'the program {number} of the killed run is gone',
                     lambda n=number: not has_program(n))
    check_open(inst, checks, open_ones, 'kill -9')


def check_open(inst, checks, open_ones, what):
    """Connections from before: a reset; new ones work, also over the same NAT ports."""
    fresh = [inst.client.connect(VIP, PORTS[0], timeout_s=60) for _ in range(N_OPEN)]
    checks.check(f'after {what} new connections open, on ports that servers think in use',
                 all(suite.ask(sock) for sock in fresh))
    for sock in open_ones:
        checks.raises(f'after {what} an old connection gets a reset', ConnectionError,
                      lambda s=sock: suite.ask(s))
    for sock in open_ones + fresh:
        sock.close()


def check_changed_file(inst, checks):
    """While it is dead, the file gets another VIP."""
    inst.ballast.kill()
    with open(inst.ballast.config_file) as text:
        old = json.load(text)
    new = copy.deepcopy(old)
    for service in new['virtual_services']:
        service['address'] = '192.0.2.20'
    new['nat_sources'][0]['addresses'] = ['192.0.2.20']
    for config, vip, gone in ((new, '192.0.2.20', VIP), (old, VIP, '192.0.2.20')):
        with open(inst.ballast.config_file, 'w') as out:
            json.dump(config, out)
        inst.ballast.start()
        inst.wait_up()
        addresses = [address for _, address in Kernel(inst.host).addresses]
        checks.check(f'after kill -9 and a new file {vip} is there and {gone} is not',
                     f'{vip}/32' in addresses and f'{gone}/32' not in addresses, addresses)
        checks.check(f'{vip} answers', inst.client.get(vip, PORTS[1], timeout_s=30))
        if vip != VIP:
            inst.ballast.kill()


def check_term(inst, checks, before):
    running = Kernel(inst.host)
    open_ones = [inst.client.connect(VIP, PORTS[0], timeout_s=60) for _ in range(N_OPEN)]
    for sock in open_ones:
        suite.ask(sock)
    checks.law('SIGTERM with connections open', inst.ballast.stop())
    checks.equal('SIGTERM leaves nothing in the kernel', Kernel(inst.host).without_programs(),
                 before.without_programs())
    for number in running.xdp + running.tc:
        checks.holds(f'the program {number} is gone', lambda n=number: not has_program(n))
    checks.equal('SIGTERM leaves no file but those of the user', left_files(inst.ballast),
                 ['ballast.json', 'log'])
    inst.ballast.start()
    inst.wait_up()
    check_open(inst, checks, open_ones, 'SIGTERM')
    checks.law('the last run', inst.ballast.stop())


def left_files(ballast):
    return sorted(os.path.relpath(os.path.join(folder, name), ballast.folder)
                  for folder, folders, names in os.walk(ballast.folder)
                  for name in folders + names)


def run(lab, checks):
    inst = Installation(lab, checks)
    before = check_start(inst, checks)
    check_kill(inst, checks)
    check_changed_file(inst, checks)
    check_term(inst, checks, before)


suite.main(run)
