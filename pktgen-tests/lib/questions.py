"""The questions, asked with the project's own generator. Each function asks one of a Bench and
returns its figures; expect/NAME.json judges them. pktgen-tests/NAME.lua asks the same of Pktgen."""
from generator import Generator
from installation import Ballastd, BenchError, Programs, Rest, cores, counted, memif, server_of

RFC2544_SIZES = (64, 128, 256, 512, 1024, 1280, 1518)
PATIENCE_MS = 30000  # of a trial that must lose nothing: a busy machine may stop for seconds
PROBE_MS = 300       # of one that looks for a limit
RFC2544_ROUNDS = 8  # of halving: to 0.4 %

# How much of everything. `seconds` None: a number of packets, so that no clock decides.
# What a tunnel's outer header of the larger family takes of the interface's MTU.
TUNNEL_BYTES = {'ipip': 40, 'gue': 48}
SCALES = {
    'quick': {'packets': 3000, 'seconds': None, 'flows': (1, 100, 5000), 'changes': 4},
    'full': {'packets': 0, 'seconds': 2.0, 'flows': (1, 1000, 65536, 1000000), 'changes': 50},
}


class Bench:
    """A device under test and the generator, for one question."""

    def __init__(self, options):
        self.options = options
        self.scale = dict(SCALES[options.scale])
        if options.seconds and self.scale['seconds']:
            self.scale['seconds'] = options.seconds
        self.programs = Programs()
        self.ballastd = self.rest = self.generator = None
        self.sums = {'sent': 0, 'lost': 0, 'bad': 0, 'moved': 0, 'nowhere': 0, 'received': 0}

    def __enter__(self):
        options = self.options
        self.programs.__enter__()
        try:
            if options.device:
                devices = [f'--allow={device}' for device in options.device]
                arms = len(devices)
                self.rest = Rest(options.api) if options.api else None
            else:
                arms = options.arms
                self.ballastd = Ballastd(self.programs, options.build, options.forwarding,
                                         arms=arms, servers=options.servers,
                                         services=options.services, huge=options.huge,
                                         connections=4000000 if options.scale == 'full' else 100000
                                         ).wait_ready()
                self.rest = self.ballastd.rest
                devices = [f'--vdev={memif(n, "client", path)}'
                           for n, path in enumerate(self.ballastd.sockets)]
            self.generator = Generator(self.programs, options.build, devices, arms=arms,
                                       dut_mac=options.dut_mac, huge=options.huge, core=cores()[0])
        except BaseException:
            self.programs.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.programs.__exit__()

    @property
    def answers(self):
        return int(self.options.forwarding in ('nat', 'fullnat'))

    def words(self, words):
        return {'quiet': PATIENCE_MS, 'forwarding': self.options.forwarding,
                'servers': self.options.servers + 8,
                'services': self.options.services, 'replies': self.answers,
                'largest': 1518 - TUNNEL_BYTES.get(self.options.forwarding, 0), **words}

    def book(self, seen):
        seen['received'] = seen['at_clients'] if self.answers else seen['at_servers']
        for name in self.sums:
            self.sums[name] += seen[name]
        if seen.get('complaint'):
            print(f'  first bad frame: {seen["complaint"]}')
        return seen

    def trial(self, **words):
        """A trial that counts among the figures."""
        return self.book(self.generator.trial(**self.words(words)))

    def probe(self, **words):
        """A trial that looks for a limit: what it loses is no fault."""
        return self.generator.trial(**self.words({'quiet': PROBE_MS, **words}))

    def length(self):
        """Words for a trial's length."""
        if self.scale['seconds'] is None:
            return {'count': self.scale['packets']}
        return {'ms': int(1000 * self.scale['seconds']), 'window': 1024}

    def open(self, n_flows, **words):
        """Each flow's first packet."""
        return self.trial(flows=n_flows, order='linear', count=n_flows, flags='syn', **words)

    def figures(self, **more):
        found = {**self.sums, **more}
        if self.rest:
            found.update(counted(self.rest))
        return found


def rounded(rate):
    return round(rate / 1e6, 4)


def zero_loss(bench, fastest_pps, size):
    """RFC 2544 section 26.1: the highest rate at which nothing is lost, by halving."""
    low, high = 0, fastest_pps
    for _ in range(RFC2544_ROUNDS):
        rate = (low + high) / 2 if low else high / 2
        seen = bench.probe(flows=1000, size=size, rate=int(rate), window=0,
                           ms=int(1000 * bench.scale['seconds']), check=64)
        # A generator that could not keep its rate has shown nothing.
        if seen['lost'] == 0 and seen['late'] == 0:
            low = rate
        else:
            high = rate
    return low


def throughput(bench):
    """At which rate is nothing lost, by the frame sizes of RFC 2544?"""
    bench.open(1000)
    found = {}
    for size in RFC2544_SIZES:
        seen = bench.trial(flows=1000, size=size, **bench.length())
        found[f'windowed_mpps_{size}'] = rounded(seen['received_pps'])
        if bench.scale['seconds'] is not None:
            best = zero_loss(bench, 1.2 * seen['received_pps'], size)
            found[f'zero_loss_mpps_{size}'] = rounded(best)
    return bench.figures(sizes=len(RFC2544_SIZES), **found)


def latency(bench):
    """How long does a packet take at 10, 50 and 90 % of the loss-free rate?"""
    bench.open(1000)
    fastest = bench.trial(flows=1000, **bench.length())['received_pps']
    found = {}
    for percent in (10, 50, 90):
        seen = bench.trial(flows=1000, rate=max(int(fastest * percent / 100), 1000), check=16,
                           **bench.length())
        for name in ('p50', 'p99', 'p999'):
            found[f'{name}_us_at_{percent}'] = seen['latency_ns'][name] / 1000
        found[f'measured_at_{percent}'] = seen['latency_ns']['n']
    return bench.figures(windowed_mpps=rounded(fastest), **found)


def many_flows(bench):
    """What do many flows in random order cost, and does each keep its server?"""
    found, rates = {}, []
    for n_flows in bench.scale['flows']:
        bench.open(n_flows)
        seen = bench.trial(flows=n_flows, **bench.length())
        rates.append(seen['received_pps'])
        found[f'windowed_mpps_{n_flows}'] = rounded(rates[-1])
    return bench.figures(flows=bench.scale['flows'][-1], share_of_one_flow=rates[-1] / rates[0],
                         **found)


def new_connections(bench):
    """How many new connections a second, and does the second packet find the first one's server?"""
    n_flows = bench.scale['flows'][-1]
    before = bench.rest.counters()['conn_created'] if bench.rest else 0
    opened = bench.trial(flows=n_flows, order='linear', count=n_flows, protocol='tcp', flags='syn',
                         window=1024)
    after = bench.rest.counters()['conn_created'] if bench.rest else n_flows
    bench.trial(flows=n_flows, order='linear', count=n_flows, protocol='tcp', window=1024)
    return bench.figures(connections=after - before,
                         connections_missing=n_flows - (after - before),
                         connections_per_s=opened['received_pps'],
                         servers_unlike=opened['server_most'] - opened['server_least'])


def syn_flood(bench):
    """Do established connections live on beside a SYN flood?"""
    bench.open(1000, protocol='tcp')
    bench.trial(flows=1000, order='linear', count=1000, protocol='tcp')
    alone = bench.trial(flows=1000, protocol='tcp', **bench.length())
    seen = bench.trial(flows=1000, protocol='tcp', flood=50, **bench.length())
    return bench.figures(flood_sent=seen['flood_sent'],
                         flood_unanswered=seen['flood_sent'] - seen['flood_received'],
                         share_of_rate_alone=(seen['received_pps'] + seen['flood_received'] /
                                              seen['seconds']) / alone['received_pps'])


def change_servers(bench, new):
    """Every kind of change that must move nobody; how many there were."""
    rest, n = bench.rest, 0
    for number in range(bench.scale['changes']):
        one = f'server-pools/servers4/real-servers/server{1 + number % bench.options.servers}'
        rest.change('PATCH', one, {'weight': 1 + number % 7})
        rest.change('PATCH', one, {'admin_state': 'drain'})
        rest.change('PATCH', one, {'admin_state': 'enabled'})
        rest.change('POST', 'server-pools/servers4/real-servers', server_of(new, 4))
        rest.change('DELETE', f'server-pools/servers4/real-servers/server{new}')
        n += 5
    return n


def server_change(bench):
    """Who notices when servers change under load?"""
    if not bench.rest:
        raise BenchError('server-change needs --api: the changes go through REST')
    n_flows, new = bench.scale['flows'][1], bench.options.servers + 1
    bench.open(n_flows)
    bench.generator.begin(**bench.words({'flows': n_flows}))
    n_changes = change_servers(bench, new)
    quiet = bench.book(bench.generator.end())
    # A server that leaves takes its connections along, and nobody else's.
    bench.generator.begin(**bench.words({'flows': n_flows}))
    bench.rest.change('DELETE', 'server-pools/servers4/real-servers/server1')
    seen = bench.generator.end()
    others = sum(n for server, n in seen['moved_from'].items() if server != '1')
    # Its connections may all have been asked for again only in another round over the flows.
    after = bench.probe(flows=n_flows, count=4 * n_flows, order='linear', quiet=PATIENCE_MS)
    others += sum(n for server, n in after['moved_from'].items() if server != '1')
    return bench.figures(changes=n_changes, moved_by_changes=quiet['moved'],
                         moved_from_others=others, lost_at_removal=seen['lost'] + after['lost'],
                         left_the_removed=seen['moved_from'].get('1', 0) +
                         after['moved_from'].get('1', 0))


def imix(bench):
    """What does a mix of sizes as the Internet has it cost?"""
    bench.open(1000)
    seen = bench.trial(flows=1000, size=0, **bench.length())
    return bench.figures(windowed_mpps=rounded(seen['received_pps']),
                         windowed_gbps=8 * seen['received_bytes'] / seen['seconds'] / 1e9)


def ipv6(bench):
    """Does IPv6 get through as IPv4 does, and at what price?"""
    rates = {}
    for family in (4, 6):
        for protocol in ('udp', 'tcp'):
            bench.open(1000, family=family, protocol=protocol)
            seen = bench.trial(flows=1000, family=family, protocol=protocol, size=128,
                               **bench.length())
            rates[family] = seen['received_pps']
    return bench.figures(windowed_mpps=rounded(rates[6]), share_of_ipv4=rates[6] / rates[4])


QUESTIONS = {
    'throughput': throughput,
    'latency': latency,
    'many-flows': many_flows,
    'new-connections': new_connections,
    'syn-flood': syn_flood,
    'server-change': server_change,
    'imix': imix,
    'ipv6': ipv6,
}
