"""Corners of the language in which a program may go over a break: what it gives is the interpreter's answer, errors with their texts.

In comes a program of a tensor, out goes the same from the function and from the compiled one, twice. Each was found by CPython's own tests (test_cpython_suite.py).
"""

from __future__ import annotations

import abc
import collections
import datetime
import enum
import functools
import re
import typing
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


@program
def what_errors_of_real_code_know(x):
    found = []
    try:
        re.compile("(")
    except re.error as error:
        ends_here()
        found += [error.msg, error.pos, error.pattern, str(error)]
    stopped = StopIteration(1)
    found.append(stopped.value)
    stopped.value = 2
    return x + 1, found, stopped.value


class Stops:
    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration(42)


@program
def what_yield_from_gets_of_a_user_s_iterator(x):
    def gives():
        found.append((yield from Stops()))

    found: list = []
    list(gives())
    return x + 1, found


class Fixed:
    __slots__ = ("slot",)
    shared = 0


def told(*functions):
    found = []
    for function in functions:
        try:
            found.append(function())
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


@program
def attributes_that_cannot_be_written(x):
    one = Fixed()
    return x + 1, told(
        lambda: setattr(one, "shared", 1), lambda: delattr(one, "shared"), lambda: setattr(one, "more", 1), lambda: delattr(one, "more"), lambda: one.slot, lambda: vars(one))  # fmt: skip


@program
def calls_that_raise(x):
    return x + 1, told(lambda: max(), lambda: max(1, 2, default=0), lambda: min((), default=3), lambda: typing.List[int](), lambda: isinstance(3, typing.Any), lambda: typing.List[int])  # noqa: UP006


class Turned(int):
    def __index__(self):
        return 42


@program
def a_number_is_itself_as_an_index(x):
    class Local(int):
        def __index__(self):
            return 42

    return x + 1, list(range(50))[Turned(8)], list(range(50))[: Local(3)]


class Held:
    def __get__(self, owner, cls=None):
        return "asked", owner.__name__, cls.__name__


@program
def descriptors_in_classmethods(x):
    class Holds:
        of_held = classmethod(Held())
        of_property = classmethod(property(lambda cls: cls.__name__))

    return x + 1, told(lambda: Holds.of_held[0], lambda: Holds().of_held[1:], lambda: Holds.of_property[0])


@program
def subclasses_that_a_made_class_accepts(x):
    class Refusal(Exception): ...

    class Accepts(abc.ABC):  # noqa: B024
        @classmethod
        def __subclasshook__(cls, other):
            if other is int:
                raise Refusal("int")
            return hasattr(other, "upper") if cls is Accepts else NotImplemented

    return x + 1, told(lambda: issubclass(str, Accepts), lambda: isinstance([], Accepts), lambda: issubclass(int, Accepts))


class One(enum.IntEnum):
    FIRST = 1


@program
def methods_of_int_of_what_derives_from_it(x):
    class Made(int): ...

    return x + 1, int.__repr__(One.FIRST), int.__repr__(True), int.__format__(One.FIRST, "03"), type(Made.from_bytes(b"a", "big")) is Made


@program
def tuples_that_only_c_makes(x):
    day = datetime.datetime(2020, 1, 2)
    whole, week = day.timetuple(), day.isocalendar()
    ends_here()
    return x + 1, tuple(whole), whole.tm_year, week.week, repr(week)


class Clears:
    def __init__(self, held):
        self.held = held

    def __eq__(self, other):
        self.held.clear()
        return NotImplemented


@program
def sequences_that_are_cleared_while_they_are_searched(x):
    found = []
    for cls in (list, collections.deque):
        for name in ("__contains__", "count", "index", "remove"):
            held = cls()
            held.extend([Clears(held), Clears(held)])
            found += told(lambda: getattr(held, name)(3))  # noqa: B023
    return x + 1, found


@program
def errors_of_set_name(x):
    class Fails:
        def __set_name__(self, owner, name):
            raise ValueError(name)

    try:

        class Made:
            member = Fails()
    except (RuntimeError, ValueError) as error:
        return x + 1, type(error).__name__, str(error), getattr(error, "__notes__", None), repr(error.__cause__)


@program
def methods_of_c_that_are_bound(x):
    bound = object().__repr__
    ends_here()
    return x + 1, type(bound), type(object().__init__)


class Turns(str):
    __slots__ = ()

    def __rmod__(self, other):
        return "turned"


@enum.global_enum
class Shown(enum.IntFlag):
    ONE = 1


@program
def texts(x):
    class Undeletable(enum.Enum):
        FIRST = 1

    def delete():
        del Undeletable.FIRST

    ordered = collections.OrderedDict(a=1, b=2)
    dict.__delitem__(ordered, "a")
    return x + 1, "%s" % Turns("a"), told(lambda: "abc" % Fixed(), delete, lambda: object.__new__(Fixed, 1), lambda: repr(ordered)), repr(Shown.ONE), str(Shown.ONE)  # noqa: F507


def itself():
    def again(x):
        found = [1 for again in [1] for _ in [2]]
        y = x + 1
        ends_here()
        return y, found, again.__name__, again is itself_made[-1]

    itself_made.append(again)
    return again


itself_made: list = []
itself()


@program
def a_comprehension_s_variable_called_as_a_free_one(x):
    return itself_made[-1](x)


class Logs(abc.ABC):  # noqa: B024
    def __eq__(self, other):
        LOG.append(type(self).__name__)
        return NotImplemented


class Registered:
    __eq__ = Logs.__eq__


Logs.register(Registered)
LOG: list = []


@program
def a_registered_class_is_asked_second(x):
    LOG.clear()
    return x + 1, Logs() == Registered(), list(LOG)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_as_the_interpreter_does(program):
    x, made = segue.tensor([1.0, -2.0, 3.0]), compiled(program)
    found = [function(x) for function in (program, made, program, made)]
    assert same(found[1], found[0]) and same(found[3], found[2])
