"""Pktgen-DPDK as the generator: NAME.lua asks one question and writes its figures; what only
ballastd knows is read from its REST API.

Pktgen is a program for a terminal: it gets a pseudo terminal of its own. Each of its ports has a
worker lcore; on a machine with few cores several share one."""
import json
import os
import pty
import shutil
import subprocess
import threading
import time

from installation import (Ballastd, BenchError, Programs, Rest, cores, counted, dut_mac, memif,
                          memory)
from questions import SCALES, TUNNEL_BYTES, change_servers

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QUICK_PERCENT = 0.05  # of the 10 Gbit/s that net_memif claims: 7000 packets a second
STAMPED = ('latency', 'syn-flood')
QUESTION_S = 3600     # the search over all sizes of RFC 2544 takes long at 60 s a trial


def find(given):
    """The program: as given, or from PATH; None where there is none."""
    return shutil.which(given or 'pktgen')


def lcores(arms):
    """(EAL's words, Pktgen's words for which lcore has which port): its control thread is away from
    the workers."""
    workers = sorted(os.sched_getaffinity(0))[:-1] or [cores()[0]]
    places = [f'0@{cores()[1]}'] + [f'{n + 1}@{workers[n % len(workers)]}' for n in range(arms)]
    maps = [word for n in range(arms) for word in ('-m', f'{n + 1}.{n}')]
    return ['--lcores', ','.join(places)], maps


class Terminal:
    """A program at a pseudo terminal whose output is kept."""

    def __init__(self, programs, command, env):
        master, slave = pty.openpty()
        self.process = programs.start('pktgen', command, stdin=slave, stdout=slave, stderr=slave,
                                      env=env, start_new_session=True)
        os.close(slave)
        self.text = b''
        self.reader = threading.Thread(target=self.read, args=(master,), daemon=True)
        self.reader.start()

    def read(self, master):
        try:
            while data := os.read(master, 65536):
                self.text = (self.text + data)[-200000:]
        except OSError:
            pass  # the program has ended
        os.close(master)

    def tail(self):
        return self.text.decode(errors='replace')[-3000:]


class Installation:
    """ballastd here over net_memif, or on another machine, and what Pktgen is told of it."""

    def __init__(self, programs, options):
        if options.device:
            self.rest = Rest(options.api) if options.api else None
            self.devices = [f'--allow={device}' for device in options.device]
            self.mac = options.dut_mac.split(',')[0]
            return
        daemon = Ballastd(programs, options.build, options.forwarding, arms=options.arms,
                          servers=options.servers, services=options.services, huge=options.huge,
                          connections=4000000).wait_ready()
        self.rest, self.mac = daemon.rest, dut_mac(0)
        self.devices = ['--no-pci'] + [f'--vdev={memif(n, "client", path)}'
                                       for n, path in enumerate(daemon.sockets)]

    def environment(self, options, result):
        seconds = options.seconds or SCALES[options.scale]['seconds'] or 1
        return dict(os.environ, TERM='xterm', BALLAST_LIB=f'{HERE}/lib/ballast.lua',
                    BALLAST_RESULT=result, BALLAST_DUT_MAC=self.mac,
                    BALLAST_SINK=str(options.arms - 1), BALLAST_SECONDS=str(seconds),
                    BALLAST_LARGEST=str(1518 - TUNNEL_BYTES.get(options.forwarding, 0)),
                    BALLAST_RATE=str(QUICK_PERCENT) if options.scale == 'quick' else '0')


def wait(terminal, result, changes):
    """Until Pktgen has written its figures; changes() is made once a script says it has begun."""
    end, has_changed = time.monotonic() + QUESTION_S, False
    while not os.path.exists(result):
        if terminal.process.poll() is not None and not os.path.exists(result):
            raise BenchError(f'Pktgen ended without an answer:\n{terminal.tail()}')
        if time.monotonic() > end:
            raise BenchError(f'Pktgen gave no answer in {QUESTION_S} s:\n{terminal.tail()}')
        if not has_changed and os.path.exists(f'{result}.started'):
            has_changed = True
            changes()
            with open(f'{result}.over', 'w'):
                pass
        time.sleep(0.05)  # between two looks, never instead of one
    with open(result) as text:
        return json.load(text)


class Changes:
    """What server-change does to ballastd meanwhile."""

    def __init__(self, rest, options):
        self.rest, self.options, self.scale, self.n = rest, options, SCALES[options.scale], 0

    def make(self):
        if not self.rest:
            raise BenchError('server-change needs --api: the changes go through REST')
        self.n = change_servers(self, self.options.servers + 1)


def ask(question, options, program):
    """The figures of one question."""
    if question in STAMPED and options.forwarding in TUNNEL_BYTES:
        raise BenchError(f'{question}: Pktgen does not find its stamps inside a tunnel; '
                         '--generator own does')
    with Programs() as programs:
        installation = Installation(programs, options)
        rest, result = installation.rest, f'{programs.folder}/result.json'
        before = rest.counters() if rest else None
        words, maps = lcores(options.arms)
        # 512 MiB hold Pktgen's buffers for two ports.
        command = [program, *words, '--file-prefix', f'pktgen{os.getpid()}', '--no-telemetry',
                   *memory(options.huge, 512), *installation.devices, '--', '-P', *maps,
                   '-f', f'{HERE}/{question}.lua']
        terminal = Terminal(programs, command, installation.environment(options, result))
        changes = Changes(rest, options)
        figures = wait(terminal, result, changes.make)
        try:
            terminal.process.wait(10)
        except subprocess.TimeoutExpired:
            pass  # the figures are written; Programs ends it
        figures['changes'] = changes.n
        if rest:
            figures.update(counted(rest))
            figures['connections'] = rest.counters()['conn_created'] - before['conn_created']
        return figures
