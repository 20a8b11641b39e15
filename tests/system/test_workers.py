#!/usr/bin/python3
"""Two workers over AF_XDP: two queues on one interface, two interfaces, and one queue for both."""
import os
import sys

import suite
import test_matrix as matrix


def check_workers(inst, checks, what, queues):
    """Both had connections of their own, and what came to the wrong one was handed over."""
    workers = inst.ballast.get('workers')
    checks.equal(f'{what}: workers', len(workers), 2)
    for worker in workers:
        name = f"{what}: worker {worker['worker']}"
        checks.check(f'{name} took packets over', worker['handed_in'] > 0, worker['handed_in'])
        if queues > 1:
            checks.check(f'{name} received packets', worker['rx'] > 0, worker['rx'])
            checks.check(f'{name} sent packets', worker['tx'] > 0, worker['tx'])
    replies = [i['replies'] for i in inst.ballast.get('status')['interfaces']]
    wanted = ('no hash is known by which the kernel chooses the queue' if queues > 1
              else 'the device has one receive queue; transmit queues: 1 for 2 workers')
    checks.check(f'{what}: the report says how replies find their worker',
                 all(wanted in line for line in replies), replies[0])
    checks.equal(f'{what}: the workers agreed on the owners',
                 inst.ballast.counters()['drop_hand_over_again'], 0)


# Queues, forwarding, arms
ARRANGEMENTS = ((2, 'fullnat', 1), (2, 'nat', 2), (1, 'fullnat', 1), (1, 'nat', 1))
CELLS = matrix.proved_by([arrangement[1:] for arrangement in ARRANGEMENTS], 2)


def run(lab, checks):
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        print('skipped: two workers need two cores')
        sys.exit(suite.SKIPPED)
    number = 0
    for queues, forwarding, arms in ARRANGEMENTS:
        for family in ('ipv4', 'ipv6'):
            number += 1
            net = matrix.Network(forwarding, family, arms)
            inst = matrix.Installation(lab, net, f'w{number}', cores, queues)
            matrix.check_cells(inst, checks, 2)
            matrix.check_iperf(inst, checks)
            check_workers(inst, checks, f'{net.name()} {queues} queue(s)', queues)
            checks.law(net.name(), inst.ballast.stop())


if __name__ == '__main__':
    suite.main(run, CELLS)
