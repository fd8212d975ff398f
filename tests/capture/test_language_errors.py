"""What captured code says where Python refuses: the errors of calls, unpacking, `with`, `raise` and generators, word for word, with their causes and what they know."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from interp_support import check, compiled

import segue


class Plain:
    pass


def message(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__, str(error), type(error.__cause__).__name__, type(error.__context__).__name__
    return "nothing"


def one_and_two(a, b=2, /, c=3, *, d, e, f=4):
    return a


def arguments_that_do_not_fit(x):
    calls = [(), (1,), (1, 2, 3, 4), (1, 2, 3, 4, 5)]
    found = [message(one_and_two, *args, **keywords) for args in calls for keywords in ({}, {"d": 1}, {"a": 1}, {"g": 1}, {"d": 1, "e": 2, "c": 3})]
    return x, found, message(lambda a, b, c: a), message(lambda a, b: a), message(lambda: 1, 2)


class Indexed:
    def __index__(self):
        return 4


class Speaks(str):
    pass


def store(owner):
    owner[0] = 1


def drop(owner):
    del owner[0]


def methods_that_are_not_there(x):
    plain = Plain()
    calls = [lambda: len(plain), lambda: plain[0], lambda: store(plain), lambda: drop(plain), lambda: next(plain), lambda: iter(plain), lambda: [*plain], lambda: 1 in plain,
             lambda: {**plain}]  # fmt: skip
    return x, [message(call) for call in calls], float(Indexed()), int(Indexed()), complex(Indexed())


class Takes:
    def named(self, **named):
        return named


def arguments_taken_apart(x):
    one, more = {"a": 1}, {"a": 2}
    inner = lambda **named: named  # noqa: E731
    calls = [
        lambda: one_and_two(**one, **more), lambda: Takes().named(**one, **more), lambda: Takes.named(Takes(), a=1, **more), lambda: inner(a=1, **more),
        lambda: dict(**one, **more), lambda: one_and_two(**3), lambda: one_and_two(**[("a", 1)]), lambda: inner(*3), lambda: dict(*None), lambda: inner(1, *3),
    ]  # fmt: skip
    return x, [message(call) for call in calls]


@contextlib.contextmanager
def manager():
    yield


def raise_within(error):
    with manager():
        raise error


class OnlyEnter:
    def __enter__(self): ...


class NoError(Exception):
    def __new__(cls):
        return 5


class Returns:
    def __init__(self):
        return 10


def unpack(given):
    a, b = given


def throw(given):
    raise given


def enter(given):
    with given:
        pass


def refusals(x):
    def endless():
        raise StopIteration("inside")
        yield

    found = [message(raise_within, StopIteration("within")), message(list, endless()), message(enter, OnlyEnter()), message(enter, Plain())]
    found += [message(unpack, Plain()), message(unpack, 1), message(Returns), message(throw, NoError), message(throw, 5)]
    return x, found, [message(made, Plain()) for made in (itertools.zip_longest, itertools.pairwise, itertools.cycle, itertools.accumulate, itertools.product)]


@pytest.mark.parametrize("program", [arguments_that_do_not_fit, arguments_taken_apart, methods_that_are_not_there, refusals], ids=lambda program: program.__name__)
def test_one_graph(program):
    check(program, segue.ones(2))
    compiled(program, fullgraph=True)(segue.ones(2))


class Silent:
    def __getattr__(self, name):
        raise AttributeError


class Shouts(str):
    def __str__(self):
        return self.upper() + "!"


class Blocked:
    __floordiv__ = None
    __class__ = 413


def answered_by_python(x, text):
    try:
        known = Silent().colour, None
    except AttributeError as error:
        known = error.name, type(error.obj)
    return x + 1, known, text.lower(), str(text), Blocked().__class__, message(lambda: Blocked() // 1)


def numbers_of_text(x):
    return x, int(Speaks("3")), float(Speaks("2.5"))


def test_numbers_of_text_of_a_users_class():
    check(numbers_of_text, segue.ones(2), breaks=None)


def test_objects_from_outside_and_special_methods_that_are_none():
    check(answered_by_python, segue.ones(2), Shouts("hello"), breaks=None)


def stores_beyond_the_end(x, items):
    try:
        items[len(items)] = 1
    except IndexError as error:
        stored = str(error)
    try:
        del items[-len(items) - 1]
    except IndexError as error:
        return x + 1, stored, str(error)


def test_a_place_beyond_the_end_of_a_list():
    check(stores_beyond_the_end, segue.ones(2), [1, 2])
