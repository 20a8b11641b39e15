"""The figures of the documents: taken from turns of the bench, kept in docs/performance.json
and written as tables between markers of docs/performance.md and docs/scaling.md.

The data: machine, date, priority and turns as text and numbers; `rows` by name, each as
ballast_bench --json has it, of the turn with the least median; `instructions` and `whole_program`
as those programs write them; `server_change_ms` by hand, from verdict-latency."""
import json
import math
import re

import whole_program_text

PASSES = ('admit', 'choose', 'deliver', 'account')
NUMBERS = ('ns_min', 'ns_median', 'ns_max', 'cycles_min', 'cycles_median', 'cycles_max', 'mpps',
           'bytes_per_connection', 'loop_ns', 'read_ns', 'bare_ns_min', 'bare_ns_median')
NEEDED = ('ns_min', 'ns_median', 'ns_max', 'mpps')
LINE_RATE_MPPS = 148.8  # 100 Gbit/s of 64-byte frames
ONE, MANY = '1 flow, 1/100', '1 M flows, 256/1000'
NEW = 'table 80 % full, 256/1000'
KINDS = ('dsr', 'ipip', 'gue', 'nat in', 'nat reply', 'fullnat in', 'fullnat reply',
         'stateless dsr', 'stateless ipip')
OPENINGS = ('dsr new', 'dsr new, persistence', 'fullnat new', 'fullnat new, persistence')
# Of the bare loop on the machine of the figures to reach; 15 to 18 at a million flows.
BARE_THERE = {ONE: 4.4, MANY: 16.5}

# workload, peers' best, reach (ns), goal (ns), row
REACH = (
    ('dsr, established, 1 flow', '77 (GLB), 78 (DPVS less I/O)', 16, 10, f'dsr, IPv4, {ONE}'),
    ('dsr, established, 1 M flows, 256/1000', '111 (GLB, stateless), 699 (Katran)', 35, 25,
     f'dsr, IPv4, {MANY}'),
    ('dsr, established, 10 M flows', 'none measured', 45, 34,
     'dsr, IPv4, 10 M flows, 256/1000'),
    ('ipip, 1 M flows, 256/1000', '699 (Katran)', 40, 30, f'ipip, IPv4, {MANY}'),
    ('gue with outer checksum, 1 M flows', '111 (GLB, stateless), 712 (Katran)', 45, 33,
     f'gue, IPv4, {MANY}'),
    ('stateless Maglev and ipip, 1 M flows, 256/1000', '111 (GLB)', 25, 18,
     f'stateless ipip, IPv4, {MANY}'),
    ('nat in, 1 M flows', '503 (DPVS less I/O, 16 k flows)', 50, 38, f'nat in, IPv4, {MANY}'),
    ('nat reply, 1 M flows', 'the same', 50, 38, f'nat reply, IPv4, {MANY}'),
    ('fullnat in, 1 M flows', 'the same', 50, 38, f'fullnat in, IPv4, {MANY}'),
    ('fullnat reply, 1 M flows', 'the same', 50, 38, f'fullnat reply, IPv4, {MANY}'),
    ('new connection, dsr, table 80 % full', '1132 (Katran, table full)', 90, 60,
     f'dsr new, IPv4, {NEW}'),
    ('the same with persistence', 'none lock-free', 120, 80,
     f'dsr new, persistence, IPv4, {NEW}'),
    ('new connection, dsr, table full', '1132 (Katran)', None, None,
     'dsr new, IPv4, table full, 256/1000'),
)
# row, its one worker, to reach
PAIRS = (('dsr', 1.9), ('nat in', 1.7), ('fullnat reply', 1.7))


class FiguresError(Exception):
    """What is wrong with the figures, for people."""


# --- turns to data --------------------------------------------------------------------------------

def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def check_row(row, where):
    """A row as ballast_bench writes it; FiguresError otherwise."""
    if not isinstance(row, dict) or not isinstance(row.get('row'), str) or not row['row']:
        raise FiguresError(f'{where}: not a row of ballast_bench: {str(row)[:60]}')
    where = f"{where}: {row['row']}"
    for name in NUMBERS:
        value = row.get(name)
        if value is None and name not in NEEDED:
            continue
        if not is_number(value) or value <= 0:
            raise FiguresError(f'{where}: {name} is {value!r}')
    if not row['ns_min'] <= row['ns_median'] <= row['ns_max']:
        raise FiguresError(f'{where}: the median is not between minimum and maximum')
    passes = row.get('pass_cycles')
    if passes is not None and (set(passes) != set(PASSES) or
                               not all(is_number(value) for value in passes.values())):
        raise FiguresError(f'{where}: pass_cycles is {passes!r}')


def place(name):
    """Where a row stands among the others."""
    groups = ('IPv4, 1 flow', 'IPv4, 64 k', 'IPv4, 1 M', 'IPv4, 10 M', 'IPv6, 1 flow', 'IPv6, 1 M',
              'table 50', 'table 80', 'table full', 'service look-up')
    kind = name.removeprefix('two workers: ').split(', IPv')[0]
    order = (*KINDS, *OPENINGS)
    return (name.startswith('two workers'),
            next((n for n, word in enumerate(groups) if word in name), len(groups)),
            order.index(kind) if kind in order else len(order), name)


def load(path):
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise FiguresError(f'{path}: {error}') from error


def load_turn(path):
    """The rows of one turn; a row twice is an error."""
    rows = load(path)
    if not isinstance(rows, list) or not rows:
        raise FiguresError(f'{path}: no rows')
    names = set()
    for row in rows:
        check_row(row, path)
        if row['row'] in names:
            raise FiguresError(f"{path}: {row['row']}: twice")
        names.add(row['row'])
    return rows


def load_instructions(path):
    found = load(path)
    for entry in found if isinstance(found, list) else [None]:
        if not isinstance(entry, dict) or not is_number(entry.get('instructions')) or \
                set(entry.get('passes', ())) != set(PASSES):
            raise FiguresError(f'{path}: no counts of instructions: {str(entry)[:60]}')
    return found


def choose(turns):
    """{name: row} of the turn in which the row's median was least."""
    found = {}
    for rows in turns:
        for row in rows:
            best = found.get(row['row'])
            if best is None or row['ns_median'] < best['ns_median']:
                found[row['row']] = row
    return found


def load_data(path):
    data = load(path)
    if not isinstance(data, dict) or not isinstance(data.get('rows'), dict):
        raise FiguresError(f'{path}: no figures')
    for name, row in data['rows'].items():
        check_row(row, path)
        if row['row'] != name:
            raise FiguresError(f"{path}: {name} is {row['row']}")
    return data


def save_data(data, path):
    """A line for each row, so that a difference can be read."""
    rows = ',\n'.join(f'  {json.dumps(name)}: {json.dumps(row)}'
                      for name, row in sorted(data['rows'].items(),
                                              key=lambda item: place(item[0])))
    rest = {name: value for name, value in data.items() if name != 'rows'}
    head = json.dumps(rest, indent=1, ensure_ascii=False)[:-2]
    with open(path, 'w', encoding='utf-8') as out:
        out.write(f'{head},\n "rows": {{\n{rows}\n }}\n}}\n')


# --- data to tables -------------------------------------------------------------------------------

def row_of(data, name):
    if name not in data['rows']:
        raise FiguresError(f'no figures of the row {name}')
    return data['rows'][name]


def cell(value, width, digits=1):
    return f'{"-" if value is None else f"{value:.{digits}f}":>{width}}'


def machine(data):
    turns = data['turns']
    times = 'in one turn' if turns == 1 else (
        f'in {turns} turns, one after the other; of each row stands here the turn with the least '
        'median')
    return f"{data['machine']}, {data['date']}, {data['priority']}. The rows ran {times}."


def rows(data):
    lines = [' ' * 67 + '   ns/packet min med max      TSC cycles min med max    Mpps  B/conn'
             '  loop ns  read ns    bare min med']
    for name in sorted(data['rows'], key=place):
        row = data['rows'][name]
        if name.startswith('two workers'):
            continue
        ns, cycles = ([row.get(f'{unit}_{which}') for which in ('min', 'median', 'max')]
                      for unit in ('ns', 'cycles'))
        lines.append(f'{name:67}' + ''.join(cell(value, 8) for value in ns) +
                     ''.join(cell(value, 9) for value in cycles) + cell(row['mpps'], 8) +
                     cell(row.get('bytes_per_connection'), 8, 0) + cell(row.get('loop_ns'), 9) +
                     cell(row.get('read_ns'), 9) + cell(row.get('bare_ns_min'), 8) +
                     cell(row.get('bare_ns_median'), 8))
    return '\n'.join(['```', *lines, '```'])


def table(head, lines):
    return '\n'.join(['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)] +
                     ['| ' + ' | '.join(line) + ' |' for line in lines])


def both(row):
    return f"{row['ns_min']:.0f}, {row['ns_median']:.0f} ns"


def verdict(value, reach, goal):
    if value <= goal:
        return 'yes, the goal too'
    return 'yes' if value <= reach else 'no'


def reach_line(data, spec):
    workload, peers, reach, goal, name = spec
    wanted = [f'{value} ns' if value else '-' for value in (reach, goal)]
    if name not in data['rows']:
        return [workload, peers, *wanted, 'not measured', '-', '-']
    row = row_of(data, name)
    bare, there = row.get('bare_ns_min'), BARE_THERE.get(name.split('IPv4, ')[1])
    ratio = f"{row['ns_min'] / bare:.1f} x" if bare else '-'
    if bare and there:
        # What is judged is what is printed.
        scaled = round(row['ns_min'] * there / bare)
        end = f'{scaled} ns: {verdict(scaled, reach, goal)}'
    elif bare:
        end = 'no bare loop of 10 M flows with these buffers was measured there'
    elif reach is None:
        end = 'no figure to reach'
    else:
        end = f"as it is: {verdict(row['ns_min'], reach, goal)}"
    return [workload, peers, *wanted, both(row), ratio, end]


def ratio_of(data, dividend, divisor, what='ns_min'):
    return row_of(data, dividend)[what] / row_of(data, divisor)[what]


def ratios(data):
    """The lines of the table that no row of the bench is alone."""
    sizes = [row_of(data, f'{kind}, IPv4, {MANY}')['bytes_per_connection']
             for kind in ('dsr', 'nat in')]
    yield ['memory per connection at stated capacity, IPv4', '16 B without key (VPP), 576 B (DPVS)',
           '32 B dsr, 64 B NAT', '20, 48 B', f'{sizes[0]:.0f} B dsr, {sizes[1]:.0f} B NAT', '-',
           'yes' if sizes[0] <= 32 and sizes[1] <= 64 else 'no (decision 0130)']
    look_ups = [ratio_of(data, f'service look-up, {family}, random services, 65536/1048576',
                         f'service look-up, {family}, random services, 1/16')
                for family in ('IPv4', 'IPv6')]
    yield ['look-up alone, 65 536 services against 1, by minima', 'none', '1.5 x', '1.2 x',
           'IPv4 {:.2f} x, IPv6 {:.2f} x'.format(*look_ups), '-',
           ', '.join(f'{family} {verdict(round(ratio, 2), 1.5, 1.2)}'
                     for family, ratio in zip(('IPv4', 'IPv6'), look_ups))]
    if 'whole_program' in data:
        seen = [data['whole_program']['rate'][flows] for flows in ('1', '1000000')]
        is_reached = seen[0]['cycles_ratio'] >= 0.75 and seen[1]['cycles_ratio'] >= 0.55
        yield ['whole program against testpmd macswap, 1 flow, 1 M flows', 'none', '0.75, 0.55 x',
               '0.9, 0.7 x', 'rates {:.2f}, {:.2f} x; cycles {:.2f}, {:.2f} x'.format(
                   *(row['ratio'] for row in seen), *(row['cycles_ratio'] for row in seen)), '-',
               'yes' if is_reached else 'by rates, which the generator bounds'
               if seen[0]['ratio'] >= 0.75 and seen[1]['ratio'] >= 0.55 else 'no']
    six = {kind: ratio_of(data, f'{kind}, IPv6, {end}', f'{kind}, IPv4, {end}')
           for kinds, end in ((KINDS, MANY), (OPENINGS, NEW)) for kind in kinds
           if f'{kind}, IPv6, {end}' in data['rows']}
    worst = round(max(six.values()), 1)
    yield ['IPv6 against IPv4, 1 M flows and new ones, by minima', 'none', '1.5 x', '1.3 x',
           ', '.join(f'{kind} {ratio:.1f}' for kind, ratio in six.items()), '-',
           verdict(worst, 1.5, 1.3) if worst <= 1.5 else
           'no: ' + ', '.join(kind for kind, ratio in six.items() if round(ratio, 1) > 1.5)]
    if 'server_change_ms' in data:
        value = data['server_change_ms']
        yield ["one server's change to all workers, 10 000 services", 'DPVS 2 ms limit, lost',
               '10 ms', '1 ms', f'{value:.1f} ms ([below](#what-a-change-takes))', '-',
               verdict(value, 10, 1)]


def reach(data):
    head = ('workload', "peers' best", 'to reach', 'goal', 'here: minimum, median',
            'to the bare loop', 'scaled, reached?')
    return table(head, [*(reach_line(data, spec) for spec in REACH), *ratios(data)])


def instructions(data):
    """A line for each kind, both families beside each other."""
    found = {entry['row']: entry for entry in data.get('instructions', ())}
    lines = []
    for kind in KINDS:
        line = [kind]
        for family in ('IPv4', 'IPv6'):
            entry = found.get(f'{kind}, {family}, {ONE}')
            line += ['-'] * (1 + len(PASSES)) if entry is None else [
                f"{entry['instructions']:.0f}",
                *(f"{entry['passes'][name]:.0f}" for name in PASSES)]
        lines.append(line)
    return table(('row', 'IPv4', *PASSES, 'IPv6', *PASSES), lines)


def passes(data):
    lines = []
    for name in sorted(data['rows'], key=place):
        row = data['rows'][name]
        if row.get('pass_cycles') and ', 64 k' not in name:
            seen = row['pass_cycles']
            lines.append([name, *(f'{seen[pass_name]:.0f}' for pass_name in PASSES),
                          f'{sum(seen.values()):.0f}', cell(row.get('cycles_min'), 0, 0)])
    if not lines:
        return 'Not measured.'
    return table(('row', *PASSES, 'together', 'the row, minimum'), lines)


def whole(data):
    if 'whole_program' not in data:
        return 'Not measured.'
    return f"```\n{whole_program_text.text(data['whole_program'])}\n```"


def two_workers(data):
    lines = []
    for kind, wanted in PAIRS:
        one, two = row_of(data, f'{kind}, IPv4, {MANY}'), row_of(
            data, f'two workers: {kind}, IPv4, {MANY}')
        lines.append([kind, *(f"{row['ns_min']:.0f}, {row['ns_median']:.0f}"
                              for row in (one, two)),
                      *(f"{2 * one[what] / two[what]:.2f} x" for what in ('ns_min', 'ns_median')),
                      f'{wanted} x'])
    return table(('row, 1 M flows', 'one worker, ns (min, median)',
                  'each of two, ns (min, median)', 'two against one, by minima', 'by medians',
                  'to reach'), lines)


def new_connections(data):
    """A million a second: Mpps of a row whose packets each open one."""
    lines = []
    for opening in OPENINGS:
        name = f'{opening}, IPv4, {NEW}'
        one, two = data['rows'].get(name), data['rows'].get(f'two workers: {name}')
        if one and two:
            lines.append([opening, *(f"{row['ns_min']:.0f}, {row['ns_median']:.0f}"
                                     for row in (one, two)),
                          *(f"{row['mpps']:.2f}" for row in (one, two)),
                          *(f"{2 * one[what] / two[what]:.2f} x"
                            for what in ('ns_min', 'ns_median'))])
    if not lines:
        return 'Not measured.'
    return table(('row, table 80 % full', 'one worker, ns (min, median)',
                  'each of two, ns (min, median)', 'M/s of one', 'M/s of both',
                  'two against one, by minima', 'by medians'), lines)


def size(n_bytes):
    return f'{n_bytes / 1e9:.1f} GB' if n_bytes >= 1e9 else f'{n_bytes / 1e6:.0f} MB'


def memory(data):
    """Of connections as stated: NAT ones. Records: decision 0003."""
    each = [row_of(data, f'nat in, {family}, {MANY}')['bytes_per_connection']
            for family in ('IPv4', 'IPv6')]
    return table(('connections, all workers', 'IPv4 table', 'IPv6 table', 'records, as many'),
                 [[f'{n} M', *(size(n * 1e6 * n_bytes) for n_bytes in each),
                   size(n * 64e6 + 8e6)] for n in (1, 10, 100)])


def cores(data):
    lines = []
    for kind in KINDS:
        row = row_of(data, f'{kind}, IPv4, {MANY}')
        lines.append([kind, f"{row['ns_median']:.0f}", f"{row['mpps']:.1f}",
                      str(math.ceil(LINE_RATE_MPPS / row['mpps']))])
    return table(('packets', 'ns, median', 'Mpps a core', f'cores for {LINE_RATE_MPPS} Mpps'),
                 lines)


BLOCKS = {'machine': machine, 'rows': rows, 'reach': reach, 'instructions': instructions,
          'passes': passes, 'whole': whole, 'two-workers': two_workers,
          'new-connections': new_connections, 'cores': cores, 'memory': memory}
MARK = re.compile(r'<!-- generated: ([\w-]+) -->\n(.*?)<!-- end: \1 -->\n', re.DOTALL)


def fill(text, data, where):
    """The document with every block made anew."""
    def make(match):
        if match[1] not in BLOCKS:
            raise FiguresError(f'{where}: no block is called {match[1]}')
        body = BLOCKS[match[1]](data)
        return f'<!-- generated: {match[1]} -->\n{body}\n<!-- end: {match[1]} -->\n'
    if len(MARK.findall(text)) != text.count('<!-- generated: ') or not MARK.search(text):
        raise FiguresError(f'{where}: a block does not end as it began, or there is none')
    return MARK.sub(make, text)
