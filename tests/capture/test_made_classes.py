"""Classes made inside of captured code: by statements, `type`, `dataclass` and `namedtuple`. One graph, and at each call a class of its own, as eagerly."""

from __future__ import annotations

import abc
import collections
import dataclasses
import functools
import typing

import pytest
from interp_support import compiled, same

import segue
from segue import nn
from segue.eager.stats import stats


def members(x):
    factor = 3

    class Scaled:
        """What it does."""

        scale = factor
        table = x * 2
        seen: list = []  # noqa: RUF012

        def __init__(self, y):
            self.y = y

        def scaled(self):
            self.seen.append(1)
            return self.y * x * self.scale

        @property
        def more(self):
            return self.scaled() + 1

        @more.setter
        def more(self, value):
            self.y = value

        @staticmethod
        def plus(z):
            return z + 1

        @classmethod
        def of(cls, z):
            return cls(z)

        @functools.cached_property
        def once(self):
            return self.y - 1

    factor = 4
    one = Scaled(x)
    one.more = x * 5
    return one.scaled(), one.more, Scaled.plus(x), Scaled.of(x).y, Scaled.scale, one.table, one.once, Scaled.seen, Scaled.__name__, Scaled.__qualname__, Scaled.__doc__


def inherited(x):
    class Base:
        count = 0

        def __init__(self):
            type(self).count += 1

        def value(self, y):
            return y * 2

    class Derived(Base):
        def value(self, y):
            return super().value(y) + 1

        def __add__(self, other):
            return NotImplemented if isinstance(other, str) else self.value(x) + other

    one = Derived()
    try:
        one + "a"
    except TypeError as error:
        problem = str(error)
    Derived.extra = x
    return one + 1, isinstance(one, Base), issubclass(Derived, Base), Derived.count, Base.count, one.extra, problem, Derived.__mro__[-1], type(one) is Derived


def told_names(x):
    class Doubled:
        def __set_name__(self, owner, name):
            self.name = name

        def __get__(self, owner, cls=None):
            return self if owner is None else owner.__dict__[self.name] * 2

        def __set__(self, owner, value):
            owner.__dict__[self.name] = value

        def __delete__(self, owner):
            del owner.__dict__[self.name]

    class Owner:
        d = Doubled()

    one = Owner()
    one.d = x
    kept = one.d
    del one.d
    return kept, vars(one), Owner.d.name


def a_dataclass(x):
    @dataclasses.dataclass
    class Point:
        a: int
        b: float = 2.0
        c: list = dataclasses.field(default_factory=list)

    @dataclasses.dataclass(frozen=True, order=True)
    class Fixed:
        rate: float = 0.1
        weight: object = x

    one = Point(1)
    one.c.append(x)
    try:
        Fixed().rate = 2
    except dataclasses.FrozenInstanceError as error:
        problem = str(error)
    return x * one.b, one.c, Point(1) == Point(1), repr(Point(3, 4.0)), dataclasses.asdict(Point(1)), dataclasses.replace(one, a=7).a, problem, Fixed(0.1, 1) < Fixed(0.2, 1), Fixed().weight


def a_namedtuple(x):
    Pair = collections.namedtuple("Pair", "a b", defaults=[5])  # noqa: PYI024
    one = Pair(x, x * 2)
    return one.a + one.b, tuple(one), one._replace(a=3).a, Pair(1).b, one._fields, Pair.__name__, Pair._make([1, 2]).a, one._asdict()["b"]


def by_type(x):
    Made = type("Made", (dict,), {"factor": 2, "times": lambda self, y: y * self.factor})
    one = Made(a=1)
    return one.times(x), one["a"], Made.__name__, Made.__module__


def an_error(x):
    class Problem(ValueError):
        def __init__(self, code):
            super().__init__(f"code {code}")
            self.code = code

    try:
        raise Problem(3)
    except ValueError as error:
        return x, str(error), error.code, type(error) is Problem


def abstract(x):
    class Shape(abc.ABC):
        @property
        @abc.abstractmethod
        def area(self): ...

    class Square(Shape):
        area = x * x

    try:
        Shape()
    except TypeError as error:
        return Square().area, str(error), isinstance(Square(), Shape)


def matched(x):
    class Node:
        __slots__ = ("left", "right")
        __match_args__ = ("left", "right")

        def __init__(self, left, right):
            self.left, self.right = left, right

    match Node(x, Node(1, 2)):
        case Node(left, Node(1, right=deep)):
            return left * deep


def a_module(x):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x):
            return self.layer(x).relu()

    net = Net()
    return net(x), sorted(net.state_dict()), net.layer.weight


PROGRAMS = [members, inherited, told_names, a_dataclass, a_namedtuple, by_type, an_error, abstract, matched, a_module]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_one_graph(program):
    x, made, found = segue.tensor([1.0, -2.0, 3.0]), compiled(program, fullgraph=True), []
    for function in (program, made, program, made):
        segue.manual_seed(3)
        found.append(function(x))
    assert same(found[1], found[0]) and same(found[3], found[2])


def test_each_call_makes_a_class():
    def program(x):
        class Made:
            value = x * 2

            def get(self, default=x):
                return self.value + default, __class__

        return Made, Made(), [Made]

    made, x, before = compiled(program, fullgraph=True), segue.ones(2), stats.read()
    first, one, held = made(x)
    other = made(x + 1)[0]
    assert first is not other and type(one) is first and held == [first] and first.__module__ == __name__
    value, cls = one.get()
    assert value.tolist() == [3.0, 3.0] and cls is first and other().get()[0].tolist() == [6.0, 6.0]
    assert one.get(1)[0].tolist() == [3.0, 3.0] and first.get.__qualname__ == program(x)[0].get.__qualname__
    assert stats.since(before)["graphs"] == 1
    first.value = 5
    assert one.value == 5 and other.value is not first.value


def test_a_dataclass_that_is_returned_is_one():
    def program(x):
        @dataclasses.dataclass
        class Point:
            a: int
            b: object = x
            c: list = dataclasses.field(default_factory=lambda: [x])

        return Point, Point(1), Point.__init__

    x = segue.ones(2)
    cls, one, init = compiled(program, fullgraph=True)(x)
    assert init is cls.__init__ and type(one) is cls and one.a == cls(1).a and one.b is cls.b is x and cls(2).c[0] is x
    assert [field.name for field in dataclasses.fields(one)] == ["a", "b", "c"]


class Base:
    def value(self, y):
        return y * 2


def test_what_it_inherits_is_guarded(monkeypatch):
    def program(x):
        class Derived(Base):
            pass

        return Derived().value(x)

    made, x = compiled(program), segue.ones(2)
    assert made(x).tolist() == [2.0, 2.0]
    monkeypatch.setattr(Base, "value", lambda self, y: y * 7)
    assert made(x).tolist() == [7.0, 7.0]
    monkeypatch.setattr(Base, "__init__", lambda self: setattr(self, "value", lambda y: y * 9), raising=False)
    assert made(x).tolist() == [9.0, 9.0]


def test_what_a_base_runs_of_its_own_runs_once():
    class Registered:
        names: list = []  # noqa: RUF012

        def __init_subclass__(cls, **options):
            cls.names.append((cls.__name__, options))

    class Meta(type):
        def __new__(cls, name, bases, names):
            return super().__new__(cls, name, bases, {**names, "made": cls})

    def program(x):
        class One(Registered, option=1):
            def value(self):
                return x * 2

        class Two(metaclass=Meta):
            pass

        return One().value(), Two.made is Meta

    made = compiled(program)
    assert same(made(segue.ones(2)), (segue.ones(2) * 2, True))
    assert Registered.names == [("One", {"option": 1})]


def test_a_break_in_front_and_behind():
    def program(x, log):
        class Counter:
            total = 0

            def add(self, y):
                self.total += 1
                print(end="")
                log.append(self.total)
                return y + self.total

        counter = Counter()
        x = counter.add(x)
        print(end="")
        return counter.add(x), Counter.total, counter.total

    logs = [], []
    assert same(compiled(program)(segue.ones(2), logs[0]), program(segue.ones(2), logs[1])) and logs[0] == logs[1] == [1, 2]


class Picky(abc.ABC):  # noqa: B024
    @classmethod
    def __subclasshook__(cls, other):
        return "accepted" in vars(other) if cls is Picky else NotImplemented


class Stern(type):
    def __subclasscheck__(cls, other):
        return False


class OfStern(metaclass=Stern): ...


def a_subclass_that_a_hook_refuses(x):
    class Made(Picky): ...

    return x + 1, issubclass(Picky, Picky), issubclass(Made, Picky), isinstance(Made(), Picky)


def a_subclass_that_a_metaclass_refuses(x):
    return x + 1, issubclass(OfStern, OfStern)


def subclasses_that_a_made_class_names(x):
    class Refusal(Exception): ...

    def refuse():
        raise Refusal("no")

    class Made(metaclass=abc.ABCMeta):  # noqa: B024
        __subclasses__ = refuse

    try:
        return x + 1, issubclass(int, Made)
    except Refusal as error:
        return x * 2, str(error)


def a_method_whose_being_abstract_is_asked(x):
    class Unsure:
        def __bool__(self):
            raise ValueError("unsure")

    try:

        class Made(abc.ABC):  # noqa: B024
            def method(self): ...  # noqa: B027

            method.__isabstractmethod__ = Unsure()

    except ValueError as error:
        return x * 2, str(error)


def a_name_that_is_none(x):
    made = type("made", (), {"__qualname__": "Outer.made"})
    try:
        made.__qualname__ = b"other"
    except TypeError as error:
        return x * 2, str(error), made.__qualname__


class OfTheLibrary:
    """A descriptor whose module says that it is the standard library's."""

    name = None

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        return self.name


OfTheLibrary.__set_name__.__module__ = "functools"


def a_descriptor_that_learns_its_name(x):
    class Made:
        named = OfTheLibrary()

    return x + 1, Made.named


def texts_of_a_class_in_an_alias(x):
    class Unit(str): ...

    class Kind(str): ...

    first, second = typing.Annotated[float, Unit("m")], typing.Annotated[float, Kind("m")]
    kinds = [type(one.__metadata__[0]).__name__ for one in (first, second)]
    return x + 1, kinds, type(typing.Literal[Unit("s")].__args__[0]).__name__, first == second


REFUSING = [a_subclass_that_a_hook_refuses, a_subclass_that_a_metaclass_refuses, subclasses_that_a_made_class_names, a_method_whose_being_abstract_is_asked, a_name_that_is_none, a_descriptor_that_learns_its_name, texts_of_a_class_in_an_alias]


@pytest.mark.parametrize("program", REFUSING, ids=lambda one: one.__name__)
def test_what_c_code_asks_of_classes(program):
    assert same(compiled(program)(segue.ones(2)), program(segue.ones(2)))
