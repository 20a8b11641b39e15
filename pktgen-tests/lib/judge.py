"""Judges a question's figures by its limits, expect/QUESTION.json.

A file has `question` (the sentence that is asked) and two tables of limits by figure: `function`,
judged in every run, and `speed`, judged where asked for (a quiet machine). A limit has `min`, `max`
or both, `unit`, `why`, and `seen_by` where only one generator ("own", "pktgen") measures it. A
figure that its generator should have measured and did not is a failure."""
import json

LIMIT_KEYS = {'min', 'max', 'unit', 'why', 'seen_by'}
TABLES = ('function', 'speed')


class ExpectError(Exception):
    """A file of limits that is not one."""


def load(path):
    """The limits in a file, checked."""
    try:
        with open(path) as text:
            expect = json.load(text)
    except (OSError, ValueError) as error:
        raise ExpectError(f'{path}: {error}') from error
    if set(expect) - {'question', *TABLES} or not expect.get('question'):
        raise ExpectError(f'{path}: question, function and speed are its keys')
    if not expect.get('function'):
        raise ExpectError(f'{path}: a question without limits cannot fail')
    for table in TABLES:
        for name, limit in expect.get(table, {}).items():
            if set(limit) - LIMIT_KEYS or not set(limit) & {'min', 'max'}:
                raise ExpectError(f'{path}: {table}/{name}: min or max, and of '
                                  f'{sorted(LIMIT_KEYS)} only')
    return expect


def judge_one(limit, seen):
    """Why a figure does not hold, or None."""
    if seen is None:
        return 'not measured'
    if 'min' in limit and seen < limit['min']:
        return f'{seen} is less than {limit["min"]}'
    if 'max' in limit and seen > limit['max']:
        return f'{seen} is more than {limit["max"]}'
    return None


def judge(expect, figures, generator='own', speed=False):
    """[(figure, seen, why it failed or None)]: a row for each limit that this generator can see."""
    rows = []
    for table in TABLES if speed else TABLES[:1]:
        for name, limit in expect.get(table, {}).items():
            if limit.get('seen_by', generator) != generator:
                continue
            rows.append((name, figures.get(name), judge_one(limit, figures.get(name))))
    if not rows:
        rows.append(('limits', None, f'none of them is seen by {generator}'))
    return rows
