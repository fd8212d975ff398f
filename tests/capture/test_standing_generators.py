"""Generators in captured code that are left standing, thrown into, or shared: what happens when they are dropped happens, and each answer is eager mode's."""

from __future__ import annotations

import contextlib

import pytest
from interp_support import compiled, same

import segue


class Logging:
    def __init__(self, log):
        self.log = log

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.log.append(kind and kind.__name__)


class Endless:
    def __init__(self, log):
        self.log = log

    def __iter__(self):
        return self

    def __next__(self):
        return 1

    def close(self):
        self.log.append("closed")


def guarded(log):
    with Logging(log):
        yield 1
        yield 2


def tidy(log):
    try:
        yield 1
        yield 2
    except ValueError as error:
        log.append(error.args)
        yield 5
    finally:
        log.append("end")


def through(inner):
    yield from inner


def left_by_next(log):
    return next(guarded(log))


def left_by_break(log):
    for found in tidy(log):  # noqa: B007
        break
    return found


def left_in_a_variable(log):
    it = guarded(log)
    found = next(it)
    log.append("before")
    return found


def left_within_another(log):
    return next(through(tidy(log)))


def left_in_an_iterator_that_closes(log):
    return next(through(Endless(log)))


def thrown_into_the_inner_one(log):
    outer = through(tidy(log))
    found = [next(outer)]
    try:
        found.append(outer.throw(ValueError(3)))
    except ValueError:
        log.append("not taken")
    return [*found, *outer]


def closed_with_the_outer_one(log):
    outer = through(tidy(log))
    next(outer)
    outer.close()
    return list(log)


def taken_from_after_the_outer_one(log):
    inner = (number for number in (1, 2, 3))
    for first in through(inner):  # noqa: B007
        break
    return first, list(inner)


def sent_before_it_began(log):
    it = through([1, 2])
    with contextlib.suppress(TypeError):
        log.append(it.send(3))
    return list(it)


PROGRAMS = [left_by_next, left_by_break, left_in_a_variable, left_within_another, left_in_an_iterator_that_closes, thrown_into_the_inner_one, closed_with_the_outer_one,
            taken_from_after_the_outer_one, sent_before_it_began]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_generator_is_closed_as_eagerly(program):
    def f(x, log):
        return program(log), x + 1

    logs: list[list] = [[], [], [], []]
    x, made = segue.ones(2), compiled(f)
    found = [function(x, log) for function, log in zip((f, made, f, made), logs)]
    assert same(found[1], found[0]) and same(found[3], found[2])
    assert logs[1] == logs[0] and logs[3] == logs[2]


def test_one_that_has_nothing_to_do_there_stays_in_the_graph():
    layer = segue.nn.Linear(2, 2)

    def f(x):
        return x * next(layer.parameters()).sum() + next(number for number in (1, 2, 3) if number > 1)

    assert not segue.explain(f)(segue.ones(2)).breaks
