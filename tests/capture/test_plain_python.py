"""Very long stretches of plain Python: capture stops following them, says so, and what has tensors around them is compiled all the same."""

from __future__ import annotations

import decimal
import math

import pytest
from interp_support import compiled, same

import segue
from segue.eager.errors import CaptureError

X = segue.tensor([1.0, -2.0, 3.0])
LONG = 400  # turns: more than the limit of these tests
SAID = "instructions of plain Python without an operation on a tensor"


@pytest.fixture(autouse=True)
def limit():
    with segue.config.override(follow_limit=1000):
        yield


def counted(n):
    total = 0
    for k in range(n):
        total += k % 7
    return total


def passing_on(n):
    return counted(n) + 1


def computing_first(x, n):
    y = x * 2
    return y, counted(n)


def all_plain(x):
    return x, passing_on(LONG)


def between(x):
    y = x * 2
    n = passing_on(LONG)
    return (y + n).sum()


def written_out(x):
    y = x * 2
    n = 0
    for k in range(LONG):
        n += k % 7
    return y + n


def in_a_callee_that_computes(x):
    y, n = computing_first(x.sin(), LONG)
    return y + n


def with_operations(x):
    for k in range(LONG):
        x = x + k % 7
    return x


def in_a_generator(x):
    return x.sin() + sum(k % 7 for k in range(LONG))


def in_a_loop(x):
    for _ in range(3):
        x = x + counted(LONG)
    return x


def behind_a_short_call(x):
    return x + counted(3) + counted(LONG) + counted(2)


PROGRAMS = {  # -> how many graphs with operations there are, and the functions that run eagerly
    all_plain: (0, {"counted"}),
    between: (2, {"counted"}),
    written_out: (1, {"written_out"}),
    in_a_callee_that_computes: (3, {"counted"}),
    with_operations: (1, set()),
    in_a_generator: (2, set()),
    in_a_loop: (3, {"counted"}),
    behind_a_short_call: (3, {"counted"}),
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_what_stands_around_is_compiled(program):
    graphs, eager = PROGRAMS[program]
    made = compiled(program)
    for _ in range(2):
        assert same(made(X), program(X))
    settings = made.cache.settings
    assert sum(found.compiled is not None for found in settings.captured) == graphs
    assert {found.function.rpartition(".")[2] for found in settings.skipped if SAID in found.reason} == eager


def test_fullgraph_names_the_line():
    with pytest.raises(CaptureError, match=SAID):
        compiled(between, fullgraph=True)(X)


def test_the_limit_may_be_raised():
    with segue.config.override(follow_limit=100000):
        made = compiled(between)
        assert made(X).equal(between(X))
    assert len(made.cache.settings.captured) == 1 and not made.cache.settings.skipped


def test_forgotten_by_reset():
    made = compiled(between)
    made(X)
    assert made.cache.settings.plain
    segue.compiler.reset()
    assert not made.cache.settings.plain


def numbers_beyond_symbols(x, i, items, nan):
    found = [~i, abs(i), -i, +i, i.bit_length(), min(i, 2.5), max([i, True]), nan in [1, nan], decimal.Decimal(i) + 1, x > i.real]
    for change in (lambda: items.__setitem__(slice(None, None, 2), i), lambda: items.__setitem__(slice(1, 1), i), lambda: items[i]):
        try:
            found.append(change())
        except (TypeError, IndexError) as error:
            found.append((type(error), str(error)))
    return x + 1, found


def test_whole_numbers_of_any_size_vary():
    made = compiled(numbers_beyond_symbols)
    for i, nan in ((1, 0.5), (2**63, math.nan), (7, 2.5), (-(2**40), math.nan), (True, 1.0), (10**30, math.nan), (8, 3.5)):
        assert same(made(segue.ones(2), i, [1, 2, 3], nan), numbers_beyond_symbols(segue.ones(2), i, [1, 2, 3], nan))
