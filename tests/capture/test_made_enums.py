"""Enums, NamedTuples, generic classes and classes of users' metaclasses that captured code makes: one graph, and at each call a class of its own."""

from __future__ import annotations

import abc
import dataclasses
import enum
import typing

import pytest
from interp_support import check, compiled, same

import segue

T = typing.TypeVar("T")
SEEN: list = []


class Box(typing.Generic[T]):
    def __init__(self, v: T) -> None:
        self.v = v


class Plugin:
    found: dict = {}  # noqa: RUF012

    def __init_subclass__(cls, /, key=None, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.key = key or cls.__name__.lower()
        Plugin.found[cls.key] = cls


class Checked(abc.ABC):
    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        SEEN.append((cls.__name__, hasattr(cls, "area")))

    @abc.abstractmethod
    def area(self): ...


class Meta(type):
    def __new__(mcs, name, bases, names, tag="none"):
        cls = super().__new__(mcs, name, bases, {**names, "added": 2})
        cls.tag = tag
        SEEN.append(name)
        return cls

    def __init__(cls, name, bases, names, tag="none"):
        super().__init__(name, bases, names)
        SEEN.append(len(names) > 0)

    def __call__(cls, *args):
        made = super().__call__(*args)
        made.called = True
        return made

    def __len__(cls):
        return 42


def an_enum(x):
    class Kind(enum.Enum):
        A = enum.auto()
        B = "b"
        C = (x, 3)

        def applied(self, y):
            return y * x

        @property
        def pretty(self):
            return self.name.lower()

    table = {Kind.A: 1.0, Kind.B: 2.0}
    return Kind.A.applied(x), Kind("b").name, [k.name for k in Kind], Kind["A"].value, Kind.A.pretty, table[Kind.B], Kind.A is Kind(1), Kind.C.value[0] + 1, len(Kind), repr(Kind.B), isinstance(Kind.A, Kind)


def flags(x):
    class Perm(enum.IntFlag):
        R = enum.auto()
        W = enum.auto()
        RW = R | W

    class Only(enum.Flag):
        A = 1
        B = 2

    both = Only.A | Only.B
    return x * int(Perm.R | Perm.W), Perm.R in Perm.RW, both.value, [f.name for f in both], bool(Only.A & Only.B), Perm(3) is Perm.RW


def a_match(x):
    class Act(enum.StrEnum):
        RELU = enum.auto()
        TANH = enum.auto()

    def run(act):
        match act:
            case Act.RELU:
                return x.relu()
            case Act.TANH:
                return x.tanh()

    return [run(act) for act in Act], "-".join(Act), Act("relu") == "relu"


def a_namedtuple(x):
    class Point(typing.NamedTuple):
        a: typing.Any
        b: int = 2

        def scaled(self):
            return self.a * self.b

    one = Point(x)
    return one.scaled(), one._replace(b=5).scaled(), Point._fields, tuple(one), Point(1) == (1, 2), Point.__name__, repr(Point(1)), one.b


def generic(x):
    U = typing.TypeVar("U")

    class Pair(typing.Generic[T, U]):
        def __init__(self, a, b):
            self.a, self.b = a, b

    class Ints(Box[int]):
        def twice(self):
            return self.v * 2

    one = Pair[int, str](x, 2)
    return one.a * one.b, Ints(x).twice(), Box[int](x).v, len(Pair.__parameters__), isinstance(one, Pair), list[int]([1, 2]), typing.get_args(dict[str, int]), Box[int](3).__orig_class__


def told(x):
    class First(Plugin, key="a"):
        k = 2

    class Second(First):
        k = x

    return x * Plugin.found["a"].k, sorted(Plugin.found), Second.key, Plugin.found["second"].k, [base.__name__ for base in Second.__mro__]


def told_abstract(x):
    SEEN.clear()

    class Square(Checked):
        def area(self):
            return x * x

    class Open(Checked):
        pass

    try:
        Open()
    except TypeError as problem:
        return Square().area(), list(SEEN), "abstract" in str(problem), isinstance(Square(), Checked)


def by_metaclass(x):
    SEEN.clear()

    class One(metaclass=Meta, tag="t"):
        k = 3

        def __init__(self, v):
            self.v = v

    class Two(One):
        def doubled(self):
            return self.v * 2

    two = Two(x)
    return two.doubled(), two.called, One.tag, Two.tag, One.added, len(Two), list(SEEN), type(Two) is Meta


def own_metaclass(x):
    class Loud(type):
        def shout(cls):
            return cls.__name__.upper()

    class Quiet(metaclass=Loud):
        k = x * 3

    return Quiet.k, Quiet.shout(), type(Quiet).__name__


def slots(x):
    @dataclasses.dataclass(slots=True, frozen=True, kw_only=True)
    class Config:
        a: typing.Any
        b: int = 2

    one = Config(a=x)
    try:
        one.b = 3
    except dataclasses.FrozenInstanceError as problem:
        return one.a * one.b, Config.__slots__, str(problem), Config(a=1) == Config(a=1), hasattr(one, "__dict__"), repr(Config(a=1))


PROGRAMS = [an_enum, flags, a_match, a_namedtuple, generic, told, told_abstract, by_metaclass, own_metaclass, slots]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_one_graph(program):
    x, made, found = segue.tensor([1.0, -2.0, 3.0]), compiled(program, fullgraph=True), []
    for function in (program, made, program, made):
        found.append(function(x))
    assert same(found[1], found[0]) and same(found[3], found[2])


def test_each_call_makes_an_enum():
    def program(x):
        class Kind(enum.Flag):
            A = 1
            B = 2

        return Kind, Kind.A, Kind.A | Kind.B, {Kind.B: x * 2}

    made = compiled(program, fullgraph=True)
    first, member, both, table = made(segue.ones(2))
    other = made(segue.ones(2))[0]
    assert first is not other and member is first.A and both is first(3) and list(table) == [first.B]
    assert first.__module__ == __name__ and first.__qualname__ == program(segue.ones(2))[0].__qualname__


def hooked(x):
    class Planet(enum.Enum):
        EARTH = (2.0, 3.0)

        def __init__(self, mass, radius):
            self.density = mass / radius

    return x * Planet.EARTH.density


def twice(x):
    try:
        class Kind(enum.Enum):
            A = 1
            A = 2  # noqa: PIE794
    except TypeError as problem:
        return x * 2, str(problem)


@pytest.mark.parametrize("program", [hooked, twice])
def test_what_ends_the_graph(program):
    check(program, segue.ones(2), breaks=None)


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


def test_a_size_that_is_no_member_is_named():
    def f(x, number):
        try:
            return x + 1, Level(number)
        except ValueError as error:
            return x + 1, str(error)

    made = compiled(f)
    for number in (1, 5, 6, 2, 7):
        assert same(made(segue.ones(2), number), f(segue.ones(2), number))
