"""Functions that the program makes anew at each call and that live across a graph break, or are handed in: they are not compiled for each anew.

In comes a program that is called many times, out go eager's answers, from a few captures.
"""

from __future__ import annotations

import functools
import operator

import pytest
from interp_support import compiled, same

import segue
from segue.eager.stats import stats


def loss_inside(x):
    k = 3

    def loss(y, power=2):
        return (y**power).sum() * k

    print(end="")
    return loss(x), loss is not None, callable(loss)


def shared_variable(x):
    n = 0

    def count():
        nonlocal n
        n += 1
        return n

    def also():
        nonlocal n
        n += 10
        return count()

    count()
    print(end="")
    also()
    return x * n, count(), n


def sorted_and_reduced(x):
    by = lambda v: -v  # noqa: E731
    print(end="")
    return x * sorted([3, 1, 2], key=by)[0], [by(v) for v in range(3)], by.__name__


def with_defaults(x):
    scale = x.sum()
    functions = [lambda y, s=scale, i=i: y * s + i for i in range(2)]
    first, second = functions
    print(end="")
    return first(x) + second(x), len(functions)


def told_apart(x):
    first, second = (lambda y: y * 2), (lambda y: y * 3)
    print(end="")
    return first(x), first is second, first == first, first in (second, first), {first: 1}.get(second)


def test_functions_are_told_apart():
    made, x = compiled(told_apart), segue.ones(2)
    for _ in range(4):
        assert same(made(x), told_apart(x))


def keyword_defaults(x):
    scale = x.sum()

    def scaled(y, *, by=scale, power=2):
        return y**power * by

    print(end="")
    return scaled(x), scaled(x, power=1), scaled.__kwdefaults__["power"]


def with_attributes(x):
    def counted(y):
        counted.calls += 1
        return y * counted.calls

    counted.calls, counted.unit = 0, x.sum()
    print(end="")
    counted.last = counted(x)
    return counted(x) * counted.unit, counted.calls, sorted(vars(counted)), counted.last


def wrapped(x):
    def twice(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs) * 2

        return wrapper

    @twice
    def shifted(y, by=1):
        """Shifts."""
        return y + by

    print(end="")
    return shifted(x, by=3), shifted.__wrapped__(x), shifted.__name__, shifted.__doc__


def decorated(x):
    quiet, loud = segue.no_grad()(lambda y: y * 2), segue.enable_grad()(lambda y: y * 3)
    print(end="")
    return quiet(x), loud(x), quiet.__name__


def getters(x):
    first, shape, pair = operator.itemgetter(0), operator.attrgetter("shape"), operator.itemgetter(1, "b")
    print(end="")
    return x * sorted([(2, 1), (1, 5)], key=first)[0][1], shape(x), pair({1: x, "b": 3})


PROGRAMS = [loss_inside, shared_variable, sorted_and_reduced, with_defaults, keyword_defaults, with_attributes, wrapped, decorated, getters]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_functions_of_the_frame_behind_a_break(program):
    made, before = compiled(program), stats.read()
    for n in range(8):
        x = segue.tensor([1.0, -2.0, n])
        assert same(made(x), program(x))
    assert stats.since(before)["captures"] < 8


def test_functions_that_are_handed_in():
    def apply(x, function, other):
        return function(x) + other(x) if function is not None else x

    made, before = compiled(apply, fullgraph=True), stats.read()
    for n in range(8):
        k = segue.full((3,), float(n))
        x, function = segue.ones(3), lambda y, k=k: y * k
        for other in (function, lambda y, k=k + 1: y * k, lambda y: y - k):  # noqa: B023
            assert same(made(x, function, other), apply(x, function, other))
    assert stats.since(before)["captures"] < 12
    assert same(made(segue.ones(3), lambda y: y * 100, lambda y: y), segue.full((3,), 101.0))


def test_two_that_share_a_variable_and_two_that_do_not():
    def pair(apart):
        def make():
            n = 0

            def up():
                nonlocal n
                n += 1
                return n

            def read():
                return n

            return up, read

        up, read = make()
        return up, make()[1] if apart else read

    def run(x, up, read):
        up()
        return x * read(), up()

    made, x = compiled(run), segue.ones(2)
    for apart in (False, False, False, True, True, False, True, False):
        assert same(made(x, *pair(apart)), run(x, *pair(apart))), apart


def test_what_differs_in_a_function_made_anew_is_noticed():
    def make(by, default, mark):
        def scaled(y, *, k=default):
            return y * k * by

        if mark:
            scaled.offset = mark
        return scaled

    def run(x, function):
        return function(x) + getattr(function, "offset", 0)

    made, x = compiled(run), segue.ones(2)
    for parts in [(2, 3, 0), (2, 3, 0), (2, 4, 0), (2, 4, 5), (2, 4, 6), (3, 4, 6), (3, 4, 0), (3, None, 0)]:
        function = make(*parts)
        if parts[1] is None:
            function.__kwdefaults__ = {"k": 7, "other": 1}
        assert same(made(x, function), run(x, function)), parts


def test_a_getter_of_another_place_is_noticed():
    def run(x, get):
        return x * get((2, 3, 5))

    made, x = compiled(run), segue.ones(2)
    for place in (0, 0, 1, 2, True, 1, 0):
        assert same(made(x, operator.itemgetter(place)), run(x, operator.itemgetter(place))), place
