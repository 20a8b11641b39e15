"""Who gets a connection under the schedulers that go by a hash: a second writing of
dataplane/steer/maglev.c, schedule.c and stable_hash.h, as plain as it can be."""
import ipaddress
from fractions import Fraction

WORD = 2 ** 64 - 1
START = 0x2545f4914f6cdd1d
FACTOR = 0x9e3779b97f4a7c15
PROTOCOLS = {'tcp': 6, 'udp': 17}
PROBES = 64


def mix(x):
    for _ in range(2):
        x = ((x ^ x >> 32) * 0xd6e8feb86659fd93) & WORD
    return x ^ x >> 32


def chain(words, value=START):
    for word in words:
        value = mix(value ^ word)
    return value


def as_bytes(address):
    packed = ipaddress.ip_address(address).packed
    return packed if len(packed) == 16 else bytes(10) + b'\xff\xff' + packed


def hash_of_address(address):
    whole = as_bytes(address)
    return chain([int.from_bytes(whole[:8], 'big'), int.from_bytes(whole[8:], 'big')])


def fold(one, other):
    product = one * other
    return product & WORD ^ product >> 64


def hash_of_flow(who, vip, vip_port, proto='tcp'):
    src, dst = (ipaddress.ip_address(a).packed for a in (who.address, vip))
    words = [int.from_bytes(src[i:i + 4] + dst[i:i + 4], 'big') for i in range(0, len(src), 4)]
    words.append((who.port << 16 | vip_port) << 8 | PROTOCOLS[proto])
    words += [0] * (2 + len(words) % 2)
    value = START
    for first, second in zip(words[::2], words[1::2]):
        value = fold(value ^ first, second ^ FACTOR)
    return value


def reduce(value, n):
    return value * n >> 32


def is_prime(n):
    return all(n % d for d in range(2, int(n ** 0.5) + 1))


def turns(weights):
    """Positions of a list, each as often as its weight, as evenly as can be."""
    return [i for _, i in sorted((Fraction(2 * j + 1, w), i) for i, w in enumerate(weights)
                                 for j in range(w))]


def maglev_table(addresses, weights, at_least=0):
    at_least = at_least or max(101, 100 * len(addresses))
    size = next(n for n in range(at_least, 655374) if is_prime(n))
    keys = [hash_of_address(a) for a in addresses]
    orders = [[(mix(key + 1 & WORD) + j * (mix(key + 2 & WORD) % (size - 1) + 1)) % size
               for j in range(size)] for key in keys]
    due = sorted((Fraction(2 * j + 1, w), keys[i], i) for i, w in enumerate(weights)
                 for j in range(size) if w)
    table = [None] * size
    for _, _, i in due[:size]:
        table[next(slot for slot in orders[i] if table[slot] is None)] = i
    return table


def by_table(table, value, eligible):
    """Only for where somebody eligible is met within the probes."""
    at, step = reduce(value >> 32, len(table)), 1 + reduce(value & 0xffffffff, len(table) - 1)
    walk = (table[(at + n * step) % len(table)] for n in range(PROBES))
    return next(i for i in walk if i in eligible)


def by_connections(cycle, live, value):
    """Of two different servers drawn the one with less `live`, which also says how many."""
    drawn = []
    while len(drawn) < min(2, len(set(cycle))):
        value = value + FACTOR & WORD
        i = cycle[reduce(mix(value) >> 32, len(cycle))]
        if i not in drawn:
            drawn.append(i)
    return min(drawn, key=live)
