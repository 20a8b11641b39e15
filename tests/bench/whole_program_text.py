"""What whole-program prints of its figures, as JSON has them."""

LOADS = ('10', '50', '90')
N_SERVERS = 100
QUANTILES = '     p50       p99     p99.9  lost   late'


def line_of(seen):
    return (f"{seen['p50']:8.1f} {seen['p99']:9.1f} {seen['p999']:9.1f} {seen['lost']:5} "
            f"{seen['late_percent']:5.1f}%")


def rates(results):
    yield (f'ballastd (dsr, {N_SERVERS} servers) beside testpmd macswap, net_memif, 64-byte '
           f'frames, medians of {results["rounds"]} turns of {results["ms"]} ms')
    yield ''
    yield '                     testpmd          ballastd       ratio of   ratio of    lost'
    yield 'flows             Mpps  cycles     Mpps  cycles        rates     cycles  by both'
    for n_flows, row in results['rate'].items():
        a, b = row['testpmd'], row['ballastd']
        yield (f"{n_flows:>9}    {a['mpps']:9.2f} {a['cycles']:7.0f} {b['mpps']:8.2f} "
               f"{b['cycles']:7.0f} {row['ratio']:12.2f} {row['cycles_ratio']:10.2f} "
               f"{a['lost'] + b['lost']:8}")


def latencies(results):
    yield f"latency, us {'testpmd':>30}{'ballastd':>41}"
    yield f'flows      load{QUANTILES}{QUANTILES}'
    for n_flows, row in results['latency'].items():
        for load in LOADS:
            text = ''.join(line_of(row[name][load]) for name in ('testpmd', 'ballastd'))
            yield f'{n_flows:>9} {load:>3} %{text}'


def changes(results):
    n = next(iter(results['changes'].values()))['changes']['n']
    yield f'ballastd at 50 %, {n} REST requests one after the other'
    yield f'flows      beside it{QUANTILES}   seconds'
    for n_flows, row in results['changes'].items():
        for name in ('quiet', 'reads', 'changes'):
            seconds = f"{row[name]['seconds']:10.1f}" if 'seconds' in row[name] else ''
            yield f'{n_flows:>9}  {name:8} {line_of(row[name])}{seconds}'


def text(results):
    """Lines of one table after the other."""
    return '\n'.join([*rates(results), '', *latencies(results), '', *changes(results), '',
                      'packets of ballastd that are unaccounted for: '
                      f'{results["unaccounted"]}'])
