"""Corners of the language in which a program may go over a break: what it gives is the interpreter's answer, errors with their texts.

In comes a program of a tensor, out goes the same from the function and from the compiled one, twice. Each was found by CPython's own tests (test_cpython_suite.py).
"""

from __future__ import annotations

import enum
import functools
from typing import Generic, TypeVar

import pytest
from interp_support import compiled, same

import segue

T = TypeVar("T")
PROGRAMS = []


def program(function):
    PROGRAMS.append(function)
    return function


def ends_here():
    """The graph ends, as capture knows nothing of it."""
    print(end="")


@program
def constants_of_made_classes_behind_a_break(x):
    class Held(Generic[T]): ...

    class Colour(enum.Enum):
        RED = 1

    alias, union, red = Held[int], Colour | None, Colour.RED
    ends_here()
    return x + 1, alias.__origin__ is Held, type(alias()) is Held, alias.__args__, union.__args__[0] is Colour, red is Colour.RED


class Meta(type):
    @functools.cached_property
    def cached(self):
        return 1


class Bare:
    __slots__ = ()

    @functools.cached_property
    def cached(self):
        return 1


class OfMeta(metaclass=Meta): ...


@program
def cached_properties_without_a_dict(x):
    found = []
    for owner in (OfMeta, Bare()):
        try:
            found.append(owner.cached)
        except TypeError as error:
            found.append(str(error))
    return x + 1, found


class Method:
    def gives(self):
        return self


@program
def a_bound_method_stays_bound(x):
    one, other = Method(), Method()
    return x + 1, one.gives.__get__(other, Method)() is one, Method.gives.__get__(other, Method)() is other


@program
def a_metaclass_with_an_order_of_its_own(x):
    class Base: ...

    class Ordered(type):
        def mro(cls):
            del Ordered.mro
            return (Base,)

    try:

        class Made(metaclass=Ordered): ...
    except TypeError as error:
        return x + 1, str(error)[:40]


class Described(type):
    @property
    def shown(self):
        return self.__name__


class OfDescribed(metaclass=Described):
    shown = 3


@program
def a_property_of_the_metaclass_comes_first(x):
    return x + 1, OfDescribed.shown, OfDescribed().shown


def kept_names(cell, made):
    class Keeps(type):
        def __new__(cls, name, bases, names):
            kept.update(names)
            if cell == "popped":
                del names["__classcell__"]
            if made == "none":
                return None
            found = super().__new__(cls, name, bases, names)
            return (type("Second", (), names) and found) if made == "two" else found

    kept: dict = {}

    class Made(metaclass=Keeps):
        def name(self):
            return __class__.__name__

    return kept, Made


@program
def the_cell_of_the_class(x):
    found = []
    for cell, made in (("kept", "one"), ("popped", "one"), ("kept", "two"), ("kept", "none")):
        try:
            names, cls = kept_names(cell, made)
            found.append((cls and cls().name(), "__classcell__" in names, hasattr(cls, "__classcell__"), cls and cls.name.__closure__[0] is names["__classcell__"]))
            found.append(type("Later", (), names)().name())
        except (RuntimeError, TypeError) as error:
            found.append(str(error))
    return x + 1, found


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_as_the_interpreter_does(program):
    x, made = segue.tensor([1.0, -2.0, 3.0]), compiled(program)
    found = [function(x) for function in (program, made, program, made)]
    assert same(found[1], found[0]) and same(found[3], found[2])
