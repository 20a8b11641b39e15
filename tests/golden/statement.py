"""A golden case: the frames that come in and, stated without running Ballast, what becomes of each.

A statement is complete: every frame is forwarded, answered, dropped by name or left to the kernel,
and every counter follows from that, but for the few that a case states itself."""
import collections
import json
import pathlib
import re
import struct

HERE = pathlib.Path(__file__).resolve().parent
COUNTERS_DEF = HERE.parent.parent / 'include/lb/counters.def'
PCAP_HEAD = struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
PCAP_HEAD_NS = struct.pack('<I', 0xa1b23c4d) + PCAP_HEAD[4:]
MICROSECONDS = 1000000
# Which entry moves aside for another depends on the seeded hash: counted, not stated.
NOT_STATED = {'conn_displaced'}


def counter_kinds():
    """Name -> kind, in the order of counters.def."""
    return dict(re.findall(r'^LB_COUNTER\((\w+), (\w+),', COUNTERS_DEF.read_text(), re.MULTILINE))


def pcap_bytes(records):
    """A capture of (microseconds, frame)."""
    parts = [PCAP_HEAD]
    for at_us, frame in records:
        parts.append(struct.pack('<IIII', at_us // MICROSECONDS, at_us % MICROSECONDS,
                                 len(frame), len(frame)) + frame)
    return b''.join(parts)


def pcap_records(data):
    """The reverse of pcap_bytes; reads captures of nanoseconds too."""
    heads = [head[:4] for head in (PCAP_HEAD, PCAP_HEAD_NS)]
    if data[:4] not in heads or data[20:24] != PCAP_HEAD[20:24]:
        raise ValueError('not a capture of the form that these tests use')
    parts_per_us = 1 if data[:4] == heads[0] else 1000
    records, at = [], 24
    while at < len(data):
        seconds, part, kept, length = struct.unpack_from('<IIII', data, at)
        if kept != length or at + 16 + kept > len(data):
            raise ValueError(f'record {len(records)} is cut off')
        at_us = seconds * MICROSECONDS + part // parts_per_us
        records.append((at_us, data[at + 16:at + 16 + kept]))
        at += 16 + kept
    return records


def expected_counters(folder):
    """counters.json of a case: what is not in it is expected to be 0."""
    stated = json.loads((folder / 'counters.json').read_text())
    return {name: 0 for name in counter_kinds()} | stated


def write_expected_counters(folder, counters):
    """Only what has counted: a new counter is no reason to change every case."""
    kept = {name: value for name, value in counters.items() if value != 0}
    (folder / 'counters.json').write_text(json.dumps(kept, indent=2) + '\n')


class Case:
    """One folder of tests/golden."""

    def __init__(self, name, config):
        self.name = name
        self.config = config
        self.records = []
        self.out = []
        self.counts = collections.Counter()
        self.now_us = 1000 * MICROSECONDS
        self.step_us = 1000
        self.options = []  # of ballast_replay

    def folder(self):
        return HERE / self.name

    def wait(self, seconds):
        """The capture goes on this much later."""
        self.now_us += int(seconds * MICROSECONDS)

    def expect(self, **counts):
        """Counters that do not follow from what becomes of the frames."""
        self.counts.update(counts)

    def _take(self, frame):
        self.records.append((self.now_us, bytes(frame)))
        self.counts['rx'] += 1
        self.now_us += self.step_us

    def forwarded(self, before, after):
        self._take(before)
        self.out.append(bytes(after))
        self.counts['tx'] += 1

    def dropped(self, frame, reason):
        self._take(frame)
        self.counts[reason] += 1

    def held(self, frame):
        """It waits; what becomes of it is stated when it does."""
        self._take(frame)
        self.counts['held'] += 1

    def released(self, after):
        """One that was held leaves, behind the frame stated last."""
        self.out.append(bytes(after))
        self.counts['held'] -= 1
        self.counts['tx'] += 1

    def ended(self, reason):
        """One that was held is dropped."""
        self.counts['held'] -= 1
        self.counts[reason] += 1

    def punted(self, frame):
        self._take(frame)
        self.counts['punted'] += 1

    def answered(self, frame, reason, reply, kind):
        """Dropped under `reason`, and `reply` sent; kind: rst_sent or icmp_sent."""
        self._take(frame)
        self.out.append(bytes(reply))
        self.counts.update([reason, 'originated', 'tx', kind])

    def asked(self, frame):
        """Sent by Ballast of itself, before the next frame comes."""
        self.out.append(bytes(frame))
        self.counts.update(['originated', 'tx', 'tcp_asked'])

    def files(self):
        """What the statement says about files of the folder, byte for byte."""
        files = {'config.json': (json.dumps(self.config, indent=2) + '\n').encode(),
                 'in.pcap': pcap_bytes(self.records)}
        if self.options:
            files['options.json'] = (json.dumps(self.options) + '\n').encode()
        return files

    def contradictions(self):
        """How out.pcap and counters.json differ from what is stated, a line each."""
        out = [frame for _, frame in pcap_records((self.folder() / 'out.pcap').read_bytes())]
        if len(out) != len(self.out):
            yield f'out.pcap has {len(out)} frames, stated are {len(self.out)}'
        for i, (is_there, stated) in enumerate(zip(out, self.out)):
            if is_there != stated:
                yield f'frame {i} of out.pcap is {is_there.hex()}, stated is {stated.hex()}'
        counters = expected_counters(self.folder())
        for name in counter_kinds():
            if name not in NOT_STATED and counters.get(name) != self.counts[name]:
                yield f'{name} is {counters.get(name)}, stated is {self.counts[name]}'
