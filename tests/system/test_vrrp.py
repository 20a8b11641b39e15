#!/usr/bin/python3
"""Two nodes with configs/vrrp.json and configs/routing/keepalived.conf on DPDK ports (net_tap): the
virtual IPs are where the master is, and move when its daemon is killed and when its cable is cut."""
import contextlib
import os
import shutil
import sys

import lab as lab_module
import suite
from lab import LabError
from port_lab import TapPort

VIPS = ('192.0.2.10', '2001:db8::10')
SERVERS = {'web1': 11, 'web2': 12}


def document(at):
    out = suite.load('vrrp')
    out['node'].update(workers=[1], limits={'connections': 20000, 'persistence_records': 1000})
    out['node']['interfaces'][0]['addresses'] = [f'192.0.2.{at}/24', f'2001:db8::{at}/64']
    for pool in out['server_pools']:
        pool['health_monitors'] = [dict(suite.MONITOR)]
    return out


class Node:
    """ballastd and keepalived on a machine."""

    def __init__(self, lab, name, at, priority):
        self.host = lab.host(name, bridge=None)
        self.port = TapPort(lab, self.host, 'br0')
        self.ballast = lab_module.Ballast(self.host, document(at), suite.BUILD, memory_mib=128,
                                          devices=[self.port.device])
        self.folder = f'{lab.folder}/keepalived-{name}'
        os.makedirs(self.folder)
        with open(f'{lab_module.ROOT}/configs/routing/keepalived.conf') as text:
            conf = text.read()
        with open(f'{self.folder}/conf', 'w') as out:
            out.write(conf.replace('priority 200', f'priority {priority}'))
        self.start()
        log = open(f'{self.folder}/log', 'w')
        self.keepalived = self.host.start(
            'keepalived', '--dont-fork', '--vrrp', '--log-console', '--log-detail', '--use-file',
            f'{self.folder}/conf', '--pid', f'{self.folder}/pid', '--vrrp_pid',
            f'{self.folder}/vrrp.pid', stdout=log, stderr=log)

    def start(self):
        self.ballast.start(wait=False)
        self.port.plug()
        self.ballast.wait_ready()

    def held(self):
        """The virtual IPs on this node's twin."""
        text = self.host.run('ip', 'address', 'show', 'dev', 'lan', check=False)
        return [vip for vip in VIPS if f' {vip}/' in text]

    def mac(self):
        return self.ballast.get('status')['interfaces'][0]['mac']

    def log(self):
        with open(f'{self.folder}/log') as text:
            return text.read()


def check_master(master, other, client, checks, when):
    checks.holds(f'{when}: {master.host.name} has the virtual IPs',
                 lambda: master.held() == list(VIPS) and not other.held())
    for vip in VIPS:
        checks.holds(f'{when}: {vip} serves', lambda: serves(client, vip))
        checks.equal(f'{when}: each server', {client.get(vip, 80, timeout_s=30)
                                              for _ in range(2)}, set(SERVERS))
        neighbour = client.run('ip', 'neigh', 'show', vip)
        checks.check(f'{when}: the client has learned where {vip} is',
                     master.mac() in neighbour, neighbour.strip())


def serves(client, vip):
    with contextlib.suppress(OSError, LabError):
        return client.get(vip, 80, timeout_s=2)
    return None


def run(lab, checks):
    if shutil.which('keepalived') is None:
        print('skipped: keepalived is not installed (scripts/install-packages check)')
        sys.exit(suite.SKIPPED)
    for name, at in SERVERS.items():
        lab_module.Nginx(lab.host(name, f'192.0.2.{at}/24', f'2001:db8::{at}/64'), (80,))
    client = lab.host('tclient', '192.0.2.100/24', '2001:db8::100/64')
    nodes = [Node(lab, 'tfirst', 2, 200), Node(lab, 'tsecond', 3, 100)]
    first, second = nodes
    check_master(first, second, client, checks, 'at first')
    suite.run_live(checks, first.ballast, 'ports.md', 'VRRP', [
        ('/etc/keepalived/keepalived.conf', f'{first.folder}/conf')])
    first.ballast.kill()
    check_master(second, first, client, checks, 'after kill -9 of the first')
    first.start()
    check_master(first, second, client, checks, 'started again')
    first.port.set_carrier(False)
    check_master(second, first, client, checks, 'with its cable cut')
    first.port.set_carrier(True)
    check_master(first, second, client, checks, 'with its cable back')
    for node in nodes:
        node.keepalived.terminate()
        node.keepalived.wait()
        checks.equal(f'{node.host.name}: keepalived takes them away', node.held(), [])
        checks.law(node.host.name, node.ballast.stop())
    if checks.failed:
        for node in nodes:
            print(node.log())


suite.main(run)
