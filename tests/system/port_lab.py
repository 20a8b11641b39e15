"""DPDK ports without a card, and VLANs without a kernel that knows them, for tests in the lab."""
import contextlib
import os
import shutil
import socket
import subprocess
import threading

from lab import LabError, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))


class AccessPort:
    """Makes a bridge's port one of a VLAN, or of a VLAN in a provider's: the host behind it sends
    and receives untagged frames, on the bridge they are tagged."""

    def __init__(self, lab, outer_end, vlan, outer_vlan=None):
        program = f'{lab.folder}/access-{vlan}-{outer_vlan}.o'
        if not os.path.exists(program):
            multiarch = lab.run('clang', '-print-multiarch').strip() or 'x86_64-linux-gnu'
            tags = [f'-DINNER={vlan}'] + ([f'-DOUTER={outer_vlan}'] if outer_vlan else [])
            lab.run('clang', '-target', 'bpf', '-O2', '-isystem', f'/usr/include/{multiarch}', *tags,
                    '-c', f'{HERE}/access_port.bpf.c', '-o', program)
        lab.run('tc', 'qdisc', 'add', 'dev', outer_end, 'clsact')
        for way, section in (('ingress', 'from_host'), ('egress', 'to_host')):
            lab.run('tc', 'filter', 'add', 'dev', outer_end, way, 'bpf', 'direct-action', 'object',
                    program, 'section', section)


class TapPort:
    """net_tap: DPDK's end of a TAP device; the kernel's end is joined to a cable, frame by frame."""

    name, kernel_end = 'tap', 'dtap0'
    device = f'vdev:net_tap0,iface={kernel_end}'

    def __init__(self, lab, host, bridge):
        self.lab, self.host = lab, host
        host.cable(bridge, 'eth1')

    def plug(self):
        """Once the driver has made its device."""
        wait_for('the TAP device', lambda: self.kernel_end in self.host.run('ip', '-o', 'link'))
        self.host.mute(self.kernel_end)
        self.set_carrier(True)
        self.host.run('tc', 'qdisc', 'replace', 'dev', 'eth1', 'clsact')
        self.host.run('tc', 'qdisc', 'replace', 'dev', self.kernel_end, 'clsact')
        for source, sink in (('eth1', self.kernel_end), (self.kernel_end, 'eth1')):
            self.host.run('tc', 'filter', 'replace', 'dev', source, 'ingress', 'prio', '1',
                          'handle', '800::800', 'protocol', 'all', 'u32', 'match', 'u32', '0', '0',
                          'action', 'mirred', 'egress', 'redirect', 'dev', sink)

    def set_carrier(self, is_on):
        self.host.run('ip', 'link', 'set', self.kernel_end, 'up' if is_on else 'down')


class MemifPort:
    """net_memif: shared memory with another process, a switch that has a TAP device on the bridge."""

    name, kernel_end = 'memif', 'dtap1'

    def __init__(self, lab, host, bridge):
        self.lab, self.host, self.bridge = lab, host, bridge
        self.socket, self.switch = f'{lab.folder}/memif.sock', None
        self.device = f'vdev:net_memif0,role=server,socket={self.socket},socket-abstract=no'
        if shutil.which('dpdk-testpmd') is None:
            raise LabError('dpdk-testpmd is not installed (scripts/install-packages check)')

    def plug(self):
        wait_for('the memif socket', lambda: os.path.exists(self.socket))
        self.set_carrier(True)

    def set_carrier(self, is_on):
        """The port's other end is a process: without it there is no carrier."""
        if not is_on:
            self.switch.kill()
            self.switch.wait()
            return
        command = ['dpdk-testpmd', '--no-huge', '--no-pci', '--no-telemetry', '--file-prefix',
                   f'switch{os.getpid()}', '-m', '64', '--lcores', '0@(0-1),1@(0-1)',
                   f'--vdev=net_memif1,role=client,socket={self.socket},socket-abstract=no',
                   f'--vdev=net_tap1,iface={self.kernel_end}', '--', '--forward-mode=io',
                   '--auto-start', '--total-num-mbufs=8192', '--no-lsc-interrupt']
        self.switch = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL,
                                       env=dict(os.environ, RUNTIME_DIRECTORY=self.lab.folder))
        self.lab.processes.append(self.switch)
        wait_for('the switch\'s TAP device',
                 lambda: self.kernel_end in self.lab.run('ip', '-o', 'link'))
        self.lab.run('ip', 'link', 'set', self.kernel_end, 'master', self.bridge, 'up')


class Relay:
    """A TCP port on a host's address for the daemon's unix socket, as an SSH tunnel would be."""

    def __init__(self, host, address, port, path):
        self.path = path
        with host.inside():
            family = socket.AF_INET6 if ':' in address else socket.AF_INET
            self.listener = socket.create_server((address, port), family=family)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                near = self.listener.accept()[0]
                far = socket.socket(socket.AF_UNIX)
                far.connect(self.path)
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self.carry, args=ends, daemon=True).start()

    @staticmethod
    def carry(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        self.listener.close()
